"""What maintenance works on."""

import pytest

from tests.support.models import Vectors
from vecstore import Collection


@pytest.fixture
def filled(db):
    """Two rows in one collection, with the index of 8 dimensions."""
    collection = Collection("one", db, model=Vectors())
    collection.embed_multi([("a", "1 1 1 1 1 1 1 1"), ("b", "1 0 0 0 0 0 0 0")], store=True)
    return collection
