"""What add() and add_multi() promise: the contract of embeddings, and no model is asked."""

import pytest

import vecstore
from tests.support.places import execute, stored, updated
from vecstore import Collection, EmbedReport, ExternalModel, InvalidInputError
from vecstore.vectors import content_hash

ONE, TWO = [1.0, 0.5], [0.25, -2.0]


@pytest.fixture
def own(store):
    return Collection("own", store, model_id="none")


def test_entries_of_two_three_and_four(own):
    entries = [("a", ONE), ("b", ONE, "text"), ("c", TWO, b"\xff", {"n": 1}), ["d", TWO, None, {}]]
    assert own.add_multi(entries) == EmbedReport(added=4)
    own.add("e", TWO, "more", {"m": 2})
    assert stored(own) == {
        "a": (ONE, None, None, None, None),
        "b": (ONE, "text", None, content_hash("text"), None),
        "c": (TWO, None, b"\xff", content_hash(b"\xff"), {"n": 1}),
        "d": (TWO, None, None, None, None),
        "e": (TWO, "more", None, content_hash("more"), {"m": 2}),
    }
    [found] = own.similar_by_vector([2.0, 1.0], 1)
    assert (found.id, found.score) == ("a", pytest.approx(1.0))


def test_an_unchanged_row_is_not_written(own):
    entries = [("a", ONE, "text", {"x": 1, "y": 2}), ("b", TWO)]
    own.add_multi(entries)
    execute(own.store, "update embeddings set updated = 7")
    assert own.add_multi(entries) == EmbedReport(unchanged=2)
    assert own.add_multi([("a", ONE, None, {"y": 2, "x": 1})]) == EmbedReport(unchanged=1)
    assert updated(own) == {"a": 7, "b": 7}


def test_content_stays_with_its_vector_and_goes_with_it(own):
    own.add("a", ONE, "text", {"n": 1})
    hashed = content_hash("text")
    for entry, report, row in (
        (("a", ONE), EmbedReport(unchanged=1), (ONE, "text", None, hashed, {"n": 1})),
        (("a", TWO), EmbedReport(added=1), (TWO, None, None, None, {"n": 1})),
        (("a", TWO, b"x", {}), EmbedReport(added=1), (TWO, None, b"x", content_hash(b"x"), None)),
        (
            ("a", TWO, None, {"m": 0}),
            EmbedReport(updated=1),
            (TWO, None, b"x", content_hash(b"x"), {"m": 0}),
        ),
    ):
        assert own.add_multi([entry]) == report
        assert stored(own) == {"a": row}


def test_without_store_the_hash_of_the_content_is_kept(own):
    hashed = content_hash("text")
    for store, vector, report, content in (
        (False, ONE, EmbedReport(added=1), None),
        (True, ONE, EmbedReport(updated=1), "text"),
        (False, ONE, EmbedReport(unchanged=1), "text"),
        (False, TWO, EmbedReport(added=1), "text"),
    ):
        assert own.add_multi([("a", vector, "text")], store=store) == report
        assert stored(own) == {"a": (vector, content, None, hashed, None)}


@pytest.mark.parametrize("batch_size", [1, 2, 100])
def test_the_last_write_wins_whatever_the_batches_are(own, batch_size):
    entries = [
        ("a", ONE, "one", {"v": 1}),
        ("b", ONE, "bee"),
        ("a", TWO, "two"),
        ("b", ONE),
        ("a", TWO, None, None),
    ]
    own.add_multi(entries, batch_size)
    assert stored(own) == {
        "a": (TWO, "two", None, content_hash("two"), {"v": 1}),
        "b": (ONE, "bee", None, content_hash("bee"), None),
    }


def test_a_content_with_a_vector_is_not_embedded(collection, model):
    vector = [0.5] * 16
    collection.add("a", vector, "text")
    report = collection.embed_multi([("a", "text"), ("b", "text"), ("c", "other")])
    assert report == EmbedReport(embedded=1, reused=1, unchanged=1)
    assert model.embedded == ["other"]
    assert (collection.vector("a"), collection.vector("b")) == (vector, vector)


@pytest.mark.parametrize(
    "vector",
    [
        [0.0, 0.0],
        [-0.0, 1e-45],
        [3.4028234663852886e38, -3.4028234663852886e38],
        [1.401298464324817e-45, 1.1754942106924411e-38],
        [0.1, 1 / 3],
    ],
)
def test_a_vector_comes_back_to_the_last_bit(own, vector):
    own.add("a", vector)
    own.add_multi([("a", vector)])
    expected = list(vecstore.decode(vecstore.encode(vector)))
    assert list(map(repr, own.vector("a"))) == list(map(repr, expected))
    assert own.add_multi([("a", vector)]) == EmbedReport(unchanged=1)


REFUSED = [
    (("a", []), "The vector of 'a' has no dimensions"),
    (("a", [float("nan"), 1]), "The vector of 'a' holds NaN or an infinity"),
    (("a", [float("inf"), 1]), "The vector of 'a' holds NaN or an infinity"),
    (("a", [1e39, 1]), "The vector of 'a' is not a list of numbers of float32"),
    (("a", None), "The vector of 'a' is not a list of numbers of float32"),
    ((None, ONE), "An id is None"),
    (("a", ONE, 3), "The content of 'a' is of type int: it must be str or bytes"),
    (("a", ONE, "\ud800"), "The content of 'a' has a lone surrogate at position 0"),
    (("a", ONE, None, 3), "The metadata of 'a' is of type int: it must be a dict"),
    (("a", [1.0, 2.0, 3.0]), "The vector of 'a' has 3 dimensions and the collection's vectors"),
]


@pytest.mark.parametrize(("entry", "message"), REFUSED)
def test_what_is_refused_is_named_or_skipped_and_nothing_of_its_batch_is_written(
    own, entry, message
):
    own.add("first", ONE)
    with pytest.raises(InvalidInputError) as caught:
        own.add_multi([("b", TWO), entry])
    assert str(caught.value).startswith(message)
    assert own.ids() == ["first"]
    told = []
    report = own.add_multi(
        [("b", TWO), entry, ("c", TWO)], on_error=lambda id, error: told.append((id, str(error)))
    )
    assert report == EmbedReport(added=2, failed=1)
    assert [(id, text.startswith(message)) for id, text in told] == [(str(entry[0]), True)]
    assert own.ids() == ["b", "c", "first"]


def test_in_an_empty_collection_most_of_the_batch_say_the_dimension(own):
    entries = [("a", ONE), ("b", [1.0, 2.0, 3.0]), ("c", TWO)]
    assert own.add_multi(entries, on_error="skip") == EmbedReport(added=2, failed=1)
    assert own.ids() == ["a", "c"]


def test_batches_before_an_error_stay(own):
    def entries():
        for n in range(5):
            yield f"{n}", ONE
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        own.add_multi(entries(), 2)
    assert own.ids() == ["0", "1", "2", "3"]


def test_no_model_is_looked_for(store):
    Collection("own", store, model=ExternalModel("of-another-place")).add("a", ONE)
    again = Collection("own", store)
    again.add("b", TWO)
    assert again.similar_by_id("a", 1)[0].id == "b"
    with pytest.raises(vecstore.UnknownModelError, match="of-another-place"):
        again.similar("text")
    assert (again.vector("b"), again.model_id) == (TWO, "of-another-place")
