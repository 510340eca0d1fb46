"""An index beside a file, while others hold it, move it, or change what it has yet to follow."""

from contextlib import closing

import pytest
import sqlite_utils

import vecstore
from tests.support.beside import (
    DIMENSIONS,
    PARTITION_ROWS,
    QUERY,
    assert_search,
    assert_searches,
    index_of,
    is_in_step,
    make_file,
    row_of,
    small_partitions,
    write,
)
from tests.support.databases import rows
from tests.support.models import Pseudorandom
from vecstore import Collection, DatabaseError
from vecstore.sqlite import databases, journal
from vecstore.sqlite.connection import file_status, opening
from vecstore.sqlite.index import building, following, usable

CHANGES = "select count(*) from vecstore_changes"
INSERT = "insert into embeddings (collection_id, id, embedding) values (?, ?, ?)"
SMALL = 2  # the id of a collection


@pytest.fixture(autouse=True)
def partitions():
    with small_partitions():
        yield


@pytest.fixture
def db(open_db, path):
    """A connection to a file whose index is in step, and attached from the beginning."""
    make_file(path)
    first = open_db(path)
    assert_searches(first)
    first.close()
    again = open_db(path)
    databases.adopt(again)
    return again


def vector_of(id):
    return row_of(SMALL, id)["embedding"]


@pytest.fixture
def holder(db, path):
    """A connection that can lock the file of the index."""
    with closing(opening.open_bare_connection(str(index_of(path)), opening.driver_of(db))) as conn:
        yield conn


# Who holds or breaks the file


def test_a_write_does_not_wait_for_the_index_nor_fail_at_it(db, path, holder):
    db.execute("pragma busy_timeout = 0")
    holder.execute("begin exclusive")
    small = Collection("small", db, model=Pseudorandom())
    small.embed("new", "new", store=True)
    small.embed_multi([("a", "x"), ("b", "y")], store=True)
    assert small.delete_ids(["a"]) == 1
    assert_searches(db)
    holder.execute("rollback")
    assert_searches(db)
    assert is_in_step(db)


def test_a_write_does_not_meet_an_index_that_was_overwritten(db, path):
    small = Collection("small", db, model=Pseudorandom())
    index_of(path).write_bytes(b"rubbish" * 1000)
    small.embed("new", "new", store=True)
    assert rows(db, "select count(*) from embeddings where id = 'new'") == [(1,)]
    assert_searches(db)


def test_an_error_in_a_function_of_the_user_does_not_cost_the_index(db, path):
    def fail(_):
        raise ValueError("no")

    db.register_function(fail, name="fail")
    before = file_status.identity_of(str(index_of(path)))
    large = Collection("large", db, model=Pseudorandom())
    with pytest.raises((ValueError, DatabaseError, db.conn.OperationalError)):
        large.similar_by_vector(QUERY, 3, where="fail(id)")
    assert file_status.identity_of(str(index_of(path))) == before
    assert_searches(db)


def test_the_file_of_an_index_is_no_database_to_write_to(db, path):
    with pytest.raises(DatabaseError, match="is the index of another file"):
        Collection("notes", index_of(path), model=Pseudorandom())
    assert_searches(db)


# What is moved meanwhile


def test_a_search_that_was_to_build_an_index_inside_leaves_that_to_one_who_moved_it(
    path, closing, monkeypatch
):
    db, other = closing(vecstore.connect(path)), closing(vecstore.connect(path))
    notes = Collection("notes", db, model=Pseudorandom())
    notes.embed_multi([("a", "x"), ("b", "y")], store=True)
    vecstore.drop_index(db)
    ensure = building.ensure_index

    def move_and_ensure(db, dimensions):
        vecstore.move_index(other, "beside")
        return ensure(db, dimensions)

    monkeypatch.setattr(usable.building, "ensure_index", move_and_ensure)
    assert {entry.id for entry in notes.similar("x", 2)} == {"a", "b"}
    monkeypatch.undo()
    assert not building.index_exists(db, DIMENSIONS)
    write(db, "delete from embeddings where id = 'b'")  # which needs no extension
    assert [entry.id for entry in notes.similar("x", 2)] == ["a"]


def test_what_an_older_move_left_inside_goes_with_the_next(db, path):
    for sql in building.tables.index_statements(DIMENSIONS):
        db.execute(sql)
    with pytest.raises(db.conn.OperationalError, match="no such"):
        write(db, "delete from embeddings where id = 'small 1'")
    vecstore.move_index(db, "beside")
    assert not building.index_exists(db, DIMENSIONS)
    assert_searches(db)


# What is pending


@pytest.mark.parametrize("comes_back", [True, False])
def test_a_partition_is_given_while_the_change_of_an_entry_is_to_come(db, monkeypatch, comes_back):
    """The entry is deleted in a later portion than the one that makes its collection large."""
    monkeypatch.setattr(following, "_MOST_ROWS", PARTITION_ROWS + 5)
    for number in range(PARTITION_ROWS):
        write(db, INSERT, SMALL, f"more {number}", vector_of(f"more {number}"))
    for number in range(10):
        write(db, INSERT, 1, f"other {number}", vector_of(f"other {number}"))
    write(db, "delete from embeddings where id = 'small 1'")
    follow_portion = following._follow_portion
    portions = []

    def insert_and_follow(work):
        if comes_back and len(portions) == 1:
            write(db, INSERT, SMALL, "small 1", vector_of("small 1"))
        portions.append(follow_portion(work))
        return portions[-1]

    monkeypatch.setattr(following, "_follow_portion", insert_and_follow)
    assert_searches(db)
    assert len(portions) > 1
    assert is_in_step(db)
    assert_searches(db)
    assert vecstore.check(db).problems == []


def test_what_was_followed_and_not_noted_is_followed_again(db, monkeypatch):
    """As of an index that lost its journal in the middle of a commit."""
    write(db, "delete from embeddings where id like '%3'")
    write(db, INSERT, SMALL, "new", vector_of("new"))

    def fail(*_):
        raise OSError("the process is gone")

    monkeypatch.setattr(following, "_note", fail)
    assert_searches(db)
    assert not is_in_step(db)
    write(db, INSERT, SMALL, "newer", vector_of("newer"))
    assert_searches(db)
    monkeypatch.undo()
    assert_searches(db)
    assert is_in_step(db)


def test_an_entry_of_the_index_without_its_row_costs_no_place_of_an_answer(db, path):
    large = Collection("large", db, model=Pseudorandom())
    [nearest, *_] = large.similar_by_vector(QUERY, 1)
    with closing(opening.open_bare_connection(str(path), opening.driver_of(db))) as conn, conn:
        for event in ("insert", "update", "delete"):  # as nobody should
            [sql] = conn.execute(
                "select sql from sqlite_master where name = ?", [f"vecstore_changes_{event}"]
            ).fetchone()
            conn.execute(f"drop trigger vecstore_changes_{event}")
            if event == "delete":
                conn.execute("delete from embeddings where id = ?", [nearest.id])
            conn.execute(sql)
        conn.execute("select 1")
    assert_search(large)


def test_changes_that_were_followed_are_removed_by_loads_and_kept_by_searches(db, monkeypatch):
    write(db, "update embeddings set embedding = zeroblob(4) where collection_id = 1")
    assert_searches(db)
    [(before,)] = rows(db, CHANGES)
    assert before > 60
    monkeypatch.setattr("vecstore.sqlite.row_writing._ROWS_TO_FOLLOW", 1)
    Collection("small", db, model=Pseudorandom()).embed("new", "new", store=True)
    assert rows(db, CHANGES) == [(1,)]
    assert_searches(db)


# The names and the tables of others


def test_a_table_of_a_users_own_by_the_name_of_the_journal_stays_as_it_is(path, tmp_path):
    make_file(path)
    with closing(sqlite_utils.Database(path)) as plain:
        journal.remove(plain)
        plain.execute("delete from _sqlite_migrations where name = '0009_changes'")
        plain.execute("create table vecstore_changes (note)")
        plain.execute("insert into vecstore_changes values ('mine')")
        plain.conn.commit()
    with pytest.raises(DatabaseError, match="has a table vecstore_changes that is not vecstore's"):
        Collection("small", path, model=Pseudorandom())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VECSTORE_INDEX", "inside")
        small = Collection("small", path, model=Pseudorandom())
    assert_search(small)
    assert rows(small.db, "select * from vecstore_changes") == [("mine",)]
    small.db.close()


def test_counting_triggers_of_sqlite_utils_do_not_stop_an_upsert(db):
    db.enable_counts()
    small = Collection("small", db, model=Pseudorandom())
    for text in ("one", "two"):
        small.embed("new", text, store=True)
    assert small.get("new").content == "two"
    assert_search(small)
