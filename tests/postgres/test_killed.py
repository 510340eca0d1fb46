"""Loads, syncs and deletes whose process is killed: what was committed is there, and whole.

More kills, of other seeds:

    VECSTORE_KILLS=50 VECSTORE_SEED=7 scripts/test tests/postgres/test_killed.py
"""

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import closing

import psycopg
import pytest

import vecstore
from tests.support import ROOT
from tests.support.killed import BATCH, DIMENSIONS, Model, text_of
from tests.support.models import pseudorandom
from vecstore import Collection
from vecstore.postgres.store import PostgresStore

KILLS = int(os.environ.get("VECSTORE_KILLS", "2"))  # for each operation
SEED = int(os.environ.get("VECSTORE_SEED", "0"))
ENTRIES = 1000


@pytest.fixture
def chance(request) -> random.Random:
    return random.Random(f"{SEED} {request.node.name}")


@pytest.fixture
def store(postgres_url):
    with closing(PostgresStore(postgres_url)) as opened:
        yield opened


class Killed:
    """An operation in a process of its own, which gets a signal at a moment after it has begun.

    Attributes:
        done: how much it said to have committed
        was_killed: and had not come to its end
    """

    def __init__(
        self, work: str, url: str, after: int, seconds: float, signal_number: int = signal.SIGKILL
    ) -> None:
        command = [sys.executable, "-m", "tests.support.postgres_killed", work, url, str(ENTRIES)]
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, cwd=ROOT)
        said = ["0"]
        for line in process.stdout:
            said.append(line)
            if int(line) >= after:
                break
        time.sleep(seconds)
        process.send_signal(signal_number)
        rest, self.errors = process.communicate()
        # The last line is cut off where the kill came in the middle of it.
        self.done = int([*said, *rest.splitlines(keepends=True)][-1])
        self.was_killed = process.returncode != 0
        assert process.returncode in (0, -signal_number)


def wait_until_alone(url: str) -> None:
    """Wait until the server has ended what the process had begun, and has let go of its locks."""
    with psycopg.connect(url, autocommit=True) as connection:
        for _ in range(1000):
            [others] = connection.execute(
                """
                select count(*)
                from pg_stat_activity
                where datname = current_database()
                  and backend_type = 'client backend'
                  and application_name = 'vecstore'
                """
            ).fetchone()
            if not others:
                return
            time.sleep(0.01)
        raise AssertionError(f"{others} connections are open after ten seconds")


def ids(start: int, end: int) -> list[str]:
    return [f"{n:06}" for n in range(start, end)]


def stored_ids(url: str) -> list[str]:
    """Return the ids of all entries that are there, each of which must be whole."""
    with psycopg.connect(url, autocommit=True) as connection:
        if connection.execute("select to_regclass('embeddings') is null").fetchone()[0]:
            return []
        rows = connection.execute(
            "select id, content, content_hash, embedding::text from embeddings order by id"
        ).fetchall()
    for id, content, content_hash, vector in rows:
        assert content == text_of(id)
        assert content_hash == vecstore.content_hash(content)
        numbers = [float(number) for number in vector.strip("[]").split(",")]
        assert vecstore.encode(numbers) == vecstore.encode(pseudorandom(content, DIMENSIONS))
    return [row[0] for row in rows]


@pytest.mark.parametrize("signal_number", [signal.SIGKILL, signal.SIGINT], ids=["kill", "^C"])
def test_each_batch_of_a_load_that_was_committed_survives_and_the_same_load_goes_on(
    postgres_url, store, chance, signal_number
):
    """Killed again and again, it goes on, until all is there."""
    kills = stored = 0
    while kills < KILLS:
        if stored == ENTRIES:
            Collection("test", store, create=False).delete()
            stored = 0
        after = min(stored + BATCH * chance.randint(0, 12), ENTRIES - BATCH)
        run = Killed("embed", postgres_url, after, chance.uniform(0, 0.05), signal_number)
        if signal_number == signal.SIGINT and run.was_killed:
            # At its very end, Python has nothing to say.
            assert run.errors.endswith("KeyboardInterrupt\n") or run.done == ENTRIES
        kills += run.was_killed
        store.close()
        wait_until_alone(postgres_url)
        found = stored_ids(postgres_url)
        # One that was committed may not have been told yet; and a batch is there or is not.
        assert max(stored, run.done) <= len(found) <= max(stored, run.done) + BATCH
        assert len(found) % BATCH == 0
        assert found == ids(0, len(found))
        stored = len(found)
    report = Collection("test", store, model=Model()).embed_multi(
        ((id, text_of(id)) for id in ids(0, ENTRIES)), True
    )
    assert (report.unchanged, report.embedded) == (stored, ENTRIES - stored)
    assert stored_ids(postgres_url) == ids(0, ENTRIES)


@pytest.fixture
def full(store) -> Collection:
    """A collection with all the entries."""
    collection = Collection("test", store, model=Model())
    collection.embed_multi(((id, text_of(id)) for id in ids(0, ENTRIES)), True)
    return collection


def test_a_sync_that_is_killed_deletes_all_or_nothing_and_the_same_call_ends_it(
    postgres_url, full, chance
):
    """Half of the entries are gone from the source, and as many are new."""
    source = ids(ENTRIES // 2, ENTRIES * 3 // 2)
    kills = 0
    while kills < KILLS:
        full.sync(((id, text_of(id)) for id in ids(0, ENTRIES)), store=True)
        full.store.close()
        after = ENTRIES - BATCH * chance.choice([0, 0, chance.randint(0, 40)])
        run = Killed("sync", postgres_url, after, chance.uniform(0, 0.02))
        kills += run.was_killed
        wait_until_alone(postgres_url)
        found = stored_ids(postgres_url)
        if found[0] == ids(0, 1)[0]:  # nothing was deleted
            assert found == ids(0, len(found))
            assert len(found) % BATCH == 0
        else:
            assert found == source
        report = full.sync(((id, text_of(id)) for id in source), store=True)
        assert report.embedded == len(set(source) - set(found))
        assert report.deleted == len(set(found) - set(source))
        assert stored_ids(postgres_url) == source


def test_deletes_that_were_committed_survive_a_kill(postgres_url, full, chance):
    kills = 0
    while kills < KILLS:
        full.embed_multi(((id, text_of(id)) for id in ids(0, ENTRIES)), True)
        full.store.close()
        after = BATCH * chance.randint(0, ENTRIES // BATCH - 2)
        run = Killed("delete", postgres_url, after, chance.uniform(0, 0.05))
        kills += run.was_killed
        wait_until_alone(postgres_url)
        found = stored_ids(postgres_url)
        deleted = ENTRIES - len(found)
        assert run.done <= deleted <= run.done + BATCH
        assert deleted % BATCH == 0
        assert found == ids(deleted, ENTRIES)
