"""What a fresh process imports, and what takes the place of sqlite-utils until it is imported."""

import json
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
import sqlite_utils
import sqlite_vec
from sqlite_utils.plugins import pm
from sqlite_utils.utils import sqlite3 as sqlite3_of_sqlite_utils

import vecstore
from tests.support.models import WordLengths
from vecstore.sqlite import databases
from vecstore.sqlite.connection import extension, opening
from vecstore.sqlite.connection.database import OpenedDatabase
from vecstore.standard_sqlite import sqlite3

HEAVY = {
    "dateutil",
    "llm",
    "numpy",
    "openai",
    "pandas",
    "pathspec",
    "pyarrow",
    "semantic_text_splitter",
    "sqlite_utils",
    "sqlite_vec",
    "tokenizers",
    "usearch",
    "wordllama",
}
MODEL = """
class Model(vecstore.EmbeddingModel):
    model_id = "word-lengths"
    def embed_batch(self, items):
        return [[1.0] * 16 for _ in items]
"""


@pytest.fixture(params=["inside", "beside"])
def pets(request, path):
    pets = vecstore.Collection("pets", path, model=WordLengths(), index=request.param)
    pets.embed_multi([(1, "my happy hound"), (2, "my hound"), (3, "a cat")], store=True)
    pets.db.close()
    return path


def result_of(script, *arguments):
    """Return what a script in a fresh process leaves in `result`."""
    done = subprocess.run(
        [sys.executable, "-c", f"{script}\nimport json; print(json.dumps(result))", *arguments],
        env={**os.environ, "PYTHONPATH": str(Path(vecstore.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def imports_of(script, *arguments):
    return {*result_of(f"import sys, vecstore\n{script}\nresult = [*sys.modules]", *arguments)}


@pytest.mark.parametrize(
    "script",
    [
        "",
        "assert vecstore.Collection('pets', sys.argv[1]).similar_by_id('1', 1)[0].id == '2'",
        "assert vecstore.Collection('pets', sys.argv[1]).similar_by_vector([1.0] * 16, 1)",
        f"{MODEL}pets = vecstore.Collection('pets', sys.argv[1], model=Model())\n"
        "pets.embed('4', 'dog')\n"
        "assert pets.similar('a dog', 4, where='length(content) > 0')\n"
        "pets.delete_ids(['4'])",
    ],
    ids=["import", "similar_by_id", "similar_by_vector", "model"],
)
def test_what_takes_a_while_is_not_imported(pets, script):
    assert imports_of(script, pets) & HEAVY == set()


def test_nor_are_other_commands_than_the_one_that_runs(pets):
    found = imports_of(
        "from vecstore.cli import cli\n"
        "cli(['similar', 'pets', '1', '-d', sys.argv[1]], standalone_mode=False)",
        pets,
    )
    assert found & HEAVY == set()
    commands = {name for name in found if name.startswith("vecstore.cli.")}
    assert "vecstore.cli.similar" in commands
    assert commands & {"vecstore.cli.embed_multi", "vecstore.cli.shell"} == set()


def test_sqlite_utils_imported_later_is_the_whole_of_it(pets):
    script = """
import sys, vecstore
pets = vecstore.Collection("pets", sys.argv[1])
before = pets.similar_by_id("1", 1)
import sqlite_utils
db = pets.db
db["notes"].insert({"id": 1, "text": "whole"}, pk="id")
[similar] = db.query(
    "select id from embeddings where id = "
    "(select value ->> 'id' from json_each(vecstore_similar_json('pets', :vector, 1)))",
    {"vector": db["embeddings"].get((1, "2"))["embedding"]},
)
result = [
    type(db) is sqlite_utils.Database,
    db is pets.db,
    db["notes"].get(1)["text"],
    similar["id"],
    pets.similar_by_id("1", 1) == before,
]
"""
    assert result_of(script, pets) == [True, True, "whole", "2", True]


def test_the_database_of_a_collection_is_that_of_sqlite_utils(pets):
    collection = vecstore.Collection("pets", pets)
    with closing(collection.db) as db:
        assert type(db) is sqlite_utils.Database
        assert collection.db is db
        assert not db.memory
        assert db["embeddings"].count == 3
    assert vecstore.Collection("pets", model=WordLengths()).db.memory


def test_who_is_searching_meanwhile_goes_on(pets):
    collection = vecstore.Collection("pets", pets)
    found = []

    class Plugin:
        @sqlite_utils.hookimpl
        def prepare_connection(self, conn):
            found.extend(collection.similar_by_id("1", 1))

    plugin = Plugin()
    pm.register(plugin)
    try:
        collection.db.close()
    finally:
        pm.unregister(plugin)
    assert [entry.id for entry in found] == ["2"]


def test_a_closed_database_is_still_given(pets):
    collection = vecstore.Collection("pets", pets)
    collection._store.db.close()
    assert type(collection.db) is sqlite_utils.Database


def test_what_plugins_of_sqlite_utils_add_is_there_from_the_first_search(pets):
    class Plugin:
        @sqlite_utils.hookimpl
        def prepare_connection(self, conn):
            conn.create_function("shouted", 1, lambda text: text.upper())

    plugin = Plugin()
    pm.register(plugin)
    try:
        collection = vecstore.Collection("pets", pets)
        found = collection.similar_by_id("1", where="shouted(content) = 'A CAT'")
    finally:
        pm.unregister(plugin)
    assert [entry.id for entry in found] == ["3"]
    collection.db.close()


def test_so_are_those_of_installed_plugins(pets, tmp_path):
    info = tmp_path / "loud-1.dist-info"
    info.mkdir()
    info.joinpath("METADATA").write_text("Metadata-Version: 2.1\nName: loud\nVersion: 1\n")
    info.joinpath("entry_points.txt").write_text("[sqlite_utils]\nloud = loud\n")
    tmp_path.joinpath("loud.py").write_text(
        "import sqlite_utils\n"
        "@sqlite_utils.hookimpl\n"
        "def prepare_connection(conn):\n"
        "    conn.create_function('shouted', 1, lambda text: text.upper())\n"
    )
    script = """
import sys
sys.path.append(sys.argv[2])
import vecstore
pets = vecstore.Collection("pets", sys.argv[1])
result = [entry.id for entry in pets.similar_by_id("1", where="shouted(content) = 'A CAT'")]
"""
    assert result_of(script, pets, str(tmp_path)) == ["3"]


def test_functions_are_remembered_though_vecstore_was_imported_first(path):
    """Where the connection is replaced, as this Python's sqlite3 loads no extensions."""
    script = """
import sys, vecstore
assert "sqlite_utils" not in sys.modules
import sqlite_utils
db = sqlite_utils.Database(sys.argv[1])
db.register_function(lambda: 7, name="seven")
class Model(vecstore.EmbeddingModel):
    model_id = "none"
    def embed_batch(self, items):
        return []
vecstore.Collection("test", db, model=Model())
result = db.execute("select seven()").fetchone()
"""
    assert result_of(script, path) == [7]


def test_the_module_sqlite3_is_the_one_that_sqlite_utils_uses():
    assert sqlite3 is sqlite3_of_sqlite_utils


def test_sqlite_vec_is_found_where_it_says_it_is():
    assert extension.loadable_path() == sqlite_vec.loadable_path()


@pytest.fixture(params=["sqlite3", "apsw"])
def opened(request, path):
    if request.param == "sqlite3" and not opening.can_load_extensions(sqlite3):
        pytest.skip("this Python's sqlite3 loads no extensions")
    with closing(databases.open_database(path, request.param)) as db:
        assert type(db) is OpenedDatabase
        db.execute("create table t (x unique)")
        yield db


def test_a_statement_is_committed_as_sqlite_utils_commits_it(opened):
    opened.execute("insert into t values (?)", [1])
    assert not opened.conn.in_transaction
    with pytest.raises(opened.conn.IntegrityError):
        opened.execute("insert into t values (1)")
    assert not opened.conn.in_transaction


def test_a_transaction_that_is_open_stays_open(opened):
    opened.execute("begin")
    opened.execute("insert into t values (1)")
    with pytest.raises(opened.conn.IntegrityError):
        opened.execute("insert into t values (1)")
    assert opened.conn.in_transaction
    opened.rollback()
    assert opened.execute("select count(*) from t").fetchone() == (0,)


def test_or_replace_fires_triggers_as_with_sqlite_utils(opened):
    assert opened.execute("pragma recursive_triggers").fetchone() == (1,)
