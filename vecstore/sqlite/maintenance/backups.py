"""Copies a database while others write to it."""

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from ...atomic_files import replacing
from ...errors import DatabaseBusyError, DatabaseError, DiskFullError
from .. import databases, schema, transactions
from ..connection import filenames, opening, pragmas, sqlite_errors
from ..connection.database import Database, has_table
from . import indexes, soundness

_PAGES = 1000  # that are copied between two looks for ^C
_HEADER = b"SQLite format 3\0"


@dataclass(frozen=True)
class Backup:
    """What a backup holds.

    Attributes:
        collections: how many
        embeddings: how many
        bytes: the size of the file
    """

    collections: int
    embeddings: int
    bytes: int


def backup(db: Database | str | Path, target: str | Path, *, plain: bool = False) -> Backup:
    """Copy a database as it is at this moment into a file, in place of an older copy.

    An index beside the file is not copied: the first search in the copy builds its own.

    Others may write meanwhile (in WAL mode; else they wait). The copy is made beside the target,
    checked (SQLite's integrity_check, and the number of rows) and on the disk before it takes the
    target's place. If that fails, the target is as it was, and nothing else is left; a process that
    is killed leaves `TARGET.….tmp`.

    :param db: a sqlite_utils.Database, or the path of a file
    :param plain: leave out the index, triggers and views, so that any program with SQLite can write
      to the copy; the next vecstore that opens it makes them again, with the index where that of
      the database is. Prefixes of collections stay, with their triggers, which any program runs
    :raises DatabaseError: the target is the database itself, the file of its index, in use or
      something else than a SQLite database; the copy is damaged, as the database must be; one of
      the two cannot be read or written, as a disk is full or fails; a transaction is open
    :raises MissingFileError: there is no such database
    :raises NewerSchemaError: a later vecstore has migrated it, and a plain copy is asked for
    """
    databases.refuse_url(target)
    target = Path(target).resolve()
    with databases.opened_database(db, read_only=True) as source:
        soundness.refuse_transaction(source, "A database cannot be copied")
        schema.refuse_foreign(source)
        if plain:
            schema.pending_migrations(source)  # raises for a newer one
        _check_target(source, target)
        driver = opening.driver_of(source)
        name = opening.name_of(source)
        with replacing(target) as temporary:
            try:
                counts = _copy(source, temporary, driver)
                with closing(databases.open_database(temporary, driver)) as copy:
                    pragmas.unmap_file(copy.conn)
                    if plain:
                        _make_plain(copy)
                    _verify(copy, counts, name)
            except source.conn.OperationalError as error:
                message = (
                    f"{name} was not copied to {target} ({error}), and an older copy was kept: "
                    f"{_remedy(sqlite_errors.error_class(error))}"
                )
                raise sqlite_errors.to_ours(error, message) from error
            size = temporary.stat().st_size
            _check_target(source, target)
        return Backup(*counts, size)


def _check_target(source: Database, target: Path) -> None:
    """Raise DatabaseError if a copy must not take the place of a file."""
    name = opening.name_of(source)
    if not target.parent.is_dir():
        raise DatabaseError(f"{target.parent} does not exist: make that folder first")
    if Path(name).exists() and target.exists() and target.samefile(name):
        raise DatabaseError(f"{target} is the database itself: name another file for the copy")
    if target.name == filenames.index_file(Path(name).name) and target.parent.samefile(
        Path(name).resolve().parent
    ):
        raise DatabaseError(f"{target} is where {name} has its index: name another file")
    for ending in ("-wal", "-journal"):
        if target.with_name(target.name + ending).exists():
            raise DatabaseError(
                f"{target}{ending} exists, so a program has {target} open, or had when it crashed: "
                "end it, and open the file once, with 'vecstore check' for instance"
            )
    if not target.exists():
        return
    if not target.is_file():
        raise DatabaseError(f"{target} is no file: name one for the copy")
    with target.open("rb") as file:
        beginning = file.read(len(_HEADER))
    if beginning not in (b"", _HEADER):
        raise DatabaseError(f"{target} is no SQLite database, and would be lost: name another file")


def _copy(source: Database, path: Path, driver: opening.Driver) -> tuple[int, int]:
    """Copy a database, as it is at one moment, and return how many rows it has of both tables."""
    with closing(opening.open_bare_connection(str(path), driver)) as copy:
        with transactions.reading(source):
            counts = _counts(source)
            source.conn.backup(copy, pages=_PAGES)
        return counts


def _counts(db: Database) -> tuple[int, int]:
    return _count(db, "collections"), _count(db, "embeddings")


def _count(db: Database, table: str) -> int:
    if not has_table(db, table):
        return 0
    [number] = db.execute(f"select count(*) from {table}").fetchone()
    return int(number)


def _make_plain(copy: Database) -> None:
    with transactions.writing(copy):
        indexes.drop_indexes(copy)
        schema.drop_ours(copy)
    copy.execute("vacuum")
    copy.execute("pragma journal_mode = delete").fetchall()


def _verify(copy: Database, counts: tuple[int, int], name: str) -> None:
    found = soundness.integrity_errors(copy)
    if found:
        raise DatabaseError(
            f"The copy of {name} is damaged ({found[0]}), and an older one was kept: "
            "'vecstore check' tells whether the database is"
        )
    if _counts(copy) != counts:
        raise DatabaseError(f"The copy of {name} has not all rows, and an older one was kept")


def _remedy(error_class: type[DatabaseError]) -> str:
    if error_class is DiskFullError:
        return "make room on the disk of the copy, and in the folder for temporary files"
    if error_class is DatabaseBusyError:
        return "try again when no other program uses it"
    return "see whether the disks of both are sound, and 'vecstore check' whether the database is"
