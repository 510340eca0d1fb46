"""llm's own collections, whose similarity is computed by a Python function for each row."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import llm
from llm.models import EmbeddingModel
from sqlite_utils import Database

from . import Hit, System

if TYPE_CHECKING:
    from ..job import Condition
    from ..rows import Batch


class Prepared(EmbeddingModel):
    """Returns vectors made beforehand."""

    model_id = "prepared"

    def __init__(self) -> None:
        self.vectors: dict[str, list[float]] = {}

    def embed_batch(
        self,
        items: Iterable[str | bytes],
        *,
        key: str | None = None,  # noqa: ARG002
    ) -> Iterator[list[float]]:
        return (self.vectors.pop(str(item)) for item in items)


class Llm(System):
    max_rows = 100_000
    can_filter = False

    def open(self) -> None:
        self.model = Prepared()
        db = Database(self.folder / "llm.db")
        db.enable_wal()
        self.collection = llm.Collection("bench", db, model=self.model)

    def load(self, batches: Iterable[Batch]) -> None:
        self.open()
        self.collection.embed_multi_with_metadata(self._entries(batches), True, batch_size=1_000)

    def _entries(self, batches: Iterable[Batch]) -> Iterator[tuple[str, str, dict[str, int]]]:
        for batch in batches:
            for number, vector, text, metadata in zip(*batch, strict=True):
                self.model.vectors[text] = vector.tolist()
                yield str(number), text, metadata

    def search(
        self,
        vector: array[float],
        number: int,
        condition: Condition | None,  # noqa: ARG002
    ) -> list[Hit]:
        entries = self.collection.similar_by_vector(vector.tolist(), number)
        return [(int(entry.id), entry.content or "", entry.metadata) for entry in entries]

    def close(self) -> None:
        self.collection.db.close()
