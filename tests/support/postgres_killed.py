"""A process that is killed while it writes to a server: python -m tests.support.postgres_killed.

It prints a line when it begins, and one for each commit that it has made. ^C ends it as it would
end a command.
"""

import sys
from contextlib import closing

import vecstore
from tests.support.killed import BATCH, Model, say, text_of
from vecstore.postgres.store import PostgresStore


def embed(collection: vecstore.Collection, entries: int) -> None:
    """Embed entries in batches; say after each how many are committed."""
    values = ((f"{n:06}", text_of(f"{n:06}")) for n in range(entries))
    collection.embed_multi(
        values, True, BATCH, progress=lambda report: say(report.embedded + report.unchanged)
    )


def sync(collection: vecstore.Collection, entries: int) -> None:
    """Have the second half of the entries, and as many new ones, be all; say what is committed."""
    ids = [f"{n:06}" for n in range(entries // 2, entries * 3 // 2)]
    collection.sync(
        [(id, text_of(id)) for id in ids],
        store=True,
        batch_size=BATCH,
        progress=lambda report: say(report.embedded + report.unchanged),
    )


def delete(collection: vecstore.Collection, entries: int) -> None:
    """Delete the entries in batches; say after each how many are gone."""
    ids = [f"{n:06}" for n in range(entries)]
    for start in range(0, entries, BATCH):
        collection.delete_ids(ids[start : start + BATCH])
        say(start + BATCH)


if __name__ == "__main__":
    work, url, entries = sys.argv[1:]
    with closing(PostgresStore(url)) as store:
        say(0)
        opened = vecstore.Collection("test", store, model=Model())
        {"embed": embed, "sync": sync, "delete": delete}[work](opened, int(entries))
