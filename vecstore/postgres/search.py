"""One similarity query: which plan answers it.

    exact   the default for small collections, for those without an HNSW index, and for conditions;
            and what `exact` asks for
    graph   the default for those with an HNSW index: exact scores of what that proposes

Both are one statement. They leave out vectors that cannot be compared, order equal scores by id,
and read the text of nothing but the winners.
"""

import math
import re
import shlex
import textwrap
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

from ..query import Query, Step
from ..rows import Hit
from ..vectors import dimension_error
from . import catalog, embeddings, hnsw
from .connection import PostgresDatabase
from .vectors import Vector
from .where import read_where, translate

_MOST_ROWS = 2**63 - 1  # that LIMIT takes
_MANY_ROWS = 10_000  # from about so many on, an index is worth building

# Measured on 100,000 x 384, with the edges that hnsw.py builds: a look at 100 nodes found 0.9955 of
# the nearest ten, at 150 0.998, at 200 0.9995; of vectors with much noise 0.983, 0.9945, 0.998. Of
# the nearest hundred, 400 found 0.998. pgvector looks at 1,000 at most.
_LEAST_REACH = 150
_MOST_REACH = 1000
# Numbers of half the size, and bits even more so, put near ones in another order.
_CANDIDATES_PER_ROW = 4
_CANDIDATES_PER_ROW_OF_BITS = 20
_LEAST_CANDIDATES = 40
_PLACEHOLDER = re.compile(r"%(?:\((\w+)\)[bs]|%)")
_SCORE_SLACK = 1e-6  # of scores that are equal but for the rounding of float4
# The rounding of float2, in standard deviations, of which a score has one over the root of the
# dimensions: within that, the index cannot tell which is nearer. Of vectors whose distances are of
# 0.0001, as of one text in many versions, it found a tenth of the nearest.
_HALF_SLACK = 4 * 2**-11


class Found(NamedTuple):
    """What a plan found: its statement, and the rows, best first.

    candidates: how many rows an index proposed; None where all were compared
    may_hide_others: whether others may belong among the rows, which were not proposed
    """

    sql: str
    rows: list[Hit]
    candidates: int | None = None
    may_hide_others: bool = False


def search(db: PostgresDatabase, query: Query, steps: list[Step]) -> list[Hit]:
    """Return the rows nearest to a vector, best first.

    :param steps: an empty list that gets what was done
    :raises DimensionError: the collection has vectors, but none of this dimension
    :raises InvalidInputError: the condition is none that PostgreSQL can apply
    :raises DoesNotExist: the collection is not the one that it was
    :raises ModelMismatchError: the one of its name has another model
    """
    return catalog.read_unchanged(
        db, query.collection, lambda: read_where(db, query, lambda: _search(db, query, steps))
    )


def _search(db: PostgresDatabase, query: Query, steps: list[Step]) -> list[Hit]:
    if query.number == 0:
        return []
    wanted = _wanted_candidates(query)
    is_indexed = wanted and hnsw.has_index(db, query.collection.id, query.dimensions)
    found = None
    if is_indexed:
        found = _timed(steps, "graph", lambda: _run_graph(db, query, wanted))
    if found is None or found.may_hide_others:
        found = _timed(steps, "exact", lambda: _run_exact(db, query))
    if wanted and not is_indexed and _has_many_rows(db, query):
        steps[-1] = replace(steps[-1], advice=_advice(query))
    if not found.rows and not _has_comparable(db, query):
        steps.clear()
    return found.rows


def _wanted_candidates(query: Query) -> int:
    """Return how many rows an index should propose; 0 if all are to be compared.

    So they are where there are conditions: few of what is near may meet them.
    """
    if query.exact or query.is_filtered:
        return 0
    is_of_bits = hnsw.uses_bits(query.dimensions)
    per_row = _CANDIDATES_PER_ROW_OF_BITS if is_of_bits else _CANDIDATES_PER_ROW
    wanted = max(_LEAST_CANDIDATES, query.number * per_row) + (query.skip_id is not None)
    return wanted if wanted <= _MOST_REACH else 0


def _has_comparable(db: PostgresDatabase, query: Query) -> bool:
    """Return whether the vector can be compared with any; DimensionError if none is as long."""
    found = embeddings.find_dimensions(db, query.collection.id, query.dimensions)
    if found is not None and found != query.dimensions:
        raise dimension_error("The vector", query.dimensions, found)
    [[has_direction]] = db.rows(
        f"select {_has_direction('%(vector)b')}", {"vector": Vector(query.vector)}
    )
    return found is not None and has_direction


def _timed(steps: list[Step], plan: str, run: Callable[[], Found]) -> Found:
    started = time.perf_counter()
    found = run()
    seconds = time.perf_counter() - started
    sql = as_shown(found.sql)
    steps.append(Step(plan, sql, seconds, len(found.rows), found.candidates))
    return found


def as_shown(sql: str) -> str:
    """Return a statement as people read it: with :name in place of psycopg's placeholders."""
    return _PLACEHOLDER.sub(lambda found: f":{found[1]}" if found[1] else "%", sql)


def _advice(query: Query) -> str:
    return (
        "All vectors were compared. An index may propose those that are near: build_graph(), or "
        f"vecstore index build -d URL --graph {shlex.quote(query.collection.name)}"
    )


def _has_many_rows(db: PostgresDatabase, query: Query) -> bool:
    """Return whether a collection has many rows, from what the planner knows if that is few."""
    [[about]] = db.rows("select reltuples from pg_class where oid = to_regclass('embeddings')")
    if 0 <= about < _MANY_ROWS:  # -1 if it does not know
        return False
    [[number]] = db.rows(
        f"""
        select count(*)
        from (select from embeddings where collection_id = %s limit {_MANY_ROWS}) as _first
        """,
        [query.collection.id],
    )
    return bool(number == _MANY_ROWS)


def _run_exact(db: PostgresDatabase, query: Query) -> Found:
    """Return the nearest of all rows that meet the conditions, by comparing each."""
    sql = f"""
        with {matching_table(query)}
        _compared as (
          select id, content, metadata, embedding, embedding <=> %(_vector)b as distance
          from _matching
          where {row_conditions(query)}
          {"" if db.is_on_shards() else "offset 0 -- computes each distance once"}
        )
        select id, 1 - distance, content, metadata::text
        from _compared
        where {is_comparable("distance", "embedding")}
          and {_has_direction("%(_vector)b")}
          {above_min_score(query)}
        order by distance, id
        limit {min(query.number, _MOST_ROWS)}
        """
    return Found(sql, db.rows(sql, values_of(query)))


def _run_graph(db: PostgresDatabase, query: Query, wanted: int) -> Found:
    """Return the nearest of the candidates: rows that the index proposes."""
    dimensions, operator = query.dimensions, hnsw.distance_operator(query.dimensions)
    sql = f"""
        with _proposed as materialized (
          select id, content, metadata, embedding, embedding <=> %(_vector)b as distance
          from embeddings
          where collection_id = {query.collection.id}
            and vector_dims(embedding) = {dimensions}
          order by {hnsw.indexed_sql("embedding", dimensions)}
            {operator} {hnsw.indexed_sql("%(_vector)b", dimensions)}
          limit {wanted}
        ),
        _compared as materialized (
          select id, content, metadata, distance
          from _proposed
          where {" and ".join([is_comparable("distance", "embedding"), *id_conditions(query)])}
        ),
        _nearest as (
          select id, distance, content, metadata
          from _compared
          where {_has_direction("%(_vector)b")}
            {above_min_score(query)}
          order by distance, id
          limit {query.number}
        )
        select
          (select count(*) from _proposed),
          _all.number,
          1 - _all.farthest,
          id, 1 - distance, content, metadata::text
        from (select count(*) as number, max(distance) as farthest from _compared) as _all
        left join _nearest on true
        order by distance, id
        """
    # Sorting all would be the other way to what is nearest, which the planner takes for faster
    # among few. Where some that are near were deleted, the index is asked on.
    settings = {
        "hnsw.ef_search": max(_LEAST_REACH, wanted),
        "hnsw.iterative_scan": "relaxed_order",
        "enable_sort": "off",
    }
    with db.reading_at_once():
        for name, value in settings.items():
            db.run(f"set local {name} = {value}")
        rows = db.rows(sql, values_of(query))
    proposed, compared, farthest = rows[0][:3]
    hits = [row[3:] for row in rows if row[3] is not None]
    # So it is where all was proposed that the index has, or leads to; and where the last place is
    # shared by more than that, as ids decide among equals.
    may_hide_others = proposed < wanted or compared < query.number
    least = hits[-1][1] if len(hits) == query.number else query.min_score
    if least is not None and farthest is not None:
        may_hide_others |= least - farthest <= _slack(dimensions)
    shown = "".join(f"-- set local {name} = {value}\n" for name, value in settings.items())
    return Found(shown + textwrap.dedent(sql), hits, proposed, may_hide_others)


def _slack(dimensions: int) -> float:
    """Return by how much scores must differ, for their order to be that of an index."""
    if hnsw.uses_bits(dimensions):
        return _SCORE_SLACK
    return max(_SCORE_SLACK, _HALF_SLACK / math.sqrt(dimensions))


def matching_table(query: Query) -> str:
    """Return the SQL of a table of the rows that meet the condition, to begin a WITH clause.

    The condition is alone in its WHERE: what closes its parenthesis and opens another, as in
    "a) or (b", is one condition nevertheless. It comes first, so that its parameters do.
    """
    condition = translate(query)
    where = f"where (\n            {condition.sql}\n          )" if condition else ""
    return f"""_matching as (
          select *
          from embeddings
          {where}
        ),"""


def row_conditions(query: Query) -> str:
    """Return the SQL for the rows of a collection that a query asks for, but for its condition.

    The collection and the dimension are literals: so the planner knows which index is of them.
    """
    lines = [
        f"collection_id = {query.collection.id}",
        f"vector_dims(embedding) = {query.dimensions}",
        *id_conditions(query),
    ]
    return "\n            and ".join(lines)


def id_conditions(query: Query) -> list[str]:
    """Return the SQL of the conditions that are about ids."""
    conditions = []
    if query.prefix:
        # No id has a NUL, and none can be asked for.
        conditions.append("false" if "\0" in query.prefix else "starts_with(id, %(_prefix)s)")
    if query.skip_id is not None and "\0" not in query.skip_id:
        conditions.append("id <> %(_skip_id)s")
    return conditions


def is_comparable(distance: str, vector: str) -> str:
    """Return the SQL condition that a distance is one.

    It is NaN for a vector without direction. One whose squares are too large or too small for
    float4 seems to be at one of three distances; only its distance to itself is NaN.
    """
    return (
        f"case when {distance} in (0, 1, 2) then {_has_direction(vector)} "
        f"else {distance} <> 'NaN' end"
    )


def _has_direction(vector: str) -> str:
    return f"{vector} <=> {vector} <> 'NaN'"


def above_min_score(query: Query) -> str:
    """Return the SQL that goes on with the condition that a score is high enough."""
    return "" if query.min_score is None else "and 1 - distance >= %(_min_score)s"


def values_of(query: Query) -> dict[str, Any]:
    """Return the values of a statement's parameters by name."""
    condition = translate(query)
    return {
        **(condition.args if condition else {}),
        "_vector": Vector(query.vector),
        "_prefix": query.prefix,
        "_skip_id": query.skip_id,
        "_min_score": query.min_score,
    }


def find_ids(db: PostgresDatabase, query: Query) -> list[str]:
    """Return the ids of a collection that meet the conditions of a query, in order.

    Its vector is not used.

    :raises InvalidInputError: the condition is none that PostgreSQL can apply
    :raises DoesNotExist: the collection is not the one that it was
    :raises ModelMismatchError: the one of its name has another model
    """
    return catalog.read_unchanged(
        db, query.collection, lambda: read_where(db, query, lambda: _select_ids(db, query))
    )


def _select_ids(db: PostgresDatabase, query: Query) -> list[str]:
    conditions = [f"collection_id = {query.collection.id}", *id_conditions(query)]
    sql = f"""
        with {matching_table(query).rstrip(",")}
        select id
        from _matching
        where {" and ".join(conditions)}
        order by id
        """
    return [id for (id,) in db.rows(sql, values_of(query))]
