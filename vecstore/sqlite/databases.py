"""Opens and adopts databases: what users hold has sqlite-vec, our settings and our functions."""

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DatabaseError, InvalidInputError, MissingFileError
from ..postgres_url import is_url, refuse_misspelt, without_password
from . import functions
from .connection import adoption, opening, pragmas, rights, turns
from .connection.database import Database, is_database, to_sqlite_utils, wrap_connection
from .connection.opening import Driver
from .connection.sqlite_errors import RAISING_OUR_ERRORS
from .index import beside

if TYPE_CHECKING:
    import sqlite_utils


def connect(
    path: str | Path | None = None,
    *,
    driver: Driver = "auto",
    read_only: bool = False,
    timeout: float = 5.0,
) -> "sqlite_utils.Database":
    """Open a SQLite file, or a new database in memory, with sqlite-vec loaded.

    A file that does not exist is created, in WAL mode. No table is: a Collection does that.

    :param path: the file; without it, or with ":memory:", the database is in memory
    :param driver: "sqlite3" is the module that sqlite-utils uses, "apsw" an SQLite of its own that
      loads extensions everywhere; "auto" is the first where that can load extensions and is
      recent enough, and apsw does not have the file open already, else the second
    :param read_only: nothing can be written, and a file that does not exist is an error. Where
      this user may make no files beside it, a change by others is noticed: see
      `vecstore.sqlite.connection.frozen`
    :param timeout: seconds to wait for the lock of another connection, if nobody commits meanwhile
    :raises DatabaseError: there is no such file or folder, or the file is no SQLite database
    :raises ExtensionError: that driver cannot load sqlite-vec
    :raises TwoLibrariesError: another SQLite library of this process has the file open
    """
    return to_sqlite_utils(open_database(path, driver, read_only=read_only, timeout=timeout))


def open_database(
    path: str | Path | None = None,
    driver: Driver = "auto",
    *,
    read_only: bool = False,
    timeout: float = 5.0,
) -> Database:
    """Do what connect() does for the package itself, which needs no sqlite-utils for most of it."""
    refuse_url(path)
    name = ":memory:" if path is None else os.fspath(path)
    conn = opening.open_connection(name, driver, read_only=read_only, timeout=timeout)
    with opening.closed_on_error(conn, name):
        db = wrap_connection(conn, in_memory=name == ":memory:")
        functions.register_functions(db)
        beside.attach_each_time(db)
    return db


def refuse_url(name: object) -> None:
    """Raise an error for what names a PostgreSQL database: its password is in no message."""
    if is_url(name):
        raise DatabaseError(
            f"{without_password(name)} is a PostgreSQL database, and this is for SQLite files: "
            "Collection(NAME, URL), and the commands 'vecstore check' and 'vecstore index', take it"
        )
    refuse_misspelt(name)


def connect_to_read(path: str | Path, *, driver: Driver = "auto") -> Database:
    """Open a SQLite file that there is, and refuse what would write to it.

    Where it can be written all the same, SQLite removes the files that it makes for readers.

    :raises DatabaseError: there is no such file, or it is no SQLite database
    """
    file = Path(path)
    can_write = rights.is_writable(file) and file.exists() and file.stat().st_size > 0
    db = open_database(file, driver, read_only=not can_write)
    pragmas.forbid_writing(db.conn)
    return db


def adopt(db: Database) -> None:
    """Load sqlite-vec into the connection of a Database, or replace that connection by one of apsw.

    The Database of `vecstore.connect()` is left as it is, and so is one adopted before. Settings
    that are the user's own (foreign keys, timeout) are not changed; a new connection takes them on.
    What SQLite does not tell stays behind: an authorizer, a trace or progress callback, and
    functions that were registered with `conn.create_function()`.

    :raises AdoptionError: the connection must be replaced and something in it cannot be carried
      over: an open transaction, a query with rows left, an attached database, a temporary table, a
      collation, a shared memory database, a function registered before vecstore was imported; or
      this process has the file open once more. Nothing was changed.
    :raises TwoLibrariesError: it need not be replaced, and another library has the file open
    :raises DatabaseError: it belongs to another thread, or to the process that forked this one; or
      this user may not read the file
    """
    with turns.take_turn(db), RAISING_OUR_ERRORS:
        adoption.adopt_connection(db)
        functions.register_functions(db)
        beside.attach_each_time(db)


def open_or_adopt(db: Database | str | Path | None, *, may_create: bool) -> Database:
    """Return a Database as `adopt()` makes it, or one for a path, or one in memory for None.

    :raises MissingFileError: there is no such file, and it is not to be created
    :raises InvalidInputError: `db` is something else
    """
    if is_database(db):
        adopt(db)
        return db
    if db is None or db == ":memory:":
        return open_database()
    if not isinstance(db, str | Path):
        raise InvalidInputError(
            f"db is a {type(db).__name__}: pass a path or a sqlite_utils.Database, which takes a "
            "connection: Database(conn)"
        )
    if not may_create and not Path(db).exists():
        raise MissingFileError(
            f"The file {db} does not exist, nor does a collection in it: to create both, pass "
            "model= or model_id="
        )
    return _open_writable_or_not(Path(db))


def _open_writable_or_not(path: Path) -> Database:
    """Open a file to write to it, or for reading alone where this user can do no more."""
    if not path.exists() or rights.is_writable(path):
        return open_database(path)
    if os.access(path, os.W_OK):  # but no files can be made beside it: there may be a writer's
        with suppress(DatabaseError):
            return open_database(path)
    return open_database(path, read_only=True)


@contextmanager
def opened_database(
    db: Database | str | Path, *, read_only: bool = False, create: bool = False
) -> Iterator[Database]:
    """Give a Database that can run vec0; one that is opened here, for a path, is closed at the end.

    :raises MissingFileError: there is no such file, and it is not to be created
    """
    if is_database(db):
        adopt(db)
        with RAISING_OUR_ERRORS:
            yield db
        return
    refuse_url(db)
    if not create and not Path(db).exists():
        raise MissingFileError(f"The file {db} does not exist")
    opener = connect_to_read if read_only else open_database
    with closing(opener(db)) as new, RAISING_OUR_ERRORS:
        pragmas.unmap_file(new.conn)
        yield new
