"""A search by an index beside the file, whatever a user's own connection has open or attached."""

import os
import sqlite3
import threading
import time

import pytest

import vecstore
from tests.support.beside import (
    DIMENSIONS,
    QUERY,
    assert_search,
    assert_searches,
    index_of,
    is_in_step,
    make_file,
    row_of,
    small_partitions,
    vectors_of,
    write,
)
from tests.support.brute_force import brute_force, found
from tests.support.databases import KINDS, rows
from tests.support.models import Pseudorandom
from vecstore import AdoptionError, Collection, TwoLibrariesError
from vecstore.sqlite.connection import guard, turns
from vecstore.sqlite.index import beside, following, usable

DELETE = "delete from embeddings where id like '%{}'"


@pytest.fixture(autouse=True)
def partitions():
    with small_partitions():
        yield


@pytest.fixture
def made(path):
    make_file(path)
    return path


@pytest.fixture
def searched(open_db, made):
    """A connection that has the index attached already."""
    db = open_db(made)
    assert_searches(db)
    return db


ABOUT_ALL_DATABASES = [
    "analyze",
    "reindex",
    "pragma optimize",
    "pragma journal_mode = wal",
    "pragma journal_mode = delete",
    "vacuum",
]


@pytest.mark.parametrize("driver", sorted({"apsw", "sqlite3" if "sqlite3" in KINDS else "apsw"}))
def test_statements_about_all_databases_work_on_a_connection_of_vecstore(closing, made, driver):
    db = closing(vecstore.connect(made, driver=driver))
    for sql in ABOUT_ALL_DATABASES:
        assert_searches(db)
        db.execute(sql).fetchall()
    assert_searches(db)
    db.execute("pragma query_only = on")
    with pytest.raises(db.conn.OperationalError, match="readonly"):
        db.execute("delete from embeddings")


def test_where_no_more_can_be_attached_searches_compare_all(closing, made):
    db = closing(vecstore.connect(made))
    for number in range(10):
        db.execute(f"attach ':memory:' as attached_{number}")
    assert_searches(db)
    write(db, DELETE.format(1))
    assert_searches(db)


def test_databases_that_a_user_has_attached_stay(searched, tmp_path):
    other = tmp_path / "other.db"
    make_file(other, "other ")
    searched.execute("attach ? as other", [str(other)])
    before = rows(searched, "select * from other.embeddings")
    write(searched, DELETE.format(1))
    assert_searches(searched)
    assert rows(searched, "select * from other.embeddings") == before


@pytest.mark.parametrize("file", ["own.db", ":memory:"])
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.startswith("adopted")])
def test_a_database_that_a_user_has_attached_by_the_name_of_the_index_stays(
    closing, made, tmp_path, monkeypatch, kind, file
):
    monkeypatch.chdir(tmp_path)
    db = closing(KINDS[kind](made))
    db.execute(f"attach '{file}' as vec_index")
    db.execute("create table vec_index.vecstore_followed (seq, token)")
    try:
        assert_searches(db)
    except AdoptionError as error:
        assert "vec_index is attached" in str(error)  # noqa: PT017 - of one kind alone
    else:
        write(db, DELETE.format(1))
        assert_searches(db)
    assert rows(db, "select * from vec_index.vecstore_followed") == []


def test_temporary_tables_that_are_called_like_those_of_the_index_are_not_taken_for_them(searched):
    for table in ("vecstore_followed", "vecstore_dimensions", "vec_embeddings_32_ids"):
        searched.execute(f"create temp table {table} (seq, token, dimensions, layout, is_complete)")
    assert_searches(searched)
    write(searched, DELETE.format(1))
    assert_searches(searched)
    assert is_in_step(searched)


def test_a_transaction_is_searched_with_what_it_has_changed(searched):
    searched.execute("begin")
    searched.execute(DELETE.format(1))
    assert_searches(searched)
    searched.execute("savepoint inner_one")
    searched.execute("update embeddings set id = 'other ' || id where id like 'large 2%'")
    assert_searches(searched)
    searched.execute("rollback to inner_one")
    assert_searches(searched)
    searched.execute("rollback")
    assert_searches(searched)
    assert is_in_step(searched)


def test_a_transaction_is_searched_without_an_index(searched, made):
    index_of(made).unlink()
    searched.execute("begin")
    searched.execute(DELETE.format(1))
    assert_searches(searched)
    searched.execute("commit")
    assert_searches(searched)
    assert is_in_step(searched)


def test_a_loop_over_rows_may_search_and_write(searched):
    collection = Collection("large", searched, model=Pseudorandom())
    for row in searched.query("select id from embeddings where id like 'large 1%'"):
        collection.embed(f"new {row['id']}", "text")
        assert_search(collection)
    assert_search(collection)
    assert is_in_step(searched)


def test_a_query_of_the_index_with_rows_to_fetch_keeps_nobody_from_searching(searched, made):
    query = searched.execute("select * from vec_index.vec_embeddings_32_ids")
    assert query.fetchone()
    write(searched, DELETE.format(1))
    assert_searches(searched)
    index_of(made).unlink()
    assert_searches(searched)
    query.fetchall()
    assert_searches(searched)
    assert is_in_step(searched)


def test_rows_may_come_as_a_user_wants_them(searched):
    searched.conn.row_factory = sqlite3.Row
    write(searched, DELETE.format(1))
    assert_searches(searched)
    assert is_in_step(searched)


def test_keys_of_all_kinds_are_followed_and_built(searched, made):
    blob = row_of(1, "large 1")["embedding"]
    for id in ("cast(x'ff80' as text)", "x'0102'", "''", "char(0) || 'a'", "1.5", "9", "null"):
        sql = f"insert into embeddings (collection_id, id, embedding) values (2, {id}, ?)"
        write(searched, sql, blob)
    for collection_id in ("99", "'text'", "null", "1.5", "-1"):
        values = f"values ({collection_id}, 'a', ?)"
        sql = f"insert into embeddings (collection_id, id, embedding) {values}"
        write(searched, sql, blob)
    for odd in (bytes(128), bytes(12), b"", None):
        sql = "insert into embeddings (collection_id, id, embedding) values (2, ?, ?)"
        write(searched, sql, f"odd {odd!r:.9} {len(odd or '')}", odd)
    assert following.follow(searched, [32])
    assert_index_holds_what_can_be_compared(searched)
    index_of(made).unlink()
    assert following.follow(searched, [32])
    assert_index_holds_what_can_be_compared(searched)


def assert_index_holds_what_can_be_compared(db):
    assert is_in_step(db)
    in_table = """
        select collection_id, hex(id)
        from main.embeddings
        where length(embedding) = 128
          and embedding <> zeroblob(128)
          and id is not null
          and typeof(collection_id) = 'integer'
        order by 1, 2
        """
    in_index = "select collection_id, hex(id) from vec_index.vec_embeddings_32_ids order by 1, 2"
    assert rows(db, in_index) == rows(db, in_table)


def test_a_collection_that_plain_sql_makes_large_gets_its_partition(searched):
    [(id,)] = rows(searched, "select id from collections where name = 'small'")
    for number in range(40):
        row = row_of(id, f"small {number} more")
        write(
            searched,
            "insert into embeddings (collection_id, id, embedding) values (?, ?, ?)",
            id,
            row["id"],
            row["embedding"],
        )
        if number % 13 == 0:
            assert_searches(searched)
    assert_searches(searched)
    partitions = rows(searched, "select collection_id from vec_index.vec_embeddings_32_partitions")
    assert (id,) in partitions


def test_several_dimensions_are_followed_each(open_db, path, monkeypatch):
    monkeypatch.setenv("VECSTORE_INDEX", "beside")
    db = open_db(path)
    collection = Collection("one", db, model=Pseudorandom())
    for dimensions in (3, 32, 40):
        for number in range(30):
            vector = [1.0] * (dimensions - 1) + [float(number)]
            write(
                db,
                "insert into embeddings (collection_id, id, embedding) values (1, ?, ?)",
                f"{dimensions} {number}",
                vecstore.encode(vector),
            )
    for deleted in ("", "% 29", "% 28"):
        write(db, "delete from embeddings where id like ?", deleted)
        for dimensions in (3, 32, 40):
            found = collection.similar_by_vector([0.0] * (dimensions - 1) + [1.0], 1)
            left = {"": 29, "% 29": 28, "% 28": 27}[deleted]
            assert [entry.id for entry in found] == [f"{dimensions} {left}"]


def test_threads_share_a_collection_while_another_connection_writes(closing, made):
    searched = closing(vecstore.connect(made))
    collection = Collection("large", searched, create=False)
    query = list(vectors_of(searched, collection.id)["large 7"])
    failures = []

    def search():
        try:
            for _ in range(15):
                assert collection.similar_by_vector(query, 1)[0].id == "large 7"
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=search) for _ in range(4)]
    for thread in threads:
        thread.start()
    for digit in (1, 2, 3):
        write(searched, DELETE.format(digit))
    for thread in threads:
        thread.join()
    assert failures == []
    assert_searches(searched)


def test_a_search_is_of_one_moment_of_the_table_and_its_index(closing, made, monkeypatch):
    """Another connection writes and follows, once the search has looked how the index stands."""
    searched, other = (closing(vecstore.connect(made)) for _ in range(2))
    assert_searches(searched)
    collection = Collection("large", searched, create=False)
    expected = brute_force(vectors_of(searched, collection.id), QUERY, 5)
    find_index = usable.find_index

    def change_then(*args):
        index = find_index(*args)
        monkeypatch.setattr(usable, "find_index", find_index)
        other.execute("delete from embeddings where id = ?", [expected[0][0]])
        other.execute("update embeddings set id = 'new' where id = ?", [expected[1][0]])
        following.follow(other, [DIMENSIONS])
        return index

    monkeypatch.setattr(usable, "find_index", change_then)
    assert found(collection.similar_by_vector(QUERY, 5)) == expected
    assert_searches(searched)
    assert is_in_step(searched)


def test_a_fork_opens_the_file_anew_and_leaves_the_index_in_step(searched, made):
    child = os.fork()
    if not child:
        try:
            db = vecstore.connect(made)
            write(db, DELETE.format(1))
            assert_searches(db)
            assert is_in_step(db)
            os._exit(0)
        except BaseException:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    assert_searches(searched)
    assert is_in_step(searched)


def test_the_index_is_kept_from_the_other_sqlite_library(closing, made):
    db = closing(vecstore.connect(made, driver="apsw"))
    assert_searches(db)
    with pytest.raises(TwoLibrariesError, match="is open in vecstore through another"):
        sqlite3.connect(str(index_of(made)))
    db.close()
    plain = sqlite3.connect(str(index_of(made)))
    plain.execute("select * from vecstore_followed").fetchall()
    db = closing(vecstore.connect(made, driver="apsw"))
    with pytest.raises(TwoLibrariesError, match="another SQLite library"):
        assert_searches(db)
    plain.close()
    assert_searches(db)


def test_nothing_is_left_but_the_index(searched, made, tmp_path):
    write(searched, DELETE.format(1))
    assert_searches(searched)
    searched.close()
    assert {file.name for file in tmp_path.iterdir()} - {"home"} == {"test.db", "test.db-vec"}


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "adopted-with"])  # one thread's
def test_two_threads_that_attach_the_index_wait_for_each_other_in_one_order(
    kind, made, closing, monkeypatch
):
    """One before its turn, and the other in the midst of it, as in a search."""
    searched = closing(KINDS[kind](made))
    assert_searches(searched)
    inside = threading.Event()
    refuse = guard.refuse_second_library

    def refuse_slowly(*args):
        inside.set()
        time.sleep(0.2)
        refuse(*args)

    def attach_in_a_turn():
        inside.wait()
        with turns.take_turn(searched):
            beside.attach(searched)

    monkeypatch.setattr(guard, "refuse_second_library", refuse_slowly)
    works = (attach_in_a_turn, lambda: beside.attach(searched))
    threads = [threading.Thread(target=work, daemon=True) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=10)
    assert not any(thread.is_alive() for thread in threads)
