"""Indexes of metadata in PostgreSQL: they answer conditions, and any key may have one."""

import random
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.support.models import Vectors
from vecstore import Collection, InvalidInputError
from vecstore.postgres import metadata_indexes
from vecstore.stores import open_store


@pytest.fixture
def books(postgres_url) -> Iterator[Collection]:
    with closing(open_store(postgres_url)) as store:
        books = Collection("books", store, model=Vectors())
        books.embed_multi_with_metadata(
            (str(n), f"1 {n}", {"year": 1900 + n, "author": {"name": f"A{n}"}}) for n in range(9)
        )
        yield books


def plan_of(collection: Collection, condition: str) -> str:
    db = collection.store.db
    with db.writing():
        db.run("set local enable_seqscan = off")
        rows = db.rows(f"explain select id from embeddings where {condition.replace('%', '%%')}")
    return "\n".join(line for (line,) in rows)


KEYS = [
    ("year", "metadata ->> 'year'", "idx_embeddings_metadata_year"),
    ("$.year", "metadata ->> 'year'", "idx_embeddings_metadata_year"),
    ("$.author.name", "metadata #>> '{author,name}'", "idx_embeddings_metadata_author.name"),
    ("$.tags[0]", "metadata #>> '{tags,0}'", "idx_embeddings_metadata_tags.0"),
    ("$.tags[#-1]", "metadata #>> '{tags,-1}'", "idx_embeddings_metadata_tags.-1"),
    ("$.a.null", """metadata #>> '{"a","null"}'""", "idx_embeddings_metadata_a.null"),
    ("date of birth", "metadata ->> 'date of birth'", "idx_embeddings_metadata_date of birth"),
    ('$.a."it\'s {,} %s"', """metadata #>> '{"a","it''s {,} %s"}'""", None),
    ("100%", "metadata ->> '100%'", "idx_embeddings_metadata_100%"),
    ("it's", "metadata ->> 'it''s'", "idx_embeddings_metadata_it's"),
    ("犬", "metadata ->> '犬'", "idx_embeddings_metadata_犬"),
    ("a.b", "metadata ->> 'a.b'", "idx_embeddings_metadata_a.b"),
]


@pytest.mark.parametrize(("key", "expression", "name"), KEYS)
def test_any_key_has_an_index_which_conditions_use_and_which_can_be_dropped(
    books, key, expression, name
):
    db = books.store.db
    books.index_metadata(key)
    books.index_metadata(key)
    [index] = metadata_indexes.list_all(db)
    assert index.expression == expression
    assert name in (None, index.name)
    assert index.name in plan_of(books, f"{expression} = 'x'")
    assert metadata_indexes.drop(db, key) == [index.name]
    assert metadata_indexes.drop(db, key) == []
    assert metadata_indexes.list_all(db) == []


def test_a_search_with_a_condition_finds_the_same(books):
    def found():
        return [entry.id for entry in books.similar("1 3", 3, where="metadata ->> 'year' > '1903'")]

    before = found()
    books.index_metadata("year")
    assert found() == before == ["4", "5", "6"]


def test_long_keys_that_begin_alike_have_an_index_each(books):
    db = books.store.db
    for key in ("k" * 100 + "a", "k" * 100 + "b", "é" * 100, "$.a.b", "a.b"):
        metadata_indexes.create(db, key)
    indexes = metadata_indexes.list_all(db)
    assert len({index.name for index in indexes}) == 5
    assert {index.steps for index in indexes} == {
        ("k" * 100 + "a",),
        ("k" * 100 + "b",),
        ("é" * 100,),
        ("a", "b"),
        ("a.b",),
    }


def test_indexes_of_others_are_listed_if_they_are_of_a_key(books):
    db = books.store.db
    db.run("create index theirs on embeddings ((metadata ->> 'back\\slash'))")
    db.run("create index of_numbers on embeddings (((metadata ->> 'year')::int))")
    db.run("create unique index unique_one on embeddings ((metadata ->> 'id'))")
    db.run("create index partial on embeddings ((metadata ->> 'x')) where collection_id = 1")
    found = metadata_indexes.list_all(db)
    assert [(index.name, index.expression) for index in found] == [
        ("theirs", "metadata ->> 'back\\slash'")
    ]


@pytest.mark.parametrize("key", ["", 7, "$.", "$.a[", 'a"b', "a\0b", "\ud800"])
def test_what_is_no_key_is_refused(books, key):
    with pytest.raises(InvalidInputError, match="key is"):
        books.index_metadata(key)


def test_a_value_that_is_too_long_is_named_and_nothing_is_changed(books):
    random_text = random.Random(1).randbytes(5000).hex()
    books.set_metadata("3", {"year": random_text})
    with pytest.raises(InvalidInputError, match="'year' of '3' in .*'books' has 10,000 char"):
        books.index_metadata("year")
    assert metadata_indexes.list_all(books.store.db) == []
