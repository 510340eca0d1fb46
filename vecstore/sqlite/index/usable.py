"""Which index a search can use, inside the file or beside it, and what makes it ready."""

from collections.abc import Iterable
from contextlib import suppress
from typing import NamedTuple

from ...errors import (
    DatabaseDamagedError,
    DatabaseInterruptedError,
    DiskError,
    DiskFullError,
    VecstoreError,
)
from .. import journal, transactions
from ..connection import file_status, sqlite_errors
from ..connection.database import Database
from ..connection.file_status import Status
from ..index_names import BESIDE, IndexNames, index_names
from . import beside, building, following, partitions, tables


class UsableIndex(NamedTuple):
    """The index of a dimension, and what of it is out of date.

    seq: the last change of the journal that it has followed; 0 for an index inside
    behind: how many changes came after that: what they changed is not to be taken from it
    """

    names: IndexNames
    seq: int = 0
    behind: int = 0


def find_index(db: Database, dimensions: int) -> UsableIndex | None:
    """Return the index of a dimension; None where there is none, or none that can be used."""
    inside = index_names(dimensions)
    found = dict(
        db.execute(
            """
            select name, sql
            from sqlite_master
            where name glob ?
              or name glob ?
            """,
            [f"{inside.vectors}*", f"{journal.TABLE}*"],
        ).fetchall()
    )
    if not journal.is_there_in(found):
        return UsableIndex(inside) if building.is_whole_in(found, dimensions) else None
    standing = beside.find_standing(db, dimensions) if journal.is_whole_in(found) else None
    return standing and UsableIndex(index_names(dimensions, BESIDE), *standing)


def is_ready(db: Database, index: UsableIndex | None, collection_id: int) -> bool:
    """Return whether nothing is to be done for an index before a search in a collection."""
    if index is None or index.behind:
        return False
    is_beside = index.names.schema == BESIDE  # where partitions are given as it is written
    return is_beside or not partitions.needs_partition(db, collection_id, index.names)


def make_ready(db: Database, dimensions: int, collection_id: int) -> None:
    """Build what is missing of an index, or bring it into step, where that can be done now."""
    if dimensions > tables.MAX_DIMENSIONS:
        return
    if journal.is_there(db):
        mend_journal(db)
        if not following.follow(db, [dimensions]):
            return
        standing = beside.find_standing(db, dimensions)
        if standing is None or standing.behind:
            beside.attach(db)  # another file may have taken the place of the one that is attached
    elif building.ensure_index(db, dimensions):
        building.ensure_partition(db, collection_id, index_names(dimensions))


def mend_journal(db: Database) -> None:
    """Make what a journal has lost again, after which the index is built anew."""
    if journal.is_broken(db) and not db.conn.in_transaction:
        transactions.try_to_write(db, lambda: journal.create(db), patience=0.0)


def attach_again(db: Database) -> None:
    """Attach the file beside of now, where that of before was not to be used."""
    if journal.is_there(db):
        beside.attach(db)


def bring_into_step(db: Database, dimensions: Iterable[int]) -> None:
    """Have an index beside the file attached, and equal to the table, for SQL of the user's.

    One inside is so at any time. Where that cannot be done now, it stays as far as it is.

    :param dimensions: those that the SQL names; one is built if there are such vectors
    """
    if not journal.is_there(db):
        return
    for d in dimensions:
        index = find_index(db, d)
        is_current = index is not None and not index.behind
        if not is_current and (index is not None or _has_vectors(db, d)):
            make_ready(db, d, collection_id=0)


def may_be_at_fault(index: UsableIndex, error: Exception) -> bool:
    """Return whether an error of SQLite may come from the file beside, without which it goes on."""
    is_interrupted = issubclass(sqlite_errors.error_class(error), DatabaseInterruptedError)
    return index.names.schema == BESIDE and not is_interrupted


def is_damage(error: Exception) -> bool:
    """Return whether an error of SQLite says that the file beside is damaged, and no more."""
    error_class = sqlite_errors.error_class(error)
    if issubclass(error_class, DiskFullError):
        return False
    is_of_file = issubclass(error_class, (DatabaseDamagedError, DiskError))
    return is_of_file or sqlite_errors.is_vec0_unwritten(error)


def identity_of(db: Database, index: UsableIndex) -> Status | None:
    """Return which file an index is, of now; None for one inside."""
    return file_status.identity_of(beside.file_of(db)) if index.names.schema == BESIDE else None


def give_up(db: Database, identity: Status) -> None:
    """Delete the file beside, if it is still that one: the next search builds another."""
    if file_status.identity_of(beside.file_of(db)) == identity:
        # It was an answer that was asked for.
        with suppress(OSError, VecstoreError, db.conn.Error):
            beside.discard(db)


def _has_vectors(db: Database, dimensions: int) -> bool:
    sql = "select 1 from embeddings where length(embedding) = ? limit 1"
    return db.execute(sql, [4 * dimensions]).fetchone() is not None
