"""Keeps two SQLite libraries of one process off the same file.

POSIX locks belong to the process, so two SQLite libraries in it do not see each other's: a commit
of one can be lost, and closing one connection deletes the WAL under the other. See
https://www.sqlite.org/howtocorrupt.html#multiple_copies_of_sqlite_linked_into_the_same_application

The standard library's sqlite3 raises an audit event when it opens a file; apsw and pysqlite3 do
not. So what vecstore opens with those two is checked before, and watched from then on: sqlite3 may
not open it meanwhile. What no library tells is ATTACH in a connection of sqlite3, and what
pysqlite3 opens by itself. Other processes are no problem, nor are connections to memory.
"""

import fcntl
import gc
import os
import sqlite3
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import apsw

from ...errors import TwoLibrariesError
from ...process_lock import ProcessLock
from . import filenames

_FileIdentity = tuple[int, int]  # device and inode: a file may have many names

# What apsw connections had as their file when they were opened: the name may be another's by now.
_of_apsw: weakref.WeakKeyDictionary[apsw.Connection, _FileIdentity] = weakref.WeakKeyDictionary()
_attached_to_apsw: weakref.WeakKeyDictionary[apsw.Connection, _FileIdentity] = (
    weakref.WeakKeyDictionary()
)
_of_pysqlite3: set[_FileIdentity] = set()
_lock = ProcessLock()  # from the check of a file until it is open
_connecting = threading.local()  # what this thread opens with sqlite3
_hook_installed = False


def open_guarded(path: str | Path, library: str, open_file: Callable[[], Any]) -> Any:
    """Check a file before it is opened, and let no other thread come between.

    `library` is the name of the module that opens it: sqlite3, pysqlite3 or apsw.

    :raises TwoLibrariesError: another library of this process has the file open already
    """
    with _lock.held():
        if library != "sqlite3":
            _install_hook()
        refuse_second_library(path, library)
        before = count_descriptors(path)
        conn = open_file()
        protect_file(path, library)
        if library != "sqlite3" and count_descriptors(path) > before + 1:
            raise _second_library(path, library)  # sqlite3 opened it in the same moment
    return conn


def attach_guarded(conn: Any, path: str, library: str, attach: Callable[[], object]) -> None:
    """Attach a file to a connection of a library, as `open_guarded()` opens one.

    :raises TwoLibrariesError: another library of this process has the file open already
    """
    # First the turn of the connection, which a thread has that attaches in the midst of a search.
    turn = conn.turns.lock() if hasattr(conn, "turns") else nullcontext()
    with turn, _lock.held():
        refuse_second_library(path, library)
        attach()
        protect_file(path, library)
        identity = _identity(path)
        if library == "apsw" and identity is not None:
            _attached_to_apsw[conn.apsw] = identity


@contextmanager
def using_plain_file() -> Iterator[None]:
    """Let no library open a file in a block, in which it is opened without one."""
    with _lock.held():
        yield


def refuse_second_library(path: str | Path, library: str) -> None:
    """Raise TwoLibrariesError if another library of this process has the file open already."""
    identity = _identity(path)
    if identity is None:
        return
    if library == "apsw":
        foreign = bool(_descriptors(identity)) and not _open_in_apsw(identity)
        if foreign:  # perhaps by what nobody refers to any more
            gc.collect()
            foreign = bool(_descriptors(identity))
    elif library == "sqlite3":
        foreign = _open_in_apsw(identity)
    else:
        foreign = _open_in_apsw(identity) or _open_in_sqlite3(identity)
    if foreign:
        raise _second_library(path, library)


def protect_file(path: str | Path, library: str) -> None:
    """From now on, refuse the standard library's sqlite3 this file while it is open."""
    identity = _identity(path)
    if identity is None or library == "sqlite3":
        return
    _install_hook()
    if library == "apsw":
        for connection in apsw.connections():
            with suppress(apsw.ConnectionClosedError, apsw.ThreadingViolationError):
                if _identity(_file_of(connection, "main")) == identity:
                    _of_apsw.setdefault(connection, identity)
    else:
        _of_pysqlite3.add(identity)


def is_open_in_apsw(path: str | Path) -> bool:
    """Return whether an apsw connection of this process has the file open."""
    identity = _identity(path)
    return identity is not None and _open_in_apsw(identity)


def count_descriptors(path: str | Path) -> int:
    """Return how many descriptors of this process refer to the file."""
    identity = _identity(path)
    return 0 if identity is None else len(_descriptors(identity))


def is_open_read_only(path: str | Path) -> bool:
    """Return whether this process has the file open, for reading alone."""
    identity = _identity(path)
    found = [] if identity is None else _descriptors(identity)
    modes = [fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE for descriptor in found]
    return bool(modes) and set(modes) == {os.O_RDONLY}


def _install_hook() -> None:
    global _hook_installed
    if not _hook_installed:
        sys.addaudithook(_audit)  # cannot be removed again, so it does next to nothing
        _hook_installed = True


def _second_library(path: str | Path, library: str) -> TwoLibrariesError:
    return TwoLibrariesError(
        f"{path} is open in another SQLite library of this process (or as a plain file), and "
        f"{library} would not see its locks: close it there first, or hand over that database: "
        "Collection(name, database)"
    )


def _audit(event: str, args: tuple[Any, ...]) -> None:
    if event == "sqlite3.connect":
        _connecting.path = args[0]
        _refuse_sqlite3(args[0])
    elif event == "sqlite3.connect/handle":
        # The file is open now, which another thread may have opened with apsw meanwhile. What the
        # connection has open it does not tell yet.
        _refuse_sqlite3(getattr(_connecting, "path", ""))


def _refuse_sqlite3(path: Any) -> None:
    with _lock.held():
        identity = _identity(path)
        if identity is not None and (_open_in_apsw(identity) or _open_in_pysqlite3(identity)):
            raise TwoLibrariesError(
                f"{path} is open in vecstore through another SQLite library, and sqlite3 would not "
                "see its locks: use the Database that vecstore returned (collection.db), or close "
                "it first"
            )


def _identity(path: Any) -> _FileIdentity | None:
    """Return which file a path or file: URI refers to; None if there is none."""
    with suppress(OSError, TypeError, ValueError):
        name = os.fsdecode(path)
        if name.startswith("file:") and not Path(name).exists():
            name = filenames.from_uri(name)
        status = os.stat(name)  # noqa: PTH116 - Path("") would be the current folder
        return status.st_dev, status.st_ino
    return None


def _descriptors(identity: _FileIdentity) -> list[int]:
    """Return the open descriptors of this process that refer to the file."""
    found = []
    for name in os.listdir("/dev/fd"):  # noqa: PTH208 - names, of which one is gone at once
        with suppress(OSError):
            status = os.fstat(int(name))
            if (status.st_dev, status.st_ino) == identity:
                found.append(int(name))
    return found


def _open_in_apsw(identity: _FileIdentity) -> bool:
    return any(identity in _files_of(connection) for connection in apsw.connections())


def _files_of(connection: apsw.Connection) -> Iterator[_FileIdentity | None]:
    """Yield the files that an apsw connection has open, attached ones too."""
    for noted in (_of_apsw, _attached_to_apsw):
        if connection in noted:
            yield noted[connection]
    # A connection that another thread is using answers nothing.
    with suppress(apsw.ConnectionClosedError, apsw.ThreadingViolationError):
        for schema in connection.db_names():
            if schema != "main" or connection not in _of_apsw:
                yield _identity(_file_of(connection, schema))


def _file_of(connection: apsw.Connection, schema: str) -> str:
    try:
        return connection.db_filename(schema)
    except UnicodeDecodeError:
        with suppress(apsw.NotADBError):
            return dict(filenames.database_files(connection))[schema]
        return ""


def _open_in_sqlite3(identity: _FileIdentity) -> bool:
    for candidate in gc.get_objects():
        if isinstance(candidate, sqlite3.Connection):
            with suppress(sqlite3.Error):  # closed, or of another thread
                for _, file in filenames.database_files(candidate):
                    if file and _identity(file) == identity:
                        return True
    return False


def _open_in_pysqlite3(identity: _FileIdentity) -> bool:
    """Return whether vecstore opened a file with pysqlite3, which nobody has closed since."""
    if identity in _of_pysqlite3 and not _descriptors(identity):
        _of_pysqlite3.discard(identity)
    return identity in _of_pysqlite3
