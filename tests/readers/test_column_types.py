"""Types of columns: which cells of CSV are numbers, and which text is JSON."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vecstore.errors import InvalidInputError
from vecstore.metadata import to_json
from vecstore.readers import Columns, ColumnTypes, Record, TypeSurvey
from vecstore.readers.column_types import is_number, read_json_text


def types_of(*cells) -> ColumnTypes:
    survey = TypeSurvey()
    for cell in cells:
        survey.watch({"c": cell})
    return survey.find_types()


def metadata_of(row: dict, *names: str, types: ColumnTypes | None = None, **columns):
    columns = {"id": "id", "content": ("id",), "metadata": names, "types": types, **columns}
    return Columns(**columns).make_entry(Record("row 1", {"id": "x", **row}))[2]


@pytest.mark.parametrize(
    "cells",
    [["1972", "2021", "-5", "0"], ["1", "2.5", "0.1", "-0.5"], ["9223372036854775807"], ["1e+20"]],
)
def test_a_column_of_numbers(cells):
    types = types_of("", *cells, None)
    assert types.numbers == {"c"}
    for cell in cells:
        value = metadata_of({"c": cell}, "c", types=types)["c"]
        assert (json.dumps(value), type(value)) == (cell, type(json.loads(cell)))
    assert metadata_of({"c": ""}, "c", types=types) == {"c": None}
    assert metadata_of({"c": None}, "c", types=types) == {"c": None}


@pytest.mark.parametrize(
    "cell",
    [
        *(
            [
                "007",
                "1.10",
                "1e5",
                "+1",
                "1_000",
                "1,5",
                "NaN",
                "inf",
                "Infinity",
                "-0",
                ".5",
                "5.",
                "0x1",
                "true",
                "null",
                "1e+999",
                "x",
                "٣",
            ]
        ),
        *(" 1", "1 ", "1\n", "9223372036854775808", "-9223372036854775809"),
        *("1234567.12345678901234", "1" * 5000),
    ],
)
def test_one_cell_that_is_no_plain_number_makes_the_column_text(cell):
    for cells in (["1", cell], [cell, "1"]):
        types = types_of(*cells)
        assert types.numbers == frozenset()
        assert [metadata_of({"c": c}, "c", types=types) for c in cells] == [{"c": c} for c in cells]
    assert metadata_of({"c": ""}, "c", types=types) == {"c": ""}


def test_a_column_of_empty_cells_is_text():
    for cells in (["", None, ""], [r"\N", ""]):
        types = types_of(*cells)
        assert (types.numbers, types.nested) == (frozenset(), frozenset())
    assert metadata_of({"c": ""}, "c", types=types_of("")) == {"c": ""}


def test_null_as_databases_write_it_is_null_where_a_column_is_no_text():
    for cell, types in (("1894", types_of("1894", r"\N")), ("[1]", types_of(r"\N", "[1]", ""))):
        for text, value in ((cell, json.loads(cell)), (r"\N", None)):
            assert metadata_of({"c": text}, "c", types=types) == {"c": value}
    types = types_of(r"\N", "x", "1")
    assert metadata_of({"c": r"\N"}, "c", types=types) == {"c": r"\N"}


@settings(deadline=None)
@given(st.text(st.sampled_from("0123456789.-+eE _"), max_size=12) | st.floats().map(repr))
def test_a_number_is_written_as_json_writes_it(cell):
    if is_number(cell):
        assert json.dumps(json.loads(cell)) == cell


def test_id_and_content_stay_as_they_are_written():
    survey = TypeSurvey()
    survey.watch({"id": "7", "n": "2.50"})
    columns = Columns(metadata=("id",), content=("id", "n"), types=survey.find_types())
    record = Record("row 1", {"id": "7", "n": "2.50"})
    assert columns.make_entry(record) == ("7", "7 2.50", {"id": 7})


# Objects


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"k": {"n": 1}}, {"k": {"n": 1}}),
        ('{"k": {"n": 1}}', {"k": {"n": 1}}),
        (' {"k": [1, 2.5]}\n', {"k": [1, 2.5]}),
        ("{}", {}),
        (None, {"m": None}),
        ("", {"m": ""}),
        ("plain", {"m": "plain"}),
        (5, {"m": 5}),
        (["a", 1], {"m": ["a", 1]}),
        ('["a", 1]', {"m": '["a", 1]'}),
        ("[1984]", {"m": "[1984]"}),
        ('{"k": 1, "k": 2}', {"m": '{"k": 1, "k": 2}'}),
        ('{"k": NaN}', {"m": '{"k": NaN}'}),
        ('{"k": 1e999}', {"m": '{"k": 1e999}'}),
        *((text, {"m": text}) for text in (f'{{"k": {2**64}}}', '{"k":' * 1000 + "1" + "}" * 1000)),
        ('{"k": 1} {', {"m": '{"k": 1} {'}),
        ("[draft]", {"m": "[draft]"}),
        ("[" * 100_000, {"m": "[" * 100_000}),
    ],
)
def test_an_object_in_the_only_column_of_metadata_is_the_metadata(value, expected):
    assert metadata_of({"m": value}, "m") == expected
    assert metadata_of({"m": value}, "m", "m") == expected


@pytest.mark.parametrize(
    "columns", [{"metadata": ("m", "n")}, {"metadata": ("m",), "rest": True}, {"rest": True}]
)
def test_an_object_in_one_of_several_columns_stays_nested(columns):
    for value in ({"k": 1}, '{"k": 1}'):
        found = metadata_of({"m": value, "n": None}, **{"metadata": (), **columns})
        assert found == {"m": {"k": 1}, "n": None}
    assert metadata_of({"m": {"k": 1}}, "m", "missing") == {"m": {"k": 1}}


def test_text_in_json_is_text():
    assert metadata_of({"m": '{"k": 1}'}, "m", has_json_text=False) == {"m": '{"k": 1}'}
    assert metadata_of({"m": {"k": "[1]"}}, "m", has_json_text=False) == {"k": "[1]"}


@pytest.mark.parametrize(
    "cells",
    [
        ["[1984]", "Brave New World"],
        ["[{'id': 1}]", "[]"],
        ["[]", "[{'id': 1}]"],
        ['{"k": 1}', '{"k": NaN}', ""],
        ['{"k": 1}', "1"],
        ["[1]", f"[{2**63}]"],
        ['{"k": 1}', f'{{"k": {-(2**64)}}}'],
        ["{}", '{"k": 1, "k": 2}'],
    ],
)
def test_one_cell_that_is_no_json_to_be_stored_makes_the_column_text(cells):
    types = types_of(*cells)
    assert [metadata_of({"c": c}, "c", types=types) for c in cells] == [{"c": c} for c in cells]


def test_a_column_of_objects_and_arrays():
    types = types_of('{"k": 1}', "", "[1984]", "[]", "{}")
    assert (types.nested, types.objects) == ({"c"}, frozenset())
    for cell, value in (("[1984]", [1984]), ("[]", []), ("", "")):
        assert metadata_of({"c": cell}, "c", types=types) == {"c": value}
    assert metadata_of({"c": '{"k": 1}'}, "c", types=types) == {"k": 1}


def test_an_empty_cell_among_objects_is_no_metadata():
    types = types_of('{"k": 1}', "", None)
    assert (types.numbers, types.objects) == (frozenset(), {"c"})
    assert metadata_of({"c": ""}, "c", types=types) == {}
    assert metadata_of({"c": r"\N"}, "c", types=types) == {}
    assert metadata_of({"c": "", "d": 1}, "c", "d", types=types) == {"c": "", "d": 1}
    mixed = types_of('{"k": 1}', "x")
    assert mixed.objects == frozenset()
    assert metadata_of({"c": ""}, "c", types=mixed) == {"c": ""}


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda values: st.lists(values) | st.dictionaries(st.text(), values),
    )
)
def test_json_text_loses_nothing(value):
    text = json.dumps(value)
    found = read_json_text(text)
    if found is not None:
        assert json.dumps(found) == text
    else:
        assert not isinstance(value, dict | list) or is_refused({"m": value})


def is_refused(metadata) -> bool:
    try:
        to_json(metadata)
    except InvalidInputError:
        return True
    return False
