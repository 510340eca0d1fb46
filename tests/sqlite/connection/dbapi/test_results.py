"""Rows, the description of their columns, and the counts of what was changed."""

import sqlite3

import pytest

from tests.support.faces import skip_old_sqlite3

NOTHING = (None, None, None, None, None, None)


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
