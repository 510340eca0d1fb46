"""Names and contents that look like SQL, through every door: they are data, and stay what they are."""

import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import apsw
import pytest

import vecstore
from tests.command import output, run
from tests.conftest import rows
from vecstore import Collection, readers

MARK = "qx7"  # in every name, and so in no statement
NAMES = [
    f"{MARK}'; drop table embeddings; --",
    f'{MARK}"); drop table embeddings; --',
    f"{MARK}`]; delete from embeddings; /*",
    f"{MARK}%_*?[a-z]",
    f"{MARK} :_vector ?1 :a @b $c",
    f"{MARK}{{d}} %s {{0}}",
    f"{MARK}\n; vacuum into 'stolen.db'",
    f"{MARK}\\x00\\' \u202e\U0001f600\u2028",
    f"file:{MARK}?mode=memory&cache=shared#x",
    f"-{MARK} --help",
]
OF_FILES = [name.replace("/", "|") for name in NAMES]


@contextmanager
def traced() -> Iterator[list[str]]:
    """Give a list of all SQL that connections of apsw compile in a block, without its values."""
    statements: list[str] = []

    def trace(conn: apsw.Connection) -> None:
        conn.trace_v2(apsw.SQLITE_TRACE_STMT, lambda event: statements.append(event["sql"]), id=MARK)

    apsw.connection_hooks.append(trace)
    try:
        yield statements
    finally:
        apsw.connection_hooks.remove(trace)


def schema_of(path: str | Path) -> list[tuple]:
    with closing(vecstore.connect(path, driver="apsw", read_only=True)) as db:
        return rows(db, "select type, name, sql from sqlite_master order by type, name")


def used(connect: Callable[[], vecstore.Collection], name: str) -> None:
    """Do all that a collection can, with names, ids and texts like that."""
    collection = connect()
    others = [f"{name}{n}" for n in range(3)]
    collection.embed(name, name, metadata={name: name}, store=True)
    collection.embed_multi(((other, other) for other in others), store=True)
    assert collection.get(name).content == name
    assert collection.get(name).metadata == {name: name}
    for exact in (True, False):
        found = collection.similar(name, prefix=name, exact=exact)
        assert {entry.id for entry in found} == {name, *others}
    assert {entry.id for entry in collection.similar_by_id(name)} == set(others)
    found = collection.similar(name, where="content = ? and id like ?", where_args=[name, "%"])
    assert [entry.id for entry in found] == [name]
    found = collection.similar(name, where="content = :c", where_args={"c": name})
    assert [entry.id for entry in found] == [name]
    assert collection.delete_ids(others[:1]) == 1
    assert sorted(collection.ids()) == sorted([name, *others[1:]])
    db = collection.db
    assert rows(db, "select length(vecstore_embed(?, ?))", [name, name]) == [(64,)]
    assert vecstore.check(db).problems == []


@pytest.mark.parametrize("name", NAMES)
def test_a_collection_and_all_in_it(open_db, model, path, name):
    with traced() as statements:
        used(lambda: Collection(name, open_db(path), model=model), name)
    assert not [sql for sql in statements if MARK in sql]


def test_no_name_changes_the_schema(tmp_path, model, closing):
    made = []
    for name in ("tame", *NAMES):
        path = tmp_path / f"{len(made)}.db"
        used(lambda: Collection(name, closing(vecstore.connect(path)), model=model), name)  # noqa: B023
        made.append(schema_of(path))
    assert made == [made[0]] * len(made)


@pytest.mark.parametrize("name", OF_FILES)
def test_the_commands_and_the_files_they_name(registered, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    source, database, exported, copy = (Path(f"{kind} {name}") for kind in ("s", "d", "e", "c"))
    row = {name: f"id {name}", "b": name, f"{name}2": name}
    source.write_text(json.dumps([row]))
    columns = ("--id", name, "--content", "b", "--metadata", f"{name}2")
    entry = {"id": f"id {name}", "score": 1.0, "content": name, "metadata": {f"{name}2": name}}
    with traced() as statements:
        options = ("--format", "json", *columns, "-m", "words", "--store", "-q")
        output("embed-multi", *options, "-d", database, "--", name, source)
        found = output("similar", "-d", database, "-c", name, "--", name)
        assert json.loads(found) == {**entry, "score": json.loads(found)["score"]}
        [listed] = json.loads(output("collections", "list", "--json", "-d", database))
        assert listed["name"] == name
        output("collections", "export", "-d", database, "--", name, exported)
        output("collections", "import", "--name", f"{name}3", "-d", database, "--", exported)
        output("backup", "--", database, copy)
        output("compact", "--", database)
        output("check", "--", copy)
        output("collections", "delete", "-y", "-d", database, "--", f"{name}3")
    assert not [sql for sql in statements if MARK in sql]
    assert len(statements) > 50
    assert sorted(os.listdir()) == sorted(["home", *map(str, (source, database, exported, copy))])
    assert schema_of(copy) == schema_of(database)


@pytest.mark.parametrize("name", OF_FILES)
def test_files_of_folders_are_entries(registered, tmp_path, name):
    folder = tmp_path / f"f {name}"
    folder.mkdir()
    (folder / name).write_text(name)
    database = tmp_path / "d.db"
    with traced() as statements:
        options = ("-m", "words", "--store", "-q", "-d", database)
        output("embed-multi", *options, "c", "--files", folder, "*")
    assert not [sql for sql in statements if MARK in sql]
    with closing(vecstore.connect(database)) as db:
        assert rows(db, "select id, content from embeddings") == [(name, name)]


@pytest.mark.parametrize("name", OF_FILES)
def test_attached_files_tables_and_columns_of_a_query(tmp_path, name):
    """An alias is an identifier, and quoted; the file is a value."""
    quoted = '"{}"'.format(name.replace('"', '""'))
    file = tmp_path / name
    with closing(sqlite3.connect(file)) as conn:
        conn.execute(f"create table {quoted} ({quoted})")
        conn.execute(f"insert into {quoted} values (1)")
        conn.commit()
    sql = f"select {quoted} from {quoted}.{quoted}"
    with readers.read_query(sql, None, [(name, file)]) as found:
        assert [record.row for record in found] == [{name: 1}]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["home", name])


@pytest.mark.parametrize("name", NAMES)
def test_the_users_own_tables_are_left_alone(open_db, model, path, tmp_path, name):
    db = open_db(path)
    quoted = '"{}"'.format(name.replace('"', '""'))
    db.execute(f"create table {quoted} ({quoted})")
    db.execute(f"create index {quoted[:-1]}i\" on {quoted} ({quoted})")
    db[name].insert({name: name})
    Collection("pets", db, model=model).embed("a", "text")
    assert vecstore.check(db).problems == []
    vecstore.compact(db)
    vecstore.backup(db, tmp_path / "copy.db", plain=True)
    with closing(vecstore.connect(tmp_path / "copy.db", read_only=True)) as copy:
        assert rows(copy, f"select * from {quoted}") == [(name,)]


def test_an_attached_database_of_any_name_is_searched_for_what_calls_the_model(
    open_db, model, path, tmp_path
):
    """Where the sqlite3 module is used, all attached schemas are read before a call."""
    db = open_db(path)
    collection = Collection("pets", db, model=model)
    for n, name in enumerate(NAMES):
        quoted = '"{}"'.format(name.replace('"', '""'))
        db.execute(f"attach ? as {quoted}", [str(tmp_path / f"{n}.db")])
    assert rows(collection.db, "select length(vecstore_embed('pets', 'x'))") == [(64,)]
    for n in range(len(NAMES)):
        db.execute("detach ?", [NAMES[n]])


def test_a_condition_given_on_the_command_line_is_data_where_it_says_param(registered, tmp_path):
    database = tmp_path / "d.db"
    for name in NAMES:
        output("embed", "-m", "words", "--store", "-d", database, "-c", name, "--", "c", name)
    for name in NAMES:
        options = ("--where", "id = :id", "--param", "id", name, "-d", database)
        found = output("similar", *options, "-c", "x", "--", "c")
        assert json.loads(found)["id"] == name
    result = run("similar", "c", "-c", "x", "--prefix", NAMES[0], "-d", database)
    assert json.loads(result.stdout)["id"] == NAMES[0]
