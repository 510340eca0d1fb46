"""One list of behaviours, held against the standard library's sqlite3 and against the face.

Where versions of Python differ, the newer ones are followed: the older ones skip that test for
their own sqlite3.
"""

import gc
from contextlib import closing

import pytest

from tests.support.faces import open_face, open_sqlite3


@pytest.fixture(params=[open_sqlite3, open_face], ids=["sqlite3", "face"])
def connect(request, tmp_path):
    """Opens a connection to memory, or to a file of this test; all are closed after it."""
    opened = []

    def connect(name=""):
        opened.append(request.param(str(tmp_path / name) if name else ":memory:"))
        return opened[-1]

    yield connect
    for connection in opened:
        connection.close()


@pytest.fixture
def db(connect):
    """One connection, with a table t of three rows that are committed."""
    db = connect()
    db.executescript(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT UNIQUE CHECK (name <> 'bad'));"
        "INSERT INTO t VALUES (1, 'one'), (2, 'two'), (3, 'three');"
    )
    return db


@pytest.fixture
def face():
    with closing(open_face(":memory:")) as face:
        yield face


@pytest.fixture
def without_gc():
    gc.disable()
    yield
    gc.enable()
