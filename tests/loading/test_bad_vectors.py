"""Vectors that are none, or that do not fit the collection."""

import pytest

import vecstore
from tests.support.models import WordLengths
from vecstore import Collection, EmbedReport


@pytest.mark.parametrize("on_error", ["stop", "skip"])
def test_a_row_that_is_no_vector_is_found(db, on_error):
    class Odd(WordLengths):
        def embed_batch(self, items):
            vectors = super().embed_batch(items)
            return ["text" if item == "odd" else next(vectors) for item in items]

    collection = Collection("test", db, model=Odd())
    told = []
    entries = [("a", "x"), ("b", "odd"), ("c", "y")]
    if on_error == "skip":
        collection.embed_multi(entries, on_error=lambda id, error: told.append(str(error)))
        assert collection.ids() == ["a", "c"]
    else:
        with pytest.raises(vecstore.RejectedInputError) as caught:
            collection.embed_multi(entries)
        told.append(str(caught.value))
        assert collection.ids() == ["a"]
    assert told == [
        "'b' was not embedded: The model 'word-lengths' returned a str that is not a vector: "
        "expected a sequence of numbers (it is of type str)"
    ]


class Longer(WordLengths):
    """Gives texts that begin with "long" a dimension more."""

    def embed_batch(self, items):
        for item, vector in zip(items, super().embed_batch(items), strict=True):
            yield [*vector, 1.0] if item.startswith("long") else vector


LONG = [("a", "one"), ("b", "long 1"), ("c", "two"), ("d", "long 2"), ("e", "long 1")]


@pytest.mark.parametrize("concurrency", [1, 4])
def test_before_a_vector_that_does_not_fit_the_collection_all_are_written(db, concurrency):
    collection = Collection("test", db, model=Longer())
    collection.embed("first", "x")
    with pytest.raises(vecstore.DimensionError, match="'b' has 17 dimensions and .* have 16"):
        collection.embed_multi(LONG, concurrency=concurrency)
    assert collection.ids() == ["a", "first"]


def test_vectors_that_do_not_fit_the_collection_are_skipped(db):
    collection = Collection("test", db, model=Longer())
    collection.embed("first", "x")
    told = []
    report = collection.embed_multi(
        LONG, on_error=lambda id, error: told.append((id, type(error).__name__))
    )
    assert report == EmbedReport(embedded=2, failed=3)
    assert sorted(told) == [(id, "DimensionError") for id in "bde"]
    assert collection.ids() == ["a", "c", "first"]
    with pytest.raises(vecstore.DimensionError):  # none fits: it is another model
        collection.embed_multi([("x", "long 3"), ("y", "long 4")], on_error="skip")


def test_in_the_first_batch_the_dimension_of_most_counts(db):
    collection = Collection("test", db, model=Longer())
    with pytest.raises(vecstore.DimensionError, match="'b' has 17 dimensions and .* have 16"):
        collection.embed_multi([*LONG[:3], ("d", "three")])
    assert collection.ids() == ["a"]
    collection.delete()
    collection = Collection("test", db, model=Longer())
    report = collection.embed_multi([LONG[1], LONG[0], *LONG[2:3]], on_error="skip")
    assert report == EmbedReport(embedded=2, failed=1)
    assert collection.ids() == ["a", "c"]


def test_one_vector_that_does_not_fit_is_skipped_in_a_batch_of_its_own(db):
    collection = Collection("test", db, model=Longer())
    report = collection.embed_multi(LONG[:4], batch_size=1, on_error="skip")
    assert report == EmbedReport(embedded=2, failed=2)
