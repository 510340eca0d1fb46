"""The write contract: which entries need the model, which need a write, and how they are written.

The id is the key. Content that the collection has embedded before, under whatever id, is not
embedded again: its vector is copied. An unchanged row is not written. Metadata of None leaves
what is stored as it is. Content that is not to be stored stays if it is still what was embedded,
and is removed if it is not.
"""

import json
import time
from collections import Counter
from collections.abc import Set
from dataclasses import dataclass, field

from ..entries import Item
from ..errors import DimensionError
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
    unchanged: int = 0


class Batch:
    """Entries that are written in one transaction, and the vectors that they get.

    No lock is held while the model works. The rows that change meanwhile are seen by `write()`.

    Attributes:
        items: the last of each id
        report: what `write()` did
    """

    def __init__(
        self, rows: LoadStore, collection: CollectionRow, items: list[Item], *, stores_content: bool
    ) -> None:
        self._rows = rows
        self._collection = collection
        self.items = _last_of_each_id(items)
        self._stores_content = stores_content
        self._vectors: dict[bytes, bytes] = {}  # by content hash
        self._embedded: set[str] = set()  # ids whose content the model was given
        self.report = EmbedReport()

    def plan(self) -> BatchPlan:
        """Return what is to be done, given the rows of the moment and the vectors at hand.

        :raises DoesNotExist, ModelMismatchError: the collection is another one now
        """
        plan = BatchPlan(self._rows.stored(self._collection, [item.id for item in self.items]))
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

    def take_vectors(self, items: list[Item], vectors: dict[bytes, bytes]) -> None:
        """Take the vectors, by content hash, that the model has for some of these items."""
        self._vectors.update(vectors)
        self._embedded.update(item.id for item in items if item.content_hash in vectors)

    def leave_out(self, hashes: Set[bytes]) -> list[Item]:
        """Remove the items of these contents from the batch, and return them."""
        removed = [item for item in self.items if item.content_hash in hashes]
        self.items = [item for item in self.items if item.content_hash not in hashes]
        return removed

    def keep_embedded(self) -> None:
        """Remove the items that the model was to embed and did not."""
        self.leave_out({item.content_hash for item in self.plan().missing})

    def keep_before(self, hashes: Set[bytes]) -> None:
        """Remove the first item of any of these contents, and all items after it."""
        found = [item.content_hash in hashes for item in self.items]
        self.items = self.items[: found.index(True)]

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
        with self._rows.writing():
            plan = self._plan_and_write()
        if plan.missing:
            return plan.missing
        embedded = sum(item.id in self._embedded for item in plan.to_put)
        self.report = EmbedReport(
            embedded=embedded,
            reused=len(plan.to_put) - embedded,
            updated=len(plan.to_change),
            unchanged=plan.unchanged,
        )
        return []

    def _plan_and_write(self) -> BatchPlan:
        plan = self.plan()
        if not plan.missing:
            self._check_dimensions([item for item in plan.to_put if item.id in self._embedded])
            now = int(time.time())
            rows = [self._row(item, plan.rows.get(item.id), now) for item in plan.to_put]
            self._rows.put(self._collection, rows)
            changes = [self._change(item, now) for item in plan.to_change]
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

    def _change(self, item: Item, now: int) -> RowChange:
        """Return what becomes another in a row with this content."""
        content = _content_columns(item) if self._stores_content else (None, None)
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


def _misfit(item: Item, found: int, expected: int) -> DimensionError:
    return dimension_error(f"The vector of {quote(item.id)}", found, expected)


def _content_columns(item: Item) -> tuple[str | None, bytes | None]:
    """Return what the columns content and content_blob hold for a value."""
    return (item.value, None) if isinstance(item.value, str) else (None, item.value)


def _differs(item: Item, row: StoredRow, stores_content: bool) -> bool:
    """Return whether a row with this item's content would be changed by writing the item."""
    if stores_content and not row.has_content:
        return True
    if item.metadata is None or item.metadata == (row.metadata or ""):
        return False
    try:
        return _canonical(item.metadata) != _canonical(row.metadata)
    except ValueError:  # another program wrote what is no JSON
        return True


def _canonical(metadata: str | None) -> str:
    """Return JSON in the one form that equal metadata has: in Python, 1 equals true and 1.0."""
    return json.dumps(json.loads(metadata or "null"), sort_keys=True)


def _last_of_each_id(items: list[Item]) -> list[Item]:
    """Return what writing the items one after another would leave of them."""
    last: dict[str, Item] = {}
    for item in items:
        earlier = last.pop(item.id, None)
        if earlier and item.metadata is None:
            item.metadata = earlier.metadata
        last[item.id] = item
    return list(last.values())
