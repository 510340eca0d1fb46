"""related_table() is killed at random moments, while others write: the next call completes it.

More kills, of other seeds:

    VECSTORE_KILLS=50 VECSTORE_SEED=7 scripts/test tests/faults/test_related_killed.py
"""

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import closing

import pytest

import vecstore
from tests.support import ROOT
from tests.support.databases import LOADS_EXTENSIONS, rows
from tests.support.models import Pseudorandom
from tests.support.related import assert_current, related
from tests.support.related_killed import PORTION
from vecstore import Collection, check
from vecstore.sqlite.related import proposals

KILLS = int(os.environ.get("VECSTORE_KILLS", "2"))
SEED = int(os.environ.get("VECSTORE_SEED", "0"))
ENTRIES = 200
NUMBER = 3
DRIVERS = ["apsw", "sqlite3"] if LOADS_EXTENSIONS else ["apsw"]


def run(path, driver, kill_after):
    """Compute, and kill that after some portions and seconds; return whether it is done."""
    portions, seconds = kill_after
    command = [sys.executable, "-m", "tests.support.related_killed", path, driver, str(NUMBER)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        for number, _ in enumerate(process.stdout):
            if number >= portions:
                break
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert process.returncode in (0, -signal.SIGKILL)
    return process.returncode == 0


def write(collection, chance):
    """Change entries here and there, as somebody does who knows nothing of related items."""
    for _ in range(4):
        id = f"{chance.randrange(ENTRIES):04}"
        collection.embed(id, f"changed {chance.random()}")
    collection.delete_ids([f"{chance.randrange(ENTRIES):04}"])
    collection.embed(f"new {chance.random()}", f"added {chance.random()}")


@pytest.mark.skipif(not proposals.is_installed(), reason="the portions are those of NumPy")
@pytest.mark.parametrize("form", ["inside", "beside"])
@pytest.mark.parametrize("driver", DRIVERS)
def test_a_run_that_is_killed_is_completed_by_the_next(path, driver, form, request):
    chance = random.Random(f"{SEED} {request.node.name}")
    with closing(vecstore.connect(path, driver=driver)) as db:
        collection = Collection("test", db, model=Pseudorandom(), index=form)
        collection.embed_multi((f"{n:04}", f"text {n}") for n in range(ENTRIES))
    for _ in range(KILLS):
        is_done = run(path, driver, (chance.randrange(ENTRIES // PORTION), chance.random() / 50))
        with closing(vecstore.connect(path, driver=driver)) as db:
            collection = Collection("test", db, model=Pseudorandom())
            lengths = rows(db, "select count(*) from vecstore_related group by collection_id, id")
            assert {length for (length,) in lengths} <= {NUMBER}
            if is_done:
                assert_current(collection, NUMBER)
            write(collection, chance)
            if chance.random() < 0.5:
                collection.related_table(NUMBER)
                assert_current(collection, NUMBER)
                write(collection, chance)
    with closing(vecstore.connect(path, driver=driver)) as db:
        collection = Collection("test", db, model=Pseudorandom())
        first = collection.related_table(NUMBER)
        assert_current(collection, NUMBER)
        before = related(db, collection.id)
        assert first.computed > 0
        assert collection.related_table(NUMBER).computed == 0
        assert related(db, collection.id) == before
        assert check(db).problems == []


@pytest.mark.skipif(not proposals.is_installed(), reason="the portions are those of NumPy")
def test_a_killed_run_from_scratch_goes_on_where_it_stopped(path):
    with closing(vecstore.connect(path, driver="apsw")) as db:
        collection = Collection("test", db, model=Pseudorandom())
        collection.embed_multi((f"{n:04}", f"text {n}") for n in range(ENTRIES))
    assert not run(path, "apsw", (ENTRIES // PORTION // 2, 0))
    with closing(vecstore.connect(path, driver="apsw")) as db:
        collection = Collection("test", db, model=Pseudorandom())
        report = collection.related_table(NUMBER)
        assert PORTION <= report.computed < ENTRIES
        assert_current(collection, NUMBER)
