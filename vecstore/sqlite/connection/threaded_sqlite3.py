"""A connection of the module that sqlite-utils uses, sqlite3 or pysqlite3, for several threads.

The module forbids a second thread, or with `check_same_thread=False` leaves the order to its user:
one thread may then be told of another's error.
"""

import functools
import threading
from typing import Any

from sqlite_utils.utils import sqlite3  # type: ignore[attr-defined]

from ...values import with_plain_scalars
from . import watched
from .frozen import Watch
from .turns import Turns

# interrupt() is missing: it is there to be called from another thread.
_OF_CONNECTIONS = (
    "backup",
    "close",
    "commit",
    "create_aggregate",
    "create_collation",
    "create_function",
    "create_window_function",
    "deserialize",
    "enable_load_extension",
    "load_extension",
    "rollback",
    "serialize",
    "set_authorizer",
    "set_progress_handler",
    "set_trace_callback",
    "__exit__",
)
_OF_CURSORS = ("__next__", "close", "fetchall", "fetchmany", "fetchone")
_ATTRIBUTES = ("isolation_level", "row_factory", "text_factory")
_STATEMENTS = ("execute", "executemany", "executescript")


class Connection(sqlite3.Connection):
    """A sqlite3.Connection that threads take turns at."""

    def __init__(self, database: str, *, uri: bool = False) -> None:
        super().__init__(database, uri=uri, check_same_thread=False)
        self.turns = Turns(self, database)
        self.watch: Watch | None = None

    def reopen(self, uri: str) -> None:
        """Be a connection to what a URI names, for reading; if that fails, to an empty database."""
        with self.turns.lock():
            kept = {name: getattr(self, name) for name in (*_ATTRIBUTES, *vars(self))}
            super().close()
            try:
                super().__init__(uri, uri=True, check_same_thread=False)
            except BaseException:
                super().__init__(":memory:", check_same_thread=False)
                raise
            finally:  # from Python 3.11 on, what is ours is gone too
                for name, value in kept.items():
                    setattr(self, name, value)

    def close(self) -> None:
        super().close()
        self.watch = None

    @property
    def in_transaction(self) -> bool:
        with self.turns.lock():
            return bool(super().in_transaction)

    def cursor(self, factory: Any = None) -> Any:
        return super().cursor(factory or (Cursor if self.watch is None else _WatchedCursor))

    # sqlite3's own would make cursors of sqlite3's class.
    def execute(self, *args: Any) -> Any:
        return self.cursor().execute(*args)

    def executemany(self, *args: Any) -> Any:
        return self.cursor().executemany(*args)

    def executescript(self, *args: Any) -> Any:
        return self.cursor().executescript(*args)


class Cursor(sqlite3.Cursor):
    """A cursor of such a connection, which takes NumPy's scalars for the numbers that they are."""

    connection: Connection

    def execute(self, sql: str, parameters: Any = ()) -> Any:
        return super().execute(sql, with_plain_scalars(parameters))

    def executemany(self, sql: str, parameters: Any) -> Any:
        return super().executemany(sql, map(with_plain_scalars, parameters))


class _WatchedCursor(watched.Cursor, Cursor):
    """A cursor of a connection that may be frozen."""


def _in_turn(kind: type, name: str) -> None:
    method = getattr(kind, name)

    @functools.wraps(method)
    def call(self: Any, *args: Any, **options: Any) -> Any:
        with self.turns.lock():
            return method(self, *args, **options)

    setattr(kind, name, call)


def _in_turn_of_connection(name: str) -> None:
    method = getattr(Cursor, name)

    @functools.wraps(method)
    def call(self: Cursor, *args: Any) -> Any:
        with self.connection.turns.lock():
            return method(self, *args)

    setattr(Cursor, name, call)


def _statement(name: str) -> None:
    method = getattr(Cursor, name)

    @functools.wraps(method)
    def call(self: Cursor, *args: Any) -> Any:
        turns = self.connection.turns
        with turns.lock():
            if not self.connection.in_transaction:
                turns.thread = threading.get_ident()
            return method(self, *args)

    setattr(Cursor, name, call)


for _name in _OF_CONNECTIONS:
    if hasattr(Connection, _name):  # some are not in Python 3.10
        _in_turn(Connection, _name)
for _name in _OF_CURSORS:
    _in_turn_of_connection(_name)
for _name in _STATEMENTS:
    _statement(_name)
watched.watchable(Connection)
