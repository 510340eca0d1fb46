"""Graphs of collections are built, dropped, listed, checked, and kept by what is done to a file."""

import shutil
from contextlib import closing
from pathlib import Path

import pytest

import vecstore
from tests.support.beside import COLLECTIONS, DIMENSIONS, assert_searches, row_of
from tests.support.damage import notes, problems
from tests.support.databases import rows
from tests.support.graphs import (
    graph_file,
    graph_files,
    load_large,
    plans_of_large,
    statuses,
)
from tests.support.models import Pseudorandom
from vecstore import (
    Collection,
    GraphStatus,
    backup,
    build_graph,
    build_index,
    compact,
    drop_graph,
    drop_index,
    move_index,
)
from vecstore.sqlite.maintenance import collection_graphs

LARGE = COLLECTIONS["large"]
OTHER_FORM = {"inside": "beside", "beside": "inside"}
MISSING = GraphStatus("large", DIMENSIONS, 0, 0, 0, "missing")


@pytest.fixture
def work(with_graph):
    return with_graph


@pytest.fixture
def db(work, closing):
    return closing(vecstore.connect(work))


def status_of(path, entries=LARGE, fresh=0, state="ready"):
    size = graph_file(path).stat().st_size
    return GraphStatus("large", DIMENSIONS, entries, fresh, size, state)


# Built, dropped, listed


def test_a_graph_that_is_built_again_takes_the_place_of_the_old(work, db):
    old = graph_file(work)
    assert statuses(db) == [status_of(work)]
    db.execute("delete from embeddings where id in ('large 1', 'large 2', 'small 3')")
    assert_searches(db)
    assert statuses(db) == [status_of(work, fresh=2)]
    assert build_graph(db, "large") == {"large": LARGE - 2}
    assert graph_file(work) != old
    assert statuses(db) == [status_of(work, entries=LARGE - 2)]
    assert plans_of_large(db) == ["graph"]
    assert_searches(db)


def test_without_a_name_large_collections_and_those_that_have_one_are_built(db, monkeypatch):
    assert build_graph(db) == {"large": LARGE}
    monkeypatch.setattr(collection_graphs, "_WORTH_A_GRAPH", 5)
    assert build_graph(db) == {"large": LARGE, "small": 5}
    assert drop_graph(db) == ["large", "small"]
    monkeypatch.setattr(collection_graphs, "_WORTH_A_GRAPH", LARGE + 1)
    assert build_graph(db) == {}


def test_a_collection_without_entries_or_of_no_such_name_has_no_graph(db):
    Collection("empty", db, model=Pseudorandom())
    assert build_graph(db, "empty") == {}
    for call in (build_graph, drop_graph):
        with pytest.raises(vecstore.DoesNotExist, match="'none'"):
            call(db, "none")


def test_a_graph_that_is_dropped_leaves_no_trace(work, db):
    assert drop_graph(db, "small") == []
    assert_searches(db)
    assert drop_graph(db, "large") == ["large"]
    assert graph_files(work) == statuses(db) == problems(db) == notes(db) == []
    assert not db["vecstore_graphs"].exists()
    assert "graph" not in plans_of_large(db)
    assert_searches(db)
    assert drop_graph(db) == []


def test_the_graph_of_a_collection_that_was_emptied_can_be_dropped(work, db):
    db.execute("delete from embeddings where id like 'large%'")
    assert drop_graph(db, "large") == ["large"]
    assert graph_files(work) == []


def test_a_collection_that_was_emptied_lacks_no_graph(db):
    db.execute("delete from embeddings where id like 'large%'")
    build_graph(db)
    assert problems(db) == notes(db) == []


def test_a_collection_that_gets_the_id_of_one_that_was_deleted_gets_no_graph(db):
    rows = db.execute("select name from collections order by id desc").fetchall()
    for (name,) in rows:  # the ids of the last are free again
        Collection(name, db, create=False).delete()
    Collection("large", db, model=Pseudorandom())
    load_large(db, 200)
    assert statuses(db) == []
    assert drop_graph(db) == []
    assert not db["vecstore_graphs"].exists()


def test_the_graph_of_a_collection_that_was_deleted_is_gone_with_the_next_build(work, db):
    Collection("large", db, create=False).delete()
    assert statuses(db) == []
    build_graph(db, "small")
    assert len(graph_files(work)) == 1
    assert problems(db) == notes(db) == []


@pytest.mark.parametrize("call", [build_index, compact])
def test_upkeep_removes_the_graph_of_a_collection_that_was_deleted(work, db, call):
    Collection("large", db, create=False).delete()
    call(db)
    assert graph_files(work) == []
    assert not db["vecstore_graphs"].exists()


def test_the_graph_of_vectors_that_all_have_another_dimension_now_is_gone(work, db):
    old = graph_file(work)
    db.execute("update embeddings set embedding = substr(embedding, 1, 64)")
    assert build_graph(db, "large") == {"large": LARGE}
    assert not old.exists()
    [status] = statuses(db)
    assert (status.dimensions, status.entries, status.state) == (DIMENSIONS // 2, LARGE, "ready")


def test_in_a_transaction_none_is_built_or_dropped(work, db):
    old = graph_file(work)
    db.execute("begin")
    for call in (build_graph, drop_graph):
        with pytest.raises(vecstore.DatabaseError, match="transaction"):
            call(db, "large")
    db.execute("rollback")
    assert statuses(db) == [status_of(work)]
    assert graph_file(work) == old


def test_where_another_connection_writes_no_graph_is_built_or_dropped(work, db, closing):
    old = graph_file(work)
    waiting = closing(vecstore.connect(work, timeout=0.05))
    db.execute("begin immediate")
    for call in (build_graph, drop_graph):
        with pytest.raises(vecstore.DatabaseBusyError):
            call(waiting, "large")
    db.execute("rollback")
    assert graph_file(work) == old
    assert statuses(db) == [status_of(work)]


def test_progress_is_told_up_to_the_last_entry(db):
    told = []
    build_graph(db, "large", progress=lambda *numbers: told.append(numbers))
    assert told[-1] == (LARGE, LARGE)
    assert told == sorted(told)


# Kept


@pytest.mark.parametrize("call", [compact, build_index, move_index])
def test_maintenance_takes_the_graph_along(work, db, form, call):
    db.execute("delete from embeddings where id like '%1'")
    call(*[db, OTHER_FORM[form]][: 1 + (call is move_index)])
    [entries] = rows(db, "select count(*) from embeddings where id like 'large%'")[0]
    assert statuses(db) == [status_of(work, entries)]
    assert problems(db) == notes(db) == []
    assert plans_of_large(db) == ["graph"]
    assert_searches(db)


def test_an_index_that_is_dropped_takes_the_graph_with_it_and_a_load_brings_it_back(work, db):
    drop_index(db)
    assert graph_files(work) == []
    assert statuses(db) == [MISSING]
    assert_searches(db)
    [(message, _)] = notes(db)
    assert message == "The graph of collection 'large' is not built"
    load_large(db)
    assert statuses(db) == [status_of(work, entries=LARGE + 100)]
    assert plans_of_large(db) == ["graph"]
    assert_searches(db)


def test_a_backup_leaves_graphs_out_and_is_searched_right(work, db, tmp_path):
    copy = tmp_path / "copy.db"
    backup(db, copy)
    assert graph_files(copy) == []
    with closing(vecstore.connect(copy)) as other:
        assert_searches(other)
        assert "graph" not in plans_of_large(other)
        build_graph(other, "large")
        assert plans_of_large(other) == ["graph"]
        assert_searches(other)
    assert plans_of_large(db) == ["graph"]  # which says nothing of the copy's


@pytest.mark.parametrize("is_built_again", [True, False])
def test_a_backup_that_is_put_in_place_of_its_file_is_searched_right(
    work, tmp_path, is_built_again
):
    copy = tmp_path / "copy.db"
    with closing(vecstore.connect(work)) as db:
        change_some(db, "a")
        assert_searches(db)
        backup(db, copy)
        change_some(db, "b")
        assert_searches(db)
        if is_built_again:
            build_graph(db, "large")
            assert_searches(db)
    shutil.copy(copy, work)
    for name in ("-wal", "-shm"):
        Path(f"{work}{name}").unlink(missing_ok=True)
    with closing(vecstore.connect(work)) as db:
        assert_searches(db)
        change_some(db, "c")
        for _ in range(5):
            assert_searches(db)
        assert problems(db) == []
        build_graph(db, "large")
        assert statuses(db) == [status_of(work)]


def change_some(db, salt):
    for n in range(20):
        vector = row_of(1, f"large {n}", salt)["embedding"]
        db.execute("update embeddings set embedding = ? where id = ?", [vector, f"large {n}"])


def test_a_collection_is_renamed_and_its_graph_with_it(work, db):
    db.execute("update collections set name = 'renamed' where name = 'large'")
    assert_searches(db)
    [status] = statuses(db)
    assert (status.collection, status.state) == ("renamed", "ready")
    assert drop_graph(db, "renamed") == ["renamed"]


def test_a_collection_that_gets_the_id_of_one_with_a_graph_is_searched_right(db):
    assert_searches(db)
    db.execute("delete from embeddings where collection_id = 1")
    db.execute("delete from collections where id = 1")
    db["collections"].insert({"id": 1, "name": "other", "model": Pseudorandom.model_id})
    for n in range(30):
        db["embeddings"].insert(row_of(1, f"other {n}"))
    assert_searches(db)
    assert problems(db) == []
