"""A process that writes to a server, or searches on it, while others do.

It is run as python -m tests.support.postgres_together. It says "ready", waits for a line, and
prints one for what it has done.
"""

import os
import random
import sys
import time
from collections.abc import Callable
from contextlib import closing
from itertools import count

import psycopg

import vecstore
from tests.support.contending import BATCH, DIMENSIONS, Model, ids_of, say, text_of
from tests.support.models import pseudorandom
from vecstore import Collection
from vecstore.postgres.store import PostgresStore

COMMON = [f"common {n}" for n in range(30)]  # ids that all of them write


def text_by(id: str, writer: int, number: int) -> str:
    """Return the text that a writer gives an id in its round of that number."""
    return f"{id}: {writer} {number}"


def write(url: str, seed: int, goes_on: Callable[[int], bool]) -> None:
    """Write into collections of all, and write, delete and rename in one of its own."""
    chance = random.Random(seed)
    with closing(PostgresStore(url)) as store:
        shared, second = (Collection(name, store, model=Model()) for name in ("shared", "second"))
        own = Collection(f"own {seed}", store, model=Model())
        for number in count():
            if not goes_on(number):
                break
            ids = ids_of(seed, number)
            report = shared.embed_multi(((id, text_of(id)) for id in ids), store=True)
            assert report.embedded == BATCH
            common = chance.sample(COMMON, BATCH)
            shared.embed_multi(((id, text_by(id, seed, number)) for id in common), store=True)
            shared.delete_ids(chance.sample(COMMON, 3))
            write_both([shared, second] if chance.random() < 0.5 else [second, shared], ids[0])
            own.embed_multi((id, text_of(id)) for id in ids)
            assert own.delete_ids(ids[1:]) == BATCH - 1
            own.rename(f"moved {seed}")
            own.rename(f"own {seed}")
        say(number)


def write_both(collections: list[Collection], id: str) -> None:
    """Write to two collections in one transaction, in this order: others do so in the other."""

    def work() -> None:
        for collection in collections:
            collection.embed(id, text_of(id), store=True)

    collections[0].store.write(work)


def write_sql(url: str, seed: int, goes_on: Callable[[int], bool]) -> None:
    """Change rows of all in any order, in transactions that know nothing of vecstore."""
    chance = random.Random(seed)
    with psycopg.connect(url, autocommit=True) as connection:
        for number in count():
            if not goes_on(number):
                break
            time.sleep(chance.uniform(0, 0.02))
            try:
                with connection.transaction():
                    for id in chance.sample(COMMON, 5):
                        connection.execute(
                            """
                            update embeddings
                            set metadata = jsonb_build_object('seed', %s::int)
                            where id = %s
                            """,
                            [seed, id],
                        )
                        time.sleep(0.001)
            except psycopg.errors.DeadlockDetected:
                continue
    say(number)


def search(url: str, seed: int, goes_on: Callable[[int], bool]) -> None:
    """Search, and compare what is found with what it must be."""
    chance = random.Random(seed)
    seen: dict[str, None] = {}
    with closing(PostgresStore(url)) as store:
        shared = Collection("shared", store, model=Model())
        for number in count():
            if not goes_on(number):
                break
            before = len(shared.ids(where="id not like 'common %'"))
            assert before % BATCH == 0, f"{before} entries: part of a batch"
            text = text_of(chance.choice(list(seen) or ids_of(0, 0)))
            vector = pseudorandom(text, DIMENSIONS)
            found = shared.similar_by_vector(vector, number=5)
            assert len(found) >= min(before, 5)
            assert [entry.score for entry in found] == sorted(
                (entry.score for entry in found), reverse=True
            )
            for entry in found:
                assert is_text_of(entry.id, entry.content)
                exact = vecstore.cosine_similarity(vector, pseudorandom(entry.content, DIMENSIONS))
                assert abs(entry.score - exact) < 1e-5
            if seen:
                assert text_of(found[0].id) == text
            seen.update((entry.id, None) for entry in found if entry.id not in COMMON)
        say(number)


def is_text_of(id: str, text: str) -> bool:
    return text.startswith(f"{id}: ") if id in COMMON else text == text_of(id)


if __name__ == "__main__":
    work, url, seed, rounds, seconds = sys.argv[1:]
    say("ready")
    os.read(0, 1)
    until = time.monotonic() + float(seconds)
    if work == "write_sql":
        PostgresStore(url).ensure_schema()
    works = {"write": write, "write_sql": write_sql, "search": search}
    works[work](url, int(seed), lambda number: number < int(rounds) or time.monotonic() < until)
