"""What the row of a chunk is: an ordinary entry, whose id and metadata say of which document.

The id is `DOCUMENT#N`, N from 1. In the metadata, beside the keys of the user's own, are those of
KEYS: `start` and `end` are characters of the document, and `heading` is there where the text has
headings above the chunk.
"""

import json
from collections.abc import Mapping
from typing import Any

KEYS = ("document", "chunk", "chunks", "start", "end", "heading")


def chunk_id(document: str, number: int) -> str:
    """Return the id of a document's chunk, of which the first is 1."""
    return f"{document}#{number}"


def ids_between(document: str) -> tuple[str, str]:
    """Return two texts: the ids of a document's chunks come from the first on, before the second.

    Among them may be a few others, such as chunks of a document `DOCUMENT#N`.
    """
    return f"{document}#1", f"{document}#:"  # the character that follows 9


def document_of(id: str, metadata: Mapping[str, Any] | None) -> str | None:
    """Return the document that an entry is a chunk of, or None: its id and metadata agree on it."""
    if not metadata or "#" not in id:
        return None
    document, number = metadata.get("document"), metadata.get("chunk")
    if not isinstance(document, str) or type(number) is not int or number < 1:
        return None
    return document if id == chunk_id(document, number) else None


def document_in_json(id: str, metadata: str | None) -> str | None:
    """Return what document_of() does, of metadata as it is stored, which may be no JSON at all."""
    if not isinstance(metadata, str) or not isinstance(id, str) or "#" not in id:
        return None  # another program may have stored anything
    try:
        found = json.loads(metadata)
    except (ValueError, RecursionError):
        return None
    return document_of(id, found) if isinstance(found, dict) else None


def heading_in_json(id: str, metadata: str | None) -> str | None:
    """Return the headings above an entry, of metadata as it is stored; None if it is no chunk."""
    if metadata is None or document_in_json(id, metadata) is None:
        return None
    heading = json.loads(metadata).get("heading")
    return heading if isinstance(heading, str) else None
