"""A forked child is refused its parent's connections, and opens the file anew without harm."""

import subprocess
import sys
from contextlib import closing

import pytest

import vecstore
from tests.support import ROOT
from tests.support.databases import LOADS_EXTENSIONS
from tests.support.models import Vectors
from vecstore import Collection, check

KINDS = ["apsw", "adopted-without"] + ["sqlite3", "adopted-with"] * LOADS_EXTENSIONS
HEAD = """
import multiprocessing, os, sys
from tests.support.databases import KINDS
from tests.support.models import Vectors
import vecstore
from vecstore import Collection, DatabaseError

path, kind = sys.argv[1:]
model = Vectors()
db = KINDS[kind](path)
collection = Collection("test", db, model=model)
collection.embed("a", "1 0")

def refused(*calls):
    for call in calls:
        try:
            call()
        except DatabaseError as error:
            assert "open it anew in the child" in str(error), error
        else:
            raise AssertionError(call)

def open_anew():
    return Collection("test", vecstore.connect(path), model=model)

def in_child(function, leave=os._exit):
    pid = os.fork()
    if pid:
        assert os.waitpid(pid, 0)[1] == 0
        return
    try:
        function()
    except BaseException:
        import traceback
        traceback.print_exc()
        os._exit(1)
    leave(0)
"""


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


def run(path: str, kind: str, script: str) -> list[str]:
    """Run a script that forks, in a process without threads, and return the ids in the file."""
    command = [sys.executable, "-W", "error", "-c", HEAD + script, path, kind]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    report = check(path)
    assert (report.problems, report.notes) == ([], [])
    with closing(vecstore.connect(path)) as db:
        return Collection("test", db, model=Vectors()).ids()


@pytest.mark.parametrize("leave", ["os._exit", "sys.exit"])
def test_a_child_is_refused_and_the_parent_goes_on(path, kind, leave):
    script = f"""
def child():
    refused(
        lambda: collection.embed("b", "0 1"),
        lambda: collection.similar("1 0"),
        lambda: collection.similar_by_id("a"),
        lambda: collection.delete_ids(["a"]),
        lambda: list(collection),
        collection.count,
        collection.ids,
        collection.delete,
        lambda: collection.get("a"),
        lambda: "a" in collection,
        lambda: Collection("test", db),
        lambda: vecstore.check(db),
    )
    if hasattr(db.conn, "turns"):
        refused(
            lambda: db.execute("select 1"),
            lambda: db.conn.execute("select 1"),
            lambda: db.conn.executescript("select 1"),
            lambda: db.conn.executemany("delete from embeddings where id = ?", [["a"]]),
            lambda: db.conn.commit(),
            lambda: db.conn.rollback(),
            lambda: db.conn.close(),
        )

in_child(child, {leave})
collection.embed("b", "0 1")
assert [entry.id for entry in collection.similar("1 0")] == ["a", "b"]
"""
    assert run(path, kind, script) == ["a", "b"]


def test_a_process_of_multiprocessing_is_refused(path, kind):
    script = """
def child():
    refused(collection.count)

process = multiprocessing.get_context("fork").Process(target=child)
process.start()
process.join()
assert process.exitcode == 0
collection.embed("b", "0 1")
"""
    assert run(path, kind, script) == ["a", "b"]


def test_a_child_that_opens_the_file_anew_loses_nothing_when_the_parent_closes_it(path, kind):
    """SQLite in the child would not lock the file, and its WAL would be deleted under it."""
    script = """
to_parent, to_child = os.pipe(), os.pipe()
pid = os.fork()
if pid == 0:
    anew = open_anew()
    anew.embed("b", "0 1")
    refused(collection.count)
    os.write(to_parent[1], b"x")
    os.read(to_child[0], 1)
    anew.embed("c", "1 1")
    assert anew.ids() == ["a", "b", "c"]
    os._exit(0)
os.read(to_parent[0], 1)
db.close()
os.write(to_child[1], b"x")
assert os.waitpid(pid, 0)[1] == 0
"""
    assert run(path, kind, script) == ["a", "b", "c"]


def test_parent_and_child_write_at_once(path, kind):
    script = """
pid = os.fork()
mine = collection if pid else open_anew()
for n in range(20):
    mine.embed(f"{'parent' if pid else 'child'} {n:02}", f"1 {n}")
if not pid:
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
"""
    expected = sorted(f"{name} {n:02}" for name in ("parent", "child") for n in range(20))
    assert run(path, kind, script) == ["a", *expected]


def test_a_fork_in_a_transaction_leaves_it_to_the_parent(path, kind):
    script = """
from vecstore.sqlite import transactions

def child():
    try:
        open_anew()
    except DatabaseError as error:
        assert "cannot be opened safely here" in str(error), error
    else:
        raise AssertionError
    refused(collection.count)

def embed():
    collection.embed("b", "0 1")
    in_child(child)
    collection.embed("c", "1 1")

transactions.write(db, embed)
"""
    assert run(path, kind, script) == ["a", "b", "c"]


def test_the_end_of_a_transaction_is_not_reached_in_a_child(path, kind):
    script = """
from vecstore.sqlite import transactions

pid = 0
def embed_and_fork():
    global pid
    collection.embed("b", "0 1")
    pid = os.fork()

try:
    transactions.write(db, embed_and_fork)
except DatabaseError:
    assert not pid
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
"""
    assert run(path, kind, script) == ["a", "b"]


def test_a_child_that_does_not_use_the_file_costs_nothing(path, kind):
    script = """
in_child(lambda: None, sys.exit)
in_child(lambda: in_child(lambda: refused(collection.count)))
collection.embed("b", "0 1")
"""
    assert run(path, kind, script) == ["a", "b"]


def test_a_child_that_opens_the_file_anew_has_none_of_several_inherited_connections(path, kind):
    """One that stayed open would hide the locks, and its last close take the WAL from the child."""
    script = """
others = [vecstore.connect(path) for _ in range(3)] if kind in ("apsw", "sqlite3") else []
reading, told = os.pipe()
opened, waiting = os.pipe()

def child():
    anew = open_anew()
    anew.count()
    os.write(waiting, b".")
    os.read(reading, 1)
    anew.embed("b", "0 1")
    anew.db.close()

pid = os.fork()
if not pid:
    try:
        child()
    except BaseException:
        import traceback
        traceback.print_exc()
        os._exit(1)
    os._exit(0)
os.read(opened, 1)
for other in [*others, db]:
    other.close()
os.write(told, b".")
assert os.waitpid(pid, 0)[1] == 0
"""
    assert run(path, kind, script) == ["a", "b"]
