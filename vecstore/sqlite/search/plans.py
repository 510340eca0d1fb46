"""The three ways to answer a query, each one SQL statement.

    exact   KNN in the vec0 table of the vectors
    fast    candidates from the vec0 table of their bits, re-scored exactly
    scan    vec_distance_cosine over rows of `embeddings`

All order equal scores by id, fetch the text of nothing but the winners, and leave out rows whose
vector cannot be compared. Their own tables have names with a _, for a condition sees them, and
means those of the file.
"""

import re
import sys
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlite_utils import Database

from ...errors import InvalidInputError
from ...query import Query
from ...rows import Hit
from ..index import bits, tables
from ..index.names import index_names

MAX_K = 4096  # of vec0
ENOUGH_TO_TELL = 10  # where fewer of the nearest lie says little of the bits
_EDGE_DEVIATIONS = 0.5  # standard ones, of the distance of bits: measured, for a recall of 0.99
_LAST_CODE_POINT = 0x10FFFF
_CONDITION = "\0"  # stands for it in SQL until our parameters have their names or numbers


@dataclass(frozen=True)
class Found:
    """What a plan found: the rows, best first, and what it took.

    candidates: rows that were compared exactly, or would have been but for the conditions
    matching: those of them that meet the conditions
    is_cut_off: whether there are more rows than vec0 returns that are as near by their bits
    spilled: how many of the nearest are by their bits among the farthest of the candidates, so that
        there may be others beyond
    """

    sql: str
    rows: list[Hit]
    candidates: int | None = None
    matching: int = 0
    is_cut_off: bool = False
    spilled: int = 0


def run_exact(db: Database, query: Query, k: int, farthest: float | None = None) -> Found:
    """Return the k nearest rows, or those of them within a distance, without skip_id.

    For a query that is not filtered: vec0 takes the nearest before any other condition.
    """
    names = index_names(query.dimensions)
    sql = f"""
        with _nearest as materialized (
          select rowid, 1 - distance as score
          from {names.vectors}
          where embedding match :_vector
            and partition_id = :_collection_id
            and k = :_k
            {"" if farthest is None else "and distance <= :_farthest"}
        )
        select embeddings.id, _nearest.score, embeddings.content, embeddings.metadata
        from _nearest
        cross join {names.ids} as ids on ids.rowid = _nearest.rowid
        cross join embeddings
          on embeddings.collection_id = ids.collection_id
          and embeddings.id = ids.id
        where embeddings.id is not :_skip_id
          {_above_min_score(query, "_nearest.score")}
        order by _nearest.score desc, embeddings.id
        """
    return Found(_statement(query, sql), _run(db, query, sql, k=k, farthest=farthest))


def run_fast(db: Database, query: Query, sample_rank: int) -> Found:
    """Return the nearest of the candidates: the rows whose bits differ least from the vector's.

    Candidates are as near as the one of that rank in the sample, so there are about
    `tables.ROWS_PER_SAMPLE` times as many as it says, whatever the distances of this query.
    """
    names = index_names(query.dimensions)
    knn = f"""select rowid, distance
          from {names.bits}
          where embedding match vec_bit({bits.bits_sql(":_vector", query.dimensions)})
            and partition_id = :_collection_id"""
    sql = f"""
        with {_matching(query)}
        _sample as materialized (
          {knn}
            and sample = 1
            and k = :_sample_rank
        ),
        _rest as materialized (
          {knn}
            and sample = 0
            and distance <= (select max(+distance) from _sample)
            and k = {MAX_K}
        ),
        _candidates as not materialized (
          select rowid, distance from _sample
          union all
          select rowid, distance from _rest
        ),
        _compared as {"materialized" if query.is_filtered else "not materialized"} (
          select
            ids.id,
            _candidates.distance as bits,
            {_score(query)} as score
          from _candidates
          cross join {names.ids} as ids on ids.rowid = _candidates.rowid
          {_joined_to_embeddings(query)}
          where ids.id is not :_skip_id
            {_prefix_condition(query, "ids.id")}
        ),
        _nearest as materialized (
          select id, bits, score
          from _compared
          order by score desc, id
          limit :_number
        ),
        _counts as materialized (
          select
            (select count(*) from _candidates) as candidates,
            (select count(*) from _rest) = {MAX_K} as is_cut_off,
            (
              select count(*)
              from {"_compared" if query.is_filtered else "_candidates"}
            ) as matching,
            (select max(distance) from _sample) as farthest
        )
        select
          _counts.candidates, _counts.is_cut_off, _counts.matching,
          _nearest.bits > _counts.farthest - :_edge,
          embeddings.id, _nearest.score, embeddings.content, embeddings.metadata
        from _counts
        left join _nearest
        left join embeddings
          on embeddings.collection_id = :_collection_id
          and embeddings.id = _nearest.id
        order by _nearest.score desc, embeddings.id
        """
    edge = _EDGE_DEVIATIONS * bits.distance_deviation(query.dimensions)
    number = max(query.number, ENOUGH_TO_TELL)
    rows = _run(db, query, sql, sample_rank=sample_rank, edge=edge, number=number)
    floor = -2.0 if query.min_score is None else query.min_score
    return Found(
        _statement(query, sql),
        [row[4:] for row in rows if row[5] is not None and row[5] >= floor][: query.number],
        candidates=rows[0][0],
        is_cut_off=bool(rows[0][1]),
        matching=rows[0][2],
        spilled=sum(row[3] or 0 for row in rows),
    )


def run_scan(db: Database, query: Query) -> Found:
    """Return the nearest of all rows that meet the conditions, by comparing each.

    Where there is no index, too.
    """
    sql = f"""
        with {_matching(query)}
        _compared as materialized (
          select
            embeddings.rowid as row,
            embeddings.id,
            case
              when {tables.holds_vector_sql("embeddings", query.dimensions)}
              then vec_distance_cosine(embeddings.embedding, :_vector)
            end as distance
          from {"_matching cross join" if query.where else ""} embeddings
          where embeddings.collection_id = :_collection_id
            {"and embeddings.rowid = _matching.row" if query.where else ""}
            and embeddings.id is not :_skip_id
            {_prefix_condition(query, "embeddings.id")}
        ),
        _nearest as materialized (
          select row, 1 - distance as score
          from _compared
          where case
              when distance <> 1 then 1
              when distance = 1 then ( -- so far is what overflows, too
                select {tables.comparable_sql("embeddings", query.dimensions)}
                from embeddings
                where embeddings.rowid = row
              )
            end
            {_above_min_score(query, "1 - distance")}
          order by score desc, id
          limit :_number
        )
        select embeddings.id, _nearest.score, embeddings.content, embeddings.metadata
        from _nearest
        join embeddings on embeddings.rowid = _nearest.row
        order by _nearest.score desc, embeddings.id
        """
    return Found(_statement(query, sql), _run(db, query, sql))


def _run(db: Database, query: Query, sql: str, **more: Any) -> list[Any]:
    """Run a statement with the arguments of a query, which its parameters name with a `:_`."""
    values = {
        "collection_id": query.collection.id,
        "vector": query.vector,
        "number": min(query.number, sys.maxsize),
        "skip_id": query.skip_id,
        "prefix": query.prefix,
        "after_prefix": _after_prefix(query.prefix),
        "min_score": query.min_score,
        **more,
    }
    if isinstance(query.where_args, dict):
        named = {f"_{name}": value for name, value in values.items()}
        taken = sorted(named.keys() & query.where_args.keys())
        if taken:
            raise InvalidInputError(
                f"where_args has {', '.join(map(repr, taken))}, which the search itself uses: "
                "take names without a _ at the beginning"
            )
        return db.execute(_statement(query, sql), {**query.where_args, **named}).fetchall()
    # The condition comes first and may have `?`, which count from 1: ours are the numbers after.
    first = len(query.where_args) + 1
    numbered, used = _numbered(sql, first)
    return db.execute(
        _statement(query, numbered), [*query.where_args, *(values[name] for name in used)]
    ).fetchall()


@lru_cache
def _numbered(sql: str, first: int) -> tuple[str, list[str]]:
    """Return a statement with numbers in place of its parameters' names, and the names in order."""
    used = list(dict.fromkeys(re.findall(r":_(\w+)", sql)))
    numbered = re.sub(r":_(\w+)", lambda found: f"?{first + used.index(found[1])}", sql)
    return numbered, used


def _statement(query: Query, sql: str) -> str:
    return sql.replace(_CONDITION, query.where or "")


def _matching(query: Query) -> str:
    """Return the SQL of a table of the rows that meet the condition, to begin a WITH clause.

    Of its own, so that the condition may use the names of all columns, and nothing else.
    """
    if not query.where:
        return ""
    return f"""_matching as not materialized (
          select rowid as row
          from embeddings
          where (
            {_CONDITION}
          )
            and collection_id = :_collection_id
            {_prefix_condition(query, "id")}
        ),"""


def _joined_to_embeddings(query: Query) -> str:
    """Return the joins that take an entry of the ids table to its row of `embeddings`."""
    if query.where:
        return """cross join embeddings
            on embeddings.collection_id = ids.collection_id
            and embeddings.id = ids.id
          cross join _matching on _matching.row = embeddings.rowid"""
    return "left join embeddings on embeddings.rowid = ids.embeddings_rowid"


def _score(query: Query) -> str:
    """Return the SQL for the score of a candidate.

    Without a condition, its row is looked up by its rowid alone, which takes half the time. A row
    that is not where it was written is looked up by its key.
    """
    if query.where:
        return "1 - vec_distance_cosine(embeddings.embedding, :_vector)"
    return """1 - vec_distance_cosine(
              iif(
                embeddings.id = ids.id and embeddings.collection_id = ids.collection_id,
                embeddings.embedding,
                (
                  select moved.embedding
                  from embeddings as moved
                  where moved.collection_id = ids.collection_id
                    and moved.id = ids.id
                )
              ),
              :_vector
            )"""


def _above_min_score(query: Query, score: str) -> str:
    return "" if query.min_score is None else f"and {score} >= :_min_score"


def _prefix_condition(query: Query, id: str) -> str:
    """Return the SQL for ids that start with the prefix, as a range that an index can answer."""
    if not query.prefix:
        return ""
    if _after_prefix(query.prefix) is None:
        return f"and {id} >= :_prefix"
    return f"and {id} >= :_prefix and {id} < :_after_prefix"


def _after_prefix(prefix: str) -> str | None:
    """Return the least text that is greater than every text with this prefix; None if none is.

    SQLite compares the bytes of UTF-8, whose order is that of the code points.
    """
    shortened = prefix.rstrip(chr(_LAST_CODE_POINT))
    if not shortened:
        return None
    following = ord(shortened[-1]) + 1
    if following == 0xD800:  # surrogates are no text
        following = 0xE000
    return shortened[:-1] + chr(following)
