"""Loads, syncs, deletes and migrations that are killed: what was committed is there, and whole.

More kills, of other seeds:

    VECSTORE_KILLS=50 VECSTORE_SEED=7 scripts/test tests/faults/test_killed.py
"""

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
import sqlite_utils

import vecstore
from tests.support import ROOT
from tests.support.ages import AGES, MIGRATIONS
from tests.support.databases import LOADS_EXTENSIONS, rows
from tests.support.killed import BATCH, DIMENSIONS, Model, text_of
from tests.support.models import pseudorandom
from vecstore import Collection, check

KILLS = int(os.environ.get("VECSTORE_KILLS", "2"))  # for each operation
SEED = int(os.environ.get("VECSTORE_SEED", "0"))
ENTRIES = 1000
DRIVERS = ["apsw", "sqlite3"] if LOADS_EXTENSIONS else ["apsw"]


@pytest.fixture(params=DRIVERS)
def driver(request):
    return request.param


@pytest.fixture
def chance(request) -> random.Random:
    return random.Random(f"{SEED} {request.node.name}")


class Killed:
    """An operation in a process of its own, which is killed at a moment after it has begun.

    Attributes:
        done: how much it said to have committed
        was_killed: and had not come to its end
    """

    def __init__(self, work: str, path: Path, driver: str, after: int, seconds: float) -> None:
        command = [sys.executable, "-m", "tests.support.killed", work, path, driver, str(ENTRIES)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        said = ["0"]
        for line in process.stdout:
            said.append(line)
            if int(line) >= after:
                break
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        rest, _ = process.communicate()
        # The last line is cut off where the kill came in the middle of it.
        self.done = int([*said, *rest.splitlines(keepends=True)][-1])
        self.was_killed = process.returncode == -signal.SIGKILL
        assert self.was_killed or process.returncode == 0


def ids(start: int, end: int) -> list[str]:
    return [f"{n:06}" for n in range(start, end)]


def assert_whole(path: Path, expected: list[str]) -> None:
    """Assert that these entries are there, with their vectors, and that the file is clean."""
    report = check(path)
    assert (report.problems, [note for note in report.notes if note.kind != "index"]) == ([], [])
    with closing(vecstore.connect(path)) as db:
        found = rows(db, "select id, content, embedding from embeddings order by id")
        texts = {id: text_of(id) for id in expected}
        assert [id for id, _, _ in found] == expected
        assert {id: text for id, text, _ in found} == texts
        for id, _, vector in found:
            assert vector == vecstore.encode(pseudorandom(texts[id], DIMENSIONS))


def test_each_batch_of_embed_multi_that_was_committed_survives_a_kill(tmp_path, driver, chance):
    """Killed again and again, it goes on, until all is there."""
    path = tmp_path / "test.db"
    kills = stored = 0
    while kills < KILLS:
        if stored == ENTRIES:
            path.unlink()
            stored = 0
        after = min(stored + BATCH * chance.randint(0, 12), ENTRIES - BATCH)
        run = Killed("embed", path, driver, after, chance.uniform(0, 0.05))
        kills += run.was_killed
        with closing(vecstore.connect(path)) as db:
            found = db["embeddings"].count if db["embeddings"].exists() else 0
        # One that was committed may not have been told yet; and a batch is there or is not.
        assert max(stored, run.done) <= found <= max(stored, run.done) + BATCH
        assert found % BATCH == 0
        stored = found
        if stored:
            assert_whole(path, ids(0, stored))
    with closing(vecstore.connect(path)) as db:
        collection = Collection("test", db, model=Model())
        report = collection.embed_multi(((id, text_of(id)) for id in ids(0, ENTRIES)), True)
        assert (report.unchanged, report.embedded) == (stored, ENTRIES - stored)
    assert_whole(path, ids(0, ENTRIES))


@pytest.fixture(scope="module")
def full(tmp_path_factory) -> Path:
    """A file with all the entries."""
    path = tmp_path_factory.mktemp("full") / "test.db"
    with closing(vecstore.connect(path)) as db:
        collection = Collection("test", db, model=Model())
        collection.embed_multi(((id, text_of(id)) for id in ids(0, ENTRIES)), True)
    return path


def test_a_sync_that_is_killed_deletes_all_or_nothing_and_the_same_call_ends_it(
    tmp_path, driver, chance, full
):
    """Half of the entries are gone from the source, and as many are new."""
    path = tmp_path / "test.db"
    kills = 0
    while kills < KILLS:
        for ending in ("-wal", "-shm"):
            Path(f"{path}{ending}").unlink(missing_ok=True)
        shutil.copy(full, path)
        after = ENTRIES - BATCH * chance.choice([0, 0, chance.randint(0, 40)])
        run = Killed("sync", path, driver, after, chance.uniform(0, 0.02))
        kills += run.was_killed
        with closing(vecstore.connect(path)) as db:
            collection = Collection("test", db, model=Model())
            found = collection.ids()
            if found[0] == ids(0, 1)[0]:  # nothing was deleted
                assert found == ids(0, len(found))
                assert len(found) % BATCH == 0
            else:
                assert found == ids(ENTRIES // 2, ENTRIES * 3 // 2)
            assert_whole(path, found)
            source = ids(ENTRIES // 2, ENTRIES * 3 // 2)
            report = collection.sync(((id, text_of(id)) for id in source), store=True)
            assert report.embedded == len(set(source) - set(found))
            assert report.deleted == len(set(found) - set(source))
        assert_whole(path, source)


def test_deletes_that_were_committed_survive_a_kill(tmp_path, driver, chance, full):
    path = tmp_path / "test.db"
    kills = 0
    while kills < KILLS:
        for ending in ("-wal", "-shm"):
            Path(f"{path}{ending}").unlink(missing_ok=True)
        shutil.copy(full, path)
        after = BATCH * chance.randint(0, ENTRIES // BATCH - 2)
        run = Killed("delete", path, driver, after, chance.uniform(0, 0.05))
        kills += run.was_killed
        with closing(vecstore.connect(path)) as db:
            deleted = ENTRIES - db["embeddings"].count
        assert run.done <= deleted <= run.done + BATCH
        assert deleted % BATCH == 0
        assert_whole(path, ids(deleted, ENTRIES))


def make_old(path: Path, age: str | None) -> None:
    """Have llm make a file of some age with all the entries."""
    migrations = pytest.importorskip("llm.embeddings_migrations").embeddings_migrations
    with closing(sqlite_utils.Database(path)) as db:
        migrations.apply(db, stop_before=age)
        db["collections"].insert({"id": 7, "name": "test", "model": Model.model_id})
        vectors = ((id, pseudorandom(text_of(id), DIMENSIONS)) for id in ids(0, ENTRIES))
        with db.conn:
            db.conn.executemany(
                """
                insert into embeddings (collection_id, id, embedding, content)
                values (7, ?, ?, ?)
                """,
                ((id, vecstore.encode(vector), text_of(id)) for id, vector in vectors),
            )
            if "content_hash" in db["embeddings"].columns_dict:
                hashes = ((vecstore.content_hash(text_of(id)), id) for id in ids(0, ENTRIES))
                db.conn.executemany("update embeddings set content_hash = ? where id = ?", hashes)


def state(path: Path) -> list[tuple]:
    """Return the schema of a file, and which migrations it has."""
    with closing(sqlite3.connect(path)) as conn:
        made = conn.execute("select type, name, sql from sqlite_master order by 1, 2").fetchall()
        known = "select migration_set, name from _sqlite_migrations"
        return [*made, *conn.execute(known)]


def test_a_migration_that_is_killed_has_happened_or_has_not(tmp_path, driver, chance):
    kills = 0
    older = [age for age in AGES if age != "m002_foreign_key"]
    originals = {}
    for number, age in enumerate(older):
        originals[age] = tmp_path / f"{number}.db"
        make_old(originals[age], age)
    path = tmp_path / "test.db"
    while kills < KILLS:
        original = originals[chance.choice(older)]
        for ending in ("", "-wal", "-shm", "-journal"):
            Path(f"{path}{ending}").unlink(missing_ok=True)
        shutil.copy(original, path)
        run = Killed("migrate", path, driver, 0, chance.uniform(0, 0.1))
        kills += run.was_killed
        found = state(path)
        if run.done or found != state(original):
            assert found[-len(MIGRATIONS) :] == MIGRATIONS
            assert_whole(path, ids(0, ENTRIES))
        with closing(vecstore.connect(path)) as db:
            collection = Collection("test", db, create=False)
            assert collection.similar_by_id(ids(0, 1)[0], number=1)
        assert state(path)[-len(MIGRATIONS) :] == MIGRATIONS
        assert_whole(path, ids(0, ENTRIES))
