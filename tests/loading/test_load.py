"""Loads of many batches: several embedded at once, written in order, whatever happens."""

import contextlib
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import vecstore
from tests.support.databases import rows
from tests.support.loads import Slow, numbered
from tests.support.models import WordLengths
from vecstore import Collection, EmbedReport


def test_batches_are_written_in_the_order_of_the_input(db):
    model = Slow()
    collection = Collection("test", db, model=model)
    entries = numbered(200)
    seen = []

    def progress(report):
        seen.append(report.embedded)
        assert collection.ids() == [id for id, _ in entries[: report.embedded]]

    assert collection.embed_multi(entries, batch_size=10, progress=progress) == EmbedReport(200)
    assert seen == list(range(10, 201, 10))
    assert model.most > 1
    assert sorted(model.embedded) == sorted(text for _, text in entries)


@pytest.mark.parametrize("concurrency", [1, 2, 5])
def test_no_more_batches_are_under_way_than_asked_for(db, concurrency):
    model = Slow()
    collection = Collection("test", db, model=model)
    ahead = []

    def entries():
        for number, entry in enumerate(numbered(300), start=1):
            ahead.append(number - collection.count())
            yield entry

    collection.embed_multi(entries(), batch_size=10, concurrency=concurrency)
    assert model.most <= concurrency
    assert max(ahead) <= 10 * concurrency
    assert collection.count() == 300


def test_a_model_that_says_nothing_is_called_in_the_callers_thread(db):
    model = Slow()
    model.concurrency = 1
    Collection("test", db, model=model).embed_multi(numbered(30), batch_size=10)
    assert model.threads == {threading.get_ident()}


def test_content_that_is_on_its_way_is_not_asked_for_again(db):
    model = Slow()
    collection = Collection("test", db, model=model)
    entries = [(str(n), f"text {n % 7}") for n in range(100)]
    report = collection.embed_multi(entries, batch_size=5, concurrency=8)
    assert report == EmbedReport(embedded=7, reused=93)
    assert sorted(model.embedded) == [f"text {n}" for n in range(7)]


@settings(max_examples=60, deadline=None)
@given(
    entries=st.lists(
        st.tuples(
            st.sampled_from("abcdef"),
            st.sampled_from(["one", "two", "three", "four", ""]),
            st.sampled_from([None, {}, {"n": 1}, {"n": 2}]),
        ),
        max_size=30,
    ),
    batch_size=st.integers(1, 6),
    concurrency=st.integers(2, 6),
    store=st.booleans(),
)
def test_concurrency_changes_nothing_in_what_is_stored(entries, batch_size, concurrency, store):
    stored = []
    for width in (1, concurrency):
        with contextlib.closing(vecstore.connect()) as db:
            collection = Collection("test", db, model=Slow(0.0005))
            collection.embed_multi_with_metadata(
                entries, store=store, batch_size=batch_size, concurrency=width
            )
            columns = "id, embedding, content, content_hash, metadata"
            stored.append(rows(db, f"select {columns} from embeddings order by id"))
    assert stored[0] == stored[1]


def test_an_error_of_the_source_keeps_what_is_under_way(db):
    def entries():
        yield from numbered(35)
        raise RuntimeError("the source broke")

    model = Slow()
    collection = Collection("test", db, model=model)
    with pytest.raises(RuntimeError, match="the source broke"):
        collection.embed_multi(entries(), batch_size=10, concurrency=8)
    assert collection.count() == 30
    report = collection.embed_multi(numbered(35), batch_size=10, concurrency=8)
    assert report == EmbedReport(embedded=5, unchanged=30)
    assert len(model.embedded) == 35


def test_what_was_embedded_before_the_provider_went_away_is_written(db):
    class Gone(WordLengths):
        def embed_batch(self, items):
            for item in items:
                if len(self.embedded) == 4:
                    raise vecstore.TemporaryError("gone", tries=2)
                yield from super().embed_batch([item])

    model = Gone()
    collection = Collection("test", db, model=model)
    with pytest.raises(vecstore.TemporaryError, match="gone"):
        collection.embed_multi(numbered(10))
    assert collection.ids() == ["00000", "00001", "00002", "00003"]
    model.embedded.clear()
    model.embedded.extend([""] * 5)
    assert collection.embed_multi(numbered(10)) == EmbedReport(embedded=6, unchanged=4)


def test_an_exit_inside_a_thread_ends_the_load(db):
    class Exiting(WordLengths):
        concurrency = 2

        def embed_batch(self, items):
            raise SystemExit(3)

    collection = Collection("test", db, model=Exiting())
    with pytest.raises(SystemExit):
        collection.embed_multi(numbered(10), batch_size=2)
    assert collection.count() == 0


def test_rows_that_need_nothing_are_not_written_and_need_no_thread(db):
    model = Slow()
    collection = Collection("test", db, model=model)
    collection.embed_multi(numbered(100), batch_size=10)
    model.threads.clear()
    changes = db.conn.total_changes
    report = collection.embed_multi(numbered(100), batch_size=10)
    assert report == EmbedReport(unchanged=100)
    assert (db.conn.total_changes, model.threads) == (changes, set())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"concurrency": 0}, "concurrency is 0: it must be 1 or more"),
        ({"concurrency": "8"}, "concurrency is '8'"),
        ({"on_error": "ignore"}, "on_error is 'ignore': it must be 'stop', 'skip' or a function"),
    ],
)
def test_wrong_options_are_refused(collection, model, options, message):
    with pytest.raises(vecstore.InvalidInputError, match=message):
        collection.embed_multi([("a", "x")], **options)
    assert model.embedded == []


def test_a_thread_that_cannot_start_leaves_no_one_waiting(db, monkeypatch):
    def failing_start(self):
        raise RuntimeError("can't start new thread")

    collection = Collection("test", db, model=Slow())
    monkeypatch.setattr(threading.Thread, "start", failing_start)
    with pytest.raises(RuntimeError, match="can't start"):
        collection.embed_multi(numbered(100), batch_size=10)
    assert collection.count() == 0


def test_a_batch_that_cannot_be_written_does_not_keep_back_those_behind_it(db):
    class Changing(Slow):
        def embed_batch(self, items):
            vectors = super().embed_batch(items)
            return [[*vector, 1.0] for vector in vectors] if "text 15" in items else vectors

    model = Changing()
    collection = Collection("test", db, model=model)
    with pytest.raises(vecstore.DimensionError, match="17 dimensions and .* have 16"):
        collection.embed_multi(numbered(100), batch_size=10)
    assert collection.count() == len(model.embedded) - 10 > 10
