"""JSON: items and lines that are rows, or none, and what is no JSON."""

import io

import pytest

from tests.support.reading import PAGE, Pieces, failure, rows_of, skipped, sliced, written
from vecstore.errors import InvalidInputError
from vecstore.readers import Layout, Record, read_rows

NESTED = {"data": {"n": 1, "items": [{"id": 3}], "more": {"x": [1]}}, "errors": [], "a.b": [{}]}


# Items and lines


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


# A list in an object


@pytest.mark.parametrize("name", ["a", "a.json", "a.jsonl"])
@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_the_rows_are_in_a_list_that_is_named(name, indent, size):
    for value, rows, expected in (
        (PAGE, "results", PAGE["results"]),
        ([PAGE], "results", PAGE["results"]),
        (NESTED, "data.items", [{"id": 3}]),
        (NESTED, "a.b", [{}]),
        (NESTED, "errors", []),
        ({"a": {"b": [{"id": 1}]}, "a.b": [{"id": 2}]}, "a.b", [{"id": 1}, {"id": 2}]),
    ):
        stream = sliced(written(value, indent), size)
        assert [record.row for record in read_rows(stream, name, Layout(rows=rows))] == expected


def test_the_list_of_each_of_several_objects_is_taken():
    second = {"count": 123, "results": [{"id": 3}]}
    for data in (
        written(PAGE) + b"\n" + written(second),
        written(PAGE, 2) + written(second, 2),
        written([PAGE, second]),
        b"[" + written(PAGE) + b"]\n[" + written(second) + b"]",
    ):
        assert [row["id"] for row in rows_of(data, "a.jsonl", rows="results")] == [1, 2, 3]


@pytest.mark.parametrize(
    ("value", "rows", "problem"),
    [
        (PAGE, "result", "has no list 'result' for --rows: its lists of objects are 'results' (2)"),
        (
            PAGE,
            "count",
            "has a number in 'count', not a list for --rows: its lists of objects are 'results' "
            "(2)",
        ),
        (
            NESTED,
            "data",
            "has an object in 'data', not a list for --rows: its lists of objects are 'data.items' "
            "(1), 'a.b' (1)",
        ),
        ({}, "x", "has no list 'x' for --rows: there is no list of objects in it"),
        (
            {"x": {"y": None}},
            "x.y",
            "has null in 'x.y', not a list for --rows: there is no list of objects in it",
        ),
    ],
)
def test_a_list_that_is_not_there_is_an_error_with_those_that_are(value, rows, problem):
    message = f"item 1 (line 1) of a.json {problem}"
    assert failure(written(value), "a.json", rows=rows) == message


def test_what_is_wrong_in_a_list_can_be_left_out():
    data = b'{"error": "busy"}\n{"results": [{"id": 1}, 17, {"id": "caf\xe9"}, {"id": 2}]}\n[5]'
    left_out: list[str] = []
    found = read_rows(
        io.BytesIO(data), "a", Layout(rows="results"), lambda _, error: left_out.append(str(error))
    )
    assert [record.row for record in found] == [{"id": 1}, {"id": 2}]
    assert left_out == [
        "item 1 (line 1) of a has no list 'results' for --rows: there is no list of objects in it",
        "item 3 (line 2) of a is a number, not an object of columns",
        "item 4 (line 2) of a is not utf-8: name its encoding with --encoding (invalid "
        "continuation byte)",
        "item 6 (line 3) of a is a number, not an object of columns",
    ]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b'{"results": [{"id": 1}', "the array has no end"),
        (b'{"results": [{"id": 1}]', "the object has no end"),
        (b'{"results": [{"id": 1}],', "it ends in the middle of an item"),
        (b'{"results": [{"id": 1}], "a"', "expecting ':' after a key"),
        (b'{"results": [{"id": 1}], a: 1}', "expecting a key in double quotes"),
        (b'{"results": [{"id": 1}] "a": 1}', "expecting ',' or '}' after a value"),
        (b'{"results": [{"id": 1}], "a": oops}', "Expecting value"),
    ],
)
def test_an_object_around_the_rows_that_is_not_json(data, reason):
    message = f"a.json cannot be read as JSON at line 1: {reason}"
    assert failure(data, "a.json", rows="results") == message


def test_a_list_in_an_object_is_read_as_a_stream():
    def endless():
        yield b'{"count": 5, "data": {"items": [{"id": 1},'
        yield b'{"id": 2},'
        pytest.fail("more was read than the rows that were asked for")

    records = read_rows(Pieces(endless()), "a", Layout(rows="data.items"))
    assert [next(records).row, next(records).row] == [{"id": 1}, {"id": 2}]


# Objects that follow each other


@pytest.mark.parametrize("name", ["a", "a.json", "a.jsonl"])
@pytest.mark.parametrize("size", [1, 1000])
def test_objects_over_several_lines_are_rows(name, size):
    """As `jq .` prints them."""
    data = b"\n".join(written({"id": i, "t": ["x"]}, 2) for i in range(3)) + b"\n"
    found = read_rows(sliced(data, size), name)
    assert list(found) == [
        Record(f"item {i + 1} (line {6 * i + 1}) of {name}", {"id": i, "t": ["x"]})
        for i in range(3)
    ]


def test_arrays_may_follow_each_other():
    assert rows_of(b'[{"id": 1}]\n[]\n[{"id": 2}]', "a") == [{"id": 1}, {"id": 2}]


@pytest.mark.parametrize("name", ["a", "a.json", "a.jsonl"])
@pytest.mark.parametrize("size", [1, 1000])
@pytest.mark.parametrize(
    "start", [b'{ "id":1,\n', b'{"id":\r\n 1,\n\n', b'{"l": [\n1], "id": 1,\n']
)
def test_the_first_line_of_an_object_may_have_keys(name, size, start):
    data = start + b'  "t": "a"\n}\n{ "id":2,\n  "t": "b" }\n'
    found = read_rows(sliced(data, size), name)
    assert [record.row["id"] for record in found] == [1, 2]


def test_a_line_that_is_no_json_is_left_out_though_others_follow():
    records, problems = skipped(io.BytesIO(b'{"id": 1,\n{"id": 2}\n'), "a.jsonl")
    assert [record.row for record in records] == [{"id": 2}]
    assert [place for place, _ in problems] == ["line 1 of a.jsonl"]
