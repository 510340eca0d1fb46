"""Which model a command embeds with: the one named, that of the collection, or the default."""

import click

from ..collection import Collection
from ..entries import require_collection_name
from ..errors import UnknownModelError
from ..models import (
    NO_MODEL,
    EmbeddingModel,
    ExternalModel,
    get_embedding_model,
    get_embedding_models,
)
from ..settings import DatabaseName, default_model
from .databases import is_there, open_store_to_read


def choose_model(name: str | None) -> EmbeddingModel:
    """Return the model of that id or alias, or else the default; an error lists the installed."""
    name = name or default_model()
    if not name:
        installed = sorted(model.model_id for model in get_embedding_models())
        raise click.ClickException(
            "You need to specify an embedding model (no default model is set): use -m MODEL, or "
            f"'vecstore embed-models default MODEL'; installed are {', '.join(installed)}"
        )
    return get_embedding_model(name)


def choose_model_to_write(
    database: DatabaseName, collection: str, name: str | None
) -> EmbeddingModel | None:
    """Return the model for `open_collection_to_write()`; None for one that is to use its own.

    It is found before anything is created, and before any content is read.
    """
    require_collection_name(collection)
    return None if not name and _has_collection(database, collection) else choose_model(name)


def choose_model_of_vectors(
    database: DatabaseName, collection: str, name: str | None
) -> EmbeddingModel | None:
    """Return the model that vectors of the user's own are of, likewise; it need not be installed.

    The default is for what is embedded: a new collection that is not told has none.
    """
    require_collection_name(collection)
    if not name and _has_collection(database, collection):
        return None
    try:
        return get_embedding_model(name or NO_MODEL)
    except UnknownModelError:
        return ExternalModel(name or NO_MODEL)


def _has_collection(database: DatabaseName, name: str) -> bool:
    if not is_there(database):
        return False
    with open_store_to_read(database) as store:
        return Collection.exists(store, name)
