"""Models that fail over some entries, in each of the ways that models return vectors."""

import vecstore
from tests.support.models import WordLengths

FAILURES = {
    "ValueError": ValueError("cannot identify image\nfile"),
    "OSError": OSError(5, "Input/output error"),
    "MemoryError": MemoryError(),
    "RecursionError": RecursionError("too deep"),
    "InvalidInputError": vecstore.InvalidInputError("not for this model"),
}


class Yielding(WordLengths):
    """Fails over texts that begin with "bad", and keeps what it was asked for."""

    failure: BaseException = OSError("no such image")

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[list[str]] = []

    def embed_batch(self, items):
        self.asked.append(list(items))
        for item in items:
            yield self.vector(item)

    def vector(self, text: str) -> list[float]:
        if text.startswith("bad"):
            raise self.failure
        return next(super().embed_batch([text]))


class Returning(Yielding):
    """Returns a list: all of a batch, or nothing."""

    def embed_batch(self, items):
        self.asked.append(list(items))
        return self.vectors(items)

    def vectors(self, items: list[str]) -> list[list[float]]:
        for item in items:
            if item.startswith("bad"):
                self.vector(item)
        return [self.vector(item) for item in items]


class Chunked(Returning):
    """Works on four at a time, and yields their vectors together."""

    def embed_batch(self, items):
        self.asked.append(list(items))
        for start in range(0, len(items), 4):
            yield from self.vectors(items[start : start + 4])


KINDS = [Yielding, Returning, Chunked]


def texts(count: int, *bad: int) -> list[tuple[str, str]]:
    return [(f"{n:03}", f"{'bad' if n in bad else 'text'} {n}") for n in range(count)]


def ids(*numbers: int) -> list[str]:
    return [f"{n:03}" for n in numbers]
