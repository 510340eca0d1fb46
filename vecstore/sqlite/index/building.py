"""The vector index of one dimension: whether it is there, how it is made, and who has a partition.

index_schema.py has its tables and triggers.
"""

from collections.abc import Callable

from sqlite_utils import Database

from ...errors import DatabaseError
from .. import transactions
from ..connection import opening
from . import tables


def ensure(db: Database, dimensions: int) -> bool:
    """Make sure that the index of this dimension exists and is in step; return whether it is.

    A missing index is built, and one that lost a trigger (sqlite-utils' transform() drops them)
    is built anew, in one transaction. False, with the database unchanged, if vec0 cannot hold
    vectors of that many dimensions or the database cannot be written now, as where another thread
    has left a transaction open.
    """
    if exists(db, dimensions):
        return True
    if not 0 < dimensions <= tables.MAX_DIMENSIONS:
        return False
    return _has_written(db, lambda: _build_if_missing(db, dimensions))


def ensure_partition(db: Database, collection_id: int, dimensions: int) -> None:
    """Give a collection the partition that it needs, unless another has the lock at this moment."""
    if needs_partition(db, collection_id, dimensions):
        _has_written(db, lambda: give_partition(db, collection_id, dimensions), patience=0.0)


def _has_written(db: Database, work: Callable[[], None], *, patience: float | None = None) -> bool:
    """Do the work in a transaction; return False if the database cannot be written now."""
    is_part = db.conn.in_transaction
    try:
        transactions.write(db, work, patience=patience)
    except DatabaseError:
        return False
    except db.conn.OperationalError as error:
        # Where a disk is full, SQLite may undo all of the transaction that this is a part of.
        is_undone = is_part and not db.conn.in_transaction
        if opening.is_unwritable(error) and not is_undone:
            return False
        raise
    return True


def _build_if_missing(db: Database, dimensions: int) -> None:
    if not exists(db, dimensions):  # another process may have built it while we waited
        build(db, dimensions)


def exists(db: Database, dimensions: int) -> bool:
    """Return whether the index of this dimension and all its triggers are there, unaltered."""
    found = db.execute(
        "select sql from sqlite_master where name glob ?", [f"vec_embeddings_{dimensions}*"]
    ).fetchall()
    return {sql for (sql,) in found}.issuperset(tables.statements(dimensions))


def build(db: Database, dimensions: int) -> None:
    """Create the index of one dimension from the stored vectors, in place of any older one.

    Belongs inside a transaction. Needs no model: the vectors are those in `embeddings`.

    :raises DatabaseError: a table of another program's has the name of one of its tables
    """
    drop(db, dimensions)
    for sql in tables.statements(dimensions):
        db.execute(sql)
    db.execute(
        f"""
        insert into vec_embeddings_{dimensions}_partitions (collection_id)
        select collection_id
        from embeddings
        where collection_id <> {tables.SHARED}
          and {tables.holds_vector("embeddings", dimensions)}
        group by collection_id
        having count(*) >= ?
        """,
        [tables.partition_rows(dimensions)],
    )
    db.execute(
        f"""
        insert into vec_embeddings_{dimensions}_ids (collection_id, id, embeddings_rowid)
        select collection_id, id, rowid
        from embeddings
        where {tables.comparable("embeddings", dimensions)}
        order by collection_id, rowid
        """
    )


def has_partition(db: Database, collection_id: int, dimensions: int) -> bool:
    """Return whether a collection has a partition of its own, in which vec0 can search."""
    found = db.execute(
        f"""
        select 1
        from vec_embeddings_{dimensions}_partitions
        where collection_id = ?
        """,
        [collection_id],
    ).fetchone()
    return found is not None


def needs_partition(db: Database, collection_id: int, dimensions: int) -> bool:
    """Return whether a collection shares a partition and has become too large for that.

    As long as it is small, a scan of its rows takes about as long as vec0.
    """
    if collection_id == tables.SHARED or has_partition(db, collection_id, dimensions):
        return False
    found = db.execute(
        f"""
        select 1
        from vec_embeddings_{dimensions}_ids
        where collection_id = ?
        limit 1
        offset ?
        """,
        [collection_id, tables.partition_rows(dimensions) - 1],
    ).fetchone()
    return found is not None


def give_partition(db: Database, collection_id: int, dimensions: int) -> None:
    """Move a collection into a partition of its own if it needs one.

    Belongs inside a transaction.
    """
    if not needs_partition(db, collection_id, dimensions):
        return
    name = f"vec_embeddings_{dimensions}"
    db.execute(f"insert into {name}_partitions (collection_id) values (?)", [collection_id])
    db.execute(f"delete from {name}_ids where collection_id = ?", [collection_id])
    db.execute(
        f"""
        insert into {name}_ids (collection_id, id, embeddings_rowid)
        select collection_id, id, rowid
        from embeddings
        where collection_id = ?
          and {tables.comparable("embeddings", dimensions)}
        order by rowid
        """,
        [collection_id],
    )


def drop(db: Database, dimensions: int) -> None:
    """Remove the index of one dimension with its triggers; the stored vectors stay.

    Belongs inside a transaction.

    :raises DatabaseError: a table of another program's has the name of one of its tables
    """
    name = f"vec_embeddings_{dimensions}"
    _refuse_foreign(db, name)
    for event in ("insert", "insert_incomparable", "update", "update_incomparable", "delete"):
        db.execute(f"DROP TRIGGER IF EXISTS {name}_{event}")
    for table in (f"{name}_ids", f"{name}_bits", name, f"{name}_partitions"):
        db.execute(f"DROP TABLE IF EXISTS {table}")


def _refuse_foreign(db: Database, index_name: str) -> None:
    """Raise DatabaseError if a table with the name of one of ours lacks what all of ours have."""
    found = db.execute(
        """
        select name
        from sqlite_master
        where lower(name) in (:name, :name || '_ids', :name || '_bits', :name || '_partitions')
          and sql not like '%collection_id%'
        """,
        {"name": index_name},
    ).fetchone()
    if found is not None:
        raise DatabaseError(
            f"{opening.name_of(db)} has a table {found[0]} that is not vecstore's, and that the "
            "index would replace: rename it"
        )


def count_rows(db: Database, collection_id: int, dimensions: int) -> int:
    """Return about how many vectors a partition has in the bit table, without reading them.

    That is what its chunks of bits hold, except for the last of each half, the sample and the
    rest, which may hold little. Rows that were deleted may count.
    """
    chunks = db.execute(
        f"""
        select count(*)
        from vec_embeddings_{dimensions}_bits_chunks
        where partition00 = ?
        """,
        [collection_id],
    ).fetchone()
    return max(int(chunks[0]) - 2, 0) * tables.bit_chunk_rows(dimensions)
