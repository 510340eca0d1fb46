"""What maintenance works on, with its index inside the file and beside it."""

import pytest

from tests.support.graphs import copy_all, eager_graphs, make_file_with_graph
from tests.support.models import Vectors
from vecstore import Collection, build_index


@pytest.fixture(params=["inside", "beside"])
def form(request, monkeypatch):
    """Where new files have their index."""
    monkeypatch.setenv("VECSTORE_INDEX", request.param)
    return request.param


@pytest.fixture
def filled(form, db):
    """Two rows in one collection, with the index of 8 dimensions."""
    collection = Collection("one", db, model=Vectors())
    collection.embed_multi([("a", "1 1 1 1 1 1 1 1"), ("b", "1 0 0 0 0 0 0 0")], store=True)
    build_index(db)
    return collection


@pytest.fixture(scope="module")
def files_with_graph(tmp_path_factory):
    """A file in both forms, each in a folder of its own."""
    with eager_graphs():
        made = {}
        for form in ("inside", "beside"):
            made[form] = tmp_path_factory.mktemp(form) / "test.db"
            make_file_with_graph(made[form], form)
    return made


@pytest.fixture
def with_graph(files_with_graph, form, path):
    """A file whose collection "large" has a graph, which this process has not opened."""
    with eager_graphs():
        copy_all(files_with_graph[form], path)
        yield path
