"""Collections as such: made, opened, named, copied, deleted, and those that are gone."""

import copy
import pickle

import pytest

import vecstore
from tests.support.models import Vectors, WordLengths
from tests.support.places import execute, is_postgres, stored
from vecstore import Collection, DoesNotExist, InvalidInputError, ModelMismatchError
from vecstore.prefixes import Prefixes

NAMES = {
    "quotes": 'it\'s; drop table "embeddings" --',
    "newlines": "one\ntwo\r\nthree\u2028four",
    "wildcards": "%s %(a)s %_*?[a-z]\\ {}",
    "beyond the BMP": "\U0001f415 \u202eabc e\u0301",
    "spaces": " a  b\t",
    "JSON": '{"a": [null]}',
    "no character at all": "\ufeff\uffff",
    "2,000 characters": "x" * 2000,
}


class OtherModel(WordLengths):
    model_id = "other-model"


def test_a_new_collection_is_a_row_with_its_model(collection, store):
    assert collection.row == (1, "test", "word-lengths")
    assert store.find("test") == collection.row
    assert (len(collection), collection.count(), bool(collection)) == (0, 0, True)
    assert repr(collection) == "<Collection 'test': 0 entries, model 'word-lengths'>"


def test_a_place_that_is_opened_again_has_what_was_written(place, model):
    first = Collection("test", place, model=model)
    first.embed("a", "one", store=True)
    first.store.close()
    again = Collection("test", place, create=False)
    assert (again.row, again.get("a").content) == (first.row, "one")
    again.store.close()


def test_a_model_is_given_by_id_or_alias_and_remembered(registered, store):
    assert Collection("a", store, model_id="word-lengths").model() is registered
    assert Collection("b", store, model_id="words").model_id == "word-lengths"
    assert Collection("a", store).model() is registered


@pytest.mark.parametrize("name", [None, "", 5, b"x", "a\ud800"])
def test_a_name_that_is_no_text_is_refused(store, model, name):
    with pytest.raises(InvalidInputError, match="must be text|not text"):
        Collection(name, store, model=model)


def test_what_makes_no_collection_is_an_error_and_makes_none(store, registered):
    store.ensure_schema()
    with pytest.raises(InvalidInputError, match="pass model= or model_id="):
        Collection("new", store)
    with pytest.raises(vecstore.UnknownModelError, match="no-such-model"):
        Collection("new", store, model_id="no-such-model")
    with pytest.raises(DoesNotExist, match=r"does not exist: 'new' \(.* has no collections\)"):
        Collection("new", store, create=False)
    with pytest.raises(InvalidInputError, match="a name goes into model_id="):
        Collection("new", store, model="words")
    assert store.find("new") is None


def test_a_collection_that_does_not_exist_is_not_found_among_those_that_do(collection, store):
    with pytest.raises(DoesNotExist, match=r"does not exist: 'other' \(.* has 'test'\)"):
        Collection("other", store, create=False)


def test_another_model_is_an_error_that_names_both(registered, collection, store):
    with pytest.raises(ModelMismatchError, match="'word-lengths'.*'vectors'"):
        Collection("test", store, model=Vectors())
    assert Collection("test", store, model_id="words").id == collection.id


def test_exists_says_so_and_writes_nothing(place, model):
    assert not Collection.exists(place, "test")
    assert not Collection.exists(place, "nul\0")
    collection = Collection("test", place, model=model)
    assert Collection.exists(place, "test")
    assert Collection.exists(collection.store, "test")
    assert not Collection.exists(place, "other")
    collection.store.close()


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_name_of_any_kind(store, model, name, tmp_path):
    collection = Collection(name, store, model=model)
    collection.embed(name, name, {name: name}, store=True)
    assert collection.get(name) == vecstore.Entry(name, None, name, {name: name})
    assert Collection(name, store).ids() == [name]
    with pytest.raises(DoesNotExist):
        collection.get(f"{name}?")
    copied = collection.copy(f"{name}2")
    file = tmp_path / "exported.jsonl"
    vecstore.export_collection(store, name, file)
    assert collection.delete_ids([name]) == 1
    collection.delete()
    assert not Collection.exists(store, name)
    vecstore.import_collection(store, file)
    assert stored(Collection(name, store)) == stored(copied)


def test_a_renamed_collection_is_the_same_one(collection, store):
    collection.embed("a", "one", store=True)
    before, stale = stored(collection), copy.copy(collection)
    collection.rename("other")
    assert (collection.row, stored(collection)) == ((1, "other", "word-lengths"), before)
    assert not Collection.exists(store, "test")
    with pytest.raises(DoesNotExist, match=r"'test' was deleted or renamed.* has 'other'"):
        stale.count()


@pytest.mark.parametrize("what", ["rename", "copy"])
def test_a_name_that_is_taken_or_none_is_refused(collection, store, what):
    Collection("taken", store, model=WordLengths())
    for name in ("test", "taken"):
        with pytest.raises(
            InvalidInputError,
            match=f"There is a collection '{name}' already, of the model 'word-lengths': choose",
        ):
            getattr(collection, what)(name)
    for name in ("", None, 7, "\ud800"):
        with pytest.raises(InvalidInputError):
            getattr(collection, what)(name)
    assert collection.row == (1, "test", "word-lengths")
    assert store.find("test") == collection.row


def test_a_copy_has_all_columns_and_is_written_to_apart(collection, store):
    collection.set_prefixes(query="find ", document="of ")
    collection.embed_multi_with_metadata([("a", "one", {"n": 1}), ("b", b"two", None)], store=True)
    collection.embed("c", "not stored")
    copied = collection.copy("copy")
    assert (copied.name, copied.model_id, copied.id != collection.id) == (
        "copy",
        "word-lengths",
        True,
    )
    assert stored(copied) == stored(collection)
    assert store.prefixes(copied.row) == Prefixes("find ", "of ")
    copied.embed("new", "new")
    copied.delete_ids(["a"])
    assert (collection.ids(), copied.ids()) == (["a", "b", "c"], ["b", "c", "new"])
    collection.delete()
    assert copied.count() == 3


def test_delete_removes_the_collection_and_nothing_else(collection, store, model):
    other = Collection("other", store, model=model)
    collection.embed("a", "one")
    other.embed("b", "two")
    collection.delete()
    assert (Collection.exists(store, "test"), other.ids()) == (False, ["b"])
    with pytest.raises(DoesNotExist, match="was deleted"):
        collection.embed("a", "one")
    assert repr(collection) == (
        "<Collection 'test': cannot be read (DoesNotExist), model 'word-lengths'>"
    )


def delete(store):
    Collection("test", store).delete()


def rename(store):
    Collection("test", store).rename("crimson")


def make_anew_with_another_id(store):
    rename(store)
    Collection("test", store, model=WordLengths()).embed("a", "secret")


def make_anew_with_another_model(store):
    delete(store)
    Collection("test", store, model=OtherModel()).embed("a", "secret")


def change_the_model(store):
    execute(store, "update collections set model = 'other-model' where name = 'test'")


OTHER = "'test' was opened with the model 'word-lengths', and is one of 'other-model' now: open it"
CHANGES = {
    delete: (DoesNotExist, r"'test' was deleted or renamed.* has no collections"),
    rename: (DoesNotExist, r"'test' was deleted or renamed.* has 'crimson'"),
    make_anew_with_another_id: (DoesNotExist, "made anew, with the id 2 in place of 1: open it"),
    make_anew_with_another_model: (ModelMismatchError, OTHER),
    change_the_model: (ModelMismatchError, OTHER),
}
VECTOR = [1.0] + [0.0] * 15
CALLS = {
    "count": lambda c: c.count(),
    "in": lambda c: "a" in c,
    "ids": lambda c: c.ids(),
    "ids, where": lambda c: c.ids(where="id = ?", where_args=["a"]),
    "iterate": list,
    "get": lambda c: c.get("a"),
    "get what is not there": lambda c: c.get("nowhere"),
    "vector": lambda c: c.vector("a"),
    "vectors": lambda c: list(c.vectors()),
    "vectors of ids": lambda c: list(c.vectors(["a"])),
    "documents": lambda c: c.documents(),
    "get_document": lambda c: c.get_document("a"),
    "query_prefix": lambda c: c.query_prefix,
    "count_without_text": lambda c: c.count_without_text(),
    "similar": lambda c: c.similar("one"),
    "similar, none": lambda c: c.similar("one", number=0),
    "similar, where": lambda c: c.similar("one", where="id = ?", where_args=["a"]),
    "similar, exact": lambda c: c.similar("one", exact=True, min_score=0.5, prefix="a"),
    "similar_multi": lambda c: c.similar_multi(["one", "two"]),
    "similar_by_vector": lambda c: c.similar_by_vector(VECTOR),
    "similar_by_vector, of another dimension": lambda c: c.similar_by_vector([1.0, 2.0]),
    "similar_by_id": lambda c: c.similar_by_id("a"),
    "search": lambda c: c.search("one"),
    "search by keywords": lambda c: c.search("one", mode="keywords"),
    "explain": lambda c: c.explain("one"),
    "similar_across": lambda c: vecstore.similar_across([c, c], "one"),
    "embed": lambda c: c.embed("a", "new"),
    "embed what is there": lambda c: c.embed_multi([("a", "one")], store=True),
    "embed, skipping": lambda c: c.embed_multi([("a", "one")], on_error="skip"),
    "embed, in threads": lambda c: c.embed_multi([("new", "new"), ("a", "one")], concurrency=2),
    "add": lambda c: c.add("a", VECTOR),
    "add_multi, skipping": lambda c: c.add_multi([("new", VECTOR)], on_error="skip"),
    "embed_documents": lambda c: c.embed_documents([("a", "one")]),
    "sync": lambda c: c.sync([("a", "one")]),
    "set_metadata": lambda c: c.set_metadata("a", {"n": 1}),
    "set_prefixes": lambda c: c.set_prefixes(query="q"),
    "delete_ids": lambda c: c.delete_ids(["a"]),
    "delete_documents": lambda c: c.delete_documents(["a"]),
    "related_table": lambda c: c.related_table(),
    "reembed": lambda c: c.reembed(Vectors()),
    "reembed again": lambda c: c.reembed(WordLengths(), again=True, drop_old=True),
    "rename": lambda c: c.rename("scarlet"),
    "copy": lambda c: c.copy("scarlet"),
    "delete": lambda c: c.delete(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_no_call_reaches_the_rows_of_another(store, model, change):
    collection = Collection("test", store, model=model)
    collection.embed_multi([("a", "one"), ("b", "three four")], store=True)
    change(store)
    model.embedded.clear()
    kind, message = CHANGES[change]
    before = store.describe()
    for name, call in CALLS.items():
        with pytest.raises(kind, match=message):
            pytest.fail(f"{name} gave {call(collection)!r}")
        assert not store.has_transaction(), name
    assert model.embedded == []  # which may have cost money
    assert store.describe() == before


def test_prefixes_are_put_before_what_is_embedded_and_kept(collection, store, model):
    assert (collection.query_prefix, collection.document_prefix) == ("", "")
    collection.set_prefixes(query="find 'it' %s ", document="of ")
    collection.embed("a", "one", store=True)
    collection.similar("two")
    assert model.embedded == ["of one", "find 'it' %s two"]
    assert collection.get("a").content == "one"
    again = Collection("test", store, model=model)
    assert (again.query_prefix, again.document_prefix) == ("find 'it' %s ", "of ")
    with pytest.raises(
        InvalidInputError, match="embedded with the document prefix 'of ', and cannot"
    ):
        again.set_prefixes(query="lost", document="other ")
    again.set_prefixes(query=None)
    assert store.prefixes(again.row) == Prefixes(None, "of ")
    for value in (7, "a\ud800"):
        with pytest.raises(InvalidInputError, match="query is .*text"):
            again.set_prefixes(query=value)


def test_a_subclass_can_change_the_content_hash(store, model):
    class CaseFolded(Collection):
        @staticmethod
        def content_hash(input):
            return vecstore.content_hash(input.lower())

    collection = CaseFolded("test", store, model=model)
    report = collection.embed_multi([("a", "Hello"), ("b", "HELLO")])
    assert report == vecstore.EmbedReport(embedded=1, reused=1)


@pytest.mark.parametrize("duplicate", [pickle.dumps, copy.deepcopy, lambda it: pickle.dumps([it])])
def test_a_collection_says_how_it_is_opened_elsewhere(collection, duplicate):
    with pytest.raises(vecstore.DatabaseError, match=r"'test' has an open connection.*Collection"):
        duplicate(collection)


def test_a_shallow_copy_has_the_same_connection(collection):
    collection.embed("a", "one")
    copied = copy.copy(collection)
    assert copied.store is collection.store
    assert copied.get("a") == collection.get("a")


def test_the_database_of_a_collection_is_of_sqlite_alone(collection, store):
    if is_postgres(store):
        with pytest.raises(vecstore.DatabaseError, match=r"collection\.store\.connection\(\)"):
            _ = collection.db
    else:
        assert collection.db["collections"].count == 1
