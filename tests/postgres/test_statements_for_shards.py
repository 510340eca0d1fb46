"""What is asked otherwise where there is Citus, and found all the same.

A setting of Citus' name has one server taken for a cluster: it answers the same statements.
"""

from contextlib import closing

import pytest

from tests.support.models import Vectors
from vecstore import Collection
from vecstore.postgres.store import PostgresStore

CITUS = "options=-ccitus.propagate_set_commands%3Dlocal"
TEXTS = {f"{n:02}": f"{n} {n % 3} {n % 7}" for n in range(60)}


@pytest.fixture
def collections(postgres_url):
    """A collection, and the same as of a cluster."""
    with (
        closing(PostgresStore(postgres_url)) as one,
        closing(PostgresStore(f"{postgres_url}&{CITUS}")) as many,
    ):
        alone = Collection("test", one, model=Vectors())
        alone.embed_multi_with_metadata(
            [(id, text, {"n": int(id)}) for id, text in TEXTS.items()], store=True
        )
        spread = Collection("test", many, model=Vectors())
        assert (one.db.is_on_shards(), many.db.is_on_shards()) == (False, True)
        yield alone, spread


@pytest.mark.parametrize(
    "search",
    [
        lambda collection: collection.similar("3 1 2"),
        lambda collection: collection.similar("3 1 2", number=100),
        lambda collection: collection.similar("3 1 2", where="(metadata ->> 'n')::int % 2 = 0"),
        lambda collection: collection.similar_by_id("07", min_score=0.9),
        lambda collection: collection.search("3 1 2"),
        lambda collection: collection.search("3 -1", mode="keywords"),
        lambda collection: collection.search("3 5 1", where="id > '20'", mode="hybrid"),
    ],
)
def test_searches_find_the_same(collections, search):
    alone, spread = (search(collection) for collection in collections)
    assert alone == spread
    assert alone


def test_transactions_are_as_they_are_elsewhere(collections):
    alone, spread = collections
    spread.embed("new", "7 7 7", store=True)
    copied = spread.copy("copied")
    assert copied.ids() == [*TEXTS, "new"] == alone.ids()
    with pytest.raises(ZeroDivisionError), spread.store.writing():
        spread.delete()
        raise ZeroDivisionError
    spread.rename("renamed")
    copied.delete()
    assert alone.exists(alone.store, "renamed")
    with spread.store.writing():
        setting = spread.store.connection().execute("show citus.multi_shard_modify_mode")
        assert setting.fetchone() == ("sequential",)
