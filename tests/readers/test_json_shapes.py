"""JSON: objects around the rows, what is said of them, and objects that follow each other."""

import io
import json

import pytest

from tests.readers.test_readers import Pieces, failure, rows_of, skipped, sliced
from vecstore.errors import InvalidInputError
from vecstore.readers import Columns, Layout, Record, check_shapes, read_rows

PAGE = {"count": 123, "next": None, "results": [{"id": 1, "t": "a"}, {"id": 2, "t": "b"}]}
NESTED = {"data": {"n": 1, "items": [{"id": 3}], "more": {"x": [1]}}, "errors": [], "a.b": [{}]}


def written(value, indent=None) -> bytes:
    return json.dumps(value, indent=indent).encode()


def shaped(data: bytes, name: str = "a.json", columns=None) -> tuple[list[Record], list[str]]:
    """Return the records, and what was said of them."""
    told: list[str] = []
    rows = read_rows(io.BytesIO(data), name)
    return list(check_shapes(rows, columns or Columns(), told.append)), told


def refusal(data: bytes, name: str = "a.json", columns=None) -> str:
    with pytest.raises(InvalidInputError) as caught:
        shaped(data, name, columns)
    return str(caught.value)


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


# What is taken for a row


@pytest.mark.parametrize("name", ["a", "a.json", "a.jsonl"])
def test_an_object_around_the_rows_is_no_row(name):
    rest = (
        "is all there is, an object with lists of objects in it: 'results' (2); --rows results "
        "embeds the objects of that list; if the object is itself an entry, name its columns, as "
        "--id count"
    )
    assert refusal(written(PAGE), name) == f"line 1 of {name} {rest}"
    assert refusal(written([PAGE]), name) == f"item 1 (line 1) of {name} {rest}"
    assert refusal(written(PAGE, 2), name) == f"item 1 (line 1) of {name} {rest}"


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({"users": [{}], "posts": [{}, {}]}, "'users' (1), 'posts' (2); --rows users"),
        ({"took": 3, "hits": {"hits": [{}, 1]}}, "'hits.hits' (2); --rows hits.hits"),
        ({"type": "FeatureCollection", "features": [{}]}, "'features' (1); --rows features"),
        ({"the rows": [{}]}, "'the rows' (1); --rows 'the rows'"),
    ],
)
def test_the_lists_in_an_object_are_named(value, found):
    assert f"lists of objects in it: {found} embeds the objects" in refusal(written(value))


def test_only_a_column_that_can_be_an_id_is_advised():
    row = {"ok": True, "note": "", "data": [{}], "page": 7}
    assert refusal(written(row)).endswith("name its columns, as --id page")
    assert refusal(written({"ok": True, "data": [{}]})).endswith("embeds the objects of that list")


def test_of_many_lists_some_are_named():
    row = {f"list {i}": [{}] for i in range(1000)}
    assert "'list 4' (1) and 995 more; --rows 'list 0' embeds" in refusal(written(row))
    assert len(failure(written(row), "a.json", rows="x" * 1000)) < 400


@pytest.mark.parametrize(
    "columns", [Columns(id="count"), Columns("count", ("results",), ("next",))]
)
def test_an_object_whose_columns_are_named_is_an_entry(columns):
    records, told = shaped(written(PAGE), columns=columns)
    assert ([record.row for record in records], told) == ([PAGE], [])
    for others in (Columns(id="id"), Columns(id="count", content=("text",))):
        assert "--rows results" in refusal(written(PAGE), columns=others)


@pytest.mark.parametrize(
    "data",
    [
        written({"id": 1, "tags": ["a", "b"], "more": {"x": 1}}),
        written({"name": "x", "numbers": [1, 2], "text": "y"}),
        written({}),
        written(PAGE["results"]),
        written({"name": "x", "address": {"street": {"no": 1}}}),
        written({"a": "x", "address": {"street": {"no": 1}, "town": {"post": 2}}}),
        written({"name": "x", "of": {"de": {"t": 1}, "en": {"t": 2}}}),
        written({"a": "x", "_links": {"self": {"href": "u"}, "next": {"href": "v"}}}),
        written({"name": "x", "tags": ["a", "b"], "count": 3}),
        written({"id": 1, "count": 2, "tags": ["a"]}),
        b"id,text\n1,x\n",
    ],
)
def test_of_other_rows_nothing_is_said(data):
    records, told = shaped(data, "a")
    assert (records, told) == (list(read_rows(io.BytesIO(data), "a")), [])


PAGES = [{"page": 1, "results": [{"id": 1}, {"id": 2}]}, {"page": 2, "results": [{"id": 3}]}]


@pytest.mark.parametrize("name", ["a", "a.json", "a.jsonl"])
def test_pages_of_rows_are_no_rows(name):
    nl, array, indented = b"\n".join(map(written, PAGES)), written(PAGES), written(PAGES, 2)
    for data in (nl, array, indented, b"".join(written(page, 2) for page in PAGES)):
        line = 2 if data == indented else 1
        place = "line 1" if data == nl else f"item 1 (line {line})"
        assert refusal(data, name) == (
            f"{place} of {name} looks like a page of rows, as it has 'page': an object with "
            "lists of objects in it: 'results' (2); --rows results embeds the objects of that "
            "list; if the object is itself an entry, name its columns, as --id page"
        )
        assert [row["id"] for row in rows_of(data, name, rows="results")] == [1, 2, 3]


@pytest.mark.parametrize(
    "page",
    [
        PAGE,
        {"took": 3, "hits": {"total": 5, "hits": [{}]}},
        {"meta": {"current_page": 1}, "data": [{}]},
        {"data": {"total": 9, "items": [{}]}},
        {"data": [{}], "links": {"next": None}},
        {"items": [{}], "nextPageToken": "x"},
        {"@odata.context": "u", "value": [{}], "@odata.nextLink": "v"},
        {"ok": True, "rows": [[1, "a"]], "truncated": False},
    ],
)
def test_the_first_of_several_pages_is_told_by_what_pages_have(page):
    assert "looks like a page of rows" in refusal(written([page, page]))


@pytest.mark.parametrize(
    ("row", "columns"),
    [
        ({"id": 1, "page": 7, "words": [{}]}, Columns()),
        ({"order_id": 1, "total": 7, "items": [{}]}, Columns()),
        ({"orderId": 1, "total": 7, "items": [{}]}, Columns()),
        ({"order": "A", "total": 7.5, "items": [{}]}, Columns()),
        ({"page": 7, "text": "x", "words": [{}]}, Columns()),
        ({"sku": "A", "count": 7, "tags": ["a"]}, Columns()),
        ({"board": "A", "cards": [{}], "owner": {"n": 1}}, Columns()),
        ({"board": "A", "cards": [{}], "stats": {"count": 1}}, Columns()),
        (PAGES[0], Columns(id="page")),
    ],
)
def test_of_several_rows_with_lists_nothing_is_said(row, columns):
    records, told = shaped(written([row, row]), columns=columns)
    assert ([record.row for record in records], told) == ([row, row], [])


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (
            {"database": "x", "rows": [[1, "a"], [2, "b"]], "columns": ["id", "t"]},
            "an object with lists of lists in it: 'rows' (2); rows must be objects, as Datasette "
            "gives them with ?_shape=array, and pandas with to_json(orient='records'); if the "
            "object is itself an entry, name its columns, as --id database",
        ),
        (
            {"page": 1, "data": [[1, "a"]]},
            "an object with lists of lists in it: 'data' (1); rows must be objects, as Datasette "
            "gives them with ?_shape=array, and pandas with to_json(orient='records'); if the "
            "object is itself an entry, name its columns, as --id page",
        ),
        (
            {"count": 2, "next": None, "results": ["a", "b"]},
            "an object with lists of plain values in it: 'results' (2); rows must be objects, as "
            "jq 'map({id: ., text: .})' makes them of a list of texts; if the object is itself an "
            "entry, name its columns, as --id count",
        ),
        (
            {"status": "ok", "data": {"1": {"t": "a"}, "2": {"t": "b"}}},
            "an object with objects by key in it: 'data' (2); rows must be in a list, as jq '.data "
            "| to_entries | map({id: .key} + .value)' makes one of rows by key, and "
            "to_json(orient='records') in pandas; if the object is itself an entry, name its "
            "columns, as --id status",
        ),
    ],
)
def test_a_single_object_around_rows_that_are_no_objects_in_a_list(row, problem):
    assert refusal(written(row)) == f"line 1 of a.json is all there is, {problem}"
    assert shaped(written(row), columns=Columns(id=next(iter(row))))[1] == []


def test_the_objects_by_key_of_a_page_may_differ():
    assert "'results' (2)" in refusal(
        written({"count": 2, "results": {"1": {"t": "a"}, "2": {"u": "b"}}})
    )
    assert "'data.a b' (2); rows must be in a list, as jq 'to_entries" in refusal(
        written({"status": "ok", "data": {"a b": {"1": {"t": "a"}, "2": {"t": "b"}}}})
    )


def test_an_object_with_an_id_is_an_entry_and_its_lists_of_lists_are_told():
    [told] = shaped(written({"id": 1, "rows": [[1]]}))[1]
    assert told.endswith("to_json(orient='records'); the object was taken for one entry")


def test_an_object_with_an_id_is_an_entry_and_its_lists_are_told():
    row = {"id": 7, "name": "Board", "cards": [{}, {}]}
    records, [told] = shaped(written([row]))
    assert [record.row for record in records] == [row]
    assert told == (
        "item 1 (line 1) of a.json is all there is, an object with lists of objects in it: "
        "'cards' (2); --rows cards embeds the objects of that list; the object was taken for one "
        "entry"
    )


def test_an_object_with_an_empty_list_is_an_entry_and_the_list_is_told():
    records, [told] = shaped(written({"count": 0, "results": []}))
    assert [record.row for record in records] == [{"count": 0, "results": []}]
    assert told.endswith("if rows come in that list, use --rows results")
    assert shaped(written({"id": 1, "text": "x", "tags": []}))[1] == []


def test_an_object_of_objects_by_key_is_no_row():
    assert refusal(written({"a": {"t": "x"}, "b": {"t": "y"}})) == (
        "line 1 of a.json is all there is, an object of objects by key ('a', 'b'): rows must be in "
        "a list, as jq 'to_entries | map({id: .key} + .value)' makes one of rows by key, and "
        "to_json(orient='records') in pandas"
    )


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


def test_a_later_object_over_several_lines_is_told_how_to_read():
    message = failure(b'{"id": 1}\n{"id":\n2}\n', "a.jsonl")
    assert message.startswith("line 2 of a.jsonl cannot be read as JSON: Expecting value")
    assert message.endswith("; objects over several lines are read with --format json")


def test_a_line_that_is_no_json_is_left_out_though_others_follow():
    records, problems = skipped(io.BytesIO(b'{"id": 1,\n{"id": 2}\n'), "a.jsonl")
    assert [record.row for record in records] == [{"id": 2}]
    assert [place for place, _ in problems] == ["line 1 of a.jsonl"]


# A row that is taken for a header


def test_a_header_that_is_a_number_like_the_ids_is_told():
    for name in ("a", "a.csv"):
        records, [told] = shaped(b"1,hello\n2,world\n3,again\n17,more\n", name)
        assert len(records) == 3
        assert told == (
            "The header names the column of ids '1', a number like those in it, the first of which "
            f"is in line 2 of {name}: if the header is a row, use --no-headers"
        )
    for first in (b"1", b"-1", b"1.0", b".5", b"007", b"+1"):
        assert len(shaped(first + b",hello\n2,world\n-3.5,x\n", "a.csv")[1]) == 1
    assert len(shaped(b"2019,2020\n1,2\n", "a")[1]) == 1


@pytest.mark.parametrize(
    "data",
    [
        b"1,a\n",
        b"id,1\n1,x\n",
        b"1,2\na,x\n",
        b"1,2\n1,x\n2,x\nc,x\n",
        b"1,2\n\n,x\n",
        b"1.5,a\nx,b",
        b"v1.5,a\n2,b",
        b"nan,a\n2,b",
    ],
)
def test_of_other_headers_nothing_is_said(data):
    assert shaped(data, "a.csv")[1] == []


def test_the_header_is_judged_by_the_column_of_ids():
    assert shaped(b"1,id\n5,a\n", "a.csv", Columns(id="id"))[1] == []
    assert len(shaped(b"name,1\nx,2\n", "a.csv", Columns(id="1"))[1]) == 1


@pytest.mark.parametrize(
    "row",
    [
        {"order": "A1", "total": 30, "lines": [{"item": "tea"}]},
        {"first": "Ann", "last": "Lee", "pets": [{"kind": "cat"}]},
        {"code": "x", "count": 2, "parts": [{"n": 1}]},
    ],
)
def test_rows_with_lists_of_objects_are_no_pages(row):
    records, warnings = shaped(written([row, row]))
    assert [record.row for record in records] == [row, row]
    assert warnings == []


@pytest.mark.parametrize(
    "rest", [{"page": 0, "lines": [{}]}, {"offset": 3, "spans": [{}]}, {"next": None, "of": [{}]}]
)
def test_rows_that_begin_with_texts_of_their_own_are_no_pages(rest):
    rows = [{"file": name, **rest} for name in ("a.png", "b.png")]
    records, warnings = shaped(written(rows))
    assert [record.row for record in records] == rows
    assert warnings == []
