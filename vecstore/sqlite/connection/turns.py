"""Who may use a connection: one thread at a time, and only the process that opened it.

Threads take turns. A forked child is refused: it has none of its parent's locks, though the SQLite
in it believes so. Even a connection of its own to the same file would lock nothing, and its commits
could be lost, as long as an inherited one is open. So these are closed before a file is opened
there, and otherwise left alone, also at the end of the child: closing one in the middle of a
transaction would undo it under the parent. See
https://www.sqlite.org/howtocorrupt.html#_carrying_an_open_database_connection_across_a_fork_
"""

import ctypes
import os
import threading
import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from ...errors import DatabaseError
from . import sqlite_errors

_NO_CHECKPOINT_ON_CLOSE = 1006  # https://www.sqlite.org/c3ref/c_dbconfig_defensive.html

_process = object()  # another one in each forked child
_all: "weakref.WeakSet[Turns]" = weakref.WeakSet()
_inherited: "list[tuple[Turns, Any]]" = []
_adopted: "weakref.WeakKeyDictionary[Database, Turns]" = weakref.WeakKeyDictionary()


class Turns:
    """The turns of threads at one connection, which is not kept alive by them where that can be.

    Attributes:
        thread: the one whose statement was the last to begin outside of a transaction. So while one
            is open, that is the thread that has opened it
        path: of the file
    """

    def __init__(self, conn: Any, path: str) -> None:
        try:
            self.connection: Callable[[], Any] = weakref.ref(conn)
        except TypeError:  # a plain sqlite3.Connection
            self.connection = lambda: conn
        self.thread = threading.get_ident()
        self.path = path
        self._lock = threading.RLock()
        self._process = _process
        self._is_busy = False
        _all.add(self)

    def lock(self) -> "threading.RLock":
        """Return the lock that a thread holds in its turn, to be used in a `with` statement."""
        self.refuse_other_process()
        return self._lock

    def refuse_other_process(self) -> None:
        """Raise DatabaseError in a child of the process that has opened the connection."""
        if self._process is not _process:
            raise DatabaseError(
                "This database was opened before the process was forked, and a child must not use "
                "its parent's connection to SQLite: open it anew in the child, with the path"
            )

    def inherit(self) -> None:
        """Keep the connection open in a child that was just forked, for ever."""
        conn = self.connection()
        if conn is None:
            return
        with suppress(conn.Error):  # it is closed
            self._is_busy = not self._lock.acquire(blocking=False)
            if not self._is_busy:
                self._process = _process
                try:
                    self._is_busy = conn.in_transaction
                finally:
                    self._process = None
                    self._lock.release()
            # Not even the end of the interpreter may close it.
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(getattr(conn, "apsw", conn)))
            _inherited.append((self, conn))

    def close_inherited(self, conn: Any, path: str) -> None:
        """Close the connection in a forked child, or refuse to open the same file beside it."""
        if self._is_busy:
            with suppress(OSError):
                if Path(path).samefile(self.path):
                    raise DatabaseError(
                        f"{path} was in use, by a transaction or another thread, when this process "
                        "was forked, and cannot be opened safely here: fork at another moment, or "
                        "start the child with the method 'spawn' of multiprocessing"
                    )
            return
        configure = getattr(getattr(conn, "apsw", conn), "config", None)
        configure = configure or getattr(conn, "setconfig", None)  # from Python 3.12 on
        if configure:
            configure(_NO_CHECKPOINT_ON_CLOSE, True)
        self._process = _process
        conn.close()
        self._process = None
        _inherited.remove((self, conn))


def take_turn(db: Database) -> AbstractContextManager[object]:
    """Return a context in which no other thread uses the connection of a Database.

    :raises DatabaseError: the connection is of the process that has forked this one, or one that
      sqlite3 gives to a single thread
    """
    lock = _turns(db).lock()
    if not hasattr(db.conn, "turns"):
        _check_thread(db.conn)
    return lock


def refuse_other_process(db: Database) -> None:
    """Raise DatabaseError if a connection was opened before this process was forked."""
    _turns(db).refuse_other_process()


def has_transaction(db: Database) -> bool:
    """Return whether this thread has a transaction open.

    A transaction of another thread counts where it cannot be told apart, in a plain connection.
    """
    turns = getattr(db.conn, "turns", None)
    mine = turns is None or turns.thread == threading.get_ident()
    return bool(mine and db.conn.in_transaction)


def note_adopted(db: Database, path: str) -> None:
    """Take note of a Database whose connection is not of a class of ours."""
    if not hasattr(db.conn, "turns"):
        if db not in _adopted or _adopted[db].connection() is not db.conn:
            _adopted[db] = Turns(db.conn, path)
        _adopted[db].path = path


def close_inherited_connections(path: str) -> None:
    """In a forked child, prepare for opening a file: close what the parent had opened."""
    for turns, conn in _inherited.copy():  # what is closed is removed
        turns.close_inherited(conn, path)


def _check_thread(conn: Any) -> None:
    """Raise DatabaseError if sqlite3 has given a connection to another thread."""
    try:
        conn.cursor()
    except conn.ProgrammingError as error:
        if sqlite_errors.says(error, sqlite_errors.OF_ANOTHER_THREAD):
            raise DatabaseError(
                f"This database belongs to another thread ({error}): open a Collection for each "
                "thread, with the path, or share one that was opened with the path"
            ) from error


def _turns(db: Database) -> Turns:
    turns: Turns | None = getattr(db.conn, "turns", None)
    if turns is None:
        if db not in _adopted:
            note_adopted(db, "")
        turns = _adopted[db]
    return turns


def _inherit_all() -> None:
    global _process
    _process = object()
    for turns in list(_all):
        turns.inherit()
    _all.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_inherit_all)
