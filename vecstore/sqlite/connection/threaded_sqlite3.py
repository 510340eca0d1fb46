"""A connection of the module that sqlite-utils uses, sqlite3 or pysqlite3, for several threads.

The module forbids a second thread, or with `check_same_thread=False` leaves the order to its user:
one thread may then be told of another's error.
"""

from collections.abc import Callable
from functools import wraps
from operator import attrgetter
from threading import get_ident
from typing import Any, TypeVar

from ...standard_sqlite import sqlite3
from ...values import to_plain_parameters
from . import attached_index, watched
from .frozen import Watch
from .turns import Turns

_Kind = TypeVar("_Kind", bound=type[Any])

_ATTRIBUTES = ("isolation_level", "row_factory", "text_factory")


def _in_turn(*names: str) -> Callable[[_Kind], _Kind]:
    """Have methods of a class hold the lock of its `turns`."""

    def waiting(method: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(method)
        def call(self: Any, *args: Any, **options: Any) -> Any:
            with self.turns.lock():
                return method(self, *args, **options)

        return call

    def decorate(kind: _Kind) -> _Kind:
        for name in names:
            if hasattr(kind, name):  # some are not in Python 3.10
                setattr(kind, name, waiting(getattr(kind, name)))
        return kind

    return decorate


# interrupt() is missing: it is there to be called from another thread.
@watched.watchable
@_in_turn(
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
class Connection(sqlite3.Connection):
    """A sqlite3.Connection that threads take turns at."""

    def __init__(self, database: str, *, uri: bool = False) -> None:
        super().__init__(database, uri=uri, check_same_thread=False)
        self.turns = Turns(self, database)
        self.watch: Watch | None = None
        self.attach_index: Callable[[], object] | None = None
        self.is_mending = False  # see attached_index.py

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


@_in_turn("__next__", "close", "fetchall", "fetchmany", "fetchone")
class Cursor(sqlite3.Cursor):
    """A cursor of such a connection, which takes NumPy's scalars for the numbers that they are."""

    connection: Connection
    turns: Any = property(attrgetter("connection.turns"))

    def execute(self, sql: str, parameters: Any = ()) -> Any:
        with self.turns.lock():
            self._note_thread()
            try:
                return super().execute(sql, to_plain_parameters(parameters))
            except sqlite3.DatabaseError as error:
                if attached_index.has_mended(self.connection, error):
                    return super().execute(sql, to_plain_parameters(parameters))
                raise

    def executemany(self, sql: str, parameters: Any) -> Any:
        with self.turns.lock():
            self._note_thread()
            return super().executemany(sql, map(to_plain_parameters, parameters))

    def executescript(self, *args: Any) -> Any:
        with self.turns.lock():
            self._note_thread()
            return super().executescript(*args)

    def _note_thread(self) -> None:
        if not self.connection.in_transaction:
            self.turns.thread = get_ident()


class _WatchedCursor(watched.Cursor, Cursor):
    """A cursor of a connection that may be frozen."""
