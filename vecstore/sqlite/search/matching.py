"""The ids of the rows that meet conditions, in order: a search without a vector."""

from functools import partial

from ...query import Query
from .. import catalog, transactions
from ..connection.database import Database
from .prefixes import prefix_condition
from .statement_parts import condition_sql, run
from .where import explain_where_errors


def find_ids(db: Database, query: Query) -> list[str]:
    """Return the ids of a collection that meet the conditions of a query, whose vector is not used.

    :raises InvalidInputError: the condition is none that SQLite can apply
    :raises DoesNotExist: the collection is not the one that it was
    :raises ModelMismatchError: the one of its name has another model
    """
    read = partial(catalog.read_unchanged, db, query.collection, lambda _: _select_ids(db, query))
    if not query.where:
        return read()
    with transactions.query_only(db):
        return read()


def _select_ids(db: Database, query: Query) -> list[str]:
    # The condition is alone in its WHERE: what closes its parenthesis and opens another, as in
    # "a) or (b", is one condition nevertheless.
    sql = f"""
        with _matching as not materialized (
          select id, collection_id
          from embeddings
          where {condition_sql(query)}
        )
        select id
        from _matching
        where collection_id = :_collection_id
          and id is not null
          {prefix_condition(query, "id")}
        order by id
        """
    with explain_where_errors(db, query):
        return [id for (id,) in run(db, query, sql)]
