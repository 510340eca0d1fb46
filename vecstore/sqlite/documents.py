"""The documents of a collection: which entries are the chunks of one, as `chunks.py` says."""

from collections.abc import Iterable
from typing import Any

from ..chunks import document_in_json, ids_between
from ..rows import EntryRow
from .connection.database import Database


def names(db: Database, collection_id: int) -> list[str]:
    """Return the documents of which there are chunks, in order."""
    found: set[str] = set()
    for id, metadata in _possible_chunks(db, collection_id):
        # Of one chunk of each document the JSON is read, and not in SQL: there a NUL ends a text.
        if id.rpartition("#")[0] not in found:
            document = document_in_json(id, metadata)
            found.update(() if document is None else (document,))
    return sorted(found)


def of_chunks(db: Database, collection_id: int, prefix: str) -> dict[str, str]:
    """Return the document of each chunk by the chunk's id, of those whose ids have a prefix."""
    found = {
        id: document_in_json(id, metadata)
        for id, metadata in _possible_chunks(db, collection_id)
        if id.startswith(prefix)
    }
    return {id: document for id, document in found.items() if document is not None}


def _possible_chunks(db: Database, collection_id: int) -> Iterable[tuple[str, str]]:
    """Return id and metadata of what may be a chunk."""
    return db.execute(
        """
        select id, metadata
        from embeddings
        where collection_id = ?
          and typeof(id) = 'text'
          and instr(id, '#')
          and metadata is not null
        """,
        [collection_id],
    )


def chunks(db: Database, collection_id: int, document: str) -> list[EntryRow]:
    """Return the chunks of a document, the first first; without scores."""
    return _chunks(db, "id, null, content, metadata", collection_id, document)


def chunk_ids(db: Database, collection_id: int, document: str) -> list[str]:
    """Return the ids of these."""
    return [id for id, _ in _chunks(db, "id, metadata", collection_id, document)]


def _chunks(db: Database, columns: str, collection_id: int, document: str) -> list[Any]:
    """Return columns of the chunks of a document, of which id is the first, metadata the last."""
    rows = db.execute(
        f"""
        select {columns}
        from embeddings
        where collection_id = ?
          and id >= ?
          and id < ?
        """,
        [collection_id, *ids_between(document)],
    )
    found = [row for row in rows if document_in_json(row[0], row[-1]) == document]
    return sorted(found, key=lambda row: int(row[0].rpartition("#")[2]))
