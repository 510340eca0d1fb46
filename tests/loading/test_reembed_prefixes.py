"""reembed() changes what is put before documents, and before queries, whatever is written."""

from contextlib import closing as closed

import pytest

import vecstore
from tests.support.databases import rows
from tests.support.models import Pseudorandom, pseudorandom
from vecstore import Collection, InvalidInputError, ModelError, ModelMismatchError

TEXTS = [("a", "one"), ("b", "two"), ("c", "three")]


class Recording(Pseudorandom):
    """Notes what it is given, and calls the next of some functions before each text."""

    def __init__(self, model_id="new", *works):
        self.model_id = model_id
        self.works = list(works)
        self.got = []

    def embed_batch(self, items):
        for item in items:
            if self.works:
                self.works.pop(0)()
            self.got.append(item)
            yield pseudorandom(item, self.dimensions)


def nothing():
    """Let the model embed a text."""


def fill(db, **prefixes):
    pets = Collection("pets", db, model=Recording("old"))
    pets.set_prefixes(**prefixes)
    pets.embed_multi(TEXTS, store=True)
    return pets


def own_prefixes(pets):
    return rows(
        pets.db,
        "select query_prefix, document_prefix from vecstore_prefixes where collection_id = ?",
        [pets.id],
    )


def contents_and_hashes(pets):
    sql = "select id, content, content_hash from embeddings where collection_id = ? order by id"
    return rows(pets.db, sql, [pets.id])


def assert_embedded(pets, prefix):
    """Assert that each vector is that of the stored content with a prefix, and the file sound."""
    for id, vector in pets.vectors():
        assert vecstore.encode(vector) == vecstore.encode(
            pseudorandom(f"{prefix}{pets.get(id).content}", 32)
        )
    assert vecstore.check(pets.db).problems == []


def test_a_document_prefix_is_another_embedding_by_the_same_model(db):
    pets = fill(db, query="q: ")
    before = contents_and_hashes(pets)
    report = pets.reembed(document_prefix="d: ")
    assert (report.entries, report.embedded, report.old_name) == (3, 3, "pets@old")
    assert pets.model().got[3:] == ["d: one", "d: two", "d: three"]
    assert (pets.query_prefix, pets.document_prefix) == ("q: ", "d: ")
    assert contents_and_hashes(pets) == before
    assert_embedded(pets, "d: ")
    old = Collection("pets@old", db, model=Recording("old"))
    assert (old.query_prefix, old.document_prefix) == ("q: ", "")
    assert_embedded(old, "")


def test_what_is_embedded_after_it_has_the_new_prefixes(db):
    pets = fill(db)
    pets.reembed(document_prefix="d: ", query_prefix="q: ")
    pets.model().got.clear()
    pets.embed_multi([("a", "one"), ("x", "new"), ("y", "two")], store=True)
    pets.similar("cat")
    rows(db, "select vecstore_embed('pets', 'dog')")
    assert pets.model().got == ["d: new", "q: cat", "q: dog"]


@pytest.mark.parametrize(
    ("given", "own", "sent"),
    [
        ({}, [], "one"),
        ({"query_prefix": "q: "}, [("q: ", None)], "one"),
        ({"document_prefix": ""}, [(None, "")], "one"),
        ({"document_prefix": "n: ", "query_prefix": None}, [(None, "n: ")], "n: one"),
    ],
)
def test_another_model_has_its_own_prefixes_unless_some_are_given(db, given, own, sent):
    pets = fill(db, query="find: ", document="store: ")
    model = Recording()
    pets.reembed(model, **given)
    assert own_prefixes(pets) == own
    assert model.got[0] == sent


def test_none_is_the_prefix_of_the_model(db):
    class Prefixed(Recording):
        document_prefix = "m: "
        query_prefix = "ask: "

    pets = Collection("pets", db, model=Prefixed("old"))
    pets.set_prefixes(document="", query="")
    pets.embed("a", "one", store=True)
    report = pets.reembed(document_prefix=None)
    assert (report.embedded, pets.model().got) == (1, ["one", "m: one"])
    assert own_prefixes(pets) == [("", None)]
    assert pets.reembed(document_prefix="m: ").embedded == 0
    assert (pets.id, own_prefixes(pets)) == (2, [("", "m: ")])


@pytest.mark.parametrize("again", [{}, {"document_prefix": ""}])
def test_a_query_prefix_alone_is_set_and_nothing_embedded(db, again):
    pets = fill(db)
    report = pets.reembed(query_prefix="q: ", **again)
    assert report == vecstore.ReembedReport(3)
    assert (pets.id, len(pets.model().got), pets.query_prefix) == (1, 3, "q: ")


def test_what_is_no_prefix_is_an_error_before_anything_is_sent(db):
    pets = fill(db)
    model = Recording()
    with pytest.raises(InvalidInputError, match="document_prefix is 5: a prefix must be text"):
        pets.reembed(model, document_prefix=5)
    assert (model.got, pets.id) == ([], 1)


def test_what_was_begun_with_another_document_prefix_is_not_gone_on_with(db):
    pets = fill(db)

    def fail():
        raise ModelError("no more for now")

    with pytest.raises(ModelError):
        pets.reembed(Recording("new", nothing, fail), document_prefix="d: ")
    for given, named in (({}, "''"), ({"document_prefix": "e: "}, "'e: '")):
        model = Recording()
        message = (
            "Collection 'pets@new (unfinished)' was begun with the document prefix 'd: ', not "
            f"{named}: delete it, or go on with that one"
        )
        with pytest.raises(ModelMismatchError) as caught:
            pets.reembed(model, **given)
        assert (str(caught.value), model.got) == (message, [])
    report = pets.reembed(Recording(), document_prefix="d: ", query_prefix="q: ")
    assert (report.embedded, own_prefixes(pets)) == (2, [("q: ", "d: ")])
    assert_embedded(pets, "d: ")


def test_a_query_prefix_that_is_set_meanwhile_is_not_lost(path):
    with closed(vecstore.connect(path)) as db, closed(vecstore.connect(path)) as conn:
        pets = fill(db, query="q: ")
        other = Collection("pets", conn, model=Recording("old"))
        pets.model().works = [lambda: other.set_prefixes(query="later: ")]
        pets.reembed(document_prefix="d: ")
        assert own_prefixes(pets) == [("later: ", "d: ")]
        other = Collection("pets", conn, model=Recording("old"))
        pets.model().works = [lambda: other.set_prefixes(query="too late: ")]
        pets.reembed(query_prefix="mine: ", again=True, drop_old=True)
        assert own_prefixes(pets) == [("mine: ", "d: ")]


def test_a_document_prefix_that_the_emptied_collection_gets_meanwhile_is_not_lost(path):
    with closed(vecstore.connect(path)) as db, closed(vecstore.connect(path)) as conn:
        pets = fill(db)
        other = Collection("pets", conn, model=Recording("old"))

        def start_anew():
            other.delete_ids(other.ids())
            other.set_prefixes(document="later: ")
            other.embed("a", "one", store=True)

        pets.model().works = [start_anew]
        with pytest.raises(ModelMismatchError, match="the document prefix '', not 'later: '"):
            pets.reembed(again=True)
        assert (pets.id, pets.document_prefix) == (1, "later: ")
        assert_embedded(pets, "later: ")


def test_others_that_have_it_open_embed_nothing_with_what_was_before_a_text(path):
    with closed(vecstore.connect(path)) as db, closed(vecstore.connect(path)) as conn:
        pets = fill(db)
        stale = Collection("pets", conn, model=Recording("old"))
        pets.reembed(document_prefix="d: ", query_prefix="q: ")
        stale.model().got.clear()
        for call in (
            lambda: stale.embed("x", "new", store=True),
            lambda: stale.similar("cat"),
            lambda: stale.similar_multi(["cat"]),
            lambda: stale.similar_by_id("a"),
            lambda: stale.add("x", [1.0] * 32),
            lambda: stale.set_metadata("a", {"n": 1}),
            lambda: stale.set_prefixes(query="x"),
            lambda: stale.copy("x"),
            lambda: stale.rename("x"),
            lambda: stale.reembed(Recording()),
            lambda: stale.get("a"),
            lambda: [*stale],
            lambda: [*stale.vectors()],
            stale.delete,
        ):
            with pytest.raises(vecstore.DoesNotExist, match="with the id 2 in place of 1: open"):
                call()
        assert stale.model().got == []
        assert (pets.ids(), pets.query_prefix) == (["a", "b", "c"], "q: ")


def test_sql_forgets_the_vectors_of_queries_from_before(db):
    """With `again`, the model of the same name gives other vectors than it did."""

    class Upgraded(Recording):
        def embed_batch(self, items):
            return [pseudorandom(f"upgraded {item}", self.dimensions) for item in items]

    pets = fill(db)
    query = "select vecstore_embed('pets', 'cat')"
    assert rows(db, query) == [(vecstore.encode(pseudorandom("cat", 32)),)]
    pets.reembed(Upgraded("old"), again=True)
    assert rows(db, query) == [(vecstore.encode(pseudorandom("upgraded cat", 32)),)]


def test_they_go_along_with_a_copy_a_new_name_and_another_place_of_the_index(path):
    with closed(vecstore.connect(path)) as db:
        pets = fill(db)
        pets.reembed(document_prefix="d: ", query_prefix="q: ")
        copied = pets.copy("copy")
        pets.rename("renamed")
        for collection in (copied, pets):
            assert own_prefixes(collection) == [("q: ", "d: ")]
            collection.embed("x", "new", store=True)
            assert_embedded(collection, "d: ")
    for form in ("beside", "inside"):
        vecstore.move_index(path, form)
        with closed(vecstore.connect(path)) as db:
            for name in ("copy", "renamed"):
                collection = Collection(name, db, model=Recording("old"))
                assert own_prefixes(collection) == [("q: ", "d: ")]
                collection.similar("cat")
                assert collection.model().got == ["q: cat"]
                assert_embedded(collection, "d: ")
