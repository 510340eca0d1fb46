"""Entries for loads of many batches, and models that are slow or refuse some."""

import random
import threading
import time

import vecstore
from tests.support.models import WordLengths


class Slow(WordLengths):
    """Takes a random time for a batch, and counts the calls that run at once."""

    concurrency = 4

    def __init__(self, seconds: float = 0.005) -> None:
        super().__init__()
        self.seconds = seconds
        self.running = self.most = 0
        self.threads: set[int] = set()
        self.lock = threading.Lock()

    def embed_batch(self, items):
        with self.lock:
            self.threads.add(threading.get_ident())
            self.running += 1
            self.most = max(self.most, self.running)
        time.sleep(random.uniform(0, self.seconds))
        with self.lock:
            self.running -= 1
            return list(super().embed_batch(items))


class Refusing(WordLengths):
    """Refuses texts that begin with "bad", and breaks over those that begin with "crash"."""

    def __init__(self, concurrency: int = 1) -> None:
        super().__init__()
        self.concurrency = concurrency
        self.asked: list[list[str]] = []

    def embed_batch(self, items):
        self.asked.append(list(items))
        for item in items:
            if item.startswith("bad"):
                raise vecstore.RejectedInputError("too long")
            if item.startswith("nan"):
                yield [float("nan")] * 16
                continue
            if item.startswith("crash"):
                raise OSError("no such image")
            yield from super().embed_batch([item])


def numbered(count: int, text: str = "text"):
    return [(f"{n:05}", f"{text} {n}") for n in range(count)]
