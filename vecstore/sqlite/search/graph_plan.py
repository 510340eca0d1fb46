"""The plan that compares what a graph proposes: one SQL statement, as the others are."""

import json

from ...query import Query
from ...rows import Hit
from ..connection.database import Database
from ..index import graphs
from ..index.graphs import Standing
from ..index.open_graphs import Proposals
from ..index.usable import UsableIndex
from .plans import Found
from .prefixes import prefix_condition
from .statement_parts import (
    candidate_score,
    changed_tables,
    is_current,
    join_to_embeddings,
    matching_table,
    or_fresh,
    run,
    statement,
)

_PROPOSED_A_COMPARED = 2  # entries that a graph proposes, as some will have changed since
_RANKS_PER_EDGE = 5  # of what a graph proposes, the last
_MOST_EQUALS = 32  # that a graph leads to for sure: a node has as many edges, or more
_SCORE_SLACK = 1e-6


def run_graph(
    db: Database, query: Query, index: UsableIndex, proposals: Proposals, most: int
) -> tuple[Found, Standing]:
    """Return the nearest of what a graph proposes, and of what is fresh and not in it.

    And how the graph stands at the moment that this was read: it may be another by then.

    :param most: how many of what it proposes are compared, without what has changed once more
    """
    names = index.names
    of_collection = f"from {names.fresh} where collection_id = :_collection_id"
    sql = f"""
        with {matching_table(query)}
        {changed_tables(query, index)}
        _proposed as materialized (
          select entry, rank
          from (
            select
              key as rank,
              case
                when value < 0
                then (select entry {of_collection} and version = -value)
                when not exists (select 1 {of_collection} and entry = value)
                then value
              end as entry
            from json_each(:_candidates)
          )
          where entry is not null
          limit :_most
        ),
        _to_compare as not materialized (
          select entry, rank
          from _proposed
          union all
          select entry, null
          {of_collection}
            and version > :_added
        ),
        _compared as materialized (
          select
            ids.id,
            _to_compare.rank,
            {candidate_score(query)} as score
          from _to_compare
          cross join {names.ids} as ids on ids.rowid = _to_compare.entry
          {join_to_embeddings(query)}
          where ids.collection_id = :_collection_id
            and {is_current(index)}
            and ids.id is not :_skip_id
            {prefix_condition(query, "ids.id")}
          {or_fresh(index, "id, null, score")}
        ),
        _nearest as materialized (
          select id, rank, score
          from _compared
          order by score desc, id
          limit :_number
        )
        select
          {graphs.standing_sql(names, ":_collection_id", ":_added")},
          (select count(rank) from _compared),
          _nearest.rank * {_RANKS_PER_EDGE} > {_RANKS_PER_EDGE - 1} * (
            select max(rank)
            from _proposed
          ),
          embeddings.id, _nearest.score, embeddings.content, embeddings.metadata
        from (select 1)
        left join _nearest
        left join embeddings
          on embeddings.collection_id = :_collection_id
          and embeddings.id = _nearest.id
        order by _nearest.score desc, embeddings.id
        """
    rows = run(
        db,
        query,
        sql,
        candidates=json.dumps(proposals.candidates[: _PROPOSED_A_COMPARED * most]),
        added=proposals.added,
        most=most,
        seq=index.seq,
    )
    floor = -2.0 if query.min_score is None else query.min_score
    found = Found(
        statement(query, sql),
        [row[5:] for row in rows if row[6] is not None and row[6] >= floor],
        candidates=len(proposals.candidates),
        matching=rows[0][3],
        spilled=sum(row[4] or 0 for row in rows),
    )
    token, newest, last_added = rows[0][:3]
    return found, Standing(token, newest, last_added, unadded=0)


def may_hide_equals(rows: list[Hit]) -> bool:
    """Return whether more vectors are the same than a node of a graph has edges, but for the last.

    Such vectors lead to one another alone, and so may not lead to all of them.
    """
    scores = [score for _, score, *_ in rows]
    return any(
        first - equal < _SCORE_SLACK and equal - scores[-1] > _SCORE_SLACK
        for first, equal in zip(scores, scores[_MOST_EQUALS:], strict=False)
    )
