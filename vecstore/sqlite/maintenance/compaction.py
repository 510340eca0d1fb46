"""Gives back the space that deleted entries have left, in the index and in the file."""

from dataclasses import dataclass
from pathlib import Path

from ...errors import DatabaseError, DatabaseReadOnlyError, DiskError
from .. import databases, journal, schema, transactions
from ..connection import locks, opening, sqlite_errors
from ..connection.database import Database
from . import beside_indexes, collection_graphs, indexes, soundness

_WAIT_FOR_READERS = 1.0  # seconds


@dataclass(frozen=True)
class Compaction:
    """What compact() did, in bytes.

    Attributes:
        before: the size of the database, with that of an index and of graphs beside it
        after: its size now
        is_pending: the file keeps its old size until the readers that have it open are done
    """

    before: int
    after: int
    is_pending: bool


def compact(db: Database | str | Path) -> Compaction:
    """Make the file, and an index beside it, as small as what they hold.

    The index is built anew in one transaction, as sqlite-vec keeps the space of deleted vectors,
    and that of keywords with it; then SQLite's VACUUM writes the file anew. Each of the two happens
    or does not: after an error or a crash at any moment, all entries are there and the index is in
    step. An index beside the file, and graphs, are built anew after that, as build_index() does it.
    Other writers wait for the rest.
    Readers go on in WAL mode, and the file shrinks when the last of them that began before is done.

    Needs free space of about twice what the file will have, beside it and in the folder for
    temporary files (SQLITE_TMPDIR, or /var/tmp).

    :param db: a sqlite_utils.Database, or the path of a file
    :raises DatabaseError: it cannot be written now, a disk is full, or a transaction is open
    :raises MissingFileError: there is no such file
    """
    with databases.opened_database(db) as opened:
        soundness.refuse_transaction(opened, "A database cannot be compacted")
        schema.refuse_foreign(opened)
        before = _size(opened)
        try:
            if schema.is_ours(opened):
                schema.ensure_schema(opened)
            is_beside = journal.is_there(opened)
            tokenizer = beside_indexes.find_tokenizer(opened) if is_beside else None
            if is_beside:
                with transactions.writing(opened):
                    journal.create(opened)  # without what was followed
            elif schema.is_ours(opened):
                with transactions.writing(opened):
                    indexes.rebuild_indexes(opened)
            opened.execute("vacuum main")
            is_pending = _empty_wal(opened)
            if is_beside:  # now, as VACUUM may change the rowids that it notes
                wanted = indexes.numbers_of_vectors(opened)
                beside_indexes.build(opened, wanted, tokenizer=tokenizer)
            collection_graphs.rebuild_graphs(opened)
        except opened.conn.OperationalError as error:
            message = (
                f"{opening.name_of(opened)} was not compacted ({error}), and nothing is lost: "
                f"{_remedy(sqlite_errors.error_class(error))}"
            )
            raise sqlite_errors.to_ours(error, message) from error
        return Compaction(before, _size(opened), is_pending)


def _size(db: Database) -> int:
    """Return the size of a database, with what is still in the WAL, and of its index beside."""
    [size] = db.execute(
        "select page_count * page_size from pragma_page_count, pragma_page_size"
    ).fetchone()
    of_index = beside_indexes.size(db) if journal.is_there(db) else 0
    return int(size) + of_index + collection_graphs.total_size(db)


def _empty_wal(db: Database) -> bool:
    """Move what the WAL holds into the file, and return whether readers keep SQLite from it.

    For one that never ends, such as a replication, there is no point in waiting.
    """
    before = locks.busy_timeout(db.conn)
    seconds = min(before, _WAIT_FOR_READERS)
    with locks.temporary_busy_timeout(db.conn, seconds, afterwards=before):
        [busy, *_] = db.execute("pragma main.wal_checkpoint(truncate)").fetchone()
    return bool(busy)


def _remedy(error_class: type[DatabaseError]) -> str:
    if issubclass(error_class, DiskError):
        return (
            "make room of twice its size, there and in the folder for temporary files, which "
            "SQLITE_TMPDIR names"
        )
    if error_class is DatabaseReadOnlyError:
        return "its file and folder must be writable"
    return "try again when no other program uses it"
