"""Reading where nothing can be written: on a streaming replica, and as a user who may only read."""

import time
from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest

from tests.support.models import Vectors
from tests.support.postgres_server import Server, database_of, running_replica, running_server
from vecstore import Collection, DatabaseReadOnlyError, DoesNotExist
from vecstore.postgres.store import PostgresStore

ENTRIES = [("a", "1 0"), ("b", "0 1"), ("c", "1 1")]


@pytest.fixture(scope="module")
def primary() -> Iterator[Server]:
    with running_server(settings=["synchronous_commit = on"]) as server:
        with closing(PostgresStore(server.url)) as store:
            Collection("test", store, model=Vectors()).embed_multi_with_metadata(
                [(id, text, {"n": n}) for n, (id, text) in enumerate(ENTRIES)], store=True
            )
        yield server


@pytest.fixture(scope="module")
def replica(primary) -> Iterator[Server]:
    with running_replica(primary) as server:
        yield server


def follow(primary: Server, replica: Server) -> None:
    """Wait until a replica has all that is committed."""
    with psycopg.connect(primary.url) as connection:
        [position] = connection.execute("select pg_current_wal_lsn()").fetchone()
    with psycopg.connect(replica.url, autocommit=True) as connection:
        for _ in range(1000):
            reached = connection.execute("select pg_last_wal_replay_lsn() >= %s", [position])
            if reached.fetchone()[0]:
                return
            time.sleep(0.01)
    raise AssertionError("the replica does not follow")


def hosts(*servers: Server) -> str:
    """Return a URL of several servers, the first of which that fits is taken."""
    return f"postgresql://postgres@/postgres?host={','.join(str(s.data) for s in servers)}"


def names_of(collection: Collection) -> list[str]:
    return [entry.id for entry in collection.similar("1 0")]


def assert_reads(collection: Collection) -> None:
    """Assert that all that reads works."""
    assert {entry.id: entry.content for entry in collection} == dict(ENTRIES)
    assert (collection.count(), collection.ids(prefix="b")) == (3, ["b"])
    assert collection.ids(where="(metadata ->> 'n')::int > 0") == ["b", "c"]
    assert names_of(collection) == ["a", "c", "b"]
    assert [entry.id for entry in collection.similar("1 0", where="id <> ?", where_args=["a"])] == [
        "c",
        "b",
    ]
    assert [entry.id for entry in collection.similar_by_id("a")] == ["c", "b"]
    assert collection.vector("c") == [1, 1]
    assert collection.get("b").metadata == {"n": 1}
    assert "b" in collection


def assert_refuses_writes(store: PostgresStore) -> None:
    """Assert that what writes is an error that says so."""
    collection = Collection("test", store, model=Vectors())
    for write in [
        lambda: collection.embed("a", "7 7"),
        lambda: collection.embed_multi([("new", "7 7")]),
        lambda: collection.sync([("a", "7 7")]),
        lambda: collection.delete_ids(["a"]),
        lambda: collection.set_metadata("a", {"n": 7}),
        lambda: collection.set_prefixes(query="q"),
        lambda: collection.rename("other"),
        lambda: collection.copy("other"),
        lambda: collection.delete(),
    ]:
        with pytest.raises(DatabaseReadOnlyError, match="target_session_attrs=read-write|GRANT it"):
            write()
    with pytest.raises(DoesNotExist, match="'new' does not exist .* and cannot be created"):
        Collection("new", store, model=Vectors())


@pytest.mark.parametrize("attributes", ["any", "standby", "prefer-standby", "read-only"])
def test_a_replica_is_read(primary, replica, attributes):
    follow(primary, replica)
    url = f"{hosts(primary, replica)}&target_session_attrs={attributes}"
    with closing(PostgresStore(url)) as store:
        on_replica = store.connection().execute("select pg_is_in_recovery()").fetchone() == (True,)
        assert on_replica == (attributes != "any")
        assert_reads(Collection("test", store, model=Vectors(), create=False))
        assert_reads(Collection("test", store, model=Vectors()))


def test_a_replica_refuses_writes_and_stays_as_it_is(primary, replica):
    follow(primary, replica)
    with closing(PostgresStore(replica.url)) as store:
        assert_refuses_writes(store)
        assert_reads(Collection("test", store, model=Vectors(), create=False))


def test_a_replica_shows_what_was_written_meanwhile(primary, replica):
    with closing(PostgresStore(primary.url)) as store, closing(PostgresStore(replica.url)) as read:
        collection = Collection("live", store, model=Vectors())
        follow(primary, replica)
        copy = Collection("live", read, create=False)
        assert copy.ids() == []
        collection.embed("x", "1 0", store=True)
        follow(primary, replica)
        assert copy.ids() == ["x"]
        collection.delete()
        follow(primary, replica)
        with pytest.raises(DoesNotExist, match="was deleted"):
            copy.ids()


def test_a_url_of_two_servers_finds_the_one_that_can_be_written(primary, replica):
    url = f"{hosts(replica, primary)}&target_session_attrs=read-write"
    with closing(PostgresStore(url)) as store:
        collection = Collection("written", store, model=Vectors())
        collection.embed("x", "1 0")
        assert collection.ids() == ["x"]
        collection.delete()


@pytest.fixture
def reader_url(postgres_server) -> Iterator[str]:
    """The URL of a database with a collection, as a user who may only read."""
    with (
        database_of(postgres_server) as url,
        psycopg.connect(url, autocommit=True) as admin,
    ):
        with closing(PostgresStore(url)) as store:
            Collection("test", store, model=Vectors()).embed_multi_with_metadata(
                [(id, text, {"n": n}) for n, (id, text) in enumerate(ENTRIES)], store=True
            )
        admin.execute("create role vecstore_reader login")
        admin.execute("grant select on all tables in schema public to vecstore_reader")
        try:
            yield url.replace("user=postgres", "user=vecstore_reader")
        finally:
            admin.execute("drop owned by vecstore_reader")
            admin.execute("drop role vecstore_reader")


def test_a_user_who_may_only_read_reads_and_writes_nothing(reader_url):
    with closing(PostgresStore(reader_url)) as store:
        assert_reads(Collection("test", store, model=Vectors(), create=False))
        assert_refuses_writes(store)
        assert_reads(Collection("test", store, model=Vectors(), create=False))


def test_a_database_that_is_set_read_only_is_read(postgres_url):
    with closing(PostgresStore(postgres_url)) as store:
        Collection("test", store, model=Vectors()).embed_multi_with_metadata(
            [(id, text, {"n": n}) for n, (id, text) in enumerate(ENTRIES)], store=True
        )
    url = f"{postgres_url}&options=-cdefault_transaction_read_only%3Don"
    with closing(PostgresStore(url)) as store:
        assert_reads(Collection("test", store, model=Vectors(), create=False))
        assert_refuses_writes(store)


@pytest.mark.parametrize("create", [True, False])
def test_a_database_without_tables_that_cannot_be_written_says_so(postgres_url, create):
    url = f"{postgres_url}&options=-cdefault_transaction_read_only%3Don"
    with closing(PostgresStore(url)) as store:
        with pytest.raises(
            DatabaseReadOnlyError, match="no tables of vecstore's.*who may create them"
        ):
            Collection("test", store, model=Vectors() if create else None, create=create)
        assert not Collection.exists(store, "test")
