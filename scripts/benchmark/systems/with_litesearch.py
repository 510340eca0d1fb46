"""litesearch: usearch's HNSW graph in a file beside a SQLite file, here without keywords."""

from __future__ import annotations

import json
import os
from array import array
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from . import Hit, System

if TYPE_CHECKING:
    from ..job import Condition
    from ..rows import Batch

COLUMNS = ["id", "content", "metadata"]
WIDTH = 128  # candidates that are kept during a search; usearch's default is 64


class Litesearch(System):
    """Vectors of float16, which it takes by default.

    With a condition it searches exactly: its graph would look at it only after the nearest are
    taken.
    """

    def open(self) -> None:
        # It trusts the graph of usearch without a trial of it in another process, and does not
        # fetch usearch's functions for SQL.
        os.environ["LITESEARCH_USEARCH"] = "1"
        os.environ["LITESEARCH_CACHE"] = str(self.folder / "cache")
        from litesearch import database

        self.db = database(str(self.folder / "lite.db"), sem_search=False)
        self.store = self.db.get_store(
            "store", ann=True, ndim=self.dimensions, expansion_search=WIDTH
        )

    def load(self, batches: Iterable[Batch]) -> None:
        self.open()
        for batch in batches:
            self.store.insert_all(records(batch))

    def build(self) -> None:
        self.store.rebuild_index()

    def search(self, vector: array[float], number: int, condition: Condition | None) -> list[Hit]:
        query = np.array(vector, dtype=np.float16).tobytes()
        if condition is None:
            rows = self.store.ann_search(query, columns=COLUMNS, limit=number)
        else:
            field = f"json_extract(metadata, '$.{condition.field}')"
            where = f"{field} >= {condition.low} and {field} < {condition.high}"
            rows = self.store.vec_search(query, columns=COLUMNS, where=where, limit=number)
        return [(row["id"] - 1, row["content"], json.loads(row["metadata"])) for row in rows]


def records(batch: Batch) -> list[dict[str, Any]]:
    return [
        {
            "id": number + 1,
            "content": text,
            "metadata": json.dumps(metadata),
            "embedding": vector.astype(np.float16).tobytes(),
        }
        for number, vector, text, metadata in zip(*batch, strict=True)
    ]
