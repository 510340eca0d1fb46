"""A lock for the threads of one process, and not for those of a child that it forks."""

import os
import threading


class ProcessLock:
    """A lock that a forked child has anew: a thread of the parent may have held it for ever."""

    def __init__(self) -> None:
        self._renew()
        os.register_at_fork(after_in_child=self._renew)

    def held(self) -> "threading.RLock":
        """Return the lock itself, which a `with` statement holds."""
        return self._lock

    def _renew(self) -> None:
        self._lock = threading.RLock()
