"""The Python API, as its reference documents it."""

import inspect
import typing
from dataclasses import asdict
from pathlib import Path
from unittest.mock import ANY

import pytest
import sqlite_utils

import vecstore
from tests.support.models import Vectors, WordLengths
from vecstore import Collection, Entry, InvalidInputError
from vecstore.query import Conditions


def test_a_new_collection_is_a_row_with_its_model(collection):
    assert collection.db["collections"].count == 1
    assert next(collection.db["collections"].rows) == {
        "id": 1,
        "name": "test",
        "model": "word-lengths",
    }
    assert (collection.id, collection.name, collection.model_id) == (1, "test", "word-lengths")


def test_without_a_database_a_collection_is_in_memory(model, closing):
    collection = Collection("test", model=model)
    closing(collection.db)
    collection.embed("a", "hello")
    assert collection.db.memory
    assert collection.count() == 1


@pytest.mark.parametrize("kind", [str, Path])
def test_a_path_opens_and_creates_a_file(tmp_path, model, closing, kind):
    path = kind(tmp_path / "new.db")
    closing(Collection("test", path, model=model).db)
    reopened = Collection("test", path, create=False)
    closing(reopened.db)
    assert reopened.model_id == "word-lengths"


def test_a_model_is_given_by_id_or_alias(registered, db):
    assert Collection("a", db, model_id="word-lengths").model() is registered
    assert Collection("b", db, model_id="words").model_id == "word-lengths"


def test_a_model_that_is_a_name_or_a_class_is_refused(db):
    for model in ("local", WordLengths):
        with pytest.raises(ValueError, match="a name goes into model_id="):
            Collection("new", db, model=model)


@pytest.mark.parametrize("name", [None, "", 5, b"x", "a\ud800"])
def test_a_name_that_is_no_text_is_refused(db, model, name):
    with pytest.raises(ValueError, match="must be text|not text"):
        Collection(name, db, model=model)
    assert db.table_names() == []


def test_a_connection_or_a_number_is_no_database(model):
    for db in (5, object()):
        with pytest.raises(ValueError, match="pass a path or a sqlite_utils.Database"):
            Collection("test", db, model=model)


def test_a_collection_that_does_not_exist_is_not_found_among_those_that_do(collection):
    with pytest.raises(Collection.DoesNotExist, match=r"does not exist: 'other' .*\.db has 'test'"):
        Collection("other", collection.db, create=False)


def test_an_existing_collection_remembers_its_model(registered, db):
    Collection("a", db, model_id="words")
    assert Collection("a", db).model() is registered


def test_a_new_collection_without_a_model_is_refused(db):
    with pytest.raises(ValueError, match="pass model= or model_id="):
        Collection("new", db)
    assert db["collections"].count == 0


def test_a_new_collection_with_an_unknown_model_is_refused(db):
    with pytest.raises(vecstore.UnknownModelError, match="no-such-model"):
        Collection("new", db, model_id="no-such-model")
    assert db["collections"].count == 0


def test_create_false_requires_the_collection(db):
    with pytest.raises(Collection.DoesNotExist, match="does not exist: 'new'"):
        Collection("new", db, create=False)
    assert db["collections"].count == 0


def test_another_model_is_an_error_that_names_both(registered, collection):
    with pytest.raises(vecstore.ModelMismatchError, match="'word-lengths'.*'vectors'"):
        Collection("test", collection.db, model=Vectors())


def test_an_alias_of_the_same_model_is_fine(registered, collection):
    assert Collection("test", collection.db, model_id="words").id == collection.id


def test_exists(db, model):
    assert not Collection.exists(db, "test")
    assert db.table_names() == []
    Collection("test", db, model=model)
    assert Collection.exists(db, "test")
    assert not Collection.exists(db, "other")


def test_exists_takes_a_path_and_creates_nothing(tmp_path, model, closing):
    path = tmp_path / "new.db"
    assert not Collection.exists(path, "test")
    assert not path.exists()
    closing(Collection("test", path, model=model).db)
    assert Collection.exists(str(path), "test")


def test_embed_stores_exactly_the_documented_row(collection):
    collection.embed("hound", "my happy hound", metadata={"name": "Hound"}, store=True)
    assert list(collection.db["embeddings"].rows) == [
        {
            "collection_id": 1,
            "id": "hound",
            "embedding": vecstore.encode([2, 5, 5] + [0] * 13),
            "content": "my happy hound",
            "content_blob": None,
            "content_hash": vecstore.content_hash("my happy hound"),
            "metadata": '{"name": "Hound"}',
            "updated": ANY,
        }
    ]


def test_content_is_stored_only_when_asked(collection):
    collection.embed("a", "hello")
    collection.embed("b", "hello world", store=True)
    collection.embed("c", b"bytes here", store=True)
    rows = collection.db.query("select id, content, content_blob from embeddings order by id")
    assert list(rows) == [
        {"id": "a", "content": None, "content_blob": None},
        {"id": "b", "content": "hello world", "content_blob": None},
        {"id": "c", "content": None, "content_blob": b"bytes here"},
    ]


def test_embed_multi_and_embed_multi_with_metadata(collection):
    collection.embed_multi([("hound", "my happy hound"), ("cat", "my cat")], store=True)
    collection.embed_multi_with_metadata([("bird", "bird", {"name": "Bird"})])
    assert list(collection) == [
        Entry("bird", None, None, {"name": "Bird"}),
        Entry("cat", None, "my cat", None),
        Entry("hound", None, "my happy hound", None),
    ]


def test_similar_returns_entries_best_first(collection):
    collection.embed("1", "hello world", metadata={"n": 1}, store=True)
    collection.embed("2", "goodbye world")
    found = collection.similar("hello world")
    assert [asdict(entry) for entry in found] == [
        {
            "id": "1",
            "score": pytest.approx(1.0, abs=1e-6),
            "content": "hello world",
            "metadata": {"n": 1},
        },
        {"id": "2", "score": pytest.approx(0.98639392), "content": None, "metadata": None},
    ]
    assert collection.similar("hello world", number=1) == found[:1]


def test_similar_by_id_leaves_the_item_out(collection):
    collection.embed_multi([(1, "hello world"), (2, "goodbye world")])
    assert collection.similar_by_id(1) == [Entry("2", pytest.approx(0.98639392))]
    assert collection.similar_by_id("1") == collection.similar_by_id(1)


def test_similar_by_vector_can_skip_an_id(collection):
    collection.embed_multi([("a", "one"), ("b", "three"), ("c", "x y")])
    vector = [3] + [0] * 15
    assert [e.id for e in collection.similar_by_vector(vector)] == ["a", "b", "c"]
    assert [e.id for e in collection.similar_by_vector(vector, 1, skip_id="a")] == ["b"]


def test_similar_by_an_unknown_id_is_an_error(collection):
    with pytest.raises(Collection.DoesNotExist, match="ID not found in collection 'test': 'x'"):
        collection.similar_by_id("x")


def test_reading_the_entries(collection):
    collection.embed_multi([("b", "two"), ("a", "one"), (3, "three")], store=True)
    assert (len(collection), collection.count()) == (3, 3)
    assert ("a" in collection, 3 in collection, "3" in collection, "z" in collection) == (
        True,
        True,
        True,
        False,
    )
    assert collection.ids() == ["3", "a", "b"]
    assert collection.get("a") == Entry("a", None, "one", None)
    assert [entry.id for entry in collection] == ["3", "a", "b"]
    with pytest.raises(Collection.DoesNotExist, match="ID not found in collection 'test': 'z'"):
        collection.get("z")


def test_iteration_reads_all_of_many_entries(collection):
    collection.embed_multi(((f"{n:05}", str(n)) for n in range(2500)), batch_size=500)
    assert [entry.id for entry in collection] == [f"{n:05}" for n in range(2500)]


def test_an_empty_collection_is_still_true(collection):
    assert bool(collection)
    assert len(collection) == 0


def test_delete_ids_returns_how_many_there_were(collection):
    collection.embed_multi([("a", "one"), ("b", "two"), (3, "three")])
    assert collection.delete_ids(["a", 3, "never"]) == 2
    assert collection.ids() == ["b"]
    assert [entry.id for entry in collection.similar("x")] == ["b"]


def test_one_id_is_no_list_of_ids(collection):
    collection.embed_multi([("a", "one"), ("b", "two"), ("ab", "three")])
    for ids in ("ab", b"ab"):
        with pytest.raises(ValueError, match="pass a list of ids"):
            collection.delete_ids(ids)
    assert collection.count() == 3


def test_a_stale_collection_does_not_write_to_the_one_that_has_its_id(open_db, path, model):
    stale = Collection("stale", open_db(path), model=model)
    stale.db.execute("delete from collections")
    other = Collection("other", stale.db, model=model)
    other.embed("theirs", "hello")
    assert other.id == stale.id
    for change in (
        lambda: stale.embed("mine", "hello"),
        lambda: stale.delete_ids(["theirs"]),
        stale.delete,
    ):
        with pytest.raises(Collection.DoesNotExist, match="'stale' was deleted"):
            change()
    assert other.ids() == ["theirs"]


def test_a_new_collection_does_not_inherit_rows_without_one(collection, model):
    collection.embed("orphan", "hello")
    collection.db.execute("pragma foreign_keys = off")
    collection.db.execute("delete from collections")
    new = Collection("new", collection.db, model=model)
    assert new.count() == 0
    assert new.similar("hello") == []


def test_delete_removes_the_collection_and_nothing_else(collection, model):
    other = Collection("other", collection.db, model=model)
    collection.embed("a", "one")
    other.embed("b", "two")
    collection.delete()
    assert not Collection.exists(collection.db, "test")
    assert list(collection.db["collections"].rows_where(select="name")) == [{"name": "other"}]
    assert collection.db["embeddings"].count == 1
    assert [entry.id for entry in other.similar("x")] == ["b"]


def test_a_deleted_collection_takes_no_more_entries(collection):
    collection.delete()
    with pytest.raises(Collection.DoesNotExist, match="was deleted"):
        collection.embed("a", "one")
    assert collection.db["embeddings"].count == 0


def test_a_subclass_can_change_the_content_hash(db, model):
    class CaseFolded(Collection):
        @staticmethod
        def content_hash(input):
            return vecstore.content_hash(input.lower())

    collection = CaseFolded("test", db, model=model)
    report = collection.embed_multi([("a", "Hello"), ("b", "HELLO")])
    assert report == vecstore.EmbedReport(embedded=1, reused=1)


def test_a_model_of_llm_can_be_given_as_it_is(db):
    llm = pytest.importorskip("llm")

    class Lengths(llm.EmbeddingModel):
        model_id = "lengths"

        def embed_batch(self, items):
            return ([len(item), 1] for item in items)

    collection = Collection("test", db, model=Lengths())
    collection.embed_multi([("a", "x"), ("b", "yyyy")])
    assert [entry.id for entry in collection.similar("zzz", 1)] == ["b"]


def test_the_database_of_a_collection_is_the_one_that_was_given(path, closing, model):
    db = closing(sqlite_utils.Database(path))
    collection = Collection("test", db, model=model)
    collection.embed("a", "one")
    assert collection.db is db
    assert db["embeddings"].count == 1


@pytest.mark.parametrize("arguments", [{"create": False}, {}])
def test_a_misspelt_path_makes_no_file(tmp_path, arguments):
    with pytest.raises(vecstore.MissingFileError, match="mispelt.db does not exist") as caught:
        Collection("test", tmp_path / "mispelt.db", **arguments)
    assert isinstance(caught.value, Collection.DoesNotExist)
    assert isinstance(caught.value, ValueError)
    assert list(tmp_path.glob("*.db")) == []


SEARCHES = [
    Collection.similar,
    Collection.similar_multi,
    Collection.similar_by_id,
    Collection.similar_by_vector,
    Collection.explain,
    vecstore.similar_across,
]


@pytest.mark.parametrize("search", SEARCHES)
def test_a_search_shows_its_conditions_to_help_and_editors(search):
    shown = inspect.signature(search).parameters
    assert [name for name in shown if name in Conditions.__annotations__] == [
        "where",
        "where_args",
        "min_score",
        "exact",
        "per_document",
    ]
    for name in Conditions.__annotations__:
        assert shown[name].kind is inspect.Parameter.KEYWORD_ONLY
        assert shown[name].default is None
    assert typing.get_type_hints(search).keys() >= Conditions.__annotations__.keys()


def test_a_search_with_a_wrong_condition_embeds_nothing(collection, model):
    collection.embed("a", "one")
    model.embedded.clear()
    for wrong in ({"wher": "1"}, {"skip_id": "a"}, {"vector": b""}):
        with pytest.raises(TypeError, match=f"unexpected keyword argument '{next(iter(wrong))}'"):
            collection.similar("two", **wrong)
    for wrong in ("skip_id", "nope"):
        with pytest.raises(TypeError, match=f"unexpected keyword argument '{wrong}'"):
            vecstore.similar_across([collection], "two", **{wrong: "a"})
        with pytest.raises(TypeError, match=f"unexpected keyword argument '{wrong}'"):
            vecstore.similar_across([], "two", **{wrong: "a"})
    with pytest.raises(InvalidInputError, match="number is -1"):
        collection.similar("two", -1)
    with pytest.raises(InvalidInputError, match="min_score is 'x'"):
        collection.similar_multi(["two"], min_score="x")
    assert model.embedded == []


def test_a_subclass_can_change_how_a_vector_is_searched_for(db, model):
    class Filtering(Collection):
        def similar_by_vector(self, *args, **options):
            return [e for e in super().similar_by_vector(*args, **options) if e.id != "hidden"]

    collection = Filtering("test", db, model=model)
    collection.embed_multi([("hidden", "one"), ("b", "two")])
    assert [entry.id for entry in collection.similar("one")] == ["b"]
    [found] = collection.similar_multi(["one"])
    assert [entry.id for entry in found] == ["b"]


def test_another_database_can_be_given_to_a_collection(db, model, closing):
    collection = Collection("test", db, model=model)
    collection.embed("a", "one")
    other = closing(vecstore.connect())
    Collection("test", other, model=model)
    collection.db = other
    assert (collection.db, collection.count()) == (other, 0)
