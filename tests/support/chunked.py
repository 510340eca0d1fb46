"""Documents that are split at lines, and what a collection holds of them."""

from collections.abc import Iterator
from typing import Any

from vecstore import Collection


def lines(text: str) -> Iterator[tuple[int, int]]:
    """Yield the spans of the lines that are not empty: a splitter."""
    start = 0
    for line in text.split("\n"):
        if line:
            yield start, start + len(line)
        start += len(line) + 1


def contents(collection: Collection, document: str) -> list[str | None]:
    """Return the texts of the chunks of a document."""
    return [entry.content for entry in collection.get_document(document)]


def rows_of(collection: Collection) -> dict[str, tuple[Any, ...]]:
    """Return all that is stored, by id, but for the time."""
    found = collection.db.execute(
        "select id, embedding, content, content_blob, content_hash, metadata from embeddings "
        "where collection_id = ? order by id",
        [collection.id],
    )
    return {id: tuple(row) for id, *row in found}
