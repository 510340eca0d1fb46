"""One similarity query: which plan answers it.

    scan    the default for small collections; and where there is no index and none can be built,
            for more rows than vec0 returns, and for conditions that few rows meet
    exact   the default for those that have a partition of their own, and what `exact` asks for
    fast    the default for large ones: exact scores of the rows whose bits are nearest
    graph   the same for those that have a graph: exact scores of what that proposes

exact and scan give the same answer. fast finds 99 in 100 of the nearest on embeddings of real
texts: see docs/performance.md.
"""

import math
import time
from collections.abc import Callable
from functools import partial

from ...query import Query, Step
from ...rows import Hit
from ...vectors import dimension_error
from .. import catalog, transactions
from ..connection.database import Database
from ..connection.file_status import Status
from ..index import open_graphs, partitions, tables, usable
from ..index.dimensions import find_dimensions
from ..index.graphs import NotedGraph, Standing
from ..index.open_graphs import OpenGraph, Proposals
from ..index.usable import UsableIndex
from . import advice, graph_plan, plans, selectivity
from .plans import MAX_K, Found
from .selectivity import Access, Selectivity
from .where import explain_where_errors

# To choose more than this many of each chunk takes vec0 longer than a look at the bits first, in
# collections of so many rows a candidate.
_MANY_NEAREST = 40
_ROWS_PER_CANDIDATE_OF_MANY_NEAREST = 40
_MOST_BEHIND = 500  # changes that an index has not followed; from more on, a scan is about as fast
_SCORE_SLACK = 1e-6  # vec0 and vec_distance_cosine agree; 1 - (1 - distance) is off by less

# Below so many rows a candidate, all rows are compared about as fast.
_ROWS_PER_CANDIDATE = 12
_SPILLED_SHARE = 0.05  # of the nearest: measured, so many among the farthest mean 1 in 100 missed
# Where what is read was adapted to the query already, or only the exact plan looks wider, which
# takes ten times as long.
_MOST_SPILLED_SHARE = 0.15
_NEAR_SHARE = 0.85  # of the candidates, what a query that is not filtered compares first
_CROWDED = 5  # times as many as were wanted are read: the bits are the same for many
_WIDENING_FACTOR = 3
_NODES_PER_REACH = 8  # of a graph: with fewer, the bits are about as fast
_MOST_REACH = 4096  # of a graph: for more, other plans are about as fast
_MOST_FIRST_CANDIDATES = 3 * MAX_K // 4  # a sample may promise fewer than there are

# Measured, of a filtered search, in microseconds: to compare a row that an index leads to, to ask
# a candidate whether it meets the condition, and to look at the bits of a row.
_MATCH_COST = 1.5
_CANDIDATE_COST = 2.5
_BITS_COST = 0.04
_REACHED_COST = 3.5  # to look at a node of a graph, and to ask it
# Where a tenth of the rows meets a condition, fewer than ten times as many candidates do: the
# nearest of fewer rows are farther apart, and told apart more easily.
_CANDIDATES_BY_SHARE = -0.75  # measured, for a recall of 0.99 in one look, as are twice as many
_CANDIDATES_OF_FILTERED = 2.0
_MOST_CANDIDATES_OF_FILTERED = 7 * MAX_K // 8
_LEAST_SHARE_OF_WANTED = 0.65  # of the candidates that are wanted: with fewer, too few would match


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
    return _Search(db, query, [] if steps is None else steps, may_build_index).find()


class _Search:
    """One search, which may take several steps."""

    def __init__(
        self, db: Database, query: Query, steps: list[Step], may_build_index: bool
    ) -> None:
        self._db = db
        self._may_build_index = may_build_index
        self._query = query
        self._collection_id = query.collection.id
        self._dimensions = query.dimensions
        self._index: UsableIndex
        self._rows: int  # about; counted where there are conditions
        self._access: Access
        self._selectivity: Selectivity | None = None
        self._damaged: Status | None = None  # which file of an index
        self._steps = steps

    def find(self) -> list[Hit]:
        hits = self._in_snapshot(must_be_ready=True)
        if hits is None:
            # Other threads go on while this one waits for a writer.
            if self._may_build_index:
                usable.make_ready(self._db, self._dimensions, self._collection_id)
            else:
                usable.attach_again(self._db)
            hits = self._in_snapshot(must_be_ready=False)
        if self._damaged and self._may_build_index:
            usable.give_up(self._db, self._damaged)
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
        with explain_where_errors(self._db, self._query):
            if self._query.number == 0:
                return []
            index = usable.find_index(self._db, self._dimensions)
            try:
                return self._look_in(index, must_be_ready, is_comparable)
            except (self._db.conn.Error, plans.OrphanError) as error:
                is_orphan = isinstance(error, plans.OrphanError)
                if index is None or not (is_orphan or usable.may_be_at_fault(index, error)):
                    raise
                if is_orphan or usable.is_damage(error):
                    self._damaged = usable.identity_of(self._db, index)
                return self._look_in(None, False, is_comparable)

    def _look_in(
        self, index: UsableIndex | None, must_be_ready: bool, is_comparable: bool
    ) -> list[Hit] | None:
        if not self._has_vectors() or not is_comparable:
            return []
        if must_be_ready and not self._is_ready(index):
            return None
        return self._run(index)

    def _is_ready(self, index: UsableIndex | None) -> bool:
        if not self._may_build_index:
            return index is not None
        return usable.is_ready(self._db, index, self._collection_id)

    def _has_vectors(self) -> bool:
        """Return whether there are vectors; DimensionError if none is of this dimension."""
        found = find_dimensions(self._db, self._collection_id, self._dimensions)
        if found is not None and found != self._dimensions:
            raise dimension_error("The vector", self._dimensions, found)
        return found is not None

    def _run(self, index: UsableIndex | None) -> list[Hit]:
        """Return what is nearest, by the plan that is best."""
        self._steps.clear()  # those of a file that was changed meanwhile
        query = self._query
        self._rows = self._count_rows(index) if index and query.is_filtered else 0
        self._access = selectivity.find_access(self._db, query, self._rows)
        self._selectivity = None
        if index is None or index.behind > _MOST_BEHIND:
            return self._scan()
        self._index = index
        # One more than asked for shows whether the last place is shared, another is for skip_id,
        # and what was changed meanwhile may take the place of as many.
        k = query.number + 1 + (query.skip_id is not None) + index.behind
        if k > MAX_K or not self._has_partition():
            return self._scan()
        rows = self._exact_within() if query.exact else self._graph()
        if rows is None and not query.exact:
            rows = self._fast()
        if rows is None:
            rows = self._scan() if query.is_filtered else self._exact(k)
        return rows

    def _graph(self) -> list[Hit] | None:
        """Return what the graph finds, or None if there is none, or another plan is better.

        It looks wider until there are enough candidates that meet the conditions, and are as they
        were when it looked at them. At first few are compared: where some of the nearest are among
        the last of those, or there are too few, all that it has looked at is.
        """
        number, is_filtered = self._query.number, self._query.is_filtered
        if is_filtered and not self._rows:
            return None  # no bits tell how many rows meet the conditions
        graph = open_graphs.find(
            self._db, self._index.names, self._collection_id, may_add=not self._index.behind
        )
        if graph is None:
            return None
        first = number + number // 4 + plans.ENOUGH_TO_TELL
        wanted = number
        reach: float | None = graph.noted.reach(number)
        if is_filtered:
            wanted += number // 4 + plans.ENOUGH_TO_TELL // 2
            reach = self._reach_of_filtered(wanted, graph.noted)
        most = min(_MOST_REACH, graph.noted.nodes / _NODES_PER_REACH)
        while reach is not None and reach <= most:
            started = time.perf_counter()
            proposals = graph.propose(self._query.vector, round(reach))
            compared = round(reach) if is_filtered else first
            found = self._graph_step(graph, proposals, compared, started)
            if found and not is_filtered and (found.spilled or found.matching < wanted):
                found = self._graph_step(graph, proposals, round(reach))
            if found is None:
                break
            if found.matching >= wanted and not found.spilled:
                return None if graph_plan.may_hide_equals(found.rows) else found.rows
            reach *= max(2, wanted / max(found.matching, 1))
        return None

    def _reach_of_filtered(self, wanted: int, graph: NotedGraph) -> float | None:
        """Return how far to look for so many that meet the conditions; None if a scan is faster.

        As far as for all that are as near. Where that is too far, a little farther than without
        conditions: near the vector more may meet them than elsewhere.
        """
        little = 2 * graph.reach(self._query.number)
        found = self._estimate()
        needed = graph.reach(round(wanted * self._rows / max(found.matches, 1)))
        if found.by_index and _MATCH_COST * found.matches <= _REACHED_COST * needed:
            return None
        return needed if needed <= _MOST_REACH else little

    def _graph_step(
        self, graph: OpenGraph, proposals: Proposals, most: int, started: float | None = None
    ) -> Found | None:
        """Compare what a graph proposes; None if it is not that of the index any more."""
        standings: list[Standing] = []

        def run() -> Found:
            found, standing = graph_plan.run_graph(
                self._db, self._query, self._index, proposals, most
            )
            standings.append(standing)
            return found

        found = self._timed("graph", run, started)
        return found if graph.has_proposed(proposals, standings[0]) else None

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
        most = MAX_K - 1 - self._index.behind
        return rows[:number] if number <= len(rows) < most else None

    def _fast(self) -> list[Hit] | None:
        """Return what the fast plan finds, or None if another plan is better.

        It looks wider until there are enough candidates that meet the conditions, and few of the
        nearest, ten at least, are among the farthest that were read: then few can be farther still.
        """
        wanted = self._wanted_candidates(_ROWS_PER_CANDIDATE)
        if wanted is None:
            return None
        number = max(self._query.number, plans.ENOUGH_TO_TELL)
        rank, widest = wanted / tables.ROWS_PER_SAMPLE, MAX_K / tables.ROWS_PER_SAMPLE
        if self._query.is_filtered:
            candidates = self._candidates_of_filtered(wanted)
            if candidates is None:
                return None
            rank = candidates / tables.ROWS_PER_SAMPLE
            least = wanted / 2
        else:
            rank *= _NEAR_SHARE
            least = wanted / 4
        while rank <= widest:
            found = self._step("fast", plans.run_fast, round(rank))
            if found.is_cut_off:
                break  # what vec0 left out may be no farther by its bits
            enough = found.matching >= least
            is_adapted = not self._query.is_filtered and found.read <= _CROWDED * wanted
            is_last = rank * _WIDENING_FACTOR > widest
            may_spill = _MOST_SPILLED_SHARE if is_adapted or is_last else _SPILLED_SHARE
            if enough and found.spilled <= may_spill * number:
                return found.rows
            if enough and found.spilled > number / 2:
                break  # the bits tell these vectors apart too badly for a wider look to help
            # Bits may be the same for many: wider than what was found, not than what was meant.
            rank = max(rank, found.read / tables.ROWS_PER_SAMPLE)
            factor = _WIDENING_FACTOR if enough else max(2, wanted / max(found.matching, 1))
            rank = self._wider(rank, factor)
        return None

    def _wider(self, rank: float, factor: float) -> float:
        """Return the rank in the sample of the next look, so many times as wide as the last.

        A filtered search looks as wide as it can, where that may do, before it reads all rows.
        """
        wider, widest = rank * factor, _MOST_CANDIDATES_OF_FILTERED / tables.ROWS_PER_SAMPLE
        may_do = 1.5 * rank < widest < wider < 2.5 * widest
        return widest if self._query.is_filtered and may_do else wider

    def _candidates_of_filtered(self, wanted: float) -> float | None:
        """Return how many candidates to begin with, so that enough of them meet the conditions.

        None where a scan of those that do is faster. Where so many would be more than vec0 returns,
        a few are asked: near the vector more may meet the conditions than elsewhere.
        """
        found, rows = self._estimate(), self._rows
        share = min(max(found.matches, 1) / rows, 1)
        candidates = _CANDIDATES_OF_FILTERED * wanted * share**_CANDIDATES_BY_SHARE
        is_possible = _LEAST_SHARE_OF_WANTED * candidates <= _MOST_CANDIDATES_OF_FILTERED
        if found.by_index:
            of_bits = _BITS_COST * rows + _CANDIDATE_COST * candidates
            if not is_possible or _MATCH_COST * found.matches <= of_bits:
                return None
        return min(candidates, _MOST_CANDIDATES_OF_FILTERED) if is_possible else 2 * wanted

    def _estimate(self) -> Selectivity:
        """Return about how many rows meet the conditions."""
        if self._selectivity is None:
            self._selectivity = selectivity.estimate(
                self._db, self._query, self._index.names, self._rows, self._access
            )
        return self._selectivity

    def _wanted_candidates(self, rows_per_candidate: int) -> float | None:
        """Return how many candidates to begin with; None if there are too few rows for so many."""
        if not tables.has_bits(self._dimensions):
            return None
        rows = self._rows or self._count_rows(self._index)
        wanted = _first_candidates(max(self._query.number, plans.ENOUGH_TO_TELL), rows)
        return wanted if wanted <= MAX_K and rows >= rows_per_candidate * wanted else None

    def _count_rows(self, index: UsableIndex) -> int:
        """Return about how many rows there are; 0 where they have no bits that would tell."""
        if not tables.has_bits(self._dimensions):
            return 0
        return partitions.count_rows(self._db, self._collection_id, index.names)

    def _has_partition(self) -> bool:
        return partitions.has_partition(self._db, self._collection_id, self._index.names)

    def _scan(self) -> list[Hit]:
        by_key = self._access.by_key
        scan = partial(plans.run_scan, self._db, self._query, by_key=by_key)
        return self._timed("scan", scan).rows

    def _step(self, plan: str, run: Callable[..., Found], *how: float) -> Found:
        return self._timed(plan, partial(run, self._db, self._query, self._index, *how))

    def _advice(self, plan: str, candidates: int | None) -> str | None:
        """Return what would have made a step faster."""
        where = self._query.where
        if not where or self._access.by_index or not self._rows:
            return None  # to read all of a small collection takes no time
        if plan != "scan":
            found = self._selectivity
            of_candidates = _CANDIDATE_COST * (candidates or 0)
            if found is None or of_candidates < 2 * _MATCH_COST * found.matches:
                return None  # an index would lead to so many rows that it would help little
        return advice.advise(self._db, where)

    def _timed(self, plan: str, run: Callable[[], Found], started: float | None = None) -> Found:
        started = time.perf_counter() if started is None else started
        found = run()
        seconds = time.perf_counter() - started
        rows, candidates = len(found.rows), found.candidates
        advised = self._advice(plan, candidates)
        self._steps.append(Step(plan, found.sql, seconds, rows, candidates, advised))
        return found


def _first_candidates(number: int, rows: int) -> float:
    """Return how many candidates a search for that many of so many rows begins with.

    Measured on sentence embeddings and static ones, 40 * number ** 0.7 of 100,000 rows hold 98 in
    100 of the nearest ten, and 96 in 100 of the nearest hundred: where there may be others, the
    search looks wider. In larger collections, to read the bits takes longer, and to compare a
    candidate does not: there more come first.
    """
    of_few = 40 * math.pow(number, 0.7)
    return min(of_few * max(1, math.sqrt(rows / 100_000)), max(of_few, _MOST_FIRST_CANDIDATES))
