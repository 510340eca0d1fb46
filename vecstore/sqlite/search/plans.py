"""The four ways to answer a query, each one SQL statement.

    exact   KNN in the vec0 table of the vectors
    fast    candidates from the vec0 table of their bits, re-scored exactly
    graph   candidates from a graph, re-scored exactly
    scan    vec_distance_cosine over rows of `embeddings`

All order equal scores by id, fetch the text of nothing but the winners, and leave out rows whose
vector cannot be compared. Their own tables have names with a _, for a condition sees them, and
means those of the file.
"""

import math
from dataclasses import dataclass

from ...query import Query
from ...rows import Hit
from ..connection.database import Database
from ..index import bits, tables
from ..index.usable import UsableIndex
from .prefixes import prefix_condition
from .statement_parts import (
    above_min_score,
    candidate_score,
    changed_tables,
    is_current,
    join_to_embeddings,
    matching_table,
    or_fresh,
    run,
    statement,
)

MAX_K = 4096  # of vec0
ENOUGH_TO_TELL = 10  # where fewer of the nearest lie says little of the bits
# All measured, for a recall of 0.99. Deviations are standard ones, of the distance of bits.
_EDGE_DEVIATIONS = 0.5
_MARGIN_DEVIATIONS = 1.5  # from the distance of nine in ten of the best to that of their equals
_NUMBER_PER_OUTLIER = 10
_TELLING_SHARE = 0.75  # of the sample: its best tell how far to read
_NEAR_WEIGHT = 0.3  # of the farthest of the sample, where the rest is the mean of its best


class OrphanError(Exception):
    """An index has a vector whose entry is gone: whoever wrote to its tables, it is out of step."""


@dataclass(frozen=True)
class Found:
    """What a plan found: the rows, best first, and what it took.

    candidates: rows that were compared exactly, or would have been but for the conditions
    read: rows whose bits were near enough to be read
    matching: those of the candidates that meet the conditions
    is_cut_off: whether there are more rows than vec0 returns that are as near by their bits
    spilled: how many of the nearest are by their bits, or by a graph, among the farthest that
        were read, so that there may be others beyond
    """

    sql: str
    rows: list[Hit]
    candidates: int | None = None
    read: int = 0
    matching: int = 0
    is_cut_off: bool = False
    spilled: int = 0


def run_exact(
    db: Database, query: Query, index: UsableIndex, k: int, farthest: float | None = None
) -> Found:
    """Return the k nearest rows, or those of them within a distance, without skip_id.

    For a query that is not filtered: vec0 takes the nearest before any other condition.
    """
    sql = f"""
        with {changed_tables(query, index)}
        _nearest as materialized (
          select rowid, 1 - distance as score
          from {index.names.vectors}
          where embedding match :_vector
            and partition_id = :_collection_id
            and k = :_k
            {"" if farthest is None else "and distance <= :_farthest"}
        ),
        _scored as not materialized (
          select ids.id, _nearest.score
          from _nearest
          left join {index.names.ids} as ids on ids.rowid = _nearest.rowid
          where {is_current(index)}
          {or_fresh(index, "id, score")}
        )
        select embeddings.id, _scored.score, embeddings.content, embeddings.metadata
        from _scored
        left join embeddings
          on embeddings.collection_id = :_collection_id
          and embeddings.id = _scored.id
        where (embeddings.id is null or embeddings.id is not :_skip_id)
          {above_min_score(query, "_scored.score")}
        order by _scored.score desc, embeddings.id
        """
    rows = run(db, query, sql, k=k, farthest=farthest, seq=index.seq)
    if any(id is None for id, *_ in rows):
        raise OrphanError
    return Found(statement(query, sql), rows)


def run_fast(db: Database, query: Query, index: UsableIndex, sample_rank: int) -> Found:
    """Return the nearest of the candidates: the rows whose bits differ least from the vector's.

    First those as near as the one of that rank in the sample, so there are about
    `tables.ROWS_PER_SAMPLE` times as many as it says, whatever the distances of this query. The
    bits of the best of these tell how much farther the candidates go, and the best of the sample
    how far the bits are read, so that they are read once.

    Where rows must meet a condition, few may be left to tell anything: there the first are all.
    """
    knn = f"""select rowid, distance
          from {index.names.bits}
          where embedding match vec_bit({bits.bits_sql(":_vector", query.dimensions)})
            and partition_id = :_collection_id"""
    near = "(select max(+distance) from _sample)"
    reach, needed = near, near
    if not query.is_filtered:
        reach = f"""coalesce(
              max({near}, {_NEAR_WEIGHT} * {near} + :_reach_margin + {1 - _NEAR_WEIGHT} * (
                select avg(bits)
                from (select bits from _sample_compared order by score desc limit :_telling)
              )),
              {near}
            )"""
        needed = "(select bits + :_margin from _best order by bits desc limit 1 offset :_outliers)"
    sql = f"""
        with {matching_table(query)}
        {changed_tables(query, index)}
        _sample as materialized (
          {knn}
            and sample = 1
            and k = :_sample_rank
        ),
        _sample_compared as materialized (
          {_compared(query, index, "_sample")}
        ),
        _rest as materialized (
          {knn}
            and sample = 0
            and distance <= {reach}
            and k = {MAX_K}
        ),
        _near as {"materialized" if query.is_filtered else "not materialized"} (
          select id, bits, score from _sample_compared
          union all
          {_compared(query, index, "_rest")}
            and _rest.distance <= {near}
        ),
        _best as materialized (
          select id, bits, score
          from _near
          order by score desc, id
          limit :_number
        ),
        _nearest as materialized (
          select id, bits, score from _best
          union all
          {_compared(query, index, "_rest")}
            and _rest.distance > {near}
            and _rest.distance <= {needed}
          {or_fresh(index, "id, null, score")}
          order by score desc, id
          limit :_number
        )
        select
          (select count(*) from _sample),
          (select count(*) from _rest),
          (select count(*) from _rest where distance <= {near} or distance <= {needed}),
          {"(select count(*) from _near)" if query.is_filtered else "null"},
          {near},
          (select max(distance) from _rest),
          _nearest.bits,
          embeddings.id, _nearest.score, embeddings.content, embeddings.metadata
        from (select 1)
        left join _nearest
        left join embeddings
          on embeddings.collection_id = :_collection_id
          and embeddings.id = _nearest.id
        order by _nearest.score desc, embeddings.id
        """
    deviation = bits.distance_deviation(query.dimensions)
    number = max(query.number, ENOUGH_TO_TELL)
    rows = run(
        db,
        query,
        sql,
        sample_rank=sample_rank,
        telling=math.ceil(_TELLING_SHARE * sample_rank),
        reach_margin=_reach_deviations(number) * deviation,
        margin=_MARGIN_DEVIATIONS * deviation,
        outliers=number // _NUMBER_PER_OUTLIER,
        number=number,
        seq=index.seq,
    )
    sampled, rest, compared, matching, near, farthest, *_ = rows[0]
    edge = max(near or 0, farthest or 0) - _EDGE_DEVIATIONS * deviation
    floor = -2.0 if query.min_score is None else query.min_score
    return Found(
        statement(query, sql),
        [row[7:] for row in rows if row[8] is not None and row[8] >= floor][: query.number],
        read=sampled + rest,
        candidates=sampled + compared,
        matching=sampled + compared if matching is None else matching,
        is_cut_off=rest == MAX_K and farthest <= near,
        spilled=sum(row[6] is not None and row[6] > edge for row in rows),
    )


def _reach_deviations(number: int) -> float:
    """Return how much farther than the sample says the bits are read: for more rows, more."""
    return 1 + math.log10(number) / 4


def _compared(query: Query, index: UsableIndex, candidates: str) -> str:
    """Return the SQL for the scores of candidates, which more conditions may follow."""
    return f"""select ids.id, {candidates}.distance as bits, {candidate_score(query)} as score
          from {candidates}
          cross join {index.names.ids} as ids on ids.rowid = {candidates}.rowid
          {join_to_embeddings(query)}
          where {is_current(index)}
            and ids.id is not :_skip_id
            {prefix_condition(query, "ids.id")}"""


def run_scan(db: Database, query: Query, *, by_key: bool = True) -> Found:
    """Return the nearest of all rows that meet the conditions, by comparing each.

    Where there is no index, too.

    :param by_key: as in matching_rows_sql()
    """
    sql = f"""
        with {matching_table(query, by_key=by_key)}
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
            {prefix_condition(query, "embeddings.id")}
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
            {above_min_score(query, "1 - distance")}
          order by score desc, id
          limit :_number
        )
        select embeddings.id, _nearest.score, embeddings.content, embeddings.metadata
        from _nearest
        join embeddings on embeddings.rowid = _nearest.row
        order by _nearest.score desc, embeddings.id
        """
    return Found(statement(query, sql), run(db, query, sql))
