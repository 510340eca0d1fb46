"""The tables of related items: no collection gets another's, and what other programs do to them."""

import re
import sqlite3
import threading
from contextlib import closing, suppress

import pytest
import sqlite_utils

import vecstore
from tests.support.databases import rows
from tests.support.models import Vectors
from tests.support.related import assert_current, related
from vecstore import Collection, DatabaseBusyError, DatabaseError, check

LISTED = "select collection_id, id, related_id from vecstore_related order by 1, 2"
OWNERS = (
    "select (select group_concat(distinct collection_id) from vecstore_related), "
    "(select group_concat(distinct collection_id) from vecstore_related_state), "
    "(select group_concat(collection_id) from vecstore_related_runs)"
)


@pytest.fixture(params=["inside", "beside"])
def file(request, path):
    """A file with three collections, of which two have related items; in both forms."""
    for name in ("a", "b", "c"):
        collection = Collection(name, path, model=Vectors(), index=request.param)
        collection.embed_multi([("x", "1 0"), ("y", "1 1"), ("z", "0 1")])
        if name != "b":
            collection.related_table(1)
        collection.db.close()
    return path


def write(path, sql):
    """Write as a program does that has never heard of vecstore; return whose lists there are."""
    with closing(sqlite3.connect(path, isolation_level=None)) as conn:
        conn.execute(sql)
        return conn.execute(OWNERS).fetchone()


@pytest.mark.parametrize(
    ("sql", "left"),
    [
        ("delete from collections where id = 1", "3"),
        ("delete from collections", None),
        ("insert or replace into collections values (1, 'z', 'm')", "3"),
        ("update collections set id = 7 where id = 1", "3,7"),
        ("update or replace collections set id = 3 where id = 1", "3"),
        ("update or replace collections set id = 3 where id = 2", "1"),
        ("update collections set name = 'z' where id = 1", "1,3"),
    ],
)
def test_any_program_takes_them_along_or_away(file, sql, left):
    assert write(file, sql) == (left,) * 3


def test_a_row_that_is_replaced_by_its_name_leaves_what_check_notes(file):
    write(file, "insert or replace into collections values (9, 'a', 'vectors')")
    notes = [(n.kind, n.message, n.remedy, n.count) for n in check(file).notes]
    remedy = "delete from vecstore_related where collection_id not in (select id from collections)"
    assert ("related", "3 rows of vecstore_related are of no collection", remedy, 3) in notes
    assert write(file, "insert into collections values (1, 'new', 'vectors')") == ("3", "3", "3")


def test_they_stay_at_a_rename_and_a_copy_and_another_model_begin_without(file):
    class Others(Vectors):
        model_id = "others"

    with closing(vecstore.connect(file, driver="apsw")) as db:
        a = Collection("a", db, model=Vectors())
        before = related(db, a.id)
        a.rename("renamed")
        copied = a.copy("copied")
        assert related(db, a.id) == before
        assert related(db, copied.id) == {}
        assert copied.related_table(1).computed == 3
        assert related(db, copied.id) == before
        db.execute("update embeddings set content = '1 0' where collection_id = ?", [copied.id])
        db.execute("update embeddings set content_hash = null")
        old = copied.id
        copied.reembed(Others())
        assert copied.id != old
        assert related(db, copied.id) == {}
        copied.related_table(1)
        assert_current(copied, 1)


def test_parts_that_were_dropped_come_back(file):
    with closing(sqlite_utils.Database(file)) as db:
        db["collections"].transform(types={"model": str})
    message = (
        "Tables or triggers of related items are missing, and writes to `collections` may fail"
    )
    assert message in [problem.message for problem in check(file).problems]
    with closing(sqlite3.connect(file, isolation_level=None)) as conn:
        conn.execute("delete from collections where id = 3")
        if not conn.execute("select 1 from sqlite_master where name glob 'vec_*'").fetchone():
            conn.execute("delete from embeddings where collection_id = 3")
    with closing(vecstore.connect(file, driver="apsw")) as db:
        new = Collection("new", db, model=Vectors())
        assert new.id not in {id for id, *_ in rows(db, LISTED)}
        assert rows(db, OWNERS) == [("1", "1", "1")]
        db.execute("drop table vecstore_related")
        a = Collection("a", db, model=Vectors())
        assert rows(db, LISTED) == []
        assert a.related_table(1).computed == 3
    assert {problem.kind for problem in check(file).problems} <= {"collection"}


def test_a_file_of_which_nobody_has_asked_for_them_has_no_tables(path):
    with closing(vecstore.connect(path)) as db:
        Collection("a", db, model=Vectors()).embed("x", "1 2")
        assert rows(db, "select name from sqlite_master where name glob 'vecstore_related*'") == []


@pytest.mark.parametrize("kind", ["table", "view"])
def test_another_programs_table_is_left_alone(path, kind):
    with closing(vecstore.connect(path, driver="apsw")) as db:
        collection = Collection("a", db, model=Vectors())
        db.execute(f"create {kind} vecstore_related as select 'mine' as x")
        message = (
            f"{path} has a table or view vecstore_related that is not vecstore's: rename it, for "
            "related items to be kept there"
        )
        with pytest.raises(DatabaseError, match=re.escape(message)):
            collection.related_table()
        assert rows(db, "select * from vecstore_related") == [("mine",)]
        Collection("a", db, model=Vectors()).embed("x", "1 2")


def test_a_plain_copy_keeps_them(file, tmp_path):
    copy = tmp_path / "copy.db"
    vecstore.backup(file, copy, plain=True)
    with closing(sqlite3.connect(file)) as conn:
        before = conn.execute("select * from vecstore_related").fetchall()
    with closing(sqlite3.connect(copy)) as conn:
        assert conn.execute("select * from vecstore_related").fetchall() == before
        names = "select name from sqlite_master where type <> 'index' order by name"
        assert [name for (name,) in conn.execute(names) if name.startswith("vecstore_")] == [
            "vecstore_related",
            "vecstore_related_delete",
            "vecstore_related_insert",
            "vecstore_related_runs",
            "vecstore_related_state",
            "vecstore_related_update",
        ]
        conn.execute("delete from collections where id = 1")
        assert conn.execute(OWNERS).fetchone() == ("3", "3", "3")


def test_sqlite_utils_reads_them(file):
    with closing(sqlite_utils.Database(file)) as db:
        table = db["vecstore_related"]
        assert table.pks == ["collection_id", "id", "rank"]
        assert table.get((1, "x", 1))["related_id"] == "y"
        assert [row["related_id"] for row in table.rows_where("collection_id = 1")] == [
            "y",
            "x",
            "y",
        ]


def test_a_read_only_file_that_is_up_to_date_is_no_error(file):
    with closing(vecstore.connect(file, read_only=True)) as db:
        assert Collection("a", db, model=Vectors()).related_table(1).unchanged == 3
        with pytest.raises(vecstore.DatabaseReadOnlyError, match="opened for reading alone"):
            Collection("a", db, model=Vectors()).related_table(2)
        with pytest.raises(vecstore.DatabaseReadOnlyError, match="opened for reading alone"):
            Collection("b", db, model=Vectors()).related_table()
    assert check(file).problems == []


def test_a_transaction_is_refused(db, path):
    collection = Collection("a", db, model=Vectors())
    db.execute("begin")
    with pytest.raises(DatabaseError, match=re.escape(f"{path} has a transaction open")):
        collection.related_table()
    db.execute("rollback")
    assert collection.related_table() == vecstore.RelatedReport()


@pytest.mark.parametrize("number", [0, -1, 1.5, "5", None, True])
def test_a_number_that_is_none_is_refused(number):
    collection = Collection("a", model=Vectors())
    with pytest.raises(vecstore.InvalidInputError, match="number is"):
        collection.related_table(number)


def test_the_later_of_two_runs_overtakes_the_other(file):
    with closing(vecstore.connect(file)) as db, closing(vecstore.connect(file)) as other_db:
        ours, others = (
            Collection("a", db, model=Vectors()),
            Collection("a", other_db, model=Vectors()),
        )

        def overtake(done, total):
            others.embed("new", "2 1")
            others.related_table(2)

        with pytest.raises(DatabaseBusyError, match="Another process has begun to compute"):
            ours.related_table(3, progress=overtake)
        assert_current(ours, 2)
        assert ours.related_table(2).computed == 0


def test_what_is_written_meanwhile_is_found_by_the_next_run(file):
    with closing(vecstore.connect(file)) as db, closing(vecstore.connect(file)) as other_db:
        collection, other = (
            Collection("a", db, model=Vectors()),
            Collection("a", other_db, model=Vectors()),
        )
        before = {id: collection.vector(id) for id in collection.ids()}

        def change(done, total):
            if not done:  # no lock is held
                other.embed("x", "-1 -1")
                other.delete_ids(["z"])

        collection.related_table(2, progress=change)
        assert set(related(db, collection.id)) == set(before)
        assert collection.related_table(2).computed == 2
        assert_current(collection, 2)


def test_an_error_of_progress_leaves_whole_lists_and_nothing_open(file):
    class OursError(Exception):
        pass

    def fail(done, total):
        raise OursError

    with closing(vecstore.connect(file)) as db:
        collection = Collection("a", db, model=Vectors())
        with pytest.raises(OursError):
            collection.related_table(2, progress=fail)
        assert rows(db, "select name from sqlite_temp_master where name glob '*related*'") == []
        assert {len(listed) for listed in related(db, collection.id).values()} == {1}
        collection.related_table(2)
        assert_current(collection, 2)


def test_threads_that_share_a_connection_compute_and_write(file):
    with closing(vecstore.connect(file, driver="apsw")) as db:
        a, b, c = (Collection(name, db, model=Vectors()) for name in "abc")
        errors = []

        def run(collection):
            try:
                for n in range(5):
                    collection.embed(f"n{n}", f"{n} 1")
                    collection.related_table(2)
            except Exception as error:
                errors.append(error)

        threads = [threading.Thread(target=run, args=[collection]) for collection in (a, b, c)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
        for collection in (a, b, c):
            assert_current(collection, 2)


def test_rows_may_be_read_before_and_after_by_the_same_connection(db):
    collection = Collection("a", db, model=Vectors())
    collection.embed_multi([("x", "1 0"), ("y", "1 1"), ("z", "0 1")])
    cursor = db.execute("select id from embeddings order by id")
    assert next(cursor) == ("x",)
    collection.related_table(1)
    assert cursor.fetchall() == [("y",), ("z",)]
    tables = rows(db, "select name from sqlite_temp_master where type = 'table'")
    assert [rows(db, f"select count(*) from temp.{name}") for (name,) in tables] == [[(0,)]] * 4
    assert_current(collection, 1)


def test_a_collection_that_is_deleted_meanwhile_ends_the_run(file):
    with closing(vecstore.connect(file)) as db, closing(vecstore.connect(file)) as other:

        def delete(done, total):
            with suppress(vecstore.DoesNotExist):
                Collection("a", other, create=False).delete()

        collection = Collection("a", db, model=Vectors())
        with pytest.raises(vecstore.DoesNotExist, match="was deleted or renamed"):
            collection.related_table(2, progress=delete)
        assert rows(db, OWNERS) == [("3", "3", "3")]
