"""What of an entry was embedded, as far as it is stored."""

from collections.abc import Callable, Iterator
from typing import Any

from .chunks import heading_in_json
from .rows import EmbeddingRow
from .splitting import embedded_text
from .vectors import content_hash as hash_content


def embedded_content(
    row: EmbeddingRow, content_hash: Callable[[str | bytes], bytes]
) -> str | bytes | None:
    """Return what was embedded for a row, but for a prefix; None if it is not stored.

    That is its content, or of a chunk the headings and the content: its hash says which. One that
    is of neither, as another function makes it, says nothing, and there are headings by default.

    :param content_hash: of the collection
    """
    if not isinstance(row.content, str):
        return row.content_blob
    heading = heading_in_json(row.id, row.metadata)
    if not heading or row.content_hash in (None, content_hash(row.content)):
        return row.content
    return embedded_text(row.content, heading)


def possible_hashes(id: Any, content: bytes, metadata: Any) -> Iterator[bytes]:
    """Yield the hashes of what may have been embedded: a chunk can have its headings before it."""
    yield hash_content(content)
    heading = heading_in_json(id, metadata)
    if heading is not None:
        yield hash_content(embedded_text(content.decode("utf-8", "replace"), heading))
