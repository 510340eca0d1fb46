"""Keeps a reader true that can make no files beside a database: SQLite shows it no change.

In WAL mode a reader needs the file -shm. Where it cannot make that and no writer has, SQLite reads
the file only as one that does not change (immutable=1): it locks nothing, and looks at no page
twice. Such a connection is frozen. Here the status of the file tells whether it was changed: before
a statement, then it is opened anew; after one, then what was read may be of two states, and is
thrown away. While a writer has the file open, -wal and -shm are there, and the connection is live:
an ordinary one, which sees each commit. So it goes to and fro.

https://www.sqlite.org/wal.html#read_only_databases
"""

import time
from collections.abc import Callable
from typing import Any

import apsw

from ...errors import DatabaseError, FileChangedError
from . import file_status, replacement, rights, sqlite_errors
from .database import Database
from .file_status import Status, has_commits, identity_of, size_of, status_of
from .interrupts import Result

_PATIENCE = 5.0  # seconds in which what was read of two states is read again
_TRIES = 40  # to open a file that its writer is closing, which takes a moment
_PAUSE = 0.005

_SETTINGS = (*replacement.CONNECTION_PRAGMAS, "trusted_schema")


def repeat_if_changed(db: Database, work: Callable[[], Result]) -> Result:
    """Return what `work` returns, whose statements all read one state of a frozen file.

    It is called again, on a new connection, if the file was changed meanwhile. With a connection
    that cannot be frozen it is just called.

    :raises FileChangedError: the file was changed during each call, for seconds
    """
    watch: Watch | None = getattr(db.conn, "watch", None)
    return work() if watch is None else watch.repeat_if_changed(db.conn, work)


def fail_if_changed(db: Database, work: Callable[[], Result]) -> Result:
    """Return what `work`, which cannot be called again, returns for one state of a frozen file.

    :raises FileChangedError: the file was changed meanwhile
    """
    watch: Watch | None = getattr(db.conn, "watch", None)
    return work() if watch is None else watch.fail_if_changed(db.conn, work)


def fail_if_changed_since_opened(db: Database, work: Callable[[], Result]) -> Result:
    """Return what `work` returns, if a frozen file is what it was when it was opened.

    :raises FileChangedError: it is not
    """
    watch: Watch | None = getattr(db.conn, "watch", None)
    return work() if watch is None else watch.fail_if_changed_since_opened(db.conn, work)


def is_frozen(db: Database) -> bool:
    """Return whether a connection sees no change of its file."""
    watch: Watch | None = getattr(db.conn, "watch", None)
    return watch is not None and watch.is_frozen


def repeat_while_changing(work: Callable[[], Result]) -> Result:
    """Return what `work` returns when no file is changed under it, as may take another call.

    :raises FileChangedError: one was changed during each call, for seconds
    """
    give_up = time.monotonic() + _PATIENCE
    while True:
        try:
            return work()
        except FileChangedError:
            if time.monotonic() > give_up:
                raise


def set_up_each_time(conn: Any, key: object, action: Callable[[Any], object]) -> None:
    """Do something to a connection, now and whenever it is opened anew.

    :param key: what takes the place of an earlier action, if that had the same
    """
    action(conn)
    if getattr(conn, "watch", None) is not None:
        conn.watch.repeat_at_each_opening(key, action)


class Watch:
    """Watches the file of one connection, whose methods `reopen()` and cursors know of it.

    Attributes:
        generation: how often it was opened: a cursor is of one
    """

    def __init__(self, path: str, open_again: Callable[[Any, bool], None]) -> None:
        """Open nothing yet.

        :param path: of the file, absolute
        :param open_again: has a connection opened anew, frozen or not, and reads the schema
        """
        self.generation = 0
        self._path = path
        self._open_again = open_again
        self._frozen: Status | None = None  # what the file was when it was opened so
        self._live: Status | None = None  # which file was opened otherwise
        self._wal: Status | None = None  # what its -wal was then, and is at each statement
        self._is_stale = True
        self._is_busy = False
        self._is_opening = False
        self._settings: dict[str, int] = {}
        self._setup: dict[object, Callable[[Any], object]] = {}

    def repeat_at_each_opening(self, key: object, action: Callable[[Any], object]) -> None:
        """Do something to each connection that takes the place of this one."""
        self._setup[key] = action

    @property
    def is_frozen(self) -> bool:
        """Whether the connection sees no change of the file."""
        return self._frozen is not None

    def repeat_if_changed(self, conn: Any, work: Callable[[], Result]) -> Result:
        """Return what `work` returns for one state of the file, calling it again if need be."""
        with conn.turns.lock():
            if self._is_within_another(conn):
                return self.fail_if_changed(conn, work)
            return repeat_while_changing(lambda: self.fail_if_changed(conn, work))

    def fail_if_changed(self, conn: Any, work: Callable[[], Result]) -> Result:
        """Return what `work` returns, if the file was as it is now all the time.

        :raises FileChangedError: it was not
        :raises DatabaseError: it was changed before, and cannot be opened anew
        """
        return self.use_file_of_now(conn, lambda: self.fail_if_changed_since_opened(conn, work))

    def use_file_of_now(self, conn: Any, work: Callable[[], Result]) -> Result:
        """Call `work` on the file as it is now, unless that is part of a statement or transaction.

        :raises DatabaseError: it was changed before, and cannot be opened anew
        """
        with conn.turns.lock():
            if self._is_within_another(conn):
                return work()
            try:
                self._is_busy = True
                self.renew(conn)
                return work()
            finally:  # calls nothing, so that no KeyboardInterrupt comes between
                self._is_busy = self._is_opening = False

    def fail_if_changed_since_opened(self, conn: Any, work: Callable[[], Result]) -> Result:
        """Return what `work` returns, if the file is still what was opened."""
        result = self.explain_errors(conn, work)
        if self.has_changed():
            raise self.error()
        return result

    def explain_errors(self, conn: Any, work: Callable[[], Result]) -> Result:
        """Return what `work` returns; an error of SQLite may come from a change of the file."""
        try:
            return work()
        except conn.Error as error:
            if self.has_changed() or self._is_lost(conn, error):
                raise self.error() from error
            raise

    def has_changed(self) -> bool:
        """Return whether what is read from now on is not of the file that was opened."""
        if self._is_opening:
            return False
        if self._is_stale or self._frozen is None:
            return self._is_stale
        return status_of(self._path) != self._frozen

    def error(self) -> FileChangedError:
        """Return the error for what may have been read of two states."""
        return FileChangedError(
            f"{self._path} was changed while it was read: run the statement again, or the whole "
            "transaction"
        )

    def renew(self, conn: Any) -> None:
        """Open the file anew if it has changed, or a writer has come or gone.

        :raises DatabaseError: it cannot be read now, or what the connection has would be lost
        """
        if self._is_current():
            return
        factories = conn.row_factory, conn.text_factory
        try:
            self._renew(conn)
        finally:  # as in use_file_of_now()
            conn.row_factory, conn.text_factory = factories

    def _renew(self, conn: Any) -> None:
        self._is_opening = True
        conn.row_factory, conn.text_factory = None, str
        if not self._is_stale:
            self._refuse_wal_of_another_file()
            _refuse_what_would_be_lost(conn, self._path)
            self._settings = replacement.read_pragmas(conn, _SETTINGS)
        self._is_stale = True
        self.generation += 1  # the cursors of before are of another file
        self._open(conn)
        replacement.set_pragmas(conn, self._settings)
        for action in list(self._setup.values()):
            action(conn)
        self._is_opening = self._is_stale = False

    def _is_within_another(self, conn: Any) -> bool:
        """Return whether a statement is under way, or a transaction: nothing can be reopened."""
        return self._is_busy or (not self._is_stale and conn.in_transaction)

    def _is_current(self) -> bool:
        if self._is_stale:
            return False
        if self._frozen is not None:
            return not has_commits(self._path) and not self.has_changed()
        if identity_of(self._path) != self._live:
            return False
        self._wal = status_of(f"{self._path}-wal")
        return True

    def _is_lost(self, conn: Any, error: Exception) -> bool:
        """Return whether a live connection cannot read its file any more: its mode was changed."""
        if self._is_opening or self._frozen is not None or not rights.is_denied(error):
            return False
        if rights.is_read_only(error) and sqlite_errors.error_code(error) != apsw.SQLITE_READONLY:
            self._is_stale = True  # it would have to be rolled back, or recovered
            return True
        try:
            conn.execute("select 1 from sqlite_master").fetchone()
        except conn.Error:
            self._is_stale = True
        return self._is_stale

    def _open(self, conn: Any) -> None:
        tries_left = _TRIES
        while True:
            status = status_of(self._path)
            try:
                self._open_live(conn)
                return
            except conn.DatabaseError as error:
                tries_left -= 1
                if status is None or not tries_left or not rights.is_denied(error):
                    raise rights.unreadable_error(self._path, error) from error
            is_whole = not (has_commits(self._path) or size_of(f"{self._path}-journal"))
            if is_whole and self._open_frozen(conn, status):
                return
            time.sleep(_PAUSE)

    def _open_live(self, conn: Any) -> None:
        file = identity_of(self._path)
        self._open_again(conn, False)
        self._frozen, self._live, self._wal = None, file, status_of(f"{self._path}-wal")

    def _open_frozen(self, conn: Any, status: Status) -> bool:
        """Return whether the file could be opened as it was, which is long enough ago to tell."""
        unsure = file_status.seconds_unsure(status)
        if unsure:
            time.sleep(unsure)
            return False
        try:
            self._open_again(conn, True)
        except conn.DatabaseError as error:
            if status_of(self._path) == status:
                raise rights.unreadable_error(self._path, error) from error
            return False
        self._frozen = status
        return True

    def _refuse_wal_of_another_file(self) -> None:
        """Raise DatabaseError where a live file was replaced, and its -wal with commits was not."""
        wal = f"{self._path}-wal"
        if self._frozen is None and has_commits(self._path) and status_of(wal) == self._wal:
            raise DatabaseError(
                f"{self._path} was replaced while programs read it, and {wal} is still that of the "
                f"file before: end them, and remove {wal} and {self._path}-shm before anybody "
                "writes"
            )


def _refuse_what_would_be_lost(conn: Any, path: str) -> None:
    """Raise DatabaseError if a connection has what another would not."""
    names = [*replacement.attached_databases(conn), *replacement.temporary_parts(conn)]
    if names:
        raise DatabaseError(
            f"{path} was changed, and this connection cannot be opened anew, as {', '.join(names)} "
            "would be lost: close it, and open another"
        )
