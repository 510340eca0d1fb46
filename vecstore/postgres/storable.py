"""What PostgreSQL cannot hold of an entry, and SQLite can: refused before it is sent."""

import math
import re
from array import array
from typing import Any

from ..errors import InvalidInputError
from ..metadata import jsonb_text
from ..rows import EmbeddingRow
from ..values import quote
from .vectors import MAX_DIMENSIONS

MAX_ID_BYTES = 2600  # a page of an index must hold three of them, with what stands beside each

# As JSON has it, where the backslash before it is not itself one that is escaped.
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")

_TYPES: dict[str, type[Any]] = dict(
    zip(EmbeddingRow._fields, (str, bytes, str, bytes, bytes, str, int), strict=True)
)
_NAMES = {str: "text", bytes: "a blob", int: "an integer"}


def problem_of(
    id: str, content: str | bytes | None, metadata: str | None, dimensions: int
) -> str | None:
    """Return what of an entry PostgreSQL cannot hold; None for what it can."""
    if "\0" in id:
        return "the id has a NUL character, which PostgreSQL's text cannot hold"
    if len(id) > MAX_ID_BYTES // 4 and len(id.encode()) > MAX_ID_BYTES:
        return (
            f"the id has {len(id.encode()):,} bytes, and an index of PostgreSQL takes "
            f"{MAX_ID_BYTES:,} at most"
        )
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


def problem_of_row(row: EmbeddingRow) -> str | None:
    """Return what of a row PostgreSQL cannot hold, also where another program wrote it to a file.

    None for what it can.
    """
    for (name, kind), value in zip(_TYPES.items(), row, strict=True):
        if not isinstance(value, kind) and (value is not None or name == "id"):
            return f"the {name} is {quote(value)}, which is not {_NAMES[kind]}"
    if row.content_hash and len(row.content_hash) > MAX_ID_BYTES:
        return (
            f"the content_hash has {len(row.content_hash):,} bytes, and an index of PostgreSQL "
            f"takes {MAX_ID_BYTES:,} at most"
        )
    size = len(row.embedding) if row.embedding is not None else None
    if size == 0 or (size or 0) % 4:
        return f"the vector is of {size} bytes, and not of 4 for each dimension"
    problem = problem_of(row.id, row.content, None, (size or 0) // 4)
    if problem:
        return problem
    # A sum of finite numbers of float32 is finite.
    if row.embedding is not None and not math.isfinite(sum(array("f", row.embedding))):
        return "the vector has NaN or an infinity, which pgvector cannot hold"
    return _problem_of_metadata(row.metadata)


def _problem_of_metadata(metadata: str | None) -> str | None:
    if metadata is None:
        return None
    try:
        jsonb_text(metadata)
    except InvalidInputError as error:
        return f"the metadata {error}"
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
