"""Opens the store that keeps the collections of a database."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from .sqlite import databases
from .sqlite.connection.database import Database, is_database
from .sqlite.store import SqliteStore
from .store import Store

__all__ = ["Database", "has_collection", "open_store", "opened_store"]


def open_store(db: Database | str | Path | None, *, may_create: bool = False) -> Store:
    """Return the store of a Database, of the file with a path, or of a new one in memory for None.

    :raises MissingFileError: there is no such file, and it is not to be created
    """
    return SqliteStore(databases.open_or_adopt(db, may_create=may_create))


@contextmanager
def opened_store(
    db: Database | str | Path, *, read_only: bool = False, create: bool = False
) -> Iterator[Store]:
    """Give the store of a Database or a file; what is opened here is closed after the block.

    :raises MissingFileError: there is no such file, and it is not to be created
    """
    with databases.opened_database(db, read_only=read_only, create=create) as opened:
        yield SqliteStore(opened)


def has_collection(db: Database | str | Path, name: str) -> bool:
    """Return whether a database has a collection of that name; nothing is written."""
    if is_database(db):
        return SqliteStore(db).find(name) is not None
    if not Path(db).exists():
        return False
    with closing(databases.connect_to_read(db)) as opened:
        return SqliteStore(opened).find(name) is not None
