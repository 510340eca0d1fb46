"""What becomes the id of an entry, and what is none."""

import array
import datetime
import decimal
import pathlib
import uuid

import numpy as np
import pytest

from tests.support.command import error
from tests.support.foreign_values import (
    INFINITY,
    INTEGERS,
    NAN,
    Missing,
    Number,
    Tensor,
    Word,
    cases,
)
from tests.support.models import Vectors
from vecstore import Collection, InvalidInputError

IDS = {
    "an int": (1, "1"),
    "a float": (1.5, "1.5"),
    "a large int": (10**30, "1" + "0" * 30),
    **{kind.__name__: (kind(7), "7") for kind in INTEGERS},
    "float32": (np.float32(0.1), "0.1"),
    "an array without dimensions": (np.array(7), "7"),
    "a tensor": (Tensor(7), "7"),
    "text of NumPy": (np.str_("a"), "a"),
    "a decimal": (decimal.Decimal("1.10"), "1.10"),
    "a UUID": (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    "a path": (pathlib.PurePosixPath("a/b"), "a/b"),
    "a date": (datetime.date(2020, 1, 2), "2020-01-02"),
    "a time": (datetime.datetime(2020, 1, 2), "2020-01-02 00:00:00"),
    "a time of NumPy": (np.datetime64("2020-01-02"), "2020-01-02"),
    "an IntEnum": (Number.five, "5"),
    "an enum of text": (Word.hound, "dog"),
    "a bool": (True, "True"),
}
NO_IDS = {
    "None": None,
    "NaN": NAN,
    "NaN of NumPy": np.float64(NAN),
    "in an array": np.array(NAN),
    "a decimal NaN": decimal.Decimal("NaN"),
    "a signalling one": decimal.Decimal("sNaN"),
    "no time": np.datetime64("NaT", "s"),
    "masked": np.ma.masked,
    "missing": Missing(),
    "infinity": INFINITY,
    "of NumPy": np.float32(-INFINITY),
    "a decimal infinity": decimal.Decimal("Infinity"),
    "bytes": b"a",
    "a bytearray": bytearray(b"a"),
    "a memoryview": memoryview(b"a"),
    "a list": [1],
    "a tuple": (1, 2),
    "a set": {1},
    "a dict": {},
    "an array": np.array([1]),
    "array.array": array.array("i", [1]),
    "an object": object(),
    "a function": lambda: 1,
    "a generator": (n for n in ()),
}


@cases(IDS)
def test_ids_become_text(value, expected):
    collection = Collection("ids", model=Vectors())
    collection.embed(value, "1 0")
    assert collection.ids() == [expected]
    assert (collection.get(value).id, value in collection) == (expected, True)
    assert collection.delete_ids([value]) == 1


@pytest.mark.parametrize("value", NO_IDS.values(), ids=NO_IDS)
def test_what_is_no_id_is_refused(value):
    collection = Collection("ids", model=Vectors())
    for call in (
        lambda: collection.embed(value, "1 0"),
        lambda: collection.embed_multi([("a", "1 0"), (value, "0 1")]),
        lambda: collection.get(value),
        lambda: collection.similar_by_id(value),
        lambda: collection.delete_ids([value]),
        lambda: value in collection,
    ):
        with pytest.raises(InvalidInputError, match="^An id is "):
            call()
    assert collection.ids() == []


def test_rows_without_an_id_are_skipped_where_asked():
    collection = Collection("ids", model=Vectors())
    refused = []
    report = collection.embed_multi(
        [(np.float64(n), f"1 {i}") for i, n in enumerate([NAN, 1.0, NAN])],
        on_error=lambda id, error: refused.append(id),
    )
    assert (report.embedded, report.failed, refused) == (1, 2, ["nan", "nan"])
    assert collection.ids() == ["1.0"]


def test_an_infinite_number_of_a_query_is_no_id(registered, tmp_path):
    sql = ("--sql", "select 9e999 as id, 'one' as text", "-m", "words", "-d", tmp_path / "d.db")
    assert error("embed-multi", "c", *sql).startswith("The id of ")
    assert error("embed-multi", "c", "--prefix", "p", *sql).startswith("The id of ")
