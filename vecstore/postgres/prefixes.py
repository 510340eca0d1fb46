"""The prefixes of collections: what is put before queries and documents, in a table beside."""

from ..errors import InvalidInputError
from ..prefixes import Prefixes
from ..values import quote
from .connection import PostgresDatabase


def find(db: PostgresDatabase, collection_id: int) -> Prefixes:
    """Return the prefixes of a collection."""
    rows = db.rows(
        """
        select query_prefix, document_prefix
        from vecstore_prefixes
        where collection_id = %s
        """,
        [collection_id],
    )
    return Prefixes(*rows[0]) if rows else Prefixes()


def find_all(db: PostgresDatabase) -> dict[str, Prefixes]:
    """Return the prefixes of the collections that have some, by their names."""
    rows = db.rows(
        """
        select name, query_prefix, document_prefix
        from vecstore_prefixes
        join collections on id = collection_id
        """
    )
    return {name: Prefixes(*prefixes) for name, *prefixes in rows}


def put(db: PostgresDatabase, collection_id: int, prefixes: Prefixes) -> None:
    """Write the prefixes of a collection, in place of its own. Belongs inside a transaction.

    :raises InvalidInputError: PostgreSQL cannot hold one
    """
    for prefix in prefixes:
        if prefix is not None and "\0" in prefix:
            raise InvalidInputError(
                f"The prefix {quote(prefix)} has a NUL character, which PostgreSQL's text cannot "
                "hold"
            )
    db.run("delete from vecstore_prefixes where collection_id = %s", [collection_id])
    if prefixes != Prefixes():
        db.run(
            """
            insert into vecstore_prefixes (collection_id, query_prefix, document_prefix)
            values (%s, %s, %s)
            """,
            [collection_id, *prefixes],
        )
