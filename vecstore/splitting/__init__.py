"""What a document is split into: chunks, each with the headings above it.

`split` cuts by kinds, which the id of a document says, or by a splitter of the user's own.
"""

from .chunks import (
    DEFAULT_SIZE,
    KINDS,
    Chunk,
    Kind,
    Splitter,
    embedded_text,
    require_splitter,
    split,
)

__all__ = [
    "DEFAULT_SIZE",
    "KINDS",
    "Chunk",
    "Kind",
    "Splitter",
    "embedded_text",
    "require_splitter",
    "split",
]
