"""Waits for the locks that other connections have, in this process and in others.

SQLite looks for a lock less and less often, in the end ten times a second: of eight that write, one
may find it taken each time until its timeout. Here, who has less time left looks more often.
"""

import random
import time
from collections.abc import Iterator
from typing import Any

import apsw

from . import dbapi, interrupts, sqlite_errors

_LONGEST = 0.005  # of a sleep, in seconds, where there are 5 or more left
_SHORTEST = 0.0005  # where there are 1.6 or less
_SLOWING = 5000  # makes the one of the other, with the square of the time left


class Wait:
    """A wait for other connections, in little sleeps.

    :param patience: seconds after which it is over, where those are not the connection's own

    Attributes:
        seconds: the busy timeout of the connection
    """

    def __init__(self, seconds: float, patience: float | None = None) -> None:
        self.seconds = seconds
        self._patience = seconds if patience is None else patience
        self._last = self._deadline = time.monotonic() + self._patience
        self._version: object = None

    def is_over(self) -> bool:
        """Return whether the time is over."""
        return time.monotonic() >= self._deadline

    def is_in_vain(self, conn: Any) -> bool:
        """Return whether the time is over, without a commit of another connection in it.

        So a lock that goes from hand to hand is waited for.
        """
        if self._version is None or self.is_over():
            before, self._version = self._version, _data_version(conn)
            if self._version == before or not self._patience:
                return True
            self._deadline = time.monotonic() + self._patience
        return False

    def sleep(self) -> None:
        """Sleep for a moment, the shorter the less was left of the time at first."""
        left = max(self._last - time.monotonic(), 0)
        seconds = min(max(left * left / _SLOWING, _SHORTEST), _LONGEST)
        time.sleep(seconds * random.uniform(0.5, 1.5))  # noqa: S311 - no secret


def _data_version(conn: Any) -> object:
    """Return what changes when another connection commits.

    https://www.sqlite.org/pragma.html#pragma_data_version
    """
    try:
        return conn.execute("pragma data_version").fetchone()
    except conn.OperationalError:
        return "locked for readers too"


def busy_timeout(conn: Any) -> float:
    """Return the seconds that a connection waits for the locks of others."""
    [milliseconds] = conn.execute("pragma busy_timeout").fetchone()
    return float(milliseconds / 1000)


def set_busy_timeout(conn: Any, seconds: float) -> None:
    """Wait that long for another connection's lock before "database is locked".

    https://www.sqlite.org/pragma.html#pragma_busy_timeout
    """
    milliseconds = round(1000 * seconds)
    if isinstance(conn, dbapi.Connection):
        conn.apsw.set_busy_timeout(milliseconds)  # a tenth of the time of a statement
    else:
        conn.execute(f"pragma busy_timeout = {milliseconds}")


@interrupts.block
def temporary_busy_timeout(conn: Any, seconds: float, *, afterwards: float) -> Iterator[None]:
    """Wait that long for a lock in a block."""
    with interrupts.ending(lambda: set_busy_timeout(conn, afterwards)):
        set_busy_timeout(conn, seconds)
        yield


def begin_immediate(conn: Any, wait: Wait) -> bool:
    """Begin a transaction that may write; False if another has the lock, and it is worth waiting.

    Asks once, and waits for nothing.

    :raises OperationalError: it cannot be had, or was waited for in vain
    """
    if not wait.seconds:  # there may be a busy handler of the user's own
        return _ask_for_lock(conn, wait)
    with temporary_busy_timeout(conn, 0, afterwards=wait.seconds):
        return _ask_for_lock(conn, wait)


def _ask_for_lock(conn: Any, wait: Wait) -> bool:
    try:
        conn.execute("begin immediate")
    except conn.OperationalError as error:
        # https://www.sqlite.org/rescode.html#busy_snapshot
        if sqlite_errors.error_code(error) == apsw.SQLITE_BUSY_SNAPSHOT:
            raise sqlite_errors.to_ours(
                error,
                "database is locked: a query of this connection still has rows to give, and "
                "the file has been written since it began: fetch them all before writing",
            ) from error
        if not sqlite_errors.is_busy(error) or wait.is_in_vain(conn):
            raise
        return False
    return True
