"""An index beside a file is written by a process that is killed, on a disk that is full, by many.

VECSTORE_KILLS=35 VECSTORE_SEED=7 scripts/test tests/faults/test_beside_killed.py
"""

import errno
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from contextlib import closing

import pytest

import vecstore
from tests.support import ROOT
from tests.support.beside import (
    assert_searches,
    copy_both,
    index_of,
    is_in_step,
    make_searched_file,
    small_partitions,
    write,
)
from tests.support.databases import LOADS_EXTENSIONS, rows
from tests.support.full_disk import largest_file, small_disk_at
from tests.support.searching import SearchingProcess
from vecstore import check

KILLS = int(os.environ.get("VECSTORE_KILLS", "2"))  # of each work
SEED = int(os.environ.get("VECSTORE_SEED", "0"))
DRIVERS = ["apsw", "sqlite3"] if LOADS_EXTENSIONS else ["apsw"]
FILES = {"test.db", "test.db-vec", "test.db-wal", "test.db-shm"}
DELETE = "delete from embeddings where id like '%{}'"
MODES = ["wal", "delete"]


@pytest.fixture(autouse=True)
def partitions():
    with small_partitions():
        yield


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    path = tmp_path_factory.mktemp("original") / "test.db"
    make_searched_file(path)
    return path


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "folder"
    made.mkdir()
    return made


@pytest.fixture(params=MODES)
def work(request, original, folder):
    """A file with its index, in the journal mode of vecstore's files or in that of llm's."""
    path = folder / "test.db"
    copy_both(original, path)
    with closing(vecstore.connect(path)) as db:
        db.execute(f"pragma main.journal_mode = {request.param}").fetchall()
    return path


# Killed


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("what", ["load", "catch-up", "build", "keywords"])
def test_the_next_search_is_right_after_a_kill_at_any_moment(work, driver, what):
    chance = random.Random(f"{SEED} {what} {driver}")
    command = [sys.executable, "-m", "tests.support.beside_killed", what, str(work), driver]
    for _ in range(KILLS):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
            assert process.stdout.readline() == "begun\n"
            time.sleep(chance.uniform(0, 0.2))
            process.send_signal(signal.SIGKILL)
        with closing(vecstore.connect(work, driver=driver)) as db:
            assert_searches(db)
            assert is_in_step(db)
            assert_keywords(db)
        assert check(work).problems == []
        # SQLite leaves one that has nothing to undo to the next that writes.
        journals = {"test.db-journal", "test.db-vec-journal"}
        assert {file.name for file in work.parent.iterdir()} <= {*FILES, *journals}


def assert_keywords(db):
    """Compare what keywords find with the rows: nothing of a text that was changed is left."""
    for word in ("large", "small", "more", "text"):
        for id, name in rows(db, "select id, name from collections"):
            found = vecstore.Collection(name, db, create=False).search(word, 500, mode="keywords")
            sql = "select id from embeddings where collection_id = ? and content like ? order by id"
            expected = [id for (id,) in rows(db, sql, [id, f"%{word}%"])]
            assert sorted(entry.id for entry in found) == expected


# A full disk


@pytest.mark.parametrize("kibibytes", [0, 1, 20, 200, 400])
@pytest.mark.parametrize("is_built", [True, False], ids=["behind", "not built"])
def test_searches_answer_where_the_index_must_not_grow(open_db, work, kibibytes, is_built):
    if not is_built:
        index_of(work).unlink()
    db = open_db(str(work))
    vecstore.Collection("large", db, create=False)
    write(db, DELETE.format(1))
    write(db, "update embeddings set id = id || ' renamed'")
    with largest_file(1024 * kibibytes):
        assert_searches(db)
        assert_searches(db)
    write(db, DELETE.format(2))
    assert_searches(db)
    assert is_in_step(db)
    assert {file.name for file in work.parent.iterdir()} <= FILES


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a disk of 900 kB of its own, where we may make one."""
    with small_disk_at(tmp_path / "disk", "900k") as folder:
        yield folder


@pytest.mark.parametrize("is_built", [True, False], ids=["behind", "not built"])
def test_searches_answer_where_the_disk_of_the_index_is_full(open_db, work, small_disk, is_built):
    index, elsewhere = index_of(work), small_disk / "test.db-vec"
    shutil.move(index, elsewhere)
    index.symlink_to(elsewhere)
    if not is_built:
        os.truncate(elsewhere, 0)
    filler = small_disk / "filler"
    fill(filler)
    db = open_db(str(work))
    assert_searches(db)
    write(db, DELETE.format(1))
    assert_searches(db)
    filler.unlink()
    write(db, DELETE.format(2))
    assert_searches(db)
    assert is_in_step(db)


def fill(path):
    try:
        with path.open("wb") as file:
            while True:
                file.write(bytes(4096))
                file.flush()
    except OSError as error:
        assert error.errno == errno.ENOSPC  # noqa: PT017 - it is what is wanted


# Many at once


def test_processes_that_catch_up_at_the_same_time_find_what_is_there(work):
    processes = [SearchingProcess() for _ in range(3)]
    try:
        for number, process in enumerate(processes):
            process.open(work, DRIVERS[number % len(DRIVERS)])
        with closing(vecstore.connect(work)) as db:
            for digit in range(4):
                if digit == 2:
                    index_of(work).unlink()
                write(db, DELETE.format(digit))
                for process in processes:
                    process.begin("search")
                assert_searches(db)
                for process in processes:
                    process.end()
            assert_searches(db)
            assert is_in_step(db)
    finally:
        for process in processes:
            process.close()
    assert check(work).problems == []
