"""Deterministic models for tests, whose vectors can be told from their text."""

import hashlib
import struct
from collections.abc import Iterable, Iterator

import vecstore


class WordLengths(vecstore.EmbeddingModel):
    """16 dimensions: the length of each of the first 16 words. Counts what it embeds."""

    model_id = "word-lengths"
    supports_binary = True

    def __init__(self) -> None:
        self.embedded: list[str | bytes] = []
        self.batches: list[int] = []

    def embed_batch(self, items: Iterable[str | bytes]) -> Iterator[list[float]]:
        items = list(items)
        self.batches.append(len(items))
        for item in items:
            self.embedded.append(item)
            lengths = [len(word) for word in item.split()[:16]]
            yield lengths + [0] * (16 - len(lengths))


class Failing(WordLengths):
    """A model that raises what it is told to."""

    failure: BaseException

    def embed_batch(self, items):
        raise self.failure


class Vectors(vecstore.EmbeddingModel):
    """Embeds JSON-like text, "1 0 0", as the numbers it holds: vectors as a test wants them."""

    model_id = "vectors"

    def embed_batch(self, items: Iterable[str | bytes]) -> Iterator[list[float]]:
        for item in items:
            yield [float(number) for number in item.split()]


def pseudorandom(text: str, dimensions: int = 8) -> list[float]:
    """Return a vector from -1 to 1 that depends on the text alone."""
    digest = hashlib.shake_128(text.encode()).digest(4 * dimensions)
    return [number / 2**31 - 1 for number in struct.unpack(f"<{dimensions}I", digest)]


class Pseudorandom(vecstore.EmbeddingModel):
    """A vector that depends on the text alone, with so many dimensions that it has bits."""

    model_id = "pseudorandom"
    dimensions = 32

    def embed_batch(self, items: Iterable[str | bytes]) -> Iterator[list[float]]:
        for item in items:
            yield pseudorandom(str(item), self.dimensions)
