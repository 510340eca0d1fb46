"""PostgreSQL's errors as ours, told apart by their codes, in one place.

https://www.postgresql.org/docs/current/errcodes-appendix.html has the codes.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from ..errors import (
    ConstraintError,
    DatabaseBusyError,
    DatabaseConnectionError,
    DatabaseDamagedError,
    DatabaseError,
    DatabaseInterruptedError,
    DatabaseReadOnlyError,
    DiskError,
    DiskFullError,
    InvalidInputError,
    VecstoreError,
)

_BY_CODE: dict[str, type[VecstoreError]] = {
    "08": DatabaseConnectionError,
    "22": InvalidInputError,
    "23": ConstraintError,
    "25006": DatabaseReadOnlyError,
    "28": DatabaseConnectionError,
    "3D000": DatabaseConnectionError,
    "40": DatabaseBusyError,
    "42501": DatabaseReadOnlyError,
    "53": DatabaseBusyError,
    "53100": DiskFullError,
    "54000": InvalidInputError,  # a value that is too long for an index
    "55P03": DatabaseBusyError,
    "57014": DatabaseInterruptedError,
    "57P": DatabaseConnectionError,
    "58": DiskError,
    "XX001": DatabaseDamagedError,
    "XX002": DatabaseDamagedError,
}
_REMEDIES: dict[type[VecstoreError], str] = {
    DatabaseBusyError: ": try again",
    DatabaseConnectionError: f": {DatabaseConnectionError.remedy}",
}
_REMEDIES_BY_CODE = {
    "25006": ": target_session_attrs=read-write in the URL asks for a server that writes",
    "42501": ": the owner of the tables may do it, or GRANT it",
}
_AGAIN = {"40001", "40P01"}  # a serialization failure, and a deadlock


def error_class(error: psycopg.Error) -> type[VecstoreError]:
    """Return which of ours stands for an error of PostgreSQL's or of its client library."""
    code = error.sqlstate or ""
    for length in (5, 3, 2):
        if code[:length] in _BY_CODE:
            return _BY_CODE[code[:length]]
    if not code and isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return DatabaseConnectionError
    return DatabaseError


def may_go_well_again(error: BaseException | None) -> bool:
    """Return whether the same transaction, begun anew, may do what another's has prevented."""
    return isinstance(error, psycopg.Error) and error.sqlstate in _AGAIN


def is_forbidden(error: VecstoreError) -> bool:
    """Return whether it is this user who may not do something, which another may."""
    return isinstance(error.__cause__, psycopg.Error) and error.__cause__.sqlstate == "42501"


def describe(error: psycopg.Error) -> str:
    """Return what a message says of an error, in one line."""
    message = error.diag.message_primary or str(error) or type(error).__name__
    return " ".join(message.split()).rstrip(".")


@contextmanager
def raising_ours(place: str) -> Iterator[None]:
    """Raise an error of ours, which names the database, in place of PostgreSQL's."""
    try:
        yield
    except psycopg.Error as error:
        kind = error_class(error)
        remedy = _REMEDIES_BY_CODE.get(error.sqlstate or "", _REMEDIES.get(kind, ""))
        raise kind(f"{place}: {describe(error)}{remedy}") from error
