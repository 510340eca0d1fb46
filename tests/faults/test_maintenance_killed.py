"""Maintenance that is killed at any moment: every entry is there, and check() is clean.

More kills, of other seeds: VECSTORE_KILLS=50 VECSTORE_SEED=7 scripts/test FILE
"""

import os
import random
import shutil
import signal
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest

import vecstore
from tests.support.command import PROCESS
from tests.support.databases import rows
from tests.support.models import Vectors
from vecstore import Collection, check

ENTRIES = 3000
KILLS = int(os.environ.get("VECSTORE_KILLS", "2"))  # for each operation
SEED = int(os.environ.get("VECSTORE_SEED", "0"))


@pytest.fixture(autouse=True)
def chance(request):
    """Kill at moments that a seed gives."""
    random.seed(f"{SEED} {request.node.name}")


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A file with space to give back, and its export."""
    path = tmp_path_factory.mktemp("original") / "test.db"
    with closing(vecstore.connect(path, driver="apsw")) as db:
        collection = Collection("one", db, model=Vectors())
        collection.embed_multi(((n, f"{n} 1 " * 32) for n in range(2 * ENTRIES)), store=True)
        vecstore.build_keyword_index(db)
        collection.delete_ids(n for n in range(2 * ENTRIES) if n % 2)
        vecstore.export_collection(db, "one", path.with_suffix(".jsonl"))
    return path


@pytest.fixture
def path(original, tmp_path):
    return Path(shutil.copy(original, tmp_path))


def start(*arguments):
    command = [*PROCESS, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def time_of(*arguments):
    """Return the seconds that a command takes."""
    before = time.monotonic()
    process = start(*arguments)
    process.communicate()
    assert process.returncode == 0
    return time.monotonic() - before


def tries(killed):
    """Yield what part of the time to wait: as often as there are to be kills, or until one comes.

    The command whose time was taken may have been the slowest: then all others have come to their
    end, and the next one is killed sooner.
    """
    part = 1.0
    for number in range(KILLS + 20):
        if number < KILLS or not any(killed):
            yield part
            part *= 1.0 if any(killed) else 0.9


def entries(path, name="one"):
    with closing(vecstore.connect(path, driver="apsw")) as db:
        return rows(
            db,
            """
            select id, embedding, content_hash
            from embeddings
            join (select id as found, name from collections) on found = collection_id
            where name = ?
            order by id
            """,
            [name],
        )


@pytest.mark.parametrize(
    "command",
    [["compact"], ["index", "build"], ["index", "drop"], ["index", "build", "--keywords"]],
    ids=" ".join,
)
def test_a_kill_loses_nothing(path, original, command):
    expected = entries(original)
    seconds = time_of(*command, path)
    killed = []
    for part in tries(killed):
        shutil.copy(original, path)
        process = start(*command, path)
        time.sleep(part * random.uniform(0.4, 1.1) * seconds)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        killed.append(process.returncode < 0)
        report = check(path)
        assert report.problems == []
        assert entries(path) == expected
    assert any(killed)
    time_of("index", "build", path)
    time_of("compact", path)
    assert (check(path).problems, check(path).notes) == ([], [])


@pytest.mark.parametrize("form", ["beside", "inside"])
def test_a_killed_move_leaves_one_form_or_the_other(path, original, form):
    expected = entries(original)
    other = path.with_name("other.db")
    shutil.copy(original, other)
    vecstore.move_index(other, "inside" if form == "beside" else "beside")
    beside, other_beside = (Path(f"{name}-vec") for name in (path, other))

    def restore():
        for file in path.parent.glob(f"{path.name}*"):
            file.unlink()
        shutil.copy(other, path)
        if other_beside.exists():
            shutil.copy(other_beside, beside)

    restore()
    seconds = time_of("index", "move", path, form)
    killed = []
    for part in tries(killed):
        restore()
        process = start("index", "move", path, form)
        time.sleep(part * random.uniform(0.4, 1.1) * seconds)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        killed.append(process.returncode < 0)
        assert check(path).problems == []
        assert entries(path) == expected
        with closing(vecstore.connect(path, driver="apsw")) as db:
            one = Collection("one", db)
            found = one.similar_by_vector([1.0] * 64, number=ENTRIES)
            by_keyword = one.search("1", number=ENTRIES, mode="keywords")
        assert len(found) == len(by_keyword) == ENTRIES
        vecstore.move_index(path, form)
        report = check(path)
        assert (report.form, report.problems, report.notes) == (form, [], [])
        assert beside.exists() == (form == "beside")
    assert any(killed)


def test_an_interrupt_ends_a_statement(path, original):
    seconds = time_of("compact", path)
    for _ in range(KILLS):
        shutil.copy(original, path)
        process = start("compact", path)
        time.sleep(random.uniform(0.4, 1) * seconds)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
        if process.returncode == 130:
            assert errors == "Interrupted\n"
        assert check(path).problems == []
        assert len(entries(path)) == ENTRIES


def test_a_killed_backup_leaves_the_older_one(path, tmp_path):
    target = tmp_path / "copy.db"
    seconds = time_of("backup", path, target)
    before = target.read_bytes()
    with closing(vecstore.connect(path, driver="apsw")) as db:
        Collection("one", db, model=Vectors()).embed("new", "1 " * 64)
    for _ in range(KILLS):
        process = start("backup", path, target)
        time.sleep(random.uniform(0.4, 1) * seconds)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        report = check(target)
        assert report.problems == []
        assert report.embeddings == ENTRIES + (target.read_bytes() != before)
        assert check(path).problems == []


def test_a_killed_import_writes_all_or_nothing(path, original):
    exported = original.with_suffix(".jsonl")
    command = ["collections", "import", exported, "--name", "two", "-d", path]
    seconds = time_of(*command)
    for _ in range(KILLS):
        shutil.copy(original, path)
        process = start(*command)
        time.sleep(random.uniform(0.4, 1) * seconds)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert check(path).problems == []
        assert len(entries(path, "two")) in (0, ENTRIES)
        assert len(entries(path)) == ENTRIES
