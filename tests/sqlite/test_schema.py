"""Files of every age open with their data, and nothing is written without need."""

import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
import sqlite_utils

import vecstore
from tests.support.ages import AGES, MIGRATIONS, make_llm_database
from tests.support.databases import rows
from tests.support.models import Vectors
from vecstore import Collection
from vecstore.sqlite import schema


def table_columns(db, table):
    return rows(db, f"select name, type, pk from pragma_table_info('{table}') order by cid")


def test_the_schema_is_the_documented_one(collection):
    db = collection.db
    assert table_columns(db, "collections") == [
        ("id", "INTEGER", 1),
        ("name", "TEXT", 0),
        ("model", "TEXT", 0),
    ]
    assert table_columns(db, "embeddings") == [
        ("collection_id", "INTEGER", 1),
        ("id", "TEXT", 2),
        ("embedding", "BLOB", 0),
        ("content", "TEXT", 0),
        ("content_blob", "BLOB", 0),
        ("content_hash", "BLOB", 0),
        ("metadata", "TEXT", 0),
        ("updated", "INTEGER", 0),
    ]
    [key] = db["embeddings"].foreign_keys
    assert (key.column, key.other_table, key.other_column) == ("collection_id", "collections", "id")
    [name_index] = db["collections"].indexes
    assert (name_index.columns, name_index.unique) == (["name"], 1)
    assert ["content_hash"] in [i.columns for i in db["embeddings"].indexes]


def test_the_schema_is_what_llm_makes(collection, closing):
    migrations = pytest.importorskip("llm.embeddings_migrations").embeddings_migrations
    theirs = closing(sqlite_utils.Database(memory=True))
    migrations.apply(theirs)
    for table in ("collections", "embeddings"):
        assert collection.db[table].schema == theirs[table].schema
        assert [tuple(i)[1:] for i in collection.db[table].indexes] == [
            tuple(i)[1:] for i in theirs[table].indexes
        ]


def test_migrations_are_recorded_once_under_both_sets(collection):
    sql = "select migration_set, name from _sqlite_migrations order by id"
    assert rows(collection.db, sql) == MIGRATIONS
    Collection("test", collection.db, create=False)
    assert rows(collection.db, sql) == MIGRATIONS


def test_opening_an_up_to_date_file_writes_nothing(open_db, path):
    collection = Collection("test", open_db(path), model=Vectors())
    collection.embed("a", "1 0")
    collection.db.execute("pragma wal_checkpoint(truncate)")
    collection.db.close()
    before = Path(path).read_bytes()
    db = open_db(path)
    statements = []
    with db.tracer(lambda sql, _: statements.append(sql)):
        again = Collection("test", db, create=False)
        assert [entry.id for entry in again.similar_by_vector([1, 0])] == ["a"]
    words = {sql.split()[0].lower() for sql in statements}
    assert words <= {"select", "with", "pragma"}
    db.close()
    assert Path(path).read_bytes() == before


@pytest.mark.parametrize("age", AGES)
def test_a_database_of_llm_of_any_age_opens_with_its_data(path, open_db, age):
    make_llm_database(path, stop_before=age)
    collection = Collection("old", open_db(path), model=Vectors())
    assert collection.id == 7
    found = [(e.id, e.content, e.metadata) for e in collection.similar("1 0.5")]
    assert found == [("a", "text of a", {"id": "a"}), ("b", None, {"id": "b"})]
    assert rows(collection.db, "select migration_set, name from _sqlite_migrations") == MIGRATIONS
    hashes = dict(rows(collection.db, "select id, content_hash from embeddings"))
    if age not in (None, "m005_add_content_blob"):
        assert hashes["a"] == vecstore.content_hash("text of a")
        assert len(hashes["b"]) == 16
    assert rows(collection.db, "pragma foreign_key_check") == []
    collection.embed("c", "1 1")
    assert collection.count() == 3


@pytest.mark.parametrize("age", AGES)
def test_an_embedding_whose_collection_is_gone_is_kept(path, open_db, age):
    make_llm_database(path, stop_before=age)
    db = sqlite_utils.Database(path)
    db.execute("delete from collections")
    db.close()
    db = open_db(path)
    before = rows(db, "pragma foreign_keys")
    collection = Collection("new", db, model=Vectors())
    assert collection.id == 8
    assert rows(collection.db, "select collection_id, id from embeddings") == [(7, "a"), (7, "b")]
    assert rows(collection.db, "pragma foreign_keys") == before


def test_a_query_with_rows_left_is_no_obstacle_to_a_database_that_keeps_its_connection(path):
    db = vecstore.connect(path)
    db["items"].insert_all({"id": n} for n in range(10))
    query = db.query("select id from items")
    assert next(query) == {"id": 0}
    collection = Collection("test", db, model=Vectors())
    collection.embed("a", "1 0")
    assert [row["id"] for row in query] == list(range(1, 10))
    assert collection.ids() == ["a"]
    db.close()


def test_a_database_of_ours_opens_in_llm(path, open_db, monkeypatch):
    llm = pytest.importorskip("llm")
    collection = Collection("ours", open_db(path), model=Vectors())
    collection.embed("a", "1 0", metadata={"n": 1}, store=True)
    collection.embed("b", "0 1")
    collection.db.close()

    class Theirs(llm.EmbeddingModel):
        model_id = "vectors"

        def embed_batch(self, items):
            return ([float(number) for number in item.split()] for item in items)

    db = sqlite_utils.Database(path)
    theirs = llm.Collection("ours", db, model=Theirs())
    found = theirs.similar("1 0.5")
    assert [(e.id, e.content, e.metadata) for e in found] == [
        ("a", "1 0", {"n": 1}),
        ("b", None, None),
    ]
    db.close()


def test_an_old_read_only_database_is_searched_as_it_is(path, closing):
    make_llm_database(path, stop_before="m003_add_updated")
    before = Path(path).read_bytes()
    db = closing(vecstore.connect(path, read_only=True))
    collection = Collection("old", db, model=Vectors())
    assert [entry.id for entry in collection.similar("1 0.5")] == ["a", "b"]
    assert Path(path).read_bytes() == before


def test_an_empty_read_only_file_has_no_collections(path, closing):
    sqlite3.connect(path).close()
    Path(path).touch()
    db = closing(vecstore.connect(path, read_only=True))
    with pytest.raises(Collection.DoesNotExist):
        Collection("test", db, create=False)


def test_a_file_of_a_newer_vecstore_is_refused_and_untouched(collection, open_db, path):
    collection.db["_sqlite_migrations"].insert(
        {"migration_set": "vecstore", "name": "9999_the_future", "applied_at": "2099-01-01"}
    )
    collection.db.close()
    before = Path(path).read_bytes()
    db = open_db(path)
    with pytest.raises(vecstore.NewerSchemaError, match="9999_the_future.*pip install -U"):
        Collection("test", db)
    db.close()
    assert Path(path).read_bytes() == before


def test_tables_of_these_names_that_are_not_ours_are_left_alone(open_db, path):
    db = open_db(path)
    db["collections"].insert({"title": "stamps"})
    with pytest.raises(vecstore.DatabaseError, match="table named collections already"):
        Collection("test", db, model=Vectors())
    assert list(db["collections"].rows) == [{"title": "stamps"}]
    assert "_sqlite_migrations" not in db.table_names()


def test_the_tables_go_beside_a_users_own(open_db, path):
    db = open_db(path)
    db["notes"].insert({"id": 1, "text": "buy milk"}, pk="id")
    Collection("notes", db, model=Vectors()).embed(1, "1 0")
    assert list(db["notes"].rows) == [{"id": 1, "text": "buy milk"}]


def test_guards_that_transform_dropped_come_back(collection):
    collection.db["embeddings"].transform()
    assert schema._find_lost_migrations(collection.db) == ["0006_guard_embeddings"]
    Collection("test", collection.db)
    with pytest.raises(collection.db.conn.IntegrityError, match="little-endian float32"):
        collection.db["embeddings"].insert({"collection_id": 1, "id": "a", "embedding": b"123"})


def test_the_record_of_migrations_is_as_the_current_llm_wants_it_before_there_is_an_index(
    collection,
):
    """llm before 0.32 changes its key, and a later one changes it back: not without vec0."""
    record = collection.db["_sqlite_migrations"]
    record.transform(pk=("migration_set", "name"), drop={"id"})
    Collection("test", collection.db, create=False).similar_by_vector([1.0] * 16)
    assert record.pks == ["id"]
    sql = "select migration_set, name from _sqlite_migrations order by id"
    assert rows(collection.db, sql) == MIGRATIONS


def test_a_failing_migration_leaves_the_file_as_it_was(path, open_db, monkeypatch):
    make_llm_database(path, stop_before="m003_add_updated")
    db = open_db(path)

    def broken(db):
        raise RuntimeError("power cut")

    monkeypatch.setattr(schema.llm_migrations()._migrations[-1], "fn", broken)
    with pytest.raises(RuntimeError, match="power cut"):
        Collection("old", db, model=Vectors())
    assert [name for name, _, _ in table_columns(db, "embeddings")] == [
        "collection_id",
        "id",
        "embedding",
        "content",
        "metadata",
    ]
    monkeypatch.undo()
    assert Collection("old", db, model=Vectors()).count() == 2


OPEN_AT_ONCE = """
import sys, time
import vecstore

class Model(vecstore.EmbeddingModel):
    model_id = "m"
    def embed_batch(self, items):
        return [[1.0, float(len(item))] for item in items]

name, *paths = sys.argv[1:]
for path in paths:
    print("ready", flush=True)
    start = float(input())
    while time.time() < start:
        pass
    collection = vecstore.Collection("shared", path, model=Model())
    collection.embed_multi((f"{name}{n}", f"{name} {n}") for n in range(20))
    print(collection.db.journal_mode, collection.id, flush=True)
    collection.db.close()
"""


def test_processes_that_create_the_same_file_at_once_all_succeed(tmp_path):
    paths = [str(tmp_path / f"{attempt}.db") for attempt in range(5)]
    pipe = subprocess.PIPE
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", OPEN_AT_ONCE, name, *paths],
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            text=True,
        )
        for name in ("a", "b", "c")
    ]
    for path in paths:
        assert [process.stdout.readline() for process in processes] == ["ready\n"] * 3
        start = time.time() + 0.05
        for process in processes:
            process.stdin.write(f"{start!r}\n")
            process.stdin.flush()
        assert [process.stdout.readline() for process in processes] == ["wal 1\n"] * 3
        db = sqlite_utils.Database(path)
        assert db["embeddings"].count == 60
        db.close()
    outcomes = [(*process.communicate(), process.returncode) for process in processes]
    assert outcomes == [("", "", 0)] * 3
