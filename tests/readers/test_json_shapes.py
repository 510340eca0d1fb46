"""What is said of rows that may be none: objects around the rows, and headers like rows."""

import io

import pytest

from tests.support.reading import PAGE, failure, rows_of, written
from vecstore.errors import InvalidInputError
from vecstore.readers import Columns, Record, check_shapes, read_rows


def shaped(data: bytes, name: str = "a.json", columns=None) -> tuple[list[Record], list[str]]:
    """Return the records, and what was said of them."""
    told: list[str] = []
    rows = read_rows(io.BytesIO(data), name)
    return list(check_shapes(rows, columns or Columns(), told.append)), told


def refusal(data: bytes, name: str = "a.json", columns=None) -> str:
    with pytest.raises(InvalidInputError) as caught:
        shaped(data, name, columns)
    return str(caught.value)


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


def test_a_later_object_over_several_lines_is_told_how_to_read():
    message = failure(b'{"id": 1}\n{"id":\n2}\n', "a.jsonl")
    assert message.startswith("line 2 of a.jsonl cannot be read as JSON: Expecting value")
    assert message.endswith("; objects over several lines are read with --format json")


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
