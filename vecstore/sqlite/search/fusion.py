"""A search by keywords and meaning: two rankings, and one made of them by reciprocal rank fusion.

The best of each ranking, as many as fusion_depth() says, are the candidates. The score of one is
the sum of weight / (K + rank) over both rankings: Cormack, Clarke, Büttcher, "Reciprocal Rank
Fusion outperforms Condorcet and individual Rank Learning Methods" (SIGIR 2009).

Theirs fuses many rankings. Of two, one is often right alone, and three things differ, which were
measured (docs/performance.md). K is 2: their 60 puts what is at the fortieth place of both before
what is the first of one. What only the keywords found has a similarity nevertheless, which is
looked up. And the weight of the keywords grows with their coverage, which is how much of what was
asked for the best text has: a name or a code is all there, and of a question only some words are.

The ranking by similarity is what the planner finds. One statement ranks by keywords, compares and
fuses the candidates, and reads the entries.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from ...keywords import any_of
from ...query import FULL_COVERAGE, FUSION_K, RankedQuery, Step, fusion_depth
from ...rows import Hit, RankedHit
from .. import catalog, transactions
from ..connection.database import Database
from ..connection.file_status import Status
from ..connection.interrupts import Result
from ..index import tables, usable, usable_keywords
from . import keyword_ranking, planner
from .given_rows import given_table
from .keyword_ranking import KeywordSource, Matches
from .statement_parts import above_min_score, matching_table, run, statement
from .where import explain_where_errors

_GROWTH = 4
_NO_KEYWORDS = Matches(
    """_matches (id, rank, row) as (
          select null, null, null
          where false
        ),""",
    "null",
    {"most": 1, "most_bm25": 1.0},
)


def search(
    db: Database, query: RankedQuery, steps: list[Step], *, may_build_index: bool = True
) -> list[RankedHit]:
    """Return the best rows of both rankings, best first, and add what was done to `steps`.

    What is similar is found at one moment. At a later one the keywords are looked up, and all that
    is returned is there, and meets the conditions, as it then is.

    :param may_build_index: False writes nothing: where there is no index, all rows are read
    :raises DimensionError: the collection has vectors, but none of the query's dimension
    :raises InvalidInputError: the condition is none that SQLite can apply
    :raises DoesNotExist: the collection is not the one that it was
    :raises ModelMismatchError: the one of its name has another model
    """
    return _RankedSearch(db, query, steps, may_build_index).find()


class _RankedSearch:
    """One search of several rankings."""

    def __init__(
        self, db: Database, query: RankedQuery, steps: list[Step], may_build_index: bool
    ) -> None:
        self._db = db
        self._query = query
        self._steps = steps
        self._may_build_index = may_build_index
        self._depth = fusion_depth(query.query.number)
        self._fusions: list[Step] = []
        self._damaged: Status | None = None  # which file of an index

    def find(self) -> list[RankedHit]:
        keywords = self._query.keywords
        needs_keywords = self._query.mode != "similar" or bool(keywords.excluded)
        if needs_keywords and self._may_build_index:
            usable_keywords.ensure_ready(self._db)
        number, found = self._depth, None
        while found is None:
            hits = [] if self._query.mode == "keywords" else self._nearest(number)
            is_all = len(hits) < number
            found = self._in_snapshot(partial(self._fuse, hits, is_all))
            number *= _GROWTH
        self._steps += self._fusions
        if self._damaged and self._may_build_index:
            usable.give_up(self._db, self._damaged)
        return found

    def _nearest(self, number: int) -> list[Hit]:
        steps: list[Step] = []
        hits = planner.search(
            self._db,
            replace(self._query.query, number=number),
            may_build_index=self._may_build_index,
            steps=steps,
        )
        self._steps += steps
        return hits

    def _look_up(self, work: Callable[[KeywordSource], Result], match: str) -> Result:
        """Return what `work` finds in the keyword index; without one that is damaged beside a file.

        :param match: what it looks for
        :raises DatabaseDamagedError: the index inside the file is damaged
        """
        db, collection_id = self._db, self._query.query.collection.id
        index = keyword_ranking.find_index(db, collection_id)
        try:
            with keyword_ranking.keyword_source(db, collection_id, index) as source:
                return work(source)
        except db.conn.Error as error:
            if index is None or not usable_keywords.may_be_at_fault(db, index, match, error):
                raise
            self._damaged = usable_keywords.identity_of_damaged(db, index, error)
        with keyword_ranking.keyword_source(db, collection_id, None) as source:
            return work(source)

    def _in_snapshot(self, work: Callable[[], Result]) -> Result:
        """Return what `work` returns, of one moment; where there is SQL, nothing can be written."""
        query = self._query.query

        def work_in_step(_: object) -> Result:
            with explain_where_errors(self._db, query):
                return work()

        read = partial(catalog.read_unchanged, self._db, query.collection, work_in_step)
        if not query.where:
            return read()
        with transactions.query_only(self._db):
            return read()

    def _fuse(self, hits: list[Hit], is_all: bool) -> list[RankedHit] | None:
        """Return the best of both rankings; None if more of that by similarity must be known.

        :param is_all: there are no more, that meet the conditions
        """
        self._fusions.clear()  # those of a file that was changed meanwhile
        keywords = self._query.keywords
        if self._query.mode == "similar" and not keywords.excluded:
            return self._fuse_with(hits[: self._depth], _NO_KEYWORDS)
        work = partial(self._fuse_found, hits, is_all)
        return self._look_up(work, any_of(keywords.terms, keywords.excluded))

    def _fuse_found(
        self, hits: list[Hit], is_all: bool, source: KeywordSource
    ) -> list[RankedHit] | None:
        if hits and self._query.keywords.excluded:
            ids = [hit[0] for hit in hits]
            left_out = source.find_excluded(ids, self._query.keywords.excluded)
            hits = [hit for hit in hits if hit[0] not in left_out]
            if len(hits) < self._depth and not is_all:
                return None
        matches = _NO_KEYWORDS
        if self._query.mode != "similar":
            matches = keyword_ranking.find_matches(self._db, source, self._query, self._depth)
        return self._fuse_with(hits[: self._depth], matches)

    def _fuse_with(self, hits: list[Hit], matches: Matches) -> list[RankedHit]:
        """Return the best of both."""
        query = self._query.query
        is_similar = f"(similar_score is not null {above_min_score(query, 'similar_score')})"
        found, given = given_table("_found", ["id"], [hit[:1] for hit in hits])
        sql = f"""
        with {matching_table(query)}
        {matches.sql}
        _keywords as materialized (
          select
            id,
            row_number() over (order by rank, id) as keyword_rank,
            -rank as keyword_score,
            row
          from _matches
          order by rank, id
          limit :_most
        ),
        {found},
        _candidates as (
          select
            id,
            max(keyword_rank) as keyword_rank,
            max(keyword_score) as keyword_score,
            max(row) as row
          from (
            select id, null as keyword_rank, null as keyword_score, null as row
            from _found
            union all
            select id, keyword_rank, keyword_score, row
            from _keywords
          )
          group by id
        ),
        _compared as materialized (
          select
            _candidates.*,
            embeddings.rowid as embeddings_row,
            {self._similarity()} as similar_score
          from _candidates
          cross join embeddings
            on embeddings.collection_id = :_collection_id
            and embeddings.id = _candidates.id
          {"cross join _matching on _matching.row = embeddings.rowid" if query.where else ""}
        ),
        _ranked as (
          select *, case when {is_similar} then
            row_number() over (order by {is_similar} desc, similar_score desc, id)
          end as similar_rank
          from _compared
        ),
        _best as materialized (
          select
            embeddings_row,
            coalesce(:_similar_weight / ({FUSION_K} + similar_rank), 0) + coalesce(
              :_keyword_weight * {self._coverage()} / ({FUSION_K} + keyword_rank),
              0
            ) as score,
            similar_rank,
            case when similar_rank then similar_score end as similar_score,
            keyword_rank,
            keyword_score,
            row
          from _ranked
          order by score desc, id
          limit :_number
        )
        select
          embeddings.id,
          score,
          embeddings.content,
          embeddings.metadata,
          similar_rank,
          similar_score,
          keyword_rank,
          keyword_score,
          case when _best.row is not null then {matches.snippet} end -- for FTS5, NULL is any row
        from _best
        cross join embeddings on embeddings.rowid = _best.embeddings_row
        order by score desc, embeddings.id
        """
        started = time.perf_counter()
        similar_weight, keyword_weight = self._query.weights
        rows = run(
            self._db,
            query,
            sql,
            similar_weight=similar_weight,
            keyword_weight=keyword_weight,
            **given,
            **matches.values,
        )
        seconds = time.perf_counter() - started
        self._fusions.append(
            Step(self._query.mode, statement(query, sql), seconds, len(rows), None)
        )
        return [RankedHit(*row) for row in rows]

    def _similarity(self) -> str:
        """Return the SQL for the similarity of a row; NULL for one that cannot be compared."""
        query = self._query.query
        if not query.vector:
            return "null"
        return f"""case
            when {tables.comparable_sql("embeddings", query.dimensions)}
            then 1 - vec_distance_cosine(embeddings.embedding, :_vector)
          end"""

    def _coverage(self) -> str:
        """Return the SQL of what the weight of the keywords is multiplied by, beside another."""
        if self._query.mode != "hybrid":
            return "1"
        return f"{FULL_COVERAGE} * (select -min(rank) from _matches) / :_most_bm25"
