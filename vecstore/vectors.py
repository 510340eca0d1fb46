"""Vectors as bytes, their similarity, and the hash that identifies content."""

import hashlib
import struct
from collections.abc import Sequence

from .errors import InvalidInputError


def encode(values: Sequence[float]) -> bytes:
    """Return a vector as the bytes that the `embedding` column holds.

    Little-endian float32, 4 bytes a dimension: what sqlite-vec reads and llm writes.
    Raises OverflowError for a finite number that float32 cannot hold.
    """
    return struct.pack(f"<{len(values)}f", *values)


def decode(blob: bytes) -> tuple[float, ...]:
    """Return the vector in an `embedding` blob; struct.error if its length is no multiple of 4."""
    return struct.unpack(f"<{len(blob) // 4}f", blob)


def cosine_similarity(a: Sequence[float], b: Sequence[float]) -> float:
    """Return the cosine of the angle between two vectors, from -1.0 to 1.0.

    For a caller who holds two vectors. Searches never come here: they run in SQL. A zero vector
    has no direction, so its similarity to anything is 0.0. InvalidInputError if the lengths differ.
    """
    if len(a) != len(b):
        raise InvalidInputError(
            f"Cannot compare a vector of {len(a)} dimensions with one of {len(b)}"
        )
    magnitudes = sum(x * x for x in a) ** 0.5 * sum(y * y for y in b) ** 0.5
    if magnitudes == 0.0:
        return 0.0
    return float(sum(x * y for x, y in zip(a, b, strict=True)) / magnitudes)


def content_hash(value: str | bytes) -> bytes:
    """Return the 16-byte MD5 that says whether content was embedded before.

    The hash is llm's, so that either program recognises what the other embedded.
    """
    data = value.encode() if isinstance(value, str) else value
    return hashlib.md5(data, usedforsecurity=False).digest()
