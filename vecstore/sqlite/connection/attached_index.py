"""The file of an index as a connection has it attached: for reading, beside that of the table.

Statements that are about all databases of a connection, such as ANALYZE, fail at one that is for
reading, or that was overwritten. For these it is detached; a search, or a statement that names its
tables, attaches it again.
"""

import os
from collections.abc import Callable
from typing import Any

import apsw

from . import filenames, sqlite_errors
from .filenames import INDEX_SCHEMA

_MISSING = tuple(
    f"{sqlite_errors.NO_SUCH_TABLE}: {name}" for name in (f"{INDEX_SCHEMA}.", "vec_embeddings_")
)
_CODES_OF_INDEX = {apsw.SQLITE_READONLY, apsw.SQLITE_NOTADB, apsw.SQLITE_CORRUPT}


def has_mended(conn: Any, error: BaseException) -> bool:
    """Return whether an index was attached that a statement lacked, or one detached that it met.

    Then it can be run once more.
    """
    if conn.is_mending:
        return False
    try:
        conn.is_mending = True
        if sqlite_errors.says(error, *_MISSING):
            return _attach_missing(conn)
        return sqlite_errors.primary_code(error) in _CODES_OF_INDEX and detach(conn)
    finally:
        conn.is_mending = False


def _attach_missing(conn: Any) -> bool:
    attach: Callable[[], object] | None = conn.attach_index
    if attach is None or INDEX_SCHEMA in dict(filenames.database_files(conn)):
        return False
    attach()
    return is_attached(conn)


def is_attached(conn: Any) -> bool:
    """Return whether the index of the main database is attached, and no database of a user."""
    files = dict(filenames.database_files(conn))
    if INDEX_SCHEMA not in files:
        return False
    real = os.path.realpath
    return real(files[INDEX_SCHEMA]) == real(filenames.index_file(files["main"]))


def detach(conn: Any) -> bool:
    """Detach the file of the index; return whether that was done."""
    if not is_attached(conn):
        return False
    try:
        conn.execute(f"detach {INDEX_SCHEMA}")
    except conn.OperationalError:  # a statement has rows to give, or a transaction is open
        return False
    return True
