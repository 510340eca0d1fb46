"""What an index in a file beside is like, and how it stands to the table, at one moment."""

import os
from collections.abc import Iterator
from typing import NamedTuple

import apsw

from .. import journal, transactions
from ..connection import filenames, interrupts, sqlite_errors
from ..connection.database import Database
from ..index import beside, keyword_building
from ..index.beside import DIMENSIONS, FOLLOWED
from ..index_names import BESIDE, KEYWORDS
from . import reference

_TRIES = 5  # of what another process changes in the very moment


class BesideState(NamedTuple):
    """What the file of an index says, as it stands to the table.

    Attributes:
        seq: the last change that it has followed
        behind: how many came after that; None if the journal does not know it: the file is of
            another table, or of another time, and of no use
        states: "ready", "behind" or "incomplete", of each dimension whose layout is that of today,
            KEYWORDS among them; "incomplete" is what is still being built, or has lost a part
    """

    seq: int
    behind: int | None
    states: dict[int, str]


class ReplacedError(Exception):
    """Another process has put a new index in the place of the one that was to be compared."""


_NONE = BesideState(0, None, {})


def has_file(db: Database) -> bool:
    """Return whether there is a file in the place of an index beside a database."""
    path = beside.file_of(db)
    return bool(path) and os.path.exists(path)  # noqa: PTH110


def read_state(db: Database) -> BesideState:
    """Return the state of now, of a file that is attached anew if another has taken its place.

    :raises sqlite3.DatabaseError: the file cannot be read
    """
    state = _NONE
    for attempt in range(_TRIES):
        try:
            with transactions.reading(db):
                state = _read(db)
        except db.conn.DatabaseError as error:
            if not may_be_replaced(db, error) or attempt == _TRIES - 1:
                raise
        if state.behind is not None or not beside.attach(db):
            break
    return state


def may_be_replaced(db: Database, error: Exception) -> bool:
    """Return whether an error may say that the file that is attached has been deleted.

    SQLite then takes the journal of the new file for one that is left of the old, and cannot undo
    in a file that is attached for reading, which is then detached. It is the same where one is left
    indeed.
    """
    code = sqlite_errors.primary_code(error)
    if code == apsw.SQLITE_ERROR:  # no such table
        return not is_attached(db)
    return code in (apsw.SQLITE_READONLY, apsw.SQLITE_CANTOPEN)


@interrupts.block
def holding_state(db: Database) -> Iterator[BesideState]:
    """Keep the table and its index as they are now, for a block.

    :raises ReplacedError: the file that is attached is of no use any more
    """
    for _ in range(_TRIES):
        with transactions.reading(db):
            try:
                state = _read(db)
            except db.conn.DatabaseError as error:
                if may_be_replaced(db, error):
                    raise ReplacedError from error
                raise
            if state.behind is not None:
                yield state
                return
    raise ReplacedError


def is_attached(db: Database) -> bool:
    """Return whether the file of the index is attached."""
    return BESIDE in dict(filenames.database_files(db.conn))


def _read(db: Database) -> BesideState:
    # The journal is read first: an index that is ahead of what is read here shows as unknown.
    last = journal.last_change(db)
    found = reference.parts_of(db, BESIDE) if is_attached(db) else {}
    tables = {table.partition(".")[2] for table in (FOLLOWED, DIMENSIONS)}
    if last is None or not tables <= found.keys():
        return _NONE
    followed = db.execute(
        f"select seq, token from {FOLLOWED} where reached <= ?", [last.seq]
    ).fetchone()
    rows = db.execute(f"select dimensions, layout, is_complete from {DIMENSIONS}").fetchall()
    if followed is None:
        return _NONE
    behind = journal.count_since(db, journal.Change(*followed))
    states = {
        d: _state(db, found, d, bool(is_complete), behind)
        for d, layout, is_complete in rows
        if layout == beside.layout_of(d)
    }
    return BesideState(followed[0], behind, states)


def _state(
    db: Database, found: dict[str, str], dimensions: int, is_complete: bool, behind: int | None
) -> str:
    if dimensions == KEYWORDS:
        is_whole = not keyword_building.wrong_parts(found, is_beside=True)
    else:
        is_whole = all(part.is_in(found) for part in reference.index_tables(db, dimensions))
    if not is_complete or not is_whole:
        return "incomplete"
    return "behind" if behind else "ready"
