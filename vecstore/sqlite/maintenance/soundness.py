"""Whether a database is in a state to be worked on as a whole."""

from ...errors import DatabaseError
from ..connection.database import Database


def refuse_transaction(db: Database, what: str) -> None:
    """Raise DatabaseError if the caller has a transaction open."""
    if db.conn.in_transaction:
        raise DatabaseError(f"{what} while a transaction is open: commit it first")


def integrity_errors(db: Database, schema: str = "main") -> list[str]:
    """Return what SQLite finds wrong with the pages of a file."""
    try:
        found = [str(message) for (message,) in db.execute(f"pragma {schema}.integrity_check")]
    except db.conn.OperationalError:
        raise
    except db.conn.DatabaseError as error:  # it could not go on
        return [str(error)]
    return [] if found == ["ok"] else found
