"""Opens databases: a sqlite_utils.Database with sqlite-vec loaded and sensible settings."""

import os
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import apsw
import sqlite_vec
from sqlite_utils import Database
from sqlite_utils.utils import sqlite3  # type: ignore[attr-defined]

from . import dbapi, guard
from .errors import DatabaseError, ExtensionError

Driver = Literal["auto", "sqlite3", "apsw"]

# Of what is used here, row values in IN and vec0's `rowid in (...)` need 3.38.
OLDEST_SQLITE = (3, 38, 0)
_PAGE_BYTES = 16384
_MMAP_BYTES = 2**31 - 65536  # SQLite's own upper limit
_CACHE_KIBIBYTES = 16 * 1024


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
    :param read_only: nothing can be written, and a file that does not exist is an error
    :param timeout: seconds to wait for the locks of other connections
    :raises DatabaseError: there is no such file or folder, or the file is no SQLite database
    :raises ExtensionError: that driver cannot load sqlite-vec
    :raises TwoLibrariesError: another SQLite library of this process has the file open
    """
    if driver not in ("auto", "sqlite3", "apsw"):
        raise ValueError(f"driver is {driver!r}, and must be 'auto', 'sqlite3' or 'apsw'")
    name = ":memory:" if path is None else os.fspath(path)
    if driver == "auto":
        usable = can_load_extensions(sqlite3) and not guard.is_open_in_apsw(name)
        driver = "sqlite3" if usable else "apsw"
    if name != ":memory:":
        _check_path(Path(name), read_only)
    conn = _open(name, driver, read_only)
    try:
        set_busy_timeout(conn, timeout)
        _check_is_database(conn, name)
        enforce_foreign_keys(conn)
        configure(conn, new_file=name != ":memory:" and not read_only)
        db = Database(conn)
    except BaseException:
        conn.close()
        raise
    db.memory = name == ":memory:"
    return db


def configure(conn: Any, *, new_file: bool) -> None:
    """Give a connection what vecstore needs of it: sqlite-vec, and the settings for its triggers.

    With `new_file`, a database that has no page yet gets WAL mode and larger pages.
    """
    load_vec(conn)
    trust_schema(conn)
    map_file(conn)
    enlarge_cache(conn)
    if new_file:
        prepare_new_file(conn)


def load_vec(conn: Any) -> None:
    """Load sqlite-vec, unless it is there, and switch extension loading off again."""
    try:
        conn.execute("select vec_version()").fetchone()
        return
    except conn.OperationalError:  # no such function
        pass
    if not hasattr(conn, "enable_load_extension"):
        raise ExtensionError(
            f"{type(conn).__module__} of this Python cannot load extensions, so not sqlite-vec: "
            "use driver='auto' or driver='apsw'"
        )
    conn.enable_load_extension(True)
    try:
        sqlite_vec.load(conn)
    except conn.OperationalError as error:
        raise ExtensionError(f"sqlite-vec could not be loaded: {error}") from error
    finally:
        conn.enable_load_extension(False)


def can_load_extensions(module: Any) -> bool:
    """Return whether connections of a module like sqlite3 can load sqlite-vec and run it."""
    recent = tuple(module.sqlite_version_info) >= OLDEST_SQLITE
    return recent and hasattr(module.Connection, "enable_load_extension")


def library(conn: Any) -> str:
    """Return the name of the SQLite library behind a connection: sqlite3, pysqlite3 or apsw."""
    if isinstance(conn, dbapi.Connection):
        return "apsw"
    return type(conn).__module__.partition(".")[0]


def set_busy_timeout(conn: Any, seconds: float) -> None:
    """Wait that long for another connection's lock before "database is locked".

    https://www.sqlite.org/pragma.html#pragma_busy_timeout
    """
    conn.execute(f"pragma busy_timeout = {int(seconds * 1000)}")


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


def enlarge_cache(conn: Any) -> None:
    """Cache 16 MB instead of 2: the content hashes of a load are spread over their whole index.

    https://www.sqlite.org/pragma.html#pragma_cache_size
    """
    conn.execute(f"pragma cache_size = {-_CACHE_KIBIBYTES}")


def prepare_new_file(conn: Any) -> None:
    """Give a file without pages 16 KB pages and WAL mode.

    A chunk of vectors is about 192 KB: with larger pages it is fewer pieces. In WAL mode, readers
    and one writer do not wait for each other. https://www.sqlite.org/wal.html
    """
    deadline = time.monotonic() + conn.execute("pragma busy_timeout").fetchone()[0] / 1000
    while conn.execute("pragma page_count").fetchone()[0] == 0:
        try:
            conn.execute(f"pragma page_size = {_PAGE_BYTES}")
            conn.execute("pragma journal_mode = wal").fetchall()
            return
        except conn.OperationalError as error:
            if "readonly" in str(error):
                return
            # Another process is creating the same file, and for this lock SQLite never waits.
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


@contextmanager
def transaction(db: Database) -> Iterator[None]:
    """Hold the write lock for a block, then commit; any exception rolls the block back.

    Waits for another writer at the start, where it can be waited for, not at the first write. In
    a transaction that the caller has open, the block is a savepoint of it.
    """
    if db.conn.in_transaction:
        with db.atomic():
            yield
        return
    db.conn.execute("begin immediate")
    try:
        yield
        db.conn.execute("commit")
    except BaseException:
        db.rollback()
        raise


def is_unwritable(error: Exception) -> bool:
    """Return whether an error says that the database is read-only, or locked by another writer."""
    message = str(error)
    return "readonly" in message or "locked" in message


def _open(name: str, driver: str, read_only: bool) -> Any:
    library = "apsw" if driver == "apsw" else sqlite3.__name__.partition(".")[0]
    guard.check(name, library)
    conn = _open_apsw(name, read_only) if driver == "apsw" else _open_sqlite3(name, read_only)
    guard.watch(name, library)
    return conn


def _open_apsw(name: str, read_only: bool) -> dbapi.Connection:
    flags = apsw.SQLITE_OPEN_READONLY
    if not read_only:
        flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
    try:
        return dbapi.Connection(apsw.Connection(name, flags=flags))
    except apsw.Error as error:
        raise DatabaseError(f"{name} cannot be opened: {error}") from error


def _open_sqlite3(name: str, read_only: bool) -> Any:
    try:
        if read_only and name != ":memory:":
            uri = f"file:{urllib.parse.quote(os.path.abspath(name))}?mode=ro"  # noqa: PTH100
            return sqlite3.connect(uri, uri=True)
        return sqlite3.connect(name)
    except sqlite3.Error as error:
        raise DatabaseError(f"{name} cannot be opened: {error}") from error


def _check_path(path: Path, read_only: bool) -> None:
    if path.is_dir():
        raise DatabaseError(f"{path} is a folder, not a SQLite file")
    if read_only and not path.exists():
        raise DatabaseError(f"{path} does not exist, so it cannot be opened read-only")
    if not path.parent.is_dir():
        raise DatabaseError(f"{path.parent} does not exist: make that folder first")


def _check_is_database(conn: Any, name: str) -> None:
    try:
        conn.execute("pragma schema_version").fetchone()
    except conn.DatabaseError as error:
        raise DatabaseError(f"{name} cannot be read as a SQLite database: {error}") from error
