"""What connections and cursors do where a Watch is set on them: see frozen.py."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from .frozen import Watch

_Kind = TypeVar("_Kind", bound=type[Any])

_REGISTERING = (
    "create_aggregate",
    "create_collation",
    "create_function",
    "create_window_function",
    "set_authorizer",
    "set_progress_handler",
    "set_trace_callback",
)
_READING = ("backup", "serialize")


def watchable(kind: _Kind) -> _Kind:
    """Have a class of connections take on what was registered, and check what reads without SQL."""
    for names, aware in ((_REGISTERING, _kept), (_READING, _checked)):
        for name in names:
            if hasattr(kind, name):  # some are not in Python 3.10
                setattr(kind, name, aware(getattr(kind, name)))
    return kind


def _kept(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def call(conn: Any, *args: Any, **options: Any) -> None:
        method(conn, *args, **options)
        if conn.watch is not None:
            named = (v for v in (*args, *options.values()) if isinstance(v, str | int))
            conn.watch.keep((method.__name__, *named), lambda conn: method(conn, *args, **options))

    return call


def _checked(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def call(conn: Any, *args: Any, **options: Any) -> Any:
        if conn.watch is None:
            return method(conn, *args, **options)
        return conn.watch.run(conn, lambda: method(conn, *args, **options))

    return call


class Cursor:
    """What a cursor of a watched connection does beside its own class, which comes after this."""

    connection: Any
    description: Any
    _generation = 0

    def execute(self, *args: Any) -> Any:
        return self._begin_watched(super().execute, *args)  # type: ignore[misc]

    def executemany(self, *args: Any) -> Any:
        return self._begin_watched(super().executemany, *args)  # type: ignore[misc]

    def executescript(self, *args: Any) -> Any:
        return self._begin_watched(super().executescript, *args)  # type: ignore[misc]

    def fetchone(self) -> Any:
        return self._fetch_watched(super().fetchone)  # type: ignore[misc]

    def fetchmany(self, *args: Any, **options: Any) -> Any:
        return self._fetch_watched(super().fetchmany, *args, **options)  # type: ignore[misc]

    def fetchall(self) -> Any:
        return self._fetch_watched(super().fetchall)  # type: ignore[misc]

    def __next__(self) -> Any:
        return self._fetch_watched(super().__next__)  # type: ignore[misc]

    def _begin_watched(self, method: Callable[..., Any], *args: Any) -> Any:
        watch: Watch | None = self.connection.watch
        if watch is None:  # it is closed
            return method(*args)

        def run() -> Any:
            self._generation = watch.generation
            return method(*args)

        return watch.run(self.connection, run)

    def _fetch_watched(self, method: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """Return rows, all of the state that the file was in when the statement began."""
        watch: Watch | None = self.connection.watch
        if watch is None:
            return method(*args, **options)
        with self.connection.turns.lock():
            if self._generation != watch.generation:
                raise watch.error()
            return watch.checked(self.connection, lambda: method(*args, **options))
