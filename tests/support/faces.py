"""sqlite3's connection and the face of ours, and what a test asks of both."""

import sqlite3
import sys

import apsw
import pytest

from vecstore.sqlite.connection import dbapi


def open_sqlite3(path):
    return sqlite3.connect(path, timeout=0)


def open_face(path):
    return dbapi.Connection(apsw.Connection(path))


def skip_old_sqlite3(db):
    if isinstance(db, sqlite3.Connection) and sys.version_info < (3, 11):
        pytest.skip("sqlite3 does so from Python 3.11 on")


def error(function, *arguments):
    """The class and the message of what a call raises."""
    with pytest.raises(Exception) as caught:  # noqa: PT011
        function(*arguments)
    return type(caught.value).__name__, str(caught.value)


def names(db):
    return [name for (name,) in db.execute("SELECT name FROM t ORDER BY id")]
