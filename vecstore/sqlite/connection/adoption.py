"""Makes a user's own sqlite_utils.Database fit for vecstore, in place.

Where its connection can load extensions, that very connection gets sqlite-vec. Many Pythons are
built without extension loading: there, the database is reopened with apsw, and `db.conn` becomes
that connection. Whoever holds `db` goes on using it.
"""

import functools
import inspect
import os
import tempfile
import weakref
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import apsw
from sqlite_utils import Database
from sqlite_utils.plugins import pm as sqlite_utils_plugins
from sqlite_utils.utils import sqlite3  # type: ignore[attr-defined]

from ...errors import AdoptionError, DatabaseError, InvalidInputError, MissingFileError
from . import dbapi, extension, filenames, guard, opening, rights, turns

_Function = Callable[..., Any]
_Functions = dict[tuple[str, int], tuple[_Function, bool]]  # by name and number of arguments

# What a connection can be told and asked: a new one takes it on.
_SETTINGS = (
    "automatic_index",
    "busy_timeout",
    "cell_size_check",
    "foreign_keys",
    "ignore_check_constraints",
    "journal_size_limit",
    "max_page_count",
    "query_only",
    "recursive_triggers",
    "secure_delete",
    "synchronous",
    "temp_store",
    "wal_autocheckpoint",
)

# What each Database has registered: a sqlite3 connection cannot be asked for its functions.
_functions: weakref.WeakKeyDictionary[Database, _Functions] = weakref.WeakKeyDictionary()


def database(db: Database | str | Path | None, may_create: bool) -> Database:
    """Return a Database as `adopt()` makes it, or one for a path, or one in memory for None.

    :raises MissingFileError: there is no such file, and it is not to be created
    :raises InvalidInputError: `db` is something else
    """
    if isinstance(db, Database):
        adopt(db)
        return db
    if db is None or db == ":memory:":
        return opening.connect()
    if not isinstance(db, str | Path):
        raise InvalidInputError(
            f"db is a {type(db).__name__}: pass a path or a sqlite_utils.Database, which takes a "
            "connection: Database(conn)"
        )
    if not may_create and not Path(db).exists():
        raise MissingFileError(
            f"The file {db} does not exist, nor does a collection in it: to create both, pass "
            "model= or model_id="
        )
    return _opened(Path(db))


def _opened(path: Path) -> Database:
    """Open a file to write to it, or for reading alone where this user can do no more."""
    if not path.exists() or rights.is_writable(path):
        return opening.connect(path)
    if os.access(path, os.W_OK):  # but no files can be made beside it: there may be a writer's
        with suppress(DatabaseError):
            return opening.connect(path)
    return opening.connect(path, read_only=True)


def adopt(db: Database) -> None:
    """Load sqlite-vec into the connection of a Database, or replace that connection by one of apsw.

    The Database of `vecstore.connect()` is left as it is, and so is one adopted before. Settings
    that are the user's own (foreign keys, timeout) are not changed; a new connection takes them on.
    What SQLite does not tell stays behind: an authorizer, a trace or progress callback, and
    functions that were registered with `conn.create_function()`.

    :raises AdoptionError: the connection must be replaced and something in it cannot be carried
      over: an open transaction, a query with rows left, an attached database, a temporary table, a
      collation, a shared memory database, a function registered before vecstore was imported; or
      this process has the file open once more. Nothing was changed.
    :raises TwoLibrariesError: it need not be replaced, and another library has the file open
    :raises DatabaseError: it belongs to another thread, or to the process that forked this one; or
      this user may not read the file
    """
    with turns.using(db):
        conn: Any = db.conn
        try:
            _adopt(db)
        except conn.OperationalError as error:
            if rights.is_denied(error):
                raise rights.unreadable(filenames.main_file(conn), error) from error
            raise


def _adopt(db: Database) -> None:
    conn: Any = db.conn
    if isinstance(conn, dbapi.Connection) or hasattr(conn, "enable_load_extension"):
        path, library = filenames.main_file(conn), extension.library(conn)
        if library != "apsw":
            guard.check(path, library)
        guard.watch(path, library)
        turns.watch(db, path)
        opening.configure(conn, new_file=bool(path) and not conn.in_transaction)
    else:
        _replace_connection(db)
    for function in opening.prepare:
        function(db)


def _replace_connection(db: Database) -> None:
    old: Any = db.conn
    path = filenames.main_file(old)
    _refuse_what_cannot_move(db, path)
    state = _State(old)
    if path:
        new = _reopened(db, path, state)
    else:
        new = dbapi.Connection(_copy_of_memory(old))
        opening.configure(new, new_file=False)
        old.close()
    state.give_to(new)
    db.conn = new
    db._registered_functions.clear()
    sqlite_utils_plugins.hook.prepare_connection(conn=new)
    for (name, _), (function, deterministic) in _functions.get(db, {}).copy().items():
        db.register_function(function, name=name, deterministic=deterministic, replace=True)


def _reopened(db: Database, path: str, state: "_State") -> Any:
    """Close the connection of a Database and return one of apsw to the same file.

    If that fails, the Database gets another connection of its own kind.
    """
    old: Any = db.conn
    read_only = guard.is_read_only(path)
    old.close()
    try:
        # A cursor with rows left keeps its connection, and so the file, open.
        return opening.connect(path, driver="apsw", read_only=read_only).conn
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
        self._pragmas = {name: conn.execute(f"pragma {name}").fetchone()[0] for name in _SETTINGS}
        attributes = ("isolation_level", "row_factory", "text_factory")
        self._attributes = {name: getattr(conn, name) for name in attributes}

    def give_to(self, conn: Any) -> None:
        for name, value in self._pragmas.items():
            if conn.execute(f"pragma {name}").fetchone()[0] != value:
                conn.execute(f"pragma {name} = {value:d}")
        for name, value in self._attributes.items():
            setattr(conn, name, value)


def _refuse_what_cannot_move(db: Database, path: str) -> None:
    conn = db.conn
    remedy = "or open the file with vecstore.connect(), whose connection needs no replacement"
    reason = "This Python's sqlite3 cannot load sqlite-vec, so vecstore reopens the database"
    if conn.in_transaction:
        raise AdoptionError(f"{reason}, but a transaction is open: commit it first, {remedy}")
    attached = [name for name, _ in filenames.of_connection(conn) if name != "main"]
    if attached and attached != ["temp"]:
        names = ", ".join(name for name in attached if name != "temp")
        raise AdoptionError(f"{reason}, but {names} is attached: attach it afterwards, {remedy}")
    temporary = [name for (name,) in conn.execute("select name from sqlite_temp_master")]
    if temporary:
        names = ", ".join(temporary)
        raise AdoptionError(f"{reason}, but {names} is temporary: make it afterwards, {remedy}")
    if db.memory_name:
        raise AdoptionError(
            f"{reason}, but the memory database {db.memory_name} is shared with other connections: "
            "use a file, or a memory database without a name"
        )
    known = _functions.get(db, {})
    lost = [name for name, arity in db._registered_functions if (name, arity) not in known]
    if lost:
        raise AdoptionError(
            f"{reason}, but {', '.join(lost)} was registered before vecstore was imported: "
            f"import vecstore first, {remedy}"
        )
    collations = {name for _, name in conn.execute("pragma collation_list")}
    if collations - {"BINARY", "NOCASE", "RTRIM"}:
        names = ", ".join(collations - {"BINARY", "NOCASE", "RTRIM"})
        raise AdoptionError(
            f"{reason}, but the collation {names} would be lost: {remedy.removeprefix('or ')}"
        )
    if path and not guard.descriptors(path):
        raise AdoptionError(f"{reason}, but {path} was moved or deleted since it was opened")
    if path and guard.descriptors(path) > 1:
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


def _remember_functions() -> None:
    """Keep each function that sqlite-utils registers, for when its connection is replaced."""
    original = Database.register_function

    @functools.wraps(original)
    def register_function(
        self: Database,
        fn: _Function | None = None,
        deterministic: bool = False,
        replace: bool = False,
        name: str | None = None,
    ) -> Any:
        def register(fn: _Function) -> _Function:
            key = (name or fn.__name__, len(inspect.signature(fn).parameters))
            if replace or key not in self._registered_functions:
                _functions.setdefault(self, {})[key] = (fn, deterministic)
            original(self, fn, deterministic=deterministic, replace=replace, name=name)
            return fn

        if fn is None:
            return register
        register(fn)
        return None

    Database.register_function = register_function  # type: ignore[method-assign]


if not opening.can_load_extensions(sqlite3):
    _remember_functions()
