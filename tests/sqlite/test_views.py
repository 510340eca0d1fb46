"""The views: what they show, with which programs, and what they must not get in the way of."""

import re
import sqlite3
from pathlib import Path

import pytest
import sqlite_utils

import vecstore
from tests.support.ages import AGES, make_llm_database
from tests.support.databases import rows
from tests.support.models import Vectors
from tests.support.recipes import sqlite3_shell
from vecstore import Collection
from vecstore.sqlite import schema

VIEWS = ["vecstore_collections", "vecstore_documents", "vecstore_items"]


@pytest.fixture
def plain(path):
    """A connection of a program that has never heard of sqlite-vec, to a file with an index."""
    db = vecstore.connect(path, driver="apsw")
    collection = Collection("it's", db, model=Vectors())
    collection.embed_multi_with_metadata(
        [("a", "1 0", {"n": 1}), ("b<script>", "0 1", None)], store=True
    )
    collection.similar("1 0")
    Collection("empty", db, model=Vectors())
    db.execute("update embeddings set updated = 1700000000 + (id = 'a')")
    db.close()
    conn = sqlite3.connect(path)
    yield conn
    conn.close()


def test_the_views_show_what_the_tables_hold(plain):
    assert plain.execute("select * from vecstore_collections order by name").fetchall() == [
        ("empty", "vectors", None, 0, None),
        ("it's", "vectors", 2, 2, "2023-11-14T22:13:21Z"),
    ]
    assert plain.execute("select * from vecstore_items order by id").fetchall() == [
        ("it's", "a", "1 0", '{"n": 1}', "2023-11-14T22:13:21Z", 2),
        ("it's", "b<script>", "0 1", None, "2023-11-14T22:13:20Z", 2),
    ]


def test_the_sqlite3_shell_reads_them_without_the_extension(plain, path):
    found = sqlite3_shell(
        path, "select name, items from vecstore_collections order by name;", False
    )
    assert found == [("empty", 0), ("it's", 2)]


@pytest.mark.parametrize("view", VIEWS)
def test_the_columns_are_the_documented_ones(plain, view):
    text = Path(schema.__file__).parents[2].joinpath("docs/schema.md").read_text("utf-8")
    [table] = re.findall(rf"^\| `{view}` \| \|\n(.*?)\n\n", text, re.DOTALL | re.MULTILINE)
    documented = [
        name for line in table.splitlines() for name in re.findall("`(.*?)`", line.split("|")[1])
    ]
    assert [name for (name,) in plain.execute(f"select name from pragma_table_info('{view}')")] == (
        documented
    )


@pytest.mark.parametrize(
    "sql",
    [
        "select * from vecstore_items where collection = 'x' limit 20",
        "select * from vecstore_items where collection = 'x' order by id limit 20",
        "select * from vecstore_items where collection = 'x' and id = 'y'",
        "select * from vecstore_collections where name = 'x'",
    ],
)
def test_a_condition_on_the_collection_scans_nothing(plain, sql):
    plan = [step for *_, step in plain.execute(f"explain query plan {sql}")]
    assert [step for step in plan if "SCAN" in step or "TEMP B-TREE" in step] == []


def test_counting_the_items_reads_no_rows(plain):
    sql = "explain query plan select name, items from vecstore_collections"
    plan = [step for *_, step in plain.execute(sql)]
    assert plan[-1] == (
        "SEARCH embeddings USING COVERING INDEX sqlite_autoindex_embeddings_1 (collection_id=?)"
    )


@pytest.mark.parametrize("age", AGES)
def test_an_old_file_of_llm_gets_them(path, open_db, age):
    make_llm_database(path, stop_before=age)
    collection = Collection("old", open_db(path), model=Vectors())
    found = rows(collection.db, "select name, dimensions, items from vecstore_collections")
    assert found == [("old", 2, 2)]
    assert rows(collection.db, "select count(*) from vecstore_items") == [(2,)]


@pytest.mark.parametrize("name", ["vecstore_items", "VECSTORE_Items", "vecstore_documents"])
@pytest.mark.parametrize("kind", ["table", "view"])
def test_what_a_user_has_named_so_stays(path, open_db, name, kind):
    db = open_db(path)
    db.execute(f"create {kind} {name} as select 'mine' as x")
    collection = Collection("test", db, model=Vectors())
    collection.embed("a", "1 0")
    Collection("test", db)
    assert rows(collection.db, f"select * from {name}") == [("mine",)]
    assert rows(collection.db, "select items from vecstore_collections") == [(1,)]


def test_views_that_were_dropped_come_back(collection):
    for view in VIEWS:
        collection.db.execute(f"drop view {view}")
    assert schema._find_lost_migrations(collection.db) == ["0007_views", "0010_documents"]
    Collection("test", collection.db)
    assert sorted(collection.db.view_names()) == VIEWS


@pytest.mark.parametrize("table", ["collections", "embeddings"])
def test_sqlite_utils_transforms_the_tables_under_them(plain, path, table):
    db = sqlite_utils.Database(plain)
    db[table].transform()
    db[table].add_column("mine", str)
    db[table].transform(rename={"mine": "yours"})
    assert rows(db, "select count(*) from vecstore_items") == [(2,)]
    assert rows(db, "select items from vecstore_collections order by name") == [(0,), (2,)]


def test_renaming_a_table_without_the_extension_and_without_an_index(path):
    """Once there is an index, that needs the extension, as docs/schema.md says."""
    db = vecstore.connect(path, driver="apsw")
    Collection("test", db, model=Vectors())
    db["notes"].insert({"id": 1})
    db.close()
    conn = sqlite3.connect(path)
    conn.execute("alter table notes rename to papers")
    conn.execute("alter table embeddings rename to vectors")
    conn.execute("alter table vectors rename to embeddings")
    assert conn.execute("select count(*) from vecstore_items").fetchone() == (0,)
    conn.close()


def test_a_later_migration_of_llm_transforms_the_tables_under_them(plain, path):
    migrations = pytest.importorskip("llm.embeddings_migrations").embeddings_migrations
    db = sqlite_utils.Database(plain)
    assert migrations.pending(db) == []
    later = sqlite_utils.Migrations("llm.embeddings")

    @later(name="m006_later")
    def _(db):
        db["embeddings"].add_column("later", str)
        db["embeddings"].transform(column_order=("collection_id", "id", "later"))

    later.apply(db)
    assert rows(db, "select count(*) from vecstore_items") == [(2,)]


def test_they_stay_readable_where_the_schema_is_not_trusted(plain):
    plain.execute("pragma trusted_schema = off")
    assert plain.execute("select count(*) from vecstore_items").fetchone() == (2,)
    assert len(plain.execute("select * from vecstore_collections").fetchall()) == 2


def test_the_documents_are_shown_and_what_has_but_such_keys_is_not(path):
    db = vecstore.connect(path, driver="apsw")
    collection = Collection("notes", db, model=Vectors())
    collection.embed_documents(
        [("a.md", "1 0\n0 1"), ("é'", "1 1")],
        lambda text: [(p, p + 3) for p in (0, 4)[: len(text) // 3]],
    )
    others = ['{"document": "x", "chunk": 1}', "no json", None, '{"document": "d", "chunk": "1"}']
    for letter, metadata in zip("abcd", others, strict=True):
        collection.embed(f"{letter}#1", "1 2")
        db.execute("update embeddings set metadata = ? where id = ?", [metadata, f"{letter}#1"])
    Collection("other", db, model=Vectors()).embed_documents([("a.md", "1 0")], lambda _: [(0, 3)])
    db.execute("update embeddings set updated = 1700000000")
    db.close()
    conn = sqlite3.connect(path)
    found = conn.execute("select * from vecstore_documents order by collection, document")
    assert found.fetchall() == [
        ("notes", "a.md", 2, 7, "2023-11-14T22:13:20Z"),
        ("notes", "é'", 1, 3, "2023-11-14T22:13:20Z"),
        ("other", "a.md", 1, 3, "2023-11-14T22:13:20Z"),
    ]
    conn.close()


def test_a_condition_on_the_collection_reads_no_other_ones_documents(plain):
    sql = "explain query plan select * from vecstore_documents where collection = 'x'"
    plan = [step for *_, step in plain.execute(sql)]
    assert [step for step in plan if "SCAN" in step and "vecstore_documents" not in step] == []
