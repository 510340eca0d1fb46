"""The two modes of a model: what is embedded for a query, and what for a document.

Many models are trained with one text before a query and another before a document. A model says
which, and a collection may have its own, which then take the place of the model's. The models of
llm say nothing of it, and embed what they are given.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ..errors import ModelError
from ..values import quote
from .base import EmbeddingModel


def query_prefix(model: EmbeddingModel, own: str | None) -> str:
    """Return what stands before a query.

    :param own: the prefix of the collection; None for the model's, here and below
    """
    return _of_model(model, "query_prefix") if own is None else own


def document_prefix(model: EmbeddingModel, own: str | None) -> str:
    """Return what stands before a document."""
    return _of_model(model, "document_prefix") if own is None else own


def add_prefix(prefix: str, value: str | bytes) -> str | bytes:
    """Return what is embedded for a value: bytes have no prefix."""
    return prefix + value if isinstance(value, str) else value


def embed_query(
    model: EmbeddingModel, value: str | bytes, own: str | None, key: str | None = None
) -> Sequence[float]:
    """Return the vector of a query.

    A model with an embed_query() of its own is asked by that, unless the collection has a prefix.
    """
    with_key = {} if key is None else {"key": key}  # an instance of llm's class takes none
    if own is None and _has_own_embed_query(model):
        return model.embed_query(value, **with_key)
    return model.embed(add_prefix(query_prefix(model, own), value), **with_key)


def embed_queries(
    model: EmbeddingModel, values: Iterable[str | bytes], own: str | None
) -> Iterator[Sequence[float]]:
    """Yield the vectors of queries, in batches but for a model with its own embed_query()."""
    if own is None and _has_own_embed_query(model):
        return (model.embed_query(value) for value in values)
    prefix = query_prefix(model, own)
    return model.embed_multi(add_prefix(prefix, value) for value in values)


def _has_own_embed_query(model: EmbeddingModel) -> bool:
    method: Any = getattr(model, "embed_query", None)
    return method is not None and (
        getattr(method, "__func__", None) is not EmbeddingModel.embed_query
    )


def _of_model(model: EmbeddingModel, name: str) -> str:
    prefix = getattr(model, name, "")
    if not isinstance(prefix, str):
        raise ModelError(
            f"The model {model.model_id!r} has the {name} {quote(prefix)}: it must be text"
        )
    return prefix
