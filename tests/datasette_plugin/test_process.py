"""The command `datasette`, in a process of its own, as it is installed."""

import json
import re
import sqlite3
import subprocess
import sys
from typing import get_args

import datasette
import pytest

import vecstore
from tests.support.sites import VECTORS, fetch
from vecstore.settings import IndexForm

# As where pysqlite3 is not installed.
WITHOUT = "import sys; sys.modules['pysqlite3'] = None; from datasette.cli import cli; cli()"
needs_pysqlite3 = pytest.mark.skipif(
    hasattr(sqlite3.Connection, "enable_load_extension"),
    reason="the sqlite3 of this Python can load extensions",
)


def ask(path, page):
    """Return what `datasette --get` prints, in an environment without pysqlite3."""
    command = [sys.executable, "-c", WITHOUT, "serve", str(path), "--get", page]
    return subprocess.run(command, cwd=path.parent, capture_output=True, text=True)


@pytest.mark.parametrize("option", [[], ["-i"]])
@pytest.mark.parametrize("form", get_args(IndexForm))
def test_a_file_with_an_index_is_served_and_searched(serve, animals, option, form):
    address = serve(*option, animals)
    status, body = fetch(f"{address}/zoo/-/similar/animals.json?id=hound")
    assert status == 200
    assert [row["id"] for row in json.loads(body)["rows"]] == ["wolf", "cat", "fish"]
    status, body = fetch(f"{address}/zoo/-/similar/animals?id=hound")
    assert status == 200
    sheet = re.search(r'href="([^"]*vecstore.css)"', body)[1]
    assert fetch(address + sheet)[0] == 200
    count = "select+count(*)+from+vec_embeddings_8"
    query = "zoo.json" if datasette.__version__.startswith("0") else "zoo/-/query.json"
    status, body = fetch(f"{address}/{query}?_shape=arrays&sql={count}")
    assert (status, json.loads(body)["rows"]) == (200, [[4]])


@pytest.mark.skipif(
    not hasattr(sqlite3.Connection, "enable_load_extension"),
    reason="the sqlite3 of this Python cannot load extensions",
)
def test_where_sqlite3_loads_extensions_nothing_more_is_needed(animals):
    result = ask(animals, "/zoo/-/similar/animals.json?id=hound")
    assert (result.returncode, result.stderr) == (0, "")
    assert [row["id"] for row in json.loads(result.stdout)["rows"]] == ["wolf", "cat", "fish"]


@needs_pysqlite3
def test_where_no_extension_can_be_loaded_the_start_says_what_to_install(animals):
    result = ask(animals, "/zoo.json")
    assert result.returncode != 0
    assert result.stdout == ""
    [line] = result.stderr.splitlines()
    assert line == (
        "Error: The database 'zoo' needs sqlite-vec, and the sqlite3 of this Python cannot load "
        "extensions: pip install pysqlite3-binary, or run Datasette with a Python whose sqlite3 "
        "can load extensions"
    )


@needs_pysqlite3
@pytest.mark.parametrize("index", ["none", "beside"])
def test_where_no_extension_can_be_loaded_other_files_are_served(animals, index):
    if index == "none":
        vecstore.drop_index(animals)
    else:
        vecstore.move_index(animals, "beside")
    result = ask(animals, "/zoo/embeddings.json?_shape=array&_col=id")
    assert (result.returncode, result.stderr) == (0, "")
    assert {row["id"] for row in json.loads(result.stdout)} == set(VECTORS)
    result = ask(animals, "/zoo/-/similar/animals.json?id=hound")
    assert "pip install pysqlite3-binary" in json.loads(result.stdout)["error"]
    assert "Traceback" not in result.stderr
    result = ask(animals, "/zoo/-/similar/animals?id=hound")
    assert "pip install pysqlite3-binary" in result.stdout


@needs_pysqlite3
def test_where_no_extension_can_be_loaded_words_alone_are_searched_for(tmp_path):
    path = tmp_path / "zoo.db"
    db = vecstore.connect(path)
    texts = [("hound", "the hound runs"), ("wolf", "a wolf howls")]
    vecstore.Collection("animals", db, model_id="local").embed_multi(texts, store=True)
    db.close()
    vecstore.move_index(path, "beside")
    result = ask(path, "/zoo/-/similar/animals.json?q=howls")
    assert (result.returncode, result.stderr) == (0, "")
    found = json.loads(result.stdout)
    assert ([row["id"] for row in found["rows"]], found["mode"]) == (["wolf"], "keywords")
    assert found["note"].startswith("Found by words alone. sqlite-vec cannot be loaded here: ")
    result = ask(path, "/zoo/-/similar/animals.json?q=howls&_mode=similar")
    assert "pip install pysqlite3-binary" in json.loads(result.stdout)["error"]


def test_the_local_model_needs_no_configuration(serve, tmp_path):
    path = tmp_path / "zoo.db"
    db = vecstore.connect(path)
    texts = [("hound", "the hound runs"), ("tax", "a form of the tax office")]
    vecstore.Collection("animals", db, model_id="local").embed_multi(texts, store=True)
    db.close()
    status, body = fetch(f"{serve(path)}/zoo/-/similar/animals.json?q=a+cheerful+dog")
    found = json.loads(body)
    assert (status, found["mode"], found["note"]) == (200, "hybrid", None)
    assert sorted(row["similar_rank"] for row in found["rows"]) == [1, 2]
