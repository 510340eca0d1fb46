"""CSV and TSV: dialects, headers, and what is read after a row that breaks the rules."""

import csv
import io

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.reading import failure, rows_of, skipped, sliced
from vecstore.errors import InvalidInputError
from vecstore.readers import Columns, Dialect, Layout, Record, make_entries, read_rows

QUOTES_ARE_TEXT = Dialect(quoting="none")


def contents(data: bytes, name: str = "a.csv", **columns) -> list[tuple]:
    found = make_entries(read_rows(io.BytesIO(data), name), Columns(**columns))
    return [(id, content) for id, content, _ in found]


def refusal(data: bytes, **columns) -> str:
    with pytest.raises(InvalidInputError) as caught:
        contents(data, **columns)
    return str(caught.value)


# Dialects


@pytest.mark.parametrize(
    ("data", "dialect"),
    [
        (b"id^text\n1^a,b\n", Dialect("^")),
        (b"id\ttext\n1\ta,b\n", Dialect("\t")),
        (b"id;text\n1;a,b\n", Dialect(";")),
        (b"id,text\n1,'a,b'\n", Dialect(quotechar="'")),
        (b"id\"text\n1\"'a,b'\n", Dialect('"', "'")),
        (b'"id","text"\n"1","a,b"\n', Dialect(quoting="minimal")),
        (b'id"text\n1"a,b\n', Dialect('"', quoting="none")),
    ],
)
def test_a_dialect_that_is_given_is_obeyed_whatever_the_content_looks_like(data, dialect):
    assert rows_of(data, "notes", dialect=dialect) == [{"id": "1", "text": "a,b"}]
    assert rows_of(b"[" + data[2:], "notes", dialect=dialect)[0]["text"] == "a,b"


def test_the_delimiter_of_tsv_can_be_another():
    assert rows_of(b"a;b\n1;2\n", "a.tsv", dialect=Dialect(";")) == [{"a": "1", "b": "2"}]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"delimiter": ";;"}, "The delimiter is ';;': it must be one character"),
        ({"delimiter": ""}, "The delimiter is '': it must be one character"),
        ({"delimiter": "\n"}, "The delimiter is '\\n': it must be one character, and no end"),
        ({"quotechar": ""}, "The quotechar is '': it must be one character"),
        ({"delimiter": "'", "quotechar": "'"}, '"\'" cannot be delimiter and quotechar at once'),
    ],
)
def test_characters_that_no_dialect_has(arguments, message):
    with pytest.raises(InvalidInputError) as caught:
        Dialect(**arguments)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ('1, "a, b", z', "a, b"),
        ('1,   "a ""b"" c", z', 'a "b" c'),
        ('1,"a, b" , z', "a, b"),
        (' "1" , "a, b" , z', "a, b"),
        ('1, "a\nb, ""c"" d" , z', 'a\nb, "c" d'),
        ('1, "a\nb", z', "a\nb"),
        ("1, a, z", " a"),
        ("1, a , z", " a "),
        ('1, "a" b, z', ' "a" b'),
        ('1, a "b", z', ' a "b"'),
        ('1,"a, ""b"", c", z', 'a, "b", c'),
        ('1," a ", z', " a "),
    ],
)
def test_spaces_around_a_quoted_field_are_no_part_of_it_and_other_spaces_are(row, text):
    assert rows_of(f"id,text,z\n{row}\n".encode(), "a.csv") == [
        {"id": "1", "text": text, "z": " z"}
    ]


def test_quotes_in_tsv_after_a_space_are_text():
    assert rows_of(b'id\ttext\n1\t "a"\n', "a.tsv") == [{"id": "1", "text": ' "a"'}]


# Quotes that are text, as in the files of IMDB

BARE = b'id\ttitle\tyear\ntt1\t"Rome" - Season 2\t1\ntt2\tsay "hi"\t\\N\ntt3\t"x\t3\n'


def test_quotes_are_text_if_that_is_asked_for():
    expected = [
        {"id": "tt1", "title": '"Rome" - Season 2', "year": "1"},
        {"id": "tt2", "title": 'say "hi"', "year": "\\N"},
        {"id": "tt3", "title": '"x', "year": "3"},
    ]
    for name in ("a.tsv", "notes"):
        assert rows_of(BARE, name, dialect=QUOTES_ARE_TEXT) == expected
    assert failure(BARE, "a.tsv") == (
        "The row at line 2 of a.tsv is not CSV: '\t' expected after '\"' (a quote inside of a "
        "quoted field is written twice; with --quoting none, quotes are text)"
    )


@pytest.mark.parametrize(
    "rows",
    [
        ['1\t"Rome\tx', '2\tParis"\ty'],
        ['1\t"Rome\tx', "2\tOslo\ty", '3\tParis"\tz'],
        ['1\t"Rome\tx', "2\tOslo", '3\tParis"\tz'],
        ['1\t"Rome\tx', '2\tParis\ty"'],
        ['1\tRome\t"x', '2\tParis"\ty'],
        ['1\tRome\t"x', '2"\tParis\ty'],
    ],
)
def test_rows_of_tsv_are_not_merged_where_quotes_may_be_text(rows):
    data = "\n".join(["id\ttitle\tnote", *rows, ""]).encode()
    last = rows[-1].split("\t")[0]
    for name in ("a.tsv", "notes"):
        assert failure(data, name) == (
            f"line 2 of {name} has a field in quotes that ends in the line of {last!r}, which "
            "looks like a row: --quoting none if quotes are text, --quoting minimal if it is one "
            "field"
        )
    found = rows_of(data, "a.tsv", dialect=QUOTES_ARE_TEXT)
    assert ["\t".join(filter(None, row.values())) for row in found] == rows
    records, problems = skipped(io.BytesIO(data), "a.tsv")
    assert problems[0][0] == "line 2 of a.tsv"
    assert len(records) + len(problems) == len(rows)


def test_a_field_of_tsv_may_have_several_lines():
    data = b'id\ttext\n1\t"def f():\n\treturn 1"\n2\t"two\nlines"\n3\t"a\tb\nc\td"\n'
    rows = [
        {"id": "1", "text": "def f():\n\treturn 1"},
        {"id": "2", "text": "two\nlines"},
        {"id": "3", "text": "a\tb\nc\td"},
    ]
    assert rows_of(data, "a.tsv") == rows
    data += b'4\t"a\nc\td"\n'
    assert "--quoting minimal if it is one field" in failure(data, "a.tsv")
    found = rows_of(data, "a.tsv", dialect=Dialect(quoting="minimal"))
    assert found == [*rows, {"id": "4", "text": "a\nc\td"}]


CELL = st.text(st.sampled_from("\"' ,ax\\"), max_size=6)


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(CELL.filter(str.strip), CELL, CELL), min_size=1, max_size=8))
def test_no_row_of_tsv_is_lost_where_quotes_are_text(rows):
    """Without it all rows are there, or it is said: none are joined."""
    data = "\n".join("\t".join(row) for row in [("id", "a", "b"), *rows]).encode()
    found = rows_of(data, "a.tsv", dialect=QUOTES_ARE_TEXT)
    assert [tuple(row.values()) for row in found] == rows
    records, problems = skipped(io.BytesIO(data), "a.tsv")
    assert len(records) == len(rows) or any("--quoting none" in message for _, message in problems)


# Headers


def test_without_a_header_columns_are_named_as_in_sqlite_utils():
    layout = {"dialect": Dialect(has_header=False)}
    assert rows_of(b"1,one\n2,two\n3\n", "a.csv", **layout) == [
        {"untitled_1": "1", "untitled_2": "one"},
        {"untitled_1": "2", "untitled_2": "two"},
        {"untitled_1": "3", "untitled_2": None},
    ]
    assert rows_of(b"1,1\n", "notes", **layout) == [{"untitled_1": "1", "untitled_2": "1"}]
    assert rows_of(b"", "a.csv", **layout) == []
    assert "line 2 of a.csv has 3 fields" in failure(b"1,a\n2,b,c\n", "a.csv", **layout)


def test_without_a_header_the_first_row_can_be_left_out():
    layout = Layout(dialect=Dialect(has_header=False))
    left_out: list[str] = []
    data = b'1,"a" b\n2,b\n'
    found = read_rows(io.BytesIO(data), "a.csv", layout, lambda place, _: left_out.append(place))
    assert list(found) == [Record("line 2 of a.csv", {"untitled_1": "2", "untitled_2": "b"})]
    assert left_out == ["line 1 of a.csv"]


@pytest.mark.parametrize(
    "columns",
    [
        {},
        {"id": "a"},
        {"content": ("a",)},
        {"content": ("text",), "metadata": ("a",)},
        {"content": ("text",), "rest": True},
    ],
)
def test_a_column_that_is_there_twice_cannot_be_used(columns):
    data = b"id,text,a,a\n1,x,2,3\n"
    assert refusal(data, **columns) == (
        "More than one column is called 'a' in the header, as line 2 of a.csv has it: rename them, "
        "or name the columns to use with --id and --content; if the header is a row, use "
        "--no-headers"
    )
    assert contents(data, id="id", content=("text",)) == [("1", "x")]
    assert contents(data, content=("text",), metadata=("id",)) == [("1", "x")]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"id,text,\n1,x,\n2,y,\n", [("1", "x"), ("2", "y")]),
        (b"id,text,,,\n1,x,,,\n2,y\n", [("1", "x"), ("2", "y")]),
        (b"id,text,\n1,x,more\n2,y,\n", [("1", "x more"), ("2", "y")]),
        (b",text\n0,x\n", [("0", "x")]),
        (b"id,,text\n1,x,y\n", [("1", "x y")]),
    ],
)
def test_a_delimiter_at_the_end_of_lines_makes_no_content(data, expected):
    assert contents(data) == expected


def test_columns_without_a_name_matter_only_where_they_are_used():
    data = b"id,text,,\n1,x,,\n2,y,z,z\n"
    assert "More than one column is called '' in the header, as line 3" in refusal(data)
    assert contents(data, content=("text",)) == [("1", "x"), ("2", "y")]
    assert contents(b"id,,text,,n\n1,a,x,b,c\n", content=("text",)) == [("1", "x")]


# Rows that cannot be read


@pytest.mark.parametrize(
    ("lines", "rows", "left_out"),
    [
        (["1,a", '2,"b" c', "3,d"], ["1", "3"], [3]),
        (["1,a", '2,"b', "3,c", "4,d"], ["1", "3", "4"], [3]),
        (["1,a", '2,"b', '3,"c"', "4,d"], ["1", "3", "4"], [3]),
        (["1,a", '2,"b', 'c "d" e', 'f"', "3,d"], ["1", "3"], [3, 4, 5]),
        (["1,a", "2,\0", "3,d"], ["1", "3"], [3]),
        (["1,a", "2,caf\udce9", "3,é"], ["1", "3"], [3]),
        (["1,a", '2,"caf\udce9', 'x"', "3,é"], ["1", "3"], [3]),
        (["1,a", "2,b,c", "3"], ["1", "3"], [3]),
    ],
)
def test_reading_goes_on_after_a_row_that_cannot_be_read(lines, rows, left_out):
    data = "\n".join(["id,text", *lines, ""]).encode(errors="surrogateescape")
    records, problems = skipped(io.BytesIO(data), "a.csv")
    assert [record.row["id"] for record in records] == rows
    assert [place for place, _ in problems] == [f"line {number} of a.csv" for number in left_out]


def test_a_header_that_cannot_be_read_is_an_error_in_any_case():
    for header in (b"id,caf\xe9", b'id,"x" y', b"id,\0"):
        with pytest.raises(InvalidInputError, match="ine 1 of a.csv "):
            skipped(io.BytesIO(header + b"\n1,x\n"), "a.csv")


@pytest.mark.parametrize("first", [b"sep=;\n", b'"sep=;"\r\n', b"SEP=;\n", b"\nsep=;\n"])
def test_the_delimiter_that_excel_tells_before_the_header(first):
    data = first + b"id;a, b, c\n1;x,y\n2;3;4\n"
    found, left_out = [], []
    rows = read_rows(
        io.BytesIO(data), "a.csv", on_unreadable=lambda place, _: left_out.append(place)
    )
    found += [record.row for record in rows]
    assert found == [{"id": "1", "a, b, c": "x,y"}]
    assert left_out == [f"line {3 + first.count(10)} of a.csv"]
    layout = Layout(dialect=Dialect(delimiter="|", has_header=False))
    [record] = read_rows(io.BytesIO(b"sep=;\n1|a;b\n"), "a.csv", layout)
    assert record.row == {"untitled_1": "1", "untitled_2": "a;b"}
    assert list(read_rows(io.BytesIO(b"sep=;\n"), "a.csv")) == []


def test_a_header_may_begin_like_what_excel_tells():
    [record] = read_rows(io.BytesIO(b"sep=;id\n1;x\n"), "a.csv")
    assert record.row == {"sep=": "1", "id": "x"}


# Delimiters, lines and fields


@pytest.mark.parametrize(
    ("header", "delimiter"),
    [
        ("id;title, or name;text", ";"),
        ('id,"a;b;c;d",text', ","),
        ("id\ttext, at most", ","),
        ("id\ta|b\ttext", "\t"),
        ("id|text|more", "|"),
        ("id", ","),
    ],
)
def test_the_delimiter_is_the_most_frequent_of_the_header(header, delimiter):
    names = next(csv.reader([header], delimiter=delimiter))
    values = [str(i) for i in range(len(names))]
    data = f"{header}\n{delimiter.join(values)}\n"
    assert rows_of(data.encode()) == [dict(zip(names, values, strict=True))]


def test_the_place_of_a_row_is_the_line_on_which_it_begins():
    data = b'id,text\r\n1,"a\nb\r\nc"\r\n\r\n2,"d"\r\n'
    assert list(read_rows(sliced(data, 1), "a.csv")) == [
        Record("line 2 of a.csv", {"id": "1", "text": "a\nb\r\nc"}),
        Record("line 6 of a.csv", {"id": "2", "text": "d"}),
    ]


def test_what_a_row_lacks_is_none():
    assert rows_of(b"a,b,c\n1\n1,\n") == [
        {"a": "1", "b": None, "c": None},
        {"a": "1", "b": "", "c": None},
    ]


def test_a_row_with_too_many_fields_can_be_left_out():
    data = b"id,text\n1,one\n2,two, too\n3,three\n"
    records, problems = skipped(io.BytesIO(data), "a.csv")
    message = "line 3 of a.csv has 3 fields, for 2 columns: a field with ',' in it must be quoted"
    assert [record.place for record in records] == ["line 2 of a.csv", "line 4 of a.csv"]
    assert problems == [("line 3 of a.csv", message)]
    assert failure(data, "a.csv") == message


def test_a_header_with_another_delimiter_in_it():
    data = b"Id;Text, long, with, commas\n1;hello, world\n"
    row = {"Id": "1", "Text, long, with, commas": "hello, world"}
    assert list(read_rows(io.BytesIO(data), "a.csv")) == [Record("line 2 of a.csv", row)]


def test_a_column_without_a_name_is_one(tmp_path):
    """pandas writes its index like that."""
    found = read_rows(io.BytesIO(b",text\n0,one\n"), "a.csv")
    assert list(found) == [Record("line 2 of a.csv", {"": "0", "text": "one"})]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            b'a,b\n1,2\n3,"4\n5,6\n',
            "The row at line 3 of a.csv is not CSV: unexpected end of data (a quote inside of a "
            "quoted field is written twice; with --quoting none, quotes are text)",
        ),
        (
            b'a,b\n1,"2" and 3\n',
            "The row at line 2 of a.csv is not CSV: ',' expected after '\"' (a quote inside of a "
            "quoted field is written twice; with --quoting none, quotes are text)",
        ),
        (
            b"a,b\n1,2\n3,\0\n",
            "line 3 of a.csv holds the character NUL: it is not text, or in an encoding such as "
            "utf-16 (name it with --encoding)",
        ),
    ],
)
def test_what_is_not_csv_is_refused_with_its_line(data, message):
    assert failure(data, "a.csv") == message


def test_fields_may_be_long_and_the_limit_of_the_module_only_grows():
    before = csv.field_size_limit(2**31 + 5)
    try:
        text = "x" * 200_000
        assert rows_of(f"id,text\n1,{text}\n".encode()) == [{"id": "1", "text": text}]
        assert csv.field_size_limit() == 2**31 + 5
        csv.field_size_limit(before)
        assert rows_of(f"id,text\n1,{text}\n".encode()) == [{"id": "1", "text": text}]
    finally:
        csv.field_size_limit(before)
