"""What passes between Python and apsw, made what it is in sqlite3: errors, functions, values.

Exceptions are of the module that sqlite-utils uses: sqlite3, or pysqlite3 where that is
installed. Which class goes with a result code is what CPython's own sqlite3 has it be:
https://github.com/python/cpython/blob/main/Modules/_sqlite/util.c
"""

import sqlite3 as stdlib_sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from functools import lru_cache
from types import ModuleType
from typing import Any, NoReturn

import apsw

from ...standard_sqlite import sqlite3
from ...values import to_plain_parameters
from . import sqlite_errors
from .error_handlers import ErrorHandler
from .identifiers import quote_identifier

EXCEPTIONS: dict[type[apsw.Error], type[Exception]] = {
    apsw.Error: sqlite3.DatabaseError,
    apsw.AbortError: sqlite3.OperationalError,
    apsw.AuthError: sqlite3.DatabaseError,
    apsw.BindingsError: sqlite3.ProgrammingError,
    apsw.BusyError: sqlite3.OperationalError,
    apsw.CantOpenError: sqlite3.OperationalError,
    apsw.ConnectionClosedError: sqlite3.ProgrammingError,
    apsw.ConnectionNotClosedError: sqlite3.ProgrammingError,
    apsw.ConstraintError: sqlite3.IntegrityError,
    apsw.CorruptError: sqlite3.DatabaseError,
    apsw.CursorClosedError: sqlite3.ProgrammingError,
    apsw.EmptyError: sqlite3.OperationalError,
    apsw.ExecTraceAbort: sqlite3.OperationalError,
    apsw.ExecutionCompleteError: sqlite3.ProgrammingError,
    apsw.ExtensionLoadingError: sqlite3.OperationalError,
    apsw.ForkingViolationError: sqlite3.ProgrammingError,
    apsw.FormatError: sqlite3.DatabaseError,
    apsw.FullError: sqlite3.OperationalError,
    apsw.IncompleteExecutionError: sqlite3.ProgrammingError,
    apsw.InternalError: sqlite3.InternalError,
    apsw.InterruptError: sqlite3.OperationalError,
    apsw.InvalidContextError: sqlite3.ProgrammingError,
    apsw.IOError: sqlite3.OperationalError,
    apsw.LockedError: sqlite3.OperationalError,
    apsw.MismatchError: sqlite3.IntegrityError,
    apsw.MisuseError: sqlite3.InterfaceError,
    apsw.NoFTS5Error: sqlite3.NotSupportedError,
    apsw.NoLFSError: sqlite3.DatabaseError,
    apsw.NoMemError: MemoryError,
    apsw.NotADBError: sqlite3.DatabaseError,
    apsw.NotFoundError: sqlite3.InternalError,
    apsw.PermissionsError: sqlite3.OperationalError,
    apsw.ProtocolError: sqlite3.OperationalError,
    apsw.RangeError: sqlite3.InterfaceError,
    apsw.ReadOnlyError: sqlite3.OperationalError,
    apsw.SchemaChangeError: sqlite3.OperationalError,
    apsw.SQLError: sqlite3.OperationalError,
    apsw.ThreadingViolationError: sqlite3.ProgrammingError,
    apsw.TooBigError: sqlite3.DataError,
    apsw.VFSFileClosedError: sqlite3.OperationalError,
    apsw.VFSNotImplementedError: sqlite3.NotSupportedError,
}

_MESSAGES: dict[type[apsw.Error], str] = {
    apsw.ConnectionClosedError: "Cannot operate on a closed database.",
    apsw.CursorClosedError: "Cannot operate on a closed cursor.",
}
_NAMES: dict[Any, Any] = {**apsw.mapping_result_codes, **apsw.mapping_extended_result_codes}


def raise_as_sqlite3(error: BaseException) -> NoReturn:
    """Raise what sqlite3 would have raised; an error that is not SQLite's stays as it is."""
    replacement = _replacement(error)
    try:
        if replacement is None:
            raise error
        raise replacement from error
    finally:
        # An exception that its own traceback refers to would keep statements, and so their
        # locks, until the garbage collector comes by.
        del error, replacement


# A context that apsw's errors leave as sqlite3's.
RAISING_SQLITE3_ERRORS = ErrorHandler(raise_as_sqlite3)


def _replacement(error: BaseException) -> Exception | None:
    if isinstance(error, apsw.Error):
        return _of_apsw(error)
    if isinstance(error, UnicodeDecodeError):
        return sqlite3.OperationalError(f"Could not decode to UTF-8 text {error.object[:100]!r}")
    if isinstance(error, OverflowError):
        return OverflowError("Python int too large to convert to SQLite INTEGER")
    if isinstance(error, TypeError) and str(error).startswith("Value from Python is not supp"):
        return _of_apsw(_failure(apsw.SQLITE_ERROR, "user-defined function raised exception"))
    if isinstance(error, ValueError) and str(error).startswith("null character"):
        return sqlite3.ProgrammingError("the query contains a null character")
    return None


def _of_apsw(error: apsw.Error) -> Exception:
    kind = next(base for base in type(error).__mro__ if base in EXCEPTIONS)
    code = getattr(error, "extendedresult", None)
    message = str(error).removeprefix(f"{kind.__name__}: ")
    if not message and code is not None:  # a VFS written in Python has raised it
        message = sqlite_errors.MESSAGES.get(code & 0xFF, "")
    replacement = EXCEPTIONS[kind](_MESSAGES.get(kind, message))
    if code is not None and isinstance(replacement, sqlite3.Error):
        replacement.sqlite_errorcode = code
        replacement.sqlite_errorname = _NAMES.get(code, "unknown")
    return replacement


def failing_as_in_sqlite3(function: Callable[..., Any], message: str) -> Callable[..., Any]:
    """The function of a user, failing as it does in sqlite3, but with the cause attached."""

    def call(*values: Any) -> Any:
        try:
            return function(*values)
        except MemoryError:
            raise
        except OverflowError as error:
            raise _failure(apsw.SQLITE_TOOBIG, "string or blob too big") from error
        except Exception as error:
            raise _failure(apsw.SQLITE_ERROR, message) from error

    return call


def _failure(code: int, message: str) -> Any:
    failure: Any = apsw.exception_for(code)
    failure.args = (message,)
    return failure


def never_failing(callback: Callable[..., Any], answer: object) -> Callable[..., Any]:
    """The callback of a user, which sqlite3 never lets fail."""

    def call(*values: Any) -> Any:
        try:
            return callback(*values)
        except Exception:
            return answer

    return call


class Aggregate:
    """One group of a user's aggregate or window function, in the shape that apsw calls."""

    def __init__(self, aggregate_class: Callable[[], Any]) -> None:
        self._instance = self._guarded("__init__", aggregate_class)
        self._stepped = False

    def step(self, *values: Any) -> None:
        self._stepped = True
        self._guarded("step", lambda: self._instance.step(*values))

    def inverse(self, *values: Any) -> None:
        self._guarded("inverse", lambda: self._instance.inverse(*values))

    def value(self) -> Any:
        return self._guarded("value", lambda: self._instance.value())

    def final(self) -> Any:
        # For a group without rows sqlite3 makes no instance.
        if not self._stepped:
            return None
        return self._guarded("finalize", lambda: self._instance.finalize())

    def _guarded(self, method: str, call: Callable[[], Any]) -> Any:
        message = f"user-defined aggregate's '{method}' method raised error"
        return failing_as_in_sqlite3(call, message)()


class _Named:
    """Named parameters, asked as sqlite3 asks them: a dict's __missing__ has its say."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def __getitem__(self, name: str) -> Any:
        try:
            return self._values[name]
        except LookupError as error:
            raise sqlite3.ProgrammingError(
                f"You did not supply a value for binding parameter :{name}."
            ) from error


# apsw takes a dict, which it would not ask for a __missing__, or what calls itself a Mapping.
Mapping.register(_Named)


def to_bindings(parameters: Any) -> Any:
    parameters = to_plain_parameters(parameters)
    if type(parameters) in (tuple, list):
        return parameters
    if isinstance(parameters, Mapping):
        return _Named(parameters)
    if not hasattr(parameters, "__getitem__"):
        raise sqlite3.ProgrammingError("parameters are of unsupported type")
    return parameters


def adapt_value(_: apsw.Cursor, number: int, value: Any) -> Any:
    try:
        return sqlite3.adapt(value, sqlite3.PrepareProtocol)
    except sqlite3.ProgrammingError:
        raise sqlite3.ProgrammingError(
            f"Error binding parameter {number}: type '{type(value).__name__}' is not supported"
        ) from None


def make_row(factory: Callable[[Any, Any], Any], cursor: Any, row: tuple[Any, ...]) -> Any:
    """The row as its factory makes it, from a cursor that the factory takes."""
    for module in (sqlite3, stdlib_sqlite3):
        if isinstance(factory, type) and issubclass(factory, module.Row):
            cursor = _described(module, tuple(column[0] for column in cursor.description))
    return factory(cursor, row)


@lru_cache(maxsize=64)
def _described(module: ModuleType, names: tuple[str, ...]) -> Any:
    """A real sqlite3.Cursor with a description: sqlite3.Row takes its keys from nothing else."""
    columns = ", ".join(f"null as {quote_identifier(name)}" for name in names)
    with closing(module.Connection(":memory:", check_same_thread=False)) as connection:
        return connection.execute(f"select {columns}")
