"""Indexes of keys of the metadata: made, used by any SQL, listed and dropped."""

import json
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
import sqlite_utils

import vecstore
from tests.support.command import output, usage_error
from tests.support.databases import rows
from tests.support.models import Vectors
from vecstore import (
    Collection,
    MetadataIndex,
    build_index,
    check,
    compact,
    drop_metadata_index,
    index_metadata,
    list_metadata_indexes,
    move_index,
)

YEAR = "json_extract(metadata, '$.year')"


@pytest.fixture
def dated(form, db):
    """Rows of 1970 to 1979."""
    collection = Collection("dated", db, model=Vectors())
    collection.embed_multi_with_metadata(
        (f"of {n}", f"{n} 1 0", {"year": 1970 + n, "a.b": n, "deep": {"er": n}}) for n in range(10)
    )
    build_index(db)
    return collection


def plan_of(db, sql):
    return [detail for *_, detail in rows(db, f"explain query plan {sql}")]


@pytest.mark.parametrize(
    ("key", "json_path"),
    [
        ("year", "$.year"),
        ("a.b", '$."a.b"'),
        ("$.deep.er", "$.deep.er"),
        ("it's", '$."it\'s"'),
        ("größe", '$."größe"'),
    ],
)
def test_sql_that_compares_the_value_of_a_key_uses_its_index(dated, key, json_path):
    made = index_metadata(dated.db, key)
    assert made == MetadataIndex(f"idx_embeddings_metadata_{key.removeprefix('$.')}", json_path)
    assert list_metadata_indexes(dated.db) == [made]
    plan = plan_of(dated.db, f"select id from embeddings where {made.expression} > 3")
    assert [line for line in plan if f"INDEX {made.name} (<expr>>?)" in line], plan
    assert check(dated.db).ok


def test_what_is_written_afterwards_is_found_by_the_index(dated):
    dated.index_metadata("year")
    dated.embed("new", "1 2 3", metadata={"year": 2000})
    dated.embed("of 3", "1 2 3", metadata={"year": 2001})
    dated.delete_ids(["of 4"])
    condition = {"where": f"{YEAR} >= ?", "where_args": [1974]}
    ids = {entry.id for entry in dated.similar_by_vector([1, 2, 3], **condition)}
    assert ids == {"new", "of 3", "of 5", "of 6", "of 7", "of 8", "of 9"}


def test_an_index_that_is_there_stays_as_it_is(dated):
    dated.db.execute(f"create index mine on embeddings ({YEAR})")
    before = rows(dated.db, "select name, sql from sqlite_master")
    assert index_metadata(dated.db, "year") == MetadataIndex("mine", "$.year")
    assert rows(dated.db, "select name, sql from sqlite_master") == before


def test_keys_that_differ_in_case_have_an_index_each(dated):
    names = [index_metadata(dated.db, key).name for key in ("year", "Year", "YEAR")]
    assert names == [
        "idx_embeddings_metadata_year",
        "idx_embeddings_metadata_Year_2",
        "idx_embeddings_metadata_YEAR_3",
    ]


def test_a_dropped_index_leaves_no_trace(dated):
    before = rows(dated.db, "select name, sql from sqlite_master")
    name = index_metadata(dated.db, "a.b").name
    assert drop_metadata_index(dated.db, "a.b") == [name]
    assert drop_metadata_index(dated.db, "a.b") == []
    assert rows(dated.db, "select name, sql from sqlite_master") == before


def test_an_index_that_does_more_is_not_dropped(dated):
    dated.db.execute(f"create unique index mine on embeddings ({YEAR})")
    dated.db.execute(f"create index some on embeddings ({YEAR}) where id > 'a'")
    assert list_metadata_indexes(dated.db) == []
    assert drop_metadata_index(dated.db, "year") == []


@pytest.mark.parametrize(
    "key", ["", None, 5, 'a"b', "a\\b", "a\nb", "\ud800", "$.", "$.a..b", "$.a[", "$.a[x]", '$."a']
)
def test_what_is_no_key_is_refused(dated, key):
    with pytest.raises(vecstore.InvalidInputError, match="key is"):
        index_metadata(dated.db, key)
    with pytest.raises(vecstore.InvalidInputError, match="key is"):
        drop_metadata_index(dated.db, key)
    assert list_metadata_indexes(dated.db) == []


def test_metadata_that_is_no_json_is_named_and_nothing_is_changed(dated):
    dated.db.execute("update embeddings set metadata = 'year: 1970' where id = 'of 3'")
    with pytest.raises(vecstore.InvalidInputError, match="metadata of 'of 3' in the .* 'dated'"):
        dated.index_metadata("year")
    assert list_metadata_indexes(dated.db) == []
    dated.db.execute("update embeddings set metadata = null where id = 'of 3'")
    dated.index_metadata("year")


def test_a_row_that_is_no_json_is_refused_afterwards_and_the_others_stay(dated, path):
    dated.index_metadata("year")
    move_index(dated.db, "beside")
    dated.db.close()
    with closing(sqlite3.connect(path)) as plain, plain:
        with pytest.raises(sqlite3.OperationalError, match="malformed JSON"):
            plain.execute("update embeddings set metadata = 'year: 1970' where id = 'of 3'")
        plain.execute("update embeddings set metadata = json_object('year', 7) where id = 'of 3'")
        assert plain.execute(f"select id from embeddings where {YEAR} = 7").fetchall() == [
            ("of 3",)
        ]


def test_an_index_outlasts_what_is_done_to_a_file(dated, path):
    made = index_metadata(dated.db, "year")
    compact(dated.db)
    move_index(dated.db, "beside")
    dated.db["embeddings"].transform(column_order=["id"])
    assert list_metadata_indexes(dated.db) == [made]
    assert dated.db["embeddings"].exists()
    dated.db.close()
    assert index_metadata(path, "year") == made
    with closing(vecstore.connect(path)) as db:
        condition = {"where": f"{YEAR} = 1972"}
        assert [
            e.id for e in Collection("dated", db).similar_by_vector([1, 2, 3], **condition)
        ] == ["of 2"]


def test_a_file_with_one_is_read_by_llm_and_sqlite_utils(dated, path):
    dated.index_metadata("year")
    dated.db.close()
    listed = subprocess.run(
        [sys.executable, "-m", "sqlite_utils", "indexes", str(path), "embeddings"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "idx_embeddings_metadata_year" in listed.stdout
    with closing(sqlite_utils.Database(path)) as db:
        assert db["embeddings"].count == 10


def test_a_file_that_cannot_be_written_is_listed(dated, path):
    made = index_metadata(dated.db, "year")
    dated.db.close()
    with closing(vecstore.connect(path, read_only=True)) as db:
        assert list_metadata_indexes(db) == [made]
        with pytest.raises(vecstore.DatabaseError, match="read"):
            index_metadata(db, "month")


def test_the_commands(dated, path):
    dated.db.close()
    database = ["-d", str(path)]
    assert output("index", "build", *database, "--metadata", "year", "--metadata", "a.b") == (
        f'$.year: indexed, for {YEAR}\n$."a.b": indexed, for json_extract(metadata, \'$."a.b"\')\n'
    )
    assert output("index", "list", *database).splitlines()[1:] == [
        '$."a.b": indexed, for json_extract(metadata, \'$."a.b"\')',
        f"$.year: indexed, for {YEAR}",
    ]
    assert json.loads(output("index", "list", *database, "--json"))[2] == {
        "metadata": "$.year",
        "sql": YEAR,
        "name": "idx_embeddings_metadata_year",
    }
    assert output("index", "drop", *database, "--metadata", "year") == "year: dropped\n"
    assert "cannot be used together" in usage_error(
        "index", "build", *database, "--metadata", "year", "--dimensions", "3"
    )
    assert [index.path for index in list_metadata_indexes(path)] == ['$."a.b"']
