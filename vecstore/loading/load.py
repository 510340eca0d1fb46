"""A load: entries of any number become batches, are embedded several at once, and are written.

Batches are written in the order of the input, each in one transaction. Whatever ends a load, what
was asked of the model until then is waited for and written, as it may have been paid for.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from typing import Any

from ..entries import Item
from ..errors import (
    DimensionError,
    DoesNotExist,
    InvalidInputError,
    ModelMismatchError,
    VecstoreError,
)
from ..models import EmbeddingModel, embed_as_float32, modes
from ..rows import CollectionRow
from ..store import Store
from ..values import quote, to_integer
from .asking import Answer
from .contract import Batch, CopiedBatch
from .documents import Document, DocumentBatch, Split, make_documents, whole_batches
from .items import OnError, check_on_error, make_items, storable_check
from .pipeline import Pipeline
from .replaced import KeepingReplaced
from .report import EmbedReport

Progress = Callable[[EmbedReport], object]


class Load:
    """Writes entries into one collection.

    The model gets a text with the document prefix of the collection, or else its own, before it.

    :param collection: while its row is as it was; then nothing more is written
    :param concurrency: batches that are embedded at once; None for what the model says
    """

    def __init__(
        self,
        store: Store,
        collection: CollectionRow,
        model: EmbeddingModel,
        *,
        content_hash: Callable[[str | bytes], bytes],
        stores_content: bool = False,
        key: str | None = None,
        concurrency: int | None = None,
        on_error: OnError = "stop",
        progress: Progress | None = None,
    ) -> None:
        check_on_error(on_error)
        if concurrency is None:
            concurrency = getattr(model, "concurrency", 1)  # an instance of llm's class has none
        self._store = store
        self._rows = KeepingReplaced(store)
        self._collection = collection
        self._model = model
        self._content_hash = content_hash
        self._stores_content = stores_content
        self._check_storable = storable_check(store, stores_content)
        self._skip = on_error != "stop"
        self._on_error = on_error if callable(on_error) else None
        self._progress = progress
        self._prefix = prefix = self._find_prefix()
        self._pipeline: Pipeline[Batch] = Pipeline(
            lambda values: embed_as_float32(
                model, (modes.add_prefix(prefix, value) for value in values), key
            ),
            to_positive("concurrency", concurrency),
            skip=self._skip,
        )
        self._coming: set[bytes] = set()  # content hashes of which vectors are on their way
        self._report = EmbedReport()

    def run(self, entries: Iterable[tuple[Any, ...]], batch_size: int) -> EmbedReport:
        """Write all entries, read a batch at a time; return what was done."""
        size = limit_batch_size(batch_size, self._model)
        return self.run_batches(self._batches(iter(entries), size))

    def run_items(self, items: Iterable[Item], batch_size: int) -> EmbedReport:
        """Write what another collection has, as run() does, whatever it takes the place of."""
        size = limit_batch_size(batch_size, self._model)
        iterator = iter(items)
        portions = iter(lambda: list(islice(iterator, size)), [])
        return self.run_batches(self.batch(items, CopiedBatch) for items in portions)

    def run_batches(self, batches: Iterable[Batch]) -> EmbedReport:
        """Write batches, each of which is asked for when the one before is under way."""
        in_transaction = self._store.has_transaction()
        self._pipeline.has_worked = not self._store.is_empty(self._collection)
        try:
            for batch in batches:
                self._start_batch(batch)
                while self._pipeline.full:
                    self._end_oldest()
            while self._pipeline:
                self._end_oldest()
        except BaseException:
            # Where the store has undone the caller's transaction, nothing is written without it.
            if not in_transaction or self._store.has_transaction():
                self._write_what_is_under_way()
            raise
        self._store.end_load(self._collection)
        return self._report

    def run_documents(
        self, documents: Iterable[tuple[Any, ...]], split: Split, batch_size: int, *, headings: bool
    ) -> EmbedReport:
        """Write whole documents, as many in a batch as have `batch_size` chunks."""
        made = make_documents(
            documents,
            self._model,
            self._content_hash,
            self._on_refused(),
            split,
            self._check_storable,
            headings=headings,
        )
        # One document may be longer than a batch, which is still the most that a model is given.
        self._pipeline.portion = size = limit_batch_size(batch_size, self._model)
        return self.run_batches(map(self.document_batch, whole_batches(made, size)))

    def _batches(self, entries: Iterator[tuple[Any, ...]], size: int) -> Iterator[Batch]:
        while portion := list(islice(entries, size)):
            yield self.batch(self.make_items(portion))

    def make_items(self, entries: Iterable[tuple[Any, ...]]) -> list[Item]:
        """Return entries as they will be written, without those that are skipped as refused."""
        return list(
            make_items(
                entries, self._model, self._content_hash, self._on_refused(), self._check_storable
            )
        )

    def batch(self, items: list[Item], kind: type[Batch] = Batch) -> Batch:
        """Return items that are to be written in one transaction."""
        return kind(
            self._rows,
            self._collection,
            items,
            stores_content=self._stores_content,
            skip=self._skip,
            check=self._check_prefix,
        )

    def document_batch(self, documents: list[Document]) -> DocumentBatch:
        """Return documents that are to be written in one transaction."""
        return DocumentBatch(
            self._rows,
            self._collection,
            documents,
            stores_content=self._stores_content,
            skip=self._skip,
            check=self._check_prefix,
        )

    def _find_prefix(self) -> str:
        return modes.document_prefix(
            self._model, self._store.prefixes(self._collection).document_prefix
        )

    def _check_prefix(self) -> None:
        """Raise ModelMismatchError if documents have another prefix than when the load began.

        It was set before the first entry was written: after that it cannot change.
        """
        now = self._find_prefix()
        if now != self._prefix:
            raise ModelMismatchError(
                f"Collection {quote(self._collection.name)} has got the document prefix "
                f"{quote(now)} meanwhile, and this was embedded with {quote(self._prefix)}: it was "
                "not written; load it again"
            )

    def _start_batch(self, batch: Batch) -> None:
        plan = batch.plan()
        self._fail_taken(batch)
        if plan.is_done and not self._pipeline:
            self._report += EmbedReport(unchanged=plan.unchanged)
            self._report_progress()
            return
        # What an earlier batch is waiting for will be in the table when this one is written.
        items = [item for item in plan.missing if item.content_hash not in self._coming]
        self._coming.update(item.content_hash for item in items)
        self._pipeline.submit(batch, items)

    def _end_oldest(self) -> None:
        """Write the oldest batch; it stays in the pipeline if that is interrupted."""
        batch, items, answer = self._pipeline.oldest()
        error = self._write(batch, items, answer)
        self._fail_taken(batch)
        self._drop_oldest(items)
        self._report += batch.report
        if error is not None:
            raise error
        self._report_progress()

    def _write(self, batch: Batch, items: list[Item], answer: Answer) -> BaseException | None:
        """Write a batch, or what of it has a vector, and return the error that ended the rest."""
        while True:
            batch.take_vectors(items, answer.vectors)
            self._leave_out(answer.refused)
            if answer.error is not None:
                self._write_what_is_embedded(batch)
                return answer.error
            items = self._write_what_fits(batch, skip=self._skip)
            if not items:
                return None
            answer = self._pipeline.ask(items)

    def _write_what_is_embedded(self, batch: Batch) -> None:
        """Write what has a vector, unless the collection is gone: the next call says so."""
        with suppress(DoesNotExist, ModelMismatchError):
            batch.keep_embedded()
            if batch.items:
                self._write_what_fits(batch, skip=self._skip)

    def _write_what_fits(self, batch: Batch, *, skip: bool) -> list[Item]:
        """Write a batch but for vectors of another dimension: skip them, or stop at the first."""
        try:
            return batch.write()
        except DimensionError:
            misfits = batch.misfits()
            if misfits and skip:
                self._leave_out(misfits)
                return batch.write()
            if misfits:
                batch.keep_before(misfits.keys())
                batch.write()
            raise

    def _leave_out(self, refused: Mapping[bytes, VecstoreError]) -> None:
        """Skip what was refused, also where a batch behind waits for the same content.

        An error names the first entry of its content: the model was asked for that one.
        """
        if not refused:
            return
        batches = self._pipeline.batches()
        items = (item for batch in reversed(batches) for item in reversed(batch.items))
        named = {item.content_hash: item.id for item in items}
        for batch in batches:
            for item in batch.leave_out(refused.keys()):
                error = refused[item.content_hash]
                if item.id != named[item.content_hash]:
                    error = _of_same_content(item, error)
                self._fail(item.id, error)

    def _write_what_is_under_way(self) -> None:
        """Write what the model has been asked for already; what fails now is for the next run."""
        self._pipeline.stop_retrying()
        while self._pipeline:
            batch, items, answer = self._pipeline.oldest()
            try:
                with suppress(DoesNotExist, InvalidInputError):
                    batch.take_vectors(items, answer.vectors)
                    batch.keep_embedded()
                    self._write_what_fits(batch, skip=False)
            except Exception:
                return  # of the database: no batch can be written now
            self._drop_oldest(items)

    def _drop_oldest(self, items: list[Item]) -> None:
        self._pipeline.drop_oldest()
        self._coming.difference_update(item.content_hash for item in items)

    def _fail_taken(self, batch: Batch) -> None:
        """Skip what a batch has left out since the ids are taken."""
        while batch.taken:
            self._fail(*batch.taken.popitem())

    def _on_refused(self) -> OnError:
        return self._fail if self._skip else "stop"

    def _fail(self, id: str, error: VecstoreError) -> None:
        self._report.failed += 1
        if self._on_error:
            self._on_error(id, error)

    def _report_progress(self) -> None:
        if self._progress:
            self._progress(self._report)


def limit_batch_size(wanted: int, model: EmbeddingModel) -> int:
    """Return how many entries are a batch: as many as wanted, or what the model takes at once."""
    size = to_positive("batch_size", wanted)
    return min(size, model.batch_size or size)


def _of_same_content(item: Item, error: VecstoreError) -> VecstoreError:
    same = type(error)(f"{quote(item.id)} has the content of an entry that was left out: {error}")
    same.__cause__ = error
    return same


def to_positive(name: str, value: object) -> int:
    """Return a number of 1 or more, of any type of integer; InvalidInputError for another."""
    number = to_integer(value)
    if number is None or number < 1:
        raise InvalidInputError(f"{name} is {quote(value)}: it must be 1 or more, an integer")
    return min(number, sys.maxsize)
