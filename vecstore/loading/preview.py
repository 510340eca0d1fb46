"""What a load would do, found out without a model and without a write."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from itertools import islice

from sqlite_utils import Database

from ..entries import Item
from ..sqlite import catalog
from ..sqlite.catalog import CollectionRow
from .contract import IS_FINITE, Batch, Row, differs


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


def preview(
    db: Database, collection: CollectionRow, items: Iterable[Item], *, store: bool, batch_size: int
) -> Preview:
    """Return what loading these items would do. Of each, the id, hash and metadata are kept.

    :raises DoesNotExist, ModelMismatchError: the collection is another one now
    """
    rehearsal = _Rehearsal(db, collection.id, store)
    iterator = iter(items)
    while chunk := list(islice(iterator, batch_size)):
        play = partial(rehearsal.play, Batch(db, collection, chunk, store))
        catalog.read(db, collection, play)
    return rehearsal.result


class _Rehearsal:
    """Batches that are written nowhere, and how the rows would differ from the table after them."""

    def __init__(self, db: Database, collection_id: int, store: bool) -> None:
        self._db = db
        self._collection_id = collection_id
        self._store = store
        self._written: dict[str, Row] = {}  # by id
        self._copies: Counter[bytes] = Counter()  # of each content, more or fewer than in the table
        self.result = Preview()

    def play(self, batch: Batch) -> None:
        """Take note of what writing a batch would do."""
        plan = batch.plan()
        unknown = {item.content_hash for item in plan.missing}
        known: dict[bytes, bool] = {}
        rewritten: list[tuple[bytes | None, bytes]] = []
        for item in batch.items:
            row = self._written.get(item.id) or plan.rows.get(item.id)
            is_same = row and row.has_vector and row.content_hash == item.content_hash
            if not is_same:
                if item.content_hash not in known:
                    known[item.content_hash] = self._is_known(item.content_hash, unknown)
                self._count(item, known[item.content_hash], is_new=row is None)
                known[item.content_hash] = True
                before = row.content_hash if row and row.has_vector else None
                rewritten.append((before, item.content_hash))
            elif row and differs(item, row, self._store):
                self.result.updated += 1
            else:
                self.result.unchanged += 1
                continue
            metadata = row.metadata if row and item.metadata is None else item.metadata or None
            has_content = self._store or bool(is_same and row and row.has_content)
            self._written[item.id] = Row(item.content_hash, True, has_content, metadata)
        for old, new in rewritten:
            self._copies[new] += 1
            if old is not None:
                self._copies[old] -= 1

    def _is_known(self, content_hash: bytes, unknown: set[bytes]) -> bool:
        """Return whether some row would have this content and its vector."""
        copies = self._copies[content_hash]
        if content_hash in unknown or copies >= 0:
            return copies > 0 or content_hash not in unknown
        found = self._db.execute(
            f"""
            select count(*)
            from embeddings
            where content_hash = ?
              and +collection_id = ?
              and {IS_FINITE}
            """,
            [content_hash, self._collection_id],
        )
        return bool(found.fetchone()[0] + copies > 0)

    def _count(self, item: Item, is_known: bool, *, is_new: bool) -> None:
        if is_known:
            self.result.reused += 1
            return
        if is_new:
            self.result.new += 1
        else:
            self.result.changed += 1
        if isinstance(item.value, str):
            self.result.characters += len(item.value)
        else:
            self.result.bytes += len(item.value)
