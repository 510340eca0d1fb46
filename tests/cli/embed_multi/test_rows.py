"""Rows of files, of pipes and of queries."""

import json
import sqlite3
from contextlib import closing

import pytest

from tests.support.command import error, output, run
from tests.support.phrases import FILES, FORMATS, ROWS, pairs


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("source", ["path", "format", "stdin", "stdin with format"])
def test_rows_of_a_file(load, stored, tmp_path, name, source):
    path = tmp_path / name
    path.write_text(FILES[name])
    arguments = {
        "path": [path],
        "format": [path, "--format", FORMATS[name]],
        "stdin": ["-"],
        "stdin with format": ["-", "--format", FORMATS[name]],
    }[source]
    report = load(*arguments, input=FILES[name] if "stdin" in source else None)
    assert report == "2 embedded, 0 reused, 0 updated, 0 unchanged\n"
    assert pairs(stored()) == ROWS


def test_prefix_and_prepend(load, stored):
    load("-", "--prefix", "p/", "--prepend", "query: ", input=FILES["phrases.csv"])
    assert pairs(stored()) == [("p/1", "query: hello world"), ("p/2", "query: goodbye world")]


def test_columns_for_id_content_and_metadata(load, stored):
    text = "title,key,body,lang,stars\nOne,a,hello,en,\nTwo,b,goodbye,de,5\n"
    load(
        "-", "--id", "key", "--content", "title", "--content", "body", "--metadata-rest", input=text
    )
    assert stored() == [
        ("a", "One hello", '{"lang": "en", "stars": null}'),
        ("b", "Two goodbye", '{"lang": "de", "stars": 5}'),
    ]
    load("-", "--id", "key", "--metadata", "lang", "--metadata", "stars", input=text)
    assert stored() == [
        ("a", "One hello", '{"lang": "en", "stars": null}'),
        ("b", "Two goodbye", '{"lang": "de", "stars": 5}'),
    ]


def test_numbers_and_nulls_are_content(load, stored):
    load("-", input='{"id": 1.5, "n": 0, "f": 2.5, "nothing": null, "text": "x"}')
    assert pairs(stored()) == [("1.5", "0 2.5  x")]


@pytest.mark.parametrize(
    "sql", ["select id, title, body from posts", "select id, title, body from p.posts;\n"]
)
def test_rows_of_a_query_of_an_attached_file(load, stored, blog, sql):
    load("--attach", "p", blog, "--sql", sql)
    assert pairs(stored()) == [("1", "cli Command line"), ("2", "sql ")]


def test_a_query_of_the_file_itself(registered, blog):
    """Also where that is not in WAL mode, and readers keep writers out."""
    report = output(
        "embed-multi", "posts", "-d", blog, "-m", "words", "--sql", "select id, title from posts"
    )
    assert report == "2 embedded, 0 reused, 0 updated, 0 unchanged\n"
    copy = ["embed-multi", "copy", "-d", blog, "-m", "words", "--store"]
    sql = "select id, 'copy of ' || id from embeddings"
    assert output(*copy, "--sql", sql, "--batch-size", "1").startswith("2 embedded")


def test_images_of_a_query(load, stored, blog):
    load("--attach", "p", blog, "--sql", "select id, image from posts")
    assert pairs(stored()) == [("1", b"\x00"), ("2", b"\xff")]


@pytest.mark.parametrize(
    "sql", ["delete from p.posts", "select 1, 2); delete from p.posts; --", "drop table p.posts"]
)
def test_a_query_cannot_write(registered, database, blog, sql):
    arguments = ["embed-multi", "c", "-d", database, "-m", "words", "--attach", "p", blog]
    assert "The query failed" in error(*arguments, "--sql", sql)
    with closing(sqlite3.connect(blog)) as db:
        assert db.execute("select count(*) from posts").fetchone() == (2,)
    assert not database.exists()


def test_text_of_a_query_that_is_not_utf8(registered, database, blog, stored, tmp_path):
    with closing(sqlite3.connect(blog)) as db:
        db.execute("update posts set title = cast(x'636166e9' as text) where id = 1")
        db.commit()
    sql = "select id, title, body from posts"
    arguments = ["embed-multi", "c", "-d", database, "-m", "words", "--attach", "p", blog]
    message = error(*arguments, "--sql", sql)
    assert message.startswith(
        "The column 'title' of row 1 of the query is text that is not UTF-8 (byte 0xe9 at position "
        "3): correct it, "
    )
    assert not database.exists()
    errors = tmp_path / "errors.jsonl"
    result = run(*arguments, "--sql", sql, "--store", "--on-error", "skip", "--errors", errors)
    assert (result.exit_code, result.stdout) == (
        1,
        "1 embedded, 0 reused, 0 updated, 0 unchanged\n",
    )
    assert result.stderr == f"Error: 1 entry was skipped: {message}\n"
    [line] = errors.read_text().splitlines()
    assert json.loads(line) == {"id": "row 1 of the query", "error": message}
    assert pairs(stored()) == [("2", "sql ")]


def test_a_query_is_read_to_its_end_before_anything_is_embedded(registered, database):
    sql = "with n(id) as (select 1 union select 2 union select null) select id, 'x' from n"
    arguments = ["embed-multi", "c", "-d", database, "-m", "words", "--batch-size", "1"]
    assert "is NULL: it must be text" in error(*arguments, "--sql", f"{sql} order by id desc")
    assert not database.exists()
