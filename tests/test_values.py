"""Values of foreign types: SQLite gets what is plain, and what is not is refused by its name."""

import array
import collections
import datetime
import decimal
import fractions
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import vecstore
from tests.support.command import error, output
from tests.support.databases import LOADS_EXTENSIONS
from tests.support.foreign_values import (
    BUFFERS,
    FLOATS,
    INFINITY,
    INTEGERS,
    NAN,
    PLAIN,
    REFUSED,
    Column,
    Tensor,
    cases,
    of_twenty_years,
)
from tests.support.models import Vectors
from vecstore import Collection, InvalidInputError, values


@pytest.fixture
def years() -> Collection:
    return of_twenty_years(None)


@pytest.fixture
def everywhere(db) -> Collection:
    """The same over each kind of connection."""
    return of_twenty_years(db)


def bound(collection: Collection, value: object) -> list[tuple]:
    """Return what SQLite gets for a value, as a list and by name: the value and its type."""
    seen = []
    collection.db.register_function(lambda value: seen.append(value) or 1, name="seen")
    for where, where_args in (("seen(?)", [value]), ("seen(:v)", {"v": value})):
        collection.similar_by_vector([1, 1], 1, where=where, where_args=where_args)
        assert len({(type(value), value) for value in seen}) == 1
    return [(type(seen[0]), seen[0])]


@cases(PLAIN)
def test_parameters_are_plain_values_for_sqlite(everywhere, value, expected):
    expected = int(expected) if isinstance(expected, bool) else expected
    assert bound(everywhere, value) == [(type(expected), expected)]


@pytest.mark.parametrize("kind", [np.int16, np.int64, np.uint64, *FLOATS[1:]])
@pytest.mark.parametrize("exact", [True, False])
def test_a_comparison_with_a_number_of_numpy_is_one_of_numbers(everywhere, kind, exact):
    year = "json_extract(metadata, '$.year')"
    for args in ([kind(2010)], (kind(2010),), np.array([2010], kind), Column([kind(2010)])):
        where = {"where": f"{year} < ?", "where_args": args, "exact": exact}
        assert len(everywhere.similar_by_vector([1, 1], 100, **where)) == 10
        assert len(everywhere.similar("1 1", 100, **where)) == 10
        assert len(everywhere.similar_by_id("19", 100, **where)) == 10
        assert len(everywhere.explain([1, 1], 100, **where).entries) == 10
        assert [len(found) for found in everywhere.similar_multi(["1 1"], 100, **where)] == [10]
        assert len(vecstore.similar_across([everywhere], [1, 1], 100, **where)) == 10
    named = {"where": f"{year} = :year", "where_args": {np.str_("year"): kind(2010)}}
    assert [entry.id for entry in everywhere.similar_by_vector([1, 1], **named)] == ["10"]


@pytest.mark.parametrize("value", [b"ab", bytearray(b"ab"), memoryview(b"ab"), np.bytes_(b"ab")])
def test_bytes_reach_sqlite_as_bytes(everywhere, value):
    assert bound(everywhere, value) == [(bytes, b"ab")]


@pytest.mark.parametrize("value", [INFINITY, -INFINITY, np.float32(INFINITY)])
def test_an_infinity_is_a_number_to_sqlite(everywhere, value):
    assert bound(everywhere, value) == [(float, float(value))]


ADAPTED = ("a date", "a time")


def test_what_sqlite3_adapts_is_bound_as_it_makes_it(everywhere):
    class Point:
        def __conform__(self, protocol):
            return "1;2"

    for value, expected in (
        (datetime.date(2020, 1, 2), "2020-01-02"),
        (datetime.datetime(2020, 1, 2, 3), "2020-01-02 03:00:00"),
        (Point(), "1;2"),
    ):
        for where, where_args in (
            ("? = ?", [value, expected]),
            (":v = :e", {"v": value, "e": expected}),
        ):
            assert everywhere.similar_by_vector([1, 1], 1, where=where, where_args=where_args)


@cases({name: case for name, case in (REFUSED | BUFFERS).items() if name not in ADAPTED})
def test_other_parameters_are_refused_with_their_place_and_type(years, value, expected):
    with pytest.raises(InvalidInputError, match=rf"^where_args\[1\] is .*{expected}"):
        years.similar_by_vector([1, 1], where="id = ? or id = ?", where_args=["a", value])
    with pytest.raises(InvalidInputError, match=rf"^where_args\['v'\] is .*{expected}"):
        years.similar_by_vector([1, 1], where="id = :v", where_args={"v": value})


@pytest.mark.parametrize(
    "where_args",
    ["5", b"5", bytearray(b"5"), {5}, iter([5]), np.array(5), np.array([[5]]), 5, {5: 5}],
    ids=lambda value: type(value).__name__,
)
def test_parameters_that_are_no_list_or_dict_are_refused(years, where_args):
    with pytest.raises(InvalidInputError, match="^where_args "):
        years.similar_by_vector([1, 1], where="id = ?", where_args=where_args)


@pytest.mark.parametrize("number", [*(kind(3) for kind in INTEGERS), np.array(3), Tensor(3)])
def test_counts_of_numpy_are_integers(years, number):
    assert len(years.similar_by_vector([1, 1], number)) == 3
    report = years.embed_multi([("a", "1 5")], batch_size=number, concurrency=number)
    assert report.embedded + report.reused == 1
    assert list(Vectors().embed_multi(["1 0"] * 4, number)) == [[1.0, 0.0]] * 4
    assert vecstore.build_index(years.db, np.int64(2)) == {2: 21}
    assert vecstore.build_index(years.db, number) == {}
    assert vecstore.drop_index(years.db, number) == []


@pytest.mark.parametrize("number", [True, np.bool_(True), 3.0, np.float64(3), NAN, "3", None, [3]])
def test_what_is_no_count_is_refused(years, number):
    with pytest.raises(InvalidInputError, match="^number is .*it must be an integer from 0 on"):
        years.similar_by_vector([1, 1], number)
    with pytest.raises(InvalidInputError, match="^batch_size is .*it must be 1 or more"):
        years.embed_multi([], batch_size=number)
    if number is not None:
        with pytest.raises(InvalidInputError, match="^concurrency is .*it must be 1 or more"):
            years.embed_multi([], concurrency=number)
        with pytest.raises(InvalidInputError, match="^batch_size must be 1 or more, not "):
            Vectors().embed_multi([], number)
        with pytest.raises(InvalidInputError, match="^dimensions is .*an index has from 1 to"):
            vecstore.build_index(years.db, number)


@pytest.mark.parametrize("kind", [*FLOATS, np.array, Tensor, decimal.Decimal, fractions.Fraction])
def test_a_score_of_any_number_is_a_limit(years, kind):
    found = years.similar_by_vector([1, 0], 100, min_score=kind(0.5))
    assert [entry.id for entry in found] == ["0", "1"]


@pytest.mark.parametrize("score", [NAN, np.float16(NAN), "0.5", decimal.Decimal("NaN"), [1], 1j])
def test_a_score_that_is_no_number_is_refused(years, score):
    with pytest.raises(InvalidInputError, match="^min_score is .*: it must be a number"):
        years.similar_by_vector([1, 0], min_score=score)


@pytest.mark.parametrize("timeout", [NAN, INFINITY, None, "5"])
def test_a_timeout_that_is_no_number_is_refused(timeout):
    with pytest.raises(InvalidInputError, match="^timeout is .*: it must be a number of seconds"):
        vecstore.connect(timeout=timeout)


VECTORS = {
    **{kind.__name__: np.array([1, 2], kind) for kind in INTEGERS + FLOATS},
    **{f"a list of {kind.__name__}": [kind(1), kind(2)] for kind in INTEGERS + FLOATS},
    "array.array": array.array("f", [1, 2]),
    "a memoryview": memoryview(array.array("d", [1, 2])),
    "a tuple": (1, 2),
    "a deque": collections.deque([1, 2]),
    "decimals": [decimal.Decimal(1), 2],
    "objects": np.array([1, 2], object),
}
NO_VECTORS = {
    "two dimensions": (np.array([[1, 2]]), r"the shape \(1, 2\): a vector is one row"),
    "none": (np.array(1.0), r"the shape \(\): a vector is one row"),
    "a list of lists": ([[1, 2]], "holds a list: a vector is one row"),
    "a list of arrays": ([np.array([1, 2])], "holds a ndarray: a vector is one row"),
    "a set": ({1, 2}, "of type set"),
    "a dict": ({1: 1, 2: 2}, "of type dict"),
    "bytes": (b"\0\0\x80?", "bytes"),
    "a memoryview of bytes": (memoryview(b"\0\0\x80?"), "memoryview"),
    "text": ("12", "str"),
    "times": (np.array(["2020", "2021"], "datetime64[ns]"), r"of datetime64\[ns\]"),
    "masked": (np.ma.array([1.0, 2.0], mask=[False, True]), "NoneType"),
    "none at all": ([None, 1], "NoneType"),
}


class Returning(Vectors):
    """A model whose vectors are all the same."""

    def __init__(self, vector):
        self.vector = vector

    def embed_batch(self, items):
        return [self.vector for _ in items]


@pytest.mark.parametrize("vector", VECTORS.values(), ids=VECTORS)
def test_vectors_of_any_numbers(years, vector):
    expected = years.similar_by_vector([1.0, 2.0])
    assert years.similar_by_vector(vector) == expected
    assert Returning(vector).embed("x") == [1.0, 2.0]


@pytest.mark.parametrize("kind", [np.uint8, np.float16])
def test_numbers_whose_sum_has_no_place_in_their_type(kind):
    largest = float(np.finfo(kind).max if kind is np.float16 else np.iinfo(kind).max)
    for vector in ([kind(largest)] * 3, np.array([largest] * 3, kind)):
        collection = Collection("large", model=Returning(vector))
        collection.embed("a", "x")
        assert Returning(vector).embed("x") == [largest] * 3
        assert round(collection.similar_by_vector(vector)[0].score, 5) == 1.0


@cases(NO_VECTORS)
def test_what_is_no_vector_is_refused(years, value, expected):
    with pytest.raises(InvalidInputError, match=rf"^The vector to search for .*{expected}"):
        years.similar_by_vector(value)
    with pytest.raises(vecstore.ModelError, match=rf"that is not a vector.*{expected}"):
        Returning(value).embed("x")


@settings(deadline=None)
@given(st.floats() | st.integers() | st.text() | st.booleans() | st.binary())
def test_a_plain_value_stays_the_object_that_it_is(value):
    assert values.to_plain(value) is value


def test_text_of_numpy_is_stored_as_text(db):
    collection = Collection("c", db, model=Vectors())
    collection.embed_multi(
        zip(np.array(["a", "b"]), np.array(["1 0", "0 1"]), strict=True), store=True
    )
    assert [(entry.id, entry.content) for entry in collection] == [("a", "1 0"), ("b", "0 1")]
    assert [entry.id for entry in collection.similar(np.str_("1 0"), prefix=np.str_("a"))] == ["a"]


def test_parameters_of_the_command_are_text(registered, tmp_path):
    database = tmp_path / "d.db"
    output("embed", "c", "a", "-c", "one", "-m", "words", "-d", database)
    where = ("--where", "typeof(:v) = 'text' and :v = 'nan'", "--param", "v", "nan")
    assert json.loads(output("similar", "c", "-c", "one", *where, "-d", database))["id"] == "a"
    message = error("similar", "c", "-c", "one", "--min-score", "nan", "-d", database)
    assert message == "min_score is nan: it must be a number"


def test_what_is_no_number_or_list_is_refused_by_name(years):
    with pytest.raises(InvalidInputError, match="min_score"):
        years.similar_by_id(years.ids()[0], min_score=np.timedelta64(0, "ns"))
    with pytest.raises(InvalidInputError, match="ids is 5: pass a list of ids"):
        years.delete_ids(5)
    assert years.embed_multi([], batch_size=2**64) == vecstore.EmbedReport()


@pytest.mark.parametrize("driver", ["apsw", *["sqlite3"] * LOADS_EXTENSIONS])
@pytest.mark.parametrize("name", ["int8", "uint64", "float16", "float64", "bool_"])
def test_a_scalar_in_sql_of_ones_own_is_the_number_that_it_is(closing, driver, name):
    db = closing(vecstore.connect(driver=driver))
    one = getattr(np, name)(1)
    query = "select typeof(?) in ('integer', 'real'), ? = 1"
    assert db.execute(query, [one, one]).fetchall() == [(1, 1)]
    assert db.execute("select :a = 1", {"a": one}).fetchall() == [(1,)]
    db.execute("create table numbers (n)")
    db["numbers"].insert_all({"n": n} for n in [one] * 3)
    db.conn.executemany("insert into numbers values (?)", [[one], (one,)])
    below = list(db.query("select count(*) as n from numbers where n < ?", [np.int64(2)]))
    assert below == [{"n": 5}]
    # An array is meant as its bytes, as sqlite-vec takes it.
    assert db.execute("select length(?)", [np.zeros(3, "float32")]).fetchone()[0] == 12
