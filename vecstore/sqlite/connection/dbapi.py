"""A sqlite3-shaped (PEP 249) Connection and Cursor over an apsw.Connection.

sqlite_utils.Database(Connection(apsw.Connection(path))) is a Database on apsw's SQLite, which
is current and loads extensions wherever Python's own does not. The tests hold it to what the
standard library's sqlite3 does, and run sqlite-utils' own suite on it.
"""

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from operator import methodcaller
from sqlite3.dump import _iterdump  # type: ignore[attr-defined]
from threading import get_ident
from typing import Any, NoReturn

import apsw

from ...standard_sqlite import sqlite3
from . import attached_index, watched
from .dbapi_translation import (
    RAISING_SQLITE3_ERRORS,
    Aggregate,
    adapt_value,
    failing_as_in_sqlite3,
    make_row,
    never_failing,
    raise_as_sqlite3,
    to_bindings,
)
from .frozen import Watch
from .turns import Turns

Parameters = Sequence[Any] | Mapping[str, Any]
Values = tuple[Any, ...]

_LEVELS = ("", "DEFERRED", "IMMEDIATE", "EXCLUSIVE")
# No two of the alternatives can match the same text: there is nothing to backtrack into.
_SKIPPED = r"(?:[ \t\f\n\r]|--[^\n]*(?:\n|\Z)|/\*(?:[^*]|\*(?!/))*(?:\*/|\Z))*"
_BLANK = re.compile(_SKIPPED)
_DML = re.compile(_SKIPPED + "(?:INSERT|UPDATE|DELETE|REPLACE)", re.IGNORECASE)

# apsw leaves an error of a VFS in Python behind without raising it. In a call by C, it is a
# SystemError at once; else whatever comes next may fail.
_close_by_force = methodcaller("close", True)


@watched.watchable
class Connection:
    """What sqlite3.Connection is, in its legacy transaction control, over an apsw.Connection.

    `apsw` is the wrapped connection, for what sqlite3 has no name for.

    Differences from sqlite3.Connection:

    - isinstance(connection, sqlite3.Connection) is false.
    - There is no thread check: threads take turns, a call each. A process that was forked is
      refused, with a vecstore.DatabaseError.
    - detect_types and converters, the autocommit attribute and blobopen() are missing, and
      backup() copies only to another Connection of this class.
    - An adapter that was registered for int, float, str or bytes is not asked.
    - Text that is not UTF-8 cannot be read, whatever text_factory is: select CAST(... AS BLOB).
    - Parameters that do not fit a statement begin no transaction, and are an error in a script.
    - set_trace_callback() gets the SQL with its placeholders, not with the values.
    - What a collation raises is raised, where sqlite3 ignores it. So is what is no Exception,
      such as KeyboardInterrupt, in any function of the user.
    - A cache that connections share (cache=shared) depends on how apsw was built: its wheels
      leave it out, and give every connection to such a memory database one of its own.
    """

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
        self.attach_index: Callable[[], object] | None = None
        self.is_mending = False  # see attached_index.py
        self.row_factory: Callable[[Any, Values], Any] | None = None
        self.text_factory: Callable[[bytes], Any] = str
        self._isolation_level: str | None = ""

    def cursor(self, factory: "Callable[[Connection], Cursor] | None" = None) -> "Cursor":
        self._check_open()
        return (factory or (Cursor if self.watch is None else _WatchedCursor))(self)

    def execute(self, sql: str, parameters: Parameters = ()) -> "Cursor":
        return self.cursor().execute(sql, parameters)

    def executemany(self, sql: str, parameters: Iterable[Parameters]) -> "Cursor":
        return self.cursor().executemany(sql, parameters)

    def executescript(self, sql: str) -> "Cursor":
        return self.cursor().executescript(sql)

    @property
    def isolation_level(self) -> str | None:
        self._check_open()
        return self._isolation_level

    @isolation_level.setter
    def isolation_level(self, level: str | None) -> None:
        if level is None:
            self.commit()
        elif not isinstance(level, str):
            raise TypeError("isolation_level must be str or None")
        elif level.upper() not in _LEVELS:
            raise ValueError(
                "isolation_level string must be '', 'DEFERRED', 'IMMEDIATE', or 'EXCLUSIVE'"
            )
        self._isolation_level = level and level.upper()

    def __enter__(self) -> "Connection":
        self._check_open()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self.rollback()
            return
        try:
            self.commit()
        except BaseException:
            self.rollback()
            raise

    def iterdump(self, **options: Any) -> Iterator[str]:
        self._check_open()
        lines: Iterator[str] = _iterdump(self, **options)
        return lines

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
            self.apsw = open_to_read(uri)

    def backup(
        self,
        target: "Connection",
        *,
        pages: int = -1,
        progress: Callable[[int, int, int], object] | None = None,
        name: str = "main",
        sleep: float = 0.250,
    ) -> None:
        if target is self:
            raise ValueError("target cannot be the same connection instance")
        if not isinstance(target, Connection):
            raise TypeError("backup() copies to a vecstore.sqlite.connection.dbapi.Connection only")
        self._check_open()
        target._check_open()
        first, second = sorted((self, target), key=id)  # two threads do not wait for each other
        with first.turns.lock(), second.turns.lock(), RAISING_SQLITE3_ERRORS:
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
        with self.turns.lock(), RAISING_SQLITE3_ERRORS:
            return self.apsw.in_transaction

    @property
    def total_changes(self) -> int:
        with self.turns.lock(), RAISING_SQLITE3_ERRORS:
            return self.apsw.total_changes()

    def create_function(
        self, name: str, narg: int, func: Callable[..., Any] | None, *, deterministic: bool = False
    ) -> None:
        function = func and failing_as_in_sqlite3(func, "user-defined function raised exception")
        with self.turns.lock(), RAISING_SQLITE3_ERRORS:
            self.apsw.create_scalar_function(name, function, narg, deterministic=deterministic)

    def create_aggregate(
        self, name: str, n_arg: int, aggregate_class: Callable[[], Any] | None
    ) -> None:
        factory = aggregate_class and (lambda: Aggregate(aggregate_class))
        with self.turns.lock(), RAISING_SQLITE3_ERRORS:
            self.apsw.create_aggregate_function(name, factory, n_arg)

    def create_window_function(
        self, name: str, num_params: int, aggregate_class: Callable[[], Any] | None
    ) -> None:
        factory = aggregate_class and (lambda: Aggregate(aggregate_class))
        with self.turns.lock(), RAISING_SQLITE3_ERRORS:
            self.apsw.create_window_function(name, factory, num_params)

    def create_collation(self, name: str, callback: Callable[[str, str], int] | None) -> None:
        with self.turns.lock(), RAISING_SQLITE3_ERRORS:
            self.apsw.create_collation(name, callback)

    def set_authorizer(self, callback: Callable[..., int] | None) -> None:
        with self.turns.lock(), RAISING_SQLITE3_ERRORS:
            self.apsw.authorizer = callback and never_failing(callback, apsw.SQLITE_DENY)

    def set_progress_handler(self, callback: Callable[[], int | None] | None, n: int) -> None:
        handler = callback and never_failing(lambda: bool(callback()), True)
        with self.turns.lock(), RAISING_SQLITE3_ERRORS:
            self.apsw.set_progress_handler(handler, n)

    def set_trace_callback(self, callback: Callable[[str], object] | None) -> None:
        traced = callback and never_failing(lambda event: callback(event["sql"]), None)
        with self.turns.lock(), RAISING_SQLITE3_ERRORS:
            self.apsw.trace_v2(apsw.SQLITE_TRACE_STMT if traced else 0, traced, id=__name__)

    def enable_load_extension(self, enable: bool, /) -> None:
        with self.turns.lock(), RAISING_SQLITE3_ERRORS:
            self.apsw.enable_load_extension(enable)

    def load_extension(self, name: str, /, *, entrypoint: str | None = None) -> None:
        with self.turns.lock(), RAISING_SQLITE3_ERRORS:
            self.apsw.load_extension(name, entrypoint)

    def interrupt(self) -> None:
        with RAISING_SQLITE3_ERRORS:
            self.apsw.interrupt()

    def getlimit(self, category: int, /) -> int:
        return self.setlimit(category, -1)

    def setlimit(self, category: int, limit: int, /) -> int:
        with self.turns.lock(), RAISING_SQLITE3_ERRORS:
            old = self.apsw.limit(category, limit)
        if old < 0:
            raise sqlite3.ProgrammingError("'category' is out of bounds")
        return old

    def serialize(self, *, name: str = "main") -> bytes:
        with self.turns.lock(), RAISING_SQLITE3_ERRORS:
            return self.apsw.serialize(name)

    def deserialize(self, data: bytes, /, *, name: str = "main") -> None:
        with self.turns.lock(), RAISING_SQLITE3_ERRORS:
            self.apsw.deserialize(name, data)

    def _begin(self) -> None:
        if self._isolation_level is not None and not self.apsw.in_transaction:
            self.apsw.execute(f"BEGIN {self._isolation_level}")

    def _check_open(self) -> None:
        if not self.apsw:
            raise sqlite3.ProgrammingError("Cannot operate on a closed database.")

    def _note_thread(self) -> None:
        if not self.apsw.in_transaction:
            self.turns.thread = get_ident()

    def _end_transaction(self, sql: str) -> None:
        self._check_open()
        with self.turns.lock(), RAISING_SQLITE3_ERRORS:
            if self.apsw.in_transaction:
                self.apsw.execute(sql)


class Cursor:
    """What sqlite3.Cursor is; every statement gets an apsw.Cursor of its own."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.row_factory = connection.row_factory
        self.arraysize = 1
        self.rowcount = -1
        self.lastrowid: int | None = None
        self._sql = ""
        self._is_dml = False
        self._columns: tuple[tuple[Any, ...], ...] = ()
        self._steps: apsw.Cursor | None = None
        # One row is read ahead, as sqlite3 does: a statement whose last row was fetched is
        # finished, and locks nothing.
        self._row: Values | None = None
        self._closed = False

    @property
    def description(self) -> tuple[tuple[str, None, None, None, None, None, None], ...] | None:
        names = tuple((column[0], None, None, None, None, None, None) for column in self._columns)
        return names or None

    def execute(self, sql: str, parameters: Parameters = ()) -> "Cursor":
        self._check_open()
        with self.connection.turns.lock():
            try:
                self._execute(sql, parameters)
            except BaseException as error:
                if not attached_index.has_mended(self.connection, error):
                    self._fail(error)
                try:
                    self._execute(sql, parameters)
                except BaseException as again:
                    self._fail(again)
        return self

    def _execute(self, sql: str, parameters: Parameters) -> None:
        steps = self._started(sql)
        self._run(steps, parameters)
        self._advance(steps)
        if self._columns:
            self._describe_again(steps, parameters)
        self.lastrowid = self.connection.apsw.last_insert_rowid()

    def executemany(self, sql: str, parameters: Iterable[Parameters]) -> "Cursor":
        self._check_open()
        with self.connection.turns.lock(), RAISING_SQLITE3_ERRORS:
            steps = self._started(sql)
        steps.exec_trace = self._inspect_many
        total = 0
        for row in parameters:
            total += self._changes_by(steps, row)
        if self._is_dml:
            self.rowcount = total
        return self

    def executescript(self, sql: str) -> "Cursor":
        if "\0" in sql:
            raise ValueError("embedded null character")
        self._check_open()
        self.connection.commit()
        with self.connection.turns.lock(), RAISING_SQLITE3_ERRORS:
            self.connection._note_thread()
            for _ in self.connection.apsw.execute(sql):
                pass
        return self

    def fetchone(self) -> Any:
        return next(self, None)

    def fetchmany(self, size: int | None = None) -> list[Any]:
        return list(islice(self, self.arraysize if size is None else size))

    def fetchall(self) -> list[Any]:
        self._check_open()
        with self.connection.turns.lock():
            if self._row is None or self._steps is None:
                return []
            try:
                rows = [self._row, *self._steps.fetchall()]
                self._finish()
            except BaseException as error:
                self._fail(error)
        if self.row_factory is None and self.connection.text_factory is str:
            return rows
        return [self._make_row(row) for row in rows]

    def __iter__(self) -> "Cursor":
        return self

    def __next__(self) -> Any:
        self._check_open()
        with self.connection.turns.lock():
            row = self._row
            if row is None or self._steps is None:
                raise StopIteration
            try:
                self._advance(self._steps)
            except BaseException as error:
                self._fail(error)
        return self._make_row(row)

    def close(self) -> None:
        with self.connection.turns.lock():
            self._forget()
        self._closed = True

    # PEP 249 has these two; SQLite has no use for them.
    def setinputsizes(self, sizes: object, /) -> None: ...
    def setoutputsize(self, size: object, column: object = None, /) -> None: ...

    def _check_open(self) -> None:
        if self._closed:
            raise sqlite3.ProgrammingError("Cannot operate on a closed cursor.")
        self.connection._check_open()

    def _started(self, sql: str) -> apsw.Cursor:
        self._forget()
        self.connection._note_thread()
        self._sql = sql
        self._is_dml = _DML.match(sql) is not None
        self._columns = ()
        self.rowcount = 0 if self._is_dml else -1
        self._steps = steps = self.connection.apsw.cursor()
        steps.convert_binding = adapt_value
        steps.exec_trace = self._inspect
        return steps

    def _run(self, steps: apsw.Cursor, parameters: Parameters) -> None:
        steps.execute(self._sql, to_bindings(parameters))
        # The method refers to this cursor: with the cycle, a statement that is dropped half-way
        # would hold its locks until the garbage collector comes by.
        steps.exec_trace = None

    def _changes_by(self, steps: apsw.Cursor, parameters: Parameters) -> int:
        with self.connection.turns.lock():
            self.connection._note_thread()  # others may have had a turn since the last row
            try:
                self._run(steps, parameters)
                if self._columns:
                    steps.fetchall()
                return self.connection.apsw.changes()
            except BaseException as error:
                self._fail(error)

    def _inspect(self, steps: apsw.Cursor, statement: str, _: object) -> bool:
        """Called between the compilation of a statement and its first step."""
        if len(statement) < len(self._sql):
            if _BLANK.fullmatch(statement):
                return True
            if not _BLANK.fullmatch(self._sql, len(statement)):
                raise sqlite3.ProgrammingError("You can only execute one statement at a time.")
        self._columns = steps.get_description()
        if self._is_dml:
            self.connection._begin()
        return True

    def _inspect_many(self, steps: apsw.Cursor, statement: str, bindings: object) -> bool:
        if steps.is_readonly:
            raise sqlite3.ProgrammingError("executemany() can only execute DML statements.")
        return self._inspect(steps, statement, bindings)

    def _describe_again(self, steps: apsw.Cursor, parameters: Parameters) -> None:
        """Read the columns of the statement as SQLite compiled it again when it ran.

        It does so when the schema has changed since the statement came into apsw's cache.
        """
        if self._row is not None:
            self._columns = steps.description
            return

        def describe(*_: object) -> bool:
            self._columns = steps.get_description()
            return False

        steps.exec_trace = describe
        with suppress(apsw.Error):
            steps.execute(self._sql, to_bindings(parameters))
        steps.exec_trace = None

    def _advance(self, steps: apsw.Cursor) -> None:
        self._row = steps.fetchone()
        if self._row is None:
            self._finish()

    def _finish(self) -> None:
        self._forget()
        if self._is_dml:
            self.rowcount = self.connection.apsw.changes()

    def _fail(self, error: BaseException) -> NoReturn:
        try:
            if self._steps is not None:
                # Tracebacks still refer to it, and text that is not UTF-8 leaves it unfinished.
                with suppress(apsw.Error):
                    self._steps.close(True)
            self._forget()
            self.rowcount = -1
            raise_as_sqlite3(error)
        finally:
            del error

    def _forget(self) -> None:
        self._steps = self._row = None

    def _make_row(self, row: Values) -> Any:
        text_factory = self.connection.text_factory
        if text_factory is not str:
            row = tuple(text_factory(v.encode()) if isinstance(v, str) else v for v in row)
        return row if self.row_factory is None else make_row(self.row_factory, self, row)


class _WatchedCursor(watched.Cursor, Cursor):
    """A cursor of a connection that may be frozen."""


def open_to_read(uri: str) -> apsw.Connection:
    """Return a connection for reading to the file that a URI names."""
    with RAISING_SQLITE3_ERRORS:
        return apsw.Connection(uri, flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)


def _close(connection: apsw.Connection) -> None:
    # No disk error ends this in sqlite3, but one that is raised by a VFS in Python would.
    with RAISING_SQLITE3_ERRORS, suppress(apsw.IOError, apsw.FullError):
        connection.close(True)  # forced: statements that still have rows are no error
