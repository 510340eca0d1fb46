"""Related items: of each entry of a collection, those nearest to it, in a plain table.

A run is as it is in SQLite (sqlite/related/__init__.py), and its tables are the same: a copy of the
entries; one transaction that notes their digests, and which lists are to be computed anew; and
transactions that each write the whole lists of some items.
"""

import secrets
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial

from ..errors import DatabaseBusyError, DatabaseError
from ..related import RelatedProgress, RelatedReport
from ..rows import CollectionRow
from ..sqlite.related import proposals
from ..sqlite.related.proposals import Vectors
from ..values import describe_count, quote
from . import catalog
from .connection import PostgresDatabase
from .related_entries import DIGEST, RankedItem, TakenEntries, taken_entries

_TRIES = 5  # until a run has begun before another one does
_ITEMS_AT_ONCE = 100  # that are written, where each is compared with all
_MANY_CHANGES = 4  # if one in so many has changed, all lists are computed anew

_Lists = tuple[Sequence[int], list[RankedItem]]  # the rows of some items, and what is near to each


def compute(
    db: PostgresDatabase, collection: CollectionRow, number: int, progress: RelatedProgress | None
) -> RelatedReport:
    """Have vecstore_related list the nearest items of each entry of a collection.

    :raises DatabaseError: a transaction is open, the database cannot be written, or another process
      has begun after this one to compute the same
    :raises DoesNotExist: the collection is not the one that it was
    """
    if db.has_transaction():
        raise DatabaseError(
            f"{db.shown} has a transaction open, which would keep others from writing while "
            "related items are computed: commit it first"
        )
    return _Run(db, collection, number, progress).run()


class _Run:
    """One computation. `_token` tells whether it still is the last that has begun."""

    def __init__(
        self,
        db: PostgresDatabase,
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
        report = catalog.read_unchanged(self._db, self._collection, self._unchanged)
        if report:
            return report
        for _ in range(_TRIES):
            report = self._try_to_run()
            if report:
                return report
        raise DatabaseBusyError(
            f"Other processes have begun {_TRIES} times meanwhile to compute the related items of "
            f"{quote(self._collection.name)}: try again when they are done"
        )

    def _unchanged(self) -> RelatedReport | None:
        """Return the report of a run that would change nothing; None if it would."""
        with self._db.reading():
            if not _is_current(self._db, self._collection.id, self._number):
                return None
            [[items]] = self._db.rows(
                "select count(*) from embeddings where collection_id = %s", [self._collection.id]
            )
        return RelatedReport(items=items, unchanged=items)

    def _try_to_run(self) -> RelatedReport | None:
        """Return None if another process has begun meanwhile: the lists are not as they were."""
        before = self._last_run()
        with taken_entries(self._db, self._collection) as taken:
            work = _Work(taken, self._number)
            work.find_due(is_same_number=before is not None and before[0] == self._number)
            items, due = taken.count("true"), taken.count("is_due")
            if not self._db.write(lambda: self._begin(taken, before)):
                return None
            self._show(due)
            for rows, ranked in work.rank():
                self._rows += self._db.write(partial(self._write, taken, rows, ranked))
                self._done += len(rows)
                self._show(due)
        return RelatedReport(items, due, items - due, self._rows)

    def _show(self, due: int) -> None:
        if self._progress and due:
            self._progress(self._done, due)

    def _last_run(self) -> tuple[int, bytes] | None:
        """Return the number and the token of the last run that has begun."""
        rows = self._db.rows(
            "select number, token from vecstore_related_runs where collection_id = %s",
            [self._collection.id],
        )
        return rows[0] if rows else None

    def _begin(self, taken: TakenEntries, before: tuple[int, bytes] | None) -> bool:
        """Note the digests, and which lists are due, and remove those of entries that are gone.

        False, and nothing is done, if another run has begun meanwhile.
        """
        catalog.lock(self._db, self._collection)
        if self._last_run() != before:
            return False
        id = self._collection.id
        self._db.run(
            """
            insert into vecstore_related_runs (collection_id, number, token)
            values (%s, %s, %s)
            on conflict (collection_id) do update
            set number = excluded.number,
                token = excluded.token
            """,
            [id, self._number, self._token],
        )
        self._db.run(
            f"""
            delete from vecstore_related as related
            where collection_id = %s
              and not exists (
                select 1
                from {taken.items} as items
                where items.id = related.id
                  and dimensions is not null
              )
            """,
            [id],
        )
        self._db.run(
            f"""
            delete from vecstore_related_state as state
            where collection_id = %s
              and not exists (
                select 1
                from {taken.items} as items
                where items.id = state.id
              )
            """,
            [id],
        )
        self._db.run(
            f"""
            insert into vecstore_related_state (collection_id, id, digest, listed)
            select %s, id, digest, case when dimensions is null then 0 end
            from {taken.items}
            where is_changed
              or is_due
            on conflict (collection_id, id) do update
            set digest = excluded.digest,
                listed = excluded.listed
            """,
            [id],
        )
        return True

    def _require_last(self) -> None:
        catalog.lock(self._db, self._collection)
        last = self._last_run()
        if last is None or last[1] != self._token:
            raise DatabaseBusyError(
                f"Another process has begun to compute the related items of "
                f"{quote(self._collection.name)}, and goes on from what this one has written, "
                f"{describe_count(self._done, 'item')}: wait for its end"
            )

    def _write(self, taken: TakenEntries, rows: Sequence[int], ranked: Sequence[RankedItem]) -> int:
        """Write the whole lists of some items; return how many rows that are."""
        self._require_last()
        id = self._collection.id
        self._db.run(
            f"""
            delete from vecstore_related
            where collection_id = %s
              and id in (
                select id
                from {taken.items}
                where row = any(%b)
              )
            """,
            [id, list(rows)],
        )
        columns = [list(column) for column in zip(*ranked, strict=True)] or [[], [], [], []]
        number = self._db.run(
            f"""
            insert into vecstore_related (collection_id, id, rank, related_id, score)
            select %s, item.id, rank, candidate.id, score
            from unnest(%b::int[], %b::bigint[], %b::int[], %b::float8[])
              as ranked (item, rank, candidate, score)
            join {taken.items} as item on item.row = ranked.item
            join {taken.items} as candidate on candidate.row = ranked.candidate
            """,
            [id, *columns],
        )
        listed = Counter(columns[0])
        self._db.run(
            f"""
            update vecstore_related_state as state
            set listed = given.listed
            from unnest(%b::int[], %b::bigint[]) as given (row, listed)
            join {taken.items} as items on items.row = given.row
            where collection_id = %s
              and state.id = items.id
            """,
            [list(rows), [listed[row] for row in rows], id],
        )
        return number


class _Work:
    """What is due in a copy of the entries, and how it is computed: with NumPy, or by SQL alone."""

    def __init__(self, taken: TakenEntries, number: int) -> None:
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
            taken.mark_all()
            return
        taken.mark_changed(self._number)
        for dimensions in taken.dimensions() if changed else ():
            self._find_reached(dimensions, taken.rows(dimensions, "is_changed"))

    def _find_reached(self, dimensions: int, changed: list[int]) -> None:
        known = self._taken.last_scores(dimensions)
        if not changed or not known:
            return
        if not proposals.is_installed():
            self._taken.mark_reached(dimensions)
            return
        rows, scores = [row for row, _ in known], [score for _, score in known]
        self._taken.mark(self._vectors_of(dimensions).find_reached(changed, rows, scores))

    def rank(self) -> Iterator[_Lists]:
        """Yield the lists of some items after others."""
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
                ranked = self._taken.rank_candidates(portion.pairs, self._number)
                yield portion.items, ranked
            del vectors, self._vectors[dimensions]

    def _rank_by_sql(self, rows: Sequence[int]) -> Iterator[_Lists]:
        for start in range(0, len(rows), _ITEMS_AT_ONCE):
            portion = rows[start : start + _ITEMS_AT_ONCE]
            yield portion, self._taken.rank_all(portion, self._number)

    def _vectors_of(self, dimensions: int) -> Vectors:
        if dimensions not in self._vectors:
            self._vectors[dimensions] = Vectors(
                dimensions,
                self._taken.count(f"dimensions = {dimensions:d}"),
                self._taken.vector_portions(dimensions),
            )
        return self._vectors[dimensions]


def _is_current(db: PostgresDatabase, collection_id: int, number: int) -> bool:
    """Return whether a run would change nothing.

    :param number: how many are to be listed for each item
    """
    [[is_current]] = db.rows(
        f"""
        select
          exists (
            select 1
            from vecstore_related_runs
            where collection_id = %(id)s
              and number = %(number)s
          )
          and not exists (
            select 1
            from (
              select embeddings.id, {DIGEST} as digest
              from embeddings
              where collection_id = %(id)s
            ) as items
            full join (
              select id, digest, listed
              from vecstore_related_state
              where collection_id = %(id)s
            ) as state using (id)
            full join (
              select id, count(*) as number
              from vecstore_related
              where collection_id = %(id)s
              group by id
            ) as lists using (id)
            where items.digest is distinct from state.digest
              or state.listed is distinct from coalesce(lists.number, 0)
          )
        """,
        {"id": collection_id, "number": number},
    )
    return bool(is_current)
