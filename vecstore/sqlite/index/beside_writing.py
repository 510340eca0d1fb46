"""Writes to the index beside a file: a connection of its own, and a transaction at a time.

The index is locked before the table is read: what was read is never older than what the index says
that it has followed. Another process may delete the file of the index meanwhile, or put another in
its place: nothing is written to one that is gone.
"""

from collections.abc import Iterator
from pathlib import Path

from ...errors import DatabaseError
from .. import journal
from ..connection import (
    file_status,
    filenames,
    guard,
    interrupts,
    locks,
    opening,
    rights,
    sqlite_errors,
)
from ..connection.database import Database, OpenedDatabase
from ..connection.file_status import Status
from ..index_names import APPLICATION_ID, BESIDE, names_of
from . import beside, index_file
from .beside import DIMENSIONS, FOLLOWED

PATIENCE = 2.0  # seconds to wait for those who write to the table, or at most who read the index
LEAST_PATIENCE = 0.05
_PAGE_BYTES = 8192
_CACHE_KIBIBYTES = 128 * 1024  # with a smaller one SQLite would write, and lock, before the commit


class UnusableError(Exception):
    """The file of the index is of another state of the table, damaged, or of another layout."""


class ReplacedError(Exception):
    """Another process has deleted the file of the index, and may have made a new one."""


class Work(OpenedDatabase):
    """The connection that writes an index, and which file that is."""

    index_identity: Status | None = None


def is_refusal(error: Exception) -> bool:
    """Return whether an error says that the index cannot be written now, and not that it is bad."""
    return sqlite_errors.is_unwritable(error) or rights.is_denied(error)


@interrupts.block
def writing_index(db: Database) -> Iterator[Database]:
    """Give a connection that writes to the index beside a file, in one transaction, for a block.

    :raises DatabaseError: the index is of another state of the file, or was replaced meanwhile
    """
    try:
        with opened(db) as work:
            locks.set_busy_timeout(work.conn, PATIENCE)
            with writing(work):
                yield work
    except (ReplacedError, UnusableError) as error:
        raise DatabaseError(
            f"{beside.file_of(db)} was replaced by another process: try again"
        ) from error


def remove_index(db: Database, dimensions: int) -> None:
    """Remove the index of one dimension, or all if that is damaged.

    :param dimensions: or KEYWORDS
    :raises: what following.follow_or_fail() raises
    """
    names = names_of(dimensions, BESIDE)
    beside.detach(db)
    try:
        with opened(db) as work:
            locks.set_busy_timeout(work.conn, PATIENCE)
            with writing(work):
                for table in names.tables:
                    work.execute(f"DROP TABLE IF EXISTS {table}")
                work.execute(f"delete from {DIMENSIONS} where dimensions = ?", [dimensions])
    except (ReplacedError, UnusableError, db.conn.Error) as error:
        if sqlite_errors.is_settled(error) or is_refusal(error):
            raise
        beside.discard(db)


@interrupts.block
def opened(db: Database) -> Iterator[Work]:
    """Give a connection to the file and, to be written, its index.

    :raises DatabaseError: the file has no journal, or not all of it
    """
    path = filenames.main_file(db.conn)
    index = filenames.index_file(path)
    conn = opening.open_connection(path, opening.driver_of(db), timeout=PATIENCE)
    with interrupts.ending(conn.close):
        work = Work(conn)
        if not journal.is_whole(work):
            raise DatabaseError(
                f"{path} lacks a part of the journal of changes: open a Collection in it, which "
                "makes that again"
            )
        locks.set_busy_timeout(conn, LEAST_PATIENCE)  # in which another's commit is done
        with guard.using_plain_file():
            index_file.make_file(index, path)
        if not Path(index).is_file():  # a pipe would be waited for
            raise DatabaseError(f"{index} is no file, but stands in the place of one: rename it")
        work.index_identity = file_status.identity_of(index)
        beside.attach_file(conn, f"{filenames.to_uri(index)}?mode=rw", _CACHE_KIBIBYTES)
        if file_status.identity_of(index) != work.index_identity:
            raise ReplacedError
        work.execute(f"pragma {BESIDE}.page_size = {_PAGE_BYTES}")
        work.execute(f"pragma {BESIDE}.synchronous = normal")
        # In this order: another process may be making the tables, with the id.
        [is_new] = work.execute(f"select count(*) = 0 from {BESIDE}.sqlite_master").fetchone()
        [id] = work.execute(f"pragma {BESIDE}.application_id").fetchone()
        if id != APPLICATION_ID and not (is_new and id == 0):
            raise UnusableError
        index_file.shut_out(index, path)
        locks.set_busy_timeout(conn, 0)  # whoever has the lock is doing what is to be done
        if journal.last_change(work) is None:  # somebody has emptied it
            journal.begin(work)
        if is_new:
            with interrupts.undoing(work.rollback):
                work.execute("begin")
                work.execute(f"pragma {BESIDE}.application_id = {APPLICATION_ID}")
                _make_tables(work)
                work.execute("commit")
        yield work


@interrupts.block
def writing(work: Work) -> Iterator[None]:
    """Write to the index in a block, and only to that, then commit; an exception undoes it.

    Nothing is written to a file that was deleted: SQLite would take its journal, which has a name
    alone, for one of the file that has come in its place.
    """
    with interrupts.undoing(work.rollback):
        work.execute("begin")
        work.execute(f"delete from {FOLLOWED} where false")  # takes the lock, and writes nothing
        if file_status.identity_of(beside.file_of(work)) != work.index_identity:
            raise ReplacedError
        yield
        work.execute("commit")


def _make_tables(work: Database) -> None:
    work.execute(
        f"""
        CREATE TABLE IF NOT EXISTS {FOLLOWED} (
           seq INTEGER,
           token BLOB,
           reached INTEGER NOT NULL DEFAULT 0
        )
        """
    )
    work.execute(
        f"""
        CREATE TABLE IF NOT EXISTS {DIMENSIONS} (
           dimensions INTEGER PRIMARY KEY,
           layout TEXT,
           is_complete INTEGER,
           collection_id INTEGER,
           id TEXT
        )
        """
    )
    [is_new] = work.execute(f"select count(*) = 0 from {FOLLOWED}").fetchone()
    if is_new:
        last = journal.last_change(work)
        if last is not None:
            work.execute(f"insert into {FOLLOWED} (seq, token) values (?, ?)", last)


def hides_full_disk(work: Work, error: Exception) -> bool:
    """Return whether sqlite-vec fails, and not as the file is damaged: it does not tell why."""
    is_replaced = file_status.identity_of(beside.file_of(work)) != work.index_identity
    if is_replaced or not sqlite_errors.is_vec0_unwritten(error):
        return False
    work.rollback()
    [found] = work.execute(f"pragma {BESIDE}.quick_check(1)").fetchone()
    return bool(found == "ok")
