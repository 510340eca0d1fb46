"""Libraries that hold vectors in memory, with the texts in a list: NumPy, usearch, FAISS.

They write files when they are told to, so what they hold can be lost, unlike in a database.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..job import Condition
from ..rows import Batch, Columns, Matrix, normalized
from . import Hit, System

# Of the HNSW graphs: how many candidates are kept while searching for so many rows.
EXPANSION = 64
EXPANSION_A_ROW = 2


class InMemory(System):
    def load(self, batches: Iterable[Batch]) -> None:
        texts: list[str] = []
        lots: list[int] = []
        places: list[int] = []
        self.create()
        for batch in batches:
            self.add(normalized(batch.vectors))
            texts += batch.texts
            lots += [metadata["lot"] for metadata in batch.metadata]
            places += [metadata["place"] for metadata in batch.metadata]
        self.save()
        (self.folder / "texts.json").write_text(json.dumps(texts), "utf-8")
        np.savez(self.folder / "columns.npz", lot=np.array(lots), place=np.array(places))

    def open(self) -> None:
        self.restore()
        self.texts: list[str] = json.loads((self.folder / "texts.json").read_text("utf-8"))
        self.columns: Columns = dict(np.load(self.folder / "columns.npz"))

    def search(self, vector: array[float], number: int, condition: Condition | None) -> list[Hit]:
        query = np.array(vector, dtype=np.float32)
        allowed: NDArray[np.bool_] | None = None
        if condition is not None:
            column = self.columns[condition.field]
            allowed = (column >= condition.low) & (column < condition.high)
        numbers = self.nearest(query, number, allowed)
        return [(int(n), self.texts[n], self.metadata(n)) for n in numbers if n >= 0]

    def metadata(self, number: int) -> dict[str, int]:
        return {name: int(column[number]) for name, column in self.columns.items()}

    def create(self) -> None:
        raise NotImplementedError

    def add(self, vectors: Matrix) -> None:
        """Add vectors of length 1, which get the next numbers."""
        raise NotImplementedError

    def save(self) -> None:
        raise NotImplementedError

    def restore(self) -> None:
        raise NotImplementedError

    def nearest(self, query: Matrix, number: int, allowed: NDArray[np.bool_] | None) -> Any:
        """Return the numbers of the nearest rows, best first, of those that are allowed."""
        raise NotImplementedError


class NumPy(InMemory):
    """All vectors multiplied with the query: exact, and what the others are compared with."""

    matrix: Matrix

    def create(self) -> None:
        self.portions: list[Matrix] = []

    def add(self, vectors: Matrix) -> None:
        self.portions.append(vectors)

    def save(self) -> None:
        np.save(self.folder / "vectors.npy", np.concatenate(self.portions))

    def restore(self) -> None:
        self.matrix = np.load(self.folder / "vectors.npy")

    def nearest(self, query: Matrix, number: int, allowed: NDArray[np.bool_] | None) -> Any:
        rows = np.arange(len(self.matrix)) if allowed is None else np.flatnonzero(allowed)
        if len(rows) < len(self.matrix) / 10:
            scores = self.matrix[rows] @ query
        else:
            scores = self.matrix @ query
            scores = scores if allowed is None else scores[rows]
        if number < len(rows):
            best = np.argpartition(scores, -number)[-number:]
            rows, scores = rows[best], scores[best]
        return rows[np.argsort(-scores)]


class NumPyOneThread(NumPy):
    """With one thread, which is faster where threads wait for each other longer than they help."""

    def open(self) -> None:
        from threadpoolctl import threadpool_limits

        super().open()
        threadpool_limits(limits=1, user_api="blas")


class Usearch(InMemory):
    can_filter = False

    def create(self) -> None:
        from usearch.index import Index

        self.index = Index(ndim=self.dimensions, metric="cos", dtype="f32")

    def add(self, vectors: Matrix) -> None:
        self.index.add(None, vectors)

    def save(self) -> None:
        self.index.save(str(self.folder / "index.usearch"))

    def restore(self) -> None:
        self.create()
        self.index.load(str(self.folder / "index.usearch"))

    def nearest(self, query: Matrix, number: int, allowed: NDArray[np.bool_] | None) -> Any:
        assert allowed is None  # it cannot filter
        self.index.expansion_search = max(EXPANSION, EXPANSION_A_ROW * number)
        return self.index.search(query, number).keys


class Faiss(InMemory):
    parameters: ClassVar[str]

    def add(self, vectors: Matrix) -> None:
        self.index.add(vectors)

    def save(self) -> None:
        import faiss

        faiss.write_index(self.index, str(self.folder / "index.faiss"))

    def restore(self) -> None:
        import faiss

        self.index = faiss.read_index(str(self.folder / "index.faiss"))

    def options(self, number: int) -> dict[str, int]:  # noqa: ARG002
        return {}

    def nearest(self, query: Matrix, number: int, allowed: NDArray[np.bool_] | None) -> Any:
        import faiss

        options: dict[str, Any] = self.options(number)
        if allowed is not None:
            options["sel"] = faiss.IDSelectorBitmap(np.packbits(allowed, bitorder="little"))
        parameters = getattr(faiss, self.parameters)(**options)
        _, numbers = self.index.search(query[None], number, params=parameters)
        return numbers[0]


class FaissFlat(Faiss):
    parameters = "SearchParameters"

    def create(self) -> None:
        import faiss

        self.index = faiss.IndexFlatIP(self.dimensions)


class FaissHnsw(Faiss):
    parameters = "SearchParametersHNSW"

    def create(self) -> None:
        import faiss

        self.index = faiss.IndexHNSWFlat(self.dimensions, 32, faiss.METRIC_INNER_PRODUCT)

    def options(self, number: int) -> dict[str, int]:
        return {"efSearch": max(EXPANSION, EXPANSION_A_ROW * number)}
