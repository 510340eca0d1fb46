"""A place for collections, of each kind of store; the same tests are run against both."""

import itertools
from collections.abc import Iterator

import pytest

from tests.support.models import WordLengths
from vecstore import Collection
from vecstore.store import Store
from vecstore.stores import open_store

KINDS = ("sqlite", "postgresql")
_numbers = itertools.count()


@pytest.fixture(scope="session")
def behaviours_url(postgres_server: str) -> Iterator[str]:
    """The URL of a database in which each test has a schema: that takes less than a database."""
    from tests.support.postgres_server import database_of  # psycopg is an extra

    with database_of(postgres_server) as url:
        yield url


@pytest.fixture
def schema_url(behaviours_url: str) -> Iterator[str]:
    """The URL of an empty schema, which is dropped at the end with all that is in it."""
    import psycopg

    name = f"test_{next(_numbers)}"
    yield f"{behaviours_url}&options=-csearch_path%3D{name}"
    with psycopg.connect(behaviours_url, autocommit=True) as connection:
        connection.execute(f"drop schema if exists {name} cascade".encode())


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, path: str) -> str:
    """The path of a file, or the URL of a PostgreSQL database, which has nothing in it."""
    return path if request.param == "sqlite" else request.getfixturevalue("schema_url")


@pytest.fixture
def store(place: str) -> Iterator[Store]:
    """The store of that place; it is closed at the end."""
    store = open_store(place, may_create=True)
    yield store
    store.close()


@pytest.fixture
def collection(store: Store, model: WordLengths) -> Collection:
    return Collection("test", store, model=model)
