"""Builds and drops an index in a file beside, and says why where that cannot be done."""

import os
from collections.abc import Callable, Iterable, Iterator

from ...errors import DatabaseError
from .. import journal, transactions
from ..connection import file_status, interrupts, locks, opening, sqlite_errors
from ..connection.database import Database
from ..connection.interrupts import Result
from ..index import beside, beside_writing, following, index_file, keyword_building, tokenizers
from ..index.keyword_tables import DEFAULT_TOKENIZER
from ..index_names import BESIDE, KEYWORDS, index_names
from . import beside_states, soundness

_TRIES = 3  # of an index that a search builds meanwhile
_REMEDY = "see whether its disk has room and its folder can be written, and try again"


def build(
    db: Database,
    wanted: Iterable[int],
    dimensions: int | None = None,
    *,
    tokenizer: str | None = None,
) -> dict[int, int]:
    """Build indexes anew, and return how many vectors each holds.

    :param wanted: the dimensions of which there are vectors
    :param dimensions: only the index of this one; the others stay
    :param tokenizer: of an index of keywords, which is built too
    """
    refuse_unwritable(db)
    if dimensions is None or not beside_states.has_file(db):
        discard(db)
    else:
        _patiently(db, lambda: beside_writing.remove_index(db, dimensions))
    built = sorted(d for d in wanted if dimensions in (None, d))
    if tokenizer is not None:
        _follow(db, [KEYWORDS, *built], tokenizer)
    else:
        _follow(db, built, DEFAULT_TOKENIZER)
    return {d: _count(db, d) for d in built}


def build_keywords(db: Database, chosen: str | None = None) -> int:
    """Build the index of keywords anew, and return how many texts it holds.

    :param chosen: the tokenizer that the user wants, if not the one that is there
    """
    refuse_unwritable(db)
    tokenizer = chosen or find_tokenizer(db) or tokenizers.new_tokenizer(db)
    for _ in range(_TRIES):
        if beside_states.has_file(db):
            _patiently(db, lambda: beside_writing.remove_index(db, KEYWORDS))
        if chosen is not None:
            with transactions.writing(db):
                tokenizers.choose_tokenizer(db, chosen)
        _follow(db, [KEYWORDS], tokenizer)
        beside.attach(db)
        # A search may have built one before the choice was known.
        if keyword_building.tokenizer_of(db, BESIDE) == tokenizer:
            break
    return keyword_building.count_texts(db, BESIDE)


def _follow(db: Database, dimensions: list[int], tokenizer: str) -> None:
    if dimensions:
        _patiently(db, lambda: following.follow_or_fail(db, dimensions, tokenizer=tokenizer))


def find_tokenizer(db: Database) -> str | None:
    """Return the tokenizer of the index of keywords; None if there is none."""
    is_there = KEYWORDS in find_states(db)
    return keyword_building.tokenizer_of(db, BESIDE) if is_there else None


def drop(db: Database, dimensions: int | None = None) -> list[int]:
    """Remove indexes, with their file if all are; return the dimensions that had one.

    :param dimensions: only the index of this one; KEYWORDS, which is among those that are returned
    """
    refuse_unwritable(db)
    there = sorted(find_states(db))
    dropped = [d for d in there if dimensions in (None, d)]
    if dimensions is None or dropped == there:
        discard(db)
    elif dropped:
        _patiently(db, lambda: beside_writing.remove_index(db, dimensions))
    return dropped


def find_states(db: Database) -> dict[int, str]:
    """Return the state of each index beside a file that a search could use, or complete.

    None of one that cannot be read, or is of another state of the file.
    """
    if not journal.is_whole(db) or not beside_states.has_file(db):
        return {}
    beside.attach(db)
    try:
        state = beside_states.read_state(db)
    except db.conn.DatabaseError as error:
        if sqlite_errors.is_settled(error) or sqlite_errors.is_busy(error):
            raise
        return {}
    return {} if state.behind is None else state.states


def size(db: Database) -> int:
    """Return the size of the file beside, in bytes: 0 if there is none."""
    return file_status.size_of(beside.file_of(db))


def refuse_unwritable(db: Database) -> None:
    """Raise DatabaseError if a transaction is open, or the database cannot be written now."""
    soundness.refuse_transaction(db, "An index beside a file cannot be changed")
    with transactions.writing(db):
        db.execute("delete from vecstore_changes where false")


def refuse_foreign(db: Database) -> None:
    """Raise DatabaseError if another program's file has the name of the index."""
    path = beside.file_of(db)
    if not _patiently(db, lambda: index_file.is_ours(path, opening.driver_of(db))):
        raise DatabaseError(
            f"{path} is not an index of vecstore's, and stands in the place of one: rename it"
        )


def discard(db: Database) -> None:
    """Delete the file beside, if there is one.

    :raises DatabaseError: it is another program's, or cannot be deleted
    """
    refuse_foreign(db)
    _patiently(db, lambda: beside.discard(db))


def discard_leftover(db: Database) -> None:
    """Delete an index of ours beside a file that has its index inside; another's file stays."""
    path = beside.file_of(db)
    if beside_states.has_file(db) and index_file.is_ours(path, opening.driver_of(db)):
        discard(db)


def _patiently(db: Database, work: Callable[[], Result]) -> Result:
    """Return what `work` returns, which is called again while another process has the index."""
    wait = locks.Wait(locks.busy_timeout(db.conn))
    with _errors_naming(db):
        while True:
            try:
                return work()
            except db.conn.OperationalError as error:
                if not sqlite_errors.is_busy(error) or wait.is_over():
                    raise
            wait.sleep()


def _count(db: Database, dimensions: int) -> int:
    beside.attach(db)
    names = index_names(dimensions, BESIDE)
    [number] = db.execute(f"select count(*) from {names.ids}").fetchone()
    return int(number)


@interrupts.block
def _errors_naming(db: Database) -> Iterator[None]:
    """Name the file of the index, and what helps, in the errors of SQLite and of the system."""
    path = beside.file_of(db)
    try:
        yield
    except OSError as error:
        reason = error.strerror or os.strerror(error.errno or 0)
        raise DatabaseError(f"{path} cannot be written ({reason}): {_REMEDY}") from error
    except db.conn.Error as error:
        if sqlite_errors.is_settled(error):
            raise
        remedy = _REMEDY
        if sqlite_errors.is_busy(error):
            remedy = "try again when no other program uses it"
        message = f"{path} cannot be written now ({error}): {remedy}"
        raise sqlite_errors.to_ours(error, message) from error
