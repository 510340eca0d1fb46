"""Indexes are built anew from whatever there is, dropped to the last trace, and listed."""

import json
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing

import pytest
import sqlite_utils

import vecstore
from tests.support.command import error, output, run, usage_error
from tests.support.databases import make_pets, rows
from tests.support.models import Vectors
from vecstore import (
    Collection,
    IndexStatus,
    build_index,
    check,
    drop_index,
    encode,
    list_indexes,
    move_index,
)


@pytest.fixture
def filled(form, db):
    """Two collections, of 3 and of 8 dimensions."""
    collection = Collection("one", db, model=Vectors())
    collection.embed_multi([("a", "1 1 1 1 1 1 1 1"), ("b", "1 0 0 0 0 0 0 0")])
    Collection("two", db, model=Vectors()).embed("c", "1 2 3")
    build_index(db)
    return collection


@pytest.fixture
def filled_inside(filled):
    move_index(filled.db, "inside")
    return filled


def names(db):
    return {name for (name,) in rows(db, "select name from sqlite_master where name glob 'vec_*'")}


def test_a_dropped_index_leaves_no_trace_and_any_sqlite_can_write(filled, path):
    assert drop_index(filled.db) == [3, 8]
    assert names(filled.db) == set()
    filled.db.close()
    with closing(sqlite3.connect(path)) as plain, plain:
        plain.execute("insert into embeddings select 1, 'd', embedding, null, null, null, null, 0 "
                      "from embeddings where id = 'a'")  # fmt: skip
        plain.execute("update embeddings set embedding = zeroblob(32) where id = 'a'")
        plain.execute("delete from embeddings where id = 'b'")
    with closing(vecstore.connect(path)) as db:
        found = Collection("one", db).similar_by_vector([1.0] * 8)
        assert [entry.id for entry in found] == ["d"]
        report = check(db)
    assert report.problems == []
    assert [note.message for note in report.notes][1:] == [
        "There is no index of 1 vector of 3 dimensions"
    ]


def without_plugins(path):
    """Open a file as llm does where vecstore, whose plugin loads sqlite-vec, is not installed."""
    return sqlite_utils.Database(sqlite3.connect(path), execute_plugins=False)


def test_llm_writes_where_the_index_was_dropped(path):
    from llm import Collection as LlmCollection
    from llm import EmbeddingModel

    class Numbers(EmbeddingModel):
        model_id = "vectors"

        def embed_batch(self, items):
            return ([float(number) for number in item.split()] for item in items)

    with closing(vecstore.connect(path, driver="apsw")) as db:
        Collection("one", db, model=Vectors()).embed("a", "1 0 0 0 0 0 0 0", store=True)
    with closing(without_plugins(path)) as db:
        collection = LlmCollection("one", db, model=Numbers())
        with pytest.raises(sqlite3.OperationalError, match="no such (module|function)"):
            collection.embed("b", "1 1 0 0 0 0 0 0")
    assert drop_index(path) == [8]
    with closing(without_plugins(path)) as db:
        collection = LlmCollection("one", db, model=Numbers())
        collection.embed_multi([("b", "1 1 0 0 0 0 0 0"), ("c", "1 1 1 0 0 0 0 0")], store=True)
        collection.embed("a", "0 0 0 0 0 0 0 1", store=True)
    with closing(vecstore.connect(path)) as db:
        found = Collection("one", db).similar_by_vector([1.0] * 8)
        assert [entry.id for entry in found] == ["c", "b", "a"]
        assert (check(db).problems, check(db).notes) == ([], [])


def test_one_dimension_is_dropped_and_the_other_stays(filled, form):
    assert drop_index(filled.db, 3) == [3]
    assert drop_index(filled.db, 3) == []
    assert list_indexes(filled.db) == [
        IndexStatus(3, 1, "missing", form),
        IndexStatus(8, 2, "ready", form),
    ]


def test_what_is_left_of_an_index_is_dropped(filled_inside):
    for sql in ("drop table vec_embeddings_8_ids", "drop table vec_embeddings_3"):
        filled_inside.db.execute(sql)
    assert drop_index(filled_inside.db) == [3, 8]
    assert names(filled_inside.db) == set()


def test_tables_of_other_names_stay(filled_inside):
    filled_inside.db.execute("create table vec_embeddings_8_mine (id integer primary key)")
    filled_inside.db.execute("create table vec_embeddings_99_mine (id integer primary key)")
    drop_index(filled_inside.db)
    assert names(filled_inside.db) == {"vec_embeddings_8_mine", "vec_embeddings_99_mine"}
    build_index(filled_inside.db)
    assert check(filled_inside.db).ok


def test_one_dimension_is_built(filled):
    drop_index(filled.db)
    assert build_index(filled.db, 3) == {3: 1}
    assert [status.state for status in list_indexes(filled.db)] == ["ready", "missing"]
    assert build_index(filled.db, 99) == {}


def test_an_index_of_no_vectors_is_dropped_by_a_build(filled_inside):
    Collection("two", filled_inside.db).delete()
    assert build_index(filled_inside.db) == {8: 2}
    assert not [name for name in names(filled_inside.db) if name.startswith("vec_embeddings_3")]


@pytest.mark.parametrize("dimensions", [0, -1, 8193])
def test_a_dimension_that_no_index_can_have_is_refused(filled, dimensions):
    for function in (build_index, drop_index):
        with pytest.raises(vecstore.InvalidInputError, match="from 1 to 8,192"):
            function(filled.db, dimensions)


def test_a_failed_build_leaves_the_old_index(filled_inside):
    before = rows(filled_inside.db, "select rowid, * from vec_embeddings_8_ids")

    def build_and_fail():
        vecstore.sqlite.maintenance.indexes.rebuild_indexes(filled_inside.db)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        vecstore.sqlite.transactions.write(filled_inside.db, build_and_fail)
    assert rows(filled_inside.db, "select rowid, * from vec_embeddings_8_ids") == before
    assert check(filled_inside.db).ok


def test_readers_search_while_an_index_is_built(form, path):
    with closing(vecstore.connect(path, driver="apsw")) as db:
        collection = Collection("one", db, model=Vectors())
        collection.embed_multi((n, f"1 0 0 0 0 0 0 {n}") for n in range(5000))
        expected = collection.similar_by_id("7")
    done = threading.Event()
    command = [sys.executable, "-m", "vecstore", "index", "build", path]
    built = []

    def build():
        try:
            built.extend(subprocess.run(command, capture_output=True, text=True) for _ in range(3))
        finally:
            done.set()

    thread = threading.Thread(target=build)
    thread.start()
    with closing(vecstore.connect(path, driver="apsw", timeout=0)) as db:
        collection = Collection("one", db)
        while not done.is_set():
            assert collection.similar_by_id("7") == expected
    thread.join()
    assert [(process.returncode, process.stderr) for process in built] == [(0, "")] * 3
    assert check(path).ok


def test_a_missing_file_is_an_error_and_is_not_made(tmp_path):
    path = tmp_path / "missing.db"
    for function in (build_index, drop_index, list_indexes, check, vecstore.compact):
        with pytest.raises(vecstore.MissingFileError, match="does not exist"):
            function(path)
    assert not path.exists()


@pytest.fixture
def database(tmp_path):
    return make_pets(tmp_path / "pets.db", "1 1 1 1 1 1 1 1", "1 0 0 0 0 0 0 0")


def test_the_commands(database):
    assert output("index", "list", database) == "8 dimensions: 2 vectors, indexed inside the file\n"
    assert output("index", "drop", database) == "8 dimensions: dropped\n"
    missing = (
        "8 dimensions: 2 vectors, without an index: the next search builds it, inside the file\n"
    )
    assert output("index", database) == missing
    assert output("index", "build", "-d", database) == "8 dimensions: 2 vectors indexed\n"
    with closing(vecstore.connect(database, driver="apsw")) as db:
        db.execute("drop trigger vec_embeddings_8_insert")
    assert json.loads(output("index", "list", database, "--json")) == [
        {
            "dimensions": 8,
            "vectors": 2,
            "state": "incomplete",
            "form": "inside",
            "graphs": [],
        }
    ]
    assert output("index", "build", database, "--dimensions", 8).endswith("2 vectors indexed\n")
    assert output("check", database).endswith("No problems\n")


def test_the_commands_with_nothing_to_do(tmp_path):
    path = tmp_path / "empty.db"
    with closing(vecstore.connect(path, driver="apsw")) as db:
        vecstore.sqlite.schema.ensure_schema(db)
    for command, message in (
        ("list", "There are no vectors to index\n"),
        ("build", "There are no vectors to index\n"),
        ("drop", "There is no index\n"),
    ):
        result = run("index", command, path)
        assert (result.exit_code, result.stdout, result.stderr) == (0, "", message)


def test_a_database_is_named_once_and_exists(database, tmp_path):
    message = "Name the database once: as DB, or with -d"
    assert usage_error("index", "drop", database, "-d", database) == message
    assert error("index", "build", tmp_path / "no.db").startswith("There is no database")


def test_another_writer_is_waited_for_and_then_named(database, monkeypatch):
    monkeypatch.setattr(vecstore.cli.databases, "_PATIENCE_SECONDS", 0.1)
    with closing(vecstore.connect(database, driver="apsw")) as db:
        db.execute("begin immediate")
        assert error("index", "drop", database) == (
            f"{database} cannot be written now (database is locked): nothing was changed"
        )


def test_a_file_of_llm_gets_an_index(path):
    with closing(sqlite_utils.Database(path)) as db:
        vecstore.sqlite.schema.llm_migrations().apply(db)
        db["collections"].insert({"id": 1, "name": "one", "model": "m"})
        db["embeddings"].insert({"collection_id": 1, "id": "a", "embedding": encode([1.0] * 8)})
    assert output("index", "build", path) == "8 dimensions: 1 vector indexed\n"
    assert check(path).problems == []
