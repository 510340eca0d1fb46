"""Work on a database that is one whole: a transaction, a snapshot, under a setting of its own."""

import itertools
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import apsw

from ..errors import DatabaseError, DiskError
from .connection import (
    attached_index,
    filenames,
    frozen,
    interrupts,
    locks,
    rights,
    sqlite_errors,
    turns,
)
from .connection.database import Database
from .connection.dbapi_translation import RAISING_SQLITE3_ERRORS
from .connection.interrupts import Result

_savepoints = itertools.count()  # one's name is never another's
_query_only_before: weakref.WeakKeyDictionary[Database, int] = weakref.WeakKeyDictionary()


def write(db: Database, work: Callable[[], Result], *, patience: float | None = None) -> Result:
    """Return what `work` returns, which is called in a block of `writing()`."""
    with writing(db, patience=patience):
        return work()


@interrupts.block
def writing(db: Database, *, patience: float | None = None) -> Iterator[None]:
    """Hold the write lock in a block, then commit; any exception rolls it back.

    Waits for another writer at the start, where it can be waited for, not at the first write. In
    a transaction that the caller has open, the block is a savepoint of it. Other threads that
    share the connection wait for its end.

    :param patience: seconds to wait; by default the busy timeout of the connection
    """
    wait = None
    while True:
        with turns.take_turn(db):
            if turns.has_transaction(db):
                with explain_write_errors(db), _savepoint(db):
                    yield
                return
            wait = wait or locks.Wait(locks.busy_timeout(db.conn), patience)
            _end_query_only(db)
            if not db.conn.in_transaction:
                # Or BEGIN IMMEDIATE would lock the index beside the file, and fail where that does.
                attached_index.detach(db.conn)
                with explain_write_errors(db), interrupts.undoing(lambda: _roll_back(db)):
                    if locks.begin_immediate(db.conn, wait):
                        yield
                        turns.refuse_other_process(db)
                        db.conn.execute("commit")
                        return
            elif wait.is_over():
                raise DatabaseError(
                    "Another thread has left a transaction open on this connection: open a "
                    "Collection for each thread, with the path, or commit before others write"
                )
        wait.sleep()  # meanwhile, other threads may read


def _roll_back(db: Database) -> None:
    turns.refuse_other_process(db)
    db.rollback()


@interrupts.block
def _savepoint(db: Database) -> Iterator[None]:
    name = f"vecstore_{next(_savepoints)}"

    def roll_back() -> None:
        try:
            db.conn.execute(f"rollback to {name}")
            db.conn.execute(f"release {name}")
        except db.conn.OperationalError as error:
            # It is not there before it begins and after its end, and when SQLite has undone the
            # whole transaction.
            if not sqlite_errors.says(error, sqlite_errors.NO_SUCH_SAVEPOINT):
                raise

    with interrupts.undoing(roll_back):
        db.conn.execute(f"savepoint {name}")
        yield
        db.conn.execute(f"release {name}")


@interrupts.block
def explain_write_errors(db: Database) -> Iterator[None]:
    """Where the block, which writes, fails, say more than SQLite, or sqlite-vec, which hides it."""
    try:
        yield
    except db.conn.OperationalError as error:
        if sqlite_errors.is_settled(error):
            raise
        if rights.is_denied(error):
            raise rights.unwritable_error(filenames.main_file(db.conn), error) from error
        if sqlite_errors.is_vec0_unwritten(error):
            message = (
                f"sqlite-vec cannot write its tables ({error}): has the disk room, and does it "
                "work?"
            )
            raise sqlite_errors.to_ours(error, message, DiskError) from error
        raise
    except db.conn.DatabaseError as error:
        is_of_fts5 = sqlite_errors.error_code(error) == apsw.SQLITE_CORRUPT_VTAB
        if not is_of_fts5 or sqlite_errors.is_settled(error):
            raise
        name = filenames.main_file(db.conn) or "the database in memory"
        message = (
            f"A keyword index in {name} is damaged ({error}), and nothing is written: 'vecstore "
            f"index build {name} --keywords' builds that of vecstore anew"
        )
        raise sqlite_errors.to_ours(error, message) from error


def try_to_write(db: Database, work: Callable[[], None], *, patience: float | None = None) -> bool:
    """Do the work in a transaction; return False if the database cannot be written now."""
    is_part = db.conn.in_transaction
    try:
        write(db, work, patience=patience)
    except db.conn.Error as error:
        # Where a disk is full, SQLite may undo all of the transaction that this is a part of.
        is_undone = is_part and not db.conn.in_transaction
        if sqlite_errors.is_unwritable(error) and not is_undone:
            return False
        raise
    except DatabaseError:
        return False
    return True


@interrupts.block
def reading(db: Database) -> Iterator[None]:
    """Keep the database as it is now, for a block.

    :raises DatabaseError: another thread has a transaction open on the same connection
    :raises FileChangedError: the file was changed meanwhile, which this user cannot lock
    """
    with turns.take_turn(db):  # what another thread writes must not be rolled back
        if turns.has_transaction(db):
            yield
            return
        if db.conn.in_transaction:
            raise DatabaseError(
                "Another thread has a transaction open on this connection, which is not to be "
                "copied: commit it first, or open a Database for each thread"
            )
        with interrupts.ending(db.rollback):
            db.execute("begin")
            yield


def hold_row(
    db: Database, sql: str, args: Sequence[object], work: Callable[[Any], Result]
) -> Result:
    """Call `work` with the first row of a query, or None, and return what it returns.

    For `work` the database stays as it is, since the query has another row to give: there must be
    two. It is no transaction: what another thread writes by the same connection, or a statement
    that is calling a function of ours, would become a part of that, and be rolled back with it.

    In a connection that may be frozen, it is called again if the file was changed meanwhile.

    :raises FileChangedError: the file was changed each time, for seconds
    """

    def hold_and_work() -> Result:
        with RAISING_SQLITE3_ERRORS:
            cursor = getattr(db.conn, "apsw", db.conn).cursor()  # apsw's own takes half the time
        try:  # as interrupts.ending() does it, in a fifth of the time: get() takes little more
            try:
                with RAISING_SQLITE3_ERRORS:
                    row = cursor.execute(sql, args).fetchone()
                return work(row)
            finally:
                cursor.close()
        except BaseException:
            cursor.close()
            raise

    with turns.take_turn(db):
        return frozen.repeat_if_changed(db, hold_and_work)


@interrupts.block
def without_foreign_keys(db: Database) -> Iterator[None]:
    """Enforce no foreign keys in a block; in a transaction, SQLite ignores that."""
    [before] = db.conn.execute("pragma foreign_keys").fetchone()
    with interrupts.ending(lambda: db.conn.execute(f"pragma foreign_keys = {before:d}")):
        db.conn.execute("pragma foreign_keys = off")
        yield


@interrupts.block
def query_only(db: Database) -> Iterator[None]:
    """Refuse to write in a block, whatever SQL it runs: a SELECT can, by pragma_optimize().

    Other threads that share the connection wait for its end.
    """
    with turns.take_turn(db):
        _end_query_only(db)
        with interrupts.ending(lambda: _end_query_only(db)):
            _query_only_before[db] = db.conn.execute("pragma query_only").fetchone()[0]
            db.conn.execute("pragma query_only = on")
            yield


def _end_query_only(db: Database) -> None:
    """Allow again what was allowed before query_only(), now or, after an interrupt, the next time.

    After one, SQLite runs no statement as long as another has rows to give.
    """
    if db in _query_only_before:
        with suppress(db.conn.OperationalError):
            db.conn.execute(f"pragma query_only = {_query_only_before[db]:d}")
            del _query_only_before[db]
