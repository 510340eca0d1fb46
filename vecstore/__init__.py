"""An embeddings store in one SQLite file."""

from .collection import Collection, similar_across
from .entries import Entry
from .errors import (
    AdoptionError,
    ConstraintError,
    DatabaseBusyError,
    DatabaseDamagedError,
    DatabaseError,
    DatabaseInterruptedError,
    DatabaseReadOnlyError,
    DimensionError,
    DiskError,
    DiskFullError,
    DoesNotExist,
    ExtensionError,
    FileChangedError,
    InputTypeError,
    InvalidInputError,
    MissingFileError,
    MissingKeyError,
    MissingPackageError,
    ModelError,
    ModelMismatchError,
    NewerSchemaError,
    RejectedInputError,
    TemporaryError,
    TwoLibrariesError,
    UnknownModelError,
    VecstoreError,
)
from .exchange import ExportHeader, export_collection, import_collection
from .loading.report import EmbedReport
from .models import (
    EmbeddingModel,
    EmbeddingModelWithAliases,
    get_embedding_model,
    get_embedding_model_aliases,
    get_embedding_models,
    get_embedding_models_with_aliases,
)
from .models.hooks import hookimpl
from .query import Explanation
from .settings import get_default_embedding_model, set_default_embedding_model, user_dir
from .sqlite.connection.user_functions import (
    remember_registered_functions as _remember_registered_functions,
)
from .sqlite.databases import connect
from .sqlite.maintenance import (
    Backup,
    CheckReport,
    Compaction,
    Finding,
    IndexStatus,
    backup,
    build_index,
    check,
    compact,
    drop_index,
    list_indexes,
)
from .vectors import content_hash, cosine_similarity, decode, encode

__version__ = "0.1.0"

# Users register functions before vecstore sees their Database: import it first, and none is lost.
_remember_registered_functions()

__all__ = [
    "AdoptionError",
    "Backup",
    "CheckReport",
    "Collection",
    "Compaction",
    "ConstraintError",
    "DatabaseBusyError",
    "DatabaseDamagedError",
    "DatabaseError",
    "DatabaseInterruptedError",
    "DatabaseReadOnlyError",
    "DimensionError",
    "DiskError",
    "DiskFullError",
    "DoesNotExist",
    "EmbedReport",
    "EmbeddingModel",
    "EmbeddingModelWithAliases",
    "Entry",
    "Explanation",
    "ExportHeader",
    "ExtensionError",
    "FileChangedError",
    "Finding",
    "IndexStatus",
    "InputTypeError",
    "InvalidInputError",
    "MissingFileError",
    "MissingKeyError",
    "MissingPackageError",
    "ModelError",
    "ModelMismatchError",
    "NewerSchemaError",
    "RejectedInputError",
    "TemporaryError",
    "TwoLibrariesError",
    "UnknownModelError",
    "VecstoreError",
    "backup",
    "build_index",
    "check",
    "compact",
    "connect",
    "content_hash",
    "cosine_similarity",
    "decode",
    "drop_index",
    "encode",
    "export_collection",
    "get_default_embedding_model",
    "get_embedding_model",
    "get_embedding_model_aliases",
    "get_embedding_models",
    "get_embedding_models_with_aliases",
    "hookimpl",
    "import_collection",
    "list_indexes",
    "set_default_embedding_model",
    "similar_across",
    "user_dir",
]
