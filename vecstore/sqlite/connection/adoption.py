"""Makes the connection of a user's own sqlite_utils.Database fit for vecstore, in place.

Where it can load extensions, that very connection gets sqlite-vec. Many Pythons are built without
extension loading: there, the database is reopened with apsw, and `db.conn` becomes that connection.
Whoever holds `db` goes on using it.
"""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import apsw

from ...errors import AdoptionError
from ...standard_sqlite import sqlite3
from . import (
    dbapi,
    extension,
    filenames,
    guard,
    opening,
    replacement,
    rights,
    turns,
    user_functions,
)
from .database import Database, to_sqlite_utils

if TYPE_CHECKING:
    import sqlite_utils


def adopt_connection(db: Database) -> None:
    """Load sqlite-vec into the connection of a Database, or replace that connection.

    The errors are those of `vecstore.sqlite.databases.adopt()`.
    """
    conn: Any = db.conn
    try:
        if isinstance(conn, dbapi.Connection) or hasattr(conn, "enable_load_extension"):
            _prepare_connection(db)
        else:
            _replace_connection(to_sqlite_utils(db))
    except conn.OperationalError as error:
        if rights.is_denied(error):
            raise rights.unreadable_error(filenames.main_file(conn), error) from error
        raise


def _prepare_connection(db: Database) -> None:
    conn: Any = db.conn
    path, library = filenames.main_file(conn), extension.library_name(conn)
    if library != "apsw":
        guard.refuse_second_library(path, library)
    guard.protect_file(path, library)
    turns.note_adopted(db, path)
    opening.configure_connection(conn, new_file=bool(path) and not conn.in_transaction)


def _replace_connection(db: "sqlite_utils.Database") -> None:
    from sqlite_utils.plugins import pm  # whose Database this is

    old: Any = db.conn
    path = filenames.main_file(old)
    _refuse_what_cannot_move(db, path)
    state = _State(old)
    if path:
        new = _reopened(db, path, state)
    else:
        new = dbapi.Connection(_copy_of_memory(old))
        opening.configure_connection(new, new_file=False)
        old.close()
    state.give_to(new)
    db.conn = new
    pm.hook.prepare_connection(conn=new)
    user_functions.register_again(db)


def _reopened(db: "sqlite_utils.Database", path: str, state: "_State") -> Any:
    """Close the connection of a Database and return one of apsw to the same file.

    If that fails, the Database gets another connection of its own kind.
    """
    old: Any = db.conn
    read_only = guard.is_open_read_only(path)
    old.close()
    try:
        # A cursor with rows left keeps its connection, and so the file, open.
        return opening.open_connection(path, "apsw", read_only=read_only)
    except Exception as error:
        uri = f"{filenames.to_uri(path)}?mode={'ro' if read_only else 'rw'}"
        again = sqlite3.connect(uri, uri=True, factory=type(old))
        state.give_to(again)
        db.conn = again
        raise AdoptionError(
            f"{path} could not be reopened to load sqlite-vec: {error}. If a query of this "
            "Database still has rows to give, fetch them all first"
        ) from error


class _State:
    """The settings of one connection, for another that takes its place."""

    def __init__(self, conn: Any) -> None:
        names = (*replacement.CONNECTION_PRAGMAS, *replacement.FILE_PRAGMAS)
        self._pragmas = replacement.read_pragmas(conn, names)
        attributes = ("isolation_level", "row_factory", "text_factory")
        self._attributes = {name: getattr(conn, name) for name in attributes}

    def give_to(self, conn: Any) -> None:
        replacement.set_pragmas(conn, self._pragmas)
        for name, value in self._attributes.items():
            setattr(conn, name, value)


def _refuse_what_cannot_move(db: "sqlite_utils.Database", path: str) -> None:
    conn = db.conn
    remedy = "or open the file with vecstore.connect(), whose connection needs no replacement"
    reason = "This Python's sqlite3 cannot load sqlite-vec, so vecstore reopens the database"
    if conn.in_transaction:
        raise AdoptionError(f"{reason}, but a transaction is open: commit it first, {remedy}")
    attached = ", ".join(replacement.attached_databases(conn))
    if attached:
        raise AdoptionError(f"{reason}, but {attached} is attached: attach it afterwards, {remedy}")
    temporary = ", ".join(replacement.temporary_parts(conn))
    if temporary:
        raise AdoptionError(f"{reason}, but {temporary} is temporary: make it afterwards, {remedy}")
    if db.memory_name:
        raise AdoptionError(
            f"{reason}, but the memory database {db.memory_name} is shared with other connections: "
            "use a file, or a memory database without a name"
        )
    forgotten = ", ".join(user_functions.forgotten_functions(db))
    if forgotten:
        raise AdoptionError(
            f"{reason}, but {forgotten} was registered before vecstore was imported, or with a "
            f"Database(execute_plugins=False): import vecstore first, {remedy}"
        )
    collations = {name for _, name in conn.execute("pragma collation_list")}
    if collations - {"BINARY", "NOCASE", "RTRIM"}:
        names = ", ".join(collations - {"BINARY", "NOCASE", "RTRIM"})
        raise AdoptionError(
            f"{reason}, but the collation {names} would be lost: {remedy.removeprefix('or ')}"
        )
    if path and not guard.count_descriptors(path):
        raise AdoptionError(f"{reason}, but {path} was moved or deleted since it was opened")
    if path and guard.count_descriptors(path) > 1:
        raise AdoptionError(
            f"{reason}, but this process has {path} open once more, and two SQLite libraries "
            f"would not see each other's locks: close the other connection first, {remedy}"
        )


def _copy_of_memory(conn: Any) -> apsw.Connection:
    """Return an apsw connection to memory with all that another connection to memory holds."""
    new = apsw.Connection(":memory:")
    if conn.execute("pragma page_count").fetchone()[0] == 0:
        return new
    if hasattr(conn, "serialize"):
        # deserialize() makes a database that cannot grow beyond 1 GB: take a copy of it.
        image = apsw.Connection(":memory:")
        image.deserialize("main", conn.serialize())
        _copy(image, new)
    else:  # Python 3.10
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / "memory.db")
            file = type(conn)(path)  # of the module that the connection is of
            conn.backup(file)
            file.close()
            _copy(apsw.Connection(path), new)
    return new


def _copy(source: apsw.Connection, target: apsw.Connection) -> None:
    with target.backup("main", source, "main") as backup:
        backup.step()
    source.close()
