"""One similarity query: which plan answers it.

    scan    the default for small collections; and where there is no index and none can be built,
            for more rows than vec0 returns, and for conditions that few rows meet
    exact   the default for those that have a partition of their own, and what `exact` asks for
    fast    the default for large ones: exact scores of the rows whose bits are nearest

exact and scan give the same answer. fast finds 99 in 100 of the nearest on embeddings of real
texts: see docs/performance.md.
"""

import math
import time
from collections.abc import Callable
from functools import partial

from sqlite_utils import Database

from ...query import Query, Step
from ...rows import Hit
from ...vectors import dimension_error
from .. import catalog, transactions
from ..index import building, partitions, tables
from ..index.dimensions import find_dimensions
from . import plans, where
from .plans import MAX_K, Found

# To choose more than this many of each chunk takes vec0 longer than a look at the bits first, in
# collections of so many rows a candidate.
_MANY_NEAREST = 40
_ROWS_PER_CANDIDATE_OF_MANY_NEAREST = 40
_SCORE_SLACK = 1e-6  # vec0 and vec_distance_cosine agree; 1 - (1 - distance) is off by less

# Below so many rows a candidate, all rows are compared about as fast.
_ROWS_PER_CANDIDATE = 12
_SPILLED_SHARE = 0.05  # of the nearest: measured, so many among the farthest mean 1 in 100 missed
_SPILLED_SHARE_AT_LAST = 0.15  # where only the exact plan looks wider, and takes ten times as long
_WIDENING_FACTOR = 3
_MOST_FIRST_CANDIDATES = 3 * MAX_K // 4  # a sample may promise fewer than there are


def search(
    db: Database, query: Query, *, may_build_index: bool = True, steps: list[Step] | None = None
) -> list[Hit]:
    """Return the rows nearest to a vector, best first.

    :param may_build_index: False writes nothing: where there is no index, the rows are scanned
    :param steps: an empty list that gets what was done
    :raises DimensionError: the collection has vectors, but none of this dimension
    :raises InvalidInputError: the condition is none that SQLite can apply
    :raises DoesNotExist: the collection is not the one that it was
    :raises ModelMismatchError: the one of its name has another model
    """
    return _Search(db, query, [] if steps is None else steps).find(may_build_index=may_build_index)


class _Search:
    """One search, which may take several steps."""

    def __init__(self, db: Database, query: Query, steps: list[Step]) -> None:
        self._db = db
        self._query = query
        self._collection_id = query.collection.id
        self._dimensions = query.dimensions
        self._steps = steps

    def find(self, *, may_build_index: bool) -> list[Hit]:
        hits = self._in_snapshot(must_be_ready=may_build_index)
        if hits is None:
            # Other threads go on while this one waits for a writer.
            if building.ensure_index(self._db, self._dimensions):
                partitions.ensure_partition(self._db, self._collection_id, self._dimensions)
            hits = self._in_snapshot(must_be_ready=False)
        return hits or []

    def _in_snapshot(self, *, must_be_ready: bool) -> list[Hit] | None:
        """Return what is nearest at this moment; None where the index is to be made first.

        Nothing can be written meanwhile where there is SQL of the user's.
        """
        read = partial(
            catalog.read_unchanged,
            self._db,
            self._query.collection,
            partial(self._look, must_be_ready),
            expression="vec_distance_cosine(?, ?) is not null",
            args=(self._query.vector, self._query.vector),
        )
        if not self._query.where:
            return read()
        with transactions.query_only(self._db):
            return read()

    def _look(self, must_be_ready: bool, is_comparable: bool) -> list[Hit] | None:
        with where.explain_where_errors(self._db, self._query):
            if self._query.number == 0:
                return []
            has_index = self._has_index()
            if not self._has_vectors(has_index) or not is_comparable:
                return []
            is_ready = has_index and not self._needs_partition()
            return self._run(has_index) if is_ready or not must_be_ready else None

    def _has_index(self) -> bool:
        return building.index_exists(self._db, self._dimensions)

    def _has_vectors(self, has_index: bool) -> bool:
        """Return whether there are vectors; DimensionError if none is of this dimension."""
        found = find_dimensions(
            self._db, self._collection_id, self._dimensions, has_index=has_index
        )
        if found is not None and found != self._dimensions:
            raise dimension_error("The vector", self._dimensions, found)
        return found is not None

    def _run(self, has_index: bool) -> list[Hit]:
        """Return what is nearest, by the plan that is best."""
        self._steps.clear()  # those of a file that was changed meanwhile
        query = self._query
        # One more than asked for shows whether the last place is shared, another is for skip_id.
        k = query.number + 1 + (query.skip_id is not None)
        if k > MAX_K or not has_index or not self._has_partition():
            return self._scan()
        rows = self._exact_within() if query.exact else self._fast()
        if rows is None:
            rows = self._scan() if query.is_filtered else self._exact(k)
        return rows

    def _exact(self, k: int) -> list[Hit]:
        number = self._query.number
        rows = self._step("exact", plans.run_exact, k).rows
        if len(rows) <= number or rows[number - 1][1] > rows[number][1]:
            return rows[:number]
        # vec0 chooses freely among equals, but ids decide: take all that share the last place.
        equals = self._within(1 - rows[number][1])
        return self._scan() if equals is None else equals

    def _exact_within(self) -> list[Hit] | None:
        """Return what is within the distance of the last row that the fast plan finds.

        vec0 takes long to choose many of each chunk, and finds those within a distance as fast as
        few. None where the bits give no such distance, or where that is no faster.
        """
        if self._query.is_filtered or self._query.number <= _MANY_NEAREST:
            return None
        wanted = self._wanted_candidates(_ROWS_PER_CANDIDATE_OF_MANY_NEAREST)
        if wanted is None:
            return None
        found = self._step("fast", plans.run_fast, round(wanted / tables.ROWS_PER_SAMPLE))
        if found.is_cut_off or len(found.rows) < self._query.number:
            return None
        return self._within(1 - found.rows[-1][1])

    def _within(self, distance: float) -> list[Hit] | None:
        """Return the nearest rows, given a distance within which there are as many as asked for.

        None if there are more than vec0 returns, or fewer than were asked for.
        """
        number = self._query.number
        rows = self._step("exact", plans.run_exact, MAX_K, distance + _SCORE_SLACK).rows
        return rows[:number] if number <= len(rows) < MAX_K - 1 else None

    def _fast(self) -> list[Hit] | None:
        """Return what the fast plan finds, or None if another plan is better.

        It looks wider until there are enough candidates that meet the conditions, and few of the
        nearest, ten at least, are among the farthest of them: then few can be farther still.
        """
        wanted = self._wanted_candidates(_ROWS_PER_CANDIDATE)
        if wanted is None:
            return None
        number = max(self._query.number, plans.ENOUGH_TO_TELL)
        rank, widest = wanted / tables.ROWS_PER_SAMPLE, MAX_K / tables.ROWS_PER_SAMPLE
        if self._query.is_filtered:  # where every other row meets the condition, once is enough
            rank = max(rank, min(2 * rank, _MOST_FIRST_CANDIDATES / tables.ROWS_PER_SAMPLE))
        while rank <= widest:
            found = self._step("fast", plans.run_fast, round(rank))
            if found.is_cut_off:
                break  # what vec0 left out may be no farther by its bits
            enough = found.matching >= wanted / 2
            can_widen = rank * _WIDENING_FACTOR <= widest
            may_spill = _SPILLED_SHARE if can_widen else _SPILLED_SHARE_AT_LAST
            if enough and found.spilled <= may_spill * number:
                return found.rows
            if enough and found.spilled > number / 2:
                break  # the bits tell these vectors apart too badly for a wider look to help
            # Bits may be the same for many: wider than what was found, not than what was meant.
            rank = max(rank, (found.candidates or 0) / tables.ROWS_PER_SAMPLE)
            rank *= _WIDENING_FACTOR if enough else max(2, wanted / max(found.matching, 1))
        return None

    def _wanted_candidates(self, rows_per_candidate: int) -> float | None:
        """Return how many candidates to begin with; None if there are too few rows for so many."""
        if not tables.has_bits(self._dimensions):
            return None
        rows = partitions.count_rows(self._db, self._collection_id, self._dimensions)
        wanted = _first_candidates(max(self._query.number, plans.ENOUGH_TO_TELL), rows)
        return wanted if wanted <= MAX_K and rows >= rows_per_candidate * wanted else None

    def _needs_partition(self) -> bool:
        return partitions.needs_partition(self._db, self._collection_id, self._dimensions)

    def _has_partition(self) -> bool:
        return partitions.has_partition(self._db, self._collection_id, self._dimensions)

    def _scan(self) -> list[Hit]:
        return self._step("scan", plans.run_scan).rows

    def _step(self, plan: str, run: Callable[..., Found], *how: float) -> Found:
        started = time.perf_counter()
        found = run(self._db, self._query, *how)
        seconds = time.perf_counter() - started
        self._steps.append(Step(plan, found.sql, seconds, len(found.rows), found.candidates))
        return found


def _first_candidates(number: int, rows: int) -> float:
    """Return how many candidates a search for that many of so many rows begins with.

    Measured on sentence embeddings and static ones, 40 * number ** 0.7 of 100,000 rows hold 98 in
    100 of the nearest ten, and 96 in 100 of the nearest hundred: where there may be others, the
    search looks wider. To read the bits once more takes longer in larger collections, so there more
    candidates come first.
    """
    of_few = 40 * math.pow(number, 0.7)
    return min(of_few * max(1, math.sqrt(rows / 100_000)), max(of_few, _MOST_FIRST_CANDIDATES))
