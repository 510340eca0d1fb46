"""vecstore itself: both forms of a file, with and without a graph and indexes of metadata."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import vecstore

from . import Hit, System

if TYPE_CHECKING:
    from ..job import Condition
    from ..rows import Batch


class Prepared(vecstore.EmbeddingModel):
    """Returns vectors made beforehand, each once, by their texts."""

    model_id = "prepared"

    def __init__(self, blobs: dict[str, bytes]) -> None:
        self.blobs = blobs

    def embed_batch(
        self,
        items: Iterable[str | bytes],
        *,
        key: str | None = None,  # noqa: ARG002 - this model needs none
    ) -> Iterator[tuple[float, ...]]:
        return (vecstore.decode(self.blobs.pop(str(item))) for item in items)


class VecstoreDefault(System):
    can_change = True
    can_edit = True
    exact: ClassVar[bool | None] = None
    index: ClassVar[Literal["inside", "beside"]] = "inside"

    def open(self) -> None:
        self.model = Prepared({})
        path = self.folder / "store.db"
        self.collection = vecstore.Collection("bench", path, model=self.model, index=self.index)

    def load(self, batches: Iterable[Batch]) -> None:
        self.open()
        self.update(batches)

    def update(self, batches: Iterable[Batch]) -> None:
        self.collection.embed_multi_with_metadata(self._entries(batches), True, batch_size=1_000)

    def _entries(self, batches: Iterable[Batch]) -> Iterator[tuple[str, str, dict[str, int]]]:
        for batch in batches:
            for number, vector, text, metadata in zip(*batch, strict=True):
                self.model.blobs[text] = vector.tobytes()
                yield str(number), text, metadata

    def delete(self, numbers: list[int]) -> None:
        self.collection.delete_ids(map(str, numbers))

    def edit(self, replaced: Batch, deleted: list[int], added: Batch) -> None:
        """Change the table with SQL alone, as a program that does not know of vecstore would."""
        conn = self.collection.db.conn
        known = {"collection": self.collection.id}
        conn.execute("begin")
        conn.executemany(
            """
            update embeddings
            set embedding = :vector, content = :text
            where collection_id = :collection
              and id = :id
            """,
            [{**known, **row} for row in sql_rows(replaced)],
        )
        conn.executemany(
            "delete from embeddings where collection_id = :collection and id = :id",
            [{**known, "id": str(number)} for number in deleted],
        )
        conn.executemany(
            """
            insert into embeddings (collection_id, id, embedding, content, metadata)
            values (:collection, :id, :vector, :text, :metadata)
            """,
            [{**known, **row} for row in sql_rows(added)],
        )
        conn.execute("commit")

    def search(self, vector: array[float], number: int, condition: Condition | None) -> list[Hit]:
        options: dict[str, Any] = {}
        if condition is not None:
            field = f"json_extract(metadata, '$.{condition.field}')"
            options = {
                "where": f"{field} >= ? and {field} < ?",
                "where_args": [condition.low, condition.high],
            }
        if self.exact is not None:
            options["exact"] = self.exact
        entries = self.collection.similar_by_vector(vector, number, **options)
        return [(int(entry.id), entry.content or "", entry.metadata) for entry in entries]

    def close(self) -> None:
        self.collection.db.close()


class VecstoreExact(VecstoreDefault):
    exact = True


class VecstoreBeside(VecstoreDefault):
    index = "beside"


class VecstoreIndexed(VecstoreDefault):
    """With an index of SQLite's on each field of the metadata."""

    def build(self) -> None:
        for field in ("lot", "place"):
            self.collection.index_metadata(field)


class VecstoreGraph(VecstoreDefault):
    def build(self) -> None:
        self.collection.build_graph()


class VecstoreGraphBeside(VecstoreGraph):
    index = "beside"


class VecstoreGraphIndexed(VecstoreIndexed):
    def build(self) -> None:
        super().build()
        self.collection.build_graph()


def sql_rows(batch: Batch) -> list[dict[str, str | bytes]]:
    """Return rows as parameters of a statement."""
    return [
        {"id": str(number), "vector": vector.tobytes(), "text": text, "metadata": json.dumps(known)}
        for number, vector, text, known in zip(*batch, strict=True)
    ]
