"""The vectors of the models that neighbours share: they depend on the text alone."""

import hashlib

DIMENSIONS = {"neighbour": 8, "neighbour-wide": 32}  # the wide one's index has a table of bits


def vector(text: str, dimensions: int) -> list[float]:
    return [byte / 128 - 1 for byte in hashlib.shake_128(text.encode()).digest(dimensions)]
