"""Columns: how a row becomes an entry, and which rows do not."""

import hashlib

import llm
import pytest
import sqlite_utils
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from llm.cli import cli
from llm.plugins import load_plugins, pm

from vecstore.errors import InvalidInputError
from vecstore.readers import Columns, Record, make_entries, read_rows

ROW = {"id": 7, "title": "Cats", "text": None, "year": 2021}


def entry(row, **columns):
    return Columns(**columns).make_entry(Record("line 2 of a.csv", row))


def failure(row, **columns) -> str:
    with pytest.raises(InvalidInputError) as caught:
        entry(row, **columns)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({}, ("7", "Cats  2021", None)),
        ({"id": "title"}, ("Cats", "7  2021", None)),
        ({"content": ("year", "title")}, ("7", "2021 Cats", None)),
        ({"content": ("id",)}, ("7", "7", None)),
        ({"metadata": ("year",)}, ("7", "Cats ", {"year": 2021})),
        ({"metadata": ("text", "id")}, ("7", "Cats 2021", {"text": None, "id": 7})),
        (
            {"content": ("title",), "metadata": ("title",)},
            ("7", "Cats", {"title": "Cats"}),
        ),
        (
            {"content": ("title",), "rest": True},
            ("7", "Cats", {"text": None, "year": 2021}),
        ),
        (
            {"id": "year", "content": ("text",), "rest": True, "metadata": ("title",)},
            ("2021", "", {"title": "Cats", "id": 7}),
        ),
        ({"prefix": "a/", "prepend": "doc: "}, ("a/7", "doc: Cats  2021", None)),
    ],
)
def test_the_columns_that_become_the_entry(columns, expected):
    assert entry(ROW, **columns) == expected


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (["", None, "x"], "  x"),
        ([0, -1, 1.0, 1e30], "0 -1 1.0 1e+30"),
        ([True, False], "true false"),
        ([["Größe", None, 1], {"a": [True]}], '["Größe", null, 1] {"a": [true]}'),
        ([None], ""),
    ],
)
def test_values_that_are_no_text_become_text(values, text):
    row = {"id": "x", **{f"c{i}": value for i, value in enumerate(values)}}
    assert entry(row) == ("x", text, None)


def test_bytes_alone_stay_as_they_are():
    row = {"id": "x", "data": b"\x00\xff", "more": "y"}
    expected = ("p/x", b"\x00\xff", {"more": "y"})
    assert entry(row, content=("data",), rest=True, prefix="p/", prepend="doc: ") == expected
    assert failure(row) == (
        "The column 'data' of line 2 of a.csv holds bytes, which cannot be joined with other "
        "columns: name one with --content"
    )


@pytest.mark.parametrize(("id", "text"), [("x", "x"), (1, "1"), (1.0, "1.0")])
def test_an_id_is_text(id, text):
    assert entry({"id": id, "text": "x"}) == (text, "x", None)


def test_an_empty_id_is_none():
    """pandas writes what is missing like that: all such rows would be one entry."""
    assert failure({"id": "", "text": "x"}) == (
        "The id of line 2 of a.csv, in the column 'id', is empty: give it one"
    )


def test_the_id_is_in_the_column_that_comes_first_in_the_first_row():
    """The keys of an object have no order, and may be missing."""
    told = []
    found = make_entries(
        records({"id": 1, "t": "x"}, {"t": "y", "id": 2}, {"number": 3, "t": "z"}),
        Columns(),
        lambda place, error: told.append(str(error)),
    )
    assert list(found) == [("1", "x", None), ("2", "y", None)]
    assert len(told) == 1
    assert "has no column 'id': its columns are 'number', 't'" in told[0]


@pytest.mark.parametrize(
    ("id", "kind"),
    [(None, "NULL"), (b"x", "bytes"), (True, "a boolean"), ([1], "an array"), ({}, "an object")],
)
def test_what_cannot_be_an_id_is_refused(id, kind):
    assert failure({"id": id, "text": "x"}) == (
        f"The id of line 2 of a.csv, in the column 'id', is {kind}: it must be text or a number "
        "(--id names another column)"
    )


@pytest.mark.parametrize(
    ("row", "columns", "message"),
    [
        (
            {"id": 1},
            {},
            "line 2 of a.csv has one column only, 'id': the first is the id, and the rest is what "
            "is embedded",
        ),
        ({}, {}, "line 2 of a.csv has no columns, so no id"),
        (
            {"id": 1, "text": "x"},
            {"metadata": ("text",)},
            "line 2 of a.csv has no column to embed, next to those of its id and metadata: name "
            "one with --content",
        ),
        (
            ROW,
            {"id": "ID"},
            "line 2 of a.csv has no column 'ID': its columns are 'id', 'title', 'text', 'year'",
        ),
        (
            {"id": 1},
            {"content": ("body",)},
            "line 2 of a.csv has no column 'body': its columns are 'id'",
        ),
        ({}, {"id": "id"}, "line 2 of a.csv has no column 'id': its columns are none"),
        (
            {"id": 1, "text": "x", "data": b"x"},
            {"content": ("text",), "rest": True},
            "The metadata column 'data' of line 2 of a.csv holds bytes, which JSON cannot: leave "
            "it out, or select hex() of it",
        ),
    ],
)
def test_rows_that_are_no_entry_are_refused(row, columns, message):
    assert failure(row, **columns) == message


def test_the_rest_can_only_be_what_is_left_of_something():
    with pytest.raises(InvalidInputError) as caught:
        Columns(rest=True)
    assert str(caught.value) == (
        "--metadata-rest needs --content: otherwise all columns are what is embedded"
    )


def records(*rows):
    return [Record(f"row {number}", row) for number, row in enumerate(rows, 1)]


def test_rows_that_are_no_entry_can_be_left_out():
    problems = []
    found = make_entries(
        records({"id": None, "t": "x"}, {"id": 1, "t": "x"}, {"id": 2}, {"id": 3, "t": "y"}),
        Columns(content=("t",)),
        lambda place, error: problems.append((place, str(error))),
    )
    assert list(found) == [("1", "x", None), ("3", "y", None)]
    assert problems == [
        (
            "row 1",
            "The id of row 1, in the column 'id', is NULL: it must be text or a number (--id names "
            "another column)",
        ),
        ("row 3", "row 3 has no column 't': its columns are 'id'"),
    ]
    with pytest.raises(InvalidInputError, match="^row 2 has no column 't'"):
        list(make_entries(records({"id": 1, "t": "x"}, {"id": 2}), Columns(content=("t",))))


@pytest.mark.parametrize(
    "columns", [{"id": "ID"}, {"content": ("text", "ID")}, {"metadata": ("ID",)}]
)
def test_a_misspelt_column_is_an_error_of_the_first_row_in_any_case(columns):
    found = make_entries(records(ROW, ROW), Columns(**columns), lambda place, error: None)
    with pytest.raises(InvalidInputError, match="^row 1 has no column 'ID': its columns are 'id'"):
        next(found)


def test_later_rows_may_lack_metadata():
    columns = Columns(content=("text",), metadata=("a", "b"))
    found = make_entries(
        records({"id": 1, "text": "x", "a": 1, "b": 2}, {"id": 2, "text": "y"}), columns
    )
    assert list(found) == [("1", "x", {"a": 1, "b": 2}), ("2", "y", {})]


def test_entries_come_one_by_one():
    def endless():
        yield from records(ROW)
        pytest.fail("one row is enough for one entry")

    assert next(make_entries(endless(), Columns())) == ("7", "Cats  2021", None)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])) | st.none(), min_size=1))
def test_texts_are_joined_as_llm_joins_them(values):
    row = {"id": "x", **{f"c{i}": value for i, value in enumerate(values)}}
    assert entry(row)[1] == " ".join(value or "" for value in values)


class Ones(llm.EmbeddingModel):
    model_id = "ones"

    def embed_batch(self, items):
        return ([1.0] for _ in items)


class Plugin:
    @llm.hookimpl
    def register_embedding_models(self, register):
        register(Ones())


@pytest.fixture
def llm_model():
    load_plugins()
    plugin = Plugin()
    pm.register(plugin, name="tests")
    yield "ones"
    pm.unregister(plugin)


def test_the_hashes_are_those_of_llm(tmp_path, llm_model):
    file, database = tmp_path / "a.csv", tmp_path / "llm.db"
    file.write_text('id,title,text\n1,Cats,"and ""dogs"""\n2,,Größe\n', "utf-8")
    arguments = ["embed-multi", "c", str(file), "-m", llm_model, "--prepend", "p: "]
    CliRunner().invoke(cli, [*arguments, "-d", str(database)], catch_exceptions=False)
    db = sqlite_utils.Database(database)
    of_llm = {row["id"]: row["content_hash"] for row in db["embeddings"].rows}
    db.close()
    with file.open("rb") as stream:
        found = list(make_entries(read_rows(stream, "a.csv"), Columns(prepend="p: ")))
    assert len(found) == 2
    assert of_llm == {id: hashlib.md5(value.encode()).digest() for id, value, _ in found}
