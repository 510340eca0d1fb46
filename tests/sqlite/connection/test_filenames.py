"""Files whose names are not UTF-8: databases, and what is read and written."""

import json
import os
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
from sqlite_utils import Database

import vecstore
from tests.support.command import PROCESS, error, output
from tests.support.databases import rows
from tests.support.models import Vectors
from vecstore import Collection, TwoLibrariesError


def name(latin: bytes) -> str:
    return os.fsdecode(latin)


@pytest.fixture
def path(tmp_path: Path) -> str:
    path = tmp_path / name(b"caf\xe9.db")
    try:
        path.touch()
    except OSError:
        pytest.skip("this system has only names that are UTF-8")
    path.unlink()
    return str(path)


def test_a_database_of_such_a_name(open_db, path):
    db = open_db(path)
    collection = Collection("one", db, model=Vectors())
    collection.embed_multi([("a", "1 0"), ("b", "0 1")], store=True)
    assert [entry.id for entry in collection.similar("1 0")] == ["a", "b"]
    assert vecstore.check(db).file == path
    assert vecstore.backup(db, f"{path}-copy").embeddings == 2
    vecstore.export_collection(db, "one", f"{path}.jsonl")
    assert vecstore.import_collection(f"{path}-copy", f"{path}.jsonl", name="two").entries == 2
    vecstore.compact(db)
    db.close()
    names = {Path(path).name + ending for ending in ("", "-copy", ".jsonl")}
    assert {file.name for file in Path(path).parent.iterdir()} == {"home", *names}


@pytest.mark.parametrize("driver", ["apsw", "auto"])
def test_it_is_opened_by_its_path(path, driver):
    with pytest.raises(vecstore.MissingFileError):
        Collection("one", path, create=False)
    Collection("one", path, model=Vectors()).embed("a", "1 0")
    assert Collection.exists(path, "one")
    with closing(vecstore.connect(path, driver=driver, read_only=True)) as db:
        assert rows(db, "select id from embeddings") == [("a",)]


def test_a_name_beside_the_folder_one_is_in(path, monkeypatch):
    monkeypatch.chdir(Path(path).parent)
    with closing(vecstore.connect(Path(path).name, driver="apsw")) as db:
        Collection("one", db, model=Vectors())
    assert Collection.exists(path, "one")


def test_two_libraries_never_have_it_open(path):
    with closing(vecstore.connect(path, driver="apsw")) as db:
        Collection("one", db, model=Vectors())
        with pytest.raises(TwoLibrariesError):
            sqlite3.connect(path)
        with pytest.raises(TwoLibrariesError):
            sqlite3.connect(f"file:{Path(path).parent}/caf%E9.db", uri=True)
    with closing(sqlite3.connect(path)), pytest.raises(TwoLibrariesError):
        vecstore.connect(path, driver="apsw")


def test_what_is_no_database_is_named(path):
    Path(path).write_text("a text that is no database")
    for read_only in (False, True):
        with pytest.raises(vecstore.DatabaseError, match="caf.*is not a database"):
            vecstore.connect(path, driver="apsw", read_only=read_only)


def test_commands(registered, path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    database = Path(path).name
    text, table = Path(name(b"te\xe9xt.txt")), Path(name(b"r\xe9.csv"))
    text.write_text("one two")
    table.write_text("id,text\nb,three\n")
    output("embed", "one", "a", "-i", text, "-m", "words", "--store", "-d", database)
    output("embed-multi", "one", table, "--store", "-q", "-d", database)
    assert json.loads(output("similar", "one", "a", "-d", database))["content"] == "three"
    assert output("check", database).endswith("No problems\n")
    assert json.loads(output("check", "--json", database))["file"] == path
    output("backup", database, name(b"b\xe9.db"))
    sql = ("--attach", "b", name(b"b\xe9.db"), "--sql", "select id, content from b.embeddings")
    output("embed-multi", "two", *sql, "-m", "words", "-q", "-d", database)
    assert Collection("two", path).ids() == ["a", "b"]
    text.write_bytes(b"\xff")
    assert error("embed", "one", "a", "-i", text, "-d", database).startswith("te\\udce9xt.txt is")
    assert "whose name is not UTF-8" in error("shell", database, "select 1")


def test_a_process_prints_such_a_name(path):
    env = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    with closing(Database(path)) as db:
        db.execute("create table notes (id)")
    found = subprocess.run(
        [*PROCESS, "collections", "list", "-d", path], env=env, capture_output=True, check=False
    )
    assert (found.returncode, found.stdout) == (0, b"")
    assert found.stderr.startswith(b"No collections in ")
    missing = subprocess.run(
        [*PROCESS, "check", f"{path}?"], env=env, capture_output=True, check=False
    )
    assert missing.returncode == 1
    assert b"There is no database" in missing.stderr
    assert b"Traceback" not in missing.stderr
