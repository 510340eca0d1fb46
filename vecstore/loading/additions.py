"""Vectors of the user's own: written by the contract of embeddings, and no model is asked.

What a vector is of, its content, may be given with it. It is the collection's vector of that
content from then on: to embed it later, under whatever id, takes this vector.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any

from ..chunks import document_in_json
from ..entries import id_text
from ..errors import InvalidInputError, VecstoreError
from ..metadata import changes_stored
from ..rows import CollectionRow, EmbeddingRow, RowChange, StoredRow
from ..store import Store
from ..values import quote
from ..vectors import dimension_error, encode_vector
from .items import OnError, check_on_error, hash_of, is_row, metadata_json, plain_content
from .load import Progress, to_positive
from .report import EmbedReport


@dataclass(slots=True)
class _Addition:
    """One entry to write: its vector as float32 bytes, and what it is of, if that is told."""

    id: str
    vector: bytes
    content: str | bytes | None
    content_hash: bytes | None
    metadata: str | None  # as in Item


@dataclass
class _Plan:
    """What a batch needs, given the rows of the moment."""

    rows: dict[str, StoredRow]  # by id
    to_put: list[_Addition] = field(default_factory=list)  # to insert or replace
    to_change: list[_Addition] = field(default_factory=list)  # metadata or newly stored content
    refused: list[tuple[str, VecstoreError]] = field(default_factory=list)  # by id
    unchanged: int = 0


class Additions:
    """Writes vectors into one collection; see Load for the parameters."""

    def __init__(
        self,
        store: Store,
        collection: CollectionRow,
        *,
        content_hash: Callable[[str | bytes], bytes],
        stores_content: bool = True,
        on_error: OnError = "stop",
        progress: Progress | None = None,
    ) -> None:
        check_on_error(on_error)
        self._store = store
        self._collection = collection
        self._content_hash = content_hash
        self._stores_content = stores_content
        self._skip = on_error != "stop"
        self._on_error = on_error if callable(on_error) else None
        self._progress = progress
        self._report = EmbedReport()

    def run(self, entries: Iterable[Any], batch_size: int) -> EmbedReport:
        """Write all entries, read a batch at a time; return what was done."""
        size = to_positive("batch_size", batch_size)
        iterator = iter(entries)
        while portion := list(islice(iterator, size)):
            self._write(_last_of_each_id(self._make_additions(portion)))
            if self._progress:
                self._progress(self._report)
        self._store.end_load(self._collection)
        return self._report

    def _make_additions(self, entries: Iterable[Any]) -> list[_Addition]:
        """Return entries as they will be written, without those that are skipped as refused."""
        made = []
        for entry in entries:
            row = _as_row(entry)
            try:
                addition = _make_addition(row, self._content_hash)
                content = addition.content if self._stores_content else None
                dimensions = len(addition.vector) // 4
                self._store.refuse_unstorable(addition.id, content, addition.metadata, dimensions)
            except InvalidInputError as error:
                self._refuse(str(row[0]), error)
            else:
                made.append(addition)
        return made

    def _refuse(self, id: str, error: VecstoreError) -> None:
        if not self._skip:
            raise error
        self._report.failed += 1
        if self._on_error:
            self._on_error(id, error)

    def _write(self, batch: list[_Addition]) -> None:
        """Write a batch in one transaction, for which nobody waits if there is nothing to write."""
        plan = self._plan(batch)
        if plan.to_put or plan.to_change:
            plan = self._store.write(partial(self._plan_and_put, batch))
        for id, error in plan.refused:
            self._refuse(id, error)
        self._report += EmbedReport(
            added=len(plan.to_put), updated=len(plan.to_change), unchanged=plan.unchanged
        )

    def _plan_and_put(self, batch: list[_Addition]) -> _Plan:
        plan = self._plan(batch)
        if self._skip or not plan.refused:
            self._put(plan)
        return plan

    def _plan(self, batch: list[_Addition]) -> _Plan:
        ids = [addition.id for addition in batch]
        plan = _Plan(self._store.stored(self._collection, ids))
        vectors = self._store.vectors(self._collection, [id for id in ids if id in plan.rows])
        expected = self._expected_dimensions(batch)
        for addition in batch:
            row = plan.rows.get(addition.id)
            is_same = row is not None and vectors.get(addition.id) == addition.vector
            if row is None or not is_same or _is_of_other_content(addition, row):
                writes = plan.to_put
            elif self._differs(addition, row):
                writes = plan.to_change
            else:
                plan.unchanged += 1
                continue
            error = _misfit(addition, expected) or _collision(addition, row)
            if error is None:
                writes.append(addition)
            else:
                plan.refused.append((addition.id, error))
        return plan

    def _expected_dimensions(self, batch: list[_Addition]) -> dict[int, int]:
        """Return, for each dimension of a batch, which one its vectors must have.

        That of the collection's, or in an empty one of most of the batch.
        """
        sizes = Counter(len(addition.vector) // 4 for addition in batch)
        [(most, _)] = sizes.most_common(1) or [(0, 0)]
        return {size: self._store.dimensions(self._collection, size) or most for size in sizes}

    def _differs(self, addition: _Addition, row: StoredRow) -> bool:
        """Return whether a row with this vector and content would be changed."""
        has_content = addition.content is None or row.has_content
        is_stored_now = self._stores_content and not has_content
        return is_stored_now or changes_stored(addition.metadata, row.metadata)

    def _put(self, plan: _Plan) -> None:
        now = int(time.time())
        rows = [self._row(addition, plan.rows.get(addition.id), now) for addition in plan.to_put]
        self._store.put(self._collection, rows)
        changes = [
            RowChange(addition.id, *self._stored_columns(addition), addition.metadata, now)
            for addition in plan.to_change
        ]
        self._store.change(self._collection, changes)

    def _row(self, addition: _Addition, row: StoredRow | None, now: int) -> EmbeddingRow:
        """Return what takes the place of a row. What it was of goes, if that is not told anew."""
        is_kept = row is not None and row.has_content and row.content_hash == addition.content_hash
        content = self._stored_columns(addition)
        if is_kept and not self._stores_content:
            content = _content_columns(addition.content)
        metadata = row.metadata if row and addition.metadata is None else addition.metadata
        return EmbeddingRow(
            addition.id,
            addition.vector,
            *content,
            addition.content_hash,
            metadata or None,
            now,
        )

    def _stored_columns(self, addition: _Addition) -> tuple[str | None, bytes | None]:
        return _content_columns(addition.content if self._stores_content else None)


def _content_columns(content: str | bytes | None) -> tuple[str | None, bytes | None]:
    """Return what the columns content and content_blob hold."""
    return (content, None) if isinstance(content, str) else (None, content)


def _as_row(entry: Any) -> tuple[Any, Any, Any, Any]:
    """Return an entry with what it may leave out; InvalidInputError for what is none."""
    if not is_row(entry) or not 2 <= len(entry) <= 4:
        raise InvalidInputError(
            f"An entry is {quote(entry)}, not a tuple of (id, vector), (id, vector, content) or "
            "(id, vector, content, metadata): zip(ids, vectors) makes such tuples"
        )
    id, vector, content, metadata = [*entry, None, None][:4]
    return id, vector, content, metadata


def _make_addition(
    row: tuple[Any, Any, Any, Any], content_hash: Callable[[str | bytes], bytes]
) -> _Addition:
    """Return an entry as it will be written; InvalidInputError says what of it is wrong."""
    id, vector, content, metadata = row
    id = id_text(id)
    blob = encode_vector(vector, f"The vector of {quote(id)}")
    if content is None:
        return _Addition(id, blob, None, None, metadata_json(id, metadata))
    name = f"The content of {quote(id)}"
    content = plain_content(name, content)
    hashed = hash_of(name, content, content_hash)
    return _Addition(id, blob, content, hashed, metadata_json(id, metadata))


def _last_of_each_id(additions: list[_Addition]) -> list[_Addition]:
    """Return what writing them one after another would leave of them."""
    last: dict[str, _Addition] = {}
    for addition in additions:
        earlier = last.pop(addition.id, None)
        if earlier and addition.metadata is None:
            addition.metadata = earlier.metadata
        if earlier and addition.content is None and addition.vector == earlier.vector:
            addition.content, addition.content_hash = earlier.content, earlier.content_hash
        last[addition.id] = addition
    return list(last.values())


def _is_of_other_content(addition: _Addition, row: StoredRow) -> bool:
    return addition.content is not None and addition.content_hash != row.content_hash


def _misfit(addition: _Addition, expected: dict[int, int]) -> VecstoreError | None:
    size = len(addition.vector) // 4
    if size == expected[size]:
        return None
    return dimension_error(f"The vector of {quote(addition.id)}", size, expected[size])


def _collision(addition: _Addition, row: StoredRow | None) -> VecstoreError | None:
    """Return the error for an entry that would take the place of a document's chunk unasked."""
    document = document_in_json(addition.id, row.metadata if row else None)
    if document is None or document_in_json(addition.id, addition.metadata) == document:
        return None
    return InvalidInputError(
        f"The id {quote(addition.id)} is that of a chunk of the document {quote(document)}: give "
        f"the entry another id, or first delete_documents([{quote(document)}])"
    )
