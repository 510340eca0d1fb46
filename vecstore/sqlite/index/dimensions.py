"""Which dimension the vectors of a collection have."""

from ..connection.database import Database


def find_dimensions(db: Database, collection_id: int, wanted: int) -> int | None:
    """Return `wanted` if the collection has vectors of that dimension, else what it has instead.

    A collection has one dimension, unless other programs gave it more. None: it has no vectors.
    """
    # Nearly always the first row has it. The other statement has to look at all of them.
    for condition in (f"length(embedding) = {4 * wanted}", "length(embedding) > 0"):
        row = db.execute(
            f"""
            select length(embedding) / 4
            from embeddings
            where collection_id = ?
              and {condition}
            limit 1
            """,
            [collection_id],
        ).fetchone()
        if row is not None:
            return int(row[0])
    return None
