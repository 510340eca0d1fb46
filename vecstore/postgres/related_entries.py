"""The entries of a collection as they are at one moment, in temporary tables; compared there, too.

    entries   all that was read, and the vectors that can be compared; `row` is in the order of ids
    items     the same without vectors: what is to be computed, and what is known of the lists

So no score comes from elsewhere than SQL, and no lock or transaction is held meanwhile.
"""

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

from ..errors import VecstoreError
from ..rows import CollectionRow
from .connection import PostgresDatabase
from .documents import DOCUMENT

# An item and a candidate are one integer: their rows, the first times 2 to the power of this.
ITEM_BITS = 32
_PORTION = 2000  # vectors that are read at once

# Of a row of `embeddings`: what is not before the vector cannot be taken for a part of it.
DIGEST = f"""substring(
          sha256(
            convert_to(coalesce(length({DOCUMENT}) || ' ' || {DOCUMENT}, ''), 'UTF8')
            || '\\x00'
            || coalesce(vector_send(embedding), '')
          )
          for 16
        )"""

_numbers = itertools.count()


class RankedItem(NamedTuple):
    """An entry of an item's list, both by their rows."""

    item: int
    rank: int
    candidate: int
    score: float


class TakenEntries:
    """A copy of the entries of a collection."""

    def __init__(self, db: PostgresDatabase, collection: CollectionRow) -> None:
        self.db = db
        self.collection = collection
        prefix = f"pg_temp.vecstore_related_{next(_numbers)}"
        self.entries = f"{prefix}_entries"
        self.items = f"{prefix}_items"

    def create(self) -> None:
        """Make the tables, and read the entries, with what the last run has noted of them."""
        # One statement reads, so that all is of one moment.
        self.db.run(
            f"""
            CREATE TEMP TABLE {self.entries.partition(".")[2]} AS
            select
              row_number() over (order by embeddings.id)::int as row,
              embeddings.id,
              {DIGEST} as digest,
              state.digest as known_digest,
              state.listed,
              {DOCUMENT} as document,
              case when embedding <=> embedding <> 'NaN' then embedding end as vector
            from (
              select *
              from embeddings
              where collection_id = {self.collection.id}
            ) as embeddings
            left join (
              select id as state_id, digest, listed
              from vecstore_related_state
              where collection_id = {self.collection.id}
            ) as state on state_id = embeddings.id
            """
        )
        self.db.run(
            f"""
            CREATE TEMP TABLE {self.items.partition(".")[2]} AS
            select
              row,
              id,
              digest,
              digest is distinct from known_digest as is_changed,
              listed,
              vector_dims(vector) as dimensions,
              false as is_due,
              null::float8 as last_score
            from {self.entries}
            """
        )
        for table in (self.entries, self.items):
            self.db.run(f"ALTER TABLE {table} ADD PRIMARY KEY (row)")
        self.db.run(f"CREATE UNIQUE INDEX ON {self.items} (id)")
        for table in (self.entries, self.items):
            self.db.run(f"ANALYZE {table}")

    def drop(self) -> None:
        """Remove the tables, which a connection that was lost has taken with it."""
        with suppress(VecstoreError):
            self.db.run(f"DROP TABLE IF EXISTS {self.items}, {self.entries}")

    def count(self, condition: str) -> int:
        """Return how many items meet a condition in SQL."""
        [[number]] = self.db.rows(f"select count(*) from {self.items} where {condition}")
        return int(number)

    def dimensions(self) -> list[int]:
        """Return the dimensions of the vectors: one, unless other programs gave it more."""
        rows = self.db.rows(
            f"select distinct dimensions from {self.items} where dimensions is not null order by 1"
        )
        return [dimensions for (dimensions,) in rows]

    def rows(self, dimensions: int, condition: str) -> list[int]:
        """Return the rows of items whose vectors have a dimension, and that meet a condition."""
        rows = self.db.rows(
            f"select row from {self.items} where dimensions = %s and ({condition}) order by row",
            [dimensions],
        )
        return [row for (row,) in rows]

    def last_scores(self, dimensions: int) -> list[tuple[int, float]]:
        """Return of items that are not due the row, and the last score that is listed, or -2."""
        return self.db.rows(
            f"""
            select row, coalesce(last_score, -2)
            from {self.items}
            where dimensions = %s
              and not is_due
            order by row
            """,
            [dimensions],
        )

    def vector_portions(self, dimensions: int) -> Iterator[list[tuple[int, str | None, bytes]]]:
        """Yield row, document and vector of all items whose vectors have a dimension, in order."""
        after = 0
        while portion := self.db.rows(
            f"""
            select row, document, vector
            from {self.entries}
            where row > %s
              and vector_dims(vector) = %s
            order by row
            limit {_PORTION}
            """,
            [after, dimensions],
        ):
            yield portion
            after = portion[-1][0]

    def mark_all(self) -> None:
        """Mark all items as due that have a vector."""
        self.db.run(f"update {self.items} set is_due = true where dimensions is not null")

    def mark(self, rows: Sequence[int]) -> None:
        """Mark items as due."""
        self.db.run(f"update {self.items} set is_due = true where row = any(%b)", [list(rows)])

    def mark_changed(self, number: int) -> None:
        """Mark as due what has changed, and whose lists have, or something that is listed in them.

        :param number: how many a whole list has; of such a list, the last score is taken down
        """
        self.db.run(
            f"""
            update {self.items} as items
            set
              is_due = items.is_changed
                or items.listed is null
                or items.listed <> coalesce(lists.number, 0)
                or coalesce(is_touched, false),
              last_score = case when lists.number >= %s then lists.last_score end
            from {self.items} as same
            left join (
              select
                related.id,
                count(*) as number,
                min(related.score) as last_score,
                bool_or(listed.dimensions is null or listed.is_changed) as is_touched
              from vecstore_related as related
              left join {self.items} as listed on listed.id = related.related_id
              where related.collection_id = {self.collection.id}
              group by related.id
            ) as lists on lists.id = same.id
            where items.row = same.row
              and items.dimensions is not null
            """,
            [number],
        )

    def mark_reached(self, dimensions: int) -> None:
        """Mark as due each item that something changed is near enough to, to be listed for it.

        Those of which fewer are listed than there might be are reached by any.
        """
        self.db.run(
            f"""
            update {self.items} as items
            set is_due = true
            from {self.entries} as other
            where other.row = items.row
              and not items.is_due
              and items.dimensions = %(dimensions)s
              and exists (
                select 1
                from {self.items} as changed
                join {self.entries} as entry on entry.row = changed.row
                where changed.is_changed
                  and changed.dimensions = %(dimensions)s
                  and (
                    items.last_score is null
                    or case
                      -- whatever is looked at first
                      when vector_dims(entry.vector) = vector_dims(other.vector)
                      then 1 - (entry.vector <=> other.vector) >= items.last_score
                    end
                  )
              )
            """,
            {"dimensions": dimensions},
        )

    def rank_candidates(self, pairs: Sequence[int], number: int) -> list[RankedItem]:
        """Return the nearest of each item.

        :param pairs: items, each with each of its candidates; all candidates of an item at once
        """
        return self._ranked(
            f"""
            select item, rank, candidate, 1 - distance
            from (
              select
                item,
                candidate,
                distance,
                row_number() over (partition by item order by distance, candidate) as rank
              from (
                select
                  item.row as item,
                  candidate.row as candidate,
                  candidate.vector <=> item.vector as distance
                from unnest(%b::bigint[]) as pair
                join {self.entries} as item on item.row = pair >> {ITEM_BITS}
                join {self.entries} as candidate
                  on candidate.row = pair & {2**ITEM_BITS - 1}
              )
            )
            where rank <= %s
            """,
            [list(pairs), number],
        )

    def rank_all(self, rows: Sequence[int], number: int) -> list[RankedItem]:
        """Compare items with all others, and return the nearest of each."""
        return self._ranked(
            f"""
            select
              item.row,
              row_number() over (partition by item.row order by distance, nearest.row),
              nearest.row,
              1 - distance
            from {self.entries} as item
            cross join lateral (
              select candidate.row, candidate.vector <=> item.vector as distance
              from {self.entries} as candidate
              where candidate.row <> item.row
                and vector_dims(candidate.vector) = vector_dims(item.vector)
                and (item.document is null or candidate.document is distinct from item.document)
              order by distance, candidate.row
              limit %s
            ) as nearest
            where item.row = any(%b)
            """,
            [number, list(rows)],
        )

    def _ranked(self, sql: str, args: Sequence[Any]) -> list[RankedItem]:
        return [RankedItem._make(row) for row in self.db.rows(sql, args)]


@contextmanager
def taken_entries(db: PostgresDatabase, collection: CollectionRow) -> Iterator[TakenEntries]:
    """Give a copy of the entries of a collection, as they are now, for a block."""
    taken = TakenEntries(db, collection)
    try:
        taken.create()
        yield taken
    finally:
        taken.drop()
