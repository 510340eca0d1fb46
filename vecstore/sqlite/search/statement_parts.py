"""What the statements of a search have in common, and how they are run with a query's values.

Our own tables have names with a _, for a condition sees them, and means those of the file.
"""

import re
import sys
from functools import lru_cache
from typing import Any

from ...errors import InvalidInputError
from ...query import Query
from .. import journal
from ..connection.database import Database
from ..index import tables
from ..index.usable import UsableIndex
from .prefixes import after_prefix, prefix_condition

_CONDITION = "\0"  # stands for it in SQL until our parameters have their names or numbers


def run(db: Database, query: Query, sql: str, **more: Any) -> list[Any]:
    """Run a statement with the arguments of a query, which its parameters name with a `:_`."""
    values = {
        "collection_id": query.collection.id,
        "vector": query.vector,
        "number": min(query.number, sys.maxsize),
        "skip_id": query.skip_id,
        "prefix": query.prefix,
        "after_prefix": after_prefix(query.prefix),
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
        return db.execute(statement(query, sql), {**query.where_args, **named}).fetchall()
    # The condition comes first and may have `?`, which count from 1: ours are the numbers after.
    first = len(query.where_args) + 1
    numbered, used = _numbered(sql, first)
    return db.execute(
        statement(query, numbered), [*query.where_args, *(values[name] for name in used)]
    ).fetchall()


@lru_cache
def _numbered(sql: str, first: int) -> tuple[str, list[str]]:
    """Return a statement with numbers in place of its parameters' names, and the names in order."""
    used = list(dict.fromkeys(re.findall(r":_(\w+)", sql)))
    numbered = re.sub(r":_(\w+)", lambda found: f"?{first + used.index(found[1])}", sql)
    return numbered, used


def statement(query: Query, sql: str) -> str:
    """Return a statement with the condition of a query in its place."""
    return sql.replace(_CONDITION, query.where or "")


def matching_table(query: Query, *, by_key: bool = True) -> str:
    """Return the SQL of a table of the rows that meet the condition, to begin a WITH clause.

    Of its own, so that the condition may use the names of all columns, and nothing else.
    """
    rows = matching_rows_sql(query, by_key=by_key)
    return f"_matching as not materialized ({rows})," if query.where else ""


def matching_rows_sql(query: Query, *, by_key: bool = True) -> str:
    """Return the SQL for the rows of a collection that meet the conditions of a query.

    :param by_key: False keeps SQLite from finding them by the key of the collection
    """
    return f"""
          select rowid as row, embedding
          from embeddings
          where {condition_sql(query)}
            and {"" if by_key else "+"}collection_id = :_collection_id
            {prefix_condition(query, "id")}
        """


def condition_sql(query: Query) -> str:
    """Return the SQL of the condition of a query, to begin what a row of `embeddings` must meet."""
    # On a line of its own: it may end with a comment.
    return f"(\n            {_CONDITION}\n          )" if query.where else "true"


def changed_tables(query: Query, index: UsableIndex) -> str:
    """Return the SQL of tables of what an index is behind with, to go on with a WITH clause.

    The keys that were changed, and the rows of these that can be compared, with their scores.
    """
    if not index.behind:
        return ""
    return f"""_changed as materialized (
          {journal.changed_keys_sql(":_seq")}
            and collection_id = :_collection_id
        ),
        _fresh as materialized (
          select
            embeddings.id,
            1 - vec_distance_cosine(embeddings.embedding, :_vector) as score
          from _changed
          cross join embeddings
            on embeddings.collection_id = _changed.collection_id
            and embeddings.id = _changed.id
          {"cross join _matching on _matching.row = embeddings.rowid" if query.where else ""}
          where {tables.comparable_sql("embeddings", query.dimensions)}
            and embeddings.id is not :_skip_id
            {prefix_condition(query, "embeddings.id")}
        ),"""


def is_current(index: UsableIndex) -> str:
    """Return the SQL condition that the index has an entry as it is in the table."""
    if not index.behind:
        return "true"
    return "(ids.id is null or ids.id not in (select id from _changed))"


def or_fresh(index: UsableIndex, columns: str) -> str:
    """Return the SQL that adds the rows which the index does not have as they are."""
    return f"union all select {columns} from _fresh" if index.behind else ""


def join_to_embeddings(query: Query) -> str:
    """Return the joins that take an entry of the ids table to its row of `embeddings`."""
    if query.where:
        # Where it was written is looked at first: a rowid is found in half the time of a key.
        return """cross join _matching on _matching.row = coalesce(
            (
              select there.rowid
              from embeddings as there
              where there.rowid = ids.embeddings_rowid
                and there.id = ids.id
                and there.collection_id = ids.collection_id
            ),
            (
              select moved.rowid
              from embeddings as moved
              where moved.collection_id = ids.collection_id
                and moved.id = ids.id
            )
          )"""
    return "left join embeddings on embeddings.rowid = ids.embeddings_rowid"


def candidate_score(query: Query) -> str:
    """Return the SQL for the score of a candidate.

    Without a condition, its row is looked up by its rowid alone, which takes half the time. A row
    that is not where it was written is looked up by its key.
    """
    if query.where:
        return "1 - vec_distance_cosine(_matching.embedding, :_vector)"
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


def above_min_score(query: Query, score: str) -> str:
    """Return the SQL that goes on with the condition that a score is high enough."""
    return "" if query.min_score is None else f"and {score} >= :_min_score"
