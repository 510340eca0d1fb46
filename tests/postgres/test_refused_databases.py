"""Schemas of one's own, and databases in which no tables are made."""

from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest

from tests.support.models import Vectors
from vecstore import Collection, DatabaseError, ExtensionError, NewerSchemaError
from vecstore.postgres.store import PostgresStore


@pytest.fixture
def admin(postgres_url) -> Iterator[psycopg.Connection]:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        yield connection


def with_search_path(url: str, path: str) -> str:
    return f"{url}&options=-csearch_path%3D{path}"


def write_and_read(url: str) -> list[str]:
    with closing(PostgresStore(url)) as store:
        collection = Collection("test", store, model=Vectors())
        collection.embed_multi([("a", "1 0"), ("b", "0 1")])
        return [entry.id for entry in collection.similar("1 0", where="id <> 'x'")]


def schemas_of(admin: psycopg.Connection, name: str) -> list[str]:
    rows = admin.execute(
        """
        select nspname
        from pg_class
        join pg_namespace on pg_namespace.oid = relnamespace
        where relname = %s
        order by nspname
        """,
        [name],
    )
    return [schema for (schema,) in rows]


def test_a_schema_of_ones_own_is_made_and_used(postgres_url, admin):
    assert write_and_read(with_search_path(postgres_url, "mine")) == ["a", "b"]
    assert schemas_of(admin, "embeddings") == ["mine"]
    assert schemas_of(admin, "vecstore_migrations") == ["mine"]


def test_each_schema_has_collections_of_its_own(postgres_url, admin):
    admin.execute("create extension vector")  # in public
    urls = [
        postgres_url,
        *(with_search_path(postgres_url, name) for name in ("mine", "%22My%5C%20own%22")),
    ]
    for url in urls:
        assert write_and_read(url) == ["a", "b"]
    assert schemas_of(admin, "embeddings") == ["My own", "mine", "public"]
    with closing(PostgresStore(urls[1])) as store:
        Collection("test", store, create=False).delete()
    for url in (urls[0], urls[2]):
        assert Collection.exists(url, "test")
    assert not Collection.exists(urls[1], "test")


def test_an_extension_in_a_schema_that_is_not_searched_is_found(postgres_url, admin):
    admin.execute("create schema tools")
    admin.execute("create extension vector schema tools")
    assert write_and_read(with_search_path(postgres_url, "mine")) == ["a", "b"]
    assert write_and_read(postgres_url) == ["a", "b"]


def test_dropping_one_schema_leaves_the_others_whole(postgres_url, admin):
    for name in ("first", "second"):
        assert write_and_read(with_search_path(postgres_url, name)) == ["a", "b"]
    admin.execute("drop schema first cascade")
    assert write_and_read(with_search_path(postgres_url, "second")) == ["a", "b"]


@pytest.mark.parametrize("name", ["collections", "embeddings"])
def test_a_table_of_another_program_is_refused_and_stays(postgres_url, admin, name):
    admin.execute(f"create table {name} (id int primary key, name text)")
    admin.execute(f"insert into {name} values (1, 'theirs')")
    with closing(PostgresStore(postgres_url)) as store:
        assert not Collection.exists(store, "test")
        with pytest.raises(
            DatabaseError, match=f"has a table '{name}' that is not vecstore's.*csearch_path"
        ):
            Collection("test", store, model=Vectors())
    assert admin.execute(f"select * from {name}").fetchall() == [(1, "theirs")]
    assert schemas_of(admin, "vecstore_migrations") == []
    assert write_and_read(with_search_path(postgres_url, "mine")) == ["a", "b"]


@pytest.mark.parametrize("create", [True, False])
def test_a_newer_schema_is_refused_and_stays(postgres_url, admin, create):
    assert write_and_read(postgres_url) == ["a", "b"]
    admin.execute("insert into vecstore_migrations (name) values ('9999_later')")
    with (
        closing(PostgresStore(postgres_url)) as store,
        pytest.raises(NewerSchemaError, match="'9999_later'.*upgrade vecstore"),
    ):
        Collection("test", store, model=Vectors() if create else None, create=create)
    assert admin.execute("select count(*) from embeddings").fetchone() == (2,)


def test_a_server_without_pgvector_is_an_error_that_says_where_to_get_it(postgres_url, admin):
    url = f"{postgres_url}&options=-cextension_control_path%3D/nowhere"
    with (
        closing(PostgresStore(url)) as store,
        pytest.raises(ExtensionError, match="has no pgvector.*install it there.*github.com"),
    ):
        Collection("test", store, model=Vectors())
    assert schemas_of(admin, "vecstore_migrations") == []


def test_an_older_pgvector_is_refused(postgres_url, admin):
    admin.execute("create extension vector")
    admin.execute("update pg_extension set extversion = '0.7.4' where extname = 'vector'")
    with (
        closing(PostgresStore(postgres_url)) as store,
        pytest.raises(ExtensionError, match="has pgvector 0.7.4, and vecstore needs 0.8 or"),
    ):
        Collection("test", store, model=Vectors())


def test_a_user_who_may_not_create_the_extension_is_told_who_may(postgres_url, admin):
    admin.execute("create role vecstore_plain login")
    try:
        admin.execute("create schema plain authorization vecstore_plain")
        url = with_search_path(
            postgres_url.replace("user=postgres", "user=vecstore_plain"), "plain"
        )
        with closing(PostgresStore(url)) as store:
            with pytest.raises(
                ExtensionError, match="an administrator run CREATE EXTENSION vector"
            ):
                Collection("test", store, model=Vectors())
            assert schemas_of(admin, "vecstore_migrations") == []
            admin.execute("create extension vector")
        assert write_and_read(url) == ["a", "b"]
    finally:
        admin.execute("drop owned by vecstore_plain cascade")
        admin.execute("drop role vecstore_plain")
