"""Which dimension the vectors of a collection have."""

from sqlite_utils import Database

from .names import index_names


def find_dimensions(
    db: Database, collection_id: int, wanted: int, *, has_index: bool
) -> int | None:
    """Return `wanted` if the collection has vectors of that dimension, else what it has instead.

    A collection has one dimension, unless other programs gave it more. None: it has no vectors.

    :param has_index: whether there is an index of the dimension that is wanted
    """
    if has_index and _is_in_index(db, collection_id, wanted):
        return wanted
    row = db.execute(
        """
        select length(embedding) / 4
        from embeddings
        where collection_id = ?
          and length(embedding) > 0
        order by length(embedding) <> ?
        limit 1
        """,
        [collection_id, 4 * wanted],
    ).fetchone()
    return None if row is None else int(row[0])


def _is_in_index(db: Database, collection_id: int, dimensions: int) -> bool:
    row = db.execute(
        f"""
        select 1
        from {index_names(dimensions).ids}
        where collection_id = ?
        limit 1
        """,
        [collection_id],
    ).fetchone()
    return row is not None
