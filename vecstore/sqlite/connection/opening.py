"""Opens connections: to a file, by a driver, with sqlite-vec loaded and sensible settings."""

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Literal

import apsw

from ...errors import DatabaseError, InvalidInputError
from ...standard_sqlite import sqlite3
from ...values import quote, surrogate_position, to_float
from . import (
    dbapi,
    extension,
    filenames,
    guard,
    locks,
    pragmas,
    rights,
    sqlite_errors,
    threaded_sqlite3,
    turns,
)
from .database import Database
from .dbapi_translation import RAISING_SQLITE3_ERRORS
from .frozen import Watch

Driver = Literal["auto", "sqlite3", "apsw"]

# Of what is used here, row values in IN and vec0's `rowid in (...)` need 3.38.
OLDEST_SQLITE = (3, 38, 0)


def open_connection(
    name: str, driver: Driver, *, read_only: bool = False, timeout: float = 5.0
) -> Any:
    """Open a file, or ":memory:", with sqlite-vec loaded and all of our settings.

    The parameters and errors are those of `vecstore.connect()`.
    """
    if driver not in ("auto", "sqlite3", "apsw"):
        raise InvalidInputError(
            f"driver is {quote(driver)}: it must be 'auto', 'sqlite3' or 'apsw'"
        )
    seconds = to_float(timeout)
    if seconds is None or math.isinf(seconds):
        raise InvalidInputError(f"timeout is {quote(timeout)}: it must be a number of seconds")
    if driver == "auto":
        usable = can_load_extensions(sqlite3) and not guard.is_open_in_apsw(name)
        driver = "sqlite3" if usable else "apsw"
    if name != ":memory:":
        _check_path(Path(name), read_only)
    conn = open_bare_connection(name, driver, read_only)
    with closed_on_error(conn, name):
        locks.set_busy_timeout(conn, seconds)
        if read_only and name != ":memory:" and not rights.has_writable_folder(name):
            conn.watch = Watch(conn.turns.path, partial(_open_again, seconds))
            conn.watch.repeat_if_changed(conn, lambda: None)
        else:
            _check_is_database(conn, name)
            pragmas.enforce_foreign_keys(conn)
            configure_connection(conn, new_file=name != ":memory:" and not read_only)
    return conn


@contextmanager
def closed_on_error(conn: Any, name: str) -> Iterator[None]:
    """Close a connection if the block, which sets it up, fails.

    :raises DatabaseError: that is an error of SQLite
    """
    try:
        yield
    except conn.OperationalError as error:
        conn.close()
        error_class = sqlite_errors.error_class(error)
        raise error_class(f"{name} cannot be opened: {error}") from error
    except BaseException:
        conn.close()
        raise


def configure_connection(conn: Any, *, new_file: bool) -> None:
    """Give a connection what vecstore needs of it: sqlite-vec, and the settings for its triggers.

    With `new_file`, a database that has no page yet gets WAL mode and larger pages.
    """
    extension.load_sqlite_vec(conn)
    pragmas.trust_schema(conn)
    pragmas.map_file(conn)
    pragmas.enlarge_cache(conn)
    pragmas.keep_plans(conn)
    if new_file:
        pragmas.prepare_new_file(conn)


def can_load_extensions(module: Any) -> bool:
    """Return whether connections of a module like sqlite3 can load sqlite-vec and run it."""
    recent = tuple(module.sqlite_version_info) >= OLDEST_SQLITE
    return recent and hasattr(module.Connection, "enable_load_extension")


def name_of(db: Database) -> str:
    """Return what a message calls a database: its file."""
    return filenames.main_file(db.conn) or "the database in memory"


def driver_of(db: Database) -> Driver:
    """Return the driver by which a database is open."""
    return "apsw" if extension.library_name(db.conn) == "apsw" else "sqlite3"


def max_parameters(db: Database) -> int | None:
    """Return how many parameters a statement may have; None where Python 3.10 does not tell."""
    conn: Any = db.conn
    return conn.getlimit(apsw.SQLITE_LIMIT_VARIABLE_NUMBER) if hasattr(conn, "getlimit") else None


def open_bare_connection(name: str, driver: str, read_only: bool = False) -> Any:
    """Open a file as its SQLite library does: nothing is loaded or set, and a new file is empty."""
    library = "apsw" if driver == "apsw" else sqlite3.__name__.partition(".")[0]
    opener = _open_apsw if driver == "apsw" else _open_sqlite3
    turns.close_inherited_connections(name)
    try:
        conn = guard.open_guarded(name, library, lambda: opener(name, read_only))
    except sqlite3.Error as error:
        raise rights.unreadable_error(name, error) from error
    conn.turns.path = os.path.abspath(name)  # noqa: PTH100 - without following links
    return conn


def _open_apsw(name: str, read_only: bool) -> dbapi.Connection:
    if read_only and name != ":memory:":
        return dbapi.Connection(dbapi.open_to_read(filenames.read_only_uri(name)))
    with RAISING_SQLITE3_ERRORS:
        # So that a file can be attached for reading, too.
        flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE | apsw.SQLITE_OPEN_URI
        if surrogate_position(name) is None:
            return dbapi.Connection(apsw.Connection(_plain(name), flags=flags))
        path = os.path.abspath(name)  # noqa: PTH100 - without following links
        return dbapi.Connection(apsw.Connection(filenames.to_uri(path), flags=flags))


def _open_sqlite3(name: str, read_only: bool) -> Any:
    if read_only and name != ":memory:":
        return threaded_sqlite3.Connection(filenames.read_only_uri(name), uri=True)
    return threaded_sqlite3.Connection(_plain(name), uri=True)


def _plain(name: str) -> str:
    """Return a file's name as one that no SQLite takes for a URI, as some do by default."""
    return f"./{name}" if name.startswith("file:") else name


def _open_again(seconds: float, conn: Any, is_frozen: bool) -> None:
    """Have a connection for reading opened anew, with our own settings."""
    path = conn.turns.path
    uri = filenames.read_only_uri(path, is_frozen=is_frozen)
    guard.open_guarded(path, extension.library_name(conn), lambda: conn.reopen(uri))
    locks.set_busy_timeout(conn, seconds)
    conn.execute("select 1 from sqlite_master").fetchone()
    pragmas.enforce_foreign_keys(conn)
    configure_connection(conn, new_file=False)
    if is_frozen:
        pragmas.unmap_file(conn)  # who shortens the file would end this process with SIGBUS


def _check_path(path: Path, read_only: bool) -> None:
    if path.is_dir():
        raise DatabaseError(f"{path} is a folder, not a SQLite file")
    if read_only and not path.exists():
        raise DatabaseError(f"{path} does not exist, so it cannot be opened read-only")
    if not path.parent.is_dir():
        raise DatabaseError(f"{path.parent} does not exist: make that folder first")


def _check_is_database(conn: Any, name: str) -> None:
    try:
        conn.execute("select 1 from sqlite_master").fetchone()
    except conn.DatabaseError as error:
        raise rights.unreadable_error(name, error) from error
