"""The entries of a collection as they are at one moment, in temporary tables.

    entries   all that was read, in the order of ids, which is that of `row`
    items     the same without vectors: what is to be computed, and what is known of the lists
    lists     what vecstore_related has of each item
    ranked    what was computed, and is to be written

Ids do not pass through Python: another program's need not be UTF-8.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ...errors import DatabaseError
from ...rows import CollectionRow
from ..connection import interrupts, sqlite_errors, turns
from ..connection.database import Database
from ..related_tables import STATE, TABLE
from . import changes

_PORTION = 2000  # vectors that are read at once

_numbers = itertools.count()  # two threads may share a connection, and its temporary tables


@dataclass(frozen=True)
class Snapshot:
    """The names of the tables. `statement()` is for them, outside of transactions."""

    db: Database
    collection: CollectionRow
    entries: str
    items: str
    lists: str
    ranked: str

    def statement(self, sql: str, args: Sequence[object] = ()) -> list[Any]:
        """Run a statement that writes to no other tables, and return its rows."""
        with turns.take_turn(self.db):
            if self.db.conn.in_transaction:
                raise DatabaseError(
                    "Another thread has a transaction open on this connection, which related items "
                    "must not become a part of: commit it first, or open a Collection for each "
                    "thread"
                )
            return self.db.execute(sql, args).fetchall()

    def count(self, condition: str) -> int:
        """Return how many items meet a condition in SQL."""
        [[number]] = self.statement(f"select count(*) from {self.items} where {condition}")
        return int(number)

    def dimensions(self) -> list[int]:
        """Return the dimensions of the vectors: one, unless other programs gave it more."""
        rows = self.statement(
            f"select distinct dimensions from {self.items} where dimensions is not null order by 1"
        )
        return [dimensions for (dimensions,) in rows]

    def rows(self, dimensions: int, condition: str) -> list[int]:
        """Return the rows of items whose vectors have a dimension, and that meet a condition."""
        rows = self.statement(
            f"select row from {self.items} where dimensions = ? and ({condition}) order by row",
            [dimensions],
        )
        return [row for (row,) in rows]

    def vector_portions(self, dimensions: int) -> Iterator[list[tuple[int, str | None, bytes]]]:
        """Yield row, document and vector of all items whose vectors have a dimension, in order."""
        after = 0
        while portion := self.statement(
            f"""
            select row, document, vector
            from {self.entries}
            where row > ?
              and length(vector) = ?
            order by row
            limit {_PORTION}
            """,
            [after, 4 * dimensions],
        ):
            yield portion
            after = portion[-1][0]


@interrupts.block
def taken(db: Database, collection: CollectionRow) -> Iterator[Snapshot]:
    """Give a copy of the entries of a collection, as they are now, for a block."""
    prefix = f"temp._vecstore_related_{next(_numbers)}"
    snapshot = Snapshot(
        db,
        collection,
        *(f"{prefix}_{name}" for name in ("entries", "items", "lists", "ranked")),
    )
    with interrupts.ending(lambda: _drop(snapshot)):
        _create(snapshot)
        _copy_entries(snapshot)
        _read_lists(snapshot)
        yield snapshot


def _create(snapshot: Snapshot) -> None:
    for sql in (
        f"""
        CREATE TABLE {snapshot.entries} (
           row INTEGER PRIMARY KEY,
           id TEXT,
           digest BLOB,
           known_digest BLOB,
           listed INTEGER,
           document TEXT,
           vector BLOB
        )
        """,
        f"""
        CREATE TABLE {snapshot.items} (
           row INTEGER PRIMARY KEY,
           id TEXT UNIQUE,
           digest BLOB,
           is_changed INTEGER,
           listed INTEGER,
           dimensions INTEGER,
           is_due INTEGER DEFAULT 0,
           last_score FLOAT
        )
        """,
        f"""
        CREATE TABLE {snapshot.lists} (
           id TEXT PRIMARY KEY,
           number INTEGER,
           last_score FLOAT,
           is_touched INTEGER
        ) WITHOUT ROWID
        """,
        f"""
        CREATE TABLE {snapshot.ranked} (
           item INTEGER,
           rank INTEGER,
           candidate INTEGER,
           score FLOAT,
           PRIMARY KEY (item, rank)
        ) WITHOUT ROWID
        """,
    ):
        snapshot.statement(sql)


def _drop(snapshot: Snapshot) -> None:
    # In one turn: what deletes begins a transaction, which another thread would be in the midst of.
    with turns.take_turn(snapshot.db):
        for table in (snapshot.ranked, snapshot.lists, snapshot.items, snapshot.entries):
            try:
                snapshot.db.execute(f"DROP TABLE IF EXISTS {table}")
            except snapshot.db.conn.OperationalError as error:
                # As long as any statement of the connection has rows to give, of whatever thread.
                if not sqlite_errors.is_busy(error):
                    raise
                snapshot.db.execute(f"delete from {table}")


def _copy_entries(snapshot: Snapshot) -> None:
    # One statement, so that all is of one moment. A row gets its number when it is inserted.
    snapshot.statement(
        f"""
        insert into {snapshot.entries} (id, digest, known_digest, listed, document, vector)
        select
          embeddings.id,
          {changes.DIGEST},
          state.digest,
          state.listed,
          {changes.DOCUMENT},
          case
            when typeof(embedding) = 'blob' and length(embedding) % 4 = 0 and length(embedding) > 0
            then case when vec_distance_cosine(embedding, embedding) is not null then embedding end
          end
        from main.embeddings
        left join main.{STATE} as state
          on state.collection_id = embeddings.collection_id
          and state.id = embeddings.id
        where embeddings.collection_id = ?
          and embeddings.id is not null
        order by embeddings.id
        """,
        [snapshot.collection.id],
    )
    snapshot.statement(
        f"""
        insert into {snapshot.items} (row, id, digest, is_changed, listed, dimensions)
        select row, id, digest, digest is not known_digest, listed, length(vector) / 4
        from {snapshot.entries}
        order by row
        """
    )


def _read_lists(snapshot: Snapshot) -> None:
    """Take down what is listed: a list is touched if what is on it has changed, or is gone."""
    snapshot.statement(
        f"""
        insert into {snapshot.lists} (id, number, last_score, is_touched)
        select
          related.id,
          count(*),
          min(related.score),
          max(listed.dimensions is null or listed.is_changed)
        from main.{TABLE} as related
        left join {snapshot.items} as listed on listed.id = related.related_id
        where related.collection_id = ?
        group by related.id
        """,
        [snapshot.collection.id],
    )
