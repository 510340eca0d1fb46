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
from ..models import EmbeddingModel
from ..rows import CollectionRow
from ..store import Store
from ..values import quote, to_integer
from .asking import Answer
from .contract import Batch
from .items import OnError, make_items
from .pipeline import Pipeline
from .report import EmbedReport

Progress = Callable[[EmbedReport], object]


class Load:
    """Writes entries into one collection.

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
        if on_error not in ("stop", "skip") and not callable(on_error):
            raise InvalidInputError(
                f"on_error is {quote(on_error)}: it must be 'stop', 'skip' or a function"
            )
        if concurrency is None:
            concurrency = getattr(model, "concurrency", 1)  # an instance of llm's class has none
        self._store = store
        self._collection = collection
        self._model = model
        self._content_hash = content_hash
        self._stores_content = stores_content
        self._skip = on_error != "stop"
        self._on_error = on_error if callable(on_error) else None
        self._progress = progress
        self._pipeline: Pipeline[Batch] = Pipeline(
            lambda values: model.embed_multi(values, key=key),
            _positive("concurrency", concurrency),
            skip=self._skip,
        )
        self._coming: set[bytes] = set()  # content hashes of which vectors are on their way
        self._report = EmbedReport()

    def run(self, entries: Iterable[tuple[Any, ...]], batch_size: int) -> EmbedReport:
        """Write all entries, read a batch at a time; return what was done."""
        size = limit_batch_size(batch_size, self._model)
        in_transaction = self._store.has_transaction()
        self._pipeline.has_worked = not self._store.is_empty(self._collection)
        try:
            for batch in self._batches(iter(entries), size):
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
        return self._report

    def _batches(self, entries: Iterator[tuple[Any, ...]], size: int) -> Iterator[Batch]:
        on_error: OnError = self._fail if self._skip else "stop"
        while chunk := list(islice(entries, size)):
            items = list(make_items(chunk, self._model, self._content_hash, on_error))
            yield Batch(self._store, self._collection, items, stores_content=self._stores_content)

    def _start_batch(self, batch: Batch) -> None:
        plan = batch.plan()
        if not (plan.to_put or plan.to_change or self._pipeline):
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
        told: set[bytes] = set()
        for batch in self._pipeline.batches():
            for item in batch.leave_out(refused.keys()):
                error = refused[item.content_hash]
                if item.content_hash in told:
                    error = _of_same_content(item, error)
                told.add(item.content_hash)
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

    def _fail(self, id: str, error: VecstoreError) -> None:
        self._report.failed += 1
        if self._on_error:
            self._on_error(id, error)

    def _report_progress(self) -> None:
        if self._progress:
            self._progress(self._report)


def limit_batch_size(wanted: int, model: EmbeddingModel) -> int:
    """Return how many entries are a batch: as many as wanted, or what the model takes at once."""
    size = _positive("batch_size", wanted)
    return min(size, model.batch_size or size)


def _of_same_content(item: Item, error: VecstoreError) -> VecstoreError:
    same = type(error)(f"{quote(item.id)} has the content of an entry that was left out: {error}")
    same.__cause__ = error
    return same


def _positive(name: str, value: object) -> int:
    number = to_integer(value)
    if number is None or number < 1:
        raise InvalidInputError(f"{name} is {quote(value)}: it must be 1 or more, an integer")
    return min(number, sys.maxsize)
