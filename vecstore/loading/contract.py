"""The write contract: which entries need the model, which need a write, and how they are written.

The id is the key. Content that the collection has embedded before, under whatever id, is not
embedded again: its vector is copied. An unchanged row is not written. Metadata of None leaves
what is stored as it is. Content that is not to be stored stays if it is still what was embedded,
and is removed if it is not.
"""

import json
import time
from collections import Counter
from collections.abc import Iterator, Set
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlite_utils import Database

from ..entries import Item
from ..errors import DimensionError
from ..sqlite import catalog, transactions
from ..sqlite.catalog import CollectionRow
from ..sqlite.index import building
from ..sqlite.search import planner
from ..values import shown
from .report import EmbedReport

_MAX_VARIABLES = 500  # in one statement; SQLite's limit is 32,766, or less in some builds
# SQLite keeps a journal for each statement whose triggers write to vec0, and spills it to a file:
# with one row a statement, half of the time of an insert goes there.
_ROWS_A_STATEMENT = 100

# The distance of a vector to itself: NULL with a NaN or an infinity, which llm may have stored.
IS_FINITE = """
    case
      when typeof(embedding) = 'blob' and length(embedding) % 4 = 0 and length(embedding) > 0
      then vec_distance_l2(embedding, embedding) is not null
      else 0
    end"""

_T = TypeVar("_T")


@dataclass(slots=True)
class Row:
    """What the database holds for an id."""

    content_hash: bytes | None
    has_vector: bool
    has_content: bool
    metadata: str | None


@dataclass
class Plan:
    """What a batch needs, given the rows of the moment and the vectors at hand."""

    rows: dict[str, Row] = field(default_factory=dict)  # by id
    missing: list[Item] = field(default_factory=list)  # content without a vector, each once
    new: list[tuple[Item, Row | None]] = field(default_factory=list)  # to insert or replace
    changed: list[Item] = field(default_factory=list)  # only metadata or stored content
    unchanged: int = 0


class Batch:
    """Entries that are written in one transaction, and the vectors that they get.

    No lock is held while the model works. The rows that change meanwhile are seen by `write()`.

    Attributes:
        items: the last of each id
        report: what `write()` did
    """

    def __init__(
        self,
        db: Database,
        collection: CollectionRow,
        items: list[Item],
        store: bool,
    ) -> None:
        self._db = db
        self._collection = collection
        self._collection_id = collection.id
        self.items = _last_of_each_id(items)
        self._store = store
        self._vectors: dict[bytes, bytes] = {}  # by content hash
        self._embedded: set[str] = set()  # ids whose content the model was given
        self.report = EmbedReport()

    def plan(self) -> Plan:
        """Return what is to be done, given the rows of the moment and the vectors at hand.

        :raises DoesNotExist, ModelMismatchError: the collection is another one now
        """
        return catalog.read(self._db, self._collection, self._plan)

    def _plan(self) -> Plan:
        plan = Plan(self._stored_rows())
        for item in self.items:
            row = plan.rows.get(item.id)
            if row is None or not row.has_vector or row.content_hash != item.content_hash:
                plan.new.append((item, row))
            elif differs(item, row, self._store):
                plan.changed.append(item)
            else:
                plan.unchanged += 1
        self._load_vectors({item.content_hash for item, _ in plan.new} - self._vectors.keys())
        missing: dict[bytes, Item] = {}
        for item, _ in plan.new:
            if item.content_hash not in self._vectors:
                missing.setdefault(item.content_hash, item)
        plan.missing = list(missing.values())
        return plan

    def give(self, items: list[Item], vectors: dict[bytes, bytes]) -> None:
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
        known = {item.content_hash for item in self.plan().missing}
        self.items = [item for item in self.items if item.content_hash not in known]

    def keep_before(self, hashes: Set[bytes]) -> None:
        """Remove the first item of any of these contents, and all items after it."""
        found = [item.content_hash in hashes for item in self.items]
        self.items = self.items[: found.index(True)]

    def misfits(self) -> dict[bytes, DimensionError]:
        """Return, by content hash, the vectors of another dimension than the collection's.

        Where it has none, than most of the batch. Empty where none of several fits: then it is
        the model that is wrong.
        """
        return catalog.read(self._db, self._collection, self._misfits)

    def _misfits(self) -> dict[bytes, DimensionError]:
        embedded = {i.content_hash: i for i in reversed(self.items) if i.id in self._embedded}
        sizes = Counter(len(self._vectors[content_hash]) // 4 for content_hash in embedded)
        [(most, number), *others] = sizes.most_common()
        is_clear = not others or number > others[0][1]
        wrong = {}
        for content_hash, item in reversed(embedded.items()):
            size = len(self._vectors[content_hash]) // 4
            expected = planner.vector_dimensions(self._db, self._collection_id, size)
            expected = expected or (most if is_clear else size)
            if size != expected:
                name = f"The vector of {shown(item.id)}"
                wrong[content_hash] = planner.dimension_error(name, size, expected)
        return wrong if len(wrong) < len(embedded) or len(embedded) == 1 else {}

    def write(self) -> list[Item]:
        """Write the batch in one transaction, and set its report.

        If content has no vector, nothing is written: the items to embed first are returned.
        """
        plan = transactions.write(self._db, self._plan_and_write)
        if plan.missing:
            return plan.missing
        embedded = sum(item.id in self._embedded for item, _ in plan.new)
        self.report = EmbedReport(
            embedded=embedded,
            reused=len(plan.new) - embedded,
            updated=len(plan.changed),
            unchanged=plan.unchanged,
        )
        return []

    def _plan_and_write(self) -> Plan:
        plan = self.plan()
        if not plan.missing:
            self._write_new(plan.new)
            self._write_changed(plan.changed)
        return plan

    def _stored_rows(self) -> dict[str, Row]:
        """Return what the database holds for the ids of the batch."""
        rows = {}
        for ids in portions([item.id for item in self.items]):
            found = self._db.execute(
                f"""
                select
                  id,
                  content_hash,
                  {IS_FINITE},
                  content is not null or content_blob is not null,
                  metadata
                from embeddings
                where collection_id = ?
                  and id in ({marks(ids)})
                """,
                [self._collection_id, *ids],
            )
            rows.update({id: Row(hash, bool(v), bool(c), m) for id, hash, v, c, m in found})
        return rows

    def _load_vectors(self, hashes: set[bytes]) -> None:
        """Take the vectors that the collection holds for these hashes."""
        for portion in portions(list(hashes)):
            # One row of each hash, however many there are. The unary plus keeps SQLite from
            # walking the whole collection by its primary key.
            found = self._db.execute(
                f"""
                with wanted (content_hash) as (
                  values {", ".join(["(?)"] * len(portion))}
                )
                select content_hash, (
                  select embedding
                  from embeddings
                  where embeddings.content_hash = wanted.content_hash
                    and +collection_id = ?
                    and {IS_FINITE}
                  limit 1
                ) as vector
                from wanted
                where vector is not null
                """,
                [*portion, self._collection_id],
            )
            self._vectors.update(found)

    def _write_new(self, new: list[tuple[Item, Row | None]]) -> None:
        self._check_dimensions([item for item, _ in new if item.id in self._embedded])
        sizes = {len(self._vectors[item.content_hash]) for item, _ in new}
        indexed = [size // 4 for size in sizes if building.ensure(self._db, size // 4)]
        now = int(time.time())
        for portion in portions(new, _ROWS_A_STATEMENT):
            values = [self._values(item, row, now) for item, row in portion]
            self._db.conn.execute(
                f"""
                insert into embeddings (
                  collection_id, id, embedding, content, content_blob, content_hash, metadata,
                  updated
                )
                values {", ".join(["(?, ?, ?, ?, ?, ?, ?, ?)"] * len(values))}
                on conflict (collection_id, id) do update set
                  embedding = excluded.embedding,
                  content = excluded.content,
                  content_blob = excluded.content_blob,
                  content_hash = excluded.content_hash,
                  metadata = excluded.metadata,
                  updated = excluded.updated
                """,
                [value for row in values for value in row],
            )
        for dimensions in indexed:
            building.give_partition(self._db, self._collection_id, dimensions)

    def _values(self, item: Item, row: Row | None, now: int) -> tuple[Any, ...]:
        stored = row and row.has_content and row.content_hash == item.content_hash
        metadata = row.metadata if row and item.metadata is None else item.metadata
        return (
            self._collection_id,
            item.id,
            self._vectors[item.content_hash],
            *(_content(item.value) if self._store or stored else (None, None)),
            item.content_hash,
            metadata or None,
            now,
        )

    def _write_changed(self, changed: list[Item]) -> None:
        now = int(time.time())
        for item in changed:
            content, blob = _content(item.value) if self._store else (None, None)
            self._db.conn.execute(
                """
                update embeddings
                set content = coalesce(?, content),
                    content_blob = coalesce(?, content_blob),
                    metadata = nullif(coalesce(?, metadata), ''),
                    updated = ?
                where collection_id = ?
                  and id = ?
                """,
                [content, blob, item.metadata, now, self._collection_id, item.id],
            )

    def _check_dimensions(self, items: list[Item]) -> None:
        """Raise DimensionError unless the vectors fit the collection's and each other."""
        expected: int | None = None
        for item in items:
            dimensions = len(self._vectors[item.content_hash]) // 4
            if expected is None:
                expected = planner.vector_dimensions(self._db, self._collection_id, dimensions)
                expected = expected or dimensions
            if dimensions != expected:
                raise planner.dimension_error(
                    f"The vector of {shown(item.id)}", dimensions, expected
                )


def _content(value: str | bytes) -> tuple[str | None, bytes | None]:
    """Return what the columns content and content_blob hold for a value."""
    return (value, None) if isinstance(value, str) else (None, value)


def differs(item: Item, row: Row, store: bool) -> bool:
    """Return whether a row with this item's content would be changed by writing the item."""
    if store and not row.has_content:
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


def portions(values: list[_T], size: int = _MAX_VARIABLES) -> Iterator[list[_T]]:
    """Yield lists short enough to be the variables of one statement."""
    for start in range(0, len(values), size):
        yield values[start : start + size]


def marks(values: list[Any]) -> str:
    """Return the placeholders of a list, for `in (...)`."""
    return ", ".join("?" * len(values))


def _last_of_each_id(items: list[Item]) -> list[Item]:
    """Return what writing the items one after another would leave of them."""
    last: dict[str, Item] = {}
    for item in items:
        earlier = last.pop(item.id, None)
        if earlier and item.metadata is None:
            item.metadata = earlier.metadata
        last[item.id] = item
    return list(last.values())
