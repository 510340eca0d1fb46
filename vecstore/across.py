"""One search in several collections."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from . import models
from .collection import Collection, store_of
from .entries import Entry
from .errors import ModelMismatchError
from .models import modes
from .query import Conditions, refuse_unknown, show_conditions
from .values import quote, to_plain

if TYPE_CHECKING:
    from typing_extensions import Unpack

_Kind = TypeVar("_Kind", bound=Collection)


@show_conditions
def similar_across(
    collections: Iterable[_Kind],
    value: str | bytes | Sequence[float],
    number: int = 10,
    prefix: str | None = None,
    **conditions: "Unpack[Conditions]",
) -> list[tuple[_Kind, Entry]]:
    """Return what is most similar in several collections of one model: (collection, entry) pairs.

    One ranking, best first; equal scores in the order of the collections, then by id. They may be
    in several files and PostgreSQL databases, each of which must know the SQL of `where`. See
    Collection.similar_by_vector() for the other parameters; documents of two collections are two
    documents, whatever their ids.

    :param value: a text or bytes, which are embedded once for each query prefix that the
      collections have, or a vector
    :raises ModelMismatchError: they have different models, whose scores do not compare
    """
    refuse_unknown(conditions)
    collections = list(collections)
    for collection in collections:
        if not models.are_one_model(collection.model_id, collections[0].model_id):
            raise ModelMismatchError(
                f"Collection {quote(collection.name)} has the model {collection.model_id!r}, and "
                f"{quote(collections[0].name)} has {collections[0].model_id!r}: vectors of two "
                "models cannot be compared"
            )
    if not collections:
        return []
    vectors = _vectors_for(collections, value)
    found = [
        (collection, entry)
        for collection, vector in zip(collections, vectors, strict=True)
        for entry in collection.similar_by_vector(vector, number, prefix=prefix, **conditions)
    ]
    return sorted(found, key=lambda pair: -(pair[1].score or 0.0))[:number]


def _vectors_for(collections: Sequence[Collection], value: Any) -> list[Sequence[float]]:
    """Return the vector of a value for each collection, which are of one model."""
    plain = to_plain(value)
    if not isinstance(plain, str | bytes):
        return [value] * len(collections)
    model = collections[0].model()
    prefixes = [store_of(each).prefixes(each.row).query_prefix for each in collections]
    vectors = {own: modes.embed_query(model, plain, own) for own in dict.fromkeys(prefixes)}
    return [vectors[own] for own in prefixes]
