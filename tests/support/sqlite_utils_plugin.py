"""A pytest plugin: sqlite3.connect() opens a vecstore.sqlite.connection.dbapi.Connection."""

import sqlite3 as stdlib_sqlite3
from typing import Any

import apsw
import pytest
from sqlite_utils.utils import sqlite3

from vecstore.sqlite.connection.dbapi import Connection

real_connect = sqlite3.connect
opened = 0


def connect(database: Any, timeout: float = 5.0, **options: Any) -> Any:
    if "autocommit" in options:
        # A test of how sqlite-utils refuses such connections, which the face cannot be.
        return real_connect(database, timeout=timeout, **options)
    global opened
    opened += 1
    flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
    if options.get("uri"):
        flags |= apsw.SQLITE_OPEN_URI
    connection = apsw.Connection(str(database), flags)
    connection.set_busy_timeout(int(timeout * 1000))
    return Connection(connection)


sqlite3.connect = stdlib_sqlite3.connect = connect


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.write_line(f"connections opened: {opened}")
