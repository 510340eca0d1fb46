"""The dry run: what a load would do, found out by the load's own batches, which write nowhere."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from ..models import EmbeddingModel
from ..rows import CollectionRow, EmbeddingRow, RowChange, StoredRow
from ..store import LoadStore, Result, Store
from .contract import Batch, BatchPlan
from .documents import DocumentBatch, Split, make_documents, whole_batches
from .items import OnError, make_items, storable_check
from .load import limit_batch_size
from .replaced import KeepingReplaced

_NO_VECTOR = b""  # in place of what the model would return


@dataclass
class Preview:
    """How many entries a load would embed, and what would become of the others.

    new, changed: to embed, for an id that is not there or has other content. reused, updated,
    unchanged, deleted: as in EmbedReport. characters, bytes: the size of the text, and of the
    binary content, to embed, each content counted once, without the prefix that the model gets
    before it. deleted_ids: of what documents have no more.
    """

    new: int = 0
    changed: int = 0
    reused: int = 0
    updated: int = 0
    unchanged: int = 0
    characters: int = 0
    bytes: int = 0
    deleted: int = 0
    deleted_ids: set[str] = field(default_factory=set)

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
        self.deleted += batch.report.deleted
        self.deleted_ids.difference_update(item.id for item in plan.to_put)
        self.deleted_ids.update(plan.to_delete)


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
    rows = KeepingReplaced(_RehearsedStore(store))
    size = limit_batch_size(batch_size, model)
    iterator = iter(entries)
    skip = on_error != "stop"
    check = storable_check(store, stores_content)

    def batches() -> Iterator[Batch]:
        while portion := list(islice(iterator, size)):
            items = list(make_items(portion, model, content_hash, on_error, check))
            yield Batch(rows, collection, items, stores_content=stores_content, skip=skip)

    return _rehearse(batches(), on_error)


def preview_documents(
    store: Store,
    collection: CollectionRow,
    model: EmbeddingModel,
    documents: Iterable[tuple[Any, ...]],
    split: Split,
    batch_size: int,
    *,
    content_hash: Callable[[str | bytes], bytes],
    headings: bool = True,
    stores_content: bool = True,
    on_error: OnError = "stop",
) -> Preview:
    """Return what loading these documents would do; see preview(), and Load.run_documents()."""
    rows = KeepingReplaced(_RehearsedStore(store))
    check = storable_check(store, stores_content)
    made = make_documents(documents, model, content_hash, on_error, split, check, headings=headings)
    batches = (
        DocumentBatch(
            rows, collection, batch, stores_content=stores_content, skip=on_error != "stop"
        )
        for batch in whole_batches(made, limit_batch_size(batch_size, model))
    )
    return _rehearse(batches, on_error)


def _rehearse(batches: Iterable[Batch], on_error: OnError) -> Preview:
    result = Preview()
    for batch in batches:
        plan = batch.plan()
        for id, error in batch.taken.items():
            if callable(on_error):
                on_error(id, error)
        batch.take_vectors(plan.missing, {item.content_hash: _NO_VECTOR for item in plan.missing})
        batch.write()
        result.add(plan, batch)
    return result


class _RehearsedStore(LoadStore):
    """A store as it would be: what is written here goes into memory, and is read from there."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._written: dict[str, StoredRow | None] = {}  # by id; None for what was deleted
        self._written_below: defaultdict[str, set[str]] = defaultdict(
            set
        )  # ids, by what is before #
        self._copies: Counter[bytes | None] = Counter()  # of a content, beyond the store's
        self._latest: dict[str, StoredRow] = {}  # of the batch that is written next

    def writing(self) -> AbstractContextManager[None]:
        return nullcontext()

    def write(self, work: Callable[[], Result]) -> Result:
        return work()

    def refuse_unstorable(
        self, id: str, content: str | bytes | None, metadata: str | None, dimensions: int = 0
    ) -> None:
        self._store.refuse_unstorable(id, content, metadata, dimensions)

    def stored(self, collection: CollectionRow, ids: Sequence[str]) -> dict[str, StoredRow]:
        return self._as_written(self._store.stored(collection, ids), ids)

    def stored_chunks(
        self, collection: CollectionRow, documents: Sequence[str]
    ) -> dict[str, StoredRow]:
        found = self._store.stored_chunks(collection, documents)
        below = (id for document in documents for id in self._written_below[document])
        return self._as_written(found, {*found, *below})

    def _as_written(self, found: dict[str, StoredRow], ids: Iterable[str]) -> dict[str, StoredRow]:
        """Return the rows as they would be, of which some are stored."""
        found.update({id: row for id in ids if (row := self._written.get(id))})
        gone = [id for id in found if self._written.get(id, found[id]) is None]
        for id in gone:
            del found[id]
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
            self._note(row.id, StoredRow(row.content_hash, True, has_content, row.metadata))
            number += 1
        return number

    def change(self, collection: CollectionRow, changes: Iterable[RowChange]) -> None:  # noqa: ARG002
        for change in changes:
            row = self._latest[change.id]
            if change.content is not None or change.content_blob is not None:
                row = row._replace(has_content=True)
            if change.metadata is not None:
                row = row._replace(metadata=change.metadata or None)
            self._note(change.id, row)

    def delete(self, collection: CollectionRow, ids: Sequence[str]) -> int:  # noqa: ARG002
        for id in ids:
            row = self._latest[id]
            if row.has_vector:
                self._copies[row.content_hash] -= 1
            self._note(id, None)
        return len(ids)

    def _note(self, id: str, row: StoredRow | None) -> None:
        self._written[id] = row
        self._written_below[id.rpartition("#")[0]].add(id)
