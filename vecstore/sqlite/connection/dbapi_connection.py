"""What of a Connection needs no cursor: apsw's, with other errors, and in the turns of threads."""

import time
from collections.abc import Callable
from contextlib import suppress
from operator import methodcaller
from threading import get_ident
from typing import Any

import apsw
from sqlite_utils.utils import sqlite3  # type: ignore[attr-defined]

from .dbapi_translation import TRANSLATED, Aggregate, answering, guarded
from .frozen import Watch
from .turns import Turns
from .watched import watchable

# apsw leaves an error of a VFS in Python behind without raising it. In a call by C, it is a
# SystemError at once; else whatever comes next may fail.
_close_by_force = methodcaller("close", True)


@watchable
class ConnectionBase:
    """A Connection but for its cursors."""

    Warning = sqlite3.Warning
    Error = sqlite3.Error
    InterfaceError = sqlite3.InterfaceError
    DatabaseError = sqlite3.DatabaseError
    DataError = sqlite3.DataError
    OperationalError = sqlite3.OperationalError
    IntegrityError = sqlite3.IntegrityError
    InternalError = sqlite3.InternalError
    ProgrammingError = sqlite3.ProgrammingError
    NotSupportedError = sqlite3.NotSupportedError

    def __init__(self, connection: apsw.Connection) -> None:
        self.apsw = connection
        try:
            path = connection.filename
        except UnicodeDecodeError:  # who has opened it knows the name, and sets it
            path = ""
        self.turns = Turns(self, path)
        self.watch: Watch | None = None

    def commit(self) -> None:
        self._end_transaction("COMMIT")

    def rollback(self) -> None:
        self._end_transaction("ROLLBACK")

    def close(self) -> None:
        with self.turns.lock():
            _close(self.apsw)
            self.watch = None

    def reopen(self, uri: str) -> None:
        """Be a connection to what a URI names, for reading; if that fails, to an empty database."""
        with self.turns.lock():
            old, self.apsw = self.apsw, apsw.Connection(":memory:")
            _close(old)
            self.apsw = opened_to_read(uri)

    def backup(
        self,
        target: "ConnectionBase",
        *,
        pages: int = -1,
        progress: Callable[[int, int, int], object] | None = None,
        name: str = "main",
        sleep: float = 0.250,
    ) -> None:
        if target is self:
            raise ValueError("target cannot be the same connection instance")
        if not isinstance(target, ConnectionBase):
            raise TypeError("backup() copies to a vecstore.dbapi.Connection only")
        self._check_open()
        target._check_open()
        first, second = sorted((self, target), key=id)  # two threads do not wait for each other
        with first.turns.lock(), second.turns.lock(), TRANSLATED:
            copy = target.apsw.backup("main", self.apsw, name)
            try:
                while not copy.done:
                    try:
                        copy.step(pages or -1)
                    except (apsw.BusyError, apsw.LockedError):
                        time.sleep(sleep)
                    if progress is not None:
                        status = apsw.SQLITE_DONE if copy.done else apsw.SQLITE_OK
                        progress(status, copy.remaining, copy.page_count)
                copy.finish()
            finally:
                with suppress(SystemError):  # of what a VFS in Python raises now
                    _close_by_force(copy)  # what fails now would hide the first error

    @property
    def in_transaction(self) -> bool:
        with self.turns.lock(), TRANSLATED:
            return self.apsw.in_transaction

    @property
    def total_changes(self) -> int:
        with self.turns.lock(), TRANSLATED:
            return self.apsw.total_changes()

    def create_function(
        self, name: str, narg: int, func: Callable[..., Any] | None, *, deterministic: bool = False
    ) -> None:
        function = func and guarded(func, "user-defined function raised exception")
        with self.turns.lock(), TRANSLATED:
            self.apsw.create_scalar_function(name, function, narg, deterministic=deterministic)

    def create_aggregate(
        self, name: str, n_arg: int, aggregate_class: Callable[[], Any] | None
    ) -> None:
        factory = aggregate_class and (lambda: Aggregate(aggregate_class))
        with self.turns.lock(), TRANSLATED:
            self.apsw.create_aggregate_function(name, factory, n_arg)

    def create_window_function(
        self, name: str, num_params: int, aggregate_class: Callable[[], Any] | None
    ) -> None:
        factory = aggregate_class and (lambda: Aggregate(aggregate_class))
        with self.turns.lock(), TRANSLATED:
            self.apsw.create_window_function(name, factory, num_params)

    def create_collation(self, name: str, callback: Callable[[str, str], int] | None) -> None:
        with self.turns.lock(), TRANSLATED:
            self.apsw.create_collation(name, callback)

    def set_authorizer(self, callback: Callable[..., int] | None) -> None:
        with self.turns.lock(), TRANSLATED:
            self.apsw.authorizer = callback and answering(callback, apsw.SQLITE_DENY)

    def set_progress_handler(self, callback: Callable[[], int | None] | None, n: int) -> None:
        handler = callback and answering(lambda: bool(callback()), True)
        with self.turns.lock(), TRANSLATED:
            self.apsw.set_progress_handler(handler, n)

    def set_trace_callback(self, callback: Callable[[str], object] | None) -> None:
        traced = callback and answering(lambda event: callback(event["sql"]), None)
        with self.turns.lock(), TRANSLATED:
            self.apsw.trace_v2(apsw.SQLITE_TRACE_STMT if traced else 0, traced, id=__name__)

    def enable_load_extension(self, enable: bool, /) -> None:
        with self.turns.lock(), TRANSLATED:
            self.apsw.enable_load_extension(enable)

    def load_extension(self, name: str, /, *, entrypoint: str | None = None) -> None:
        with self.turns.lock(), TRANSLATED:
            self.apsw.load_extension(name, entrypoint)

    def interrupt(self) -> None:
        with TRANSLATED:
            self.apsw.interrupt()

    def getlimit(self, category: int, /) -> int:
        return self.setlimit(category, -1)

    def setlimit(self, category: int, limit: int, /) -> int:
        with self.turns.lock(), TRANSLATED:
            old = self.apsw.limit(category, limit)
        if old < 0:
            raise sqlite3.ProgrammingError("'category' is out of bounds")
        return old

    def serialize(self, *, name: str = "main") -> bytes:
        with self.turns.lock(), TRANSLATED:
            return self.apsw.serialize(name)

    def deserialize(self, data: bytes, /, *, name: str = "main") -> None:
        with self.turns.lock(), TRANSLATED:
            self.apsw.deserialize(name, data)

    def _check_open(self) -> None:
        if not self.apsw:
            raise sqlite3.ProgrammingError("Cannot operate on a closed database.")

    def _note_thread(self) -> None:
        if not self.apsw.in_transaction:
            self.turns.thread = get_ident()

    def _end_transaction(self, sql: str) -> None:
        self._check_open()
        with self.turns.lock(), TRANSLATED:
            if self.apsw.in_transaction:
                self.apsw.execute(sql)


def opened_to_read(uri: str) -> apsw.Connection:
    """Return a connection for reading to the file that a URI names."""
    with TRANSLATED:
        return apsw.Connection(uri, flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)


def _close(connection: apsw.Connection) -> None:
    # No disk error ends this in sqlite3, but one that is raised by a VFS in Python would.
    with TRANSLATED, suppress(apsw.IOError, apsw.FullError):
        connection.close(True)  # forced: statements that still have rows are no error
