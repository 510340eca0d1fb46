"""Loads of many batches: several embedded at once, written in order, whatever happens."""

import contextlib
import random
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import vecstore
from tests.support.databases import rows
from tests.support.models import WordLengths
from vecstore import Collection, EmbedReport
from vecstore.loading import contract
from vecstore.sqlite.connection import locks


class Slow(WordLengths):
    """Takes a random time for a batch, and counts the calls that run at once."""

    concurrency = 4

    def __init__(self, seconds: float = 0.005) -> None:
        super().__init__()
        self.seconds = seconds
        self.running = self.most = 0
        self.threads: set[int] = set()
        self.lock = threading.Lock()

    def embed_batch(self, items):
        with self.lock:
            self.threads.add(threading.get_ident())
            self.running += 1
            self.most = max(self.most, self.running)
        time.sleep(random.uniform(0, self.seconds))
        with self.lock:
            self.running -= 1
            return list(super().embed_batch(items))


class Refusing(WordLengths):
    """Refuses texts that begin with "bad", and breaks over those that begin with "crash"."""

    def __init__(self, concurrency: int = 1) -> None:
        super().__init__()
        self.concurrency = concurrency
        self.asked: list[list[str]] = []

    def embed_batch(self, items):
        self.asked.append(list(items))
        for item in items:
            if item.startswith("bad"):
                raise vecstore.RejectedInputError("too long")
            if item.startswith("nan"):
                yield [float("nan")] * 16
                continue
            if item.startswith("crash"):
                raise OSError("no such image")
            yield from super().embed_batch([item])


def numbered(count: int, text: str = "text"):
    return [(f"{n:05}", f"{text} {n}") for n in range(count)]


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


@pytest.mark.parametrize("concurrency", [1, 3])
def test_an_interrupt_keeps_what_is_under_way(db, concurrency):
    def entries():
        for number, entry in enumerate(numbered(100)):
            if number == 57:
                raise KeyboardInterrupt
            yield entry

    model = Slow()
    collection = Collection("test", db, model=model)
    with pytest.raises(KeyboardInterrupt):
        collection.embed_multi(entries(), batch_size=10, concurrency=concurrency)
    assert collection.count() == 50 == len(model.embedded)


def test_an_interrupt_while_a_batch_is_written_does_not_lose_it(db):
    reports = []

    def progress(report):
        reports.append(report.embedded)
        if len(reports) == 2:
            raise KeyboardInterrupt

    model = Slow()
    collection = Collection("test", db, model=model)
    with pytest.raises(KeyboardInterrupt):
        collection.embed_multi(numbered(100), batch_size=10, concurrency=4, progress=progress)
    assert collection.count() == len(model.embedded)
    assert 20 <= collection.count() <= 60


def test_an_interrupt_ends_the_waits_for_another_try(db):
    class Busy(WordLengths):
        concurrency = 3

        def embed_batch(self, items):
            if "text 0" in items:
                return super().embed_batch(items)
            raise vecstore.TemporaryError("busy", retry_after=100)

    def entries():
        yield from numbered(3)
        raise KeyboardInterrupt

    collection = Collection("test", db, model=Busy())
    with pytest.raises(KeyboardInterrupt):
        collection.embed_multi(entries(), batch_size=1)
    assert collection.ids() == ["00000"]


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


@pytest.mark.parametrize("concurrency", [1, 4])
def test_an_interrupt_at_the_end_of_a_transaction_loses_nothing(db, path, monkeypatch, concurrency):
    """After its last statement, before the commit."""
    write = contract.Batch._plan_and_write
    written = []

    def interrupted_write(self):
        plan = write(self)
        written.append(plan)
        if len(written) == 3:
            raise KeyboardInterrupt
        return plan

    collection = Collection("test", db, model=Slow())
    monkeypatch.setattr(contract.Batch, "_plan_and_write", interrupted_write)
    with pytest.raises(KeyboardInterrupt):
        collection.embed_multi(numbered(100), batch_size=10, concurrency=concurrency)
    monkeypatch.undo()
    assert not db.conn.in_transaction
    assert collection.embed_multi(numbered(100)).failed == 0
    with contextlib.closing(vecstore.connect(path, read_only=True)) as other:
        assert other["embeddings"].count == 100


def test_an_interrupt_as_a_thread_starts_does_not_lose_what_it_asks_for(db, monkeypatch):
    start = threading.Thread.start
    started = []

    def interrupted_start(self):
        start(self)
        started.append(self)
        if len(started) == 3:
            raise KeyboardInterrupt

    model = Slow()
    collection = Collection("test", db, model=model)
    monkeypatch.setattr(threading.Thread, "start", interrupted_start)
    with pytest.raises(KeyboardInterrupt):
        collection.embed_multi(numbered(100), batch_size=10)
    assert collection.count() == len(model.embedded) == 30


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


@pytest.mark.parametrize("moment", ["before", "after"])
def test_an_interrupt_as_a_transaction_begins_leaves_none_open(db, monkeypatch, moment):
    begin = locks.begin
    collection = Collection("test", db, model=Slow())
    collection.embed_multi(numbered(10))

    def interrupted_begin(*arguments):
        if moment == "after":
            begin(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(locks, "begin", interrupted_begin)
    with pytest.raises(KeyboardInterrupt):
        collection.delete_ids(["1"])
    monkeypatch.undo()
    assert not db.conn.in_transaction
    assert collection.count() == 10
