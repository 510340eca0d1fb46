"""The prefixes of collections, in a table beside theirs: what is put before queries and documents.

Triggers on `collections`, which any SQLite runs, see to it that no collection has those of another
that had its id before.
"""

from typing import Any

from ..prefixes import Prefixes
from .connection import sqlite_errors
from .connection.database import Database

MIGRATION = "0011_prefixes"
TABLE = "vecstore_prefixes"


def find(db: Database, collection_id: int) -> Prefixes:
    """Return the prefixes of a collection; an older file, for reading only, has none."""
    rows = _read(
        db,
        f"""
        select query_prefix, document_prefix
        from main.{TABLE}
        where collection_id = ?
        """,
        [collection_id],
    )
    return Prefixes(*rows[0]) if rows else Prefixes()


def find_all(db: Database) -> dict[str, Prefixes]:
    """Return the prefixes of the collections that have some, by their names."""
    found = _read(
        db,
        f"""
        select name, query_prefix, document_prefix
        from main.{TABLE}
        join main.collections on id = collection_id
        """,
        [],
    )
    return {name: Prefixes(*prefixes) for name, *prefixes in found}


def put(db: Database, collection_id: int, prefixes: Prefixes) -> None:
    """Write the prefixes of a collection, in place of its own. Belongs inside a transaction."""
    # No upsert: the triggers of sqlite-utils enable-counts fail in one.
    db.execute(f"delete from main.{TABLE} where collection_id = ?", [collection_id])
    if prefixes != Prefixes():
        db.execute(
            f"""
            insert into main.{TABLE} (collection_id, query_prefix, document_prefix)
            values (?, ?, ?)
            """,
            [collection_id, *prefixes],
        )


def _read(db: Database, sql: str, args: list[int]) -> list[tuple[Any, ...]]:
    try:
        found: list[tuple[Any, ...]] = db.execute(sql, args).fetchall()
    except db.conn.OperationalError as error:
        if sqlite_errors.says(error, f"{sqlite_errors.NO_SUCH_TABLE}: main.{TABLE}"):
            return []
        raise
    return found
