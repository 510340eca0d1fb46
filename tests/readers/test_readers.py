"""read_rows(): files and pipes as rows, as they come in, and what is wrong with them."""

import csv
import io
import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vecstore import readers
from vecstore.errors import InvalidInputError
from vecstore.readers import Dialect, Layout, Record, json_stream, read_rows

THREE = b"id,text\n1,one\n2,two\n3,three\n"


class Pieces(io.RawIOBase):
    """A pipe: what is asked of it gives the next piece, and no more."""

    def __init__(self, pieces):
        self._pieces = iter(pieces)

    def readable(self):
        return True

    def readinto(self, buffer):
        piece = next(self._pieces, b"")
        buffer[: len(piece)] = piece
        return len(piece)


def sliced(data: bytes, size: int):
    return Pieces(data[i : i + size] for i in range(0, len(data), size))


def rows_of(data: bytes, name: str = "notes", **options) -> list[dict]:
    return [record.row for record in read_rows(io.BytesIO(data), name, Layout(**options))]


def skipped(stream, name: str) -> tuple[list[Record], list[tuple[str, str]]]:
    """Return the records of a file, and the place and message of each row that was left out."""
    problems = []

    def note(place, error):
        problems.append((place, str(error)))

    return list(read_rows(stream, name, on_unreadable=note)), problems


def failure(data: bytes, name: str = "notes", **options) -> str:
    with pytest.raises(InvalidInputError) as caught:
        rows_of(data, name, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# Formats


def test_a_record_has_its_place_and_its_row():
    assert list(read_rows(io.BytesIO(THREE), "notes.csv")) == [
        Record("line 2 of notes.csv", {"id": "1", "text": "one"}),
        Record("line 3 of notes.csv", {"id": "2", "text": "two"}),
        Record("line 4 of notes.csv", {"id": "3", "text": "three"}),
    ]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.csv", b"id,text\n1,one\n"),
        ("a.CSV", b"id;text\n1;one\n"),
        ("a.tsv", b"id\ttext\n1\tone\n"),
        ("a.json", b'[{"id": "1", "text": "one"}]'),
        ("a.json", b'{"id": "1", "text": "one"}'),
        ("a.json", b'{\n"id": "1",\n"text": "one"}'),
        ("a.json", b'\n{"id": "1", "text": "one"}\n'),
        ("a.jsonl", b'{"id": "1", "text": "one"}\n'),
        ("a.ndjson", b'{"id": "1", "text": "one"}'),
        ("a.nl", b'\r\n{"id": "1", "text": "one"}\r\n'),
        ("a", b'  [{"id": "1", "text": "one"}]'),
        ("a", b'{"id": "1", "text": "one"}\n'),
        ("a", b'\n { "id": "1",\n "text": "one"}\n'),
        ("a", b"id\ttext\n1\tone\n"),
        ("a.txt", b"id|text\r\n1|one\r\n"),
        ("a.txt", b"id,text\r1,one\r"),
        ("a", b'id,"text"\n1,one'),
        ("a", b"\n\nid,text\n\n1,one\n\n"),
    ],
)
def test_the_format_is_that_of_the_suffix_or_of_the_content(name, data):
    assert rows_of(data, name) == [{"id": "1", "text": "one"}]
    assert [r.row for r in read_rows(sliced(data, 1), name)] == [{"id": "1", "text": "one"}]
    marked = b"\xef\xbb\xbf" + data
    assert [r.row for r in read_rows(sliced(marked, 1), name)] == [{"id": "1", "text": "one"}]


def test_lines_of_objects_are_read_as_such_whatever_the_suffix_says():
    data = b'{"id": 1}\n\n{"id": 2}\n'
    expected = [Record("line 1 of a.json", {"id": 1}), Record("line 3 of a.json", {"id": 2})]
    assert list(read_rows(io.BytesIO(data), "a.json")) == expected


def test_a_format_that_is_given_is_obeyed():
    assert rows_of(b"[1\n2\n", "a.json", format="csv") == [{"[1": "2"}]
    assert rows_of(b"a,b\n1,2\n", "a.csv", format="tsv") == [{"a,b": "1,2"}]
    assert rows_of(b'{"a": 1}\n{"a": 2}\n', "a.jsonl", format="json") == [{"a": 1}, {"a": 2}]
    assert failure(b'{\n"a": 1}\n', "a.json", format="nl") == (
        "line 1 of a.json cannot be read as JSON: Expecting property name enclosed in double "
        "quotes (column 1); objects over several lines are read with --format json"
    )
    assert failure(b'[{"a": 1}]', "a.json", format="nl") == (
        "line 1 of a.json is an array, not an object of columns"
    )
    with pytest.raises(InvalidInputError, match="^format is 'xml': it must be one of csv, tsv, js"):
        Layout("xml")


@pytest.mark.parametrize("format", [None, *readers.FORMATS])
def test_an_empty_file_has_no_rows(format):
    for data in (b"", b"\n \n" if format in ("json", "nl") else b"\n\n", b"\xef\xbb\xbf"):
        assert rows_of(data, format=format) == []


def test_a_header_or_an_array_alone_has_no_rows():
    assert rows_of(b"id,text\n") == rows_of(b"id,text") == []
    assert rows_of(b"[]") == rows_of(b" [ \n] ") == []


# CSV


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


# JSON


def test_the_items_of_an_array_are_numbered_and_have_lines():
    data = b'[\n  {"id": 1},\n  {\n    "id": [2, {"a": "\\n"}]\n  },  {"id": null}\n]\n'
    assert list(read_rows(sliced(data, 1), "a.json")) == [
        Record("item 1 (line 2) of a.json", {"id": 1}),
        Record("item 2 (line 3) of a.json", {"id": [2, {"a": "\n"}]}),
        Record("item 3 (line 5) of a.json", {"id": None}),
    ]


def test_items_that_are_no_rows_can_be_left_out():
    data = b'[{"a": 1},\n17,\n"x", null,\n[{}], true, -1.5e3, {"a": [NaN]}, {"a": 2}]'
    expected = [
        ("item 2 (line 2) of a.json", "is a number, not an object of columns"),
        ("item 3 (line 3) of a.json", "is a string, not an object of columns"),
        ("item 4 (line 3) of a.json", "is null, not an object of columns"),
        ("item 5 (line 4) of a.json", "is an array, not an object of columns"),
        ("item 6 (line 4) of a.json", "is a boolean, not an object of columns"),
        ("item 7 (line 4) of a.json", "is a number, not an object of columns"),
        (
            "item 8 (line 4) of a.json",
            "holds NaN, which is not JSON: null is what has no value",
        ),
    ]
    for stream in (io.BytesIO(data), sliced(data, 1), sliced(data, 7)):
        records, problems = skipped(stream, "a.json")
        assert [record.row for record in records] == [{"a": 1}, {"a": 2}]
        assert problems == [(place, f"{place} {message}") for place, message in expected]
    assert failure(data, "a.json") == " ".join(expected[0])


def test_lines_that_are_no_rows_can_be_left_out():
    data = b'{"a": 1}\n{"a": }\n[2]\n{"a": -Infinity}\n{"a": 3} x\n{"a": 4}\n'
    records, problems = skipped(io.BytesIO(data), "a.jsonl")
    assert [record.row for record in records] == [{"a": 1}, {"a": 4}]
    assert problems == [
        (place, f"{place} {message}")
        for place, message in [
            ("line 2 of a.jsonl", "cannot be read as JSON: Expecting value (column 7)"),
            ("line 3 of a.jsonl", "is an array, not an object of columns"),
            (
                "line 4 of a.jsonl",
                "holds -Infinity, which is not JSON: null is what has no value",
            ),
            ("line 5 of a.jsonl", "cannot be read as JSON: Extra data (column 10)"),
        ]
    ]


@pytest.mark.parametrize(
    ("data", "line", "reason"),
    [
        (b'[{"a": 1},\n', 2, "it ends in the middle of an item"),
        (b'[{"a": 1},\n{"a":', 2, "it ends in the middle of an item"),
        (b'[{"a": 1},\n{"a": "', 2, "Unterminated string starting at"),
        (b'[{"a": 1}\n', 2, "the array has no end"),
        (b"[", 1, "it ends in the middle of an item"),
        (b'[{"a": 1}\n{"a": 2}]', 2, "expecting ',' or ']' after an item"),
        (b'[{"a": 1},\n]', 2, "Expecting value"),
        (b'[{"a": 1}, {\n"a": x}]', 2, "Expecting value"),
        (b'[{"a": 1}, {\n"a": "\n"}]', 2, "Invalid control character at"),
        (b'17, {"a": 1}', 1, "it starts with '1', and must be an array of objects"),
        (b'[{"a": 1}]\n[', 2, "it ends in the middle of an item"),
        (
            b'{"a": 1},\n{"a": 2}',
            1,
            "it goes on with ',': only an array or an object can follow another",
        ),
        (b'[{"a": ' + b"9" * 5000 + b"}]", 1, "it holds an integer of too many digits"),
        (
            b'[{"a": ' + b"[" * 200_000 + b"]" * 200_000 + b"}]",
            1,
            "it is nested too deeply",
        ),
    ],
)
def test_what_is_not_json_is_refused_with_its_line(data, line, reason):
    message = f"a.json cannot be read as JSON at line {line}: {reason}"
    assert failure(data, "a.json") == message
    if len(data) < 100:
        with pytest.raises(InvalidInputError) as caught:
            list(read_rows(sliced(data, 1), "a.json"))
        assert str(caught.value) == message


def test_a_line_of_json_ends_with_a_line_feed_and_no_other_character():
    data = '{"a":\r"\u2028"}\n{"a":\x0c1}\n{"a": 2}\r\n'.encode()
    records, problems = skipped(io.BytesIO(data), "a.jsonl")
    assert records == [
        Record("line 1 of a.jsonl", {"a": "\u2028"}),
        Record("line 3 of a.jsonl", {"a": 2}),
    ]
    assert [place for place, _ in problems] == ["line 2 of a.jsonl"]


def test_lines_that_python_cannot_read_can_be_left_out():
    data = b'{"a": %s}\n{"a": %s%s}\n{"a": 1}' % (b"9" * 5000, b"[" * 200_000, b"]" * 200_000)
    records, problems = skipped(io.BytesIO(data), "a.jsonl")
    assert records == [Record("line 3 of a.jsonl", {"a": 1})]
    assert [message for _, message in problems] == [
        "line 1 of a.jsonl cannot be read as JSON: it holds an integer of too many digits",
        "line 2 of a.jsonl cannot be read as JSON: it is nested too deeply",
    ]


# Encodings


def test_another_encoding_can_be_named():
    for encoding in ("utf-16", "utf-16-le", "latin-1", "cp1252"):
        for data in ("id,text\n1,Größe\n", '[{"id": "1", "text": "Größe"}]'):
            stream = sliced(data.encode(encoding), 3)
            rows = [record.row for record in read_rows(stream, "a", Layout(encoding=encoding))]
            assert rows == [{"id": "1", "text": "Größe"}]


def test_an_unknown_encoding_is_refused_at_once():
    for name in ("utf-9", "hex", "", "undefined"):
        with pytest.raises(InvalidInputError, match="is not an encoding of text: name one"):
            readers.check_encodings([name])
    with pytest.raises(InvalidInputError, match="^'utf-9' is not an encoding"):
        Layout(encoding="utf-9")


@pytest.mark.parametrize("size", [1, 5, 1000])
@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.csv", b"id,text\n1,Gr\xc3\xb6\xc3\x9fe\n2,Gr\xf6\xdfe\n"),
        ("a.jsonl", b'{"id": "0"}\n{"id": "1", "text": "Gr\xc3\xb6\xc3\x9fe"}\n{"id": "\xf6"}\n'),
    ],
)
def test_rows_before_bytes_of_another_encoding_are_read(name, data, size):
    last = None
    with pytest.raises(InvalidInputError) as caught:
        for last in read_rows(sliced(data, size), name):  # noqa: B007
            pass
    assert last == Record(f"line 2 of {name}", {"id": "1", "text": "Größe"})
    assert str(caught.value) == (
        f"line 3 of {name} is not utf-8: name its encoding with --encoding (invalid start byte)"
    )


def test_a_file_that_ends_within_a_character_is_refused():
    assert failure(b"id\nGr\xc3", "a.csv") == (
        "line 2 of a.csv is not utf-8: name its encoding with --encoding (unexpected end of data)"
    )


# Round trips

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
CSV_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
HOSTILE = st.text(st.sampled_from('",;\t|\r\n\\ \u2028\u0085\x1c\ufeffé😀a[{'), max_size=40)
JSON_ROWS = st.lists(
    st.dictionaries(
        TEXT | HOSTILE,
        st.recursive(
            st.none() | st.booleans() | st.integers() | TEXT | HOSTILE,
            lambda values: st.lists(values, max_size=3) | st.dictionaries(HOSTILE, values),
            max_leaves=5,
        )
        | st.floats(allow_nan=False, allow_infinity=False),
        max_size=4,
    ),
    max_size=6,
)
SIZES = st.integers(1, 50)


@given(
    st.lists(st.tuples(*[CSV_TEXT | HOSTILE] * 3), max_size=10),
    st.sampled_from(",\t;|"),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    SIZES,
)
def test_what_the_csv_module_writes_is_read(rows, delimiter, quoting, size):
    file = io.StringIO(newline="")
    writer = csv.writer(file, delimiter=delimiter, quoting=quoting)
    writer.writerows([("id", "title", "text"), *rows])
    stream = sliced(file.getvalue().encode(), size)
    expected = [dict(zip(("id", "title", "text"), row, strict=True)) for row in rows]
    layout = Layout(dialect=Dialect(quoting="minimal"))
    assert [record.row for record in read_rows(stream, "notes", layout)] == expected


@given(JSON_ROWS, st.none() | st.integers(0, 3) | st.just("\t\r\n"), st.booleans(), SIZES)
def test_what_the_json_module_writes_is_read(rows, indent, ascii, size):
    data = json.dumps(rows, indent=indent, ensure_ascii=ascii).encode()
    assert [record.row for record in read_rows(sliced(data, size), "notes")] == rows


@given(JSON_ROWS, st.booleans(), st.sampled_from(["\n", "\r\n", "\n \n"]), SIZES)
def test_lines_that_the_json_module_writes_are_read(rows, ascii, end, size):
    data = end.join(json.dumps(row, ensure_ascii=ascii) for row in rows).encode()
    stream = sliced(data, size)
    assert [record.row for record in read_rows(stream, "notes", Layout("nl"))] == rows


@given(
    st.lists(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    ),
    SIZES,
)
def test_no_number_is_cut_where_a_piece_ends(values, size):
    text = json.dumps(values)
    pieces = [text[i : i + size] for i in range(0, len(text), size)]
    found = [problem for _, _, problem in json_stream.read_items(pieces, "notes")]
    kinds = {bool: "a boolean", type(None): "null"}
    assert found == [
        f"is {kinds.get(type(value), 'a number')}, not an object of columns" for value in values
    ]


# Streams


@pytest.mark.parametrize(
    ("name", "pieces", "places"),
    [
        ("a", [b"id,text\n1,o", b"ne\n"], ["line 2 of a"]),
        ("a.tsv", [b"id\n", b"1\n", b"2\n"], ["line 2 of a.tsv", "line 3 of a.tsv"]),
        ("a", [b'{"id": 1}\n', b'{"id"', b": 2}\n"], ["line 1 of a", "line 2 of a"]),
        ("a", [b"[", b'{"id": 1}', b",", b'{"id":', b"2}"], ["item 1 (line 1) of a"] * 2),
        ("a.json", [b'{\n"id": 1', b"}"], ["item 1 (line 1) of a.json"]),
    ],
)
def test_a_row_is_there_as_soon_as_it_has_been_written(name, pieces, places):
    more = iter(pieces)

    def endless():
        yield from more
        pytest.fail("a row that was complete was waited for")

    records = read_rows(Pieces(endless()), name)
    expected = [place.replace("item 1", f"item {i}", 1) for i, place in enumerate(places, 1)]
    assert [next(records).place for _ in places] == expected
    assert list(more) == []


def test_a_row_comes_out_of_a_real_pipe_before_the_next_is_written():
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as stream, os.fdopen(writing, "wb", buffering=0) as sink:
        sink.write(b'{"id": 1}\n')
        records = read_rows(stream, "-")
        assert next(records).row == {"id": 1}
        sink.write(b'{"id": 2}\n')
        assert next(records).row == {"id": 2}
        sink.close()
        assert next(records, None) is None


ROW = {"id": 1, "text": "x" * 1000}


@pytest.mark.parametrize(
    ("start", "row", "name"),
    [
        (b"id,text\n", b"1,%s\n" % (b"x" * 1000), "a.csv"),
        (b"\n", json.dumps(ROW).encode() + b"\n", "a"),
        (b"[", json.dumps(ROW).encode() + b",", "a"),
    ],
)
def test_no_more_is_read_than_is_needed_for_the_next_row(start, row, name):
    given_out = 0

    def endless():
        nonlocal given_out
        yield start
        while True:
            given_out += 1
            yield row * 10

    records = read_rows(Pieces(endless()), name)
    for number in range(1, 2001):
        assert len(next(records).row["text"]) == 1000
        assert given_out <= number // 10 + 2


def test_one_long_item_is_decoded_a_few_times_only(monkeypatch):
    decoded = []
    decode = json.JSONDecoder.raw_decode

    def counting(self, text, at=0):
        decoded.append(len(text) - at)
        return decode(self, text, at)

    monkeypatch.setattr(json.JSONDecoder, "raw_decode", counting)
    row = {"id": "1", "texts": ["x"] * 500_000}
    text = json.dumps([row, {"id": "2"}])
    pieces = (text[i : i + 10_000] for i in range(0, len(text), 10_000))
    assert [found for _, found, _ in json_stream.read_items(pieces, "a")] == [row, {"id": "2"}]
    assert sum(decoded) < 5 * len(text)


def test_an_error_in_an_array_is_found_without_reading_to_its_end():
    def endless():
        yield b'[{"id": oops},'
        for _ in range(100):
            yield b'{"id": 1},' * 100
        pytest.fail("all was read")

    with pytest.raises(InvalidInputError, match="line 1: Expecting value"):
        list(read_rows(Pieces(endless()), "a"))
