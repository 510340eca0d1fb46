"""A graph is made by a process that is killed, on a disk that is full, in a folder of others.

VECSTORE_KILLS=35 VECSTORE_SEED=7 scripts/test tests/faults/test_graph_killed.py
"""

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
from tests.support.beside import COLLECTIONS, assert_searches, row_of
from tests.support.full_disk import largest_file, small_disk_at
from tests.support.graphs import (
    copy_all,
    eager_graphs,
    graph_file,
    graph_files,
    load_large,
    make_file_with_graph,
    plans_of_large,
    statuses,
)
from tests.support.ordinary_user import as_an_ordinary_user
from vecstore import build_graph, check
from vecstore.sqlite.index import hnsw

KILLS = int(os.environ.get("VECSTORE_KILLS", "2"))  # of each work
SEED = int(os.environ.get("VECSTORE_SEED", "0"))
LARGE = COLLECTIONS["large"]


@pytest.fixture(autouse=True)
def eager():
    with eager_graphs():
        yield


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    with eager_graphs():
        made = {form: tmp_path_factory.mktemp(form) / "test.db" for form in ("inside", "beside")}
        for form, path in made.items():
            make_file_with_graph(path, form)
    return made


@pytest.fixture(params=["inside", "beside"])
def work(request, originals, tmp_path):
    """A file with a graph."""
    path = tmp_path / "test.db"
    copy_all(originals[request.param], path)
    return path


# Killed


@pytest.mark.parametrize("what", ["build", "extend"])
def test_after_a_kill_at_any_moment_there_is_the_old_graph_or_the_new(work, what):
    chance = random.Random(f"{SEED} {what}")
    command = [sys.executable, "-m", "tests.support.graph_killed", what, str(work)]
    for _ in range(KILLS):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
            assert process.stdout.readline() == "begun\n"
            time.sleep(chance.uniform(0, 0.2))
            process.send_signal(signal.SIGKILL)
        with closing(vecstore.connect(work)) as db:
            assert_searches(db)
            assert plans_of_large(db) == ["graph"]
            report = check(db)
            assert (report.problems, report.notes) == ([], [])
            assert len(graph_files(work)) <= 2
            build_graph(db, "large")
            assert [status.entries for status in statuses(db)] == [LARGE]
            assert graph_file(work).exists()
            assert_searches(db)


def test_a_build_that_is_killed_leaves_a_first_graph_to_be_built_by_the_next_load(work):
    """As it was noted that there is to be one, before."""
    with closing(vecstore.connect(work)) as db:
        vecstore.drop_graph(db, "large")
    program = """
import os, signal, sys, vecstore
vecstore.build_graph(sys.argv[1], "large", progress=lambda *_: os.kill(0, signal.SIGKILL))
"""
    done = subprocess.run([sys.executable, "-c", program, work], start_new_session=True)
    assert done.returncode == -signal.SIGKILL
    with closing(vecstore.connect(work)) as db:
        assert [status.state for status in statuses(db)] == ["missing"]
        assert_searches(db)
        load_large(db)
        assert statuses(db)[0].entries == LARGE + 100
        assert graph_file(work).exists()
        assert plans_of_large(db) == ["graph"]


# Disks and folders that cannot be written


@pytest.mark.parametrize("kibibytes", [0, 1, 10, 40])
def test_where_no_file_must_grow_the_old_one_stays(originals, tmp_path, kibibytes):
    work = tmp_path / "test.db"
    copy_all(originals["inside"], work)
    old = graph_file(work)
    with closing(vecstore.connect(work)) as db:
        make_large_entries(db)
        with largest_file(1024 * kibibytes), pytest.raises(vecstore.DatabaseError):
            build_graph(db, "large")
        assert graph_file(work) == old
        assert_searches(db)
        assert plans_of_large(db) == ["graph"]
        build_graph(db, "large")
        assert graph_file(work) != old


def make_large_entries(db):
    db["embeddings"].insert_all(row_of(1, f"more {n}") for n in range(40))


def test_a_load_does_not_fail_with_its_graph(work, caplog, monkeypatch):
    def save(graph, path):
        raise hnsw.GraphError("no space left")

    old = graph_file(work)
    monkeypatch.setattr(hnsw.Graph, "save", save)
    with closing(vecstore.connect(work)) as db:
        load_large(db)
        assert graph_file(work) == old
        assert f"The graph of {work} was not extended: " in caplog.text
        assert "no space left" in caplog.text
        assert_searches(db)


@pytest.fixture
def small_disk(tmp_path):
    with small_disk_at(tmp_path / "disk", "900k") as folder:
        yield folder


@pytest.mark.parametrize("form", ["inside", "beside"])
@pytest.mark.parametrize("left", [0, 8192])
def test_where_the_disk_is_full_before_a_graph_is_built_the_old_one_stays(
    originals, small_disk, form, left
):
    work = small_disk / "test.db"
    copy_all(originals[form], work)
    old = graph_file(work)
    with closing(vecstore.connect(work)) as db:
        assert_searches(db)
        filler = fill(small_disk, left)
        with pytest.raises(vecstore.DatabaseError):
            build_graph(db, "large")
        assert_searches(db)
        assert plans_of_large(db) == ["graph"]
        filler.unlink()
        assert graph_file(work) == old
        build_graph(db, "large")
        assert graph_file(work) != old
        assert check(db).problems == []


def fill(folder, left):
    filler = folder / "filler"
    filler.write_bytes(bytes(shutil.disk_usage(folder).free - left))
    return filler


@pytest.mark.parametrize("form", ["inside", "beside"])
@pytest.mark.parametrize("left", [0, 4096, 16384])
def test_where_the_disk_is_full_once_it_is_to_be_written_the_old_one_stays(
    originals, small_disk, form, left
):
    work = small_disk / "test.db"
    copy_all(originals[form], work)
    old = graph_file(work)
    with closing(vecstore.connect(work)) as db:
        with pytest.raises(vecstore.DatabaseError, match=f"{work}.*has room"):
            build_graph(db, "large", progress=lambda *_: fill(small_disk, left))
        assert graph_file(work) == old
        assert_searches(db)
        assert plans_of_large(db) == ["graph"]
        assert check(db).problems == []


def test_in_a_folder_that_cannot_be_written_the_old_graph_stays(originals, public_folder):
    folder = public_folder / "folder"
    folder.mkdir()
    path = folder / "test.db"
    copy_all(originals["inside"], path)
    with closing(vecstore.connect(path)) as db:
        db.execute("pragma journal_mode = memory").fetchall()
        db.execute("pragma main.journal_mode = delete").fetchall()
    old = graph_file(path)
    for file in folder.iterdir():
        file.chmod(0o666)
    folder.chmod(0o555)
    try:
        with as_an_ordinary_user(), closing(vecstore.connect(path)) as db:
            assert_searches(db)
            assert plans_of_large(db) == ["graph"]
            with pytest.raises(vecstore.DatabaseError):
                build_graph(db, "large")
            assert graph_file(path) == old
            assert_searches(db)
    finally:
        folder.chmod(0o755)
