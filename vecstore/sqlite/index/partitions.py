"""Which collections have a partition of their own in the index, and when one gets it.

vec0 allocates whole chunks for each partition, so small collections share one, and are searched by
a scan.
"""

from sqlite_utils import Database

from .. import transactions
from . import tables
from .names import PARTITION_COLUMN, chunks_of, index_names


def ensure_partition(db: Database, collection_id: int, dimensions: int) -> None:
    """Give a collection the partition that it needs, unless another has the lock at this moment."""
    if needs_partition(db, collection_id, dimensions):
        transactions.try_to_write(
            db, lambda: give_partition(db, collection_id, dimensions), patience=0.0
        )


def has_partition(db: Database, collection_id: int, dimensions: int) -> bool:
    """Return whether a collection has a partition of its own, in which vec0 can search."""
    found = db.execute(
        f"""
        select 1
        from {index_names(dimensions).partitions}
        where collection_id = ?
        """,
        [collection_id],
    ).fetchone()
    return found is not None


def needs_partition(db: Database, collection_id: int, dimensions: int) -> bool:
    """Return whether a collection shares a partition and has become too large for that.

    As long as it is small, a scan of its rows takes about as long as vec0.
    """
    if collection_id == tables.SHARED_PARTITION or has_partition(db, collection_id, dimensions):
        return False
    found = db.execute(
        f"""
        select 1
        from {index_names(dimensions).ids}
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
    names = index_names(dimensions)
    db.execute(f"insert into {names.partitions} (collection_id) values (?)", [collection_id])
    db.execute(f"delete from {names.ids} where collection_id = ?", [collection_id])
    db.execute(
        f"""
        insert into {names.ids} (collection_id, id, embeddings_rowid)
        select collection_id, id, rowid
        from embeddings
        where collection_id = ?
          and {tables.comparable_sql("embeddings", dimensions)}
        order by rowid
        """,
        [collection_id],
    )


def count_rows(db: Database, collection_id: int, dimensions: int) -> int:
    """Return about how many vectors a partition has in the bit table, without reading them.

    That is what its chunks of bits hold, except for the last of each half, the sample and the
    rest, which may hold little. Rows that were deleted may count.
    """
    chunks = db.execute(
        f"""
        select count(*)
        from {chunks_of(index_names(dimensions).bits)}
        where {PARTITION_COLUMN} = ?
        """,
        [collection_id],
    ).fetchone()
    return max(int(chunks[0]) - 2, 0) * tables.bit_chunk_rows(dimensions)
