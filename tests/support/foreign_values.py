"""Values of types that SQLite and JSON do not have, as people bring them."""

import array
import datetime
import decimal
import enum
import fractions
import pathlib
import uuid

import numpy as np
import pytest
from sqlite_utils import Database

from tests.support.models import Vectors
from vecstore import Collection

NAN, INFINITY = float("nan"), float("inf")
INTEGERS = [np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64]
FLOATS = [np.float16, np.float32, np.float64, np.longdouble]


class Number(enum.IntEnum):
    five = 5


class Word(str, enum.Enum):
    hound = "dog"


class Plain(enum.Enum):
    one = 1


class Missing:
    """As pandas.NA: what it is compared with is missing too, and neither true nor false."""

    def __eq__(self, other):
        return self

    def __ne__(self, other):
        return self

    def __hash__(self):
        return 0

    def __bool__(self):
        raise TypeError("boolean value of NA is ambiguous")


class Tensor:
    """A tensor of PyTorch without dimensions, as far as one is looked at."""

    shape = ()
    dtype = "torch.float32"

    def __init__(self, number):
        self.number = number

    def item(self):
        return self.number

    def __str__(self):
        return f"tensor({self.number})"


class Column:
    """A column of pandas: no Sequence, and it can be iterated."""

    dtype = np.dtype("int64")

    def __init__(self, numbers):
        self.numbers = numbers
        self.shape = (len(numbers),)

    def __iter__(self):
        return iter(self.numbers)

    def __len__(self):
        return len(self.numbers)


PLAIN = {
    **{kind.__name__: (kind(5), 5) for kind in INTEGERS},
    **{kind.__name__: (kind(2.5), 2.5) for kind in FLOATS},
    "the largest": (np.int64(2**63 - 1), 2**63 - 1),
    "a bool": (np.bool_(True), True),
    "text": (np.str_("dog"), "dog"),
    "an array without dimensions": (np.array(5), 5),
    "one of floats": (np.array(2.5, np.float32), 2.5),
    "one of text": (np.array("dog"), "dog"),
    "one of objects": (np.array(5, dtype=object), 5),
    "a tensor": (Tensor(2.5), 2.5),
    "an IntEnum": (Number.five, 5),
    "an enum of text": (Word.hound, "dog"),
    "none": (None, None),
}
REFUSED = {
    "more than 64 bits": (2**63, "an integer of more than 64 bits"),
    "of NumPy": (np.uint64(2**64 - 1), "an integer of more than 64 bits"),
    "NaN": (NAN, "NaN"),
    "NaN of NumPy": (np.float32(NAN), "NaN"),
    "more digits than a float": (np.longdouble(1) / 3, r"longdouble: pass float\(value\)"),
    "a decimal": (decimal.Decimal("1.5"), r"Decimal: pass float\(value\) or str\(value\)"),
    "a fraction": (fractions.Fraction(1, 3), r"Fraction: pass float\(value\)"),
    "a complex number": (1j, r"complex: pass str\(value\)"),
    "one of NumPy": (np.complex64(1), r"complex64: pass str\(value\)"),
    "a date": (datetime.date(2020, 1, 2), r"date: pass value.isoformat\(\)"),
    "a time": (datetime.datetime(2020, 1, 2), r"datetime: pass value.isoformat\(\)"),
    "a span": (datetime.timedelta(1), r"timedelta: pass value.total_seconds\(\)"),
    # item() would give a number of nanoseconds.
    "a time of NumPy": (np.datetime64("2020-01-02", "ns"), r"datetime64: pass str\(value\)"),
    "no time": (np.datetime64("NaT", "s"), "datetime64: pass None"),
    "a span of NumPy": (np.timedelta64(3, "ns"), r"timedelta64: pass str\(value\)"),
    "what is masked": (np.ma.masked, "MaskedConstant: pass None"),
    "what is missing": (Missing(), "Missing: pass None"),
    "a UUID": (uuid.UUID(int=1), r"UUID: pass str\(value\)"),
    "a path": (pathlib.PurePosixPath("a"), r"PurePosixPath: pass str\(value\)"),
    "an enum": (Plain.one, "Plain: pass value.value"),
    "an object": (object(), "object: pass a str, int, float, bool or None"),
}
BUFFERS = {
    "an array": (np.array([5]), "ndarray"),
    "two dimensions": (np.array([[5]]), "ndarray"),
    "array.array": (array.array("q", [5]), "array"),
    "a memoryview of numbers": (memoryview(array.array("q", [5])), "memoryview"),
    "a record": (np.void(b"abc"), "void"),
}


def cases(values):
    return pytest.mark.parametrize(("value", "expected"), values.values(), ids=values)


def of_twenty_years(db: Database | None) -> Collection:
    """Return a collection of twenty entries, of the years from 2000 to 2019."""
    collection = Collection("years", db, model=Vectors())
    collection.embed_multi_with_metadata(
        [(str(n), f"1 {n}", {"year": 2000 + n}) for n in range(20)], store=True
    )
    return collection
