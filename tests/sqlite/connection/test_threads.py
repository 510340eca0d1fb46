"""Threads that share a Collection, and threads that have one each."""

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing as closing_now
from types import ModuleType

import pytest
from sqlite_utils import Database
from sqlite_utils.utils import sqlite3 as driver_module

import vecstore
from tests.support.databases import LOADS_EXTENSIONS, rows
from tests.support.models import WordLengths, pseudorandom
from vecstore import Collection, DatabaseError, check
from vecstore.sqlite import transactions
from vecstore.sqlite.connection import turns

THREADS = 8
ROUNDS = 4
BATCH = 10
DRIVERS = ["apsw", "sqlite3"] if LOADS_EXTENSIONS else ["apsw"]


class Model(vecstore.EmbeddingModel):
    """Vectors that anybody can tell from the text."""

    model_id = "threads"

    def embed_batch(self, items):
        for item in items:
            yield pseudorandom(item, 64)


@pytest.fixture(params=DRIVERS)
def driver(request):
    return request.param


def text_of(id: str) -> str:
    return f"text of {id}"


def ids_of(thread: int, number: int) -> list[str]:
    return [f"{thread} {number} {n}" for n in range(BATCH)]


def work(collection: Collection, thread: int, concurrency: int) -> None:
    """Write, read, search and delete, and compare all that comes back."""
    counted = 0
    for number in range(ROUNDS):
        ids = ids_of(thread, number)
        report = collection.embed_multi(
            ((id, text_of(id)) for id in ids), True, 4, concurrency=concurrency
        )
        assert report.embedded == BATCH
        assert collection.get(ids[0]).content == text_of(ids[0])
        assert ids[-1] in collection
        before, counted = counted, collection.count()
        assert before - THREADS < counted
        for entry in collection.similar(text_of(ids[1]), number=5):
            assert entry.content == text_of(entry.id)
            exact = vecstore.cosine_similarity(
                pseudorandom(text_of(ids[1]), 64), pseudorandom(entry.content, 64)
            )
            assert entry.score == pytest.approx(exact, abs=1e-5)
        assert collection.similar_by_id(ids[2], number=3)
        assert collection.delete_ids(ids[:1]) == 1
        assert set(ids[1:]) <= set(collection.ids())


def in_threads(function, *arguments):
    """Run a function in each of the threads, which begin together; raise what one of them does."""
    together = threading.Barrier(THREADS)

    def run(number):
        together.wait(60)
        return function(number, *arguments)

    with ThreadPoolExecutor(THREADS) as pool:
        return [future.result(120) for future in [pool.submit(run, n) for n in range(THREADS)]]


def assert_complete(db: Database) -> None:
    expected = {id for t in range(THREADS) for n in range(ROUNDS) for id in ids_of(t, n)[1:]}
    assert set(Collection("test", db, create=False).ids()) == expected
    report = check(db)
    assert (report.problems, report.notes) == ([], [])


@pytest.mark.parametrize("concurrency", [1, 4])
def test_threads_share_a_collection(path, driver, closing, concurrency):
    db = closing(vecstore.connect(path, driver=driver))
    collection = Collection("test", db, model=Model())
    in_threads(lambda number: work(collection, number, concurrency))
    assert_complete(db)


def test_threads_share_a_collection_in_memory(driver):
    with closing_now(vecstore.connect(driver=driver)) as db:
        collection = Collection("test", db, model=Model())
        in_threads(lambda number: work(collection, number, 1))
        assert_complete(db)


def test_threads_have_a_collection_each(path, driver, closing):
    def use_own(number):
        with closing_now(vecstore.connect(path, driver=driver, timeout=60)) as db:
            work(Collection("test", db, model=Model()), number, 1)

    in_threads(use_own)
    assert_complete(closing(vecstore.connect(path, driver=driver)))


def test_threads_share_the_sql_of_a_database(path, driver, closing):
    """Without a collection, each call is a turn."""
    db = closing(vecstore.connect(path, driver=driver))

    def use(number):
        for n in range(200):
            found = db.execute("select ? as thread, ? as n", [number, n])
            assert list(found) == [(number, n)]
            with pytest.raises(db.conn.OperationalError, match=f"no_such_{number}"):
                db.execute(f"select * from no_such_{number}")
            cursor = db.conn.execute("select 1 union all select 2")
            assert [cursor.fetchone(), *cursor] == [(1,), (2,)]

    in_threads(use)


def test_what_a_thread_writes_is_not_seen_before_it_is_committed(path, driver, closing):
    db = closing(vecstore.connect(path, driver=driver))
    collection = Collection("test", db, model=WordLengths())
    inside, looked = threading.Event(), threading.Event()
    counts = []

    def look():
        inside.wait(30)
        looked.set()
        counts.append(collection.count())

    thread = threading.Thread(target=look)
    thread.start()

    def embed_and_fail():
        collection.embed("a", "text")
        inside.set()
        looked.wait(30)
        thread.join(0.2)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        transactions.write(db, embed_and_fail)
    thread.join()
    assert counts == [0]


def test_a_transaction_of_another_thread_is_not_joined(path, driver, closing):
    """What is written in it would be lost when the other thread rolls it back."""
    db = closing(vecstore.connect(path, driver=driver, timeout=0.1))
    collection = Collection("test", db, model=WordLengths())
    collection.embed("a", "text")
    db.execute("begin")
    db.execute("delete from embeddings")
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(collection.embed, "b", "other text")
        with pytest.raises(DatabaseError, match="Another thread has left a transaction open"):
            future.result()
        collection.embed("c", "text")  # in this thread, it is a part of it
        db.rollback()
        pool.submit(collection.embed, "b", "other text").result()
    assert collection.ids() == ["a", "b"]


def test_a_thread_waits_for_the_transaction_of_another(path, driver, closing):
    db = closing(vecstore.connect(path, driver=driver, timeout=30))
    collection = Collection("test", db, model=WordLengths())
    with ThreadPoolExecutor(1) as pool:
        db.execute("begin")
        future = pool.submit(collection.embed, "b", "text")
        collection.embed("a", "text")
        db.rollback()
        future.result()
    assert collection.ids() == ["b"]


@pytest.mark.skipif(not LOADS_EXTENSIONS, reason="a connection of the user's is replaced")
def test_a_connection_of_one_thread_says_what_to_do(path, closing):
    db = closing(Database(path))
    collection = Collection("test", db, model=WordLengths())
    collection.embed("a", "text")
    remedy = "open a Collection for each thread, with the path"
    calls = [
        lambda: collection.embed("b", "text"),
        lambda: collection.similar("text"),
        lambda: collection.similar_by_id("a"),
        lambda: collection.delete_ids(["a"]),
        lambda: list(collection),
        lambda: check(db),
        collection.count,
        collection.ids,
        collection.delete,
        lambda: collection.get("a"),
        lambda: "a" in collection,
        lambda: Collection("test", db),
    ]
    with ThreadPoolExecutor(1) as pool:
        for call in calls:
            with pytest.raises(DatabaseError, match=remedy):
                pool.submit(call).result()
    assert collection.ids() == ["a"]


@pytest.mark.skipif(not LOADS_EXTENSIONS, reason="a connection of the user's is replaced")
def test_threads_share_a_connection_that_is_for_all(path, closing):
    conn = driver_module.connect(path, check_same_thread=False)
    collection = Collection("test", closing(Database(conn)), model=Model())
    in_threads(lambda number: work(collection, number, 1))
    assert_complete(collection.db)


def test_a_statement_is_interrupted_from_another_thread(path, driver, closing):
    db = closing(vecstore.connect(path, driver=driver))
    started = threading.Event()
    db.conn.create_function("begun", 0, started.set)
    thread = threading.Thread(target=lambda: started.wait(30) and db.conn.interrupt())
    thread.start()
    endless = (
        "with recursive n as (select begun() union all select 1 from n) select count(*) from n"
    )
    with pytest.raises(db.conn.OperationalError, match="interrupted"):
        db.execute(endless).fetchall()
    thread.join()
    assert rows(db, "select 1") == [(1,)]


def test_executemany_is_of_the_thread_that_runs_it(tmp_path):
    """Another thread has a turn before the first row: the transaction is still not its own."""
    with closing_now(vecstore.connect(tmp_path / "test.db", driver="apsw")) as db:
        db.execute("create table t (n integer)")

        def numbers():
            in_thread(lambda: db.execute("select 1").fetchall())
            yield [1]

        def in_thread(call):
            with ThreadPoolExecutor(1) as executor:
                return executor.submit(call).result()

        db.conn.executemany("insert into t values (?)", numbers())
        assert turns.has_transaction(db)
        assert not in_thread(lambda: turns.has_transaction(db))
        db.conn.commit()


def test_an_export_has_nothing_of_another_threads_transaction(tmp_path, driver):
    with closing_now(vecstore.connect(tmp_path / "test.db", driver=driver)) as db:
        collection = Collection("test", db, model=Model())
        collection.embed("a", "a")
        with ThreadPoolExecutor(1) as executor:
            insert = "insert into embeddings (collection_id, id) values (?, 'b')"
            executor.submit(db.conn.execute, insert, [collection.id]).result()
            with pytest.raises(DatabaseError, match="Another thread has a transaction open"):
                vecstore.export_collection(db, "test", tmp_path / "export.jsonl")
            executor.submit(db.rollback).result()
        assert vecstore.export_collection(db, "test", tmp_path / "export.jsonl").entries == 1


def test_a_search_does_not_wait_for_a_transaction_of_another_thread_to_build_an_index(
    tmp_path, driver
):
    with closing_now(vecstore.connect(tmp_path / "test.db", driver=driver, timeout=0.2)) as db:
        collection = Collection("test", db, model=Model())
        collection.embed_multi((n, f"text {n}") for n in range(20))
        vecstore.drop_index(db)
        with ThreadPoolExecutor(1) as executor:
            executor.submit(db.conn.execute, "update embeddings set updated = 0").result()
            explanation = collection.explain("text 3", 1)
            executor.submit(db.conn.commit).result()
        assert (explanation.plan, explanation.entries[0].id) == ("scan", "3")
        assert [status.state for status in vecstore.list_indexes(db)] == ["missing"]
        assert [entry.id for entry in collection.similar("text 3", 1)] == ["3"]
        assert [status.state for status in vecstore.list_indexes(db)] == ["ready"]


def test_a_file_is_opened_while_another_thread_is_importing_sqlite_utils(path, monkeypatch):
    half_imported = ModuleType("sqlite_utils.plugins")
    monkeypatch.setitem(sys.modules, "sqlite_utils.plugins", half_imported)
    vecstore.connect(path).close()
