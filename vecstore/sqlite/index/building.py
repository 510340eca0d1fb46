"""The vector index of one dimension: whether it is there, and how it is made and dropped."""

from sqlite_utils import Database

from ...errors import DatabaseError
from .. import transactions
from ..connection import opening
from . import tables
from .names import TRIGGERS_ON_EMBEDDINGS, IndexNames, index_names


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
    if not index_exists(db, dimensions):  # another process may have built it while we waited
        create_index(db, dimensions)


def index_exists(db: Database, dimensions: int) -> bool:
    """Return whether the index of this dimension and all its triggers are there, unaltered."""
    found = db.execute(
        "select sql from sqlite_master where name glob ?", [f"{index_names(dimensions).vectors}*"]
    ).fetchall()
    return {sql for (sql,) in found}.issuperset(tables.index_statements(dimensions))


def create_index(db: Database, dimensions: int) -> None:
    """Create the index of one dimension from the stored vectors, in place of any older one.

    Belongs inside a transaction. Needs no model: the vectors are those in `embeddings`.

    :raises DatabaseError: a table of another program's has the name of one of its tables
    """
    names = index_names(dimensions)
    remove_index(db, dimensions)
    for sql in tables.index_statements(dimensions):
        db.execute(sql)
    db.execute(
        f"""
        insert into {names.partitions} (collection_id)
        select collection_id
        from embeddings
        where collection_id <> {tables.SHARED_PARTITION}
          and {tables.holds_vector_sql("embeddings", dimensions)}
        group by collection_id
        having count(*) >= ?
        """,
        [tables.partition_rows(dimensions)],
    )
    db.execute(
        f"""
        insert into {names.ids} (collection_id, id, embeddings_rowid)
        select collection_id, id, rowid
        from embeddings
        where {tables.comparable_sql("embeddings", dimensions)}
        order by collection_id, rowid
        """
    )


def remove_index(db: Database, dimensions: int) -> None:
    """Remove the index of one dimension with its triggers; the stored vectors stay.

    Belongs inside a transaction.

    :raises DatabaseError: a table of another program's has the name of one of its tables
    """
    names = index_names(dimensions)
    _refuse_foreign(db, names)
    for event in TRIGGERS_ON_EMBEDDINGS:
        db.execute(f"DROP TRIGGER IF EXISTS {names.trigger(event)}")
    for table in (names.ids, names.bits, names.vectors, names.partitions):
        db.execute(f"DROP TABLE IF EXISTS {table}")


def _refuse_foreign(db: Database, names: IndexNames) -> None:
    """Raise DatabaseError if a table with the name of one of ours lacks what all of ours have."""
    found = db.execute(
        """
        select name
        from sqlite_master
        where lower(name) in (?, ?, ?, ?)
          and sql not like '%collection_id%'
        """,
        [names.vectors, names.bits, names.ids, names.partitions],
    ).fetchone()
    if found is not None:
        raise DatabaseError(
            f"{opening.name_of(db)} has a table {found[0]} that is not vecstore's, and that the "
            "index would replace: rename it"
        )
