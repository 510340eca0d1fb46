"""Keeps two SQLite libraries of one process off the same file.

POSIX locks belong to the process, so two SQLite libraries in it do not see each other's: a commit
of one can be lost, and closing one connection deletes the WAL under the other. See
https://www.sqlite.org/howtocorrupt.html#multiple_copies_of_sqlite_linked_into_the_same_application

The standard library's sqlite3 raises an audit event when it opens a file; apsw and pysqlite3 do
not. So the files that vecstore opens with those two are watched: sqlite3 may not open them.
Other processes are no problem, and neither are connections to memory.
"""

import fcntl
import gc
import os
import sqlite3
import sys
import urllib.parse
from contextlib import suppress
from pathlib import Path
from typing import Any

import apsw

from .errors import TwoLibrariesError

_FileIdentity = tuple[int, int]  # device and inode: a file may have many names

_watched: set[_FileIdentity] = set()
_hook_installed = False


def check(path: str | Path, library: str) -> None:
    """Raise TwoLibrariesError if another library of this process has the file open already.

    `library` is the name of the module that is about to open it: sqlite3, pysqlite3 or apsw.
    """
    identity = _identity(path)
    if identity is None or library == "sqlite3":  # sqlite3 is checked by the audit hook
        return
    if library == "apsw":
        foreign = bool(_descriptors(identity)) and not _open_in_apsw(identity)
    else:
        foreign = _open_in_apsw(identity) or _open_in_sqlite3(identity)
    if foreign:
        raise TwoLibrariesError(
            f"{path} is open in another SQLite library of this process, and {library} would not "
            "see its locks: close that connection first, or use it: Collection(name, database)"
        )


def watch(path: str | Path, library: str) -> None:
    """From now on, refuse the standard library's sqlite3 this file while it is open."""
    global _hook_installed
    identity = _identity(path)
    if identity is None or library == "sqlite3":
        return
    _watched.add(identity)
    if not _hook_installed:
        sys.addaudithook(_audit)  # cannot be removed again, so it does next to nothing
        _hook_installed = True


def is_open_in_apsw(path: str | Path) -> bool:
    """Return whether an apsw connection of this process has the file open."""
    identity = _identity(path)
    return identity is not None and _open_in_apsw(identity)


def other_descriptors(path: str | Path) -> int:
    """Return how many descriptors of this process, beyond one, refer to the file."""
    identity = _identity(path)
    return 0 if identity is None else max(len(_descriptors(identity)) - 1, 0)


def is_read_only(path: str | Path) -> bool:
    """Return whether this process has the file open, for reading alone."""
    identity = _identity(path)
    descriptors = [] if identity is None else _descriptors(identity)
    modes = [fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE for descriptor in descriptors]
    return bool(modes) and set(modes) == {os.O_RDONLY}


def _audit(event: str, args: tuple[Any, ...]) -> None:
    if event != "sqlite3.connect":
        return
    identity = _identity(args[0])
    if identity in _watched and identity is not None and _descriptors(identity):
        raise TwoLibrariesError(
            f"{args[0]} is open in vecstore through another SQLite library, and sqlite3 would not "
            "see its locks: use the Database that vecstore returned (collection.db), or close it"
        )


def _identity(path: Any) -> _FileIdentity | None:
    """Return which file a path or file: URI refers to; None if there is none."""
    with suppress(OSError, TypeError, ValueError):
        name = os.fsdecode(path)
        if name.startswith("file:") and not Path(name).exists():
            name = urllib.parse.unquote(urllib.parse.urlsplit(name).path)
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
    for connection in apsw.connections():
        with suppress(apsw.ConnectionClosedError):
            if connection.filename and _identity(connection.filename) == identity:
                return True
    return False


def _open_in_sqlite3(identity: _FileIdentity) -> bool:
    for candidate in gc.get_objects():
        if isinstance(candidate, sqlite3.Connection):
            with suppress(sqlite3.Error):  # closed, or of another thread
                for _, _, filename in candidate.execute("pragma database_list"):
                    if filename and _identity(filename) == identity:
                        return True
    return False
