"""A collection to search, in either kind of partition."""

import pytest

from tests.support.brute_force import fill
from tests.support.models import Vectors, pseudorandom
from vecstore import Collection
from vecstore.sqlite.index import tables


@pytest.fixture(params=["own partition", "shared partition"])
def partition(request, monkeypatch):
    """What is found is the same in a partition of the collection's own and in that of the small."""
    if request.param == "own partition":
        monkeypatch.setattr(tables, "partition_rows", lambda dimensions: 1)


@pytest.fixture
def numbers(db):
    collection = Collection("numbers", db, model=Vectors())
    vectors = {f"{'ab'[n % 2]}{n:03}": pseudorandom(str(n)) for n in range(300)}
    fill(collection, vectors)
    return collection, vectors
