"""One bad entry among many: it is named, and what the model embedded before it is written."""

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import vecstore
from tests.support.bad_entries import FAILURES, KINDS, Returning, Yielding, ids, texts
from tests.support.models import WordLengths
from vecstore import Collection, EmbedReport

REASONS = {
    "ValueError": "ValueError: cannot identify image file",
    "OSError": "OSError: [Errno 5] Input/output error",
    "MemoryError": "MemoryError",
    "RecursionError": "RecursionError: too deep",
    "InvalidInputError": "not for this model",
}


@pytest.mark.parametrize("concurrency", [1, 2, 8])
@pytest.mark.parametrize("position", [0, 1, 6, 12, 19])
@pytest.mark.parametrize("kind", KINDS)
def test_the_entry_is_named_and_those_before_it_are_written(db, kind, position, concurrency):
    model = kind()
    collection = Collection("test", db, model=model)
    with pytest.raises(vecstore.RejectedInputError) as caught:
        collection.embed_multi(texts(20, position), concurrency=concurrency)
    message = f"'{position:03}' was not embedded: OSError: no such image"
    assert str(caught.value).startswith(message)
    assert caught.value.__cause__ is model.failure
    assert collection.ids() == ids(*range(position))
    assert len(model.embedded) == len(set(model.embedded))
    assert len(model.asked) <= 10
    assert collection.embed_multi(texts(20)).embedded == 20 - position


@pytest.mark.parametrize("name", FAILURES)
@pytest.mark.parametrize("kind", KINDS)
def test_whatever_it_fails_with_is_the_cause_and_told_on_one_line(db, kind, name):
    model = kind()
    model.failure = FAILURES[name]
    collection = Collection("test", db, model=model)
    with pytest.raises(vecstore.RejectedInputError) as caught:
        collection.embed_multi(texts(10, 7))
    assert str(caught.value) == f"'007' was not embedded: {REASONS[name]}"
    assert caught.value.__cause__ is model.failure
    assert collection.ids() == ids(*range(7))


@pytest.mark.parametrize("batch_size", [1, 3, 10, 100])
@pytest.mark.parametrize("kind", KINDS)
def test_of_several_the_first_is_named(db, kind, batch_size):
    collection = Collection("test", db, model=kind())
    with pytest.raises(vecstore.RejectedInputError, match="'004' was not embedded"):
        collection.embed_multi(texts(20, 4, 5, 11, 19), batch_size=batch_size)
    assert collection.ids() == ids(*range(4))


@settings(max_examples=40, deadline=None)
@given(
    bad=st.sets(st.integers(0, 29), max_size=29),
    kind=st.sampled_from(KINDS),
    batch_size=st.integers(2, 30),
    concurrency=st.integers(1, 4),
)
def test_all_that_are_not_bad_are_embedded_once_where_bad_ones_are_skipped(
    bad, kind, batch_size, concurrency
):
    # One good entry in each batch, so that the model is not taken for broken.
    bad = {n for n in bad if n % batch_size}
    model = kind()
    told = []
    with_bad = Collection("test", model=model)
    report = with_bad.embed_multi(
        texts(30, *bad),
        batch_size=batch_size,
        concurrency=concurrency,
        on_error=lambda id, error: told.append((id, str(error))),
    )
    assert report == EmbedReport(embedded=30 - len(bad), failed=len(bad))
    assert sorted(told) == [
        (id, f"{id!r} was not embedded: OSError: no such image") for id in ids(*sorted(bad))
    ]
    assert with_bad.ids() == ids(*sorted(set(range(30)) - bad))
    assert len(model.embedded) == 30 - len(bad)
    with_bad.db.close()


@pytest.mark.parametrize("kind", KINDS)
def test_few_calls_find_one_among_many(db, kind):
    model = kind()
    collection = Collection("test", db, model=model)
    report = collection.embed_multi(texts(1000, 700), batch_size=1000, on_error="skip")
    assert report == EmbedReport(embedded=999, failed=1)
    assert len(model.asked) <= 16


@pytest.mark.parametrize(("on_error", "most"), [("stop", 2), ("skip", 101)])
@pytest.mark.parametrize("kind", KINDS)
def test_a_model_that_fails_over_everything_is_asked_once_for_each_at_most(
    db, kind, on_error, most
):
    model = kind()
    collection = Collection("test", db, model=model)
    with pytest.raises(vecstore.ModelError, match="OSError: no such image") as caught:
        collection.embed_multi(texts(100, *range(100)), on_error=on_error)
    told = {
        "stop": "nor was anything else of its batch, so it may be the model that fails",
        "skip": "The model fails, and not over one entry: of 100 that it was asked for",
    }
    assert told[on_error] in str(caught.value)
    assert isinstance(caught.value.__cause__, OSError)
    assert len(model.asked) <= most
    assert collection.count() == 0


@pytest.mark.parametrize("good", [1, 50, 99])
@pytest.mark.parametrize("kind", KINDS)
def test_one_entry_that_works_among_many_that_do_not_is_found(db, kind, good):
    collection = Collection("test", db, model=kind())
    bad = [n for n in range(100) if n != good]
    report = collection.embed_multi(texts(100, *bad), on_error="skip")
    assert report == EmbedReport(embedded=1, failed=99)
    assert collection.ids() == ids(good)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_load_again_skips_the_same_entries_and_goes_on(db, kind):
    collection = Collection("test", db, model=kind())
    bad = range(30)
    assert collection.embed_multi(texts(100, *bad), batch_size=50, on_error="skip") == EmbedReport(
        embedded=70, failed=30
    )
    again = collection.embed_multi(texts(150, *bad), batch_size=50, on_error="skip")
    assert again == EmbedReport(embedded=50, unchanged=70, failed=30)


@pytest.mark.parametrize("kind", KINDS)
def test_a_few_entries_that_all_fail_are_skipped(db, kind):
    collection = Collection("test", db, model=kind())
    assert collection.embed_multi(texts(2, 0, 1), on_error="skip") == EmbedReport(failed=2)
    entries = texts(102, 100, 101)
    assert collection.embed_multi(entries, on_error="skip") == EmbedReport(embedded=100, failed=2)


def test_an_exception_without_a_text_is_named_by_its_class(db):
    class Wordless(Exception):
        def __str__(self):
            raise RuntimeError("no text")

    class Odd(WordLengths):
        def embed_batch(self, items):
            raise Wordless

    collection = Collection("test", db, model=Odd())
    with pytest.raises(vecstore.RejectedInputError, match="^'a' was not embedded: Wordless$"):
        collection.embed("a", "text")


def test_what_is_wrong_with_the_model_costs_one_call_and_keeps_what_came_before(db):
    class Broken(Yielding):
        def embed_batch(self, items):
            yield from super().embed_batch(items)

        failure = vecstore.ModelError("out of order")

    model = Broken()
    collection = Collection("test", db, model=model)
    for on_error in ("stop", "skip"):
        with pytest.raises(vecstore.ModelError) as caught:
            collection.embed_multi(texts(10, 7), on_error=on_error)
        assert caught.value is model.failure
        assert collection.ids() == ids(*range(7))
    assert len(model.asked) == 2


@pytest.mark.parametrize("kind", KINDS)
def test_a_provider_that_goes_away_during_the_search_is_told_and_keeps_what_came(db, kind):
    class Leaving(kind):
        def embed_batch(self, items):
            if len(self.asked) == 2:
                raise vecstore.TemporaryError("gone", tries=1)
            yield from super().embed_batch(items)

    collection = Collection("test", db, model=Leaving())
    with pytest.raises(vecstore.TemporaryError, match="gone"):
        collection.embed_multi(texts(40, 30), on_error="skip")
    assert collection.ids() == ids(*range(collection.count()))
    assert collection.count() >= 1


@pytest.mark.parametrize("kind", KINDS)
def test_content_of_several_entries_is_named_by_the_first_and_skipped_under_each(db, kind):
    entries = [("a", "x"), ("b", "bad"), ("c", "y"), ("d", "bad"), ("e", "z")]
    stopping = Collection("stopping", db, model=kind())
    with pytest.raises(vecstore.RejectedInputError, match="'b' was not embedded"):
        stopping.embed_multi(entries)
    assert stopping.ids() == ["a"]
    told = []
    skipping = Collection("skipping", db, model=kind())
    report = skipping.embed_multi(entries, on_error=lambda id, error: told.append(id))
    assert (report, told) == (EmbedReport(embedded=3, failed=2), ["b", "d"])
    assert skipping.ids() == ["a", "c", "e"]


def test_content_that_fails_is_not_asked_for_again_by_the_batches_behind(db):
    model = Returning()
    entries = [("a", "bad 1"), ("b", "bad 2"), ("c", "good"), ("d", "bad 1"), ("e", "bad 2")]
    told = []
    report = Collection("test", db, model=model).embed_multi(
        entries, batch_size=3, concurrency=2, on_error=lambda id, error: told.append(id)
    )
    assert report == EmbedReport(embedded=1, failed=4)
    assert sorted(told) == ["a", "b", "d", "e"]


@pytest.mark.parametrize("kind", KINDS)
def test_batches_that_are_under_way_behind_the_entry_are_written(db, kind):
    behind = threading.Barrier(4)

    class Together(kind):
        def embed_batch(self, items):
            if len(items) == 10:
                behind.wait(10)
            yield from super().embed_batch(items)

    collection = Collection("test", db, model=Together())
    with pytest.raises(vecstore.RejectedInputError, match="'015' was not embedded"):
        collection.embed_multi(texts(40, 15), batch_size=10, concurrency=4)
    assert collection.ids() == ids(*range(15), *range(20, 40))


def test_an_error_after_the_last_vector_loses_none(db):
    class Untidy(WordLengths):
        def embed_batch(self, items):
            yield from super().embed_batch(items)
            raise OSError("cannot close the device")

    model = Untidy()
    collection = Collection("test", db, model=model)
    with pytest.raises(OSError, match="cannot close"):
        collection.embed_multi(texts(5))
    assert collection.count() == 5
    assert len(model.embedded) == 5


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("concurrency", [1, 3])
def test_an_interrupt_of_the_model_is_no_entrys_error(db, interrupt, concurrency):
    model = Returning()
    model.failure = interrupt()
    collection = Collection("test", db, model=model)
    with pytest.raises(interrupt):
        collection.embed_multi(
            texts(30, 25), batch_size=10, concurrency=concurrency, on_error="skip"
        )
    assert collection.ids() == ids(*range(20))
    assert len(model.asked) == 3


def test_an_error_of_memory_does_not_hold_the_memory(db):
    class Greedy(Returning):
        alive = 0

        def vector(self, text):
            if text.startswith("bad"):
                big = Big(self)
                raise MemoryError(big.size)
            return super().vector(text)

    class Big:
        size = 1

        def __init__(self, model):
            self.model = model
            model.alive += 1

        def __del__(self):
            self.model.alive -= 1

    model = Greedy()
    alive = []
    collection = Collection("test", db, model=model)
    collection.embed_multi(texts(10, 3, 6), on_error=lambda id, error: alive.append(model.alive))
    assert alive == [0, 0]
