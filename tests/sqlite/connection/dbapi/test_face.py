"""What only the face does: apsw's errors, sqlite-utils, and other threads."""

import inspect
import sqlite3
import threading

import apsw
import pytest
import sqlite_utils
from sqlite_utils.utils import sqlite3 as sqlite_utils_sqlite3

from tests.support.faces import error
from vecstore.sqlite.connection import dbapi_translation


def apsw_exceptions():
    members = inspect.getmembers(apsw, inspect.isclass)
    return [member for _, member in members if issubclass(member, apsw.Error)]


@pytest.mark.parametrize("exception", apsw_exceptions(), ids=lambda exception: exception.__name__)
def test_every_apsw_exception_is_translated(exception):
    expected = dbapi_translation.EXCEPTIONS[exception]
    assert issubclass(expected, sqlite_utils_sqlite3.Error | MemoryError)
    original = exception("what happened")
    with pytest.raises(expected) as caught:
        dbapi_translation.raise_as_sqlite3(original)
    assert type(caught.value) is expected
    assert caught.value.__cause__ is original


def test_only_what_apsw_has_is_translated():
    assert set(dbapi_translation.EXCEPTIONS) == set(apsw_exceptions())


def test_the_errors_are_those_that_sqlite_utils_catches(face):
    with pytest.raises(sqlite_utils_sqlite3.OperationalError) as caught:
        face.execute("SELECT * FROM nowhere")
    assert isinstance(caught.value.__cause__, apsw.SQLError)
    assert caught.value.sqlite_errorname == "SQLITE_ERROR"


def test_an_error_carries_what_the_users_function_raised(face):
    def fail():
        raise KeyError("on purpose")

    face.create_function("fail", 0, fail)
    with pytest.raises(face.OperationalError) as caught:
        face.execute("SELECT fail()")
    assert repr(caught.value.__cause__.__cause__) == "KeyError('on purpose')"


def test_the_wrapped_connection_is_an_attribute(face):
    face.execute("CREATE TABLE t (a)")
    assert face.apsw.table_exists("main", "t")


def test_sqlite_utils_takes_the_face_for_a_connection(face):
    db = sqlite_utils.Database(face)
    db["t"].insert_all([{"id": n, "name": f"n{n}"} for n in range(250)], pk="id")
    db["t"].transform(rename={"name": "title"})
    db["t"].enable_fts(["title"])
    assert db["t"].count == 250
    assert list(db["t"].search("n7", columns=["title"])) == [{"title": "n7"}]
    assert face.in_transaction is False


def test_the_rows_of_pysqlite3_or_sqlite3_are_made_as_asked(face):
    for module in (sqlite3, sqlite_utils_sqlite3):
        face.row_factory = module.Row
        row = face.execute("SELECT 1 AS a").fetchone()
        assert (type(row), row["a"]) == (module.Row, 1)


def test_another_thread_may_use_the_connection(face):
    rows = []
    thread = threading.Thread(target=lambda: rows.extend(face.execute("SELECT 1")))
    thread.start()
    thread.join()
    assert rows == [(1,)]


def test_a_statement_can_be_interrupted_from_another_thread(face):
    started = threading.Event()
    face.create_function("start", 0, started.set)
    thread = threading.Thread(target=lambda: started.wait(10) and face.interrupt())
    thread.start()
    numbers = "WITH n(i) AS (SELECT start() UNION ALL SELECT 1 FROM n LIMIT 100000000)"
    assert error(face.execute, f"{numbers} SELECT count(*) FROM n") == (
        "OperationalError",
        "interrupted",
    )
    thread.join()


def test_text_that_is_not_utf_8_can_be_read_as_a_blob(face):
    face.execute("CREATE TABLE t (a)")
    face.execute("INSERT INTO t VALUES (CAST(x'ff61' AS TEXT))")
    assert error(face.execute, "SELECT a FROM t") == (
        "OperationalError",
        "Could not decode to UTF-8 text b'\\xffa'",
    )
    assert face.execute("SELECT CAST(a AS BLOB) FROM t").fetchone() == (b"\xffa",)
