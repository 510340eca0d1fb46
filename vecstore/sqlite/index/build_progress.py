"""How far the building of an index has come: a log line, and what a caller shows."""

import logging
from collections.abc import Callable
from contextvars import ContextVar

from ..connection import opening
from ..connection.database import Database

_TOLD = 10_000  # rows whose index takes a while to build

_log = logging.getLogger("vecstore")

# Is called with how many rows were read so far, and how many there are.
ShowProgress = Callable[[int, int], object]

# In a context where an index may be built without being asked for, such as a search.
show_build_progress: ContextVar[ShowProgress | None] = ContextVar(
    "show_build_progress", default=None
)


class BuildProgress:
    """Tells of one index, if it has many rows, as they are read."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._done = 0
        self._total = 0

    def add(self, number: int) -> None:
        """Say that so many more rows were read."""
        if not self._done:
            [self._total] = self._db.execute("select count(*) from embeddings").fetchone()
            if self._total >= _TOLD:
                name = opening.name_of(self._db)
                _log.info("The index of %s is being built, of %s rows", name, f"{self._total:,}")
        self._done += number
        show = show_build_progress.get()
        if show and self._total >= _TOLD:
            show(min(self._done, self._total), self._total)
