"""The rows of a data set, as a system is given them: a batch at a time, not all in memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float32]

BATCH = 1_000


class Batch(NamedTuple):
    """Rows to store: their numbers, vectors and texts, and a number for each to filter by."""

    numbers: list[int]
    vectors: Matrix
    texts: list[str]
    fields: list[int]


@dataclass(frozen=True)
class Rows:
    """A data set in a .npy file: first the queries, then the rows that are stored.

    The fields are a permutation of the row numbers, so exactly n rows have one below n, and which
    these are has nothing to do with the vectors.
    """

    path: str
    texts: str  # a file with a text in each line
    queries: int
    count: int

    @property
    def dimensions(self) -> int:
        return int(np.load(self.path, mmap_mode="r").shape[1])

    def fields(self) -> NDArray[np.int64]:
        return np.random.default_rng(0).permutation(self.count)

    def read_queries(self) -> Matrix:
        return self._read(0, self.queries)

    def matrix(self) -> Matrix:
        """Return all vectors that are stored, each of length 1."""
        return normalized(self._read(self.queries, self.count))

    def batches(self) -> Iterator[Batch]:
        """Return an iterator of all rows. No two texts are the same: each has its row's number."""
        lines = Path(self.texts).read_text("utf-8").split("\n")[self.queries :]
        fields = self.fields().tolist()
        return (self._batch(start, lines, fields) for start in range(0, self.count, BATCH))

    def changes(self, batches: int) -> Iterator[Batch]:
        """Yield new texts and vectors, those of the last rows, for the first rows."""
        for batch in islice(self.batches(), batches):
            last = self.queries + self.count - batch.numbers[0] - len(batch.numbers)
            texts = [f"{text}, again" for text in batch.texts]
            yield batch._replace(vectors=self._read(last, len(batch.numbers)), texts=texts)

    def _batch(self, start: int, lines: list[str], fields: list[int]) -> Batch:
        numbers = list(range(start, min(start + BATCH, self.count)))
        return Batch(
            numbers,
            self._read(self.queries + start, len(numbers)),
            [f"{number} {lines[number % len(lines)]}" for number in numbers],
            fields[start : start + BATCH],
        )

    def _read(self, start: int, count: int) -> Matrix:
        # Not mapped: pages of the file would count as memory of the process that is measured.
        array = np.load(self.path, mmap_mode="r")
        offset = array.offset + start * array.strides[0]
        shape = (count, array.shape[1])
        values = np.fromfile(self.path, np.float32, count * array.shape[1], offset=offset)
        return values.reshape(shape)


def normalized(vectors: Matrix) -> Matrix:
    """Return vectors of length 1; zero vectors stay zero."""
    lengths: Matrix = np.linalg.norm(vectors, axis=1, keepdims=True)
    lengths[lengths == 0] = 1
    return vectors / lengths
