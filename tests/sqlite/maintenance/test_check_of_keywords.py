"""check() finds what is wrong with the keyword index, in both forms; and what searches then do."""

from contextlib import closing
from pathlib import Path

import pytest

import vecstore
from tests.support.damage import notes, problems, without_triggers
from tests.support.databases import rows
from tests.support.models import Vectors
from vecstore import Collection, DatabaseDamagedError, build_keyword_index, check, keyword_index
from vecstore.sqlite.connection import opening
from vecstore.sqlite.index_names import keyword_names

TITLE = "The keyword index"


@pytest.fixture
def filled(form, db):
    collection = Collection("one", db, model=Vectors())
    texts = [("a", "1 1"), ("b", "1 2"), ("c", "2 3")]
    collection.embed_multi(texts, store=True)
    db.execute("update embeddings set content_hash = null")
    vecstore.build_index(db)
    build_keyword_index(db)
    return collection


def write_to_index(db, form, *statements):
    """Write to the tables of the index, wherever they are, without its triggers."""
    if form == "inside":
        with without_triggers(db):
            for sql in statements:
                db.execute(sql)
        return
    path = rows(db, "select file from pragma_database_list where name = 'main'")[0][0]
    db.close()
    with closing(opening.open_bare_connection(f"{path}-vec", opening.driver_of(db))) as conn, conn:
        triggers = conn.execute(
            "select name, sql from sqlite_master where type = 'trigger'"
        ).fetchall()
        for name, _ in triggers:
            conn.execute(f"drop trigger {name}")
        for sql in statements:
            conn.execute(sql)
        for _, sql in triggers:
            conn.execute(sql)


OUT_OF_STEP = {
    "delete from vecstore_texts where id = 'a'": [("1 text is missing", [("one", "a")])],
    "update vecstore_texts set content = 'x' where id = 'b'": [("1 text is stale", [("one", "b")])],
    "update vecstore_texts set id = 'd' where id = 'c'": [
        ("1 text is missing", [("one", "c")]),
        ("1 text is orphaned", [("one", "d")]),
    ],
}
UNSOUND = [
    "delete from vecstore_texts where id = 'a'",
    "update vecstore_texts set content = 'x' where id = 'b'",
    "delete from vecstore_keywords_docsize where id % 2",
    "update vecstore_keywords_data set block = x'00' where id > 10",
    "delete from vecstore_keywords_data where id > 10",
    "update vecstore_keywords_data set block = x'0209' where id = 1",
]


@pytest.mark.parametrize("sql", OUT_OF_STEP)
def test_texts_and_rows_are_compared_both_ways(filled, form, path, open_db, sql):
    write_to_index(filled.db, form, sql)
    db = open_db(path) if form == "beside" else filled.db
    expected = [(f"{TITLE} is out of step: {what}", keys) for what, keys in OUT_OF_STEP[sql]]
    assert problems(db)[: len(expected)] == expected
    build_keyword_index(db)
    assert (problems(db), notes(db)) == ([], [])


@pytest.mark.parametrize("sql", UNSOUND)
def test_words_and_texts_are_compared_by_fts5(filled, form, path, open_db, sql):
    write_to_index(filled.db, form, sql)
    db = open_db(path) if form == "beside" else filled.db
    before = Path(path).read_bytes()
    message, examples = problems(db)[-1]
    assert message.startswith("FTS5 finds the keyword index damaged: ")
    assert examples == []
    assert {finding.remedy for finding in check(db).problems} == {
        "rebuild it: vecstore index build --keywords"
    }
    assert Path(path).read_bytes() == before
    build_keyword_index(db)
    assert (problems(db), notes(db)) == ([], [])


@pytest.mark.parametrize("table", ["data", "idx", "docsize", "config"])
def test_an_index_that_has_lost_a_table_is_made_anew(filled, form, path, open_db, table):
    write_to_index(filled.db, form, f"drop table vecstore_keywords_{table}")
    filled.db.close()
    db = open_db(path)
    wrong = f"{TITLE} is not whole: the table vecstore_keywords_{table} is missing"
    assert (wrong, []) in problems(db)
    assert keyword_index(db).state == "incomplete"
    one = Collection("one", db, model=Vectors())
    assert [entry.id for entry in one.search("3", mode="keywords")] == ["c"]
    build_keyword_index(db)
    assert problems(db) == []


def test_an_index_inside_that_has_lost_a_trigger_is_told_and_made_anew(filled, form):
    if form == "beside":
        pytest.skip("of an index inside")
    filled.db.execute("drop trigger vecstore_texts_update")
    assert problems(filled.db) == [
        (f"{TITLE} is not whole: the trigger vecstore_texts_update is missing", [])
    ]
    filled.db.execute("update embeddings set content = 'new' where id = 'a'")
    assert [entry.id for entry in filled.search("new", mode="keywords")] == ["a"]
    assert problems(filled.db) == []


DAMAGE = {
    "its words": "update vecstore_keywords_data set block = x'00' where id > 10",
    "its structure": "delete from vecstore_keywords_data where id = 10",
    "its version": "update vecstore_keywords_config set v = 99 where k = 'version'",
}


@pytest.mark.parametrize("what", DAMAGE)
def test_a_search_tells_of_a_damaged_index_inside_and_goes_without_one_beside(
    filled, form, path, open_db, what
):
    write_to_index(filled.db, form, DAMAGE[what])
    if form == "inside":
        filled.db.close()
    db = open_db(path)
    one = Collection("one", db, model=Vectors())
    if form == "inside":
        with pytest.raises(
            DatabaseDamagedError, match="keyword index of .*test.db is damaged.* build .*--keywords"
        ):
            one.search("1", mode="keywords")
        assert problems(db) != []
        build_keyword_index(db)
    for _ in range(2):
        assert [entry.id for entry in one.search("3", mode="keywords")] == ["c"]
        assert [entry.id for entry in one.search("1 1 -3")] == ["a", "b"]
    assert problems(db) == []
    assert keyword_index(db).state == "ready"


def test_a_load_names_a_damaged_index_inside_and_what_mends_it(filled, form, path, open_db):
    write_to_index(filled.db, form, DAMAGE["its structure"])
    filled.db.close()
    db = open_db(path)
    one = Collection("one", db, model=Vectors())
    if form == "inside":
        with pytest.raises(DatabaseDamagedError, match="A keyword index in .*test.db is damaged"):
            one.embed("a", "4 4", store=True)
        build_keyword_index(db)
    one.embed("a", "4 4", store=True)
    assert [entry.id for entry in one.search("4", mode="keywords")] == ["a"]
    assert problems(db) == []


def test_what_a_transaction_has_written_is_checked_in_it(filled, form, path, open_db):
    filled.db.execute("begin")
    filled.embed("d", "5 5", store=True)
    assert problems(filled.db) == []
    filled.db.execute("rollback")
    filled.db.close()
    again = open_db(path)
    again.execute("pragma query_only = on")
    assert problems(again) == []


def test_the_names_of_both_forms_are_the_same_but_for_the_schema():
    inside, beside = keyword_names(), keyword_names("vecstore_index")
    assert [f"vecstore_index.{name}" for name in inside.tables] == list(beside.tables)
