"""Prefixes of queries and documents: what the model gets in Python and SQL, and who sets them."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

import vecstore
from tests.support.databases import rows
from tests.support.models import WordLengths
from vecstore import Collection, similar_across
from vecstore.sqlite.connection import dbapi
from vecstore.vectors import content_hash


class Prefixed(WordLengths):
    """A model with prefixes of its own."""

    query_prefix = "query: "
    document_prefix = "passage: "


@pytest.fixture
def prefixed(db):
    return Collection("test", db, model=Prefixed())


def embedded(collection):
    """Return what the model was given since the last time."""
    found = list(collection.model().embedded)
    collection.model().embedded.clear()
    return found


def search_in_every_way(collection):
    collection.similar("dog")
    collection.explain("dog")
    collection.similar_multi(["dog", "cat"])
    similar_across([collection], "dog")
    collection.embed_query("dog")


def test_each_search_in_python_has_the_query_prefix(prefixed):
    words = ["dog", "dog", "dog", "cat", "dog", "dog"]
    search_in_every_way(prefixed)
    assert embedded(prefixed) == [f"query: {word}" for word in words]
    prefixed.set_prefixes(query="find ")
    search_in_every_way(prefixed)
    assert embedded(prefixed) == [f"find {word}" for word in words]


def test_each_load_in_python_has_the_document_prefix(prefixed):
    prefixed.embed("a", "hound", store=True)
    prefixed.embed_multi([("b", "wolf"), ("c", b"bytes")], store=True)
    prefixed.embed_multi_with_metadata([("d", "cat", {"n": 1})])
    assert embedded(prefixed) == ["passage: hound", "passage: wolf", b"bytes", "passage: cat"]
    assert rows(prefixed.db, "select id, content, content_hash from embeddings order by id") == [
        ("a", "hound", content_hash("hound")),
        ("b", "wolf", content_hash("wolf")),
        ("c", None, content_hash(b"bytes")),
        ("d", None, content_hash("cat")),
    ]
    [(vector,)] = rows(prefixed.db, "select embedding from embeddings where id = 'a'")
    assert vector == vecstore.encode(prefixed.model().embed("passage: hound"))


def test_a_load_in_threads_has_it_too(path, model):
    collection = Collection("test", path, model=model)
    collection.set_prefixes(document="passage: ")
    collection.embed_multi([(n, f"text {n}") for n in range(20)], batch_size=3, concurrency=4)
    assert sorted(model.embedded) == sorted(f"passage: text {n}" for n in range(20))


def test_what_is_known_is_not_embedded_again(prefixed):
    prefixed.embed("a", "hound")
    embedded(prefixed)
    assert prefixed.embed_multi([("a", "hound"), ("b", "hound")]).reused == 1
    assert embedded(prefixed) == []


def test_a_vector_or_an_id_to_search_for_is_not_embedded(prefixed):
    prefixed.embed("a", "hound")
    embedded(prefixed)
    prefixed.similar_by_id("a")
    prefixed.explain([1.0] * 16)
    assert embedded(prefixed) == []


def test_collections_with_other_prefixes_are_searched_for_another_text(db):
    model = WordLengths()
    plain, one, two = (Collection(name, db, model=model) for name in ("plain", "one", "two"))
    for collection in (one, two):
        collection.set_prefixes(query="query: ")
    for collection in (plain, one, two):
        collection.embed_multi([(collection.name, "hound"), ("other", "query: hound")])
    model.embedded.clear()
    found = similar_across([plain, one, two], "hound", number=3)
    assert model.embedded == ["hound", "query: hound"]
    assert sorted((of.name, entry.id) for of, entry in found) == [
        ("one", "other"),
        ("plain", "plain"),
        ("two", "other"),
    ]


def test_sql_functions_search_for_a_query(prefixed):
    prefixed.embed("a", "hound")
    embedded(prefixed)
    [(vector,)] = rows(prefixed.db, "select vecstore_embed('test', 'dog')")
    assert vector == vecstore.encode(prefixed.model().embed("query: dog"))
    rows(prefixed.db, "select vecstore_similar_json('test', 'cat', 1)")
    assert embedded(prefixed) == ["query: dog", "query: dog", "query: cat"]
    if isinstance(prefixed.db.conn, dbapi.Connection):
        rows(prefixed.db, "select id from vecstore_similar('test', 'bird', 1)")
        assert embedded(prefixed) == ["query: bird"]


def test_sql_functions_remember_a_vector_with_its_prefix(collection, path):
    asked = "select vecstore_embed('test', 'dog')"
    rows(collection.db, asked)
    with closing(vecstore.connect(path, driver=driver(collection))) as other:
        Collection("test", other, model=WordLengths()).set_prefixes(query="find ")
    rows(collection.db, asked)
    rows(collection.db, asked)
    assert embedded(collection) == ["dog", "find dog"]


def driver(collection):
    return "apsw" if isinstance(collection.db.conn, dbapi.Connection) else "sqlite3"


def test_the_function_in_a_database_of_sqlite_utils_has_it_too(path, registered):
    import sqlite_utils

    collection = Collection("test", path, model_id="words")
    collection.set_prefixes(query="find ")
    collection.db.close()
    with closing(sqlite_utils.Database(path)) as db:
        [(vector,)] = rows(db, "select vecstore_embed('test', 'dog')")
    assert registered.embedded == ["find dog"]
    assert vector == vecstore.encode(registered.embed("find dog"))


def test_what_another_handle_sets_counts_at_once(collection, path):
    with closing(vecstore.connect(path, driver=driver(collection))) as db:
        other = Collection("test", db, model=WordLengths())
        other.set_prefixes(query="find ", document="store ")
        assert (other.query_prefix, other.document_prefix) == ("find ", "store ")
    collection.similar("dog")
    collection.embed("a", "hound")
    assert embedded(collection) == ["find dog", "store hound"]
    assert (collection.query_prefix, collection.document_prefix) == ("find ", "store ")


def test_they_are_the_models_unless_the_collection_has_its_own(prefixed):
    def both():
        return prefixed.query_prefix, prefixed.document_prefix

    assert both() == ("query: ", "passage: ")
    prefixed.set_prefixes(query="find ")
    assert both() == ("find ", "passage: ")
    prefixed.set_prefixes(document="")
    assert both() == ("find ", "")
    prefixed.set_prefixes(query=None)
    assert both() == ("query: ", "")
    prefixed.set_prefixes(document=None)
    assert both() == ("query: ", "passage: ")
    assert rows(prefixed.db, "select * from vecstore_prefixes") == []


def test_the_document_prefix_of_entries_cannot_be_changed(prefixed):
    prefixed.embed("a", "hound")
    for document in ("store ", ""):
        with pytest.raises(vecstore.InvalidInputError) as error:
            prefixed.set_prefixes(query="find ", document=document)
        assert str(error.value) == (
            "The entries of 'test' were embedded with the document prefix 'passage: ', and cannot "
            f"be compared with others of {document!r}: reembed(document_prefix=...), or 'vecstore "
            "collections reembed NAME --document-prefix ...', embeds them again"
        )
    assert (prefixed.query_prefix, prefixed.document_prefix) == ("query: ", "passage: ")
    prefixed.set_prefixes(query="find ", document="passage: ")
    prefixed.set_prefixes(document=None)
    assert (prefixed.query_prefix, prefixed.document_prefix) == ("find ", "passage: ")
    prefixed.delete_ids(["a"])
    prefixed.set_prefixes(document="store ")
    assert prefixed.document_prefix == "store "


@pytest.mark.parametrize(
    ("prefix", "message"),
    [
        (5, "5: a prefix must be text, or None for that of the model"),
        (b"x", "b'x': a prefix must be text, or None for that of the model"),
        ("\ud800", ".*: a lone surrogate is no text"),
    ],
)
@pytest.mark.parametrize("mode", ["query", "document"])
def test_what_is_no_prefix_is_named(collection, mode, prefix, message):
    with pytest.raises(vecstore.InvalidInputError, match=f"^{mode} is {message}"):
        collection.set_prefixes(**{mode: prefix})
    assert (collection.query_prefix, collection.document_prefix) == ("", "")


def test_a_prefix_may_be_any_text(collection):
    collection.set_prefixes(query="é\0'\n", document="")
    collection.similar("dog")
    assert embedded(collection) == ["é\0'\ndog"]


def test_a_collection_that_is_gone_has_none(collection):
    collection.set_prefixes(query="find ")
    collection.delete()
    for call in (
        lambda: collection.query_prefix,
        lambda: collection.set_prefixes(query=""),
        lambda: collection.embed_query("dog"),
    ):
        with pytest.raises(vecstore.DoesNotExist):
            call()
    assert embedded(collection) == []


def test_a_load_that_began_before_the_prefix_was_set_writes_nothing(path):
    """Another process sets it while the model works."""

    class Slow(WordLengths):
        def embed_batch(self, items):
            with ThreadPoolExecutor(1) as thread:
                thread.submit(set_it).result()
            return super().embed_batch(items)

    def set_it():
        with closing(vecstore.connect(path, driver="apsw")) as db:
            Collection("test", db, model=WordLengths()).set_prefixes(document="store ")

    collection = Collection("test", vecstore.connect(path, driver="apsw"), model=Slow())
    with pytest.raises(vecstore.ModelMismatchError) as error:
        collection.embed_multi([("a", "hound"), ("b", "cat")], batch_size=1, concurrency=2)
    assert str(error.value) == (
        "Collection 'test' has got the document prefix 'store ' meanwhile, and this was embedded "
        "with '': it was not written; load it again"
    )
    assert len(collection) == 0
    embedded(collection)
    collection.embed("a", "hound")
    assert embedded(collection) == ["store hound"]
    collection.db.close()


def test_a_prefix_that_comes_to_the_same_does_not_disturb_a_load(path):
    class Setting(Prefixed):
        def embed_batch(self, items):
            collection.set_prefixes(document="passage: ")
            return super().embed_batch(items)

    with closing(vecstore.connect(path)) as db:
        collection = Collection("test", db, model=Setting())
        collection.embed("a", "hound")
        assert embedded(collection) == ["passage: hound"]
        assert len(collection) == 1


def test_entries_of_a_model_that_is_not_installed(path):
    Collection("test", path, model=WordLengths()).embed("a", "hound")
    collection = Collection("test", path)
    collection.set_prefixes(query="find ")
    with pytest.raises(vecstore.UnknownModelError):
        collection.set_prefixes(document="store ")
