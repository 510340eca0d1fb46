"""A plugin of sqlite-utils: what it opens gets sqlite-vec, where that can be, and vecstore_embed().

So sqlite-utils, and llm, which opens its files with it, can write to a file with an index inside.

Each command of sqlite-utils imports this. That is why it stands outside of the package `vecstore`,
whose import would take half as long again as such a command takes: the first text to embed does it.
"""

import sys
import weakref
from contextlib import suppress
from types import FrameType
from typing import TYPE_CHECKING, Any

from pluggy import HookimplMarker

if TYPE_CHECKING:
    from sqlite_utils import Database

hookimpl = HookimplMarker("sqlite_utils")  # as sqlite_utils makes it, which vecstore imports later

_CONNECTION_MODULES = ("sqlite3", "pysqlite3.dbapi2", "pysqlite3")

# The SQLite libraries that have loaded the file of sqlite-vec in this process, for vecstore too:
# vecstore.sqlite.connection.extension says why it matters.
loaded_into: set[str] = set()

_databases: "weakref.WeakValueDictionary[int, Database]" = weakref.WeakValueDictionary()


@hookimpl
def prepare_connection(conn: Any) -> None:
    """Load sqlite-vec, and register vecstore_embed(); what cannot be done is left, without a word.

    Where vecstore was imported before sqlite-utils, it is told that a Database is made.

    vecstore's own connections have both.
    """
    if any(kind.__module__.startswith("vecstore.") for kind in type(conn).__mro__):
        return
    if functions := sys.modules.get("vecstore.sqlite.connection.user_functions"):
        functions.remember_registered_functions()
    # Whatever goes wrong, sqlite-utils must work as it does without this.
    with suppress(Exception):
        _load_sqlite_vec(conn)
    with suppress(Exception):
        _register_embed(conn)


def library_name(conn: Any) -> str:
    """Return the name of the library of a connection that is like sqlite3's."""
    kind = next(k for k in type(conn).__mro__ if k.__module__ in _CONNECTION_MODULES)
    return kind.__module__.partition(".")[0]


def _load_sqlite_vec(conn: Any) -> None:
    import sqlite_vec
    from sqlite_utils.utils import sqlite3  # type: ignore[attr-defined]

    name = library_name(conn)
    # Of the other library that sqlite-utils may be given connections of, those stay as they are.
    is_sqlite_utils_own = name == sqlite3.__name__.partition(".")[0]
    if not is_sqlite_utils_own or not hasattr(conn, "enable_load_extension"):
        return
    if loaded_into - {name} or _is_vecstores_choice():
        return
    if _can_call(conn, "vec_version()"):
        return
    was_enabled = _can_call(conn, "load_extension(null)")
    conn.enable_load_extension(True)
    try:
        sqlite_vec.load(conn)
        loaded_into.add(name)
    finally:
        conn.enable_load_extension(was_enabled)


def _is_vecstores_choice() -> bool:
    """Return whether vecstore is in use on a system where one library alone can have sqlite-vec.

    That is the library of vecstore's own connections, which may be another than this one.
    """
    extension = sys.modules.get("vecstore.sqlite.connection.extension")
    return extension is not None and not extension.can_be_in_two_libraries()


def _register_embed(conn: Any) -> None:
    db = _database_of(conn)
    if db is None:
        return
    _databases[id(db)] = db
    if _can_call(conn, "vecstore_embed(null, null)"):
        return
    # Not the connection: what it holds is out of sight of the garbage collector, and there are no
    # weak references to it.
    key = id(conn)

    def vecstore_embed(collection: Any, text: Any) -> bytes | None:
        if text is None:
            return None
        from vecstore.sqlite.functions import embed_for

        return embed_for(_find_database(key), collection, text)

    conn.create_function("vecstore_embed", 2, vecstore_embed, deterministic=True)


def _database_of(conn: Any) -> "Database | None":
    """Return the Database that is being made of a connection: the hook is not told."""
    from sqlite_utils import Database

    frame: FrameType | None = sys._getframe()
    while frame is not None and frame.f_code is not Database.__init__.__code__:
        frame = frame.f_back
    db = frame.f_locals["self"] if frame else None
    return db if db is not None and db.conn is conn else None


def _find_database(key: int) -> "Database":
    """Return a Database of the connection of this id(), which calls and so is there."""
    for reference in _databases.valuerefs():
        db = reference()
        if db is not None and id(db.conn) == key:
            return db
    raise RuntimeError("The Database of this connection is gone: keep it to call vecstore_embed()")


def _can_call(conn: Any, call: str) -> bool:
    with suppress(Exception):
        conn.execute(f"select {call}").fetchone()
        return True
    return False
