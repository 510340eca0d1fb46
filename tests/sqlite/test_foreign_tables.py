"""Files in which another program has given a table the name of one of ours."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlite_utils import Migrations

import vecstore
from tests.support.command import run
from tests.support.databases import rows
from tests.support.models import Vectors
from vecstore import Collection, DatabaseError

STAMPS = "create table collections (title text, owner text)"
FOREIGN = {
    "a table": (STAMPS, "a table named collections already, with the columns 'title', 'owner'"),
    "in capitals": (
        "create table Collections (title text)",
        "a table named Collections already, with the columns 'title'",
    ),
    "embeddings": (
        "create table embeddings (id integer, vector blob)",
        "a table named embeddings already, with the columns 'id', 'vector'",
    ),
    "the right columns": (
        "create table collections (id integer primary key, name text, model text, price real)",
        "a table named collections already, with the columns 'id', 'name', 'model', 'price'",
    ),
    "one that is like ours": (
        "create table collections (id integer primary key, name text, model text);"
        "create table embeddings (word text, vector blob)",
        "a table named embeddings already, with the columns 'word', 'vector'",
    ),
    "a view": (
        "create table stamps (id, name, model);create view collections as select * from stamps",
        "a view named collections already",
    ),
    "a view of what is gone": (
        "create view embeddings as select * from stamps",
        "a view named embeddings already",
    ),
    "an index": (
        "create table stamps (id); create index collections on stamps (id)",
        "an index named collections already",
    ),
    "many columns": (
        f"create table collections ({', '.join(f'c{n}' for n in range(500))})",
        "'c0', 'c1', 'c2', 'c3', 'c4', 'c5', 'c6', 'c7', ...",
    ),
    "beside another's migrations": (
        "create table _sqlite_migrations (migration_set text, name text, applied_at text);"
        f"insert into _sqlite_migrations values ('stamps', 'm001', '2020'); {STAMPS}",
        "a table named collections already, with the columns 'title', 'owner'",
    ),
    "beside migrations of another form": (
        f"create table _sqlite_migrations (version integer); {STAMPS}",
        "a table named collections already, with the columns 'title', 'owner'",
    ),
}
COMMANDS = [
    ("similar", "c", "id", "-d", "FILE"),
    ("embed", "c", "id", "-c", "1 0", "-m", "words", "-d", "FILE"),
    ("embed-multi", "c", "rows.csv", "-m", "words", "-d", "FILE"),
    ("collections", "list", "-d", "FILE"),
    ("collections", "delete", "c", "-d", "FILE"),
    ("collections", "export", "c", "out.jsonl", "-d", "FILE"),
    ("check", "FILE"),
    ("compact", "FILE"),
    ("backup", "FILE", "copy.db"),
    ("index", "list", "FILE"),
    ("index", "build", "FILE"),
    ("index", "drop", "FILE"),
]
CALLS = [
    lambda path: Collection("c", path, model=Vectors()),
    lambda path: Collection("c", path, create=False),
    lambda path: Collection.exists(path, "c"),
    vecstore.check,
    vecstore.compact,
    vecstore.build_index,
    vecstore.drop_index,
    vecstore.list_indexes,
    lambda path: vecstore.backup(path, f"{path}-copy"),
    lambda path: vecstore.export_collection(path, "c", f"{path}.jsonl"),
]
NOT_OURS = "which is neither llm's nor vecstore's: use another file"


def dump(path: Path | str) -> list[str]:
    with closing(sqlite3.connect(path)) as conn:
        return conn.execute("select type, name, sql from sqlite_master").fetchall()


@pytest.fixture(params=FOREIGN)
def foreign(request, path: str) -> tuple[str, str]:
    """A file, and what is said of it."""
    sql, message = FOREIGN[request.param]
    with closing(sqlite3.connect(path)) as conn:
        conn.executescript(sql)
    return path, message


def test_every_call_says_what_is_there(foreign):
    path, message = foreign
    before = dump(path)
    for call in CALLS:
        with pytest.raises(DatabaseError) as caught:
            call(path)
        assert message in str(caught.value)
        assert str(caught.value).endswith(NOT_OURS)
    assert dump(path) == before


@pytest.mark.parametrize("foreign", ["a table", "embeddings", "a view"], indirect=True)
def test_every_command_says_what_is_there(foreign, registered, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("rows.csv").write_text("id,text\n1,a\n")
    path, message = foreign
    before = dump(path)
    for command in COMMANDS:
        result = run(*(path if word == "FILE" else word for word in command))
        assert (result.exit_code, result.stdout) == (1, ""), command
        assert result.stderr.count("\n") == 1
        assert message in result.stderr
        assert result.stderr.endswith(f"{NOT_OURS}\n")
    assert dump(path) == before


def test_every_kind_of_connection_says_it(open_db, path):
    db = open_db(path)
    db.executescript(STAMPS)
    with pytest.raises(DatabaseError, match="neither llm's nor vecstore's"):
        Collection("c", db, model=Vectors())
    with pytest.raises(DatabaseError, match="neither llm's nor vecstore's"):
        Collection.exists(db, "c")


def test_a_record_of_migrations_of_another_form_is_named(path):
    with closing(sqlite3.connect(path)) as conn:
        conn.execute("create table _sqlite_migrations (version integer)")
    message = (
        "a table named _sqlite_migrations already, with the columns 'version', which is neither"
    )
    with pytest.raises(DatabaseError, match=message):
        Collection("c", path, model=Vectors())


def test_migrations_of_others_in_the_same_table_do_no_harm(open_db, path):
    db = open_db(path)
    stamps = Migrations("stamps")
    stamps(name="m001")(lambda db: db["stamps"].create({"id": int}))
    stamps.apply(db)
    Collection("c", db, model=Vectors()).embed("a", "1 0")
    assert vecstore.check(db).problems == []


@pytest.mark.parametrize("name", ["vec_embeddings_8", "vec_embeddings_8_ids", "VEC_EMBEDDINGS_8"])
def test_a_table_that_is_named_like_one_of_the_index_stays_as_it_is(db, name):
    db.execute(f"create table {name} (a)")
    db.execute(f"insert into {name} values (42)")
    db.conn.commit()
    collection = Collection("one", db, model=Vectors())
    collection.embed_multi((n, f"{n} 1 0 0 0 0 0 0") for n in range(3))
    assert [entry.id for entry in collection.similar("1 1 0 0 0 0 0 0", 1)] == ["1"]
    with pytest.raises(DatabaseError, match=f"{name} that is not vecstore's.*: rename it"):
        vecstore.build_index(db)
    assert rows(db, f"select a from {name}") == [(42,)]
    db.execute(f"alter table {name} rename to mine")
    db.conn.commit()
    assert vecstore.build_index(db) == {8: 3}
    assert rows(db, "select a from mine") == [(42,)]
