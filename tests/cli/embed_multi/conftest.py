"""A load with the command, what it stored, and where entries come from."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

import vecstore
from tests.support.command import output
from tests.support.loads import Refusing


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "test.db"


@pytest.fixture
def load(registered, database):
    """A function that runs the command on the collection "c" with the model "words"."""
    return lambda *args, **kwargs: output(
        "embed-multi", "c", *args, "-m", "words", "-d", database, "--store", **kwargs
    )


@pytest.fixture
def stored(database):
    """A function that returns id, content and metadata of what is stored."""

    def stored() -> list[tuple]:
        sql = "select id, coalesce(content, content_blob), metadata from embeddings order by id"
        with closing(vecstore.connect(database, driver="apsw", read_only=True)) as db:
            return db.execute(sql).fetchall()

    return stored


@pytest.fixture
def blog(tmp_path):
    path = tmp_path / "blog.db"
    with closing(sqlite3.connect(path)) as db:
        db.executescript(
            """
            create table posts (id integer primary key, title text, body text, image blob);
            insert into posts values (1, 'cli', 'Command line', x'00'), (2, 'sql', null, x'ff');
            """
        )
    return path


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "files"
    for name, content in {
        "one.txt": b"one",
        "nested/two.txt": b"two",
        "nested/odd.ini": b"Has weird \x96 character",
        "dos.txt": b"two\r\nlines",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def refusing(registered, monkeypatch):
    monkeypatch.setattr(registered, "__class__", Refusing)
    registered.asked = []
    return registered
