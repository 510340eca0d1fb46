"""Which database the SQL of users finds as vec_index, on every kind of connection."""

import sqlite3

import pytest

from tests.support.beside import index_of
from tests.support.databases import rows
from vecstore import Collection
from vecstore.sqlite.connection import filenames

COUNT = "select count(*) from {}vec_embeddings_16_ids"


@pytest.fixture
def pets(path, open_db, model):
    """The path of a file whose index is beside it and in step, and which is closed."""
    pets = Collection("pets", open_db(path), model=model, index="beside")
    pets.embed_multi([("hound", "my happy hound"), ("cat", "a cat")])
    pets.similar("a hound")
    assert rows(pets.db, COUNT.format("vec_index.")) == [(2,)]
    pets.db.close()
    return path


def open_again(path, open_db, model):
    """Return the collection, which adopts its connection where need be."""
    return Collection("pets", open_db(path), model=model)


def attached(db):
    return dict(filenames.database_files(db.conn)).keys() - {"main", "temp"}


def test_the_index_is_there_from_the_beginning(pets, open_db, model):
    db = open_again(pets, open_db, model).db
    for schema in ("", "vec_index."):
        assert rows(db, COUNT.format(schema)) == [(2,)]
    with pytest.raises(db.conn.OperationalError, match="readonly database|no such table"):
        db.execute("delete from vec_index.vec_embeddings_16_ids")
    db.conn.rollback()


def test_there_is_none_without_a_file_or_where_it_is_inside(pets, path, open_db, model):
    index_of(pets).unlink()
    assert attached(open_again(pets, open_db, model).db) == set()
    inside = Collection("pets", open_db(f"{path}-inside"), model=model, index="inside")
    inside.embed("hound", "my happy hound")
    assert attached(inside.db) == set()


def test_a_file_of_another_program_is_not_taken_for_it(pets, open_db, model):
    index_of(pets).unlink()
    conn = sqlite3.connect(index_of(pets))
    conn.execute("create table secrets (x)")
    conn.close()
    collection = open_again(pets, open_db, model)
    db = collection.db
    assert attached(db) == set()
    assert len(collection.similar("a hound")) == 2
    with pytest.raises(db.conn.OperationalError, match="no such table: secrets"):
        db.execute("select * from secrets")


def test_a_search_attaches_what_has_taken_its_place(pets, open_db, model):
    collection = open_again(pets, open_db, model)
    index_of(pets).unlink()
    collection.embed("fish", "a fish")
    collection.similar("a hound")
    assert rows(collection.db, COUNT.format("vec_index.")) == [(3,)]
