"""zvec: an HNSW graph in files of its own, with indexes of its fields."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import zvec

from . import Hit, System

if TYPE_CHECKING:
    from ..job import Condition
    from ..rows import Batch

FIELDS = ["content", "lot", "place"]
WIDTH = 300  # candidates that are kept during a search: the default
WIDTH_A_ROW = 3


class Zvec(System):
    """As it comes: vectors of float32, 50 links of each."""

    can_change = True
    can_edit = True
    width: ClassVar[int] = WIDTH
    refined: ClassVar[bool] = False

    def graph(self) -> Any:
        return zvec.HnswIndexParam(metric_type=zvec.MetricType.COSINE)

    def open(self) -> None:
        start()
        self.collection = zvec.open(str(self.folder / "zvec"))

    def load(self, batches: Iterable[Batch]) -> None:
        start()
        indexed = zvec.InvertIndexParam(enable_range_optimization=True)
        schema = zvec.CollectionSchema(
            name="items",
            fields=[
                zvec.FieldSchema("content", zvec.DataType.STRING),
                zvec.FieldSchema("lot", zvec.DataType.INT64, index_param=indexed),
                zvec.FieldSchema("place", zvec.DataType.INT64, index_param=indexed),
            ],
            vectors=zvec.VectorSchema(
                "vector", zvec.DataType.VECTOR_FP32, self.dimensions, index_param=self.graph()
            ),
        )
        self.collection = zvec.create_and_open(path=str(self.folder / "zvec"), schema=schema)
        self.update(batches)

    def build(self) -> None:
        self.collection.optimize()

    def update(self, batches: Iterable[Batch]) -> None:
        for batch in batches:
            check(self.collection.upsert(documents(batch)))

    def delete(self, numbers: list[int]) -> None:
        for start in range(0, len(numbers), 1_000):
            check(self.collection.delete([str(n) for n in numbers[start : start + 1_000]]))

    def edit(self, replaced: Batch, deleted: list[int], added: Batch) -> None:
        for batch in (replaced, added):
            documents_of = documents(batch)
            for start in range(0, len(documents_of), 1_000):
                check(self.collection.upsert(documents_of[start : start + 1_000]))
        self.delete(deleted)

    def search(self, vector: array[float], number: int, condition: Condition | None) -> list[Hit]:
        width = max(self.width, WIDTH_A_ROW * number)
        found = self.collection.query(
            zvec.Query(
                "vector",
                vector=np.array(vector, dtype=np.float32),
                param=zvec.HnswQueryParam(ef=width, is_using_refiner=self.refined),
            ),
            topk=number,
            output_fields=FIELDS,
            filter=condition
            and f"{condition.field} >= {condition.low} and {condition.field} < {condition.high}",
        )
        return [(int(each.id), each.fields["content"], each.fields) for each in found]

    def close(self) -> None:
        self.collection.close()


class ZvecInt8(Zvec):
    """With the settings of its own benchmark for a million rows, and the vectors compared again."""

    width = 180
    refined = True

    def graph(self) -> Any:
        return zvec.HnswIndexParam(
            metric_type=zvec.MetricType.COSINE, m=15, quantize_type=zvec.QuantizeType.INT8
        )


def start() -> None:
    zvec.init(log_level=zvec.LogLevel.ERROR)


def documents(batch: Batch) -> list[Any]:
    return [
        zvec.Doc(id=str(number), vectors={"vector": vector}, fields={"content": text, **metadata})
        for number, vector, text, metadata in zip(*batch, strict=True)
    ]


def check(statuses: list[Any]) -> None:
    failed = next((status for status in statuses if not status.ok()), None)
    if failed is not None:
        raise RuntimeError(f"zvec: {failed}")
