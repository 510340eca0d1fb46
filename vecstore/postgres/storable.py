"""What PostgreSQL cannot hold of an entry, and SQLite can: refused before it is sent."""

import re

from ..errors import InvalidInputError
from ..rows import EmbeddingRow
from ..values import quote
from .vectors import MAX_DIMENSIONS

# As JSON has it, where the backslash before it is not itself one that is escaped.
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


def problem_of(
    id: str, content: str | bytes | None, metadata: str | None, dimensions: int
) -> str | None:
    """Return what of an entry PostgreSQL cannot hold; None for what it can."""
    if "\0" in id:
        return "the id has a NUL character, which PostgreSQL's text cannot hold"
    if isinstance(content, str) and "\0" in content:
        return "the content has a NUL character, which PostgreSQL's text cannot hold"
    if metadata and "\\u0000" in metadata and _NUL.search(metadata):
        return "the metadata has a NUL character, which PostgreSQL's jsonb cannot hold"
    if dimensions > MAX_DIMENSIONS:
        return (
            f"the vector has {dimensions:,} dimensions, and pgvector's type takes "
            f"{MAX_DIMENSIONS:,} at most"
        )
    return None


def refuse_unstorable(
    id: str, content: str | bytes | None, metadata: str | None, dimensions: int = 0
) -> None:
    """Raise InvalidInputError, with the id, for what PostgreSQL cannot hold of an entry."""
    problem = problem_of(id, content, metadata, dimensions)
    if problem:
        raise InvalidInputError(f"The entry {quote(id)} cannot be stored: {problem}")


def refuse_unstorable_row(row: EmbeddingRow) -> None:
    """Do the same for a row."""
    dimensions = len(row.embedding or b"") // 4
    refuse_unstorable(row.id, row.content, row.metadata, dimensions)
