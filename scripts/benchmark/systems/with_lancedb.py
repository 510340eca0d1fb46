"""LanceDB: columns in files, scanned, or searched by an IVF index and compared exactly."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar

import lancedb
import pyarrow as pa

from . import Hit, System

if TYPE_CHECKING:
    from ..job import Condition
    from ..rows import Batch

COLUMNS = ["id", "content", "lot", "place", "_distance"]


class LanceFlat(System):
    def open(self) -> None:
        self.table = lancedb.connect(self.folder).open_table("items")

    def load(self, batches: Iterable[Batch]) -> None:
        schema = pa.schema(
            {
                "id": pa.int64(),
                "content": pa.string(),
                "lot": pa.int64(),
                "place": pa.int64(),
                "vector": pa.list_(pa.float32(), self.dimensions),
            }
        )
        self.table = lancedb.connect(self.folder).create_table(
            "items", self._records(batches, schema), schema=schema
        )

    def _records(self, batches: Iterable[Batch], schema: Any) -> Iterator[Any]:
        for batch in batches:
            vectors = pa.FixedSizeListArray.from_arrays(batch.vectors.ravel(), self.dimensions)
            lots = [metadata["lot"] for metadata in batch.metadata]
            places = [metadata["place"] for metadata in batch.metadata]
            columns = [batch.numbers, batch.texts, lots, places, vectors]
            yield pa.record_batch(columns, schema=schema)

    def search(self, vector: array[float], number: int, condition: Condition | None) -> list[Hit]:
        query = self.query(vector).limit(number).select(COLUMNS)
        if condition is not None:
            field, low, high = condition
            query = query.where(f"{field} >= {low} AND {field} < {high}", prefilter=True)
        return [
            (row["id"], row["content"], {"lot": row["lot"], "place": row["place"]})
            for row in query.to_list()
        ]

    def query(self, vector: array[float]) -> Any:
        return self.table.search(vector.tolist()).distance_type("cosine")


class LanceIvf(LanceFlat):
    """Product quantization in partitions; ten times as many rows as asked for are compared."""

    index_type: ClassVar[str] = "IVF_PQ"

    def build(self) -> None:
        self.table.create_index(
            metric="cosine", index_type=self.index_type, vector_column_name="vector"
        )

    def query(self, vector: array[float]) -> Any:
        return super().query(vector).nprobes(20).refine_factor(10)


class LanceRq(LanceIvf):
    """The same with RaBitQ, one bit a dimension."""

    index_type = "IVF_RQ"
