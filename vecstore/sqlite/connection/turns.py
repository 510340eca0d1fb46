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
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

from ...errors import DatabaseError
from . import sqlite_errors
from .database import Database

_NO_CHECKPOINT_ON_CLOSE = 1006  # https://www.sqlite.org/c3ref/c_dbconfig_defensive.html

_process = object()  # another one in each forked child
_all_turns: "weakref.WeakSet[Turns]" = weakref.WeakSet()
_inherited_connections: "list[tuple[Turns, Any]]" = []
_turns_of_adopted: "weakref.WeakKeyDictionary[Database, Turns]" = weakref.WeakKeyDictionary()


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
        _all_turns.add(self)

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

    def keep_open(self) -> None:
        """In a child that was just forked, keep the connection open for ever."""
        conn = self.connection()
        if conn is None:
            return
        with suppress(conn.Error):  # it is closed
            if self._lock.acquire(blocking=False):
                with self._used_by_child():
                    self._is_busy = conn.in_transaction
                self._lock.release()
            else:
                self._is_busy = True
            # Not even the end of the interpreter may close it.
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(getattr(conn, "apsw", conn)))
            _inherited_connections.append((self, conn))

    def close_or_refuse(self, conn: Any, path: str) -> None:
        """In a forked child, close the connection, or refuse to open the same file beside it."""
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
        with self._used_by_child():
            conn.close()
        _inherited_connections.remove((self, conn))

    @contextmanager
    def _used_by_child(self) -> Iterator[None]:
        self._process = _process
        try:
            yield
        finally:
            self._process = None


def take_turn(db: Database) -> AbstractContextManager[object]:
    """Return a context in which no other thread uses the connection of a Database.

    :raises DatabaseError: the connection is of the process that has forked this one, or one that
      sqlite3 gives to a single thread
    """
    turns: Turns | None = getattr(db.conn, "turns", None)
    if turns is None:
        turns = _adopted_turns(db)
        turns.refuse_other_process()
        _check_thread(db.conn)
    return turns.lock()


def refuse_other_process(db: Database) -> None:
    """Raise DatabaseError if a connection was opened before this process was forked."""
    (getattr(db.conn, "turns", None) or _adopted_turns(db)).refuse_other_process()


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
        if db not in _turns_of_adopted or _turns_of_adopted[db].connection() is not db.conn:
            _turns_of_adopted[db] = Turns(db.conn, path)
        _turns_of_adopted[db].path = path


def close_inherited_connections(path: str) -> None:
    """In a forked child, prepare for opening a file: close what the parent had opened."""
    for turns, conn in _inherited_connections.copy():  # what is closed is removed
        turns.close_or_refuse(conn, path)


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


def _adopted_turns(db: Database) -> Turns:
    if db not in _turns_of_adopted:
        note_adopted(db, "")
    return _turns_of_adopted[db]


def _keep_all_open() -> None:
    global _process
    _process = object()
    for turns in list(_all_turns):
        turns.keep_open()
    _all_turns.clear()


os.register_at_fork(after_in_child=_keep_all_open)
