"""read_query(): the rows of a query, which writes nothing and locks nothing while they are used."""

import contextlib
import sqlite3
import threading

import apsw
import pytest

import vecstore
from vecstore.errors import DatabaseError, TwoLibrariesError
from vecstore.readers import Record, read_query


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "source.db"
    with sqlite3.connect(path) as conn:
        conn.executescript(
            """
            create table notes (id integer primary key, text text, score real, data blob);
            insert into notes values
              (1, 'one', 1.0, x'00ff'), (2, 'two', null, null), (3, 'three', 3.5, x'');
            """
        )
    conn.close()
    return path


def query_rows(sql, database, attach=()) -> list[dict]:
    with read_query(sql, database, attach) as rows:
        return [record.row for record in rows]


def query_failure(sql, database, attach=()) -> str:
    with pytest.raises(DatabaseError) as caught:
        query_rows(sql, database, attach)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_rows_of_a_query_come_in_its_order(source):
    with read_query("select * from notes order by text desc; \n; ", source) as rows:
        assert rows.total == 3
        expected = [
            Record("row 1 of the query", {"id": 2, "text": "two", "score": None, "data": None}),
            Record("row 2 of the query", {"id": 3, "text": "three", "score": 3.5, "data": b""}),
            Record("row 3 of the query", {"id": 1, "text": "one", "score": 1.0, "data": b"\0\xff"}),
        ]
        assert list(rows) == expected
        assert list(rows) == expected  # again


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select 1 as a -- one", [{"a": 1}]),
        ("values (1, 'x')", [{"column1": 1, "column2": "x"}]),
        ("with t(a) as (select 1 union select '007') select a from t", [{"a": 1}, {"a": "007"}]),
        ("select id from notes where id = 1 union all select '007'", [{"id": 1}, {"id": "007"}]),
        ("select id as 'a \"b\"' from notes where id = 2", [{'a "b"': 2}]),
        ("select count(*) from notes", [{"count(*)": 3}]),
        ("select id from notes order by id desc limit 2", [{"id": 3}, {"id": 2}]),
        ("select id from notes where id > 5", []),
        ("select vec_length('[1, 2]') as n", [{"n": 2}]),
    ],
)
def test_values_and_names_are_those_of_the_query(source, sql, expected):
    assert query_rows(sql, source) == expected


def test_integers_and_reals_of_one_column_stay_what_they_are(source):
    sql = "select score as id from notes where id = 1 union all select id from notes where id > 1"
    assert [repr(row["id"]) for row in query_rows(sql, source)] == ["1.0", "2", "3"]


def test_without_a_file_the_database_is_empty(tmp_path):
    for database in (None, tmp_path / "missing.db", ":memory:"):
        assert query_rows("select count(*) as n from sqlite_schema", database) == [{"n": 0}]
    assert not (tmp_path / "missing.db").exists()


def test_files_are_attached_for_reading(source, tmp_path):
    odd = tmp_path / "what? 100%.db"
    source.rename(odd)
    attach = [("a", odd), ('b "c"', str(odd))]
    sql = 'select a.notes.id, c.text from a.notes join "b ""c""".notes as c using (id) where id < 3'
    expected = [{"id": 1, "text": "one"}, {"id": 2, "text": "two"}]
    assert query_rows(sql, None, attach) == expected
    assert query_rows(sql, odd, attach) == expected


@pytest.mark.parametrize(
    "sql",
    [
        "delete from notes",
        "delete from notes returning id",
        "insert into notes values (4, 'four', 4.0, null)",
        "replace into notes values (1, 'new', 4.0, null)",
        "update notes set text = 'new' returning text",
        "drop table notes",
        "alter table notes rename to other",
        "explain delete from notes",
        "select * from (delete from notes returning id)",
        "create temp table notes (id)",
        "pragma writable_schema = on",
        "pragma query_only = off",
        "pragma journal_mode = wal",
        "vacuum",
        "reindex",
        "detach other",
        "select 1; attach 'new.db' as new",
        "select writefile('new.txt', 'text')",
        "select edit('text')",
        "select 1); delete from notes; --",
        "select 1); delete from notes; select (2",
        "select 1; delete from notes",
        "with x as (select 1) delete from notes",
        "create table t (a)",
        "vacuum into 'copy.db'",
        "attach 'new.db' as new",
        "pragma user_version = 5",
        "begin immediate",
        "",
        "-- nothing",
        "select 1) union select * from (select 2",
        "select 1) /*",
        "select 1); /*",
        "notes",
        "(select 1)",
        "select ?",
        "select * from missing",
        "select load_extension('nothing')",
    ],
)
def test_what_is_no_select_fails_and_writes_nothing(source, sql, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = source.read_bytes()
    assert query_failure(sql, source).startswith("The query failed: ")
    assert query_failure(sql, None, [("other", source)]).startswith("The query failed: ")
    assert source.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "source.db"]


@pytest.mark.parametrize(
    "sql",
    [
        "select * from pragma_optimize(65538)",
        "select * from pragma_wal_checkpoint",
        "select optimize(docs) from docs",
        "select * from pragma_journal_mode('wal')",
        "select * from pragma_user_version(5)",
    ],
)
def test_a_select_writes_nothing_by_what_it_calls(source, sql, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with sqlite3.connect(source) as conn:
        conn.execute("create virtual table docs using fts3(text)")
        conn.executemany("insert into docs values (?)", [("one",), ("two",)])
        conn.execute("create index i on notes (text)")
    conn.close()
    before = source.read_bytes()
    for database, attach in ((source, []), (None, [("other", source)])):
        with contextlib.suppress(DatabaseError):
            query_rows(sql, database, attach)
    assert source.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "source.db"]


def test_a_failure_says_what_sqlite_says(source):
    assert query_failure("select * from missing", source) == (
        "The query failed: no such table: missing"
    )
    assert query_failure("delete from notes", source) == (
        'The query failed: near "delete": syntax error'
    )
    assert query_failure("select 1; select 2", source) == (
        'The query failed: near ";": syntax error'
    )
    assert query_failure("select 'x", source) == 'The query failed: unrecognized token: "\'x"'
    overflow = "select abs(-9223372036854775807 - id) from notes"
    assert query_failure(overflow, source) == "The query failed: integer overflow"


def test_columns_of_one_name_are_refused(source):
    assert query_failure("select a.id, b.id from notes a, notes b", source) == (
        "The query has more than one column 'id': rename them with AS, such as id AS \"other id\""
    )


def not_utf8(place: str, byte: str) -> str:
    return (
        f"The column 'text' of {place} is text that is not UTF-8 ({byte}): correct it, do not "
        "select it, or leave such rows out with --on-error skip (cast(... as blob) is for models "
        "that take bytes)"
    )


def test_text_that_is_not_utf8_is_refused_with_its_row_and_column(source):
    sql = "select id, cast(iif(id = 2, x'6162ff', 'x') as text) as text from notes"
    expected = not_utf8("row 2 of the query", "byte 0xff at position 2")
    assert query_failure(sql, source) == expected


def test_the_rows_around_text_that_is_not_utf8_can_be_read(source):
    sql = "select id, cast(iif(id < 3, 'x' || x'ff', 'y') as text) as text from notes"
    problems = []
    with read_query(sql, source) as rows:
        assert rows.total == 3
        found = list(rows.read(lambda *args: problems.append(args)))
    assert found == [Record("row 3 of the query", {"id": 3, "text": "y"})]
    assert [(place, type(error), str(error)) for place, error in problems] == [
        (place, DatabaseError, not_utf8(place, "byte 0xff at position 1"))
        for place in ("row 1 of the query", "row 2 of the query")
    ]


def test_the_bytes_of_text_that_is_not_utf8_can_be_selected(source):
    sql = "select id, cast(text as blob) as text from (select 1 as id, cast(x'ff' as text) as text)"
    assert query_rows(sql, source) == [{"id": 1, "text": b"\xff"}]


@pytest.mark.parametrize("sql", ["select 1 as 'caf\udce9'", 'select * from "odd"'])
def test_a_query_and_names_of_columns_must_be_utf8(source, sql):
    with contextlib.closing(sqlite3.connect(source)) as conn:
        conn.execute("create table odd (caf_ text)")
        conn.execute("pragma writable_schema = on")
        conn.execute(
            "update sqlite_schema set sql = cast(replace(sql, 'caf_', x'636166e9') as text) "
            "where name = 'odd'"
        )
        conn.commit()
    assert query_failure(sql, source) == (
        "The query, or the name of a column, is not UTF-8: name columns with AS"
    )


def test_rows_are_numbered_as_they_come_not_as_in_a_table_that_has_gaps(source):
    with contextlib.closing(sqlite3.connect(source)) as conn:
        conn.execute("create table plain (id, text)")
        conn.executemany("insert into plain values (?, ?)", [(n, "x") for n in range(6)])
        conn.execute("update plain set text = cast(x'ff' as text) where id = 4")
        conn.execute("delete from plain where id in (0, 3)")
        conn.commit()
    problems = []
    with read_query("select * from plain", source) as rows:
        found = rows.read(lambda place, error: problems.append(place))
        assert [(record.place, record.row["id"]) for record in found] == [
            ("row 1 of the query", 1),
            ("row 2 of the query", 2),
            ("row 4 of the query", 5),
        ]
    assert problems == ["row 3 of the query"]


def test_what_cannot_be_attached_is_named(source, tmp_path):
    missing, text = tmp_path / "missing.db", tmp_path / "text.db"
    text.write_text("this is no database, and longer than the header of one\n" * 20)
    assert query_failure("select 1", None, [("a", missing)]) == (
        f"{missing} does not exist, so it cannot be opened read-only"
    )
    assert not missing.exists()
    assert query_failure("select 1", None, [("a", text)]) == (
        f"{text} cannot be read as a SQLite database: file is not a database"
    )
    assert query_failure("select 1", None, [("a", tmp_path)]) == (
        f"{tmp_path} is a folder, not a SQLite file"
    )
    for attach in ([("main", source)], [("temp", source)], [("a", source), ("A", source)]):
        alias = attach[-1][0]
        assert query_failure("select 1", source, attach) == (
            f"{source} cannot be attached as {alias!r}: database {alias} is already in use"
        )
    assert query_failure("select 1", text) == (
        f"{text} cannot be read as a SQLite database: file is not a database"
    )


@pytest.mark.parametrize("mode", ["delete", "wal"])
@pytest.mark.parametrize("attached", [False, True])
def test_nothing_is_locked_while_the_rows_are_used(source, mode, attached):
    writer = apsw.Connection(str(source))
    writer.pragma("journal_mode", mode)
    attach = [("other", source)] if attached else []
    with read_query("select id from notes", None if attached else source, attach) as rows:
        found = iter(rows)
        first = next(found)
        writer.execute("begin exclusive; delete from notes where id > 1; commit")
        assert writer.execute("pragma wal_checkpoint(truncate)").fetchall()[0][0] == 0
        writer.execute("create table another (a)")
        assert [first.row, *(record.row for record in found)] == [{"id": 1}, {"id": 2}, {"id": 3}]
        assert [record.row for record in rows] == [{"id": 1}, {"id": 2}, {"id": 3}]
    writer.close()


def test_an_attached_file_is_not_open_while_the_rows_are_used(source):
    with read_query("select id from other.notes", None, [("other", source)]) as rows:
        conn = sqlite3.connect(source)  # which vecstore's guard allows
        conn.execute("delete from notes")
        conn.commit()
        conn.close()
        assert [record.row for record in rows] == [{"id": 1}, {"id": 2}, {"id": 3}]


def test_a_large_result_is_not_held_in_memory(tmp_path):
    sql = (
        "with recursive n(id) as (select 1 union all select id + 1 from n where id < 1000) "
        "select id, randomblob(100000) as data from n"
    )
    apsw.status(apsw.SQLITE_STATUS_MEMORY_USED, True)
    before = apsw.status(apsw.SQLITE_STATUS_MEMORY_USED)[0]
    with read_query(sql, None) as rows:
        assert rows.total == 1000
        assert sum(len(record.row["data"]) for record in rows) == 100_000_000
        peak = apsw.status(apsw.SQLITE_STATUS_MEMORY_USED)[1] - before
    assert peak < 30_000_000


def test_no_file_is_left(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    rows = read_query("select 1 as a", None)
    assert [record.row for record in rows] == [{"a": 1}]
    rows.close()
    query_failure("select", None)
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def test_rows_can_be_read_in_another_thread(source):
    with read_query("select id from notes", source) as rows:
        found = []
        thread = threading.Thread(target=lambda: found.extend(record.row for record in rows))
        thread.start()
        thread.join()
    assert found == [{"id": 1}, {"id": 2}, {"id": 3}]


def test_a_file_that_sqlite3_has_open_is_refused(source):
    conn = sqlite3.connect(source)
    for database, attach in ((source, []), (None, [("a", source)])):
        with pytest.raises(TwoLibrariesError, match="source.db is open in another SQLite library"):
            read_query("select 1", database, attach)
    conn.close()
    assert query_rows("select 1 as a", None, [("a", source)]) == [{"a": 1}]


def test_the_database_of_a_query_can_be_written_meanwhile(source, closing):
    with read_query("select id from notes", source) as rows:
        db = closing(vecstore.connect(source))
        for record in rows:
            db["copies"].insert(record.row)
        assert list(db["copies"].rows) == [{"id": 1}, {"id": 2}, {"id": 3}]
