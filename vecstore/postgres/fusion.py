"""A search by keywords and meaning: two rankings, and one made of them by reciprocal rank fusion.

It is that of SQLite's store, of which sqlite/search/fusion.py tells why it is as it is. The ranking
by similarity is what search() finds. One statement ranks by keywords, compares and fuses the
candidates, and reads the entries.
"""

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

from ..keywords import Term
from ..query import FULL_COVERAGE, FUSION_K, Query, RankedQuery, Step, fusion_depth
from ..rows import Hit, RankedHit
from . import catalog, keywords
from .connection import PostgresDatabase
from .keywords import SoughtTerm, Totals, Worth
from .search import as_shown, id_conditions, is_comparable
from .search import search as search_similar
from .snippets import Instance, make_snippet
from .vectors import Vector
from .where import read_where, translate

_GROWTH = 4
_NO_MATCHES = """_matches as (
          select null::text collate "C" as id, null::float8 as keyword_score
          where false
        ),"""


class _Matches(NamedTuple):
    """The SQL of the table `_matches` of id and keyword_score, to go on with a WITH clause.

    worths: the terms that it finds
    most_bm25: what no keyword_score exceeds
    """

    sql: str
    values: dict[str, Any]
    worths: Sequence[Worth] = ()
    most_bm25: float = 1.0


def search(db: PostgresDatabase, query: RankedQuery, steps: list[Step]) -> list[RankedHit]:
    """Return the best rows of both rankings, best first, and add what was done to `steps`.

    What is similar is found at one moment. At a later one the keywords are looked up, and all that
    is returned is there, and meets the conditions, as it then is.

    :raises DimensionError: the collection has vectors, but none of the query's dimension
    :raises InvalidInputError: the condition is none that PostgreSQL can apply
    :raises DoesNotExist: the collection is not the one that it was
    :raises ModelMismatchError: the one of its name has another model
    """
    return _RankedSearch(db, query, steps).find()


class _RankedSearch:
    """One search of several rankings."""

    def __init__(self, db: PostgresDatabase, query: RankedQuery, steps: list[Step]) -> None:
        self._db = db
        self._query = query
        self._steps = steps
        self._depth = fusion_depth(query.query.number)

    def find(self) -> list[RankedHit]:
        number, found = self._depth, None
        while found is None:
            hits = [] if self._query.mode == "keywords" else self._nearest(number)
            found = self._at_one_moment(hits, is_all=len(hits) < number)
            number *= _GROWTH
        return found

    def _nearest(self, number: int) -> list[Hit]:
        steps: list[Step] = []
        hits = search_similar(self._db, replace(self._query.query, number=number), steps)
        self._steps += steps
        return hits

    def _at_one_moment(self, hits: list[Hit], *, is_all: bool) -> list[RankedHit] | None:
        """Return what _fuse() does; where there is SQL of the user's, nothing can be written."""

        def fuse() -> list[RankedHit] | None:
            with self._db.reading():
                return self._fuse(hits, is_all)

        query = self._query.query
        read = partial(read_where, self._db, query, fuse)
        return catalog.read_unchanged(self._db, query.collection, read)

    def _fuse(self, hits: list[Hit], is_all: bool) -> list[RankedHit] | None:
        """Return the best of both rankings; None if more of that by similarity must be known.

        :param is_all: there are no more, that meet the conditions
        """
        wanted = () if self._query.mode == "similar" else self._query.keywords.terms
        sought = self._look_up([*wanted, *self._query.keywords.excluded])
        excluded = sought[len(wanted) :]
        if hits and any(term.query for term in excluded):
            left_out = self._find_excluded([hit[0] for hit in hits], excluded)
            hits = [hit for hit in hits if hit[0] not in left_out]
            if len(hits) < self._depth and not is_all:
                return None
        matches = self._find_matches(sought[: len(wanted)], excluded)
        return self._fuse_with([hit[0] for hit in hits[: self._depth]], matches)

    def _look_up(self, terms: Sequence[Term]) -> list[SoughtTerm]:
        return keywords.look_up(self._db, terms) if terms else []

    def _find_excluded(self, ids: list[str], excluded: Sequence[SoughtTerm]) -> set[str]:
        """Return which of some ids have a term that is left out."""
        rows = self._db.rows(
            """
            select id
            from embeddings
            where collection_id = %s
              and id = any(%s)
              and keywords @@ %s::tsquery
            """,
            [self._query.query.collection.id, ids, keywords.any_of(excluded)],
        )
        return {id for (id,) in rows}

    def _find_matches(
        self, sought: Sequence[SoughtTerm], excluded: Sequence[SoughtTerm]
    ) -> _Matches:
        """Return what the keywords find: the rarer ones alone, where these find enough."""
        if not any(term.query for term in sought):
            return _Matches(_NO_MATCHES, {})
        totals = keywords.count_all(self._db)
        worths = keywords.weigh(self._db, sought, totals)
        rare = keywords.rare_ones(worths, totals)
        has_others = len(rare) < sum(worth.texts > 0 for worth in worths)
        found = self._matches(rare, excluded, totals) if rare else None
        if found is None or (has_others and not self._finds_enough(found)):
            found = self._matches(worths, excluded, totals)
        return found._replace(most_bm25=keywords.most_bm25(worths))

    def _matches(
        self, worths: Sequence[Worth], excluded: Sequence[SoughtTerm], totals: Totals
    ) -> _Matches:
        """Return what some terms find, of rows that meet the conditions."""
        query = self._query.query
        table, values = keywords.sought_table(worths)
        conditions = [
            f"collection_id = {query.collection.id}",
            "keywords @@ %(_words)s::tsquery",
            *id_conditions(query),
        ]
        sql = f"""{table}
        _texts as not materialized (
          select id, keywords, keyword_count
          from {"_matching" if query.where else "embeddings"}
          where {" and ".join(conditions)}
        ),
        _matches as materialized (
          select id, {keywords.bm25_sql(worths, "_texts")} as keyword_score
          from _texts
        ),"""
        words = keywords.any_of((worth.sought for worth in worths), excluded)
        mean_words = totals.words / totals.texts if totals.words else 1.0
        return _Matches(sql, {**values, "_words": words, "_mean_words": mean_words}, worths)

    def _finds_enough(self, matches: _Matches) -> bool:
        """Return whether as many rows are found as are fused."""
        sql = f"""
        with {_matching_table(self._query.query)}
        {matches.sql}
        _found as (
          select
          from _matches
          limit {self._depth}
        )
        select count(*)
        from _found
        """
        [[number]] = self._db.rows(sql, {**self._values(), **matches.values})
        return bool(number >= self._depth)

    def _fuse_with(self, ids: list[str], matches: _Matches) -> list[RankedHit]:
        """Return the best of both."""
        query = self._query.query
        is_similar = "similar_score is not null"
        if query.min_score is not None:
            is_similar += " and similar_score >= %(_min_score)s"
        sql = f"""
        with {_matching_table(query)}
        {matches.sql}
        _keywords as materialized (
          select
            id,
            row_number() over (order by keyword_score desc, id) as keyword_rank,
            keyword_score
          from _matches
          order by keyword_score desc, id
          limit {self._depth}
        ),
        _found as (
          select id collate "C" as id
          from unnest(%(_ids)s::text[]) as found (id)
        ),
        _candidates as materialized (
          select id, keyword_rank, keyword_score
          from _found
          full join _keywords using (id)
        ),
        _compared as materialized (
          select
            _candidates.*,
            entry.content,
            entry.metadata,
            case when {is_comparable("distance", "embedding")}
              and {is_comparable("distance", "%(_vector)b")}
            then 1 - distance end as similar_score
          from _candidates
          {self._entries()}
        ),
        _ranked as (
          select *, case when {is_similar} then
            row_number() over (order by {is_similar} desc, similar_score desc, id)
          end as similar_rank
          from _compared
        )
        select
          id,
          coalesce(%(_similar_weight)s::float8 / ({FUSION_K} + similar_rank), 0) + coalesce(
            %(_keyword_weight)s::float8 * {self._coverage()} / ({FUSION_K} + keyword_rank), 0
          ) as score,
          content,
          metadata::text,
          similar_rank,
          case when similar_rank is not null then similar_score end,
          keyword_rank,
          keyword_score
        from _ranked
        order by score desc, id
        limit {min(query.number, self._depth)}
        """
        started = time.perf_counter()
        rows = self._db.rows(
            sql, {**self._values(), **matches.values, "_ids": ids, "_most_bm25": matches.most_bm25}
        )
        seconds = time.perf_counter() - started
        self._steps.append(Step(self._query.mode, as_shown(sql), seconds, len(rows), None))
        snippets = self._snippets([row[0] for row in rows if row[6] is not None], matches)
        return [RankedHit._make([*row, snippets.get(row[0])]) for row in rows]

    def _values(self) -> dict[str, Any]:
        query = self._query.query
        condition = translate(query)
        similar_weight, keyword_weight = self._query.weights
        return {
            **(condition.args if condition else {}),
            "_vector": Vector(query.vector or bytes(4)),
            "_prefix": query.prefix,
            "_skip_id": query.skip_id,
            "_min_score": query.min_score,
            "_similar_weight": similar_weight,
            "_keyword_weight": keyword_weight,
        }

    def _distance(self) -> str:
        """Return the SQL for the distance of a row; NULL for one that cannot be compared."""
        query = self._query.query
        if not query.vector:
            return "null::float8"
        return f"""case when vector_dims(embedding) = {query.dimensions}
              then embedding <=> %(_vector)b
            end"""

    def _entries(self) -> str:
        """Return the SQL that joins the entries of `_candidates`."""
        query = self._query.query
        rows = f"""(
            select id, content, metadata, embedding, {self._distance()} as distance
            from {"_matching" if query.where else "embeddings"}
            where collection_id = {query.collection.id}"""
        if self._db.is_on_shards():  # which cannot look up one after the other
            return f"""join {rows}
          ) as entry on entry.id = _candidates.id"""
        return f"""cross join lateral {rows}
              and id = _candidates.id
            offset 0
          ) as entry"""

    def _coverage(self) -> str:
        """Return the SQL of what the weight of the keywords is multiplied by, beside another."""
        if self._query.mode != "hybrid":
            return "1"
        return f"{FULL_COVERAGE} * (select max(keyword_score) from _matches) / %(_most_bm25)s"

    def _snippets(self, ids: list[str], matches: _Matches) -> dict[str, str]:
        """Return the snippets of entries that the keywords have found, by id."""
        if not ids:
            return {}
        table, values = keywords.sought_table(matches.worths)
        rows = self._db.rows(
            f"""
            with {table.rstrip(",")}
            select
              id,
              content,
              case
                when keyword_count = (
                  select count(*)
                  from ts_parse('default', vecstore_plain(content))
                  where tokid <> (
                    select tokid
                    from ts_token_type('default')
                    where alias = 'blank'
                  )
                )
                then keyword_count
                else -1
              end,
              array(
                select array[term, position - 1]
                from ({keywords.instances_sql(matches.worths, "embeddings")}
                )
                order by position, term
              )
            from embeddings
            where collection_id = %(_collection_id)s
              and id = any(%(_ids)s)
            """,
            {**values, "_collection_id": self._query.query.collection.id, "_ids": ids},
        )
        lengths = [len(worth.sought.words) for worth in matches.worths]
        return {
            id: make_snippet(
                content,
                count,
                [Instance(term, position, lengths[term]) for term, position in instances],
                self._query.marks,
            )
            for id, content, count, instances in rows
        }


def _matching_table(query: Query) -> str:
    """Return the SQL of a table of the rows that meet the condition, to begin a WITH clause.

    The condition is alone in its WHERE, so that it can be nothing but one.
    """
    condition = translate(query)
    if condition is None:
        return ""
    return f"""_matching as not materialized (
          select *
          from embeddings
          where (\n            {condition.sql}\n          )
        ),"""
