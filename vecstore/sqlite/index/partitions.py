"""Which collections have a partition of their own in the index, and which need one.

vec0 allocates whole chunks for each partition, so small collections share one, and are searched by
a scan.
"""

from ..connection.database import Database
from ..index_names import PARTITION_COLUMN, IndexNames, chunks_of
from . import tables


def has_partition(db: Database, collection_id: int, names: IndexNames) -> bool:
    """Return whether a collection has a partition of its own, in which vec0 can search."""
    found = db.execute(
        f"""
        select 1
        from {names.partitions}
        where collection_id = ?
        """,
        [collection_id],
    ).fetchone()
    return found is not None


def needs_partition(db: Database, collection_id: int, names: IndexNames, coming: int = 0) -> bool:
    """Return whether a collection shares a partition and has become too large for that.

    As long as it is small, a scan of its rows takes about as long as vec0.

    :param coming: rows that are about to be added
    """
    if collection_id == tables.SHARED_PARTITION or has_partition(db, collection_id, names):
        return False
    missing = tables.partition_rows(names.dimensions) - coming
    if missing <= 0:
        return True
    found = db.execute(
        f"""
        select 1
        from {names.ids}
        where collection_id = ?
        limit 1
        offset ?
        """,
        [collection_id, missing - 1],
    ).fetchone()
    return found is not None


def count_rows(db: Database, collection_id: int, names: IndexNames) -> int:
    """Return about how many vectors a partition has in the bit table, without reading them.

    That is what its chunks of bits hold, except for the last of each half, the sample and the
    rest, which may hold little. Rows that were deleted may count.
    """
    chunks = db.execute(
        f"""
        select count(*)
        from {chunks_of(names.bits)}
        where {PARTITION_COLUMN} = ?
        """,
        [collection_id],
    ).fetchone()
    return max(int(chunks[0]) - 2, 0) * tables.bit_chunk_rows(names.dimensions)
