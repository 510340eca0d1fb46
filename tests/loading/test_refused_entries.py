"""Entries that a model refuses: skipped and counted, or the end of the load."""

import threading

import pytest

import vecstore
from tests.support.loads import Refusing, numbered
from tests.support.models import WordLengths
from vecstore import Collection, EmbedReport


def test_refused_entries_are_skipped_and_counted(db):
    model = Refusing()
    collection = Collection("test", db, model=model)
    entries = [("a", "one"), ("b", "bad 1"), ("c", "two"), ("d", "nan"), ("e", "bad 2")]
    told = []
    report = collection.embed_multi(
        entries, on_error=lambda id, error: told.append((id, str(error)))
    )
    assert report == EmbedReport(embedded=2, failed=3)
    assert collection.ids() == ["a", "c"]
    assert sorted(told) == [
        ("b", "'b' was not embedded: too long"),
        ("d", "The vector of 'd' holds NaN or an infinity: it could not be compared with anything"),
        ("e", "'e' was not embedded: too long"),
    ]
    assert collection.embed_multi(entries, on_error="skip") == EmbedReport(unchanged=2, failed=3)
    assert model.embedded == ["one", "two"]


@pytest.mark.parametrize("batch_size", [1, 2, 10])
@pytest.mark.parametrize("concurrency", [1, 4])
def test_each_entry_of_a_content_that_is_refused_is_named(db, concurrency, batch_size):
    collection = Collection("test", db, model=Refusing())
    entries = [("4", "bad"), ("5", "one"), ("7", "bad"), ("8", "two"), ("9", "bad")]
    told = {}
    collection.embed_multi(
        entries, on_error=told.__setitem__, batch_size=batch_size, concurrency=concurrency
    )
    assert told.keys() == {"4", "7", "9"}
    assert str(told["4"]) == "'4' was not embedded: too long"
    for id in ("7", "9"):
        assert str(told[id]) in (
            f"'{id}' was not embedded: too long",
            f"'{id}' has the content of an entry that was left out: '4' was not embedded: too long",
        )
        assert isinstance(told[id], vecstore.RejectedInputError)


@pytest.mark.parametrize("concurrency", [1, 4])
def test_entries_that_are_none_are_skipped(db, concurrency):
    collection = Collection("test", db, model=WordLengths())
    entries = [(None, "x", None), ("b", 5, None), ("c", "x", [1]), ("d", "good", None)]
    told = []
    report = collection.embed_multi_with_metadata(
        entries, on_error=lambda id, error: told.append(id), concurrency=concurrency
    )
    assert report == EmbedReport(embedded=1, failed=3)
    assert (told, collection.ids()) == (["None", "b", "c"], ["d"])


def test_rows_that_are_no_tuples_stop_even_so(db):
    collection = Collection("test", db, model=WordLengths())
    with pytest.raises(vecstore.InvalidInputError, match="make tuples"):
        collection.embed_multi_with_metadata([{"id": "a"}], on_error="skip")
    with pytest.raises(vecstore.InvalidInputError, match="make tuples"):
        collection.embed_multi([{"id": "a"}], on_error="skip")


@pytest.mark.parametrize("position", [0, 1, 6, 9])
def test_an_entry_over_which_foreign_code_breaks_is_found(db, position):
    model = Refusing()
    collection = Collection("test", db, model=model)
    entries = numbered(10)
    entries[position] = ("culprit", "crash")
    told = []
    report = collection.embed_multi(
        entries, on_error=lambda id, error: told.append((id, str(error)))
    )
    assert report == EmbedReport(embedded=9, failed=1)
    assert told == [("culprit", "'culprit' was not embedded: OSError: no such image")]
    assert sorted(model.embedded) == sorted(text for _, text in entries if text != "crash")
    assert len(model.asked) < 10


def test_a_model_that_breaks_over_everything_stops(db):
    collection = Collection("test", db, model=Refusing())
    message = "fails, and not over one entry: of 30 .* such as '00001': OSError: no such image"
    with pytest.raises(vecstore.ModelError, match=message) as caught:
        collection.embed_multi(numbered(30, "crash"), on_error="skip")
    assert isinstance(caught.value.__cause__, OSError)
    assert collection.count() == 0


def test_what_is_wrong_with_the_model_stops_even_so(db):
    class Short(WordLengths):
        def embed_batch(self, items):
            return [[1.0] * 16]

    collection = Collection("test", db, model=Short())
    with pytest.raises(vecstore.ModelError, match="returned 1 vectors for 10"):
        collection.embed_multi(numbered(10), on_error="skip")
    assert collection.count() == 0


def test_a_function_that_raises_stops(db):
    def stop(id, error):
        raise error

    collection = Collection("test", db, model=Refusing())
    entries = [*numbered(20), ("b", "bad"), *numbered(40)]
    with pytest.raises(vecstore.RejectedInputError, match="'b' was not embedded"):
        collection.embed_multi(entries, on_error=stop, batch_size=10)
    assert collection.count() == 20


def test_content_that_was_refused_fails_under_every_id(db):
    collection = Collection("test", db, model=Refusing(3))
    entries = [("a", "bad"), ("b", "bad"), ("c", "ok"), ("d", "bad")]
    told = []
    report = collection.embed_multi(
        entries, batch_size=3, on_error=lambda id, error: told.append(id)
    )
    assert (report, told) == (EmbedReport(embedded=1, failed=3), ["a", "b", "d"])


def test_what_was_asked_for_already_is_written_when_another_batch_is_refused(db):
    """The batches behind the culprit are under way, and may have been paid for."""
    behind = threading.Event()

    class Waiting(Refusing):
        def embed_batch(self, items):
            if items == ["bad"]:
                behind.wait(10)
            yield from super().embed_batch(items)
            if items == ["three"]:
                behind.set()

    collection = Collection("test", db, model=Waiting(3))
    entries = [("a", "one"), ("x", "bad"), ("b", "two"), ("c", "three"), ("d", "four")]
    with pytest.raises(vecstore.RejectedInputError, match="'x' was not embedded"):
        collection.embed_multi(entries, batch_size=1)
    assert collection.ids() == ["a", "b", "c"]
