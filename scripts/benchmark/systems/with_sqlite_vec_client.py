"""sqlite-vec-client: a table and a vec0 table, kept in step by triggers.

Its search returns no metadata, and its filters are applied after the nearest are taken.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from typing import TYPE_CHECKING

from sqlite_vec_client import SQLiteVecClient

from . import Hit, System

if TYPE_CHECKING:
    from ..job import Condition
    from ..rows import Batch


class SqliteVecClient(System):
    can_filter = False

    def open(self) -> None:
        self.client = SQLiteVecClient(table="items", db_path=str(self.folder / "client.db"))

    def load(self, batches: Iterable[Batch]) -> None:
        self.open()
        self.client.create_table(dim=self.dimensions, distance="cosine")
        for batch in batches:
            self.client.add(batch.texts, batch.vectors.tolist(), batch.metadata)

    def search(
        self,
        vector: array[float],
        number: int,
        condition: Condition | None,  # noqa: ARG002
    ) -> list[Hit]:
        found = self.client.similarity_search(vector.tolist(), number)
        return [(rowid - 1, text, None) for rowid, text, _ in found]

    def close(self) -> None:
        self.client.close()
