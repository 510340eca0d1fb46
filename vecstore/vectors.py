"""Vectors as bytes, their similarity, and the hash that identifies content."""

import hashlib
import math
import struct
import sys
from array import array
from collections.abc import Mapping, Sequence, Set
from typing import Any

from .errors import DimensionError, InvalidInputError
from .values import is_bytes_view, quote, to_plain

PGVECTOR_HEAD = struct.Struct(">HH")

_LISTS = (list, tuple)
# The machine's own floats are read faster than those that are known to be little-endian.
_LITTLE_ENDIAN = "@" if sys.byteorder == "little" else "<"


def numbers_of(vector: Any) -> Sequence[Any]:
    """Return a vector of any kind of list or array as a sequence of numbers, of Python's own.

    :raises TypeError: says what it is instead: text or bytes, which are sequences too, what has no
      order, times, or several vectors
    """
    if isinstance(vector, _LISTS):
        if not vector or type(vector[0]) in (float, int):
            return vector
        if isinstance(vector[0], _LISTS) or len(getattr(vector[0], "shape", ())):
            raise TypeError(
                f"it holds a {type(vector[0]).__name__}: a vector is one row of numbers"
            )
        return [
            to_plain(number) for number in vector
        ]  # NumPy's small ones have a sum that overflows
    is_bytes = isinstance(vector, bytes | bytearray) or is_bytes_view(vector)
    if is_bytes or isinstance(vector, str | Mapping | Set):
        raise TypeError(f"it is of type {type(vector).__name__}")
    shape = getattr(vector, "shape", None)
    if shape is not None and len(shape) != 1:
        raise TypeError(f"it has the shape {tuple(shape)}: a vector is one row of numbers")
    if getattr(getattr(vector, "dtype", None), "kind", None) in ("m", "M"):
        raise TypeError(f"it is of {vector.dtype}")
    # Python numbers are made of a NumPy or PyTorch row many times faster so than by float().
    numbers: Sequence[Any] = vector.tolist() if hasattr(vector, "tolist") else vector
    return numbers


def encode(values: Sequence[float]) -> bytes:
    """Return a vector as the bytes that the `embedding` column holds.

    Little-endian float32, 4 bytes a dimension: what sqlite-vec reads and llm writes.

    :raises OverflowError: a finite number that float32 cannot hold
    :raises InvalidInputError: it is no list, or one-dimensional array, of numbers
    """
    try:
        return _pack(numbers_of(values))
    except (TypeError, struct.error) as error:
        raise _not_a_vector(error) from error


def _pack(numbers: Sequence[Any]) -> bytes:
    # Not struct.pack(), which copies all of its arguments but the first once more.
    return struct.Struct(f"<{len(numbers)}f").pack(*numbers)


def _not_a_vector(error: Exception) -> InvalidInputError:
    return InvalidInputError(f"A vector is a list of numbers, and this is none: {error}")


def decode(blob: bytes) -> tuple[float, ...]:
    """Return the vector in an `embedding` blob; struct.error if its length is no multiple of 4."""
    return struct.unpack(f"{_LITTLE_ENDIAN}{len(blob) // 4}f", blob)


def to_pgvector(blob: bytes) -> bytes:
    """Return an `embedding` blob in pgvector's binary form, which its vector_send() gives as well.

    It is the number of dimensions and a zero, of two bytes each, and the numbers as float4, all in
    the order of the network: https://github.com/pgvector/pgvector/blob/master/src/vector.c
    """
    return PGVECTOR_HEAD.pack(len(blob) // 4, 0) + swap_bytes(blob)


def swap_bytes(blob: bytes) -> bytes:
    """Return float32 bytes in the other order, of those of our files and of the network."""
    numbers = array("f", blob)
    numbers.byteswap()
    return numbers.tobytes()


def cosine_similarity(a: Sequence[float], b: Sequence[float]) -> float:
    """Return the cosine of the angle between two vectors, from -1.0 to 1.0.

    For a caller who holds two vectors. Searches never come here: they run in SQL. A zero vector
    has no direction, so its similarity to anything is 0.0. InvalidInputError if the lengths differ,
    or one of them is no list, or one-dimensional array, of numbers.
    """
    try:
        # NumPy's own small numbers would have sums that overflow.
        return _cosine(numbers_of(a), numbers_of(b))
    except TypeError as error:
        raise _not_a_vector(error) from error


def _cosine(a: Sequence[float], b: Sequence[float]) -> float:
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


def dimension_error(name: str, found: int, expected: int) -> DimensionError:
    """Return the error for a vector of another dimension than the collection's."""
    return DimensionError(
        f"{name} has {found} dimensions and the collection's vectors have {expected}: "
        "use the model that the collection was made with"
    )


def stored_vector(blob: Any, id: str) -> list[float]:
    """Return the vector that the `embedding` column holds for an id, as it is: NaN stays NaN.

    :raises InvalidInputError: it holds none, which only another program can have written
    """
    if isinstance(blob, bytes) and blob and len(blob) % 4 == 0:
        return list(decode(blob))
    what = f"{len(blob)} bytes" if isinstance(blob, bytes) else quote(blob)
    raise InvalidInputError(
        f"The vector of {quote(id)} is {what}, and not 4 bytes for each dimension: embed or add "
        "the entry again, or delete it"
    )


def encode_vector(vector: Sequence[float], name: str) -> bytes:
    """Return a vector as float32 bytes; InvalidInputError, with its name, if it is not finite."""
    try:
        return encode_finite(vector)
    except InvalidInputError as error:
        error.args = (f"{name} {error}",)
        raise


def encode_finite(vector: Sequence[float]) -> bytes:
    """Return a vector as float32 bytes.

    :raises InvalidInputError: it is no list of finite numbers; who catches this puts its name first
    """
    try:
        numbers = numbers_of(vector)
        total = sum(numbers)  # not finite if any of the numbers is not
        # A list with an array in it may have a sum, which is then an array.
        if type(total) is not float or not math.isfinite(total):
            total = sum(map(float, numbers))
        if len(numbers) and math.isfinite(total):
            return _pack(numbers)
    except (TypeError, OverflowError, struct.error) as error:
        if isinstance(vector, str | bytes | bytearray) or is_bytes_view(vector):
            raise InvalidInputError(
                f"is {type(vector).__name__}, not a list of numbers: vecstore.decode() makes one "
                "of stored bytes"
            ) from None
        raise InvalidInputError(f"is not a list of numbers of float32: {error}") from error
    problem = "holds NaN or an infinity" if len(numbers) else "has no dimensions"
    raise InvalidInputError(f"{problem}: it could not be compared with anything")
