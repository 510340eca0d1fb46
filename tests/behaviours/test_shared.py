"""Threads, forks, transactions of the caller's own, and a load that searches what it loads."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

import vecstore
from tests.support.loads import Slow, numbered
from tests.support.models import Vectors, WordLengths
from tests.support.places import is_postgres, stored
from vecstore import Collection, EmbedReport


@contextmanager
def transaction(store):
    """Give a block that is a transaction of the caller's own, committed at its end."""
    if is_postgres(store):
        with store.connection().transaction():
            yield
        return
    connection = store.database().conn
    connection.execute("begin")
    try:
        yield
    except BaseException:
        connection.rollback()
        raise
    connection.commit()


def write_in_every_way(collection):
    collection.embed_multi(numbered(7), store=True, batch_size=3)
    collection.embed_multi(numbered(7), batch_size=2, concurrency=2)
    collection.add("own", [1.0] * 16, "own")
    collection.set_metadata("00001", {"n": 1})
    collection.embed_documents([("doc", "one\n\ntwo")], lambda _: [(0, 3), (5, 8)])
    collection.set_prefixes(query="find ")
    collection.delete_ids(["00002"])
    collection.sync([("00003", "text 3"), ("00004", "other")], "0000", delete_most=True)


def test_what_is_written_in_a_transaction_is_undone_with_it(collection, store, model):
    collection.embed("a", "one", store=True)
    before = stored(collection)
    with pytest.raises(KeyboardInterrupt), transaction(store):
        write_in_every_way(collection)
        collection.delete_ids(["a"])
        other = collection.copy("copy")
        other.embed("b", "two")
        collection.rename("renamed")
        assert collection.similar("find text 3", 1)
        assert Collection("new", store, model=model).count() == 0
        assert collection.ids() == ["00003", "00004", "doc#1", "doc#2", "own"]
        raise KeyboardInterrupt
    assert not store.has_transaction()
    again = Collection("test", store, model=model)
    assert (stored(again), again.query_prefix) == (before, "")
    assert store.describe().endswith(" has 'test'")


def test_what_is_written_in_a_transaction_stays_with_it(collection, store, model):
    with transaction(store):
        write_in_every_way(collection)
        within = stored(collection)
    other = Collection("other", store, model=model)
    write_in_every_way(other)
    assert within == stored(collection) == stored(other)


def test_what_is_refused_in_a_transaction_undoes_its_batch_alone(collection, store):
    with transaction(store):
        collection.embed_multi([("a", "one"), ("b", "two")])
        for call in (
            lambda: collection.embed_multi([("c", "three"), (None, "x")]),
            lambda: collection.add_multi([("d", [1.0] * 16), ("e", [1.0])]),
            lambda: collection.similar("one", where="no_such_column = 1"),
            lambda: collection.ids(where="("),
            lambda: collection.rename(""),
            lambda: Collection("test", store, model=Vectors()),
            lambda: collection.similar_by_vector([1.0]),
        ):
            with pytest.raises(ValueError):  # noqa: PT011
                call()
        with pytest.raises(vecstore.DoesNotExist):
            collection.get("c")
        collection.embed("f", "four")
    assert collection.ids() == ["a", "b", "f"]


def test_a_block_of_writing_is_one_transaction(collection, store):
    with pytest.raises(OSError, match="gone"), store.writing():
        collection.embed("a", "one")
        with store.writing():
            collection.embed("b", "two")
        raise OSError("gone")
    with store.writing():
        collection.embed("c", "three")
        with pytest.raises(OSError, match="gone"), store.writing():
            collection.embed("d", "four")
            raise OSError("gone")
        collection.embed("e", "five")
    assert collection.ids() == ["c", "e"]


def test_what_needs_a_transaction_of_its_own_says_so(collection, store):
    collection.embed("a", "1 0", store=True)
    with transaction(store):
        for call in (lambda: collection.reembed(Vectors()), collection.related_table):
            with pytest.raises(vecstore.DatabaseError, match="transaction"):
                call()
    assert (collection.model_id, collection.ids()) == ("word-lengths", ["a"])


def test_entries_may_be_made_of_what_the_same_collection_has(collection):
    collection.embed_multi(numbered(5), store=True)

    def entries():
        for entry in list(collection):  # which would not end while entries are added after it
            [nearest] = collection.similar_by_id(entry.id, 1)
            yield f"copy of {entry.id}", f"{entry.content} {nearest.id in collection}"
            collection.set_metadata(entry.id, {"copied": collection.count()})

    report = collection.embed_multi(entries(), batch_size=2, store=True)
    assert (report.embedded + report.reused, collection.count()) == (10, 10) or report.embedded
    assert collection.get("copy of 00003").content == "text 3 True"
    assert collection.get("00004").metadata is not None


def test_several_threads_share_a_collection(store):
    collection = Collection("test", store, model=Slow(0.002))

    def work(number):
        entries = [(f"{number}/{n}", f"{'x' * n} {number}") for n in range(1, 15)]
        report = collection.embed_multi(entries, store=True, batch_size=4, concurrency=2)
        assert report.embedded + report.reused == 14
        found = collection.similar(f"xxx {number}", prefix=f"{number}/", number=14)
        assert len(found) == 14
        assert collection.get(f"{number}/3").content == f"xxx {number}"
        collection.set_metadata(f"{number}/3", {"n": number})
        assert collection.delete_ids([f"{number}/4"]) == 1
        return [entry.id for entry in collection if entry.id.startswith(f"{number}/")]

    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(work, range(6)))
    for number, ids in enumerate(found):
        assert ids == sorted(f"{number}/{n}" for n in range(1, 15) if n != 4)
    assert collection.count() == 6 * 13
    assert collection.get("5/3").metadata == {"n": 5}


def test_threads_that_write_the_same_ids_leave_one_of_each(store):
    collection = Collection("test", store, model=WordLengths())
    barrier = threading.Barrier(4)

    def work(number):
        barrier.wait()
        entries = [(f"{n:03}", f"{n} of {number}") for n in range(60)]
        entries = entries if number % 2 else entries[::-1]
        return collection.embed_multi(entries, store=True, batch_size=7)

    with ThreadPoolExecutor(4) as pool:
        reports = list(pool.map(work, range(4)))
    assert all(r.embedded + r.reused + r.unchanged == 60 for r in reports)
    assert collection.ids() == [f"{n:03}" for n in range(60)]
    for entry in collection:
        number, _, of = entry.content.split()
        assert (int(number), of in "0123") == (int(entry.id), True)


def test_a_forked_child_has_a_connection_of_its_own(schema_url):
    collection = Collection("test", schema_url, model=WordLengths())
    collection.embed("parent", "one", store=True)
    with collection.store.writing():
        collection.embed("within", "two")  # which a child cannot see, or end
        child = os.fork()
        if child == 0:
            code = 1
            try:
                same = collection.ids() == ["parent"] and not collection.store.has_transaction()
                other = Collection("of the child", collection.store, model=WordLengths())
                other.embed("child", "three")
                code = 0 if same and other.ids() == ["child"] else 2
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        assert collection.embed_multi([("after", "four")]) == EmbedReport(embedded=1)
    assert collection.ids() == ["after", "parent", "within"]
    assert Collection("of the child", collection.store).ids() == ["child"]


def test_a_connection_that_the_server_ends_is_an_error_after_which_the_same_call_goes_on(
    schema_url,
):
    collection = Collection("test", schema_url, model=WordLengths())
    collection.embed("a", "one")
    other = Collection("test", schema_url)
    pid = collection.store.connection().info.backend_pid
    other.store.connection().execute("select pg_terminate_backend(%s)", [pid])
    with pytest.raises(vecstore.DatabaseConnectionError):
        collection.embed("b", "two")
    collection.embed("b", "two")
    assert other.ids() == ["a", "b"]
