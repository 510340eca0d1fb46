"""The dry run: what a load would do, found out by the load's own batches, which write nowhere."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import islice
from typing import Any

from ..models import EmbeddingModel
from ..rows import CollectionRow, EmbeddingRow, RowChange, StoredRow
from ..store import LoadStore, Store
from .contract import Batch, BatchPlan
from .items import OnError, make_items
from .load import limit_batch_size

_NO_VECTOR = b""  # in place of what the model would return


@dataclass
class Preview:
    """How many entries a load would embed, and what would become of the others.

    new, changed: to embed, for an id that is not there or has other content. reused, updated,
    unchanged: as in EmbedReport. characters, bytes: the size of the text, and of the binary
    content, to embed, each content counted once.
    """

    new: int = 0
    changed: int = 0
    reused: int = 0
    updated: int = 0
    unchanged: int = 0
    characters: int = 0
    bytes: int = 0

    def add(self, plan: BatchPlan, batch: Batch) -> None:
        """Count what a batch has to embed, by its plan, and what it did then."""
        for item in plan.missing:
            if item.id in plan.rows:
                self.changed += 1
            else:
                self.new += 1
            if isinstance(item.value, str):
                self.characters += len(item.value)
            else:
                self.bytes += len(item.value)
        self.reused += batch.report.reused
        self.updated += batch.report.updated
        self.unchanged += batch.report.unchanged


def preview(
    store: Store,
    collection: CollectionRow,
    model: EmbeddingModel,
    entries: Iterable[tuple[Any, ...]],
    batch_size: int,
    *,
    content_hash: Callable[[str | bytes], bytes],
    stores_content: bool = False,
    on_error: OnError = "stop",
) -> Preview:
    """Return what loading these entries would do. Of each, the id, hash and metadata are kept.

    See Load for the parameters. The model is asked for nothing but what it takes.

    :raises DoesNotExist, ModelMismatchError: the collection is another one now
    :raises InvalidInputError: an entry is refused, and `on_error` says to stop
    """
    result = Preview()
    rows = _RehearsedStore(store)
    size = limit_batch_size(batch_size, model)
    iterator = iter(entries)
    while chunk := list(islice(iterator, size)):
        items = list(make_items(chunk, model, content_hash, on_error))
        batch = Batch(rows, collection, items, stores_content=stores_content)
        plan = batch.plan()
        batch.take_vectors(plan.missing, {item.content_hash: _NO_VECTOR for item in plan.missing})
        batch.write()
        result.add(plan, batch)
    return result


class _RehearsedStore(LoadStore):
    """A store as it would be: what is written here goes into memory, and is read from there."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._written: dict[str, StoredRow] = {}  # by id
        self._copies: Counter[bytes | None] = Counter()  # of a content, beyond the store's
        self._latest: dict[str, StoredRow] = {}  # of the batch that is written next

    def writing(self) -> AbstractContextManager[None]:
        return nullcontext()

    def stored(self, collection: CollectionRow, ids: Sequence[str]) -> dict[str, StoredRow]:
        found = self._store.stored(collection, ids)
        found.update({id: self._written[id] for id in ids if id in self._written})
        self._latest = found
        return found

    def known_vectors(
        self, collection: CollectionRow, hashes: Iterable[bytes]
    ) -> dict[bytes, bytes]:
        hashes = list(hashes)
        stored = self._store.known_vectors(collection, hashes)
        return {
            content_hash: _NO_VECTOR
            for content_hash in hashes
            if self._is_known(collection, content_hash, content_hash in stored)
        }

    def _is_known(self, collection: CollectionRow, content_hash: bytes, is_stored: bool) -> bool:
        """Return whether some row would have this content and its vector."""
        copies = self._copies[content_hash]
        if is_stored and copies < 0:
            copies += self._store.copies(collection, content_hash)
            return copies > 0
        return is_stored or copies > 0

    def dimensions(self, collection: CollectionRow, wanted: int) -> int | None:  # noqa: ARG002
        return wanted

    def put(self, collection: CollectionRow, rows: Iterable[EmbeddingRow]) -> int:  # noqa: ARG002
        number = 0
        for row in rows:
            before = self._latest.get(row.id)
            if before and before.has_vector:
                self._copies[before.content_hash] -= 1
            self._copies[row.content_hash] += 1
            has_content = row.content is not None or row.content_blob is not None
            self._written[row.id] = StoredRow(row.content_hash, True, has_content, row.metadata)
            number += 1
        return number

    def change(self, collection: CollectionRow, changes: Iterable[RowChange]) -> None:  # noqa: ARG002
        for change in changes:
            row = self._latest[change.id]
            if change.content is not None or change.content_blob is not None:
                row = row._replace(has_content=True)
            if change.metadata is not None:
                row = row._replace(metadata=change.metadata or None)
            self._written[change.id] = row
