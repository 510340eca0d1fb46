"""Every kind of connection there is, and what a test reads through one."""

import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing

import sqlite_utils
from sqlite_utils import Database
from sqlite_utils.utils import sqlite3 as driver_module

import vecstore
from tests.support.models import Vectors
from vecstore import Collection
from vecstore.sqlite.connection.opening import can_load_extensions

LOADS_EXTENSIONS = can_load_extensions(driver_module)


class NoExtensions(sqlite3.Connection):
    """A connection like those of a Python that is built without extension loading."""

    @property
    def enable_load_extension(self):
        raise AttributeError("enable_load_extension")


def _adopted(path: str) -> Database:
    return sqlite_utils.Database(path)


def _adopted_without(path: str) -> Database:
    return sqlite_utils.Database(sqlite3.connect(path, factory=NoExtensions))


KINDS: dict[str, Callable[[str], Database]] = {
    "apsw": lambda path: vecstore.connect(path, driver="apsw"),
    "adopted-without": _adopted_without,
}
if LOADS_EXTENSIONS:
    KINDS["sqlite3"] = lambda path: vecstore.connect(path, driver="sqlite3")
    KINDS["adopted-with"] = _adopted


def rows(db: Database, sql: str, args: Iterable[object] = ()) -> list[tuple]:
    return db.execute(sql, list(args)).fetchall()


def make_pets(path, cat, dog):
    """Make a file with a collection of two entries, whose texts are their vectors; return it."""
    with closing(vecstore.connect(path, driver="apsw")) as db:
        pets = Collection("pets", db, model=Vectors())
        pets.embed_multi([("cat", cat), ("dog", dog)], store=True)
    return path
