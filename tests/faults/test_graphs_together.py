"""Many search one graph, while others write, and build it again: threads, processes, children."""

import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

import vecstore
from tests.support import ROOT
from tests.support.beside import (
    COLLECTIONS,
    DIMENSIONS,
    QUERY,
    assert_searches,
    row_of,
    vectors_of,
)
from tests.support.brute_force import brute_force, found
from tests.support.graphs import (
    eager_graphs,
    graph_file,
    make_file_with_graph,
    plans_of_large,
    statuses,
)
from tests.support.models import pseudorandom
from vecstore import Collection, build_graph, check
from vecstore.sqlite import journal, transactions
from vecstore.sqlite.index import beside_writing

LARGE = COLLECTIONS["large"]
MOVING = [f"large {n}" for n in range(25)]
THREADS, SEARCHES, MOVES, BUILDS = 8, 25, 30, 8


@pytest.fixture(autouse=True)
def eager():
    with eager_graphs():
        yield


@pytest.fixture(params=["inside", "beside"])
def work(request, path):
    make_file_with_graph(path, request.param)
    return path


def move(db, salt):
    """Move some rows to where they are with a salt, in one transaction."""
    with db.conn:
        db["embeddings"].upsert_all(
            [row_of(1, id, salt) for id in MOVING], pk=("collection_id", "id")
        )


def answers_of(db):
    """Return what is nearest in each of the two states."""
    still = vectors_of(db, 1)
    moved = [{id: pseudorandom(salt + id, DIMENSIONS) for id in MOVING} for salt in ("", "x")]
    return [brute_force({**still, **vectors}, QUERY, 10) for vectors in moved]


def run_in_threads(path, tasks):
    """Run functions at the same time, each with a connection of its own; return what they do."""

    def run(task):
        with closing(vecstore.connect(path)) as own:
            return task(own)

    with ThreadPoolExecutor(len(tasks)) as pool:
        return list(pool.map(run, tasks))


@pytest.mark.parametrize("work", ["inside"], indirect=True)
def test_threads_find_what_was_there_at_some_moment_whoever_writes_and_builds(work):
    def search(db):
        large = Collection("large", db, create=False)
        return [large.explain(QUERY, 10) for _ in range(SEARCHES)]

    def write(db):
        for n in range(MOVES):
            move(db, "x" if n % 2 else "")

    def build(db):
        for _ in range(BUILDS):
            build_graph(db, "large")

    with closing(vecstore.connect(work)) as db:
        answers = answers_of(db)
        *searches, _, _ = run_in_threads(work, [*[search] * THREADS, write, build])
        explanations = [explanation for each in searches for explanation in each]
        assert [e.plan for e in explanations if found(e.entries) not in answers] == []
        assert "graph" in {explanation.plan for explanation in explanations}
        assert_searches(db)
        assert plans_of_large(db) == ["graph"]
        assert graph_file(work)
        assert check(db).problems == []


def test_threads_that_share_a_connection_search_a_graph(work):
    with closing(vecstore.connect(work)) as db:
        large = Collection("large", db, create=False)
        expected = brute_force(vectors_of(db, 1), QUERY, 10)
        with ThreadPoolExecutor(4) as pool:
            answers = pool.map(lambda _: found(large.similar_by_vector(QUERY, 10)), range(80))
            assert list(answers) == [expected] * 80


def test_a_graph_that_took_long_waits_longer_than_others_for_who_writes(work):
    begun, holders = threading.Event(), []

    def hold_the_lock():
        with closing(vecstore.connect(work)) as other:
            is_beside = journal.is_there(other)
            writing = beside_writing.writing_index if is_beside else transactions.writing
            with writing(other):
                begun.set()
                time.sleep(0.2)

    with closing(vecstore.connect(work, timeout=0.01)) as db, ThreadPoolExecutor(1) as pool:

        def take_long(done, total):
            if done == total and not holders:
                time.sleep(0.4)
                holders.append(pool.submit(hold_the_lock))
                assert begun.wait(timeout=5)

        assert build_graph(db, "large", progress=take_long) == {"large": LARGE}
        [holder] = holders
        assert holder.result() is None


BUILDER = """
import sys, vecstore
from tests.support.graphs import eager_graphs
sys.stdin.readline()
with eager_graphs():
    for _ in range(6):
        try:
            assert vecstore.build_graph(sys.argv[1], "large") == {"large": 60}
            print("built")
        except vecstore.DatabaseError as error:
            print(error)
"""


def test_of_processes_that_build_at_the_same_time_one_wins_and_nothing_is_left(work):
    command, pipe = [sys.executable, "-c", BUILDER, work], subprocess.PIPE
    processes = [
        subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, cwd=ROOT)
        for _ in range(2)
    ]
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    lines = []
    for process in processes:
        out, err = process.communicate()
        assert err == ""
        lines += out.splitlines()
    assert len(lines) == 12
    assert "built" in lines
    lost = f"The graph of {work} was not put into place, as another process has built it, or the "
    assert [line for line in lines if line != "built" and not line.startswith(lost)] == []
    with closing(vecstore.connect(work)) as db:
        assert [status.entries for status in statuses(db)] == [LARGE]
        assert graph_file(work)
        assert plans_of_large(db) == ["graph"]
        assert_searches(db)
        assert check(db).problems == []


FORKING = """
import os, sys
from contextlib import closing
import vecstore
from tests.support.beside import assert_searches, row_of
from tests.support.graphs import eager_graphs, plans_of_large
from vecstore.sqlite.index import open_graphs

def use():
    with closing(vecstore.connect(sys.argv[1])) as db:
        assert_searches(db)
        assert plans_of_large(db) == ["graph"]
        first = db["embeddings"].count
        db["embeddings"].insert_all(row_of(1, f"new {first + n}") for n in range(5))
        assert_searches(db)

with eager_graphs():
    use()
    [opened] = [graph for graph in open_graphs._open.values() if graph]
    with opened._lock:  # as a thread of the parent may have it
        child = os.fork()
    if child == 0:
        use()
        vecstore.build_graph(sys.argv[1], "large")
        use()
        print("searched", flush=True)
        os._exit(0)
    os.waitpid(child, 0)
    use()
    print("searched")
"""


def test_a_forked_child_searches_and_builds_as_its_parent_does(work):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", FORKING, work],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
    )
    assert (done.stdout, done.stderr) == ("searched\nsearched\n", "")


SECOND_PROCESS = """
import sys, vecstore
from contextlib import closing
from tests.support.beside import assert_searches
from tests.support.graphs import eager_graphs, plans_of_large
with eager_graphs(), closing(vecstore.connect(sys.argv[1])) as db:
    for _ in sys.stdin:
        assert_searches(db)
        print(*plans_of_large(db), flush=True)
"""


def test_a_process_that_has_an_old_graph_open_goes_over_to_the_new(work):
    command, pipe = [sys.executable, "-c", SECOND_PROCESS, work], subprocess.PIPE
    with (
        closing(vecstore.connect(work)) as db,
        subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=ROOT) as process,
    ):

        def search():
            process.stdin.write("\n")
            process.stdin.flush()
            return process.stdout.readline()

        assert search() == "graph\n"
        for salt in ("x", "y"):
            move(db, salt)
            assert search() == "graph\n"
            build_graph(db, "large")
            assert search() == "graph\n"
        graph_file(work).unlink()
        assert search() == "graph\n"  # it has it open
        build_graph(db, "large")
        assert search() == "graph\n"
        process.communicate()
