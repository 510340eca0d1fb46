"""Whether a database is in a state to be worked on as a whole."""

import re

from ...errors import DatabaseError
from ..connection.database import Database
from ..connection.identifiers import quote_identifier
from ..index_names import KEYWORD_TABLE

_OF_FTS5 = re.compile("fts5: |.* for FTS5 table ")
_CANNOT_OPEN = re.compile(f"vtable constructor failed: {KEYWORD_TABLE}|invalid fts5 file format")


def refuse_transaction(db: Database, what: str) -> None:
    """Raise DatabaseError if the caller has a transaction open."""
    if db.conn.in_transaction:
        raise DatabaseError(f"{what} while a transaction is open: commit it first")


def integrity_errors(db: Database, schema: str = "main") -> list[str]:
    """Return what SQLite finds wrong with the pages of a file.

    From 3.44 on it has FTS5 look at its tables, too. What that says of the keyword index is left
    out: it is no damage of the file, and made anew.
    """
    found, is_whole = _check_integrity(db, f"pragma {schema}.integrity_check")
    if not is_whole:
        # FTS5 cannot open its table, so that SQLite has checked none: one by one, it can.
        tables = db.execute(
            f"""
            select name
            from {schema}.sqlite_master
            where type = 'table'
              and rootpage
            """
        )
        for (table,) in tables.fetchall():
            found += _check_integrity(
                db, f"pragma {schema}.integrity_check({quote_identifier(table)})"
            )[0]
    return [message for message in found if message != "ok" and not _is_of_keywords(message)]


def _check_integrity(db: Database, sql: str) -> tuple[list[str], bool]:
    """Return what a pragma finds, and whether FTS5 could open its table for that."""
    found: list[str] = []
    try:
        for (message,) in db.execute(sql):
            found.append(str(message))
    except db.conn.OperationalError as error:
        if _CANNOT_OPEN.match(str(error)):
            return [], False
        raise
    except db.conn.DatabaseError as error:  # it could not go on
        if not _is_of_keywords(str(error)):
            return [str(error)], True
    return found, True


def _is_of_keywords(message: str) -> bool:
    return KEYWORD_TABLE in message and bool(_OF_FTS5.match(message))
