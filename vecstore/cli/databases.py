"""Opens the database of a command: to write, to read, or for work on all of it."""

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from ..collection import Collection, store_of
from ..errors import DatabaseError, DoesNotExist, ModelMismatchError
from ..models import EmbeddingModel
from ..prefixes import Prefixes
from ..settings import default_database, default_index_form, user_dir
from ..sqlite import catalog, transactions
from ..sqlite.connection import rights
from ..sqlite.connection.database import Database
from ..sqlite.connection.interruptible import keep_interruptible
from ..sqlite.connection.pragmas import unmap_file
from ..sqlite.databases import connect_to_read, open_database
from ..standard_sqlite import sqlite3

# To wait for another process that writes: what was embedded is in hand, and paid for.
_PATIENCE_SECONDS = 60.0


@contextmanager
def open_collection_to_write(
    path: Path, name: str, model: EmbeddingModel | None
) -> Iterator[Collection]:
    """Open a collection to write to it; without it or the file, they are created.

    :param model: what `choose_model_to_write()` returned
    :raises ModelMismatchError: the collection was made with another model
    """
    _make_user_dir(path)
    outcome = "the same command goes on from there"
    with (
        _name_file_in_errors(path, "written", outcome),
        closing(_connect_to_write(path)) as db,
    ):
        is_new = not Collection.exists(db, name)
        collection = Collection(name, db, model=model, create=model is not None)
        try:
            yield collection
        except db.conn.OperationalError:
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
    with suppress(DoesNotExist, ModelMismatchError), transactions.writing(collection.db):
        if not collection.count() and store_of(collection).prefixes(collection.row) == Prefixes():
            collection.delete()


@contextmanager
def open_existing_collection_to_write(path: Path, name: str) -> Iterator[Collection]:
    """Open a collection that there is, patiently, to write to its file."""
    _check_exists(path)
    outcome = "the same command goes on from there"
    with (
        _name_file_in_errors(path, "written", outcome),
        closing(_connect_to_write(path)) as db,
    ):
        catalog.find_or_fail(db, name)
        yield Collection(name, db, create=False)


@contextmanager
def open_existing_collection(path: Path, name: str) -> Iterator[Collection]:
    """Open a collection that there is, for reading only where the file cannot be written.

    A file that is missing, or has no such collection, is left as it is.
    """
    with open_existing_file(path) as db:
        catalog.find_or_fail(db, name)
        yield Collection(name, db, create=False)


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
def open_file_to_read(path: Path) -> Iterator[Database]:
    """Open a file that there is, for reading only."""
    _check_exists(path)
    with _name_file_in_errors(path), closing(connect_to_read(path, driver="apsw")) as db:
        yield db


@contextmanager
def open_file_for_maintenance(
    path: Path, *, read_only: bool = False, create: bool = False
) -> Iterator[Database]:
    """Open a file for work on all of it: patiently, and so that ^C ends a statement."""
    if create:
        _make_user_dir(path)
    else:
        _check_exists(path)
    with _name_file_in_errors(path, "read" if read_only else "written", "nothing was changed"):
        opened = connect_to_read(path, driver="apsw") if read_only else _connect_to_write(path)
        with closing(opened) as db:
            unmap_file(db.conn)
            keep_interruptible(db)
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


def _make_user_dir(path: Path) -> None:
    """Make the folder of the default database: the only one that is ours to make."""
    if path == default_database() and not os.environ.get("VECSTORE_DB"):
        user_dir()


def _check_exists(path: Path) -> None:
    if not path.exists():
        raise DatabaseError(
            f"There is no database {path}: 'vecstore embed' makes one, and -d or VECSTORE_DB names "
            "another"
        )
