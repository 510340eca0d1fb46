"""LanceDB: columns in files, scanned, or searched by an IVF index and compared exactly."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import lancedb
import pyarrow as pa

from . import Hit, System

if TYPE_CHECKING:
    from ..rows import Batch


class LanceFlat(System):
    def open(self) -> None:
        self.table = lancedb.connect(self.folder).open_table("items")

    def load(self, batches: Iterable[Batch]) -> None:
        schema = pa.schema(
            {
                "id": pa.int64(),
                "content": pa.string(),
                "f": pa.int64(),
                "vector": pa.list_(pa.float32(), self.dimensions),
            }
        )
        self.table = lancedb.connect(self.folder).create_table(
            "items", self._records(batches, schema), schema=schema
        )

    def _records(self, batches: Iterable[Batch], schema: Any) -> Iterator[Any]:
        for batch in batches:
            vectors = pa.FixedSizeListArray.from_arrays(batch.vectors.ravel(), self.dimensions)
            columns = [batch.numbers, batch.texts, batch.fields, vectors]
            yield pa.record_batch(columns, schema=schema)

    def search(self, vector: array[float], number: int, below: int | None) -> list[Hit]:
        query = self.query(vector).limit(number).select(["id", "content", "f", "_distance"])
        if below is not None:
            query = query.where(f"f < {below}", prefilter=True)
        return [(row["id"], row["content"], {"f": row["f"]}) for row in query.to_list()]

    def query(self, vector: array[float]) -> Any:
        return self.table.search(vector.tolist()).distance_type("cosine")


class LanceIvf(LanceFlat):
    """Product quantization in partitions; ten times as many rows as asked for are compared."""

    def load(self, batches: Iterable[Batch]) -> None:
        super().load(batches)
        self.table.create_index(metric="cosine", index_type="IVF_PQ", vector_column_name="vector")

    def query(self, vector: array[float]) -> Any:
        return super().query(vector).nprobes(20).refine_factor(10)
