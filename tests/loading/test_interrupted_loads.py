"""A load that is interrupted stores what is embedded, and leaves no lock."""

import contextlib
import threading

import pytest

import vecstore
from tests.support.loads import Slow, numbered
from tests.support.models import WordLengths
from vecstore import Collection
from vecstore.loading import contract
from vecstore.sqlite.connection import locks


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


@pytest.mark.parametrize("moment", ["before", "after"])
def test_an_interrupt_as_a_transaction_begins_leaves_none_open(db, monkeypatch, moment):
    begin = locks.begin_immediate
    collection = Collection("test", db, model=Slow())
    collection.embed_multi(numbered(10))

    def interrupted_begin(*arguments):
        if moment == "after":
            begin(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(locks, "begin_immediate", interrupted_begin)
    with pytest.raises(KeyboardInterrupt):
        collection.delete_ids(["1"])
    monkeypatch.undo()
    assert not db.conn.in_transaction
    assert collection.count() == 10
