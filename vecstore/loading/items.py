"""Entries as they come, made ready to be embedded and written, or refused."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal, TypeVar

from .. import values
from ..entries import Item, id_text, surrogate_error
from ..errors import InputTypeError, InvalidInputError, VecstoreError
from ..metadata import to_json
from ..models import EmbeddingModel
from ..store import LoadStore
from ..values import quote

_LISTS = (tuple, list)

_Made = TypeVar("_Made")
Check = Callable[[Item], object]
OnError = Literal["stop", "skip"] | Callable[[str, VecstoreError], object]


def check_on_error(on_error: object) -> None:
    """Raise InvalidInputError for what says nothing about entries that are refused."""
    if on_error not in ("stop", "skip") and not callable(on_error):
        raise InvalidInputError(
            f"on_error is {quote(on_error)}: it must be 'stop', 'skip' or a function"
        )


def make_items(
    entries: Iterable[Any],
    model: EmbeddingModel,
    content_hash: Callable[[str | bytes], bytes],
    on_error: OnError,
    check: Check,
) -> Iterator[Item]:
    """Yield (id, value, metadata) triples as they will be written, one as each is asked for.

    :param on_error: what to do about an entry that is refused. What is no triple is a mistake in a
      program, and always stops
    :param check: raises InvalidInputError for what cannot be stored
    :raises InvalidInputError: see make_item() and as_tuple()
    """

    def make(triple: tuple[Any, ...]) -> Item:
        item = make_item(triple, model, content_hash)
        check(item)
        return item

    return make_each((as_tuple(entry, 3) for entry in entries), make, on_error)


def storable_check(store: LoadStore, stores_content: bool) -> Check:
    """Return what raises InvalidInputError for an item that a store cannot hold."""

    def check(item: Item) -> None:
        content = item.stored if stores_content else None
        store.refuse_unstorable(item.id, content, item.metadata)

    return check


def make_each(
    given: Iterable[tuple[Any, ...]], make: Callable[[tuple[Any, ...]], _Made], on_error: OnError
) -> Iterator[_Made]:
    """Yield what is made of each tuple, which begins with its id; see make_items()."""
    for one in given:
        try:
            made = make(one)
        except InvalidInputError as error:
            if on_error == "stop":
                raise
            if callable(on_error):
                on_error(str(one[0]), error)
        else:
            yield made


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
    name = f"The value of {quote(id)}"
    value = plain_content(name, value)
    is_text = isinstance(value, str)
    if not (model.supports_text if is_text else model.supports_binary):
        raise InputTypeError(
            f"{name} is {'text' if is_text else 'binary'}, which the model "
            f"{model.model_id!r} cannot embed"
        )
    return Item(id, value, hash_of(name, value, content_hash), metadata_json(id, metadata))


def plain_content(name: str, value: Any) -> str | bytes:
    """Return content as the str or bytes that it stands for.

    :param name: what a message calls it
    :raises InputTypeError: it is neither
    """
    plain = values.to_plain(value)
    if isinstance(plain, str | bytes):
        return plain
    raise InputTypeError(f"{name} is of type {type(value).__name__}: it must be str or bytes")


def hash_of(name: str, value: str | bytes, content_hash: Callable[[str | bytes], bytes]) -> bytes:
    """Return the hash of a content; InvalidInputError where it is no text of Unicode."""
    try:
        return content_hash(value)
    except UnicodeEncodeError as error:
        raise surrogate_error(name, error.start) from None


def as_tuple(entry: Any, length: int) -> tuple[Any, ...]:
    """Return an entry as a tuple of that length; a dict, which would be taken by its keys, is none.

    :raises InvalidInputError: it is something else
    """
    if not is_row(entry) or len(entry) != length:
        form = "(id, value)" if length == 2 else "(id, value, metadata)"
        raise InvalidInputError(
            f"An entry is {quote(entry)}, not a {form} tuple: make tuples of rows, such as "
            "((row['id'], row['text']) for row in rows)"
        )
    return tuple(entry)


def is_row(entry: Any) -> bool:
    """Return whether an entry is a tuple, or a list or array of one dimension."""
    return isinstance(entry, _LISTS) or len(getattr(entry, "shape", ())) == 1


def without_metadata(entry: Any) -> tuple[Any, ...]:
    """Return an (id, value) pair as a triple that leaves stored metadata as it is."""
    return *as_tuple(entry, 2), None


def metadata_json(id: str, metadata: Any) -> str | None:
    """Return metadata as JSON; "" for {}, and None for None.

    :raises InvalidInputError: it is no dict, or cannot be JSON
    """
    if metadata is None:
        return None
    if not isinstance(metadata, dict):
        raise InvalidInputError(
            f"The metadata of {quote(id)} is of type {type(metadata).__name__}: it must be a dict"
        )
    try:
        return to_json(metadata) if metadata else ""
    except InvalidInputError as error:
        error.args = (f"The metadata of {quote(id)} {error}",)
        raise
