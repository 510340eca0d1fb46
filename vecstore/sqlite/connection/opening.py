"""Opens databases: a sqlite_utils.Database with sqlite-vec loaded and sensible settings."""

import math
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal

import apsw
from sqlite_utils import Database
from sqlite_utils.utils import sqlite3  # type: ignore[attr-defined]

from ...errors import DatabaseError, InvalidInputError
from ...values import shown, surrogate_position, to_float
from . import dbapi, extension, filenames, guard, locks, rights, threaded_sqlite3, turns
from .dbapi_connection import opened_to_read
from .dbapi_translation import TRANSLATED
from .frozen import Watch

Driver = Literal["auto", "sqlite3", "apsw"]

# Of what is used here, row values in IN and vec0's `rowid in (...)` need 3.38.
OLDEST_SQLITE = (3, 38, 0)
_PAGE_BYTES = 8192
# The whole file, or what SQLite was built for. A SQLite of 32 bits would cut off the bits above.
_MMAP_BYTES = 2**40 if sys.maxsize > 2**32 else 2**31 - 65536
_CACHE_KIBIBYTES = 16 * 1024

# What modules above this one do to each Database that is opened or adopted.
prepare: list[Callable[[Database], None]] = []


def connect(
    path: str | Path | None = None,
    *,
    driver: Driver = "auto",
    read_only: bool = False,
    timeout: float = 5.0,
) -> Database:
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
    if driver not in ("auto", "sqlite3", "apsw"):
        raise InvalidInputError(
            f"driver is {shown(driver)}: it must be 'auto', 'sqlite3' or 'apsw'"
        )
    seconds = to_float(timeout)
    if seconds is None or math.isinf(seconds):
        raise InvalidInputError(f"timeout is {shown(timeout)}: it must be a number of seconds")
    name = ":memory:" if path is None else os.fspath(path)
    if driver == "auto":
        usable = can_load_extensions(sqlite3) and not guard.is_open_in_apsw(name)
        driver = "sqlite3" if usable else "apsw"
    if name != ":memory:":
        _check_path(Path(name), read_only)
    conn = bare(name, driver, read_only)
    try:
        locks.set_busy_timeout(conn, seconds)
        if read_only and name != ":memory:" and not rights.has_writable_folder(name):
            conn.watch = Watch(conn.turns.path, partial(_open_again, seconds))
            conn.watch.read(conn, lambda: None)
        else:
            _check_is_database(conn, name)
            _prepare(conn, new_file=name != ":memory:" and not read_only)
        db = Database(conn)
        for function in prepare:
            function(db)
    except conn.OperationalError as error:
        conn.close()
        raise DatabaseError(f"{name} cannot be opened: {error}") from error
    except BaseException:
        conn.close()
        raise
    db.memory = name == ":memory:"
    return db


def connect_to_read(path: str | Path, *, driver: Driver = "auto") -> Database:
    """Open a SQLite file that there is, and refuse what would write to it.

    Where it can be written all the same, SQLite removes the files that it makes for readers.

    :raises DatabaseError: there is no such file, or it is no SQLite database
    """
    file = Path(path)
    can_write = rights.is_writable(file) and file.exists() and file.stat().st_size > 0
    db = connect(file, driver=driver, read_only=not can_write)
    db.conn.execute("pragma query_only = on")
    return db


def configure(conn: Any, *, new_file: bool) -> None:
    """Give a connection what vecstore needs of it: sqlite-vec, and the settings for its triggers.

    With `new_file`, a database that has no page yet gets WAL mode and larger pages.
    """
    extension.load(conn)
    trust_schema(conn)
    map_file(conn)
    enlarge_cache(conn)
    keep_plans(conn)
    if new_file:
        prepare_new_file(conn)


def can_load_extensions(module: Any) -> bool:
    """Return whether connections of a module like sqlite3 can load sqlite-vec and run it."""
    recent = tuple(module.sqlite_version_info) >= OLDEST_SQLITE
    return recent and hasattr(module.Connection, "enable_load_extension")


def enforce_foreign_keys(conn: Any) -> None:
    """Refuse an embedding without its collection. https://www.sqlite.org/foreignkeys.html"""
    conn.execute("pragma foreign_keys = on")


def trust_schema(conn: Any) -> None:
    """Let triggers write to vec0 tables; off, SQLite calls that "unsafe use of virtual table".

    https://www.sqlite.org/pragma.html#pragma_trusted_schema
    """
    conn.execute("pragma trusted_schema = on")


def map_file(conn: Any) -> None:
    """Read through a memory map, which makes a scan of the vectors about 1.5 times as fast.

    https://www.sqlite.org/mmap.html
    """
    conn.execute(f"pragma mmap_size = {_MMAP_BYTES}").fetchall()


def unmap_file(conn: Any) -> None:
    """Read without a memory map, whose pages count as memory of the process: for a long load."""
    conn.execute("pragma mmap_size = 0").fetchall()


def enlarge_cache(conn: Any) -> None:
    """Cache 16 MB instead of 2: the content hashes of a load are spread over their whole index.

    https://www.sqlite.org/pragma.html#pragma_cache_size
    """
    conn.execute(f"pragma cache_size = {-_CACHE_KIBIBYTES}")


def keep_plans(conn: Any) -> None:
    """Plan a statement without a look at its values: apsw would prepare it anew for others.

    vec0 looks the chunk of each row up with one statement, and preparing that takes a third of the
    time of an insert. https://www.sqlite.org/queryplanner-ng.html#qpstab
    """
    if isinstance(conn, dbapi.Connection):
        conn.apsw.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)


def prepare_new_file(conn: Any) -> None:
    """Give a file without pages 8 KB pages and WAL mode.

    A row changes a few pages here and there, which a commit writes whole: with 16 KB, a third more.
    With 4 KB, a scan reads a chunk of vectors, about 192 KB, in more pieces. In WAL mode, readers
    and one writer do not wait for each other. https://www.sqlite.org/wal.html
    """
    wait = locks.Wait(locks.busy_timeout(conn))
    while conn.execute("pragma page_count").fetchone()[0] == 0:
        try:
            conn.execute(f"pragma page_size = {_PAGE_BYTES}")
            conn.execute("pragma journal_mode = wal").fetchall()
            return
        except conn.OperationalError as error:
            if "readonly" in str(error):
                return
            # Another process is creating the same file, and for this lock SQLite never waits.
            if "locked" not in str(error) or wait.is_over():
                raise
            wait.sleep()


def name_of(db: Database) -> str:
    """Return what a message calls a database: its file."""
    return filenames.main_file(db.conn) or "the database in memory"


def max_parameters(db: Database) -> int | None:
    """Return how many parameters a statement may have; None where Python 3.10 does not tell."""
    conn: Any = db.conn
    if isinstance(conn, dbapi.Connection):
        return conn.apsw.limit(apsw.SQLITE_LIMIT_VARIABLE_NUMBER)
    return conn.getlimit(apsw.SQLITE_LIMIT_VARIABLE_NUMBER) if hasattr(conn, "getlimit") else None


def is_unwritable(error: Exception) -> bool:
    """Return whether an error says that the database is read-only, locked, or its disk full."""
    message = str(error)
    return "readonly" in message or "locked" in message or "full" in message


def bare(name: str, driver: str, read_only: bool = False) -> Any:
    """Open a file as its SQLite library does: nothing is loaded or set, and a new file is empty."""
    library = "apsw" if driver == "apsw" else sqlite3.__name__.partition(".")[0]
    opener = _open_apsw if driver == "apsw" else _open_sqlite3
    turns.close_inherited(name)
    try:
        conn = guard.opened(name, library, lambda: opener(name, read_only))
    except sqlite3.Error as error:
        raise rights.unreadable(name, error) from error
    conn.turns.path = os.path.abspath(name)  # noqa: PTH100 - without following links
    return conn


def _open_apsw(name: str, read_only: bool) -> dbapi.Connection:
    if read_only and name != ":memory:":
        return dbapi.Connection(opened_to_read(read_only_uri(name)))
    with TRANSLATED:
        if surrogate_position(name) is None:
            return dbapi.Connection(apsw.Connection(_plain(name)))
        flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE | apsw.SQLITE_OPEN_URI
        path = os.path.abspath(name)  # noqa: PTH100 - without following links
        return dbapi.Connection(apsw.Connection(filenames.to_uri(path), flags=flags))


def _open_sqlite3(name: str, read_only: bool) -> Any:
    if read_only and name != ":memory:":
        return threaded_sqlite3.Connection(read_only_uri(name), uri=True)
    return threaded_sqlite3.Connection(_plain(name))


def _plain(name: str) -> str:
    """Return a file's name as one that no SQLite takes for a URI, as some do by default."""
    return f"./{name}" if name.startswith("file:") else name


def read_only_uri(name: str, *, is_frozen: bool = False) -> str:
    """Return the URI that opens a file for reading, frozen as one that does not change."""
    path = os.path.abspath(name)  # noqa: PTH100 - without following links
    return f"{filenames.to_uri(path)}?mode=ro{'&immutable=1' * is_frozen}"


def _open_again(seconds: float, conn: Any, is_frozen: bool) -> None:
    """Have a connection for reading opened anew, with our own settings."""
    path = conn.turns.path
    uri = read_only_uri(path, is_frozen=is_frozen)
    guard.opened(path, extension.library(conn), lambda: conn.reopen(uri))
    locks.set_busy_timeout(conn, seconds)
    conn.execute("select 1 from sqlite_master").fetchone()
    _prepare(conn, new_file=False)
    if is_frozen:
        unmap_file(conn)  # who shortens the file would end this process with SIGBUS


def _prepare(conn: Any, *, new_file: bool) -> None:
    enforce_foreign_keys(conn)
    configure(conn, new_file=new_file)


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
        raise rights.unreadable(name, error) from error
