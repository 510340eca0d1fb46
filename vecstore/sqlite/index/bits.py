"""The bits that stand for a vector in a fast search: how many, and the SQL that makes them.

The Hamming distance of two such bit strings ranks vectors nearly as their angle does: a sign is a
random hyperplane's side (M. Charikar, Similarity estimation techniques from rounding algorithms,
STOC 2002). More hyperplanes rank better, and short vectors have few coordinates: below 512 of
them, the signs of sums and differences of coordinates are added. On real embeddings of 256
dimensions that takes a quarter of the candidates for the same recall, and a scan of 512 bits is
not much longer than one of 256. Long vectors are folded, half onto half, until 1024 coordinates or
fewer are left: their scan takes the longest, and needs no more. See docs/performance.md.
"""

import math

_ENOUGH_BITS = 512
_MOST_BITS = 1024
_WORD_BITS = 64  # vec0 compares whole words fast, and what is left over slowly
# Whole bytes, and an even number of them: || joins text, and in a UTF-16 file cuts odd ones.
_STEP_BITS = 16


def bit_count(dimensions: int) -> int:
    """Return the number of bits of a vector; 0 for fewer than 32 dimensions, which have none."""
    if dimensions > _MOST_BITS:
        return bit_count(_half(dimensions))
    return min(max(_ENOUGH_BITS, dimensions), 2 * dimensions) // _WORD_BITS * _WORD_BITS


def distance_deviation(dimensions: int) -> float:
    """Return about how far the distance of two bit strings is off what their vectors' angle says.

    The standard deviation of a binomial distribution: of so many bits, near ones differ in a
    quarter.
    """
    return math.sqrt(bit_count(dimensions) / 4 * 3 / 4)


def bits_sql(vector: str, dimensions: int) -> str:
    """Return the SQL for the bits of a vector, given the SQL for the vector.

    The result is a plain blob: vec_bit() makes it what vec0 takes.
    """
    if dimensions > _MOST_BITS:
        half = _half(dimensions)
        return bits_sql(f"vec_add({_part(vector, 0, half)}, {_part(vector, half, 2 * half)})", half)
    signs = min(dimensions, bit_count(dimensions)) // _STEP_BITS * _STEP_BITS
    added = bit_count(dimensions) - signs
    sums = -(-added // 2 // _STEP_BITS) * _STEP_BITS
    differences = added - sums
    whole = vector if signs == dimensions else _part(vector, 0, signs)
    parts = [_signs(whole)]
    for function, length in (("vec_add", sums), ("vec_sub", differences)):
        if length:
            left, right = _part(vector, 0, length), _part(vector, length, 2 * length)
            parts.append(_signs(f"{function}({left}, {right})"))
    return f"CAST({' || '.join(parts)} AS BLOB)"


def _half(dimensions: int) -> int:
    return dimensions // 2 // _STEP_BITS * _STEP_BITS


def _signs(vector: str) -> str:
    return f"vec_quantize_binary({vector})"


def _part(vector: str, start: int, end: int) -> str:
    return f"vec_slice({vector}, {start}, {end})"
