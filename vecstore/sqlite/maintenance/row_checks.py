"""What the rows of `embeddings` are like, as SQLite has them."""

from ...checking.rows import RowFindings
from ..connection.database import Database


def read_rows(
    db: Database, after: int, last: int, findings: RowFindings, *, has_hashes: bool
) -> None:
    """Read the rows of a range, and add what they are like."""
    columns = "content_hash, cast(coalesce(content, content_blob) as blob), metadata"
    if not has_hashes:
        columns = "null, null, null"
    rows = db.execute(
        f"""
        select
          collection_id,
          id,
          case
            when embedding is not null
              and (typeof(embedding) <> 'blob' or length(embedding) % 4 <> 0)
            then 'refused'
            when typeof(collection_id) <> 'integer'
              or id is null
              or coalesce(length(embedding), 0) = 0
            then 'left out'
            when vec_distance_cosine(embedding, embedding) is null
            then 'left out'
            else length(embedding) / 4
          end,
          collection_id is not null
            and not exists (
              select 1
              from collections
              where collections.id = embeddings.collection_id
            ),
          {columns}
        from embeddings
        where rowid > ?
          and rowid <= ?
        """,
        [after, last],
    )
    for collection_id, id, vector, is_lost, content_hash, content, metadata in rows:
        if is_lost:
            findings.lost.add(collection_id, id)
        if vector == "refused":
            findings.refused.add(collection_id, id)
        elif vector == "left out":
            findings.left_out.add(collection_id, id)
        else:
            findings.add_vector(collection_id, vector)
        if content is not None and content_hash is not None:
            findings.add_content(collection_id, id, content_hash, content, metadata)
