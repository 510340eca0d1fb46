"""read_rows(): the formats and encodings of files, and pipes that are read as rows come in."""

import io
import json
import os

import pytest

from tests.support.reading import Pieces, failure, rows_of, sliced
from vecstore import readers
from vecstore.errors import InvalidInputError
from vecstore.readers import Layout, Record, json_stream, read_rows

THREE = b"id,text\n1,one\n2,two\n3,three\n"


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
