"""The table of prefixes: no collection gets another's, whichever program writes."""

import sqlite3
from contextlib import closing

import pytest
import sqlite_utils
from hypothesis import given, settings
from hypothesis import strategies as st

import vecstore
from tests.support.ages import AGES, make_llm_database
from tests.support.databases import rows
from tests.support.models import Vectors
from vecstore import Collection, check
from vecstore.sqlite.migration_files import migration_files

ALL = "select collection_id, query_prefix, document_prefix from vecstore_prefixes order by 1"


@pytest.fixture(params=["inside", "beside"])
def file(request, path):
    """A file with three collections, of which two have prefixes; in both forms."""
    for name in ("a", "b", "c"):
        collection = Collection(name, path, model=Vectors(), index=request.param)
        collection.db.close()
    with closing(vecstore.connect(path, driver="apsw")) as db:
        Collection("a", db).set_prefixes(query="qa ", document="da ")
        Collection("c", db).set_prefixes(query="qc ")
    return path


def write(path, *statements):
    """Write as a program does that has never heard of vecstore; return what there is then."""
    with closing(sqlite3.connect(path, isolation_level=None)) as conn:
        for sql in statements:
            conn.execute(sql)
        return conn.execute(ALL).fetchall()


def prefixes_of(path, name):
    with closing(vecstore.connect(path, driver="apsw")) as db:
        collection = Collection(name, db, model=Vectors())
        return collection.query_prefix, collection.document_prefix


@pytest.mark.parametrize(
    ("sql", "left"),
    [
        ("delete from collections where id = 1", [(3, "qc ", None)]),
        ("delete from collections", []),
        ("insert or replace into collections values (1, 'z', 'm')", [(3, "qc ", None)]),
        ("replace into collections values (3, 'c', 'vectors')", [(1, "qa ", "da ")]),
        ("update collections set id = 7 where id = 1", [(3, "qc ", None), (7, "qa ", "da ")]),
        ("update or replace collections set id = 3 where id = 1", [(3, "qa ", "da ")]),
        ("update or replace collections set id = 3 where id = 2", [(1, "qa ", "da ")]),
        ("update collections set name = 'z' where id = 1", [(1, "qa ", "da "), (3, "qc ", None)]),
    ],
)
def test_any_program_takes_them_along_or_away(file, sql, left):
    assert write(file, sql) == left


def test_a_row_that_is_replaced_by_its_name_leaves_nothing_to_whom_gets_its_id(file):
    write(file, "insert or replace into collections values (9, 'a', 'vectors')")
    assert prefixes_of(file, "a") == ("", "")
    write(file, "insert into collections values (1, 'new', 'vectors')")
    assert prefixes_of(file, "new") == ("", "")


def test_a_collection_that_is_made_anew_has_none(file):
    with closing(vecstore.connect(file, driver="apsw")) as db:
        old = Collection("c", db)
        old.delete()
        new = Collection("c", db, model=Vectors())
        assert (new.id, new.query_prefix) == (old.id, "")


def test_an_upsert_keeps_them(file):
    with closing(sqlite_utils.Database(file)) as db:
        db["collections"].upsert({"id": 1, "name": "a", "model": "vectors"}, pk="id")
    assert prefixes_of(file, "a") == ("qa ", "da ")


def test_llm_deletes_a_collection_and_makes_another(file):
    llm = pytest.importorskip("llm")

    class Numbers(llm.EmbeddingModel):
        model_id = "vectors"

        def embed_batch(self, items):
            return [[1.0, 2.0] for _ in items]

    vecstore.move_index(file, "beside")
    with closing(sqlite_utils.Database(file)) as db:
        llm.Collection("c", db).delete()
        llm.Collection("new", db, model=Numbers()).embed("x", "text")
        assert rows(db, "select id from collections where name = 'new'") == [(3,)]
    assert prefixes_of(file, "new") == ("", "")
    assert prefixes_of(file, "a") == ("qa ", "da ")


def test_triggers_that_transform_dropped_come_back_and_the_prefixes_stay(file):
    with closing(sqlite_utils.Database(file)) as db:
        db["collections"].transform(rename={"name": "title"})
        db["collections"].transform(rename={"title": "name"})
        db["collections"].create_index(["name"], unique=True, if_not_exists=True)
        for (trigger,) in rows(
            db, "select name from sqlite_master where name glob 'vecstore_prefixes_*'"
        ):
            db.execute(f"drop trigger {trigger}")
        db.execute("delete from collections where id = 3")
    assert prefixes_of(file, "a") == ("qa ", "da ")
    new = "insert into collections values (3, 'new', 'vectors')"
    assert write(file, new) == [(1, "qa ", "da ")]
    assert prefixes_of(file, "new") == ("", "")


def test_a_table_that_was_dropped_comes_back(file):
    with closing(sqlite3.connect(file)) as conn:
        conn.execute("drop table vecstore_prefixes")
    assert prefixes_of(file, "a") == ("", "")
    assert write(file, "delete from collections where id = 1") == []


def test_a_sound_file_has_nothing_to_report(file):
    report = check(file)
    assert (report.problems, report.notes) == ([], [])


def test_only_text_can_be_stored(file):
    with pytest.raises(sqlite3.IntegrityError):
        write(file, "update vecstore_prefixes set query_prefix = x'00'")


@pytest.mark.parametrize("is_plain", [False, True])
def test_a_backup_has_them(file, tmp_path, is_plain):
    copy = tmp_path / "copy.db"
    vecstore.backup(file, copy, plain=is_plain)
    assert write(copy) == [(1, "qa ", "da "), (3, "qc ", None)]
    write(
        copy,
        "delete from collections where id = 3",
        "insert into collections values (3, 'new', 'vectors')",
    )
    assert prefixes_of(copy, "a") == ("qa ", "da ")
    assert prefixes_of(copy, "new") == ("", "")


def test_a_plain_backup_of_a_file_without_prefixes_has_no_table(path, tmp_path):
    Collection("a", path, model=Vectors()).db.close()
    copy = tmp_path / "copy.db"
    vecstore.backup(path, copy, plain=True)
    with closing(sqlite3.connect(copy)) as conn:
        found = {name for (name,) in conn.execute("select name from sqlite_master where sql <> ''")}
    assert found == {
        "collections",
        "embeddings",
        "idx_collections_name",
        "idx_embeddings_content_hash",
        "_sqlite_migrations",
        "idx__sqlite_migrations_migration_set_name",
    }
    assert prefixes_of(copy, "a") == ("", "")


@pytest.mark.parametrize("kind", ["table", "view"])
def test_what_another_program_has_named_so_stays_and_is_an_error(path, kind):
    with closing(sqlite3.connect(path)) as conn:
        conn.execute(f"create {kind} vecstore_prefixes as select 'mine' as x")
    opened = closing(vecstore.connect(path, driver="apsw"))
    with opened as db, pytest.raises(vecstore.DatabaseError) as error:
        Collection("a", db, model=Vectors())
    assert str(error.value) == (
        f"{path} has a {kind} vecstore_prefixes that is not vecstore's: rename it"
    )
    with closing(sqlite3.connect(path)) as conn:
        assert conn.execute("select name, type from sqlite_master").fetchall() == [
            ("vecstore_prefixes", kind)
        ]


@pytest.mark.parametrize("age", AGES)
def test_an_old_file_of_llm_gets_the_table(path, open_db, age):
    make_llm_database(path, stop_before=age)
    collection = Collection("old", open_db(path), model=Vectors())
    assert collection.query_prefix == ""
    collection.set_prefixes(query="1 ")
    assert rows(collection.db, ALL) == [(7, "1 ", None)]


def test_an_older_file_that_cannot_be_written_has_none(path):
    make_llm_database(path)
    with closing(vecstore.connect(path, driver="apsw", read_only=True)) as db:
        collection = Collection("old", db, model=Vectors(), create=False)
        assert collection.query_prefix == ""
        assert [entry.id for entry in collection.similar("1 0", number=1)] == ["a"]
        assert rows(db, "select length(vecstore_embed('old', '1 0'))") == [(8,)]
        with pytest.raises(vecstore.DatabaseError):
            collection.set_prefixes(query="1 ")


def test_a_table_of_an_attached_database_is_another_matter(path, tmp_path):
    make_llm_database(path)
    Collection("x", tmp_path / "other.db", model=Vectors()).db.close()
    with closing(vecstore.connect(path, driver="apsw", read_only=True)) as db:
        db.execute("attach ? as other", [str(tmp_path / "other.db")])
        assert Collection("old", db, model=Vectors(), create=False).query_prefix == ""


_id = st.integers(1, 3)
_change = st.one_of(
    st.tuples(
        st.just("insert or ignore into collections values (?, hex(randomblob(8)), 'm')"),
        st.tuples(_id),
    ),
    st.tuples(
        st.just("insert or replace into collections values (?, hex(randomblob(8)), 'm')"),
        st.tuples(_id),
    ),
    st.tuples(st.just("delete from collections where id = ?"), st.tuples(_id)),
    st.tuples(
        st.just("update or replace collections set id = ? where id = ?"), st.tuples(_id, _id)
    ),
    st.tuples(st.just("update collections set model = 'x' where id = ?"), st.tuples(_id)),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(_change, _id), max_size=12))
def test_the_prefixes_are_of_the_collections_for_which_they_were_set(steps):
    """The name of a collection, which nothing changes, tells which one it is."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as conn:
        conn.execute(
            "create table collections (id integer primary key, name text unique, model text)"
        )
        conn.executescript(migration_files()["0011_prefixes"])
        expected = {}
        for step in steps:
            if isinstance(step, tuple):
                conn.execute(*step)
                continue
            names = conn.execute("select name from collections where id = ?", [step]).fetchall()
            for (name,) in names:
                conn.execute("delete from vecstore_prefixes where collection_id = ?", [step])
                conn.execute("insert into vecstore_prefixes values (?, ?, null)", [step, name])
                expected[name] = name
        found = dict(
            conn.execute(
                """
                select name, query_prefix
                from collections
                left join vecstore_prefixes on collection_id = id
                """
            )
        )
    assert found == {name: expected.get(name) for name in found}
