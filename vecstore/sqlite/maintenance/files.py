"""Opens the databases that maintenance is for."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlite_utils import Database

from ...errors import DatabaseError, MissingFileError
from .. import databases
from ..connection import pragmas
from ..connection.sqlite_errors import RAISING_OUR_ERRORS

CheckProgress = Callable[
    [int, int], object
]  # is called with how much is done, and how much there is


@contextmanager
def opened_database(
    db: Database | str | Path, *, read_only: bool = False, create: bool = False
) -> Iterator[Database]:
    """Give a Database that can run vec0; one that is opened here, for a path, is closed at the end.

    :raises MissingFileError: there is no such file, and it is not to be created
    """
    if isinstance(db, Database):
        databases.adopt(db)
        with RAISING_OUR_ERRORS:
            yield db
        return
    if not create and not Path(db).exists():
        raise MissingFileError(f"The file {db} does not exist")
    opener = databases.connect_to_read if read_only else databases.connect
    with closing(opener(db)) as new, RAISING_OUR_ERRORS:
        pragmas.unmap_file(new.conn)
        yield new


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
