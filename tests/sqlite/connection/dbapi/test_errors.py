"""The class, the message and the code of an error; and what is refused when closed."""

import sys

import pytest

from tests.support.faces import error


@pytest.mark.parametrize(
    ("sql", "raised", "code"),
    [
        ("nonsense", ("OperationalError", 'near "nonsense": syntax error'), "SQLITE_ERROR"),
        ("SELECT * FROM x", ("OperationalError", "no such table: x"), "SQLITE_ERROR"),
        ("SELECT x FROM t", ("OperationalError", "no such column: x"), "SQLITE_ERROR"),
        (
            "INSERT INTO t VALUES (5, 'one')",
            ("IntegrityError", "UNIQUE constraint failed: t.name"),
            "SQLITE_CONSTRAINT_UNIQUE",
        ),
        (
            "INSERT INTO t VALUES (5, 'bad')",
            ("IntegrityError", "CHECK constraint failed: name <> 'bad'"),
            "SQLITE_CONSTRAINT_CHECK",
        ),
        (
            "INSERT INTO t VALUES ('five', 'five')",
            ("IntegrityError", "datatype mismatch"),
            "SQLITE_MISMATCH",
        ),
        (
            "SELECT zeroblob(2000000000)",
            ("DataError", "string or blob too big"),
            "SQLITE_TOOBIG",
        ),
        (
            "COMMIT",
            ("OperationalError", "cannot commit - no transaction is active"),
            "SQLITE_ERROR",
        ),
    ],
)
def test_errors_have_sqlite3s_class_message_and_code(db, sql, raised, code):
    assert error(db.execute, sql) == raised
    with pytest.raises(db.Error) as caught:
        db.execute(sql)
    if sys.version_info >= (3, 11):
        assert caught.value.sqlite_errorname == code


def test_a_file_that_is_no_database_is_a_database_error(connect, tmp_path):
    (tmp_path / "a.db").write_bytes(b"no database" * 100)
    assert error(connect("a.db").execute, "SELECT * FROM sqlite_master") == (
        "DatabaseError",
        "file is not a database",
    )


def test_the_exceptions_are_attributes_of_the_connection(db):
    exceptions = [
        "DataError",
        "DatabaseError",
        "Error",
        "IntegrityError",
        "InterfaceError",
        "InternalError",
        "NotSupportedError",
        "OperationalError",
        "ProgrammingError",
        "Warning",
    ]
    assert [getattr(db, name).__name__ for name in exceptions] == exceptions


def test_a_closed_connection_refuses_everything(db):
    cursor = db.cursor()
    unread = db.execute("SELECT id FROM t; -- more than one row")
    db.close()
    db.close()
    closed = ("ProgrammingError", "Cannot operate on a closed database.")
    calls = [
        db.cursor,
        db.commit,
        db.rollback,
        db.interrupt,
        db.iterdump,
        cursor.fetchone,
        unread.fetchone,
        unread.fetchall,
        lambda: db.in_transaction,
        lambda: db.total_changes,
        lambda: db.isolation_level,
        lambda: db.execute("SELECT 1"),
        lambda: cursor.execute("SELECT 1"),
        lambda: cursor.executescript("SELECT 1"),
        lambda: db.create_function("f", 0, int),
    ]
    assert [error(call) for call in calls] == [closed] * len(calls)


def test_a_closed_cursor_refuses_everything(db):
    cursor = db.execute("SELECT 1")
    cursor.close()
    cursor.close()
    closed = ("ProgrammingError", "Cannot operate on a closed cursor.")
    calls = [
        cursor.fetchone,
        cursor.fetchall,
        cursor.fetchmany,
        lambda: next(cursor),
        lambda: cursor.execute("SELECT 1"),
        lambda: cursor.executemany("SELECT 1", []),
        lambda: cursor.executescript("SELECT 1"),
    ]
    assert [error(call) for call in calls] == [closed] * len(calls)
