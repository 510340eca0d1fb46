"""The documents of a collection: which entries are the chunks of one, as `chunks.py` says."""

from typing import Any

from ..chunks import document_in_json, ids_between
from ..rows import EntryRow
from .connection import PostgresDatabase

# Of a row that is a chunk its document, else NULL: its id and metadata agree on it.
DOCUMENT = """
    case
      when jsonb_typeof(metadata -> 'document') = 'string'
        and jsonb_typeof(metadata -> 'chunk') = 'number'
        and metadata ->> 'chunk' ~ '^[1-9][0-9]*$'
        and id = (metadata ->> 'document') || '#' || (metadata ->> 'chunk')
      then metadata ->> 'document'
    end"""


def names(db: PostgresDatabase, collection_id: int) -> list[str]:
    """Return the documents of which there are chunks, in order."""
    rows = db.rows(
        f"""
        select distinct {DOCUMENT} collate "C" as document
        from embeddings
        where collection_id = %s
          and {DOCUMENT} is not null
        order by document
        """,
        [collection_id],
    )
    return [name for (name,) in rows]


def of_chunks(db: PostgresDatabase, collection_id: int, prefix: str) -> dict[str, str]:
    """Return the document of each chunk by the chunk's id, of those whose ids have a prefix."""
    if "\0" in prefix:
        return {}
    return dict(
        db.rows(
            f"""
            select id, {DOCUMENT}
            from embeddings
            where collection_id = %s
              and starts_with(id, %s)
              and {DOCUMENT} is not null
            order by id
            """,
            [collection_id, prefix],
        )
    )


def chunks(db: PostgresDatabase, collection_id: int, document: str) -> list[EntryRow]:
    """Return the chunks of a document, the first first; without scores."""
    return _chunks(db, "id, null, content, metadata::text", collection_id, document)


def chunk_ids(db: PostgresDatabase, collection_id: int, document: str) -> list[str]:
    """Return the ids of these."""
    return [id for id, _ in _chunks(db, "id, metadata::text", collection_id, document)]


def _chunks(db: PostgresDatabase, columns: str, collection_id: int, document: str) -> list[Any]:
    """Return columns of the chunks of a document, of which id is the first, metadata the last."""
    if "\0" in document:
        return []
    rows = db.rows(
        f"""
        select {columns}
        from embeddings
        where collection_id = %s
          and id >= %s
          and id < %s
        """,
        [collection_id, *ids_between(document)],
    )
    found = [row for row in rows if document_in_json(row[0], row[-1]) == document]
    return sorted(found, key=lambda row: int(row[0].rpartition("#")[2]))
