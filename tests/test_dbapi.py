"""One list of behaviours, held against the standard library's sqlite3 and against the face.

Where versions of Python differ, the newer ones are followed: the older ones skip that test for
their own sqlite3.
"""

import datetime
import gc
import inspect
import sqlite3
import sys
import threading
import weakref
from contextlib import closing, suppress

import apsw
import pytest
import sqlite_utils
from sqlite_utils.utils import sqlite3 as sqlite_utils_sqlite3

from vecstore.sqlite.connection import dbapi, dbapi_translation


def open_sqlite3(path):
    return sqlite3.connect(path, timeout=0)


def open_face(path):
    return dbapi.Connection(apsw.Connection(path))


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


NOTHING = (None, None, None, None, None, None)


# Results


def test_rows_are_fetched_one_some_or_all(db):
    cursor = db.execute("SELECT id FROM t ORDER BY id")
    assert (cursor.fetchone(), cursor.fetchall(), cursor.fetchone()) == ((1,), [(2,), (3,)], None)
    cursor.execute("SELECT id FROM t ORDER BY id")
    assert (cursor.arraysize, cursor.fetchmany(), cursor.fetchmany(5)) == (1, [(1,)], [(2,), (3,)])
    cursor.arraysize = 2
    assert cursor.execute("SELECT id FROM t ORDER BY id").fetchmany() == [(1,), (2,)]
    assert list(cursor) == [(3,)]
    assert next(cursor, "end") == "end"


def test_the_connection_and_its_shortcuts_give_cursors(db):
    cursor = db.cursor()
    assert cursor.connection is db
    assert cursor.execute("SELECT 1") is cursor
    assert cursor.executemany("INSERT INTO t VALUES (?, ?)", [(4, "four")]) is cursor
    assert cursor.executescript("SELECT 1; SELECT 2") is cursor
    assert type(db.execute("SELECT 1")) is type(cursor)


def test_values_of_every_type_come_back(db):
    values = (None, 1, -(2**63), 2**63 - 1, 1.5, "té\0xt", b"\0\xff")
    assert db.execute("SELECT ?, ?, ?, ?, ?, ?, ?", values).fetchone() == values
    others = (True, bytearray(b"a"), memoryview(b"b"), type("Text", (str,), {})("c"))
    assert db.execute("SELECT ?, ?, ?, ?", others).fetchone() == (1, b"a", b"b", "c")


def test_the_description_names_the_columns(db):
    sql = "SELECT id AS 'the id', name, name FROM t"
    expected = (("the id", *NOTHING), ("name", *NOTHING), ("name", *NOTHING))
    assert db.execute(sql).description == expected
    assert db.execute(f"{sql} WHERE 0").description == expected
    assert db.execute("INSERT INTO t VALUES (4, 'four') RETURNING id").description == (
        ("id", *NOTHING),
    )


@pytest.mark.parametrize(
    "sql", ["INSERT INTO t VALUES (9, 'nine')", "CREATE TABLE u (a)", "PRAGMA user_version = 1", ""]
)
def test_a_statement_without_columns_has_no_description(db, sql):
    assert db.cursor().description is None
    assert db.execute(sql).description is None


def test_the_description_is_of_the_schema_as_it_is_now(db):
    db.execute("CREATE TABLE u (a)")
    for column in ("b", "c"):
        db.execute("SELECT * FROM u").fetchall()
        db.execute(f"ALTER TABLE u ADD COLUMN {column}")
    description = db.execute("SELECT * FROM u").description
    assert [column[0] for column in description] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("sql", "rowcount"),
    [
        ("INSERT INTO t VALUES (7, 'a'), (8, 'b')", 2),
        ("UPDATE t SET name = name || id", 3),
        ("/* a */ -- b\n update t set id = id where 0", 0),
        ("INSERT OR IGNORE INTO t VALUES (1, 'again')", 0),
        ("REPLACE INTO t VALUES (1, 'again')", 1),
        ("DELETE FROM t", 3),
        ("DELETE FROM t; -- all of them", 3),
        ("WITH n(i) AS (SELECT 9) INSERT INTO t SELECT i, i FROM n", -1),
        ("SELECT * FROM t", -1),
        ("CREATE TABLE u (a)", -1),
    ],
)
def test_the_rowcount_is_that_of_changed_rows(db, sql, rowcount):
    assert db.execute(sql).rowcount == rowcount


def test_the_rowcount_of_returning_is_known_when_its_rows_are_fetched(db):
    skip_old_sqlite3(db)
    cursor = db.execute("UPDATE t SET name = id RETURNING id")
    assert cursor.rowcount == 0
    assert (len(cursor.fetchall()), cursor.rowcount) == (3, 3)
    assert db.execute("UPDATE t SET name = id WHERE 0 RETURNING id").rowcount == 0


def test_the_rowcount_leaves_out_what_triggers_change(db):
    db.executescript(
        "CREATE TABLE log (id);"
        "CREATE TRIGGER logged AFTER UPDATE ON t BEGIN INSERT INTO log VALUES (1), (2); END"
    )
    assert db.execute("UPDATE t SET id = id").rowcount == 3
    assert db.executemany("UPDATE t SET id = id WHERE id = ?", [(1,), (2,), (7,)]).rowcount == 2


def test_lastrowid_is_that_of_a_single_execute(db):
    cursor = db.cursor()
    assert cursor.lastrowid is None
    cursor.execute("INSERT INTO t VALUES (40, 'forty')")
    assert cursor.lastrowid == 40
    cursor.executemany("INSERT INTO t VALUES (?, ?)", [(50, "fifty")])
    assert cursor.lastrowid == 40


def test_total_changes_counts_from_the_beginning(db):
    before = db.total_changes
    db.execute("UPDATE t SET id = id")
    db.executemany("DELETE FROM t WHERE id = ?", [(1,), (2,)])
    assert db.total_changes - before == 5


def test_rows_pass_through_the_row_factory(db):
    db.row_factory = lambda cursor, row: {
        column[0]: value for column, value in zip(cursor.description, row, strict=True)
    }
    assert db.execute("SELECT id, name FROM t WHERE id < 3").fetchall() == [
        {"id": 1, "name": "one"},
        {"id": 2, "name": "two"},
    ]
    cursor = db.cursor()
    cursor.row_factory = lambda cursor, row: list(row)
    assert list(cursor.execute("SELECT 1")) == [[1]]
    assert db.execute("SELECT 2 AS two").fetchone() == {"two": 2}


def test_rows_are_of_the_class_sqlite3_row(db):
    db.row_factory = sqlite3.Row
    row = db.execute("""SELECT id, name AS 'a "name"' FROM t""").fetchone()
    assert isinstance(row, sqlite3.Row)
    assert (row.keys(), tuple(row), row["ID"]) == (["id", 'a "name"'], (1, "one"), 1)


def test_text_passes_through_the_text_factory(db):
    db.text_factory = bytes
    assert db.execute("SELECT 'é', 1, x'00'").fetchone() == (b"\xc3\xa9", 1, b"\x00")
    db.text_factory = lambda data: data.decode().upper()
    assert db.execute("SELECT 'é'").fetchall() == [("É",)]


# Statements and parameters


def test_parameters_are_positional_or_named(db):
    def select(sql, parameters):
        return db.execute(sql, parameters).fetchone()

    class Default(dict):
        def __missing__(self, name):
            return f"no {name}"

    assert select("SELECT ?, ?", [1, 2]) == (1, 2)
    assert select("SELECT ?2, ?1", (1, 2)) == (2, 1)
    assert select("SELECT :a, @b, $a", {"a": 1, "b": 2, "c": 3}) == (1, 2, 1)
    assert select("SELECT :a, :b", Default(a=1)) == (1, "no b")


@pytest.mark.parametrize(
    ("sql", "parameters"),
    [
        ("SELECT ?", ()),
        ("SELECT ?", (1, 2)),
        ("SELECT 1", (1,)),
        ("SELECT ?", {"a": 1}),
        ("SELECT :a", {"b": 1}),
        ("SELECT ?", (object(),)),
        ("SELECT ?", None),
        ("SELECT ?", 5),
        ("SELECT ?", {1}),
        ("SELECT ?", iter([1])),
    ],
)
def test_parameters_that_do_not_fit_are_a_programming_error(db, sql, parameters):
    skip_old_sqlite3(db)
    assert error(db.execute, sql, parameters)[0] == "ProgrammingError"


def test_the_errors_of_parameters_say_which(db):
    skip_old_sqlite3(db)
    assert error(db.execute, "SELECT :a", {}) == (
        "ProgrammingError",
        "You did not supply a value for binding parameter :a.",
    )
    assert error(db.execute, "SELECT ?, ?", (1, object())) == (
        "ProgrammingError",
        "Error binding parameter 2: type 'object' is not supported",
    )
    assert error(db.execute, "SELECT ?", (2**63,)) == (
        "OverflowError",
        "Python int too large to convert to SQLite INTEGER",
    )
    assert error(db.execute, "SELECT ?", ("\ud800",))[0] == "UnicodeEncodeError"


@pytest.mark.filterwarnings("ignore:The default date:DeprecationWarning")
def test_values_are_adapted_as_registered(db):
    class Point:
        def __conform__(self, protocol):
            return "1;2"

    values = (Point(), datetime.date(2024, 2, 29))
    assert db.execute("SELECT ?, ?", values).fetchone() == ("1;2", "2024-02-29")


@pytest.mark.parametrize("end", [";", " ; ", "; -- done", ";\n/* done"])
def test_what_is_blank_may_follow_a_statement(db, end):
    assert db.execute(f"SELECT id FROM t{end}").fetchall() == [(1,), (2,), (3,)]
    assert db.execute(f"DELETE FROM t WHERE id < ?{end}", (3,)).rowcount == 2


@pytest.mark.parametrize("sql", ["SELECT 1; SELECT 2", "DELETE FROM t; DELETE FROM t"])
def test_a_second_statement_is_refused_and_nothing_run(db, sql):
    skip_old_sqlite3(db)
    assert error(db.execute, sql) == (
        "ProgrammingError",
        "You can only execute one statement at a time.",
    )
    assert (names(db), db.in_transaction) == (["one", "two", "three"], False)


def test_executemany_takes_any_iterable_and_sums_the_rows(db):
    rows = ((n, f"n{n}") for n in (4, 5))
    assert db.executemany("INSERT INTO t VALUES (?, ?)", rows).rowcount == 2
    named = [{"id": 4}, {"id": 5}, {"id": 6}]
    assert db.executemany("DELETE FROM t WHERE id = :id", named).rowcount == 2
    assert names(db) == ["one", "two", "three"]


def test_executemany_stops_at_the_first_error(db):
    rows = [(4, "four"), (4, "again"), (5, "five")]
    assert error(db.executemany, "INSERT INTO t VALUES (?, ?)", rows) == (
        "IntegrityError",
        "UNIQUE constraint failed: t.id",
    )
    assert (names(db), db.in_transaction) == (["one", "two", "three", "four"], True)


def test_executemany_lets_the_errors_of_its_iterable_through(db):
    def rows():
        yield (4, "four")
        raise KeyError("five")

    assert error(db.executemany, "INSERT INTO t VALUES (?, ?)", rows()) == ("KeyError", "'five'")


def test_executemany_refuses_what_only_reads(db):
    assert error(db.executemany, "SELECT ?", [(1,)]) == (
        "ProgrammingError",
        "executemany() can only execute DML statements.",
    )


def test_executescript_commits_first_and_begins_nothing(db):
    db.execute("DELETE FROM t WHERE id = 1")
    db.executescript("INSERT INTO t VALUES (4, 'four'); SELECT * FROM t;")
    assert db.in_transaction is False
    db.rollback()
    assert names(db) == ["two", "three", "four"]
    assert error(db.executescript, "DELETE FROM t; nonsense")[0] == "OperationalError"
    assert names(db) == []


# Transactions


@pytest.mark.parametrize(
    ("sql", "begun"),
    [
        ("INSERT INTO t VALUES (4, 'four')", True),
        ("  update t set id = id", True),
        ("-- why\nDELETE FROM t", True),
        ("REPLACE INTO t VALUES (1, 'one')", True),
        ("INSERT INTO t VALUES (4, 'four') RETURNING id", True),
        ("SELECT * FROM t", False),
        ("CREATE TABLE u (a)", False),
        ("PRAGMA user_version = 1", False),
        ("DELETE FROM nowhere", False),
    ],
)
def test_a_transaction_begins_before_a_change(db, sql, begun):
    skip_old_sqlite3(db)
    try:
        db.execute(sql)
    except db.Error:
        assert not begun
    assert db.in_transaction is begun


def test_commit_and_rollback_end_it_and_do_nothing_without_one(db):
    db.commit()
    db.rollback()
    db.execute("DELETE FROM t WHERE id = 1")
    db.commit()
    db.execute("DELETE FROM t WHERE id = 2")
    db.rollback()
    assert (names(db), db.in_transaction) == (["two", "three"], False)


def test_the_isolation_level_is_how_a_transaction_begins(connect):
    one, other = connect("a.db"), connect("a.db")
    one.execute("CREATE TABLE t (a)")
    assert one.isolation_level == ""
    one.isolation_level = "immediate"
    assert one.isolation_level.upper() == "IMMEDIATE"
    one.execute("DELETE FROM t")
    assert error(other.execute, "INSERT INTO t VALUES (1)") == (
        "OperationalError",
        "database is locked",
    )
    assert other.in_transaction is True


def test_no_isolation_level_commits_and_then_begins_nothing(db):
    db.execute("DELETE FROM t WHERE id = 1")
    db.isolation_level = None
    assert (db.isolation_level, db.in_transaction) == (None, False)
    db.execute("DELETE FROM t WHERE id = 2")
    assert db.in_transaction is False
    db.execute("BEGIN")
    db.execute("DELETE FROM t WHERE id = 3")
    db.execute("ROLLBACK")
    assert names(db) == ["three"]


@pytest.mark.parametrize(("level", "raised"), [("foo", ValueError), (5, TypeError)])
def test_the_isolation_level_is_one_of_four_or_none(db, level, raised):
    with pytest.raises(raised, match="isolation_level"):
        db.isolation_level = level
    assert db.isolation_level == ""


def test_the_connection_is_a_context_of_one_transaction(db):
    with db as entered:
        db.execute("DELETE FROM t WHERE id = 1")
    assert entered is db

    def fail():
        with db:
            db.execute("DELETE FROM t")
            raise ZeroDivisionError("on purpose")

    assert error(fail) == ("ZeroDivisionError", "on purpose")
    assert (names(db), db.in_transaction) == (["two", "three"], False)


def test_a_commit_that_fails_in_the_context_is_rolled_back(db):
    db.execute("PRAGMA foreign_keys = on")
    db.execute("CREATE TABLE u (t_id REFERENCES t DEFERRABLE INITIALLY DEFERRED)")

    def fail():
        with db:
            db.execute("INSERT INTO u VALUES (99)")

    assert error(fail) == ("IntegrityError", "FOREIGN KEY constraint failed")
    assert db.in_transaction is False


def test_closing_rolls_back(connect):
    db = connect("a.db")
    db.execute("CREATE TABLE t (a)")
    db.execute("INSERT INTO t VALUES (1)")
    db.close()
    assert connect("a.db").execute("SELECT * FROM t").fetchall() == []


# How far a statement has run


def test_a_change_is_complete_when_execute_returns(db):
    cursor = db.execute("UPDATE t SET name = name || '!' RETURNING id")
    assert names(db) == ["one!", "two!", "three!"]
    assert cursor.fetchall() == [(1,), (2,), (3,)]


def test_errors_of_the_first_step_are_raised_by_execute(db):
    assert error(db.execute, "SELECT json('{')") == ("OperationalError", "malformed JSON")


def test_rows_can_be_changed_while_they_are_read(db):
    seen = []
    for (id_,) in db.execute("SELECT id FROM t ORDER BY id"):
        seen.append(id_)
        db.execute("UPDATE t SET name = ? WHERE id = ?", (f"seen {id_}", id_))
        db.commit()
    assert (seen, names(db)) == ([1, 2, 3], ["seen 1", "seen 2", "seen 3"])


def test_a_statement_with_its_last_row_fetched_locks_nothing(db):
    cursor = db.execute("SELECT id FROM t WHERE id = 1")
    assert cursor.fetchone() == (1,)
    db.execute("DROP TABLE t")


def test_a_cursor_that_is_dropped_half_way_locks_nothing(db, without_gc):
    db.execute("SELECT id FROM t").fetchone()
    cursor = db.execute("SELECT id FROM t")
    db.execute("SELECT 1").fetchall()
    del cursor
    db.execute("DROP TABLE t")


@pytest.mark.parametrize("column", ["json(name)", "CAST(x'ff' AS TEXT)"])
def test_a_statement_that_failed_locks_nothing(db, without_gc, column):
    with pytest.raises(db.Error) as kept:
        db.execute(f"SELECT {column} FROM t").fetchall()
    db.execute("DROP TABLE t")
    assert kept.value.__traceback__ is not None


@pytest.mark.parametrize("sql", ["nonsense", 5])
@pytest.mark.parametrize("method", ["execute", "executescript"])
def test_an_error_that_was_handled_keeps_nothing_alive(db, without_gc, method, sql):
    skip_old_sqlite3(db)
    cursor = db.cursor()
    with suppress(db.Error, TypeError):
        getattr(cursor, method)(sql)
    dropped = weakref.ref(cursor)
    del cursor
    assert dropped() is None


def test_a_half_read_statement_locks_its_table(db):
    cursor = db.execute("SELECT id FROM t")
    assert error(db.execute, "DROP TABLE t") == ("OperationalError", "database table is locked")
    cursor.close()
    db.execute("DROP TABLE t")


# Errors


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


# Functions of the user


class Sum:
    def __init__(self):
        self.total = 0

    def step(self, value):
        self.total += value

    def inverse(self, value):
        self.total -= value

    def value(self):
        return self.total

    def finalize(self):
        return self.total


def test_functions_are_created_called_and_removed(db):
    db.create_function("shout", 1, lambda text: text.upper() + "!", deterministic=True)
    db.create_function("count_args", -1, lambda *values: len(values))
    assert db.execute("SELECT shout('a'), count_args(), count_args(1, 2)").fetchone() == (
        "A!",
        0,
        2,
    )
    db.execute("CREATE INDEX shouted ON t (shout(name))")
    assert error(db.execute, "SELECT shout()") == (
        "OperationalError",
        "wrong number of arguments to function shout()",
    )
    db.create_function("count_args", -1, None)
    assert error(db.execute, "SELECT count_args()")[0] == "OperationalError"


def test_a_function_that_fails_is_an_operational_error(db):
    def fail():
        raise KeyError("on purpose")

    db.create_function("fail", 0, fail)
    db.create_function("answer_nonsense", 0, object)
    raised = ("OperationalError", "user-defined function raised exception")
    assert error(db.execute, "SELECT fail()") == raised
    assert error(db.execute, "SELECT answer_nonsense()") == raised


def test_aggregates_are_created_called_and_removed(db):
    db.create_aggregate("total_of", 1, Sum)
    assert db.execute("SELECT total_of(id) FROM t").fetchone() == (6,)
    assert db.execute("SELECT total_of(id) FROM t WHERE 0").fetchone() == (None,)
    assert error(db.execute, "SELECT total_of(name) FROM t") == (
        "OperationalError",
        "user-defined aggregate's 'step' method raised error",
    )
    db.create_aggregate("total_of", 1, None)
    assert error(db.execute, "SELECT total_of(id) FROM t")[0] == "OperationalError"


def test_window_functions_slide(db):
    skip_old_sqlite3(db)
    db.create_window_function("total_of", 1, Sum)
    window = "OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)"
    assert db.execute(f"SELECT total_of(id) {window} FROM t").fetchall() == [(1,), (3,), (5,)]


def test_collations_order_and_are_removed(db):
    db.create_collation("backwards", lambda a, b: (a < b) - (a > b))
    sql = "SELECT name FROM t ORDER BY name COLLATE backwards"
    assert db.execute(sql).fetchall() == [("two",), ("three",), ("one",)]
    db.create_collation("backwards", None)
    assert error(db.execute, sql) == (
        "OperationalError",
        "no such collation sequence: backwards",
    )


def test_the_authorizer_denies(db):
    db.set_authorizer(lambda action, *_: apsw.SQLITE_DENY * (action == apsw.SQLITE_DELETE))
    assert error(db.execute, "DELETE FROM t") == ("DatabaseError", "not authorized")
    assert names(db) == ["one", "two", "three"]

    def fail(*_):
        raise ZeroDivisionError

    db.set_authorizer(fail)
    assert error(db.execute, "DELETE FROM t") == ("DatabaseError", "not authorized")


def test_the_progress_handler_interrupts(db):
    sql = "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n LIMIT 1"
    calls = []
    db.set_progress_handler(lambda: calls.append(1) or len(calls) > 3, 100)
    assert error(db.execute, sql) == ("OperationalError", "interrupted")
    assert len(calls) == 4
    db.set_progress_handler(None, 0)
    assert names(db) == ["one", "two", "three"]
    assert len(calls) == 4


def test_the_trace_callback_sees_what_is_run(db):
    seen = []
    db.set_trace_callback(seen.append)
    db.execute("DELETE FROM t WHERE id = 1")
    db.commit()
    db.set_trace_callback(None)
    db.execute("SELECT 1")
    assert [sql.strip() for sql in seen] == ["BEGIN", "DELETE FROM t WHERE id = 1", "COMMIT"]


# The database as a whole


def test_a_dump_makes_the_same_database(db, connect):
    dump = "\n".join(db.iterdump())
    copy = connect()
    copy.executescript(dump)
    assert names(copy) == ["one", "two", "three"]
    assert "\n".join(copy.iterdump()) == dump


def test_a_backup_copies_and_tells_how_far_it_is(db, connect):
    copy, steps = connect(), []
    db.backup(copy, pages=1, progress=lambda *step: steps.append(step))
    assert names(copy) == ["one", "two", "three"]
    assert (steps[0][0], steps[-1][:2]) == (apsw.SQLITE_OK, (apsw.SQLITE_DONE, 0))
    assert error(db.backup, db) == (
        "ValueError",
        "target cannot be the same connection instance",
    )
    assert error(db.backup, "a.db")[0] == "TypeError"
    assert error(lambda: db.backup(copy, name="nowhere"))[0] == "OperationalError"
    copy.close()
    assert error(db.backup, copy)[0] == "ProgrammingError"


def test_a_serialized_database_can_be_deserialized(db, connect):
    skip_old_sqlite3(db)
    copy = connect()
    copy.deserialize(db.serialize())
    assert names(copy) == ["one", "two", "three"]


def test_limits_are_read_and_set(db):
    skip_old_sqlite3(db)
    old = db.getlimit(apsw.SQLITE_LIMIT_LENGTH)
    assert db.setlimit(apsw.SQLITE_LIMIT_LENGTH, 1000) == old
    assert db.getlimit(apsw.SQLITE_LIMIT_LENGTH) == 1000
    assert error(db.execute, "SELECT zeroblob(1001)")[0] == "DataError"
    assert error(db.getlimit, 999) == ("ProgrammingError", "'category' is out of bounds")


# Only the face


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
