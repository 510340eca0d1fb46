"""The graph of a collection is built, dropped and listed by `vecstore index`."""

import json
from contextlib import closing

import pytest

import vecstore
from tests.support.beside import COLLECTIONS, DIMENSIONS, assert_searches
from tests.support.command import error, output, process, run, usage_error
from tests.support.graphs import eager_graphs, graph_file, graph_files, make_file_with_graph
from vecstore import Collection
from vecstore.sqlite.index import hnsw
from vecstore.sqlite.maintenance import collection_graphs

LARGE = COLLECTIONS["large"]


@pytest.fixture(autouse=True)
def eager():
    with eager_graphs():
        yield


@pytest.fixture(params=["inside", "beside"])
def form(request):
    return request.param


@pytest.fixture
def file(form, path):
    make_file_with_graph(path, form)
    return path


def listed(file):
    return output("index", "list", file)


def test_a_graph_is_built_listed_and_dropped(file, form):
    assert output("index", "drop", file, "--graph") == "large: graph dropped\n"
    assert graph_files(file) == []
    vectors = f"{DIMENSIONS} dimensions: 65 vectors, indexed {form} the file\n"
    assert listed(file) == vectors
    built = run("index", "build", file, "--graph", "large")
    assert (built.exit_code, built.stdout) == (0, "large: a graph of 60 entries\n")
    size = graph_file(file).stat().st_size
    graph = f"  large: a graph of 60 entries, 0 changed since, {size:,} bytes\n"
    assert listed(file) == vectors + graph
    assert output("index", "drop", file, "--graph", "large") == "large: graph dropped\n"
    again = run("index", "drop", file, "--graph", "large")
    assert (again.exit_code, again.stdout, again.stderr) == (0, "", "There is no graph\n")


def test_without_a_name_all_that_are_large_are_built(file, monkeypatch):
    monkeypatch.setattr(collection_graphs, "_WORTH_A_GRAPH", 5)
    built = run("index", "build", file, "--graph")
    assert built.stdout == "large: a graph of 60 entries\nsmall: a graph of 5 entries\n"
    output("index", "drop", file, "--graph")
    monkeypatch.setattr(collection_graphs, "_WORTH_A_GRAPH", 100)
    built = run("index", "build", file, "--graph")
    nothing = "There is no collection that is large enough to need a graph\n"
    assert (built.exit_code, built.stdout, built.stderr) == (0, "", nothing)


def test_what_changed_since_is_listed_and_a_graph_that_is_gone(file, form):
    with closing(vecstore.connect(file)) as db:
        db.execute("delete from embeddings where id in ('large 1', 'large 2')")
        assert_searches(db)
    size = graph_file(file).stat().st_size
    [status] = json.loads(output("index", "list", file, "--json"))
    assert status == {
        "dimensions": DIMENSIONS,
        "vectors": 63,
        "state": "ready",
        "form": form,
        "graphs": [
            {
                "collection": "large",
                "dimensions": DIMENSIONS,
                "entries": 60,
                "fresh": 2,
                "bytes": size,
                "state": "ready",
            }
        ],
    }
    assert "2 changed since" in listed(file)
    graph_file(file).unlink()
    missing = "  large: without its graph: 'vecstore index build --graph' builds it\n"
    assert listed(file).endswith(missing)
    [status] = json.loads(output("index", "list", file, "--json"))
    assert status["graphs"][0]["state"] == "missing"
    assert run("index", "build", file, "--graph").stdout == "large: a graph of 58 entries\n"


def test_similar_and_check_go_on_without_the_graph(file):
    with closing(vecstore.connect(file)) as db:
        nearest = Collection("large", db, create=False).similar_by_id("large 7", exact=True)
    for _ in range(2):
        done = process("similar", "large", "large 7", "-d", file)
        assert done.stderr == ""
        lines = [json.loads(line)["id"] for line in done.stdout.splitlines()]
        assert lines == [entry.id for entry in nearest]
        for graph in graph_files(file):
            graph.write_bytes(b"rubbish")
    checked = run("check", file)
    assert checked.exit_code == 1
    assert "The graph of collection 'large' is damaged" in checked.stdout
    run("index", "build", file, "--graph")
    assert run("check", file).exit_code == 0


# Errors, in a line


def test_errors_name_the_thing_and_the_remedy(file, monkeypatch, tmp_path):
    for command in ("build", "drop"):
        message = error("index", command, file, "--graph", "none")
        assert message == f"Collection does not exist: 'none' ({file} has 'large', 'small')"
        line = usage_error("index", command, file, "--graph", "large", "--dimensions", 32)
        assert line == "--dimensions and --graph cannot be used together"
        missing = tmp_path / "missing.db"
        assert str(missing) in run("index", command, missing, "--graph").stderr
        assert not missing.exists()
    monkeypatch.setattr(hnsw, "is_installed", lambda: False)
    message = error("index", "build", file, "--graph", "large")
    assert message.endswith("pip install 'sqlite-vecstore[graph]'")
    assert output("index", "drop", file, "--graph", "large") == "large: graph dropped\n"


def test_a_file_that_is_no_database_is_named(tmp_path):
    file = tmp_path / "text.db"
    file.write_text("text that is no database, and long enough for a header of one" * 20)
    for command in ("build", "drop"):
        assert str(file) in error("index", command, file, "--graph")
