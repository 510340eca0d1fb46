"""Names and contents that look like SQL, through every door: they are data, and stay so."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import apsw
import pytest

import vecstore
from tests.support.command import output, run
from tests.support.databases import rows
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
        conn.trace_v2(
            apsw.SQLITE_TRACE_STMT, lambda event: statements.append(event["sql"]), id=MARK
        )

    apsw.connection_hooks.append(trace)
    try:
        yield statements
    finally:
        apsw.connection_hooks.remove(trace)


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def schema_of(path: str | Path) -> list[tuple]:
    with closing(vecstore.connect(path, driver="apsw", read_only=True)) as db:
        return rows(db, "select type, name, sql from sqlite_master order by type, name")


def used(collection: vecstore.Collection, name: str) -> None:
    """Do all that a collection can, with ids and texts like that."""
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


def test_a_collection_and_all_in_it(open_db, model, path):
    with traced() as statements:
        db = open_db(path)
        for name in NAMES:
            used(Collection(name, db, model=model), name)
    assert not [sql for sql in statements if MARK in sql]
    assert vecstore.check(db).problems == []


def test_no_name_changes_the_schema(tmp_path, model):
    schemas = []
    for names in (["tame"], NAMES):
        path = tmp_path / f"{len(names)}.db"
        with closing(vecstore.connect(path, driver="apsw")) as db:
            for name in names:
                used(Collection(name, db, model=model), name)
        schemas.append(schema_of(path))
    assert schemas[0] == schemas[1]


@pytest.mark.parametrize("name", OF_FILES, ids=range(len(NAMES)))
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
    files = {str(path) for path in (source, database, exported, copy)}
    assert {path.name for path in tmp_path.iterdir()} == {"home", *files}
    assert schema_of(copy) == schema_of(database)


@pytest.mark.parametrize("name", OF_FILES, ids=range(len(NAMES)))
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


@pytest.mark.parametrize("name", OF_FILES, ids=range(len(NAMES)))
def test_attached_files_tables_and_columns_of_a_query(tmp_path, name):
    """An alias is an identifier, and quoted; the file is a value."""
    file, q = tmp_path / name, quoted(name)
    with closing(sqlite3.connect(file)) as conn:
        conn.execute(f"create table {q} ({q})")
        conn.execute(f"insert into {q} values (1)")
        conn.commit()
    sql = f"select {q} from {q}.{q}"
    with readers.read_query(sql, None, [(name, file)]) as found:
        assert [record.row for record in found] == [{name: 1}]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["home", name])


def test_the_users_own_tables_are_left_alone(open_db, model, path, tmp_path):
    db = open_db(path)
    for name in NAMES:
        db.execute(f"create table {quoted(name)} ({quoted(name)})")
        db.execute(f"create index {quoted(name + 'i')} on {quoted(name)} ({quoted(name)})")
        db.execute(f"insert into {quoted(name)} values (?)", [name])
    db.conn.commit()
    Collection("pets", db, model=model).embed("a", "text")
    assert vecstore.check(db).problems == []
    vecstore.compact(db)
    vecstore.backup(db, tmp_path / "copy.db", plain=True)
    with closing(vecstore.connect(tmp_path / "copy.db", read_only=True)) as copy:
        for name in NAMES:
            assert rows(copy, f"select * from {quoted(name)}") == [(name,)]


def test_an_attached_database_of_any_name_is_searched_for_what_calls_the_model(
    open_db, model, path, tmp_path
):
    """Where the sqlite3 module is used, all attached schemas are read before a call."""
    db = open_db(path)
    collection = Collection("pets", db, model=model)
    for n, name in enumerate(NAMES):
        db.execute(f"attach ? as {quoted(name)}", [str(tmp_path / f"{n}.db")])
    assert rows(collection.db, "select length(vecstore_embed('pets', 'x'))") == [(64,)]
    for name in NAMES:
        db.execute("detach ?", [name])


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
