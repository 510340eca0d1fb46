"""The rows of the documented tables, as a store gives and takes them."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from .errors import InvalidInputError
from .metadata import jsonb_text
from .prefixes import Prefixes
from .vectors import to_pgvector

_PORTION_BYTES = 4 * 1024 * 1024
_SIZED = (str, bytes)  # a column may hold anything
_DIGEST_BYTES = 8
_NO_DIGEST = bytes(_DIGEST_BYTES)


class CollectionRow(NamedTuple):
    """A row of `collections`. While it stays as it is, its id stands for the same collection."""

    id: int
    name: str
    model: str


class CollectionSummary(NamedTuple):
    """A collection as a list of all of them has it."""

    name: str
    model: str
    num_embeddings: int
    prefixes: Prefixes


class EmbeddingRow(NamedTuple):
    """A row of `embeddings`, without its collection: what its columns hold, under their names."""

    id: str
    embedding: bytes | None
    content: str | None
    content_blob: bytes | None
    content_hash: bytes | None
    metadata: str | None
    updated: int | None


class RowChange(NamedTuple):
    """What becomes another in a row whose vector stays; None stays too, and "" is no metadata."""

    id: str
    content: str | None
    content_blob: bytes | None
    metadata: str | None
    updated: int


class StoredRow(NamedTuple):
    """What a load must know of a row. `has_vector` is whether that can be compared."""

    content_hash: bytes | None
    has_vector: bool
    has_content: bool
    metadata: str | None


class UnfitEntries(NamedTuple):
    """Which entries a model cannot embed from what is stored, and how many there are of all.

    ids: of the first few
    """

    without_content: int
    of_other_kind: int
    of_all: int
    ids: list[str]

    @property
    def number(self) -> int:
        """How many they are."""
        return self.without_content + self.of_other_kind


# Of an entry: id, score, content and metadata. A hit is what a search found; else it has no score.
Hit = tuple[str, float, str | None, str | None]
EntryRow = tuple[str, float | None, str | None, str | None]


class RankedHit(NamedTuple):
    """What a search of several rankings found; ranks count from 1, and are None outside of one."""

    id: str
    score: float
    content: str | None
    metadata: str | None
    similar_rank: int | None
    similar_score: float | None
    keyword_rank: int | None
    keyword_score: float | None
    snippet: str | None


def row_portions(rows: Iterable[EmbeddingRow], length: int) -> Iterator[list[EmbeddingRow]]:
    """Yield so many rows at a time, or fewer if they are large."""
    portion: list[EmbeddingRow] = []
    size = 0
    for row in rows:
        portion.append(row)
        for value in row:
            if isinstance(value, _SIZED):
                size += len(value)
        if len(portion) == length or size > _PORTION_BYTES:
            yield portion
            portion, size = [], 0
    if portion:
        yield portion


def row_digests(row: EmbeddingRow) -> bytes:
    """Return the digests of the columns of a row, one after the other; zeros for NULL.

    They are what PostgreSQL makes of the same row, in `postgres/copying.py`: the first bytes of
    SHA-256, of text as UTF-8, of vectors as pgvector sends them, of metadata as jsonb has it.
    """
    return b"".join(
        _NO_DIGEST if value is None else hashlib.sha256(to_bytes(value)).digest()[:_DIGEST_BYTES]
        for value, to_bytes in zip(row[1:], _TO_BYTES, strict=True)
    )


def differing_columns(digests: bytes, others: bytes) -> list[str]:
    """Return the names of the columns whose digests are not the same."""
    return [
        name
        for number, name in enumerate(EmbeddingRow._fields[1:])
        if _digest(digests, number) != _digest(others, number)
    ]


def _digest(digests: bytes, number: int) -> bytes:
    return digests[number * _DIGEST_BYTES : (number + 1) * _DIGEST_BYTES]


def _vector_bytes(value: Any) -> bytes:
    if not isinstance(value, bytes) or len(value) % 4 or len(value) // 4 > 0xFFFF:
        return _foreign_bytes(value)
    return to_pgvector(value)


def _text_bytes(value: Any) -> bytes:
    return value.encode(errors="surrogatepass") if isinstance(value, str) else _foreign_bytes(value)


def _blob_bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else _foreign_bytes(value)


def _metadata_bytes(value: Any) -> bytes:
    try:
        return jsonb_text(value).encode() if isinstance(value, str) else _foreign_bytes(value)
    except InvalidInputError:
        return _foreign_bytes(value)


def _integer_bytes(value: Any) -> bytes:
    return str(value).encode() if isinstance(value, int) else _foreign_bytes(value)


def _foreign_bytes(value: Any) -> bytes:
    """Return bytes for a value that a column of PostgreSQL's cannot have."""
    return f"{type(value).__name__} {value!r}".encode()


_TO_BYTES: tuple[Callable[[Any], bytes], ...] = (
    _vector_bytes,
    _text_bytes,
    _blob_bytes,
    _blob_bytes,
    _metadata_bytes,
    _integer_bytes,
)
