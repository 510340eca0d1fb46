"""Graphs whose files are missing, damaged, foreign or unreadable, and Pythons without usearch."""

import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

import vecstore
from tests.support import ROOT
from tests.support.beside import COLLECTIONS, DIMENSIONS, QUERY, assert_searches, make_file, row_of
from tests.support.damage import notes, problems
from tests.support.graphs import (
    copy_all,
    graph_file,
    graph_files,
    load_large,
    make_file_with_graph,
    plans_of_large,
    statuses,
)
from tests.support.models import Pseudorandom
from tests.support.ordinary_user import as_an_ordinary_user
from vecstore import (
    Collection,
    GraphStatus,
    build_graph,
    build_index,
    compact,
    drop_graph,
)
from vecstore.sqlite.index import hnsw

LARGE = COLLECTIONS["large"]


@pytest.fixture
def work(with_graph):
    return with_graph


@pytest.fixture
def db(work, closing):
    return closing(vecstore.connect(work))


# Missing, damaged, not to be read


def cut_off(graph, work):
    graph.write_bytes(graph.read_bytes()[:-1000])


def fill_with_rubbish(graph, work):
    graph.write_bytes(b"rubbish!" * (graph.stat().st_size // 8))


def flip_bits(graph, work):
    content = bytearray(graph.read_bytes())
    for place in range(LARGE * DIMENSIONS + 100, len(content), 500):
        content[place] ^= 0x10
    graph.write_bytes(content)


def take_that_of_another(graph, work):
    with closing(vecstore.connect(work)) as db:
        build_graph(db, "small")
        [other] = {*graph_files(work), graph} - {graph}
    shutil.copy(other, graph)


def take_that_of_other_vectors(graph, work):
    other = Path(work).with_name("other.db")
    make_file_with_graph(other, "inside", "salt")
    shutil.copy(graph_file(other), graph)


def take_that_of_another_dimension(graph, work):
    written = hnsw.Graph(DIMENSIONS // 2)
    written.add([1, 2], [vecstore.encode([1.0] * (DIMENSIONS // 2))] * 2)
    written.save(graph)


def make_folder(graph, work):
    graph.unlink()
    graph.mkdir()


WAYS = [
    cut_off,
    fill_with_rubbish,
    flip_bits,
    take_that_of_another,
    take_that_of_other_vectors,
    take_that_of_another_dimension,
    make_folder,
]


@pytest.mark.parametrize("damage", WAYS)
def test_a_file_that_is_not_the_graph_is_not_used_and_check_says_so(work, damage):
    graph = graph_file(work)
    damage(graph, work)
    with closing(vecstore.connect(work)) as db:
        assert_searches(db)
        assert "graph" not in plans_of_large(db)
        [(message, _)] = problems(db)
        assert str(graph) in message
        if damage is make_folder:
            graph.rmdir()
        build_graph(db, "large")
        assert problems(db) == notes(db) == []
        assert plans_of_large(db) == ["graph"]
        assert_searches(db)


@pytest.mark.parametrize("is_open", [True, False])
def test_a_graph_that_is_deleted_may_be_missed_by_nobody(work, db, is_open):
    if is_open:
        assert_searches(db)
    graph = graph_file(work)
    graph.unlink()
    assert_searches(db)
    assert statuses(db) == [
        GraphStatus("large", DIMENSIONS, LARGE, 0, statuses(db)[0].bytes, "missing")
    ]
    assert problems(db) == []
    assert notes(db) == [(f"The graph of collection 'large' is gone: {graph}", [])]
    load_large(db)
    assert_searches(db)


def test_a_graph_that_comes_back_is_used(work, db):
    graph = graph_file(work)
    elsewhere = graph.rename(f"{work}.elsewhere")
    assert "graph" not in plans_of_large(db)
    elsewhere.rename(graph)
    assert plans_of_large(db) == ["graph"]


def test_a_copy_without_its_graph_says_nothing_of_the_graph_of_the_file(work, tmp_path):
    copy = tmp_path / "copy.db"
    copy_all(work, copy)
    graph_file(copy).unlink()
    with closing(vecstore.connect(copy)) as db:
        assert "graph" not in plans_of_large(db)
    with closing(vecstore.connect(work)) as db:
        assert plans_of_large(db) == ["graph"]


def test_a_graph_that_may_not_be_read_is_not_used(work, public_folder):
    path = public_folder / "test.db"
    copy_all(work, path)
    graph = graph_file(path)
    graph.chmod(0)
    with as_an_ordinary_user(), closing(vecstore.connect(path, read_only=True)) as db:
        assert_searches(db)
        [(message, _)] = problems(db)
        assert message.startswith(f"{graph} cannot be read: ")
    graph.chmod(0o644)
    with closing(vecstore.connect(path)) as db:
        assert plans_of_large(db) == ["graph"]


# Read-only, in memory, without usearch


def test_a_read_only_file_is_searched_by_its_graph(work):
    with closing(vecstore.connect(work, read_only=True)) as db:
        assert plans_of_large(db) == ["graph"]
        assert_searches(db)
        for call in (build_graph, drop_graph):
            with pytest.raises(vecstore.DatabaseError, match="read-only|readonly"):
                call(db, "large")
    assert graph_file(work).exists()


def test_a_database_in_memory_has_no_graph(closing):
    db = closing(vecstore.connect())
    make_rows(db)
    with pytest.raises(vecstore.InvalidInputError, match="in memory has no graphs"):
        build_graph(db, "large")
    assert drop_graph(db) == []
    assert_searches(db)


def make_rows(db):
    large = Collection("large", db, model=Pseudorandom())
    db["embeddings"].insert_all(row_of(large.id, f"large {n}") for n in range(LARGE))


@pytest.fixture
def without_usearch(monkeypatch):
    monkeypatch.setattr(hnsw, "is_installed", lambda: False)


@pytest.mark.usefixtures("without_usearch")
def test_without_usearch_searches_and_writes_go_on(work, db):
    assert_searches(db)
    assert "graph" not in plans_of_large(db)
    load_large(db)
    assert_searches(db)
    assert problems(db) == []
    assert notes(db) == [("The graph of collection 'large' is not used, nor checked", [])]
    with pytest.raises(vecstore.MissingPackageError, match=r"pip install 'sqlite-vecstore\[graph]"):
        build_graph(db, "large")
    for call in (compact, build_index):
        call(db)
        assert_searches(db)
    assert drop_graph(db) == ["large"]
    assert graph_files(work) == []


PROGRAM = """
import sys
sys.modules["usearch"] = sys.modules["numpy"] = None
import vecstore
from tests.support.beside import QUERY
db = vecstore.connect(sys.argv[1])
large = vecstore.Collection("large", db, create=False)
for _ in range(3):
    print([entry.id for entry in large.similar_by_vector(QUERY, 3)])
print(vecstore.check(db).problems)
try:
    vecstore.build_graph(db, "large")
except vecstore.MissingPackageError as error:
    print(error)
"""


def test_a_process_without_usearch_and_numpy_finds_the_same(work, db):
    large = Collection("large", db, create=False)
    nearest = [entry.id for entry in large.similar_by_vector(QUERY, 3, exact=True)]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, work], capture_output=True, text=True, cwd=ROOT
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        *[str(nearest)] * 3,
        "[]",
        "A graph needs usearch, which is not installed: pip install 'sqlite-vecstore[graph]'",
    ]


def test_where_usearch_cannot_be_imported_searches_and_writes_go_on(work, db, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "usearch.index", None)
    assert_searches(db)
    assert "graph" not in plans_of_large(db)
    load_large(db)
    assert_searches(db)
    assert "was not extended" in caplog.text
    assert "usearch cannot be imported: " in caplog.text
    with pytest.raises(vecstore.DatabaseError, match=r"\(usearch cannot be imported: "):
        build_graph(db, "large")


# Files that are left


def test_files_that_are_left_are_removed_by_the_next_build(work, db):
    left = Path(f"{work}-graph-0123456789abcdef")
    left.write_bytes(b"half a graph")
    others = [Path(f"{work}-graph-notes"), Path(f"{work}-graph-0123456789abcdef-wal")]
    others.append(Path(work).with_name("best.db-graph-0123456789abcdef"))
    for other in others:
        other.write_bytes(b"of others")
    build_graph(db, "large")
    assert not left.exists()
    assert [other.read_bytes() for other in others] == [b"of others"] * 3


def test_a_database_of_such_a_name_is_no_graph_that_was_left(work, db):
    other = f"{work}-graph-0123456789abcdef"
    make_file(other)
    build_graph(db, "large")
    with closing(vecstore.connect(other)) as opened:
        assert_searches(opened)


HOLDER = """
import fcntl, sys
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


def test_a_file_that_another_process_is_just_writing_is_left_alone(work, db):
    new = Path(f"{work}-graph-0123456789abcdef")
    command, pipe = [sys.executable, "-c", HOLDER, new], subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout.readline() == "held\n"
        build_graph(db, "large")
        assert new.exists()
        process.communicate()
    build_graph(db, "large")
    assert not new.exists()
