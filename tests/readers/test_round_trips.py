"""What Python's csv and json modules write is read as it was, wherever a piece ends."""

import csv
import io
import json

from hypothesis import given
from hypothesis import strategies as st

from tests.support.reading import sliced
from vecstore.readers import Dialect, Layout, json_stream, read_rows

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
