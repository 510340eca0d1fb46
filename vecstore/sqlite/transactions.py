"""Work on a database that is one whole: a transaction, a snapshot, under a setting of its own.

Each takes a function to call, and no `with` block, wherever something is to be ended after it: see
interrupts.py.
"""

import itertools
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from sqlite_utils import Database

from ..errors import DatabaseError, DiskError
from .connection import filenames, frozen, interrupts, locks, rights, sqlite_errors, turns
from .connection.dbapi_translation import TRANSLATED
from .connection.interrupts import Result

_savepoints = itertools.count()  # one's name is never another's
_query_only_before: weakref.WeakKeyDictionary[Database, int] = weakref.WeakKeyDictionary()


def write(db: Database, work: Callable[[], Result], *, patience: float | None = None) -> Result:
    """Hold the write lock while `work` is called, then commit; any exception rolls it back.

    Waits for another writer at the start, where it can be waited for, not at the first write. In
    a transaction that the caller has open, the work is a savepoint of it. Other threads that
    share the connection wait for its end.

    :param patience: seconds to wait; by default the busy timeout of the connection
    """
    wait = None
    while True:
        with turns.take_turn(db):
            if turns.has_transaction(db):
                return _write_in_savepoint(db, work)
            wait = wait or locks.Wait(locks.busy_timeout(db.conn), patience)
            _end_query_only(db)
            if not db.conn.in_transaction:
                done = _write_in_transaction(db, work, wait)
                if done:
                    return done[0]
            elif wait.is_over():
                raise DatabaseError(
                    "Another thread has left a transaction open on this connection: open a "
                    "Collection for each thread, with the path, or commit before others write"
                )
        wait.sleep()  # meanwhile, other threads may read


def _write_in_transaction(
    db: Database, work: Callable[[], Result], wait: locks.Wait
) -> tuple[()] | tuple[Result]:
    """Return what the work returned, or nothing if another has the lock."""

    def attempt() -> tuple[()] | tuple[Result]:
        if not locks.begin_immediate(db.conn, wait):
            return ()
        result = work()
        turns.refuse_other_process(db)
        db.conn.execute("commit")
        return (result,)

    def roll_back() -> None:
        turns.refuse_other_process(db)
        db.rollback()

    with errors_explained(db):
        return interrupts.run_or_undo(attempt, undo=roll_back)


def _write_in_savepoint(db: Database, work: Callable[[], Result]) -> Result:
    name = f"vecstore_{next(_savepoints)}"

    def attempt() -> Result:
        db.conn.execute(f"savepoint {name}")
        result = work()
        db.conn.execute(f"release {name}")
        return result

    def roll_back() -> None:
        try:
            db.conn.execute(f"rollback to {name}")
            db.conn.execute(f"release {name}")
        except db.conn.OperationalError as error:
            # It is not there before it begins and after its end, and when SQLite has undone the
            # whole transaction.
            if not sqlite_errors.says(error, sqlite_errors.NO_SUCH_SAVEPOINT):
                raise

    with errors_explained(db):
        return interrupts.run_or_undo(attempt, undo=roll_back)


@contextmanager
def errors_explained(db: Database) -> Iterator[None]:
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


def read(db: Database, work: Callable[[], Result]) -> Result:
    """Call `work`, for which the database stays as it is now, and return what it returns.

    :raises DatabaseError: another thread has a transaction open on the same connection
    :raises FileChangedError: the file was changed meanwhile, which this user cannot lock
    """
    with turns.take_turn(db):  # what another thread writes must not be rolled back
        if turns.has_transaction(db):
            return work()
        if db.conn.in_transaction:
            raise DatabaseError(
                "Another thread has a transaction open on this connection, which is not to be "
                "copied: commit it first, or open a Database for each thread"
            )

        def begin_and_work() -> Result:
            db.execute("begin")
            return work()

        return interrupts.run(begin_and_work, end=db.rollback)


def hold(db: Database, sql: str, args: Sequence[object], work: Callable[[Any], Result]) -> Result:
    """Call `work` with the first row of a query, or None, and return what it returns.

    For `work` the database stays as it is, since the query has another row to give: there must be
    two. It is no transaction: what another thread writes by the same connection, or a statement
    that is calling a function of ours, would become a part of that, and be rolled back with it.

    In a connection that may be frozen, it is called again if the file was changed meanwhile.

    :raises FileChangedError: the file was changed each time, for seconds
    """

    def hold_and_work() -> Result:
        with TRANSLATED:
            cursor = getattr(db.conn, "apsw", db.conn).cursor()  # apsw's own takes half the time

        def query_and_work() -> Result:
            with TRANSLATED:
                row = cursor.execute(sql, args).fetchone()
            return work(row)

        return interrupts.run(query_and_work, end=cursor.close)

    with turns.take_turn(db):
        return frozen.repeat_if_changed(db, hold_and_work)


def without_foreign_keys(db: Database, work: Callable[[], Result]) -> Result:
    """Call `work` with no foreign keys enforced; in a transaction, SQLite ignores that."""
    [before] = db.conn.execute("pragma foreign_keys").fetchone()

    def turn_off_and_work() -> Result:
        db.conn.execute("pragma foreign_keys = off")
        return work()

    def restore() -> None:
        db.conn.execute(f"pragma foreign_keys = {before:d}")

    return interrupts.run(turn_off_and_work, end=restore)


def query_only(db: Database, work: Callable[[], Result]) -> Result:
    """Call `work`, which cannot write, whatever SQL it runs: a SELECT can, by pragma_optimize().

    Other threads that share the connection wait for its end.
    """

    def turn_on_and_work() -> Result:
        _query_only_before[db] = db.conn.execute("pragma query_only").fetchone()[0]
        db.conn.execute("pragma query_only = on")
        return work()

    with turns.take_turn(db):
        _end_query_only(db)
        return interrupts.run(turn_on_and_work, end=lambda: _end_query_only(db))


def _end_query_only(db: Database) -> None:
    """Allow again what was allowed before query_only(), now or, after an interrupt, the next time.

    After one, SQLite runs no statement as long as another has rows to give.
    """
    if db in _query_only_before:
        with suppress(db.conn.OperationalError):
            db.conn.execute(f"pragma query_only = {_query_only_before[db]:d}")
            del _query_only_before[db]
