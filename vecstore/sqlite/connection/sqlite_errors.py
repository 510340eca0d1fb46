"""What SQLite says by an error, and which of our errors that becomes: by its result codes.

sqlite3 has them from Python 3.11 on, and our face over apsw always. What SQLite has no code for, it
says in words alone, and those that are looked for are here. https://www.sqlite.org/rescode.html
"""

import re
import sqlite3 as stdlib_sqlite3
from typing import Any

import apsw

from ...errors import (
    ConstraintError,
    DatabaseBusyError,
    DatabaseDamagedError,
    DatabaseError,
    DatabaseInterruptedError,
    DatabaseReadOnlyError,
    DiskError,
    DiskFullError,
    VecstoreError,
)
from ...standard_sqlite import sqlite3
from .error_handlers import ErrorHandler

_classes_of_both: dict[tuple[type[Exception], type[Exception]], type[DatabaseError]] = {}
_FOREIGN_MARK = "_is_of_other_code"  # an attribute of errors

# A user's own connection is of sqlite3 also where sqlite-utils uses pysqlite3.
DRIVER_ERRORS: tuple[type[Exception], ...] = (sqlite3.Error, stdlib_sqlite3.Error)

# By primary code; what is not here is a DatabaseError.
CLASSES: dict[int, type[DatabaseError]] = {
    apsw.SQLITE_PERM: DatabaseReadOnlyError,
    apsw.SQLITE_ABORT: DatabaseInterruptedError,
    apsw.SQLITE_BUSY: DatabaseBusyError,
    apsw.SQLITE_LOCKED: DatabaseBusyError,
    apsw.SQLITE_READONLY: DatabaseReadOnlyError,
    apsw.SQLITE_INTERRUPT: DatabaseInterruptedError,
    apsw.SQLITE_IOERR: DiskError,
    apsw.SQLITE_CORRUPT: DatabaseDamagedError,
    apsw.SQLITE_FULL: DiskFullError,
    apsw.SQLITE_CANTOPEN: DiskError,
    apsw.SQLITE_PROTOCOL: DatabaseBusyError,
    apsw.SQLITE_CONSTRAINT: ConstraintError,
    apsw.SQLITE_NOLFS: DiskError,
    apsw.SQLITE_FORMAT: DatabaseDamagedError,
    apsw.SQLITE_NOTADB: DatabaseDamagedError,
}

# SQLite's own words for primary codes, with which a message begins:
# https://www.sqlite.org/src/file?name=src/main.c&ci=trunk, sqlite3ErrStr().
MESSAGES: dict[int, str] = {
    apsw.SQLITE_ERROR: "SQL logic error",
    apsw.SQLITE_PERM: "access permission denied",
    apsw.SQLITE_ABORT: "query aborted",
    apsw.SQLITE_BUSY: "database is locked",
    apsw.SQLITE_LOCKED: "database table is locked",
    apsw.SQLITE_READONLY: "attempt to write a readonly database",
    apsw.SQLITE_INTERRUPT: "interrupted",
    apsw.SQLITE_IOERR: "disk I/O error",
    apsw.SQLITE_CORRUPT: "database disk image is malformed",
    apsw.SQLITE_FULL: "database or disk is full",
    apsw.SQLITE_CANTOPEN: "unable to open database file",
    apsw.SQLITE_PROTOCOL: "locking protocol",
    apsw.SQLITE_MISMATCH: "datatype mismatch",
    apsw.SQLITE_NOLFS: "large file support is disabled",
    apsw.SQLITE_NOTADB: "file is not a database",
}
# And those by which it says more of what is at fault.
_MESSAGES_WITH_DETAIL = {
    "abort due to ROLLBACK": apsw.SQLITE_ABORT,
    "cannot commit transaction - SQL statements in progress": apsw.SQLITE_BUSY,
    "database schema is locked": apsw.SQLITE_LOCKED,
    "malformed database schema": apsw.SQLITE_CORRUPT,
    "unable to open database": apsw.SQLITE_CANTOPEN,
}
_CODES = {**{message: code for code, message in MESSAGES.items()}, **_MESSAGES_WITH_DETAIL}

# Of the code SQLITE_ERROR, as all that is wrong with a statement.
NO_SUCH_COLUMN = "no such column"
NO_SUCH_SAVEPOINT = "no such savepoint"
NO_SUCH_TABLE = "no such table"
NO_SQLITE_VEC = ("no such function: vec_", "no such module: vec0")
TOO_MANY_PARAMETERS = "too many SQL variables"
PARAMETER_NUMBER = "variable number"  # of `?NNN`, which is too high
# Of the Python module or apsw, and of no code.
OF_ANOTHER_THREAD = "that same thread"
UNDECODABLE = "decode"  # text that is not UTF-8
NOT_OF_SQL = (OF_ANOTHER_THREAD, "in another thread", "on a closed")

# What sqlite-vec says where SQLite cannot write one of its tables: not why.
_VEC0_CANNOT_WRITE = re.compile(
    "Internal sqlite-vec error|.* shadow table|.* blob|vec0 deletion error|SQL logic error"
)


def error_code(error: BaseException) -> int | None:
    """Return the extended result code of an error; the primary one where Python 3.10 has none.

    None for what is not of SQLite: the Python module has errors of its own.
    """
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return _code_by_message(error) if code is None else code


def primary_code(error: BaseException) -> int | None:
    """Return the result code of an error, without what SQLite says more exactly."""
    code = error_code(error)
    return None if code is None else code & 0xFF


def _code_by_message(error: BaseException) -> int | None:
    message = str(error)
    for beginning, code in _CODES.items():
        if message.startswith(beginning):
            return code
    is_of_constraint = isinstance(error, (sqlite3.IntegrityError, stdlib_sqlite3.IntegrityError))
    return apsw.SQLITE_CONSTRAINT if is_of_constraint else None


def error_class(error: BaseException) -> type[DatabaseError]:
    """Return the public class that an error of SQLite becomes, or is of already."""
    if isinstance(error, DatabaseError):
        return type(error).__bases__[0] if isinstance(error, DRIVER_ERRORS) else type(error)
    return CLASSES.get(primary_code(error) or 0, DatabaseError)


def says(error: BaseException, *words: str) -> bool:
    """Return whether the message of an error has any of these words, which are of this module."""
    message = str(error)
    return any(text in message for text in words)


def is_busy(error: BaseException) -> bool:
    """Return whether an error says that another connection has the lock."""
    return issubclass(error_class(error), DatabaseBusyError)


def is_unwritable(error: BaseException) -> bool:
    """Return whether an error says that the database is read-only, locked, or its disk full."""
    unwritable = (DatabaseBusyError, DatabaseReadOnlyError, DiskFullError)
    return issubclass(error_class(error), unwritable)


def is_vec0_unwritten(error: BaseException) -> bool:
    """Return whether sqlite-vec says that it could not write, which hides the reason."""
    return bool(_VEC0_CANNOT_WRITE.match(str(error)))


def is_settled(error: BaseException) -> bool:
    """Return whether an error is to stay as it is: it is ours already, or of other code."""
    return isinstance(error, VecstoreError) or hasattr(error, _FOREIGN_MARK)


def to_ours(
    error: Exception, message: str | None = None, kind: type[DatabaseError] | None = None
) -> DatabaseError:
    """Return the error of ours for one of a driver, of whose class it is too.

    :param message: what it says, if not the same
    :param kind: its class, if not that of the code
    """
    of_driver = type(error).__bases__[1] if isinstance(error, VecstoreError) else type(error)
    ours = _class_of_both(kind or error_class(error), of_driver)(message or str(error))
    for name in ("sqlite_errorcode", "sqlite_errorname"):
        if hasattr(error, name):
            setattr(ours, name, getattr(error, name))
    return ours


def _class_of_both(ours: type[DatabaseError], of_driver: type[Exception]) -> type[DatabaseError]:
    """Return a class that looks like ours, and is of a driver's as well.

    errors.py knows no driver, and that of an error is known only when it comes.
    """
    if (ours, of_driver) not in _classes_of_both:
        members = {"__module__": ours.__module__, "__doc__": ours.__doc__, "__reduce__": _reduce}
        made = type(ours.__name__, (ours, of_driver), members)
        return _classes_of_both.setdefault((ours, of_driver), made)
    return _classes_of_both[ours, of_driver]


def _reduce(error: Any) -> tuple[object, ...]:
    """Return what pickle takes, which would look for the class by its name."""
    return _rebuild, (*type(error).__bases__, error.args), error.__dict__


def _rebuild(ours: type[DatabaseError], of_driver: type[Exception], args: Any) -> DatabaseError:
    return _class_of_both(ours, of_driver)(*args)


def _raise_ours(error: BaseException) -> None:
    if not isinstance(error, DRIVER_ERRORS) or is_settled(error):
        return
    if error_code(error) is not None:  # else of the Python module: a closed connection, for one
        raise to_ours(error) from error


def _mark_as_foreign(error: BaseException) -> None:
    if isinstance(error, DRIVER_ERRORS) and not is_settled(error):
        setattr(error, _FOREIGN_MARK, True)


# A context, or decorator, that a driver's errors leave as ours: the boundary of `sqlite`.
RAISING_OUR_ERRORS = ErrorHandler(_raise_ours)
# A context for code that is not ours; an error of a driver that it raises stays so.
CALLING_OTHERS = ErrorHandler(_mark_as_foreign)
