"""A load takes vectors as float32 bytes; they are those that embed_multi() gives as numbers."""

import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import vecstore
from tests.support.models import Vectors
from vecstore import Collection
from vecstore.models import EmbeddingModel, embed_as_float32
from vecstore.vectors import encode_vector

DIMENSIONS = 384


class Returning(EmbeddingModel):
    """Returns one row, made anew, for each input."""

    model_id = "returning"

    def __init__(self, make_row) -> None:
        self.make_row = make_row

    def embed_batch(self, items):
        return (self.make_row() for _ in items)


def results(function) -> list:
    """Return what a function returns, or the error that it raises and what that comes from."""
    try:
        return ["returned", function()]
    except Exception as error:
        return [type(error), str(error), type(error.__cause__), str(error.__cause__)]


def as_float32(model: EmbeddingModel) -> bytes:
    [vector] = embed_as_float32(model, ["text"], None)
    if isinstance(vector, bytes):
        return vector
    vector.args = (f"It {vector}",)
    raise vector


floats = st.floats() | st.floats(width=32)
numbers = (
    floats
    | st.integers()
    | st.booleans()
    | st.decimals()
    | st.fractions()
    | st.sampled_from([10**39, 10**400, None, "1", b"1", 1j, [1.0], np.float32(1.5), np.int8(3)])
)
shapes = st.sampled_from([list, tuple, iter, np.array, dict.fromkeys, lambda row: [row, row]])
rows = st.tuples(shapes, st.lists(floats) | st.lists(numbers))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's, of what becomes an infinity
@given(rows)
@example((list, [0.0, np.float32(1.5), [1.0]]))
def test_vectors_for_a_load_are_those_of_embed_multi(row):
    shape, values = row
    try:
        shape(values)
    except (ValueError, TypeError, OverflowError):
        return  # NumPy makes no array of them
    model = Returning(lambda: shape(values))
    expected = results(lambda: encode_vector(next(model.embed_multi(["text"])), "It"))
    assert results(lambda: as_float32(model)) == expected


def test_row_that_a_model_fills_again_is_stored_as_it_was_given(db):
    class Filling(EmbeddingModel):
        model_id = "filling"

        def embed_batch(self, items):
            row = [0.0, 1.0]
            for item in items:
                row[0] = float(item)
                yield row

    collection = Collection("test", db, model=Filling())
    collection.embed_multi([("a", "1"), ("b", "2")])
    stored = collection.db.query("select id, embedding from embeddings order by id")
    assert {row["id"]: vecstore.decode(row["embedding"]) for row in stored} == {
        "a": (1.0, 1.0),
        "b": (2.0, 1.0),
    }


def test_load_asks_the_embed_multi_that_a_model_has_of_its_own(db):
    class Doubling(Vectors):
        def embed_multi(self, items, batch_size=None, *, key=None):
            for vector in super().embed_multi(items, batch_size, key=key):
                yield [2 * number for number in vector]

    collection = Collection("test", db, model=Doubling())
    collection.embed_multi([("a", "1 2"), ("b", "3 4")])
    stored = collection.db.query("select id, embedding from embeddings order by id")
    assert {row["id"]: vecstore.decode(row["embedding"]) for row in stored} == {
        "a": (2.0, 4.0),
        "b": (6.0, 8.0),
    }
    with pytest.raises(vecstore.InvalidInputError, match="The vector of 'c' holds NaN or an inf"):
        collection.embed("c", "inf 1")


def test_batch_of_yielded_vectors_is_held_as_bytes():
    """Python's numbers take 32 bytes each in a list: 12 MB for this batch."""
    entries = 1000
    model = Returning(lambda: [math.sqrt(number) for number in range(DIMENSIONS)])
    tracemalloc.start()
    try:
        vectors = list(embed_as_float32(model, ["text"] * entries, None))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert {*map(len, vectors)} == {4 * DIMENSIONS}
    assert peak < 2 * entries * 4 * DIMENSIONS
