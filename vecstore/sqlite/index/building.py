"""The vector index of one dimension inside a file: whether it is there, made, written, dropped."""

import json
from collections.abc import Callable, Sequence

from ...errors import DatabaseError
from .. import journal, transactions
from ..connection import opening
from ..connection.database import Database
from ..index_names import INSIDE, TRIGGERS_ON_EMBEDDINGS, IndexNames, index_names
from . import filling, partitions, tables


def ensure_index(db: Database, dimensions: int) -> bool:
    """Make sure that the index of this dimension exists and is in step; return whether it is.

    A missing index is built, and one that lost a trigger (sqlite-utils' transform() drops them)
    is built anew, in one transaction. False, with the database unchanged, if vec0 cannot hold
    vectors of that many dimensions or the database cannot be written now, as where another thread
    has left a transaction open.
    """
    if index_exists(db, dimensions):
        return True
    if not 0 < dimensions <= tables.MAX_DIMENSIONS:
        return False
    return transactions.try_to_write(db, lambda: _build_if_missing(db, dimensions))


def _build_if_missing(db: Database, dimensions: int) -> None:
    # Another process may have built it while we waited, or moved it.
    if not index_exists(db, dimensions) and not journal.is_there(db):
        create_index(db, dimensions)


def index_exists(db: Database, dimensions: int) -> bool:
    """Return whether the index of this dimension and all its triggers are there, unaltered."""
    found = db.execute(
        "select name, sql from sqlite_master where name glob ?",
        [f"{index_names(dimensions).vectors}*"],
    )
    return is_whole_in(dict(found.fetchall()), dimensions)


def is_whole_in(found: dict[str, str], dimensions: int) -> bool:
    """Return whether all parts of an index are among those of a file, which have their SQL."""
    return {*found.values()}.issuperset(tables.index_statements(dimensions))


def create_index(db: Database, dimensions: int) -> None:
    """Create the index of one dimension from the stored vectors, in place of any older one.

    Belongs inside a transaction. Needs no model: the vectors are those in `embeddings`.

    :raises DatabaseError: a table of another program's has the name of one of its tables
    """
    names = index_names(dimensions)
    remove_index(db, dimensions)
    for sql in tables.index_statements(dimensions):
        db.execute(sql)
    choose_partitions(db, names)
    _note(db, names)
    filling.fill_all(db, names)
    db.execute(f"delete from {names.noted}")


def choose_partitions(db: Database, names: IndexNames) -> None:
    """Give a new index the partitions that the rows of today need."""
    db.execute(
        f"""
        insert into {names.partitions} (collection_id)
        select collection_id
        from embeddings
        where collection_id <> {tables.SHARED_PARTITION}
          and {tables.holds_vector_sql("embeddings", names.dimensions)}
        group by collection_id
        having count(*) >= ?
        """,
        [tables.partition_rows(names.dimensions)],
    )


def write_noting(db: Database, dimensions: Sequence[int], write: Callable[[], object]) -> None:
    """Call `write`, which writes to `embeddings`, and bring the indexes into step with all of it.

    Belongs inside a transaction, which an error has to undo.
    """
    indexes = [index_names(d) for d in dimensions]
    for names in indexes:
        _note(db, names)
    write()
    for names in indexes:
        filling.fill(
            db,
            names,
            f"select distinct collection_id, id from {names.noted} where id is not null",
        )
        db.execute(f"delete from {names.noted}")


def ensure_partition(db: Database, collection_id: int, names: IndexNames) -> None:
    """Give a collection the partition that it needs, unless another has the lock at this moment."""
    transactions.try_to_write(db, lambda: _give_if_needed(db, collection_id, names), patience=0.0)


def _give_if_needed(db: Database, collection_id: int, names: IndexNames) -> None:
    is_there = index_exists(db, names.dimensions)  # another process may have dropped it
    if is_there and partitions.needs_partition(db, collection_id, names):
        filling.give_partition(db, collection_id, names)


def _note(db: Database, names: IndexNames) -> None:
    """Have the triggers note what is written from now on, as they do while there is a row."""
    db.execute(f"insert into {names.noted} values (null, null)")


def remove_index(db: Database, dimensions: int) -> None:
    """Remove the index of one dimension with its triggers; the stored vectors stay.

    Belongs inside a transaction.

    :raises DatabaseError: a table of another program's has the name of one of its tables
    """
    names = index_names(dimensions)
    _refuse_foreign(db, names)
    # Without the schema, SQLite would take those of an index beside, if one is attached.
    for event in TRIGGERS_ON_EMBEDDINGS:
        db.execute(f"DROP TRIGGER IF EXISTS {INSIDE}.{names.trigger(event)}")
    for table in names.tables:
        db.execute(f"DROP TABLE IF EXISTS {INSIDE}.{table}")


def _refuse_foreign(db: Database, names: IndexNames) -> None:
    """Raise DatabaseError if a table with the name of one of ours lacks what all of ours have."""
    found = db.execute(
        """
        select name
        from sqlite_master
        where lower(name) in (select value from json_each(?))
          and sql not like '%collection_id%'
        """,
        [json.dumps(names.tables)],
    ).fetchone()
    if found is not None:
        raise DatabaseError(
            f"{opening.name_of(db)} has a table {found[0]} that is not vecstore's, and that the "
            "index would replace: rename it"
        )
