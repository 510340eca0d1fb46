"""What NumPy leaves out is never among the nearest: with it and without, the table is the same."""

import json
import math
from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import vecstore
from tests.support.models import Vectors
from tests.support.related import assert_current, put, related, without_numpy
from vecstore import Collection
from vecstore.sqlite.related import proposals

np = pytest.importorskip("numpy")

# Numbers that tie, nearly tie, vanish in float32, overflow when they are squared, or are none.
NUMBERS = st.sampled_from(
    [0.0, 1.0, -1.0, 2.0, 1.0000001, 0.5, 3e-8, 1e-20, 3e-23, 1e-38, 1e15, 1e18, 1e19, 1e30]
) | st.sampled_from([math.nan, math.inf])
ORDINARY = st.floats(-1, 1, width=32)


def vectors_of(dimensions):
    one = st.lists(NUMBERS | ORDINARY, min_size=dimensions, max_size=dimensions).map(tuple)
    few = st.lists(one, min_size=1, max_size=3)  # so that many have the same
    return few.flatmap(lambda chosen: st.sampled_from(chosen) | one)


ENTRIES = st.lists(
    st.tuples(
        st.sampled_from([1, 2, 3, 3, 3, 8]).flatmap(vectors_of),
        st.sampled_from([None, None, "a", "b"]),
    ),
    max_size=25,
)


def fill(db, entries):
    """Write entries of which some are chunks of a document, and return the collection."""
    collection = Collection("test", db, model=Vectors())
    vectors, metadata = {}, {}
    for n, (vector, document) in enumerate(entries):
        id = f"{n * 7 % 25:02}" if document is None else f"{document}#{n + 1}"
        vectors[id] = vector
        if document is not None:
            metadata[id] = json.dumps({"document": document, "chunk": n + 1})
    put(collection, vectors, metadata)
    return collection


@settings(max_examples=150, deadline=None)
@given(entries=ENTRIES, number=st.integers(1, 6), at_once=st.sampled_from([1, 4, 20, 500_000]))
def test_the_table_is_the_same_with_and_without(entries, number, at_once):
    with pytest.MonkeyPatch.context() as patch, closing(vecstore.connect(driver="apsw")) as db:
        patch.setattr(proposals, "_MOST_PAIRS", at_once)
        patch.setattr(proposals, "_FIRST_COLUMNS", 4)
        patch.setattr(proposals, "_BLOCK_COLUMNS", 3)
        patch.setattr(proposals, "_BLOCK_ITEMS", 2 if at_once == 1 else 512)
        collection = fill(db, entries)
        collection.related_table(number)
        assert_current(collection, number)
        with_numpy = related(db, collection.id)
        db.execute("delete from vecstore_related")
        with without_numpy():
            collection.related_table(number)
        assert related(db, collection.id) == with_numpy


@pytest.mark.parametrize("dimensions", [4, 384])
def test_many_vectors_are_listed_as_an_exact_search_finds_them(db, dimensions):
    numbers = np.random.default_rng(dimensions)
    vectors = numbers.standard_normal((700, dimensions)).astype(np.float32)
    vectors[100:140] = vectors[0]  # the same
    vectors[200:240] = vectors[1] * (1 + 1e-7 * numbers.standard_normal((40, dimensions)))
    vectors[300:320] *= 1e16
    vectors[320] *= 1e25  # cannot be compared
    vectors[340] *= 1e-18  # short, and comparable
    collection = Collection("test", db, model=Vectors())
    put(collection, {f"{n}": vector.tobytes() for n, vector in enumerate(vectors)})
    collection.related_table(7)
    found = related(db, collection.id)
    assert found == {
        id: [(entry.id, entry.score) for entry in entries]
        for id in collection.ids()
        if (entries := collection.similar_by_id(id, 7, exact=True))
    }
    assert sorted({f"{n}" for n in range(700)} - found.keys()) == ["320"]


def test_thousands_of_equal_vectors_take_no_more_than_others():
    with closing(vecstore.connect(driver="apsw")) as db:
        collection = Collection("test", db, model=Vectors())
        collection.add_multi((f"{n:05}", [1.0, 2.0, 3.0]) for n in range(20_000))
        report = collection.related_table(3)
        assert (report.computed, report.rows) == (20_000, 60_000)
        found = related(db, collection.id)
        first = [f"{n:05}" for n in range(4)]
        assert {id: [other for other, _ in listed] for id, listed in found.items()} == {
            id: [other for other in first if other != id][:3] for id in collection.ids()
        }


def test_chunks_of_one_document_that_are_all_the_same_lead_to_others(db):
    collection = Collection("test", db, model=Vectors())
    chunks = {f"a#{n}": (1.0, 0.0) for n in range(1, 60)}
    metadata = {
        id: json.dumps({"document": "a", "chunk": int(id.rpartition("#")[2])}) for id in chunks
    }
    put(collection, {**chunks, "b": (1.0, 0.0), "c": (0.0, 1.0), "z": (1.0, 0.0)}, metadata)
    collection.related_table(2)
    found = related(db, collection.id)
    assert [other for other, _ in found["a#30"]] == ["b", "z"]
    assert [other for other, _ in found["b"]] == ["a#1", "a#10"]
    assert_current(collection, 2)
