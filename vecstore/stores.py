"""Opens the store that keeps the collections of a database."""

import importlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from .errors import MissingPackageError
from .postgres_url import is_url, refuse_misspelt
from .sqlite import databases
from .sqlite.connection.database import Database, is_database
from .sqlite.store import SqliteStore
from .store import Store

__all__ = ["Database", "has_collection", "open_store", "opened_store"]


def open_store(db: Database | Store | str | Path | None, *, may_create: bool = False) -> Store:
    """Return the store of a Database, of what a path or a URL names, or of a new one in memory.

    :param db: None for one in memory; a store is returned as it is
    :raises InvalidInputError: it is nearly a URL of PostgreSQL
    :raises MissingFileError: there is no such file, and it is not to be created
    :raises MissingPackageError: a URL of PostgreSQL needs psycopg
    """
    if is_url(db):
        return _open_postgres(str(db))
    if isinstance(db, Store):
        return db
    refuse_misspelt(db)
    return SqliteStore(databases.open_or_adopt(db, may_create=may_create))


@contextmanager
def opened_store(
    db: Database | Store | str | Path, *, read_only: bool = False, create: bool = False
) -> Iterator[Store]:
    """Give the store of `db`, as open_store() does; what is opened here is closed after the block.

    :raises MissingFileError: there is no such file, and it is not to be created
    """
    if isinstance(db, Store):
        yield db
    elif is_url(db):
        with closing(_open_postgres(str(db))) as store:
            yield store
    else:
        refuse_misspelt(db)
        with databases.opened_database(db, read_only=read_only, create=create) as opened:
            yield SqliteStore(opened)


def has_collection(db: Database | Store | str | Path, name: str) -> bool:
    """Return whether a database has a collection of that name; nothing is written."""
    if isinstance(db, Store) or is_url(db):
        with opened_store(db) as store:
            return store.find(name) is not None
    if is_database(db):
        return SqliteStore(db).find(name) is not None
    refuse_misspelt(db)
    if not Path(db).exists():
        return False
    with closing(databases.connect_to_read(db)) as opened:
        return SqliteStore(opened).find(name) is not None


def _open_postgres(url: str) -> Store:
    store: Store = import_postgres("postgres.store").PostgresStore(url)
    return store


def import_postgres(name: str) -> Any:
    """Return a module of this package that brings psycopg: it takes a while, and is an extra.

    :raises MissingPackageError: psycopg is not installed
    """
    try:
        importlib.import_module("psycopg")
    except ImportError as error:
        raise MissingPackageError(
            f"A PostgreSQL database needs psycopg ({error}): pip install "
            "'sqlite-vecstore[postgres]'"
        ) from error
    return importlib.import_module(f".{name}", __package__)
