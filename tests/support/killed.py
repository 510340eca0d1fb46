"""A process that is killed in the middle of its work: python -m tests.support.killed.

It prints a line when it begins, and one for each commit that it has made.
"""

import sys
from contextlib import closing

import vecstore
from tests.support.models import Pseudorandom

DIMENSIONS = 256
BATCH = 20


class Model(Pseudorandom):
    """Vectors that anybody can tell from the text."""

    model_id = "killed"
    dimensions = DIMENSIONS


def text_of(id: str) -> str:
    return f"text of {id}"


def say(done: int) -> None:
    sys.stdout.write(f"{done}\n")
    sys.stdout.flush()


def embed(path: str, driver: str, entries: int) -> None:
    """Embed entries in batches; say after each how many are committed."""
    with closing(vecstore.connect(path, driver=driver)) as db:
        say(0)
        collection = vecstore.Collection("test", db, model=Model())
        values = ((f"{n:06}", text_of(f"{n:06}")) for n in range(entries))
        collection.embed_multi(
            values, True, BATCH, progress=lambda report: say(report.embedded + report.unchanged)
        )


def delete(path: str, driver: str, entries: int) -> None:
    """Delete the entries in batches; say after each how many are gone."""
    with closing(vecstore.connect(path, driver=driver)) as db:
        say(0)
        collection = vecstore.Collection("test", db, create=False)
        ids = [f"{n:06}" for n in range(entries)]
        for start in range(0, entries, BATCH):
            collection.delete_ids(ids[start : start + BATCH])
            say(start + BATCH)


def sync(path: str, driver: str, entries: int) -> None:
    """Have the second half of the entries, and as many new ones, be all; say what is committed."""
    with closing(vecstore.connect(path, driver=driver)) as db:
        say(0)
        collection = vecstore.Collection("test", db, model=Model())
        ids = [f"{n:06}" for n in range(entries // 2, entries * 3 // 2)]
        collection.sync(
            [(id, text_of(id)) for id in ids],
            store=True,
            batch_size=BATCH,
            progress=lambda report: say(report.embedded + report.unchanged),
        )


def migrate(path: str, driver: str, entries: int) -> None:
    """Open the file, which brings it up to date; say when it is."""
    with closing(vecstore.connect(path, driver=driver)) as db:
        say(0)
        vecstore.Collection("test", db, create=False)
        say(entries)


if __name__ == "__main__":
    work, path, driver, entries = sys.argv[1:]
    works = {"embed": embed, "delete": delete, "sync": sync, "migrate": migrate}
    works[work](path, driver, int(entries))
