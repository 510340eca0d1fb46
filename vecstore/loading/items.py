"""Entries as they come, made ready to be embedded and written, or refused."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal

from .. import values
from ..entries import Item, id_text, surrogate_error
from ..errors import InputTypeError, InvalidInputError, VecstoreError
from ..metadata import to_json
from ..models import EmbeddingModel
from ..values import quote

OnError = Literal["stop", "skip"] | Callable[[str, VecstoreError], object]


def make_items(
    entries: Iterable[Any],
    model: EmbeddingModel,
    content_hash: Callable[[str | bytes], bytes],
    on_error: OnError,
) -> Iterator[Item]:
    """Yield (id, value, metadata) triples as they will be written, one as each is asked for.

    :param on_error: what to do about an entry that is refused. What is no triple is a mistake in a
      program, and always stops
    :raises InvalidInputError: see make_item() and as_tuple()
    """
    for entry in entries:
        triple = as_tuple(entry, 3)
        try:
            item = make_item(triple, model, content_hash)
        except InvalidInputError as error:
            if on_error == "stop":
                raise
            if callable(on_error):
                on_error(str(triple[0]), error)
        else:
            yield item


def make_item(
    entry: tuple[Any, ...],
    model: EmbeddingModel,
    content_hash: Callable[[str | bytes], bytes],
) -> Item:
    """Return an (id, value, metadata) triple as it will be written.

    :raises InvalidInputError: says what of the entry is wrong, or that the model cannot embed it
    """
    id, value, metadata = entry
    id = id_text(id)
    value = values.to_plain(value)
    if not isinstance(value, str | bytes):
        raise InputTypeError(
            f"The value of {quote(id)} is of type {type(value).__name__}: it must be str or bytes"
        )
    is_text = isinstance(value, str)
    if not (model.supports_text if is_text else model.supports_binary):
        raise InputTypeError(
            f"The value of {quote(id)} is {'text' if is_text else 'binary'}, which the model "
            f"{model.model_id!r} cannot embed"
        )
    try:
        hashed = content_hash(value)
    except UnicodeEncodeError as error:
        raise surrogate_error(f"The value of {quote(id)}", error.start) from None
    return Item(id, value, hashed, _metadata_json(id, metadata))


def as_tuple(entry: Any, length: int) -> tuple[Any, ...]:
    """Return an entry as a tuple of that length; a dict, which would be taken by its keys, is none.

    :raises InvalidInputError: it is something else
    """
    if not isinstance(entry, tuple | list) or len(entry) != length:
        form = "(id, value)" if length == 2 else "(id, value, metadata)"
        raise InvalidInputError(
            f"An entry is {quote(entry)}, not a {form} tuple: make tuples of rows, such as "
            "((row['id'], row['text']) for row in rows)"
        )
    return tuple(entry)


def without_metadata(entry: Any) -> tuple[Any, ...]:
    """Return an (id, value) pair as a triple that leaves stored metadata as it is."""
    return *as_tuple(entry, 2), None


def _metadata_json(id: str, metadata: Any) -> str | None:
    if metadata is None:
        return None
    name = f"The metadata of {quote(id)}"
    if not isinstance(metadata, dict):
        raise InvalidInputError(f"{name} is of type {type(metadata).__name__}: it must be a dict")
    return to_json(metadata, name) if metadata else ""
