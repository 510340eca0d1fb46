"""Loads sqlite-vec into connections, of more than one SQLite library in a process if need be.

The extension has a global pointer to the functions of the library that loaded it last. Two
libraries that load the same file overwrite it for each other, and the next call for a connection
of the first crashes the process or finds no tables. So apsw gets a copy of the file of its own
wherever another library could load the original.
"""

import ctypes
import importlib.util
import os
import sqlite3 as stdlib_sqlite3
from functools import lru_cache
from pathlib import Path
from typing import Any

import vecstore_sqlite_utils

from ...errors import ExtensionError
from ...process_lock import ProcessLock
from ...standard_sqlite import sqlite3
from . import dbapi

_lock = ProcessLock()
_loaded_into = vecstore_sqlite_utils.loaded_into  # libraries that have loaded the original


def load_sqlite_vec(conn: Any) -> None:
    """Load sqlite-vec, unless it is there, and leave extension loading off.

    :raises ExtensionError: this connection cannot load extensions, or must not
    """
    can_load = hasattr(conn, "enable_load_extension")
    if _is_loaded(conn):
        if can_load:  # SQL could, if who loaded it has left that on
            conn.enable_load_extension(False)
        return
    if not can_load:
        raise ExtensionError(
            f"{library_name(conn)} of this Python cannot load extensions, so not sqlite-vec: "
            "use driver='auto' or driver='apsw'"
        )
    conn.enable_load_extension(True)
    try:
        with _lock.held():
            _load(conn)
    except conn.OperationalError as error:
        raise ExtensionError(f"sqlite-vec could not be loaded: {error}") from error
    finally:
        conn.enable_load_extension(False)


def loadable_path() -> str:
    """Return the path of sqlite-vec, without the ending that the system gives it.

    It is that of `sqlite_vec.loadable_path()`, which imports NumPy if that is installed.

    :raises ExtensionError: it is not installed
    """
    found = importlib.util.find_spec("sqlite_vec")
    if found is None or found.origin is None:
        raise ExtensionError("sqlite-vec is not installed: pip install sqlite-vec")
    return str(Path(found.origin).with_name("vec0"))


def library_name(conn: Any) -> str:
    """Return the name of the SQLite library behind a connection: sqlite3, pysqlite3 or apsw."""
    if isinstance(conn, dbapi.Connection):
        return "apsw"
    return vecstore_sqlite_utils.library_name(conn)


def can_be_in_two_libraries() -> bool:
    """Return whether apsw and another SQLite library of this process can both have sqlite-vec."""
    return _private_copy() is not None


def _is_loaded(conn: Any) -> bool:
    try:
        conn.execute("select vec_version()").fetchone()
    except conn.OperationalError:  # no such function
        return False
    return True


def _load(conn: Any) -> None:
    name = library_name(conn)
    copy = _private_copy() if name == "apsw" and _others_load_extensions() else None
    if copy is not None:
        # The init function is named: SQLite would guess it from the name of the file.
        conn.load_extension(copy, entrypoint="sqlite3_vec_init")
        return
    if _loaded_into - {name}:
        raise ExtensionError(
            f"sqlite-vec is loaded into {', '.join(_loaded_into)} in this process, and cannot be "
            f"loaded into {name} as well on this system: use the same driver for all connections"
        )
    conn.load_extension(loadable_path())
    _loaded_into.add(name)


def _others_load_extensions() -> bool:
    return any(
        hasattr(module.Connection, "enable_load_extension") for module in (stdlib_sqlite3, sqlite3)
    )


@lru_cache(maxsize=1)
def _private_copy() -> str | None:
    """Return the path of a copy of sqlite-vec, in memory, that shares nothing with the original.

    None where the system has no such thing.

    A symbol of a library is looked up in the whole process first. With RTLD_DEEPBIND it is the
    library's own, for both files, as they are bound here before any SQLite opens them:
    https://man7.org/linux/man-pages/man3/dlopen.3.html
    """
    if not (hasattr(os, "RTLD_DEEPBIND") and hasattr(os, "memfd_create")):
        return None
    original = Path(loadable_path()).with_suffix(".so")
    try:
        descriptor = os.memfd_create("vec0.so")  # stays open as long as the process
        with open(descriptor, "wb", closefd=False) as copy:
            copy.write(original.read_bytes())
        path = f"/proc/self/fd/{descriptor}"
        for file in (str(original), path):
            ctypes.CDLL(file, mode=os.RTLD_NOW | os.RTLD_LOCAL | os.RTLD_DEEPBIND)
    except OSError:  # a hardened system may run no code from memory
        return None
    return path
