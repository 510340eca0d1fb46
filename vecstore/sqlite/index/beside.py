"""The index in a file beside that of the table: attached for reading, and how far it has come.

    vecstore_followed     one row: the last change of the journal that the index has followed, and
                          the last one in any state of the rows that it was brought into step with
    vecstore_dimensions   for each dimension with an index: the layout of its tables, whether it is
                          complete, and else the key of the row up to which it was built

and the tables of an index of each dimension, as they are in tables.py.

The file is a cache, which beside_writing.py writes. Whoever deletes it loses time. It is not in WAL
mode: so it can be read where nothing can be written, and no second file that outlives it is taken
for a part of the one that comes after it.
"""

import hashlib
import logging
import os
import weakref
from collections.abc import Iterator
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

from ...errors import DatabaseError, DatabaseInterruptedError, TwoLibrariesError
from .. import journal
from ..connection import (
    attached_index,
    extension,
    file_status,
    filenames,
    frozen,
    guard,
    interrupts,
    locks,
    opening,
    rights,
    sqlite_errors,
)
from ..connection.database import Database
from ..index_names import BESIDE, KEYWORDS, index_names
from . import index_file, keyword_tables, tables

FOLLOWED = f"{BESIDE}.vecstore_followed"
DIMENSIONS = f"{BESIDE}.vecstore_dimensions"
_CACHE_KIBIBYTES = 16 * 1024
_PATIENCE = 0.05  # seconds
_PATIENCE_TO_DELETE = 2.0
_MOST_PROVED = 1_000

_log = logging.getLogger("vecstore")


class Standing(NamedTuple):
    """How an index beside stands to the table.

    seq: the last change that it has followed
    behind: how many came after that
    """

    seq: int
    behind: int


def file_of(db: Database) -> str:
    """Return the file of the index of a database; empty for a database in memory."""
    return _file_of(db.conn)


@cache
def layout_of(dimensions: int) -> str:
    """Return what tells an index of today's layout from that of another version."""
    if dimensions == KEYWORDS:
        return hashlib.sha256(keyword_tables.layout().encode()).hexdigest()
    statements = tables.index_tables(index_names(dimensions, BESIDE))
    return hashlib.sha256("".join(statements).encode()).hexdigest()


def find_standing(db: Database, dimensions: int) -> Standing | None:
    """Return how the index of a dimension stands; None where there is none that can be used.

    It is attached, if need be. Where another process has it locked, that is not waited for, as this
    one may hold a lock of the table meanwhile: a search without an index takes less.
    """
    wait = locks.busy_timeout(db.conn)
    with locks.temporary_busy_timeout(db.conn, min(wait, _PATIENCE), afterwards=wait):
        found = _read_standing(db, dimensions)
        return _read_standing(db, dimensions) if found is None and attach(db) else found


def attach(db: Database) -> bool:
    """Attach the file of the index for reading, in place of one that was attached before.

    Return whether that was possible. A statement that has rows to give may keep the one of before,
    and a database that the user has attached by this name stays. Another program's file by the name
    of an index is not attached: it is none of what the database is to show.

    :raises TwoLibrariesError: another SQLite library of this process has it open
    """
    return _attach(db.conn)


def attach_or_fail(db: Database) -> None:
    """Attach the file of the index, which is not attached.

    :raises sqlite3.DatabaseError: it is no database, is damaged, or cannot be read now
    :raises TwoLibrariesError: another SQLite library of this process has it open
    """
    attach_file(db.conn, filenames.read_only_uri(file_of(db)), _CACHE_KIBIBYTES)


def attach_each_time(db: Database) -> None:
    """Attach the index of a file that has it beside, if that is there, for SQL of the user's.

    And again, when a connection for reading is opened anew, or a statement lacks it.
    """
    if journal.is_there(db):
        frozen.set_up_each_time(db.conn, __name__, _try_to_attach)
    conn: Any = db.conn
    if hasattr(conn, "attach_index"):
        conn.attach_index = partial(_attach_for, weakref.ref(db))


def attach_if_used(db: Database) -> bool:
    """Attach the index of a file that has it beside, for SQL of the user's; return whether it is.

    Where another library has it open it is not: a search says so.
    """
    with suppress(TwoLibrariesError):
        return journal.is_there(db) and _attach(db.conn)
    return False


def detach(db: Database) -> bool:
    """Detach the file of the index; return whether none is attached any more."""
    return _detach(db.conn)


def discard(db: Database) -> bool:
    """Delete the file of the index, unless it is another program's; return whether it is gone."""
    path = file_of(db)
    detach(db)
    if not index_file.is_ours(path, extension.library_name(db.conn)):
        _warn_once(path)
        return False
    with _locked(path, db):
        # First the journal of SQLite, which would be taken for one of the next file of the name.
        for file in (f"{path}-journal", path):
            with suppress(FileNotFoundError):
                os.unlink(file)  # noqa: PTH108
    return True


@interrupts.block
def _locked(path: str, db: Database) -> Iterator[None]:
    """Keep others from writing to the file of an index in a block, unless it is damaged.

    Who writes to a file that is deleted makes a journal beside the next one.

    :raises DatabaseBusyError: another process is writing to it
    """
    if not Path(path).is_file():
        yield
        return
    conn = opening.open_bare_connection(path, opening.driver_of(db))
    with interrupts.ending(conn.close):
        locks.set_busy_timeout(conn, _PATIENCE_TO_DELETE)
        try:
            conn.execute("begin immediate")
        except conn.Error as error:
            if sqlite_errors.is_busy(error):
                raise sqlite_errors.to_ours(
                    error, f"{path} is being written to: {error}"
                ) from error
        yield


def _attach_for(reference: "weakref.ref[Database]") -> None:
    db = reference()
    if db is not None:
        attach_if_used(db)


def _try_to_attach(conn: Any) -> None:
    with suppress(TwoLibrariesError):  # a search says so
        _attach(conn)


def _attach(conn: Any) -> bool:
    path = _file_of(conn)
    if not Path(path).is_file() or _must_be_undone(path) or not _detach(conn):
        return False
    try:
        # Before it is attached: in a transaction it could not be detached.
        if not index_file.is_ours(path, extension.library_name(conn)):
            return False
        attach_file(conn, filenames.read_only_uri(path), _CACHE_KIBIBYTES)
    except TwoLibrariesError:
        raise
    except (OSError, DatabaseError):  # a folder, or what this user may not read
        return False
    except conn.Error as error:
        _raise_if_interrupted(error)
        return False
    return True


def _must_be_undone(path: str) -> bool:
    """Return whether a write that was killed must be undone by somebody who may write there."""
    return bool(file_status.size_of(f"{path}-journal")) and not rights.has_writable_folder(path)


def attach_file(conn: Any, uri: str, cache_kibibytes: int) -> None:
    """Attach the file of an index as a URI says, with a cache of that size.

    :raises TwoLibrariesError: another SQLite library of this process has it open
    """
    guard.attach_guarded(
        conn,
        filenames.from_uri(uri),
        extension.library_name(conn),
        lambda: conn.execute(f"attach ? as {BESIDE}", [uri]),
    )
    conn.execute(f"pragma {BESIDE}.cache_size = {-cache_kibibytes}")
    # Whoever shortens a file that is mapped ends this process with SIGBUS.
    conn.execute(f"pragma {BESIDE}.mmap_size = 0").fetchall()


def _detach(conn: Any) -> bool:
    """Return whether no database is attached by that name any more: a user's own stays."""
    return BESIDE not in dict(filenames.database_files(conn)) or attached_index.detach(conn)


def _read_standing(db: Database, dimensions: int) -> Standing | None:
    try:
        return _standing(db, dimensions)
    except db.conn.Error as error:  # of a file that cannot be read, or a journal that is gone
        _raise_if_interrupted(error)
        return None


def _standing(db: Database, dimensions: int) -> Standing | None:
    row = db.execute(
        f"""
        select followed.seq, followed.token, (
          select max(seq) - followed.seq
          from main.vecstore_changes
        ), (
          select max(seq) < followed.reached
          from main.vecstore_changes
        ), (
          select token
          from main.vecstore_changes
          where seq = followed.seq
        )
        from {FOLLOWED} as followed
        join {DIMENSIONS} as built
          on built.dimensions = ?
          and built.layout = ?
          and built.is_complete
        """,
        [dimensions, layout_of(dimensions)],
    ).fetchone()
    if row is None:
        return None
    seq, noted, behind, is_ahead, token = row
    # What is ahead of the state that this connection reads has entries of later vectors.
    if token is None or token != noted or is_ahead:
        return None
    # An index that is behind by so many is not used, and need not be proved to be of this file.
    if 0 < behind < _MOST_PROVED and journal.count_since(db, journal.Change(seq, token)) != behind:
        return None
    return Standing(seq, behind)


def _file_of(conn: Any) -> str:
    path = filenames.main_file(conn)
    return filenames.index_file(path) if path else ""


def _raise_if_interrupted(error: Exception) -> None:
    if issubclass(sqlite_errors.error_class(error), DatabaseInterruptedError):
        raise error


@cache
def _warn_once(path: str) -> None:
    _log.warning("%s is not an index of vecstore's: rename it, so that there can be one", path)
