"""The rows of a data set, as a system is given them: a batch at a time, not all in memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float32]
Columns = dict[str, NDArray[np.int64]]  # of metadata: a number for each row

BATCH = 1_000
LEAF = 16  # rows that are not parted any more
SAMPLE = 100  # rows that tell in which direction to part some
POWER = 10  # iterations


class Batch(NamedTuple):
    """Rows to store: their numbers, vectors, texts and metadata."""

    numbers: list[int]
    vectors: Matrix
    texts: list[str]
    metadata: list[dict[str, int]]


@dataclass(frozen=True)
class Rows:
    """A data set in a .npy file: first the queries, then the rows that are stored.

    Each row has two numbers to filter by, both a permutation of the row numbers: its lot, which has
    nothing to do with its vector, and its place, which is near that of rows with near vectors.

    Of edited rows, the first third was replaced, the next deleted, the last is added behind all.
    """

    path: str
    texts: str  # a file with a text in each line
    queries: int
    count: int  # before they are edited
    places: str = ""  # a .npy file of the queries' places and the rows', by write_places()
    edited: int = 0  # how many rows were replaced, as many were deleted, and as many added

    @property
    def dimensions(self) -> int:
        return int(np.load(self.path, mmap_mode="r").shape[1])

    def columns(self) -> Columns:
        """Return what a row is filtered by; where rows were edited, -1 for those deleted."""
        found = {
            "lot": np.random.default_rng(0).permutation(self.count),
            "place": np.load(self.places)[self.queries :],
        }
        if self.edited:
            for name, column in found.items():
                column[self.deleted] = -1
                found[name] = np.concatenate([column, np.arange(self.count, self.total)])
        return found

    def query_places(self) -> list[int]:
        places: list[int] = np.load(self.places)[: self.queries].tolist()
        return places

    def read_queries(self) -> Matrix:
        return self._read(0, self.queries)

    def matrix(self) -> Matrix:
        """Return all vectors that are stored, each of length 1, and zeros for those deleted."""
        vectors = normalized(self._read(self.queries, self.count))
        if not self.edited:
            return vectors
        new = self._between(vectors)
        vectors[: self.edited] = new[: self.edited]
        vectors[self.deleted] = 0
        return np.concatenate([vectors, new[self.edited :]])

    @property
    def total(self) -> int:
        """How many numbers of rows there are: those of deleted rows are not used again."""
        return self.count + self.edited

    @property
    def deleted(self) -> slice:
        return slice(self.edited, 2 * self.edited)

    def batches(self) -> Iterator[Batch]:
        """Return an iterator of all rows before they are edited. No two texts are the same."""
        lines = self._lines()
        columns = self.columns()
        return (self._batch(start, lines, columns) for start in range(0, self.count, BATCH))

    def changes(self, batches: int) -> Iterator[Batch]:
        """Yield new texts and vectors, those of the last rows, for the first rows."""
        for batch in islice(self.batches(), batches):
            last = self.queries + self.count - batch.numbers[0] - len(batch.numbers)
            texts = [f"{text}, again" for text in batch.texts]
            yield batch._replace(vectors=self._read(last, len(batch.numbers)), texts=texts)

    def edits(self) -> tuple[Batch, Batch]:
        """Return the rows of which vectors and texts were replaced, and those that were added."""
        matrix, lines, columns = self.matrix(), self._lines(), self.columns()

        def batch(numbers: range) -> Batch:
            return Batch(
                list(numbers),
                matrix[numbers.start : numbers.stop],
                [f"{number} {lines[number % len(lines)]}, edited" for number in numbers],
                [metadata(columns, number) for number in numbers],
            )

        return batch(range(self.edited)), batch(range(self.count, self.total))

    def _between(self, vectors: Matrix) -> Matrix:
        """Return new vectors, each half way between two rows that are next to each other."""
        order = np.argsort(np.load(self.places)[self.queries :])
        first = np.linspace(0, self.count - 2, 2 * self.edited).astype(int)
        np.random.default_rng(1).shuffle(first)
        return normalized(vectors[order[first]] + vectors[order[first + 1]])

    def _lines(self) -> list[str]:
        return Path(self.texts).read_text("utf-8").split("\n")[self.queries :]

    def _batch(self, start: int, lines: list[str], columns: Columns) -> Batch:
        numbers = list(range(start, min(start + BATCH, self.count)))
        return Batch(
            numbers,
            self._read(self.queries + start, len(numbers)),
            [f"{number} {lines[number % len(lines)]}" for number in numbers],
            [metadata(columns, number) for number in numbers],
        )

    def _read(self, start: int, count: int) -> Matrix:
        # Not mapped: pages of the file would count as memory of the process that is measured.
        array = np.load(self.path, mmap_mode="r")
        offset = array.offset + start * array.strides[0]
        shape = (count, array.shape[1])
        values = np.fromfile(self.path, np.float32, count * array.shape[1], offset=offset)
        return values.reshape(shape)


def metadata(columns: Columns, number: int) -> dict[str, int]:
    return {name: int(column[number]) for name, column in columns.items()}


def write_places(path: Path, rows: Rows) -> None:
    """Write the places of the queries and of the rows: a query's is that of the rows beside it."""
    vectors = np.concatenate([normalized(rows.read_queries()), rows.matrix()])
    order = clustered_order(vectors)
    stored = order >= rows.queries
    places = np.empty(len(order), np.int64)
    places[order] = np.minimum(np.cumsum(stored) - stored, rows.count - 1)
    np.save(path, places)


def clustered_order(vectors: Matrix) -> NDArray[np.int64]:
    """Return the numbers of vectors in an order in which near ones are close to each other.

    All are halved along the direction in which they differ most, so are the halves, and so on.
    """
    generator = np.random.default_rng(0)
    order = np.arange(len(vectors))
    parts = [(0, len(vectors))]
    while parts:
        start, end = parts.pop()
        if end - start <= LEAF:
            continue
        members = order[start:end]
        sample = vectors[generator.choice(members, min(len(members), SAMPLE), replace=False)]
        middle = len(members) // 2
        halves = np.argpartition(vectors[members] @ main_direction(sample), middle)
        order[start:end] = members[halves]
        parts += [(start, start + middle), (start + middle, end)]
    return order


def main_direction(vectors: Matrix) -> Matrix:
    """Return the direction in which vectors differ most, about, by power iteration."""
    differences = vectors - vectors.mean(axis=0)
    direction: Matrix = differences[0]
    for _ in range(POWER):
        direction = differences.T @ (differences @ direction)
        direction /= np.linalg.norm(direction) or 1
    return direction


def normalized(vectors: Matrix) -> Matrix:
    """Return vectors of length 1; zero vectors stay zero."""
    lengths: Matrix = np.linalg.norm(vectors, axis=1, keepdims=True)
    lengths[lengths == 0] = 1
    return vectors / lengths
