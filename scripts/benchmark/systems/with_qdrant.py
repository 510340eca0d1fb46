"""Qdrant Edge: Qdrant's segments in this process, with an HNSW graph and indexes of its fields."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import qdrant_edge as qdrant

from . import Hit, System

if TYPE_CHECKING:
    from ..job import Condition
    from ..rows import Batch

WIDTH = 160  # candidates that are kept during a search
WIDTH_A_ROW = 3
BATCH = 1_000


class QdrantEdge(System):
    """Vectors of float32."""

    can_change = True
    can_edit = True

    def quantization(self) -> Any:
        return None

    def tuning(self) -> Any:
        return None

    def open(self) -> None:
        self.shard = qdrant.EdgeShard.load(str(self.folder))

    def load(self, batches: Iterable[Batch]) -> None:
        vectors = qdrant.EdgeVectorParams(
            size=self.dimensions,
            distance=qdrant.Distance.Cosine,
            quantization_config=self.quantization(),
        )
        config = qdrant.EdgeConfig(vectors={"vector": vectors})
        self.shard = qdrant.EdgeShard.create(str(self.folder), config)
        for field in ("lot", "place"):
            integer = qdrant.PayloadSchemaType.Integer
            self.shard.update(qdrant.UpdateOperation.create_field_index(field, integer))
        self.update(batches)

    def build(self) -> None:
        self.shard.optimize()

    def update(self, batches: Iterable[Batch]) -> None:
        for batch in batches:
            self.shard.update(qdrant.UpdateOperation.upsert_points(points(batch)))

    def delete(self, numbers: list[int]) -> None:
        self.shard.update(qdrant.UpdateOperation.delete_points(numbers))

    def edit(self, replaced: Batch, deleted: list[int], added: Batch) -> None:
        for batch in (replaced, added):
            found = points(batch)
            for start in range(0, len(found), BATCH):
                portion = found[start : start + BATCH]
                self.shard.update(qdrant.UpdateOperation.upsert_points(portion))
        self.delete(deleted)

    def search(self, vector: array[float], number: int, condition: Condition | None) -> list[Hit]:
        request = qdrant.QueryRequest(
            limit=number,
            query=qdrant.Query.Nearest(vector.tolist(), using="vector"),
            filter=condition and condition_filter(condition),
            params=qdrant.SearchParams(
                hnsw_ef=max(WIDTH, WIDTH_A_ROW * number), quantization=self.tuning()
            ),
            with_payload=True,
        )
        return [
            (point.id, point.payload["content"], point.payload)
            for point in self.shard.query(request)
        ]

    def close(self) -> None:
        self.shard.flush()
        self.shard.close()


class QdrantEdgeInt8(QdrantEdge):
    """Bytes in memory for the graph; twice as many rows as asked for are compared exactly."""

    def quantization(self) -> Any:
        return qdrant.ScalarQuantizationConfig(
            type=qdrant.ScalarType.Int8, quantile=0.99, always_ram=True
        )

    def tuning(self) -> Any:
        return qdrant.QuantizationSearchParams(rescore=True, oversampling=2.0)


def points(batch: Batch) -> list[Any]:
    return [
        qdrant.Point(number, {"vector": vector.tolist()}, {"content": text, **metadata})
        for number, vector, text, metadata in zip(*batch, strict=True)
    ]


def condition_filter(condition: Condition) -> Any:
    between = qdrant.RangeFloat(gte=condition.low, lt=condition.high)
    return qdrant.Filter(must=[qdrant.FieldCondition(condition.field, range=between)])
