"""The write contract: which entries need the model, which need a write, and how they are written.

The id is the key. Content that the collection has embedded before, under whatever id, is not
embedded again: its vector is copied. An unchanged row is not written. Metadata of None leaves
what is stored as it is. Content that is not to be stored stays if it is still what was embedded,
and is removed if it is not. The id of a chunk of a document is that document's.
"""

import time
from collections import Counter
from collections.abc import Callable, Set
from dataclasses import dataclass, field

from ..chunks import document_in_json
from ..entries import Item
from ..errors import DimensionError, InvalidInputError
from ..metadata import changes_stored
from ..rows import CollectionRow, EmbeddingRow, RowChange, StoredRow
from ..store import LoadStore
from ..values import quote
from ..vectors import dimension_error
from .report import EmbedReport


@dataclass
class BatchPlan:
    """What a batch needs, given the rows of the moment and the vectors at hand."""

    rows: dict[str, StoredRow]  # by id
    missing: list[Item] = field(default_factory=list)  # content without a vector, each once
    to_put: list[Item] = field(default_factory=list)  # to insert or replace
    to_change: list[Item] = field(default_factory=list)  # only metadata or stored content
    to_delete: list[str] = field(default_factory=list)  # ids
    unchanged: int = 0

    @property
    def is_done(self) -> bool:
        """Whether there is nothing to write."""
        return not (self.to_put or self.to_change or self.to_delete)


class Batch:
    """Entries that are written in one transaction, and the vectors that they get.

    No lock is held while the model works. The rows that change meanwhile are seen by `write()`.

    What is left out is left out as a whole, which an entry is, and a document with all its chunks.

    :param skip: leave out an entry whose id is taken; by default, that is an error
    :param check: is called in the transaction, before anything is written, and raises what makes
      vectors of the batch wrong

    Attributes:
        items: the last of each id
        taken: which ids were left out since they are taken, and why; for the load to take away
        report: what `write()` did
    """

    def __init__(
        self,
        rows: LoadStore,
        collection: CollectionRow,
        items: list[Item],
        *,
        stores_content: bool,
        skip: bool = False,
        check: Callable[[], None] | None = None,
    ) -> None:
        self._rows = rows
        self._collection = collection
        self.items = _last_of_each_id(items)
        self.taken: dict[str, InvalidInputError] = {}
        self._stores_content = stores_content
        self._skip = skip
        self._check = check
        self._vectors: dict[bytes, bytes] = {}  # by content hash
        self._embedded: set[str] = set()  # ids whose content the model was given
        self.report = EmbedReport()

    def plan(self) -> BatchPlan:
        """Return what is to be done, given the rows of the moment and the vectors at hand.

        :raises DoesNotExist, ModelMismatchError: the collection is another one now
        :raises InvalidInputError: an id is taken, and is not to be left out
        """
        plan = BatchPlan(self._read_rows())
        self._leave_out_taken(plan.rows)
        plan.to_delete = self._to_delete(plan.rows)
        for item in self.items:
            row = plan.rows.get(item.id)
            if row is None or not row.has_vector or row.content_hash != item.content_hash:
                plan.to_put.append(item)
            elif _differs(item, row, self._stores_content):
                plan.to_change.append(item)
            else:
                plan.unchanged += 1
        unknown = {item.content_hash for item in plan.to_put} - self._vectors.keys()
        if unknown:
            self._vectors.update(self._rows.known_vectors(self._collection, unknown))
        missing: dict[bytes, Item] = {}
        for item in plan.to_put:
            if item.content_hash not in self._vectors:
                missing.setdefault(item.content_hash, item)
        plan.missing = list(missing.values())
        return plan

    def _read_rows(self) -> dict[str, StoredRow]:
        """Return what is stored that the batch may be about, by id."""
        return self._rows.stored(self._collection, [item.id for item in self.items])

    def _leave_out_taken(self, rows: dict[str, StoredRow]) -> None:
        """Remove what would take an id that is another's, or raise the error that says so."""
        taken: dict[str, InvalidInputError] = {}  # by what is left out
        for item in self.items:
            row = rows.get(item.id)
            error = row and self._collision(item, row)
            if error and not self._skip:
                raise error
            if error and self._whole_of(item) not in taken:
                taken[self._whole_of(item)] = self.taken[item.id] = error
        if taken:
            self._remove(taken.keys())

    def _collision(self, item: Item, row: StoredRow) -> InvalidInputError | None:
        """Return why an item cannot take the place of a row: it is a chunk, and the item is not."""
        if "#" not in item.id:
            return None
        document = document_in_json(item.id, row.metadata)
        if document is None or document == document_in_json(item.id, item.metadata):
            return None
        return InvalidInputError(
            f"The id {quote(item.id)} is that of a chunk of the document {quote(document)}: give "
            f"the entry another id, or first delete_documents([{quote(document)}])"
        )

    def _to_delete(self, rows: dict[str, StoredRow]) -> list[str]:  # noqa: ARG002
        """Return the ids of rows that are to go when the batch is written."""
        return []

    def take_vectors(self, items: list[Item], vectors: dict[bytes, bytes]) -> None:
        """Take the vectors, by content hash, that the model has for some of these items."""
        self._vectors.update(vectors)
        self._embedded.update(item.id for item in items if item.content_hash in vectors)

    def leave_out(self, hashes: Set[bytes]) -> list[Item]:
        """Remove what has any of these contents; return the first such item of each whole."""
        removed: dict[str, Item] = {}
        for item in self.items:
            if item.content_hash in hashes:
                removed.setdefault(self._whole_of(item), item)
        self._remove(removed.keys())
        return list(removed.values())

    def keep_embedded(self) -> None:
        """Remove what the model was to embed and did not."""
        self.leave_out({item.content_hash for item in self.plan().missing})

    def keep_before(self, hashes: Set[bytes]) -> None:
        """Remove the first that has any of these contents, and all after it."""
        first = next(item for item in self.items if item.content_hash in hashes)
        wholes = self._wholes()
        self._remove(set(wholes[wholes.index(self._whole_of(first)) :]))

    def _whole_of(self, item: Item) -> str:
        """Return the id of what is written with an item, or left out with it."""
        return item.id

    def _wholes(self) -> list[str]:
        """Return all of these, in order."""
        return [item.id for item in self.items]

    def _remove(self, wholes: Set[str]) -> None:
        self.items = [item for item in self.items if self._whole_of(item) not in wholes]

    def misfits(self) -> dict[bytes, DimensionError]:
        """Return, by content hash, the vectors of another dimension than the collection's.

        Where it has none, than most of the batch. Empty where none of several fits: then it is
        the model that is wrong.
        """
        embedded = {i.content_hash: i for i in reversed(self.items) if i.id in self._embedded}
        sizes = Counter(map(self._dimensions_of, embedded.values()))
        [(most, number), *others] = sizes.most_common()
        is_clear = not others or number > others[0][1]
        wrong = {}
        for content_hash, item in reversed(embedded.items()):
            size = self._dimensions_of(item)
            expected = self._rows.dimensions(self._collection, size)
            expected = expected or (most if is_clear else size)
            if size != expected:
                wrong[content_hash] = _misfit(item, size, expected)
        return wrong if len(wrong) < len(embedded) or len(embedded) == 1 else {}

    def write(self) -> list[Item]:
        """Write the batch in one transaction, and set its report.

        If content has no vector, nothing is written: the items to embed first are returned.

        :raises DimensionError: a vector is not of the collection's dimension; nothing is written
        """
        plan = self._rows.write(self._plan_and_write)
        if plan.missing:
            return plan.missing
        embedded = sum(item.id in self._embedded for item in plan.to_put)
        self.report = EmbedReport(
            embedded=embedded,
            reused=len(plan.to_put) - embedded,
            updated=len(plan.to_change),
            unchanged=plan.unchanged,
            deleted=len(plan.to_delete),
        )
        return []

    def _plan_and_write(self) -> BatchPlan:
        if self._check:
            self._check()
        plan = self.plan()
        if not plan.missing:
            self._check_dimensions([item for item in plan.to_put if item.id in self._embedded])
            now = int(time.time())
            if plan.to_delete:
                self._rows.delete(self._collection, plan.to_delete)
            rows = [self._row(item, plan.rows.get(item.id), now) for item in plan.to_put]
            self._rows.put(self._collection, rows)
            changes = [self._change(item, plan.rows[item.id], now) for item in plan.to_change]
            self._rows.change(self._collection, changes)
        return plan

    def _row(self, item: Item, row: StoredRow | None, now: int) -> EmbeddingRow:
        """Return what takes the place of a row."""
        is_kept = row and row.has_content and row.content_hash == item.content_hash
        metadata = row.metadata if row and item.metadata is None else item.metadata
        return EmbeddingRow(
            item.id,
            self._vectors[item.content_hash],
            *(_content_columns(item) if self._stores_content or is_kept else (None, None)),
            item.content_hash,
            metadata or None,
            now,
        )

    def _change(self, item: Item, row: StoredRow, now: int) -> RowChange:
        """Return what becomes another in a row of which the same was embedded."""
        # With its heading, another part of a text may be what was embedded before.
        is_kept = row.has_content and item.content is not None
        content = _content_columns(item) if self._stores_content or is_kept else (None, None)
        return RowChange(item.id, *content, item.metadata, now)

    def _check_dimensions(self, items: list[Item]) -> None:
        """Raise DimensionError unless the vectors fit the collection's and each other."""
        expected: int | None = None
        for item in items:
            dimensions = self._dimensions_of(item)
            if expected is None:
                expected = self._rows.dimensions(self._collection, dimensions) or dimensions
            if dimensions != expected:
                raise _misfit(item, dimensions, expected)

    def _dimensions_of(self, item: Item) -> int:
        return len(self._vectors[item.content_hash]) // 4


class CopiedBatch(Batch):
    """Entries of another collection, each in place of what has its id, also of a chunk."""

    def _collision(self, item: Item, row: StoredRow) -> None:  # noqa: ARG002
        """Refuse nothing: the other collection has refused what was to be."""
        return


def _misfit(item: Item, found: int, expected: int) -> DimensionError:
    return dimension_error(f"The vector of {quote(item.id)}", found, expected)


def _content_columns(item: Item) -> tuple[str | None, bytes | None]:
    """Return what the columns content and content_blob hold for an item."""
    content = item.stored
    return (content, None) if isinstance(content, str) else (None, content)


def _differs(item: Item, row: StoredRow, stores_content: bool) -> bool:
    """Return whether a row with this item's content would be changed by writing the item."""
    is_stored_now = stores_content and not row.has_content
    return is_stored_now or changes_stored(item.metadata, row.metadata)


def _last_of_each_id(items: list[Item]) -> list[Item]:
    """Return what writing the items one after another would leave of them."""
    last: dict[str, Item] = {}
    for item in items:
        earlier = last.pop(item.id, None)
        if earlier and item.metadata is None:
            item.metadata = earlier.metadata
        last[item.id] = item
    return list(last.values())
