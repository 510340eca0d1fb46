"""The entries of a collection, their ids and vectors: as they come out, and as they go in."""

import json
import re
from collections import abc
from dataclasses import dataclass
from typing import Any

from . import values
from .errors import InvalidInputError
from .metadata import Metadata
from .rows import EntryRow, RankedHit
from .values import quote

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+>")  # in what Python calls an object without a text


@dataclass
class Entry:
    """One item of a collection: its id, and what was stored with it.

    `score` is the cosine similarity to what was searched for, from -1.0 to 1.0 but for the rounding
    of float32; None where nothing was searched for. `content` is None unless text was stored,
    `metadata` unless there is some.
    """

    id: str
    score: float | None
    content: str | None = None
    metadata: Metadata | None = None


@dataclass
class SearchResult(Entry):
    """An entry that search() found, and why.

    `score` is the fused one: of each ranking, its weight / (2 + rank), where that of the keywords
    grows with how much of what was asked for the best text has. Ranks count from 1, among what was
    fused: the best of each ranking. `similar_score` is the cosine similarity, and
    `keyword_score` bm25, of which more is better here. A rank and its score are None where a
    ranking does not have the entry, or was not asked for. `snippet` is a part of the text in which
    the words that were found are marked, for what the keywords have found.
    """

    similar_rank: int | None = None
    similar_score: float | None = None
    keyword_rank: int | None = None
    keyword_score: float | None = None
    snippet: str | None = None


@dataclass(slots=True)
class Item:
    """One entry to write: its id as text, what to embed, the hash of that, metadata as JSON.

    `metadata` is None to leave stored metadata alone, and "" to remove it. `content` is what may be
    stored, where that is not what is embedded.
    """

    id: str
    value: str | bytes
    content_hash: bytes
    metadata: str | None
    content: str | bytes | None = None

    @property
    def stored(self) -> str | bytes:
        """What may be stored as content."""
        return self.value if self.content is None else self.content


def require_collection_name(name: object) -> str:
    """Return a collection's name, which must be text that is not empty."""
    if not isinstance(name, str) or not name:
        raise InvalidInputError(
            f"A collection is named {quote(name)}: it must be text that is not empty"
        )
    if values.surrogate_position(name) is not None:
        raise InvalidInputError(f"The name {quote(name)} has a lone surrogate: it is not text")
    return name


def id_texts(ids: Any) -> list[str]:
    """Return ids as text; one id alone is refused, as its characters would be taken for ids."""
    if not values.is_list(ids):
        raise InvalidInputError(f"ids is {quote(ids)}: pass a list of ids, such as [{quote(ids)}]")
    return [id_text(id) for id in ids]


def id_text(id: Any) -> str:
    """Return an id as the text that is stored: 1 and "1" are the same id.

    :raises InvalidInputError: it is missing (None, NaN), it holds others, or has no text of its own
    """
    plain = values.to_plain(id)
    if not isinstance(plain, str):
        _check_id(id, plain)
        plain = _text_of(id, plain)
    position = values.surrogate_position(plain)
    if position is not None:
        raise surrogate_error(f"The id {quote(plain)}", position)
    return plain


def _check_id(id: Any, plain: Any) -> None:
    """Raise InvalidInputError for what is no single value, or stands for none."""
    if plain is None or isinstance(plain, bytes | bytearray | memoryview):
        how = "" if plain is None else ", which value.decode() or value.hex() makes of it"
        raise InvalidInputError(
            f"An id is {quote(id)}: it must be text{how}, or a number that becomes text"
        )
    what = f"An id is {quote(id)}, of type {type(id).__name__}"
    if isinstance(plain, abc.Collection) and not values.is_array_scalar(plain):
        raise InvalidInputError(f"{what}: it must be text, or one number that becomes text")
    if values.is_missing(plain) or values.is_infinite(plain):
        raise InvalidInputError(
            f"{what}, which many rows may have: give each an id of its own, as text"
        )


def _text_of(id: Any, plain: Any) -> str:
    try:
        text = str(plain if isinstance(id, int) else id)  # an enum's is its number, in any Python
    except ValueError as error:  # more digits than Python makes text of
        raise InvalidInputError(f"An id is {quote(id)}, which cannot be text: {error}") from error
    if values.is_array_scalar(id) and "(" in text:
        text = str(plain)  # PyTorch's was "tensor(5)"
    if _ADDRESS.search(text):
        raise InvalidInputError(
            f"An id is {quote(text)}, of type {type(id).__name__}, which has no text of its own: "
            "pass what names it, such as an attribute"
        )
    return text


def read_entry(row: EntryRow) -> Entry:
    """Return the entry that a row of id, score, content and metadata is of."""
    id, score, content, metadata = row
    return Entry(id, score, content, _read_metadata(id, metadata))


def read_result(hit: RankedHit) -> SearchResult:
    """Return the result that a hit of several rankings is."""
    fields = hit._asdict()
    fields["metadata"] = _read_metadata(hit.id, hit.metadata)
    return SearchResult(**fields)


def _read_metadata(id: str, metadata: str | None) -> Metadata | None:
    try:
        return json.loads(metadata) if metadata else None
    except ValueError as error:
        raise InvalidInputError(
            f"The metadata of {quote(id)} is not JSON ({error}): correct the column "
            "embeddings.metadata"
        ) from error


def surrogate_error(name: str, position: int) -> InvalidInputError:
    return InvalidInputError(
        f"{name} has a lone surrogate at position {position}, which is not text: "
        "decode its bytes with the right encoding, or with errors='replace'"
    )
