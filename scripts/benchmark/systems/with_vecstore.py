"""vecstore itself, with the plan that it chooses and with the exact one."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar

import vecstore

from . import Hit, System

if TYPE_CHECKING:
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
    exact: ClassVar[bool | None] = None

    def open(self) -> None:
        self.model = Prepared({})
        self.collection = vecstore.Collection("bench", self.folder / "store.db", model=self.model)

    def load(self, batches: Iterable[Batch]) -> None:
        self.open()
        self.update(batches)

    def update(self, batches: Iterable[Batch]) -> None:
        self.collection.embed_multi_with_metadata(self._entries(batches), True, batch_size=1_000)

    def _entries(self, batches: Iterable[Batch]) -> Iterator[tuple[str, str, dict[str, int]]]:
        for batch in batches:
            for number, vector, text, field in zip(*batch, strict=True):
                self.model.blobs[text] = vector.tobytes()
                yield str(number), text, {"f": field}

    def delete(self, numbers: list[int]) -> None:
        self.collection.delete_ids(map(str, numbers))

    def search(self, vector: array[float], number: int, below: int | None) -> list[Hit]:
        options: dict[str, Any] = {}
        if below is not None:
            options = {"where": "json_extract(metadata, '$.f') < ?", "where_args": [below]}
        if self.exact is not None:
            options["exact"] = self.exact
        entries = self.collection.similar_by_vector(vector, number, **options)
        return [(int(entry.id), entry.content or "", entry.metadata) for entry in entries]

    def close(self) -> None:
        self.collection.db.close()


class VecstoreExact(VecstoreDefault):
    exact = True
