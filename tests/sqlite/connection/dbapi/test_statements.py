"""Statements and their parameters, and how far a statement has run."""

import datetime
import weakref
from contextlib import suppress

import pytest

from tests.support.faces import error, names, skip_old_sqlite3

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
