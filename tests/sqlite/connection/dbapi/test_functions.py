"""Functions, collations and callbacks of the user."""

import apsw

from tests.support.faces import error, names, skip_old_sqlite3


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
