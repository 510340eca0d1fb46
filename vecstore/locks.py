"""Waits for the locks that other connections have, in this process and in others.

SQLite looks for a lock less and less often, up to ten times a second: among eight writers, one
that was there early can find it taken each time until its timeout. Here, who has less time left
looks more often.
"""

import random
import time
from typing import Any

_LOOKS_LEFT = 500  # about, in the time that is left, but for the limits
_LONGEST = 0.01
_SHORTEST = 0.0005

_SQLITE_BUSY_SNAPSHOT = 517  # https://www.sqlite.org/rescode.html#busy_snapshot


class Wait:
    """A time to wait, in little sleeps.

    Attributes:
        seconds: of them all
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._deadline = time.monotonic() + seconds

    def goes_on(self) -> bool:
        """Return whether there is time left."""
        return time.monotonic() < self._deadline

    def sleep(self) -> None:
        """Sleep for a moment, the shorter the less time is left."""
        left = self._deadline - time.monotonic()
        longest = min(max(left / _LOOKS_LEFT, _SHORTEST), _LONGEST)
        time.sleep(longest * random.uniform(0.5, 1.5))  # noqa: S311 - no secret


def busy_timeout(conn: Any) -> float:
    """Return the seconds that a connection is to wait for the locks of others."""
    [milliseconds] = conn.execute("pragma busy_timeout").fetchone()
    return float(milliseconds / 1000)


def begin(conn: Any, wait: Wait) -> bool:
    """Begin a transaction that may write; False, with time left, if another has the lock.

    Asks once, and waits for nothing.

    :raises OperationalError: it cannot be had, or there is no time left
    """
    try:
        if wait.seconds:
            conn.execute("pragma busy_timeout = 0")
        conn.execute("begin immediate")
    except conn.OperationalError as error:
        if getattr(error, "sqlite_errorcode", None) == _SQLITE_BUSY_SNAPSHOT:
            raise conn.OperationalError(
                "database is locked: a query of this connection still has rows to give, and the "
                "file has been written since it began: fetch them all before writing"
            ) from error
        if "locked" not in str(error) or not wait.goes_on():
            raise
        return False
    finally:
        if wait.seconds:
            conn.execute(f"pragma busy_timeout = {round(1000 * wait.seconds)}")
    return True
