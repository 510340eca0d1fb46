"""Metadata is JSON that SQLite reads as Python does; what is none is refused with its key."""

import collections
import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.databases import rows
from tests.support.foreign_values import BUFFERS, INFINITY, NAN, PLAIN, REFUSED, Word, cases
from tests.support.models import Vectors
from vecstore import Collection, InvalidInputError
from vecstore.metadata import to_json


@cases(PLAIN)
def test_metadata_of_numpy_is_json_at_any_depth(value, expected):
    collection = Collection("c", model=Vectors())
    collection.embed("a", "1 0", {"a": [{"b": value}], "c": value})
    assert collection.get("a").metadata == {"a": [{"b": expected}], "c": expected}
    assert type(collection.get("a").metadata["c"]) is type(expected)
    [(found,)] = rows(collection.db, "select json_extract(metadata, '$.a[0].b') from embeddings")
    assert found == expected


@cases(REFUSED | BUFFERS | {"bytes": (b"ab", r"bytes: pass value.hex\(\)")})
def test_other_metadata_is_refused_with_its_key(value, expected):
    collection = Collection("c", model=Vectors())
    message = rf"'id' cannot be JSON: the key 'a.b\[1\]' is .*{expected}"
    with pytest.raises(InvalidInputError, match=message):
        collection.embed("id", "1 0", {"first": 1, "a": {"b": [0, value]}})
    assert collection.count() == 0


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"a": INFINITY}, r"the key 'a' is inf, which JSON does not have"),
        ({"a": {1}}, r"set: pass sorted\(value\)"),
        ({"a": np.array([1])}, r"ndarray: pass value.tolist\(\)"),
        ({"a": collections.deque()}, r"deque: pass list\(value\)"),
        ({1: "a", "1": "b"}, "1 and '1' would be the same key '1'"),
        (
            {"a": [{True: 1, "true": 2}]},
            r"True and 'true' in 'a\[0\]' would be the same key",
        ),
        ({np.int64(1): "a", 1.0: "b", "1": "c"}, "would be the same key '1'"),
        ({(1, 2): "a"}, r"\(1, 2\), of type tuple, is no key"),
        ({NAN: "a"}, "nan, of type float, is no key"),
        ({"a": -(2**63) - 1}, "the key 'a' is -9223372036854775809, an integer of more than"),
    ],
    ids=repr,
)
def test_what_metadata_cannot_have(metadata, message):
    with pytest.raises(InvalidInputError, match=message):
        Collection("c", model=Vectors()).embed("id", "1 0", metadata)


def test_keys_are_the_text_that_json_makes_of_them():
    collection = Collection("c", model=Vectors())
    keys = {1: "a", np.int64(2): "b", None: "c", False: "d", 1.5: "e", Word.hound: "f"}
    collection.embed("id", "1 0", keys)
    assert collection.get("id").metadata == {
        "1": "a", "2": "b", "null": "c", "false": "d", "1.5": "e", "dog": "f"
    }  # fmt: skip


def test_metadata_is_nested_as_deeply_as_sqlite_can_read():
    def nested(depth):
        value = {}
        for _ in range(depth - 1):
            value = {"a": value}
        return value

    with pytest.raises(InvalidInputError, match="nested more than 1000 deep, or holds itself"):
        Collection("c", model=Vectors()).embed("id", "1 0", nested(1001))
    circle = {}
    circle["a"] = circle
    with pytest.raises(InvalidInputError, match="nested more than 1000 deep, or holds itself"):
        Collection("c", model=Vectors()).embed("id", "1 0", circle)
    assert to_json(nested(800)) == json.dumps(nested(800))


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.dictionaries(st.text(), json_values, min_size=1))
def test_plain_metadata_is_the_json_of_the_standard_library(metadata):
    assert to_json(metadata) == json.dumps(metadata)
