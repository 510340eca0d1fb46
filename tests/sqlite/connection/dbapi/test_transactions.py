"""When a transaction begins, and how it ends."""

import pytest

from tests.support.faces import error, names, skip_old_sqlite3


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
