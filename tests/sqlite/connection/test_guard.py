"""No two SQLite libraries of one process on one file; and moving a Database to apsw."""

import contextlib
import os
import sqlite3
import subprocess
import sys
import textwrap
import threading
import warnings
from pathlib import Path

import apsw
import pytest
import sqlite_utils
from sqlite_utils.utils import sqlite3 as driver_module

import vecstore
from tests.support.databases import LOADS_EXTENSIONS, NoExtensions, rows
from tests.support.models import Vectors
from vecstore import Collection
from vecstore.sqlite.connection import dbapi, guard

# The guard looks for connections through all that Python has.
pytestmark = pytest.mark.usefixtures("small_heap")


@pytest.fixture
def no_extensions(closing):
    """A function that opens a Database whose connection cannot load extensions."""

    def open(path):
        conn = sqlite3.connect(path, factory=NoExtensions)
        return closing(sqlite_utils.Database(conn))

    return open


def test_apsw_does_not_open_what_sqlite3_has_open(path):
    conn = sqlite3.connect(path)
    conn.execute("create table t (a)")
    with pytest.raises(vecstore.TwoLibrariesError, match="open in another SQLite library"):
        vecstore.connect(path, driver="apsw")
    conn.close()
    vecstore.connect(path, driver="apsw").close()


def test_sqlite3_does_not_open_what_apsw_has_open(path, tmp_path):
    db = vecstore.connect(path, driver="apsw")
    db["t"].insert({"a": 1})
    link = tmp_path / "link.db"
    link.symlink_to(path)
    uri = f"file:{path}?mode=ro"
    for name in (path, os.fsencode(path), link, str(link)):
        with pytest.raises(vecstore.TwoLibrariesError, match="use the Database that vecstore"):
            sqlite3.connect(name)
    with pytest.raises(vecstore.TwoLibrariesError):
        sqlite3.connect(uri, uri=True)
    if driver_module is sqlite3:
        with pytest.raises(vecstore.TwoLibrariesError):
            sqlite_utils.Database(path)
    db.close()
    conn = sqlite3.connect(path)
    assert conn.execute("select a from t").fetchall() == [(1,)]
    conn.close()


def test_the_guard_leaves_other_files_and_memory_alone(path, tmp_path, closing):
    closing(vecstore.connect(path, driver="apsw"))
    for name in (":memory:", "", tmp_path / "other.db", str(tmp_path / "new.db")):
        sqlite3.connect(name).close()


def test_apsw_opens_one_file_many_times(path, closing):
    one, two = (closing(vecstore.connect(path, driver="apsw")) for _ in range(2))
    one["t"].insert({"a": 1})
    assert two["t"].count == 1


def test_other_processes_are_no_problem(path):
    db = vecstore.connect(path, driver="apsw")
    db["t"].insert({"a": 1})
    code = f"""
        import sqlite3
        conn = sqlite3.connect({path!r})
        conn.execute("insert into t values (2)")
        conn.commit()
        conn.close()
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True)
    assert rows(db, "select a from t") == [(1,), (2,)]
    db.close()


@pytest.mark.skipif(LOADS_EXTENSIONS, reason="this Python's sqlite3 loads extensions")
def test_an_ordinary_database_is_moved_to_apsw_here(path, closing):
    db = closing(sqlite_utils.Database(path))
    Collection("test", db, model=Vectors())
    assert type(db.conn) is dbapi.Connection


@pytest.mark.skipif(not LOADS_EXTENSIONS, reason="this Python's sqlite3 loads no extensions")
def test_an_ordinary_database_keeps_its_connection_here(path, closing):
    db = closing(sqlite_utils.Database(path))
    conn = db.conn
    Collection("test", db, model=Vectors())
    assert db.conn is conn


def test_a_moved_database_keeps_what_it_held(path, no_extensions):
    for name in (path, ":memory:"):
        db = no_extensions(name)
        db["notes"].insert_all([{"id": 1, "text": "one"}, {"id": 2, "text": "two"}], pk="id")
        db["notes"].enable_fts(["text"])
        collection = Collection("test", db, model=Vectors())
        collection.embed("a", "1 0")
        assert type(db.conn) is dbapi.Connection
        assert [row["id"] for row in db["notes"].search("two")] == [2]
        assert [e.id for e in collection.similar("1 0")] == ["a"]


def test_a_memory_database_without_serialize_is_moved_too(no_extensions, monkeypatch):
    monkeypatch.setattr(NoExtensions, "serialize", property(), raising=False)
    db = no_extensions(":memory:")
    db["notes"].insert({"id": 1, "text": "it's one"}, pk="id")
    Collection("test", db, model=Vectors())
    assert list(db["notes"].rows) == [{"id": 1, "text": "it's one"}]


@pytest.mark.skipif(LOADS_EXTENSIONS, reason="functions are only remembered where they may move")
def test_functions_move_with_the_database(no_extensions, path):
    db = no_extensions(path)

    @db.register_function
    def shout(text):
        return text.upper() + "!"

    @db.register_function(deterministic=True, name="twice")
    def double(n):
        return 2 * n

    db.register_function(lambda: 7, name="seven")
    Collection("test", db, model=Vectors())
    assert rows(db, "select shout('hi'), twice(4), seven()") == [("HI!", 8, 7)]
    db.register_function(lambda: 8, name="seven", replace=True)
    assert rows(db, "select seven()") == [(8,)]


def test_a_moved_read_only_database_stays_read_only(path, closing):
    vecstore.connect(path, driver="apsw").close()
    Collection("test", path, model=Vectors()).db.close()
    conn = sqlite3.connect(f"file:{path}?mode=ro", uri=True, factory=NoExtensions)
    db = closing(sqlite_utils.Database(conn))
    collection = Collection("test", db)
    assert collection.similar_by_vector([1, 0]) == []
    with pytest.raises(db.conn.OperationalError, match="readonly"):
        db["t"].insert({"a": 1})


def in_a_transaction(db, path):
    db.begin()
    db["t"].insert({"a": 2})


def with_an_attached_database(db, path):
    db.attach("more", path + ".other")


def with_a_temporary_table(db, path):
    db.execute("create temp table scratch (a)")


def with_a_collation(db, path):
    db.conn.create_collation("backwards", lambda a, b: (a < b) - (a > b))


def with_a_second_connection(db, path):
    return sqlite3.connect(path)


@pytest.mark.parametrize(
    ("trouble", "message"),
    [
        (in_a_transaction, "a transaction is open"),
        (with_an_attached_database, "more is attached"),
        (with_a_temporary_table, "scratch is temporary"),
        (with_a_collation, "(?i)collation backwards would be lost"),
        (with_a_second_connection, "open once more"),
    ],
)
def test_what_cannot_move_is_an_error_that_changes_nothing(path, no_extensions, trouble, message):
    db = no_extensions(path)
    db["t"].insert({"a": 1})
    conn = db.conn
    second = trouble(db, path)
    with pytest.raises(vecstore.AdoptionError, match=message):
        Collection("test", db, model=Vectors())
    assert db.conn is conn
    assert rows(db, "select a from t")[0] == (1,)
    assert "embeddings" not in db.table_names()
    if second:
        second.close()


def test_a_shared_memory_database_cannot_move(closing):
    conn = sqlite3.connect("file:shared?mode=memory&cache=shared", uri=True, factory=NoExtensions)
    db = closing(sqlite_utils.Database(conn))
    db.memory_name = "shared"  # as Database(memory_name="shared") sets it
    with pytest.raises(vecstore.AdoptionError, match="memory database shared is shared"):
        Collection("test", db, model=Vectors())


def test_a_function_that_is_not_known_to_vecstore_cannot_move(no_extensions, path):
    db = no_extensions(path)
    db._registered_functions.add(("early", 1))
    with pytest.raises(vecstore.AdoptionError, match="early was registered before vecstore"):
        Collection("test", db, model=Vectors())


def test_a_database_is_adopted_once(db):
    one = Collection("one", db, model=Vectors())
    conn = db.conn
    two = Collection("two", db, model=Vectors())
    assert db.conn is conn
    one.embed("a", "1 0")
    two.embed("b", "1 0")
    assert db["embeddings"].count == 2


def test_no_row_is_lost_between_a_web_application_and_vecstore(path):
    """What happened without the guard: a commit of sqlite3 was gone for good."""
    vecstore_db = vecstore.connect(path, driver="apsw")
    vecstore_db["t"].insert({"a": 1})
    with pytest.raises(vecstore.TwoLibrariesError):
        sqlite3.connect(path)
    vecstore_db["t"].insert({"a": 2})
    vecstore_db.close()
    raw = apsw.Connection(path)
    assert raw.execute("select a from t").fetchall() == [(1,), (2,)]
    raw.close()


def test_pysqlite3_opens_nothing_that_sqlite3_or_apsw_has_open(path):
    conn = sqlite3.connect(path)
    conn.execute("create table t (a)")
    with pytest.raises(vecstore.TwoLibrariesError, match="pysqlite3 would not see its locks"):
        guard.refuse_second_library(path, "pysqlite3")
    conn.close()
    guard.refuse_second_library(path, "pysqlite3")
    raw = apsw.Connection(path)
    with pytest.raises(vecstore.TwoLibrariesError):
        guard.refuse_second_library(path, "pysqlite3")
    raw.close()


@pytest.mark.skipif(sys.version_info < (3, 11), reason="close() ends all queries in Python 3.10")
def test_a_query_with_rows_left_cannot_move_and_the_database_stays_usable(path, no_extensions):
    db = no_extensions(path)
    db["t"].insert_all({"a": n} for n in range(3))
    query = db.query("select a from t order by a")
    assert next(query) == {"a": 0}
    with pytest.raises(vecstore.AdoptionError, match="still has rows to give"):
        Collection("test", db, model=Vectors())
    assert db["t"].count == 3
    del query
    Collection("test", db, model=Vectors()).embed("a", "1 0")
    assert type(db.conn) is dbapi.Connection


@pytest.mark.skipif(sys.version_info >= (3, 11), reason="refused from Python 3.11 on")
def test_a_query_with_rows_left_ends_with_an_error_when_the_database_moves(path, no_extensions):
    db = no_extensions(path)
    db["t"].insert_all({"a": n} for n in range(3))
    query = db.query("select a from t order by a")
    assert next(query) == {"a": 0}
    Collection("test", db, model=Vectors()).embed("a", "1 0")
    with pytest.raises(sqlite3.ProgrammingError):
        next(query)
    assert db["t"].count == 3


def test_a_file_that_was_moved_since_it_was_opened_cannot_move(path, no_extensions):
    db = no_extensions(path)
    db["t"].insert({"a": 1})
    Path(path).rename(path + ".moved")
    with pytest.raises(vecstore.AdoptionError, match="was moved or deleted"):
        Collection("test", db, model=Vectors())
    assert not Path(path).exists()
    assert db["t"].count == 1


def test_a_moved_database_commits_as_it_did(path, closing):
    conn = sqlite3.connect(path, isolation_level=None, factory=NoExtensions)
    conn.execute("pragma synchronous = off")
    db = closing(sqlite_utils.Database(conn))
    Collection("test", db, model=Vectors())
    assert rows(db, "pragma synchronous") == [(0,)]
    db.conn.execute("create table t (a)")
    db.conn.execute("insert into t values (1)")
    db.close()
    db = closing(vecstore.connect(path))
    assert rows(db, "select a from t") == [(1,)]


def test_a_file_that_apsw_had_open_is_free_again(path):
    vecstore.connect(path, driver="apsw").close()
    one, two = sqlite3.connect(path), sqlite3.connect(path)
    one.close()
    two.close()


def test_a_new_file_of_an_old_name_is_another_file(path):
    db = vecstore.connect(path, driver="apsw")
    Path(path).unlink()
    conn = sqlite3.connect(path)
    conn.execute("create table t (a)")
    with pytest.raises(vecstore.TwoLibrariesError):
        vecstore.connect(path, driver="apsw")
    conn.close()
    db.close()


def test_a_file_that_apsw_attached_may_be_opened_with_apsw_alone(path, closing):
    db = closing(vecstore.connect(path, driver="apsw"))
    other = path + ".other"
    db.attach("other", other)
    db.execute("create table other.t (a)")
    assert closing(vecstore.connect(other, driver="apsw"))["t"].count == 0
    with pytest.raises(vecstore.TwoLibrariesError):
        sqlite3.connect(other)


# From Python 3.13 on, a connection that an audit hook refuses is reported as never closed.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_no_thread_comes_between_the_check_and_the_opening(tmp_path):
    for n in range(50):
        path = str(tmp_path / f"{n}.db")
        barrier = threading.Barrier(2)
        opened = []

        def run(connect, path=path, barrier=barrier, opened=opened):
            barrier.wait()
            with contextlib.suppress(vecstore.TwoLibrariesError):
                opened.append(connect(path))

        def with_apsw(path):
            return vecstore.connect(path, driver="apsw")

        def with_sqlite3(path):
            return sqlite3.connect(path, check_same_thread=False)

        threads = [threading.Thread(target=run, args=[c]) for c in (with_apsw, with_sqlite3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(opened) <= 1
        for connection in opened:
            connection.close()


def test_a_database_that_nobody_refers_to_is_no_obstacle(path):
    class Holder:
        def __init__(self):
            self.conn = sqlite3.connect(path)
            self.conn.execute("create table t (a)")
            self.itself = self  # only the garbage collector ends this

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        Holder()
        vecstore.connect(path, driver="apsw").close()
