"""An embeddings store in one SQLite file."""

from .collection import Collection
from .connection import connect
from .entries import Entry
from .errors import (
    AdoptionError,
    DatabaseError,
    DimensionError,
    DoesNotExist,
    ExtensionError,
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
from .models import (
    EmbeddingModel,
    EmbeddingModelWithAliases,
    get_embedding_model,
    get_embedding_model_aliases,
    get_embedding_models,
    get_embedding_models_with_aliases,
)
from .plugins import hookimpl
from .settings import get_default_embedding_model, set_default_embedding_model, user_dir
from .similarity import Explanation, similar_across
from .upsert import EmbedReport
from .vectors import content_hash, cosine_similarity, decode, encode

__version__ = "0.1.0"

__all__ = [
    "AdoptionError",
    "Collection",
    "DatabaseError",
    "DimensionError",
    "DoesNotExist",
    "EmbedReport",
    "EmbeddingModel",
    "EmbeddingModelWithAliases",
    "Entry",
    "Explanation",
    "ExtensionError",
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
    "connect",
    "content_hash",
    "cosine_similarity",
    "decode",
    "encode",
    "get_default_embedding_model",
    "get_embedding_model",
    "get_embedding_model_aliases",
    "get_embedding_models",
    "get_embedding_models_with_aliases",
    "hookimpl",
    "set_default_embedding_model",
    "similar_across",
    "user_dir",
]
