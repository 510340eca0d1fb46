"""The rows of the documented tables, as a store gives and takes them."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

_PORTION_BYTES = 4 * 1024 * 1024
_SIZED = (str, bytes)  # a column may hold anything


class CollectionRow(NamedTuple):
    """A row of `collections`. While it stays as it is, its id stands for the same collection."""

    id: int
    name: str
    model: str


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
