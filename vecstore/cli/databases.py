"""Opens the database of a command: to write, to read, or for work on all of it."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from functools import partial
from pathlib import Path

from ..collection import Collection
from ..entries import require_collection_name
from ..errors import DatabaseConnectionError, DatabaseError, DoesNotExist, ModelMismatchError
from ..models import EmbeddingModel
from ..postgres_url import is_url, without_password
from ..prefixes import Prefixes
from ..settings import DatabaseName, default_database, default_index_form, user_dir
from ..sqlite.connection import rights
from ..sqlite.connection.database import Database
from ..sqlite.connection.interruptible import keep_interruptible
from ..sqlite.connection.pragmas import unmap_file
from ..sqlite.databases import connect_to_read, open_database
from ..sqlite.store import SqliteStore
from ..standard_sqlite import sqlite3
from ..store import Store
from ..stores import opened_store
from ..values import quote

# To wait for another process that writes: what was embedded is in hand, and paid for.
_PATIENCE_SECONDS = 60.0

_GOES_ON = "the same command goes on from there"


@contextmanager
def open_collection_to_write(
    database: DatabaseName, name: str, model: EmbeddingModel | None
) -> Iterator[Collection]:
    """Open a collection to write to it; without it or the file, they are created.

    :param model: what `choose_model_to_write()` returned
    :raises ModelMismatchError: the collection was made with another model
    """
    with _open_store(database, partial(_open_file_for_load, create=True)) as store:
        is_new = not Collection.exists(store, name)
        collection = Collection(name, store, model=model, create=model is not None)
        try:
            yield collection
        except (sqlite3.OperationalError, DatabaseConnectionError):
            raise
        except BaseException:
            if is_new:
                _delete_if_empty(collection)
            raise
        if is_new:
            _delete_if_empty(collection)


def _delete_if_empty(collection: Collection) -> None:
    """Delete a collection unless it has entries: a mistake must not bind the next try to its model.

    Another process may write to it until now, may give it prefixes, and may have deleted it.
    """
    store = collection.store
    with suppress(DoesNotExist, ModelMismatchError), store.writing():
        if not collection.count() and store.prefixes(collection.row) == Prefixes():
            collection.delete()


@contextmanager
def open_existing_collection_to_write(database: DatabaseName, name: str) -> Iterator[Collection]:
    """Open a collection that there is, patiently, to write to its database."""
    with _open_store(database, _open_file_for_load) as store:
        yield _open_existing(store, name)


@contextmanager
def open_existing_collection(database: DatabaseName, name: str) -> Iterator[Collection]:
    """Open a collection that there is, for reading only where the file cannot be written.

    A database that is missing, or has no such collection, is left as it is.
    """
    with _open_store(database, open_existing_file) as store:
        yield _open_existing(store, name)


def _open_existing(store: Store, name: str) -> Collection:
    if store.find(require_collection_name(name)) is None:
        raise DoesNotExist(f"Collection does not exist: {quote(name)} ({store.describe()})")
    return Collection(name, store, create=False)


def open_store_to_read(database: DatabaseName) -> AbstractContextManager[Store]:
    """Open a database that there is; a file for reading only."""
    return _open_store(database, _open_file_to_read)


def open_store_for_maintenance(
    database: DatabaseName, *, read_only: bool = False, create: bool = False
) -> AbstractContextManager[Store]:
    """Open a database for work on all of it: patiently, and so that ^C ends a statement."""
    opener = partial(open_file_for_maintenance, read_only=read_only, create=create)
    return _open_store(database, opener)


@contextmanager
def _open_store(
    database: DatabaseName, open_file: Callable[[Path], AbstractContextManager[Database]]
) -> Iterator[Store]:
    """Open a server by its URL, or else a file as `open_file` does."""
    if is_url(database):
        with open_server(database) as store:
            yield store
    else:
        with open_file(Path(database)) as db:
            yield SqliteStore(db)


@contextmanager
def open_server(url: str) -> Iterator[Store]:
    """Open a PostgreSQL database. Its errors say what it is, and what becomes of it."""
    try:
        with opened_store(url) as store:
            yield store
    except DatabaseConnectionError as error:
        message = str(error).replace(error.remedy, _GOES_ON)
        raise DatabaseConnectionError(message) from error


@contextmanager
def open_existing_file(path: Path) -> Iterator[Database]:
    """Open a file that there is, for reading only where it cannot be written."""
    _check_exists(path)
    with (
        _name_file_in_errors(path),
        closing(open_database(path, "apsw", read_only=not rights.is_writable(path))) as db,
    ):
        yield db


@contextmanager
def open_file_for_maintenance(
    path: Path, *, read_only: bool = False, create: bool = False
) -> Iterator[Database]:
    """Open a file for work on all of it: patiently, and so that ^C ends a statement."""
    _prepare_place(path, create=create)
    with _name_file_in_errors(path, "read" if read_only else "written", "nothing was changed"):
        opened = connect_to_read(path, driver="apsw") if read_only else _connect_to_write(path)
        with closing(opened) as db:
            unmap_file(db.conn)
            keep_interruptible(db)
            yield db


def require_file(database: DatabaseName, instead: str) -> Path:
    """Return the path of a file; DatabaseError, with what is to be done instead, for a URL."""
    if is_url(database):
        raise DatabaseError(f"{show_name(database)} is a PostgreSQL database: {instead}")
    return Path(database)


def show_name(database: DatabaseName) -> str:
    """Return the name of a database as it may be printed: without a password."""
    return without_password(database) if is_url(database) else str(database)


def is_there(database: DatabaseName) -> bool:
    """Return whether there is such a file; of a server, the next call finds that out."""
    return is_url(database) or Path(database).exists()


def prepare_for_load(collection: Collection) -> None:
    """Have a long load from a file, or into it, take no memory for pages of it."""
    if isinstance(collection.store, SqliteStore):
        unmap_file(collection.store.db.conn)


@contextmanager
def _open_file_for_load(path: Path, *, create: bool = False) -> Iterator[Database]:
    _prepare_place(path, create=create)
    with (
        _name_file_in_errors(path, "written", _GOES_ON),
        closing(_connect_to_write(path)) as db,
    ):
        yield db


@contextmanager
def _open_file_to_read(path: Path) -> Iterator[Database]:
    _check_exists(path)
    with _name_file_in_errors(path), closing(connect_to_read(path, driver="apsw")) as db:
        yield db


@contextmanager
def _name_file_in_errors(
    path: Path, what: str = "used", outcome: str = "try again, or see what 'vecstore check' says"
) -> Iterator[None]:
    """Name the file, and what becomes of it, in an error of SQLite."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        if path.name in str(error):
            raise DatabaseError(str(error)) from error
        raise DatabaseError(f"{path} cannot be {what} now ({error}): {outcome}") from error


def _connect_to_write(path: Path) -> Database:
    default_index_form()  # if that is wrong, no file is made
    return open_database(path, "apsw", timeout=_PATIENCE_SECONDS)


def _prepare_place(path: Path, *, create: bool) -> None:
    """Make the folder of the default database, the only one that is ours; or else have a file."""
    if not create:
        _check_exists(path)
    elif path == default_database() and not os.environ.get("VECSTORE_DB"):
        user_dir()


def _check_exists(path: Path) -> None:
    if not path.exists():
        raise DatabaseError(
            f"There is no database {path}: 'vecstore embed' makes one, and -d or VECSTORE_DB names "
            "another"
        )
