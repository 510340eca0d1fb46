"""What the package asks of a database, and what has it before sqlite-utils is imported.

To import sqlite-utils takes longer than a first search, twice as long where NumPy is installed,
which it imports too. Who opens a file by its path needs none of it until they ask for the Database.
"""

import sys
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol, cast

from ...process_lock import ProcessLock

if TYPE_CHECKING:
    import sqlite3

    import sqlite_utils
    from typing_extensions import TypeIs

_OWN_PLUGIN = "vecstore_sqlite_utils"
_BEGINNINGS = ("begin", "savepoint")

_lock = ProcessLock()  # a plugin of sqlite-utils may ask for the Database, too


class Database(Protocol):
    """What `sqlite_utils.Database` has, of which this is as much as the package needs."""

    conn: "sqlite3.Connection"

    def execute(self, sql: str, parameters: Any = None) -> "sqlite3.Cursor":
        """Run a statement, which is a transaction of its own unless one is open."""
        ...

    def rollback(self) -> None:
        """Roll back the transaction, if one is open."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


class OpenedDatabase:
    """The database of a connection of ours, until `to_sqlite_utils()` makes the whole of it."""

    def __init__(self, conn: Any, *, in_memory: bool = False) -> None:
        self.conn: sqlite3.Connection = conn
        self.memory = in_memory

    def execute(self, sql: str, parameters: Any = None) -> "sqlite3.Cursor":
        was_in_transaction = self.conn.in_transaction
        try:
            cursor = self.conn.execute(sql, () if parameters is None else parameters)
        except Exception:
            if not was_in_transaction:
                self.rollback()
            raise
        is_begun = self.conn.in_transaction and not was_in_transaction
        if is_begun and not sql.lstrip().lower().startswith(_BEGINNINGS):
            self.conn.execute("commit")
        return cursor

    def rollback(self) -> None:
        if self.conn.in_transaction:
            self.conn.execute("rollback")

    def close(self) -> None:
        self.conn.close()


def wrap_connection(conn: Any, *, in_memory: bool) -> Database:
    """Return the database of a connection of ours, with what sqlite-utils and its plugins do."""
    db = OpenedDatabase(conn, in_memory=in_memory)
    db.execute("pragma recursive_triggers = on")
    return to_sqlite_utils(db) if _has_plugins() else db


def to_sqlite_utils(db: Database) -> "sqlite_utils.Database":
    """Return a database as the `sqlite_utils.Database` that users hold.

    It is the same object, so that who has it already, or a weak reference to it, goes on with it.
    SQLite is asked nothing: the file may be closed, or of the process that has forked this one.
    """
    import sqlite_utils

    whole: Any = db
    with _lock.held():
        if isinstance(db, OpenedDatabase):
            made = sqlite_utils.Database(db.conn, recursive_triggers=False)
            made.memory = db.memory
            # Its class comes last: another thread may be using it.
            vars(whole).update(vars(made))
            whole.__class__ = sqlite_utils.Database
    return cast("sqlite_utils.Database", whole)


def is_database(value: object) -> "TypeIs[Database]":
    """Return whether a value is a database; no class is imported for that."""
    sqlite_utils = sys.modules.get("sqlite_utils")
    return isinstance(value, (OpenedDatabase, getattr(sqlite_utils, "Database", OpenedDatabase)))


def has_table(db: Database, name: str) -> bool:
    """Return whether there is a table, or a view, of a name."""
    found = db.execute(
        """
        select 1
        from sqlite_master
        where type in ('table', 'view')
          and name = ?
        """,
        [name],
    ).fetchone()
    return found is not None


def _has_plugins() -> bool:
    """Return whether there are plugins of sqlite-utils, other than our own."""
    # Another thread may be just importing it: then it has no plugins yet but those installed.
    manager = getattr(sys.modules.get("sqlite_utils.plugins"), "pm", None)
    plugins = manager.get_plugins() if manager else ()
    names = [getattr(plugin, "__name__", "") for plugin in plugins]
    return any(name != _OWN_PLUGIN for name in [*names, *_installed_plugins()])


@cache
def _installed_plugins() -> list[str]:
    from importlib import metadata  # takes a while

    return [point.value for point in metadata.entry_points(group="sqlite_utils")]
