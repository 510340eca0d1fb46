"""What connections and cursors do where a Watch is set on them: see frozen.py."""

import re
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from .frozen import Watch

_Kind = TypeVar("_Kind", bound=type[Any])

_TRANSACTION_SQL = re.compile(r"\s*(begin|commit|end|release|rollback|savepoint)\b", re.IGNORECASE)
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
            conn.watch.repeat_at_each_opening(
                (method.__name__, *named), lambda conn: method(conn, *args, **options)
            )

    return call


def _checked(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def call(conn: Any, *args: Any, **options: Any) -> Any:
        if conn.watch is None:
            return method(conn, *args, **options)
        return conn.watch.fail_if_changed(conn, lambda: method(conn, *args, **options))

    return call


class Cursor:
    """What a cursor of a watched connection does beside its own class, which comes after this."""

    connection: Any
    _generation = 0
    _is_spoilt = False  # what comes next may be of another state of the file

    def execute(self, sql: str, *args: Any) -> Any:
        # The end of a transaction reads nothing, and by an error would not be followed by the next.
        how = Watch.use_file_of_now if _TRANSACTION_SQL.match(sql) else Watch.repeat_if_changed
        return self._run_watched(how, super().execute, sql, *args)  # type: ignore[misc]

    def executemany(self, *args: Any) -> Any:
        return self._run_watched(Watch.fail_if_changed, super().executemany, *args)  # type: ignore[misc]

    def executescript(self, *args: Any) -> Any:
        return self._run_watched(Watch.fail_if_changed, super().executescript, *args)  # type: ignore[misc]

    def fetchmany(self, *args: Any, **options: Any) -> Any:
        fetch = super().fetchmany  # type: ignore[misc]
        return self._fetch_watched(
            Watch.fail_if_changed_since_opened, lambda: fetch(*args, **options)
        )

    def fetchall(self) -> Any:
        return self._fetch_watched(Watch.fail_if_changed_since_opened, super().fetchall)  # type: ignore[misc]

    # These return a row that was read ahead, and read the one after it.

    def fetchone(self) -> Any:
        return self._fetch_watched(Watch.explain_errors, super().fetchone)  # type: ignore[misc]

    def __next__(self) -> Any:
        return self._fetch_watched(Watch.explain_errors, super().__next__)  # type: ignore[misc]

    def _run_watched(self, how: Callable[..., Any], method: Callable[..., Any], *args: Any) -> Any:
        watch: Watch | None = self.connection.watch
        if watch is None:  # it is closed
            return method(*args)

        def run() -> Any:
            self._generation, self._is_spoilt = watch.generation, False
            return method(*args)

        return how(watch, self.connection, run)

    def _fetch_watched(self, how: Callable[..., Any], method: Callable[[], Any]) -> Any:
        """Return rows, all of the state that the file was in when the statement began."""
        watch: Watch | None = self.connection.watch
        if watch is None:
            return method()
        with self.connection.turns.lock():
            if self._is_spoilt or self._generation != watch.generation:
                raise watch.error()
            found = how(watch, self.connection, method)
            self._is_spoilt = watch.has_changed()
            return found
