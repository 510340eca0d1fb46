"""The face over apsw: what a program does to it and to sqlite3 comes to the same.

Each line of an input is a statement, with its parameters as JSON after a tab. A line that begins
with "*" is for executemany(), one with ";" for executescript(), and one with "." is the name of a
method. A byte from 128 on stands for one of TOKENS, so that what is made by chance is often SQL.
"""

import json
import re
import sqlite3
import sys
import warnings
from contextlib import closing
from typing import Any

import apsw

from vecstore.sqlite.connection import dbapi

TOKENS = (
    *("select ", "insert into t ", "insert or replace into t ", "update t set ", "delete from t "),
    *(
        "create table u ",
        "create index i on t ",
        "create view v as ",
        "drop table ",
        "alter table ",
    ),
    *("create trigger r after insert on t begin ", "; end", "begin", "commit", "rollback", "end"),
    *("savepoint s", "release s", "rollback to s", "replace into t ", "with w as (", "values (?)"),
    *("values (?, ?, ?) ", "values (:a, :b, :c) ", "values (1, 2, 3) ", "(a, b) ", "(a, b, c) "),
    *("returning ", "on conflict do nothing ", "on conflict (c) do update set ", "default values "),
    *("where ", "from t ", "from u ", "join ", "left join ", "group by ", "order by ", "limit "),
    *("union all ", "intersect ", "exists ", "in ", "is null ", "not ", "and ", "or ", "like "),
    *("between ", "case when ", "then ", "else ", "cast(", " as blob)", " as integer)", "null"),
    *("x'00ff'", "'text'", "''", '"a"', "t.a", "a", "b", "c", "rowid", "count(*)", "max(", "sum("),
    *("length(", "typeof(", "coalesce(", "abs(", "hex(", "quote(", "substr(", "instr(", "upper("),
    *("9223372036854775807", "-1", "1e999", "0.5", "?", "?1", ":a", "@a", "$a", "--", "/*", "*/"),
    *("\t[1]", "\t[1, 2, 3]", '\t{"a": 1, "b": "x", "c": null}', '\t["0x00ff", 1e999, -0.0]'),
    *("\n.commit\n", "\n.rollback\n", "\n.close\n", "\n*", "\n;", ", ", " = ", "(", ")", "* "),
)
# Of these, all versions of SQLite say the same.
_FUNCTIONS = re.compile(
    "abs|avg|cast|ceil|coalesce|count|hex|ifnull|iif|instr|length|like|lower|ltrim|max|min|nullif|"
    "quote|replace|round|row_number|rtrim|substr|sum|total|trim|typeof|unicode|upper|zeroblob"
)
_DENIED = frozenset(
    (apsw.SQLITE_ANALYZE, apsw.SQLITE_ATTACH, apsw.SQLITE_CREATE_VTABLE, apsw.SQLITE_PRAGMA)
)
# What one version can compile, and an older or newer one cannot.
_OF_VERSIONS = ("syntax error", "unrecognized token", "incomplete input", "no such column")
_NULL_IN_SQLITE3 = "you didn't supply any"  # of a script's parameters
_METHODS = ("commit", "rollback", "close", "cursor", "interrupt")
# apsw goes past a second semicolon.
_NOTHING_MORE = re.compile(r"(?:[; \t\f\r]|--.*|/\*.*?(?:\*/|\Z))*")
_INSTRUCTIONS = 200  # by the thousand, for an input
_LONGEST = 100_000  # bytes of a value
_SCHEMA = """
create table t (a, b text, c integer primary key);
insert into t values (1, 'one', 1), (null, x'00', 2), (2.5, 'two', 3);
"""


def run(data: bytes) -> None:
    text = "".join(chr(b) if b < 128 else TOKENS[(b - 128) % len(TOKENS)] for b in data)
    with (
        warnings.catch_warnings(),
        closing(sqlite3.connect(":memory:")) as expected,
        closing(dbapi.Connection(apsw.Connection(":memory:"))) as face,
    ):
        warnings.simplefilter("ignore")
        for conn in (expected, face):
            _prepare(conn)
        for line in text.split("\n"):
            # Bytecode differs between versions, and what follows NUL is ignored in Python 3.10.
            if "explain" in line.lower() or ("\0" in line and sys.version_info < (3, 11)):
                return
            sql = line.partition("\t")[0]
            if _NOTHING_MORE.fullmatch(sql):  # of which lastrowid is None in sqlite3
                continue
            end = sql.partition(";")[2]
            if ";" in end and _NOTHING_MORE.fullmatch(end):
                return
            one, other = _step(expected, line), _step(face, line)
            if _is_no_difference(one) or _is_no_difference(other):
                return
            if "\0" in sql and line[0] not in ";.":
                assert one[0] == other[0] == "failed", (line, one, other)  # for one of its reasons
            else:
                assert _comparable(one) == _comparable(other), (line, one, other)
            if one[-1] and not other[-1]:
                expected.rollback()  # it began one for parameters that do not fit


def _prepare(conn: Any) -> None:
    conn.executescript(_SCHEMA)
    if sys.version_info >= (3, 11):
        conn.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST)
    conn.set_authorizer(_authorize)
    conn.set_progress_handler(_Budget(), 1000)


class _Budget:
    """Interrupts what takes too long, which versions do at different places."""

    def __init__(self) -> None:
        self.left = _INSTRUCTIONS

    def __call__(self) -> int:
        self.left -= 1
        return self.left < 0


def _authorize(action: int, _: object, name: str | None, *__: object) -> int:
    if action == apsw.SQLITE_FUNCTION and not _FUNCTIONS.fullmatch((name or "").lower()):
        return apsw.SQLITE_DENY
    return apsw.SQLITE_DENY if action in _DENIED else apsw.SQLITE_OK


def _step(conn: Any, line: str) -> tuple[Any, ...]:
    """Do what a line says, and return all that can be observed of it."""
    sql, _, text = line.partition("\t")
    seen: tuple[Any, ...]
    try:
        seen = ("done", *_done(conn, sql, _parameters(text)))
    except Exception as error:
        seen = "failed", type(error).__name__, str(error)  # pysqlite3 has its own
    try:
        return *seen, conn.total_changes, conn.in_transaction
    except Exception as error:  # it is closed
        return *seen, type(error).__name__, None


def _done(conn: Any, sql: str, parameters: Any) -> tuple[Any, ...]:
    if sql.startswith("."):
        method = sql[1:].strip()
        if method in _METHODS:
            getattr(conn, method)()
        return ()
    if sql.startswith(";"):
        conn.executescript(sql[1:])
        return ()
    if sql.startswith("*"):
        cursor = conn.executemany(sql[1:], [parameters] * 3)
        return cursor.rowcount, cursor.description
    cursor = conn.execute(sql, parameters)
    rows = [tuple(map(repr, row)) for row in cursor.fetchall()]  # -0.0 is not 0.0, nor 1 1.0
    return rows, cursor.rowcount, cursor.description, cursor.lastrowid


def _parameters(text: str) -> Any:
    """Return the parameters of a line: JSON, in which "0xFF" is bytes."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return ()
    if isinstance(found, list):
        return [_value(value) for value in found]
    if isinstance(found, dict):
        return {name: _value(value) for name, value in found.items()}
    return found


def _value(value: Any) -> Any:
    try:
        if isinstance(value, str) and value.startswith("0x"):
            return bytes.fromhex(value[2:])
    except ValueError:
        pass
    return value


def _is_no_difference(seen: tuple[Any, ...]) -> bool:
    """Return whether an error may be of one side alone."""
    message = seen[2] if seen[0] == "failed" else ""
    return any(words in message for words in (*_OF_VERSIONS, _NULL_IN_SQLITE3, "interrupted"))


def _comparable(seen: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return what must be the same: of errors the class, which was another in Python 3.10."""
    if seen[0] == "done":
        return seen
    # Without in_transaction
    return seen[0], None if sys.version_info < (3, 11) else seen[1], *seen[3:-1]
