"""Connections that a server ends, and a server that dies: the same call goes on, or begins anew."""

import os
import random
import threading
import time
from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest

import vecstore
from tests.support.killed import DIMENSIONS, text_of
from tests.support.models import Pseudorandom, pseudorandom
from tests.support.postgres_server import running_server
from vecstore import Collection, DatabaseConnectionError
from vecstore.postgres.store import PostgresStore

KILLS = int(os.environ.get("VECSTORE_KILLS", "2"))
SEED = int(os.environ.get("VECSTORE_SEED", "0"))
BATCH = 20


class Counting(Pseudorandom):
    """Counts what it embeds."""

    model_id = "counting"
    dimensions = DIMENSIONS

    def __init__(self) -> None:
        self.embedded: list[str] = []

    def embed_batch(self, items):
        for item in items:
            self.embedded.append(item)
            yield pseudorandom(item, DIMENSIONS)


@pytest.fixture
def model() -> Counting:
    return Counting()


@pytest.fixture
def store(postgres_url) -> Iterator[PostgresStore]:
    with closing(PostgresStore(postgres_url)) as opened:
        yield opened


@pytest.fixture
def collection(store, model) -> Collection:
    return Collection("test", store, model=model)


def entries(start: int, end: int) -> Iterator[tuple[str, str]]:
    for n in range(start, end):
        yield f"{n:06}", text_of(f"{n:06}")


def contents(collection: Collection) -> dict[str, str | None]:
    return {entry.id: entry.content for entry in collection}


def end_connection(url: str, store: PostgresStore) -> None:
    """Have the server end the connection of this thread, and wait until it has."""
    pid = store.connection().info.backend_pid
    with psycopg.connect(url, autocommit=True) as other:
        other.execute("select pg_terminate_backend(%s, 5000)", [pid])


def test_a_connection_that_the_server_has_ended_is_an_error_once(postgres_url, store, collection):
    collection.embed_multi(entries(0, 3), store=True)
    for call in [
        lambda: collection.similar("text of 000001"),
        lambda: collection.similar("text of 000001", where="id <> '000000'"),
        lambda: collection.count(),
        lambda: list(collection),
        lambda: collection.delete_ids(["none"]),
        lambda: collection.embed("000000", "text of 000000", store=True),
    ]:
        expected = call()
        end_connection(postgres_url, store)
        with pytest.raises(DatabaseConnectionError):
            call()
        assert call() == expected
    assert contents(collection) == dict(entries(0, 3))


def test_what_was_committed_before_the_connection_was_lost_is_not_embedded_again(
    postgres_url, store, collection, model
):
    """It is lost while the model works on the third batch."""

    def losing() -> Iterator[tuple[str, str]]:
        for n, entry in enumerate(entries(0, 10)):
            if n == 5:
                end_connection(postgres_url, store)
            yield entry

    with pytest.raises(DatabaseConnectionError):
        collection.embed_multi(losing(), store=True, batch_size=2)
    committed = collection.count()
    assert committed == 4
    model.embedded.clear()
    report = collection.embed_multi(entries(0, 10), store=True, batch_size=2)
    assert (report.unchanged, report.embedded) == (4, 6)
    assert model.embedded == [text for _, text in entries(4, 10)]
    assert contents(collection) == dict(entries(0, 10))


def test_nothing_is_left_of_a_transaction_whose_connection_is_lost(postgres_url, store, collection):
    with pytest.raises(DatabaseConnectionError), store.writing():
        collection.embed("a", "text")
        end_connection(postgres_url, store)
        collection.embed("b", "text")
    assert collection.ids() == []


def test_no_statement_after_the_loss_is_committed_by_itself(postgres_url, store, collection):
    """The block hides the first error, and goes on."""
    with pytest.raises(DatabaseConnectionError), store.writing():
        collection.embed("a", "text")
        end_connection(postgres_url, store)
        with pytest.raises(DatabaseConnectionError):
            collection.embed("b", "text")
        with pytest.raises(DatabaseConnectionError, match="nothing is left"):
            collection.embed("c", "text")
    assert collection.ids() == []


def test_a_block_that_hides_an_error_of_the_server_is_an_error_itself(store, collection):
    """PostgreSQL rolls such a transaction back, and says so in no more than a word."""
    with pytest.raises(vecstore.DatabaseError, match="nothing was written"), store.writing():
        collection.embed("a", "text")
        with pytest.raises(psycopg.Error):
            store.connection().execute("select 1 / 0")
    assert collection.ids() == []


def test_a_search_that_the_server_has_ended_leaves_no_transaction(postgres_url, collection):
    collection.embed_multi(entries(0, 1000))
    collection.build_graph()
    expected = collection.similar("text")
    pid = collection.store.connection().info.backend_pid
    with psycopg.connect(postgres_url) as other:
        other.execute("lock table embeddings")
        collection.store.connection().execute("set lock_timeout = '10ms'")
        with pytest.raises(vecstore.DatabaseBusyError):
            collection.similar("text")
        assert not collection.store.has_transaction()
    assert collection.similar("text") == expected
    assert collection.store.connection().info.backend_pid == pid


def test_connections_that_end_at_any_moment_lose_nothing_and_double_nothing(
    postgres_url, store, collection
):
    """A load is repeated while another program ends all connections, again and again."""
    chance = random.Random(SEED)
    is_over = threading.Event()

    def end_all() -> None:
        with psycopg.connect(postgres_url, autocommit=True) as other:
            while not is_over.wait(chance.uniform(0, 0.1)):
                other.execute(
                    """
                    select pg_terminate_backend(pid)
                    from pg_stat_activity
                    where datname = current_database()
                      and pid <> pg_backend_pid()
                    """
                )

    said = [0]
    total = losses = 0
    thread = threading.Thread(target=end_all)
    thread.start()
    try:
        while losses < 5 * KILLS:
            if said[-1] == total:
                total += 10 * BATCH
            try:
                collection.embed_multi(
                    entries(0, total),
                    store=True,
                    batch_size=BATCH,
                    progress=lambda report: said.append(report.embedded + report.unchanged),
                )
            except DatabaseConnectionError:
                losses += 1
    finally:
        is_over.set()
        thread.join()
        store.close()
    committed = collection.count()
    assert max(said) <= committed <= max(said) + BATCH
    assert committed % BATCH == 0
    assert contents(collection) == dict(entries(0, committed))


@pytest.mark.parametrize("kill", range(KILLS))
def test_a_server_that_dies_in_a_load_has_all_that_was_committed_when_it_is_back(model, kill):
    """As if its machine had lost its power."""
    chance = random.Random(f"{SEED} {kill}")
    total = 200 * BATCH
    with running_server(durable=True) as server, closing(PostgresStore(server.url)) as store:
        collection = Collection("test", store, model=model)
        after = BATCH * chance.randint(1, 20)
        reached = threading.Event()
        said: list[int] = []

        def note(report: vecstore.EmbedReport) -> None:
            said.append(report.embedded)
            if report.embedded >= after:
                reached.set()

        def die() -> None:
            reached.wait()
            time.sleep(chance.uniform(0, 0.03))
            server.stop("immediate")

        thread = threading.Thread(target=die)
        thread.start()
        try:
            with pytest.raises(DatabaseConnectionError):
                collection.embed_multi(
                    entries(0, total), store=True, batch_size=BATCH, progress=note
                )
        finally:
            reached.set()
            thread.join()
        with pytest.raises(DatabaseConnectionError):
            collection.count()
        server.start()
        committed = collection.count()
        # One that was committed may not have been told yet; and a batch is there or is not.
        assert said[-1] <= committed <= said[-1] + BATCH
        assert committed % BATCH == 0
        model.embedded.clear()
        report = collection.embed_multi(entries(0, total), store=True, batch_size=BATCH)
        assert (report.unchanged, report.embedded) == (committed, total - committed)
        assert len(model.embedded) == total - committed
        assert contents(collection) == dict(entries(0, total))
