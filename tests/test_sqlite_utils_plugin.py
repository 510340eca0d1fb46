"""The plugin of sqlite-utils: what it does to the connections of others, and what llm gets by it.

It is installed in the environment of the tests, so that each Database here has it.
"""

import gc
import json
import logging
import os
import sqlite3
import subprocess
import sys
import warnings
import weakref
from contextlib import closing
from pathlib import Path

import pytest
import sqlite_vec
from sqlite_utils import Database
from sqlite_utils.utils import sqlite3 as driver_module

import vecstore
import vecstore_sqlite_utils
from tests.support.databases import LOADS_EXTENSIONS, NoExtensions, rows
from tests.support.models import WordLengths
from tests.support.neighbours import install_plugin
from vecstore import Collection
from vecstore.sqlite.connection import extension

loads = pytest.mark.skipif(not LOADS_EXTENSIONS, reason="this Python's sqlite3 loads no extensions")
DISTANCE = "select vec_distance_cosine('[1, 0]', '[0, 1]')"


class Weak(driver_module.Connection):
    """A connection that there can be weak references to."""


@pytest.fixture
def database(path, closing):
    """A file with an empty collection, opened by sqlite-utils."""
    Collection("pets", path, model=WordLengths()).db.close()
    return closing(Database(path))


@pytest.fixture
def command(tmp_path):
    """A function that runs a command of this environment, as one that has neighbour_plugin."""
    install_plugin(tmp_path / "plugins")
    folders = [tmp_path / "plugins", Path(__file__).parents[1]]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, folders))}

    def run(module, *args, code=0):
        process = [sys.executable, "-m", module, *map(str, args)]
        result = subprocess.run(process, capture_output=True, text=True, env=environment)
        assert result.returncode == code, result.stderr
        return result

    return run


def lacks_the_extension(db):
    with closing(db), pytest.raises(db.conn.OperationalError, match="no such function"):
        db.execute(DISTANCE)


@loads
def test_what_sqlite_utils_opens_has_sqlite_vec(database):
    assert rows(database, DISTANCE) == [(1.0,)]
    with closing(Database(memory=True)) as db:
        assert rows(db, DISTANCE) == [(1.0,)]


@loads
@pytest.mark.parametrize("enabled", [False, True])
def test_extension_loading_is_left_as_it_was(enabled):
    conn = driver_module.connect(":memory:")
    conn.enable_load_extension(enabled)
    Database(conn)
    assert rows(conn, DISTANCE) == [(1.0,)]
    if enabled:
        conn.load_extension(sqlite_vec.loadable_path())
    else:
        with pytest.raises(driver_module.OperationalError, match="not authorized"):
            conn.execute("select load_extension(?)", [sqlite_vec.loadable_path()])
    conn.close()


@loads
def test_a_connection_that_has_sqlite_vec_is_left_alone(monkeypatch):
    conn = driver_module.connect(":memory:")
    conn.enable_load_extension(True)
    sqlite_vec.load(conn)
    monkeypatch.setattr(sqlite_vec, "load", None)
    assert rows(Database(conn), DISTANCE) == [(1.0,)]
    conn.load_extension(sqlite_vec.loadable_path())
    conn.close()


@pytest.mark.parametrize("failing", ["enable_load_extension", "execute", "create_function"])
def test_what_fails_is_left_without_a_word(failing, capfd, caplog):
    class Failing(driver_module.Connection):
        fails = True

    def fail(self, *args, **kwargs):
        if self.fails:
            raise RuntimeError("not today")
        return getattr(driver_module.Connection, failing)(self, *args, **kwargs)

    setattr(Failing, failing, fail)
    conn = driver_module.connect(":memory:", factory=Failing)
    db = Database(conn, recursive_triggers=False)
    conn.fails = False
    db["t"].insert({"a": 1})
    assert list(db["t"].rows) == [{"a": 1}]
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []
    db.close()


def test_where_extensions_cannot_be_loaded_the_function_is_there(path):
    conn = sqlite3.connect(path, factory=NoExtensions)
    with warnings.catch_warnings(record=True) as warned:
        db = Database(conn)
    assert warned == []
    assert rows(db, "select vecstore_embed('pets', null)") == [(None,)]
    lacks_the_extension(db)


@loads
def test_of_two_libraries_that_cannot_both_have_it_the_choice_is_vecstores(monkeypatch):
    monkeypatch.setattr(extension, "can_be_in_two_libraries", lambda: False)
    lacks_the_extension(Database(memory=True))


@loads
def test_a_library_that_came_first_keeps_it(monkeypatch):
    monkeypatch.setattr(vecstore_sqlite_utils, "loaded_into", {"another"})
    lacks_the_extension(Database(memory=True))


def test_a_text_is_embedded_by_the_collections_model(database, registered):
    expected = vecstore.encode(registered.embed("a text"))
    assert rows(database, "select vecstore_embed('pets', 'a text')") == [(expected,)]
    database.conn.execute("create temp table found as select vecstore_embed('pets', 'a text') as v")
    assert rows(database, "select v from found") == [(expected,)]
    assert registered.embedded.count("a text") == 2  # the first time, here


def test_what_is_wrong_is_an_error_of_sql_and_logged(database, caplog):
    with pytest.raises(driver_module.OperationalError, match="user-defined function raised"):
        database.execute("select vecstore_embed('nope', 'x')")
    [record] = caplog.records
    assert (record.name, record.levelno) == ("vecstore", logging.ERROR)
    assert "Collection does not exist: 'nope'" in record.getMessage()


@pytest.mark.parametrize(
    "ddl",
    [
        "create view v as select vecstore_embed('pets', 'stolen')",
        "create table v (x); create trigger t before insert on v"
        " begin select vecstore_embed('pets', 'stolen'); end",
    ],
)
def test_a_file_has_nothing_embedded(database, registered, ddl, caplog):
    database.executescript(ddl)
    with pytest.raises(driver_module.OperationalError, match="user-defined function raised"):
        database.execute("select * from v").fetchall()
        database.execute("insert into v values (1)")
    assert "of the file names vecstore_embed()" in caplog.text
    assert registered.embedded == []


@pytest.mark.filterwarnings("ignore:unclosed database:ResourceWarning")
def test_a_connection_is_gone_with_its_database(path):
    conn = driver_module.connect(path, factory=Weak)
    db = Database(conn)
    gone = weakref.ref(conn)
    del conn, db
    gc.collect()  # sqlite3's cache of statements is a circle of its own
    assert gone() is None


@pytest.mark.parametrize("kept", [0, 1])
def test_one_database_of_a_connection_is_enough(database, path, registered, kept):
    conn = driver_module.connect(path)
    databases = [Database(conn), Database(conn)]
    del databases[1 - kept]
    assert len(rows(conn, "select vecstore_embed('pets', 'x')")[0][0]) == 64
    conn.close()


def test_a_connection_without_a_database_says_so(path, caplog):
    conn = driver_module.connect(path)
    Database(conn)
    with pytest.raises(driver_module.OperationalError, match="user-defined function raised"):
        conn.execute("select vecstore_embed('pets', 'x')")
    conn.close()


def test_connections_of_vecstore_keep_what_they_have(db):
    collection = Collection("pets", db, model=WordLengths())
    again = Database(collection.db.conn)
    assert len(rows(again, "select vecstore_embed('pets', 'x')")[0][0]) == 64
    assert collection.db.conn is again.conn


def test_a_database_that_has_embedded_is_adopted_with_the_model_that_is_given(database, caplog):
    with pytest.raises(driver_module.OperationalError):
        database.execute("select vecstore_embed('pets', 'x')")
    assert "Unknown embedding model" in caplog.text
    collection = Collection("pets", database, model=WordLengths())
    collection.embed("a", "b")
    assert len(rows(database, "select vecstore_embed('pets', 'x')")[0][0]) == 64
    [(found,)] = rows(database, "select vecstore_similar_json('pets', 'x')")
    assert [entry["id"] for entry in json.loads(found)] == ["a"]


def test_sqlite_utils_does_not_import_vecstore(path):
    code = (
        "import sys; from sqlite_utils.cli import cli;"
        f"cli(['query', {path!r}, 'select vecstore_embed(1, null)'], standalone_mode=False);"
        "print('vecstore' in sys.modules, 'vecstore_sqlite_utils' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    *_, last = result.stdout.splitlines()
    assert (last, result.stderr) == ("False True", "")


def test_a_command_of_sqlite_utils_searches_for_a_text(path, command):
    command("vecstore", "embed", "pets", "cat", "-m", "neighbour", "-c", "a cat", "-d", path)
    command("vecstore", "embed", "pets", "dog", "-m", "neighbour", "-c", "a dog", "-d", path)
    vector = "vecstore_embed('pets', 'a dog')"
    found = command("sqlite_utils", "query", path, f"select hex({vector}) as vector")
    [row] = json.loads(found.stdout)
    with closing(sqlite3.connect(path)) as conn:
        stored = rows(conn, "select hex(embedding) from embeddings where id = 'dog'")
    assert [tuple(row.values())] == stored
    if LOADS_EXTENSIONS:
        nearest = f"order by vec_distance_cosine(embedding, {vector}) limit 1"
        found = command("sqlite_utils", "query", path, f"select id from embeddings {nearest}")
        assert json.loads(found.stdout) == [{"id": "dog"}]


@loads
def test_llm_writes_to_a_file_with_an_index(path, command):
    pytest.importorskip("llm")
    for id in ("a", "b", "c"):
        embed = ["embed", "pets", id, "-m", "neighbour", "-c", f"text {id}", "--store"]
        command("vecstore", *embed, "-d", path)
    command("vecstore", "embed", "gone", "a", "-m", "neighbour", "-c", "x", "-d", path)
    command("llm", "embed", "pets", "a", "-c", "another text", "--store", "-d", path)
    command("llm", "embed", "pets", "new", "-c", "a new text", "--store", "-d", path)
    command("llm", "collections", "delete", "gone", "-d", path)
    assert command("vecstore", "check", path).stdout.endswith("No problems\n")
    for text, id in (("another text", "a"), ("a new text", "new"), ("text b", "b")):
        found = command("vecstore", "similar", "pets", "-c", text, "-n", "1", "-d", path)
        assert json.loads(found.stdout)["id"] == id
