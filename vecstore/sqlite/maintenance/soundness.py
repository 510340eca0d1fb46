"""Whether a database is in a state to be worked on as a whole."""

from sqlite_utils import Database

from ...errors import DatabaseError


def refuse_transaction(db: Database, what: str) -> None:
    """Raise DatabaseError if the caller has a transaction open."""
    if db.conn.in_transaction:
        raise DatabaseError(f"{what} while a transaction is open: commit it first")


def integrity_errors(db: Database) -> list[str]:
    """Return what SQLite finds wrong with the pages of a file."""
    try:
        found = [str(message) for (message,) in db.execute("pragma main.integrity_check")]
    except db.conn.OperationalError:
        raise
    except db.conn.DatabaseError as error:  # it could not go on
        return [str(error)]
    return [] if found == ["ok"] else found
