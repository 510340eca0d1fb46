"""A process that writes to a file, or searches in it, while others do.

It is run as python -m tests.support.contending. It says "ready", waits for a line, and prints one
for what it has done.
"""

import os
import random
import sys
import time
from contextlib import closing
from itertools import count

import vecstore
from tests.support.models import Pseudorandom, pseudorandom

DIMENSIONS = 384
BATCH = 10
WRITERS = 8


class Model(Pseudorandom):
    """Vectors that anybody can tell from the text."""

    model_id = "contending"
    dimensions = DIMENSIONS


def say(what: object) -> None:
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


def text_of(id: str) -> str:
    return f"text of {id}"


def ids_of(writer: int, number: int) -> list[str]:
    """Return the ids that a writer writes in its round of that number."""
    return [f"{writer} {number} {n}" for n in range(BATCH)]


def open_collection(path: str, driver: str, name: str = "shared") -> vecstore.Collection:
    db = vecstore.connect(path, driver=driver)
    return vecstore.Collection(name, db, model=Model())


def write(path: str, driver: str, seed: int, rounds: int, until: float) -> None:
    """Write batches into a collection of all, and write and delete in one of its own."""
    shared = open_collection(path, driver)
    own = vecstore.Collection(f"own {seed}", shared.db, model=Model())
    with closing(shared.db):
        for number in count():
            if number >= rounds and time.monotonic() > until:
                break
            ids = ids_of(seed, number)
            report = shared.embed_multi(((id, text_of(id)) for id in ids), store=True)
            assert report.embedded == BATCH
            own.embed_multi((id, text_of(id)) for id in ids)
            assert own.delete_ids(ids[1:]) == BATCH - 1
        say(number)


def search(path: str, driver: str, seed: int, rounds: int, until: float) -> None:
    """Search, and compare what is found with what it must be."""
    chance = random.Random(seed)
    shared = open_collection(path, driver)
    seen: dict[str, None] = {}
    counted = 0
    with closing(shared.db):
        for number in count():
            if number >= rounds and time.monotonic() > until:
                break
            before, counted = counted, shared.count()
            assert before <= counted
            assert counted % BATCH == 0, f"{counted} entries: part of a batch"
            text = text_of(chance.choice(list(seen) or ids_of(0, 0)))
            vector = pseudorandom(text, DIMENSIONS)
            found = shared.similar_by_vector(vector, number=5)
            assert len(found) >= min(before, 5)
            for entry in found:
                assert entry.content == text_of(entry.id)
                exact = vecstore.cosine_similarity(vector, pseudorandom(entry.content, DIMENSIONS))
                assert abs(entry.score - exact) < 1e-5
            if seen:
                assert text_of(found[0].id) == text
            seen.update((entry.id, None) for entry in found)
        say(number)


if __name__ == "__main__":
    work, path, driver, seed, rounds, seconds = sys.argv[1:]
    say("ready")
    os.read(0, 1)
    {"write": write, "search": search}[work](
        path, driver, int(seed), int(rounds), time.monotonic() + float(seconds)
    )
