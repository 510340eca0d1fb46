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

from ..rows import Batch, Matrix, normalized
from . import Hit, System

# Of the HNSW graphs: how many candidates are kept while searching for so many rows.
EXPANSION = 64
EXPANSION_A_ROW = 2


class InMemory(System):
    def load(self, batches: Iterable[Batch]) -> None:
        texts: list[str] = []
        fields: list[int] = []
        self.create()
        for batch in batches:
            self.add(normalized(batch.vectors))
            texts += batch.texts
            fields += batch.fields
        self.save()
        (self.folder / "texts.json").write_text(json.dumps(texts), "utf-8")
        np.save(self.folder / "fields.npy", np.array(fields))

    def open(self) -> None:
        self.restore()
        self.texts: list[str] = json.loads((self.folder / "texts.json").read_text("utf-8"))
        self.fields: NDArray[np.int64] = np.load(self.folder / "fields.npy")

    def search(self, vector: array[float], number: int, below: int | None) -> list[Hit]:
        query = np.array(vector, dtype=np.float32)
        numbers = self.nearest(query, number, None if below is None else self.fields < below)
        return [(int(n), self.texts[n], {"f": int(self.fields[n])}) for n in numbers if n >= 0]

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
