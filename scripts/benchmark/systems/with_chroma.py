"""Chroma, in this process and with files: an HNSW graph beside a SQLite database."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import chromadb
from chromadb.config import Settings

from . import Hit, System

if TYPE_CHECKING:
    from ..job import Condition
    from ..rows import Batch


class Chroma(System):
    max_rows = 100_000

    def open(self) -> None:
        self.client = chromadb.PersistentClient(
            str(self.folder), Settings(anonymized_telemetry=False)
        )
        self.collection = self.client.get_or_create_collection(
            "bench", metadata={"hnsw:space": "cosine"}, embedding_function=None
        )

    def load(self, batches: Iterable[Batch]) -> None:
        self.open()
        for batch in batches:
            self.collection.add(
                ids=list(map(str, batch.numbers)),
                embeddings=batch.vectors,
                documents=batch.texts,
                metadatas=[dict(metadata) for metadata in batch.metadata],
            )

    def search(self, vector: array[float], number: int, condition: Condition | None) -> list[Hit]:
        where: dict[str, Any] | None = None
        if condition is not None:
            field, low, high = condition
            where = {"$and": [{field: {"$gte": low}}, {field: {"$lt": high}}]}
        found = self.collection.query(
            query_embeddings=[vector.tolist()],
            n_results=number,
            where=where,
            include=["documents", "metadatas"],
        )
        columns = (found["ids"][0], found["documents"][0], found["metadatas"][0])
        return [(int(id), text, metadata) for id, text, metadata in zip(*columns, strict=True)]
