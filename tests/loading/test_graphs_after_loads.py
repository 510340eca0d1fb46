"""At the end of a load a graph is extended where a tenth is fresh, and no load fails by that."""

from contextlib import closing

import pytest

import vecstore
from tests.support.beside import COLLECTIONS, assert_searches
from tests.support.graphs import (
    eager_graphs,
    graph_file,
    graph_files,
    load_large,
    make_file_with_graph,
    plans_of_large,
    statuses,
)
from tests.support.models import Pseudorandom, pseudorandom
from vecstore import Collection, build_graph, drop_index, export_collection, import_collection
from vecstore.sqlite.index import graph_building, graphs

LARGE = COLLECTIONS["large"]


@pytest.fixture(autouse=True)
def eager():
    with eager_graphs():
        yield


@pytest.fixture(params=["inside", "beside"])
def db(request, path, closing):
    make_file_with_graph(path, request.param)
    return closing(vecstore.connect(path))


def numbers(db):
    """Return how many entries the graph has, and how many are fresh."""
    [status] = statuses(db)
    return status.entries, status.fresh


def test_a_load_of_a_hundred_extends_the_graph_where_a_tenth_is_fresh(db, path, monkeypatch):
    old = graph_file(path)
    load_large(db, 99)
    assert graph_file(path) == old
    assert_searches(db)
    assert numbers(db) == (LARGE, 99)
    Collection("large", db, model=Pseudorandom()).embed_multi(
        (f"more {n}", f"more {n}") for n in range(100)
    )
    assert graph_file(path) != old
    assert numbers(db) == (LARGE + 199, 0)
    assert plans_of_large(db) == ["graph"]
    assert_searches(db)
    monkeypatch.setattr(graphs, "_FRESH_TO_EXTEND", 0.9)
    new = graph_file(path)
    load_large(db, 150)  # the same, which are not written again
    Collection("large", db, model=Pseudorandom()).embed_multi(
        (f"others {n}", f"others {n}") for n in range(100)
    )
    assert graph_file(path) == new
    assert_searches(db)
    assert numbers(db) == (LARGE + 199, 151)


def test_added_vectors_extend_the_graph_too(db, path):
    old = graph_file(path)
    vectors = (
        (f"added {n}", pseudorandom(f"added {n}", Pseudorandom.dimensions)) for n in range(100)
    )
    Collection("large", db).add_multi(vectors, 30)
    assert graph_file(path) != old
    assert numbers(db) == (LARGE + 100, 0)
    assert_searches(db)


def test_an_extension_keeps_what_is_there_and_one_of_much_builds_anew(db, path, monkeypatch):
    monkeypatch.setattr(graphs, "_DEAD_TO_REBUILD", 0.7)
    read = []
    for name in ("read_all", "read_fresh"):
        monkeypatch.setattr(graphs, name, spying(getattr(graphs, name), read))
    load_large(db)
    assert set(read) == {"read_fresh"}
    db.execute("update embeddings set embedding = zeroblob(128) where id like 'new 1%'")
    db.execute("delete from embeddings where id like 'new 2%'")
    Collection("large", db, model=Pseudorandom()).embed_multi(
        (f"more {n}", f"more {n}") for n in range(100)
    )
    assert set(read) == {"read_fresh"}
    assert_searches(db)
    assert vecstore.check(db).problems == []
    monkeypatch.setattr(graphs, "_DEAD_TO_REBUILD", 0.01)
    Collection("large", db, model=Pseudorandom()).embed_multi(
        (f"most {n}", f"most {n}") for n in range(100)
    )
    assert set(read) == {"read_fresh", "read_all"}
    assert_searches(db)
    assert vecstore.check(db).problems == []


def spying(function, calls):
    def spy(*args):
        calls.append(function.__name__)
        return function(*args)

    return spy


def test_single_entries_do_not_extend_it_and_are_found(db, path):
    old = graph_file(path)
    large = Collection("large", db, model=Pseudorandom())
    for n in range(20):
        large.embed(f"single {n}", f"single {n}")
    assert graph_file(path) == old
    assert_searches(db)
    assert numbers(db) == (LARGE, 20)
    assert plans_of_large(db) == ["graph"]


def test_a_load_builds_the_graph_where_the_index_was_dropped(db, path):
    drop_index(db)
    load_large(db)
    assert numbers(db) == (LARGE + 100, 0)
    assert graph_file(path)


def test_a_load_into_another_collection_leaves_it_alone(db, path):
    old = graph_files(path)
    Collection("small", db, model=Pseudorandom()).embed_multi(
        (f"new {n}", f"new {n}") for n in range(100)
    )
    assert graph_files(path) == old
    assert numbers(db) == (LARGE, 0)


def test_in_a_transaction_of_the_user_none_is_made(db, path):
    old = graph_file(path)
    db.execute("begin")
    load_large(db)
    db.execute("commit")
    assert graph_file(path) == old
    assert_searches(db)


def test_an_import_extends_it(db, path, tmp_path):
    file = tmp_path / "large.jsonl"
    other = tmp_path / "other.db"
    with closing(vecstore.connect(other)) as source:
        load_large_of(source)
        export_collection(source, "large", file)
    old = graph_file(path)
    import_collection(db, file)
    assert graph_file(path) != old
    assert numbers(db) == (LARGE + 120, 0)
    assert_searches(db)


def load_large_of(db):
    Collection("large", db, model=Pseudorandom()).embed_multi(
        (f"import {n}", f"import {n}") for n in range(120)
    )


@pytest.mark.parametrize(
    "error",
    [
        vecstore.DatabaseError("the disk is full"),
        vecstore.DiskFullError("the disk is full"),
        OSError(28, "No space left on device"),
    ],
)
def test_what_keeps_it_from_being_extended_does_not_fail_the_load(db, monkeypatch, caplog, error):
    def fail(*_):
        raise error

    monkeypatch.setattr(graph_building._Build, "_measure", fail)
    load_large(db)
    assert Collection("large", db, create=False).count() == LARGE + 100
    assert f"was not extended: {error}" in caplog.text or "No space left" in caplog.text
    assert_searches(db)
    with pytest.raises(vecstore.DatabaseError):
        build_graph(db, "large")


def test_a_load_builds_the_graph_that_a_copy_lacks(db, path):
    graph_file(path).unlink()
    Collection("large", db, model=Pseudorandom()).embed_multi(
        (f"more {n}", f"more {n}") for n in range(100)
    )
    assert graph_file(path).exists()
    assert numbers(db) == (LARGE + 100, 0)
    assert_searches(db)
