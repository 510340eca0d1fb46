"""sqlite-vec in every connection of Datasette, and the index of a file that has it beside.

Nothing here writes to a file.
"""

import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

import click
from sqlite_utils import Database

from ..errors import DatabaseInterruptedError, ExtensionError
from ..sqlite import functions
from ..sqlite.connection import extension, file_status, sqlite_errors
from ..sqlite.index import beside
from ..sqlite.index_names import BESIDE

REMEDY = (
    "pip install pysqlite3-binary, or run Datasette with a Python whose sqlite3 can load extensions"
)
TOO_LONG = "SQL query took too long. The time limit is controlled by the sql_time_limit_ms setting."

_Result = TypeVar("_Result")


def load_extension(conn: Any, database: str) -> None:
    """Load sqlite-vec into a connection, where that is possible.

    :raises click.ClickException: it is not, and the database has tables that need it. At its start,
      Datasette prints the message and ends
    """
    try:
        if hasattr(conn, "enable_load_extension"):
            extension.load_sqlite_vec(conn)
            _prepare_search(conn)
            return
        problem = "the sqlite3 of this Python cannot load extensions"
    except ExtensionError as error:
        problem = str(error)
    if _has_index(conn):
        raise click.ClickException(
            f"The database {database!r} needs sqlite-vec, and {problem}: {REMEDY}"
        )


def use(conn: Any, work: Callable[[Any], _Result]) -> _Result:
    """Return what `work` returns for a connection, whose index beside is that of now.

    It is called again if what was an index cannot be read any more: SQLite looks through all that
    is attached for a table, and no page would be left. An error of vecstore_similar_json() has its
    message, which sqlite3 does not tell.
    """
    prepared = _prepared.get(id(conn))
    if prepared is None:
        return work(conn)
    prepared.attach_index_of_now()
    try:
        return prepared.explain_errors(work)
    except conn.DatabaseError as error:
        if isinstance(error, conn.OperationalError) or not prepared.detach_unreadable_index():
            raise
    return prepared.explain_errors(work)


class _Prepared:
    """What a connection has: it lives as long as that, whose functions hold it."""

    def __init__(self, conn: Any) -> None:
        # Not what a Database of sqlite-utils does by default to the connection of someone else.
        self._db = Database(conn, recursive_triggers=False, execute_plugins=False)
        self._index: object = None  # the identity of the file that is attached
        self._error: Exception | None = None
        functions.register_search_by_vector(self._db, self._note_error)

    def attach_index_of_now(self) -> None:
        """Attach the file of the index, if it has come or was replaced since the last time."""
        path = beside.file_of(self._db)
        found = file_status.identity_of(path) if path else None
        if found is None or found == self._index:
            return
        with suppress(self._db.conn.Error):  # the work has it, too
            self._index = found if beside.attach_if_used(self._db) else None

    def explain_errors(self, work: Callable[[Any], _Result]) -> _Result:
        """Return what `work` returns; what our function said is in the error of its statement."""
        conn: Any = self._db.conn
        try:
            return work(conn)
        except conn.OperationalError as error:
            if self._error is None:
                raise
            raise conn.OperationalError(_message(self._error)) from error
        finally:
            self._error = None

    def detach_unreadable_index(self) -> bool:
        """Detach the index if it cannot be read, as it is damaged; return whether it is."""
        try:
            self._db.execute(f"select 1 from {BESIDE}.sqlite_master").fetchone()
        except self._db.conn.OperationalError:
            return False
        except self._db.conn.DatabaseError:
            return beside.detach(self._db)
        return False

    def _note_error(self, error: Exception) -> None:
        self._error = error


# By the id() of the connection: the sqlite3 of Python has no weak references to those.
_prepared: weakref.WeakValueDictionary[int, _Prepared] = weakref.WeakValueDictionary()


def _prepare_search(conn: Any) -> None:
    prepared = _prepared[id(conn)] = _Prepared(conn)
    prepared.attach_index_of_now()


def _message(error: Exception) -> str:
    is_interrupted = issubclass(sqlite_errors.error_class(error), DatabaseInterruptedError)
    return TOO_LONG if is_interrupted else str(error)


def _has_index(conn: Any) -> bool:
    row = conn.execute(
        """
        select 1
        from sqlite_master
        where type = 'table'
          and sql like 'create virtual table% using vec0%'
        """
    ).fetchone()
    return row is not None
