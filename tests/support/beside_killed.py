"""A process that is killed as it brings an index beside a file into step.

It is run as python -m tests.support.beside_killed WORK PATH DRIVER, says a line when it begins, and
goes on until it is killed.
"""

import sys
from contextlib import closing

import vecstore
from tests.support.beside import QUERY, index_of, small_partitions
from tests.support.models import Pseudorandom
from vecstore import Collection
from vecstore.sqlite.index import beside, beside_writing, following
from vecstore.sqlite.index_names import KEYWORDS


def load(db, round):
    """Embed what is new, and delete what is old, which the search after it follows.

    The file stays small: among many thousand vectors there are scores that differ by less than
    SQL's floats tell apart, and brute force has them in another order.
    """
    collection = Collection("large", db, model=Pseudorandom())
    collection.embed_multi((f"new {round} {n}", f"text {round} {n}") for n in range(200))
    collection.delete_ids(f"new {round - 5} {n}" for n in range(200))
    collection.similar_by_vector(QUERY, 3)


def catch_up(db, round):
    """Follow what plain SQL has written."""
    db.execute("update embeddings set id = id || '+' where rowid % 3 = ?", [round % 3])
    following.follow(db, [len(QUERY)])


def build(db, round):
    """Build the index anew."""
    beside.discard(db)
    following.follow(db, [len(QUERY)])


def keywords(db, round):
    """Have the keyword index follow plain SQL, and now and then be built anew."""
    db.execute(
        "update embeddings set content = content || ' more' where rowid % 3 = ?", [round % 3]
    )
    if round % 3 == 2:
        beside_writing.remove_index(db, KEYWORDS)
    following.follow(db, [KEYWORDS])


if __name__ == "__main__":
    work, path, driver = sys.argv[1:]
    following._MOST_ROWS = 40  # many commits
    with small_partitions(), closing(vecstore.connect(path, driver=driver)) as db:
        index_of(path)
        for round in range(100_000):
            if round == 1:
                sys.stdout.write("begun\n")
                sys.stdout.flush()
            works = {"load": load, "catch-up": catch_up, "build": build, "keywords": keywords}
            works[work](db, round)
