"""Computes the related items of a collection, and writes what has changed of them."""

import json
import secrets
from collections.abc import Iterable, Iterator, Sequence

from ...errors import DatabaseBusyError, DatabaseError
from ...related import RelatedProgress, RelatedReport
from ...rows import CollectionRow
from ...values import describe_count, quote
from .. import catalog, related_tables, transactions
from ..connection import opening, turns
from ..connection.database import Database
from ..connection.sqlite_errors import CALLING_OTHERS
from ..related_tables import RUNS, STATE, TABLE
from . import changes, proposals, ranking, snapshot
from .proposals import Vectors
from .snapshot import Snapshot

_TRIES = 5  # until a run has begun before another one does
_ITEMS_AT_ONCE = 100  # that are written, where each is compared with all
_MANY_CHANGES = 4  # if one in so many has changed, all lists are computed anew


def compute(
    db: Database, collection: CollectionRow, number: int, progress: RelatedProgress | None
) -> RelatedReport:
    """Have vecstore_related list the nearest items of each entry of a collection.

    :raises DatabaseError: a transaction is open, the database cannot be written, a table of another
      program has the name, or another process has begun after this one to compute the same
    :raises DoesNotExist: the collection is not the one that it was
    """
    if turns.has_transaction(db):
        raise DatabaseError(
            f"{opening.name_of(db)} has a transaction open, which would keep others from writing "
            "while related items are computed: commit it first"
        )
    return _Run(db, collection, number, progress).run()


class _Run:
    """One computation. `_token` tells whether it still is the last that has begun."""

    def __init__(
        self,
        db: Database,
        collection: CollectionRow,
        number: int,
        progress: RelatedProgress | None,
    ) -> None:
        self._db = db
        self._collection = collection
        self._number = number
        self._progress = progress
        self._token = secrets.token_bytes(8)
        self._rows = 0
        self._done = 0

    def run(self) -> RelatedReport:
        changes.register_functions(self._db)
        if related_tables.is_whole(self._db):
            report = catalog.read_unchanged(self._db, self._collection, lambda _: self._unchanged())
            if report:
                return report
        with transactions.writing(self._db):  # where that is refused, nothing was computed yet
            catalog.require_unchanged(self._db, self._collection)
            related_tables.create(self._db)
        for _ in range(_TRIES):
            report = self._try_to_run()
            if report:
                return report
        raise DatabaseBusyError(
            f"Other processes have begun {_TRIES} times meanwhile to compute the related items of "
            f"{quote(self._collection.name)}: try again when they are done"
        )

    def _unchanged(self) -> RelatedReport | None:
        if not changes.is_current(self._db, self._collection.id, self._number):
            return None
        [items] = self._db.execute(
            "select count(*) from main.embeddings where collection_id = ? and id is not null",
            [self._collection.id],
        ).fetchone()
        return RelatedReport(items=items, unchanged=items)

    def _try_to_run(self) -> RelatedReport | None:
        """Return None if another process has begun meanwhile: the lists are not as they were."""
        before = self._last_run()
        with snapshot.taken(self._db, self._collection) as taken:
            work = _Work(taken, self._number)
            work.find_due(is_same_number=before is not None and before[0] == self._number)
            items, due = taken.count("true"), taken.count("is_due")
            with transactions.writing(self._db):
                catalog.require_unchanged(self._db, self._collection)
                if self._last_run() != before:
                    return None
                self._begin(taken)
            self._show(due)
            for rows in work.rank():
                with transactions.writing(self._db):
                    self._require_last()
                    self._write(taken, rows)
                self._done += len(rows)
                taken.statement(f"delete from {taken.ranked}")
                self._show(due)
        return RelatedReport(items, due, items - due, self._rows)

    def _show(self, due: int) -> None:
        if self._progress and due:
            with CALLING_OTHERS:
                self._progress(self._done, due)

    def _last_run(self) -> tuple[int, bytes] | None:
        """Return the number and the token of the last run that has begun."""
        found: tuple[int, bytes] | None = self._db.execute(
            f"select number, token from main.{RUNS} where collection_id = ?", [self._collection.id]
        ).fetchone()
        return found

    def _begin(self, taken: Snapshot) -> None:
        """Note the digests, and which lists are due, and remove those of entries that are gone."""
        id = self._collection.id
        # No upserts: the triggers of sqlite-utils enable-counts fail in one.
        self._db.execute(f"delete from main.{RUNS} where collection_id = ?", [id])
        self._db.execute(
            f"insert into main.{RUNS} (collection_id, number, token) values (?, ?, ?)",
            [id, self._number, self._token],
        )
        self._db.execute(
            f"""
            delete from main.{TABLE}
            where collection_id = ?
              and id in (
                select lists.id
                from {taken.lists} as lists
                left join {taken.items} as items on items.id = lists.id
                where items.dimensions is null
              )
            """,
            [id],
        )
        self._db.execute(
            f"""
            delete from main.{STATE}
            where collection_id = ?
              and (
                id not in (select id from {taken.items})
                or id in (select id from {taken.items} where is_changed or is_due)
              )
            """,
            [id],
        )
        self._db.execute(
            f"""
            insert into main.{STATE} (collection_id, id, digest, listed)
            select ?, id, digest, case when dimensions is null then 0 end
            from {taken.items}
            where is_changed or is_due
            """,
            [id],
        )

    def _require_last(self) -> None:
        catalog.require_unchanged(self._db, self._collection)
        last = self._last_run()
        if last is None or last[1] != self._token:
            raise DatabaseBusyError(
                f"Another process has begun to compute the related items of "
                f"{quote(self._collection.name)}, and goes on from what this one has written, "
                f"{describe_count(self._done, 'item')}: wait for its end"
            )

    def _write(self, taken: Snapshot, rows: Sequence[int]) -> None:
        """Write the whole lists of some items."""
        id, items = self._collection.id, json.dumps(rows)
        ids = f"""(
                select items.id
                from json_each(?) as due
                cross join {taken.items} as items on items.row = due.value
              )"""
        self._db.execute(
            f"delete from main.{TABLE} where collection_id = ? and id in {ids}", [id, items]
        )
        self._rows += self._db.conn.execute(
            f"""
            insert into main.{TABLE} (collection_id, id, rank, related_id, score)
            select ?, item.id, ranked.rank, candidate.id, ranked.score
            from {taken.ranked} as ranked
            cross join {taken.items} as item on item.row = ranked.item
            cross join {taken.items} as candidate on candidate.row = ranked.candidate
            order by ranked.item, ranked.rank
            """,
            [id],
        ).rowcount
        self._db.execute(
            f"""
            update main.{STATE} as state
            set listed = (
              select count(*)
              from {taken.items} as item
              cross join {taken.ranked} as ranked on ranked.item = item.row
              where item.id = state.id
            )
            where collection_id = ?
              and id in {ids}
            """,
            [id, items],
        )


class _Work:
    """What is due in a snapshot, and how it is computed: with NumPy, or by SQL alone."""

    def __init__(self, taken: Snapshot, number: int) -> None:
        self._taken = taken
        self._number = number
        self._vectors: dict[int, Vectors] = {}

    def find_due(self, *, is_same_number: bool) -> None:
        """Mark as due those items whose lists may not be as they would be from scratch.

        They have changed, or what is listed for them has; or something has changed that is as near
        as the last that is listed, or nearer.
        """
        taken = self._taken
        changed = taken.count("is_changed and dimensions is not null")
        if not is_same_number or changed * _MANY_CHANGES > taken.count("dimensions is not null"):
            taken.statement(f"update {taken.items} set is_due = 1 where dimensions is not null")
            return
        taken.statement(
            f"""
            update {taken.items} as items
            set (is_due, last_score) = (
              select
                items.is_changed
                  or items.listed is null
                  or items.listed <> coalesce(max(number), 0)
                  or coalesce(max(is_touched), 0),
                max(case when number >= ? then last_score end)
              from {taken.lists} as lists
              where lists.id = items.id
            )
            where dimensions is not null
            """,
            [self._number],
        )
        for dimensions in taken.dimensions() if changed else ():
            self._find_reached(dimensions, taken.rows(dimensions, "is_changed"))

    def _find_reached(self, dimensions: int, changed: list[int]) -> None:
        taken = self._taken
        if not changed or not taken.rows(dimensions, "not is_due"):
            return
        if not proposals.is_installed():
            for row in changed:
                ranking.mark_reached(taken, row)
            return
        found = taken.statement(
            f"""
            select row, coalesce(last_score, -2)
            from {taken.items}
            where dimensions = ?
              and not is_due
            order by row
            """,
            [dimensions],
        )
        rows, scores = [row for row, _ in found], [score for _, score in found]
        reached = self._vectors_of(dimensions).find_reached(changed, rows, scores)
        ranking.mark(taken, reached)

    def rank(self) -> Iterator[Sequence[int]]:
        """Yield the rows of some items after others, whose ranks are in `ranked` then."""
        for dimensions in self._taken.dimensions():
            due = self._taken.rows(dimensions, "is_due")
            if not due:
                continue
            if not proposals.is_installed():
                yield from self._rank_by_sql(due)
                continue
            vectors = self._vectors_of(dimensions)
            yield from self._rank_by_sql(vectors.irregular_rows(due))
            for portion in vectors.propose(due, self._number):
                ranking.rank_candidates(self._taken, portion.pairs, self._number)
                yield portion.items
            del vectors, self._vectors[dimensions]

    def _rank_by_sql(self, rows: Sequence[int]) -> Iterable[Sequence[int]]:
        for start in range(0, len(rows), _ITEMS_AT_ONCE):
            portion = rows[start : start + _ITEMS_AT_ONCE]
            for row in portion:
                ranking.rank_all(self._taken, row, self._number)
            yield portion

    def _vectors_of(self, dimensions: int) -> Vectors:
        if dimensions not in self._vectors:
            self._vectors[dimensions] = Vectors(
                dimensions,
                self._taken.count(f"dimensions = {dimensions:d}"),
                self._taken.vector_portions(dimensions),
            )
        return self._vectors[dimensions]
