"""Entries are read, changed and deleted; ids, texts and metadata of any kind."""

from contextlib import suppress

import pytest

import vecstore
from tests.support.places import execute, is_postgres, stored, updated
from vecstore import Collection, EmbedReport, Entry, InvalidInputError
from vecstore.vectors import content_hash

TEXTS = [
    "",
    " a  b\t",
    "%s %(a)s %% 100%",
    "\\ \\u0041 \\\\ c:\\n",
    "'; drop table embeddings; --\"",
    '{"a": [null]} {1,2} \\x00',
    "e\u0301 \u00e9 \u202eabc\u2028\u2029\u0085",
    "one\ntwo\r\nthree\rfour",
    "\U0001f415\U0001f468\u200d\U0001f469",
    "\ufeff\uffff\ud7ff\ue000",
    "\x01\x1f\x7f\x80",
    "NULL",
    "Z",
    "a",
    "\u00e4",
]
METADATA = [
    {"text": "\u2028'\"\\%\U0001f415", "": "", "\\u0041": None},
    {"nested": [{"a": [1, [2, {}]]}, [], True, False, None]},
    {"integers": [0, -1, 2**53 + 1, 2**63 - 1, -(2**63)]},
    {"numbers": [1.0, 0.1, 1e15, 1.5e16, 1e16, 1e23, -1.7976931348623157e308, 5e-324, 1e-7]},
    {"b": 1, "a": 2, "ab": 3, "é": 4},
]


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
    assert repr(collection) == "<Collection 'test': 3 entries, model 'word-lengths'>"
    for id in ("z", "nul\0"):
        assert id not in collection
        with pytest.raises(
            vecstore.DoesNotExist, match="ID not found in collection 'test': 'z'|nul"
        ):
            collection.get(id)
        with pytest.raises(vecstore.DoesNotExist, match="ID not found"):
            collection.vector(id)
        with pytest.raises(vecstore.DoesNotExist, match="ID not found"):
            collection.similar_by_id(id)


def test_ids_are_in_the_order_of_their_bytes(collection):
    collection.embed_multi(((id, "x") for id in reversed(TEXTS)), batch_size=4)
    expected = sorted(TEXTS, key=str.encode)
    assert collection.ids() == expected
    assert [entry.id for entry in collection] == expected
    assert [id for id, _ in collection.vectors()] == expected
    assert list(stored(collection)) == expected


def test_ids_of_a_prefix_are_those_that_begin_with_it_literally(collection):
    ids = ["a%b", "a%", "aXb", "a_b", "A%b", "\\", "\\a", "", "\U0001f415", "\U0001f415x", "a"]
    collection.embed_multi((id, "x") for id in ids)
    for prefix in ("", "a%", "a_", "\\", "\U0001f415", "none", "nul\0"):
        assert collection.ids(prefix) == sorted(id for id in ids if id.startswith(prefix)), prefix


@pytest.mark.parametrize("text", TEXTS)
def test_text_of_any_kind_comes_back_as_it_was(collection, text):
    metadata = {text: [text, {text: text}]}
    entries = [(text, f"x {text}", metadata), (f"{text}/2", text, {})]
    assert collection.embed_multi_with_metadata(entries, store=True) == EmbedReport(embedded=2)
    assert collection.embed_multi_with_metadata(entries, store=True) == EmbedReport(unchanged=2)
    assert collection.get(text) == Entry(text, None, f"x {text}", metadata)
    assert stored(collection)[f"{text}/2"][1:] == (text, None, content_hash(text), None)
    assert list(collection.vectors([text])) == [(text, collection.vector(text))]
    assert collection.similar(f"x {text}", 1, prefix=text) == [
        Entry(text, pytest.approx(1.0, abs=1e-6), f"x {text}", metadata)
    ]
    assert collection.similar_by_id(text, prefix=f"{text}/3") == []
    assert collection.ids(where="id = ?", where_args=[text]) == [text]
    assert collection.delete_ids([text]) == 1


@pytest.mark.parametrize("content", [b"", b"\0\xff\x80", bytes(range(256)), b"\\x00"])
def test_bytes_come_back_as_they_were(collection, content):
    collection.embed("a", content, store=True)
    assert stored(collection)["a"][1:] == (None, content, content_hash(content), None)
    assert collection.embed_multi([("a", content)], store=True) == EmbedReport(unchanged=1)


@pytest.mark.parametrize("metadata", METADATA)
def test_metadata_of_any_kind_is_the_same_again_and_not_written_twice(collection, metadata):
    collection.embed("a", "one", metadata)
    found = collection.get("a").metadata
    assert found == metadata
    assert list(map(repr, found.values())) == [repr(found[key]) for key in found]
    assert {key: repr(value) for key, value in found.items()} == {
        key: repr(value) for key, value in metadata.items()
    }
    assert collection.embed_multi_with_metadata([("a", "one", metadata)]) == EmbedReport(
        unchanged=1
    )
    execute(collection.store, "update embeddings set updated = 7")
    collection.set_metadata("a", metadata)
    assert updated(collection) == {"a": 7}


def test_an_iteration_reads_all_of_many_entries_which_may_be_written_meanwhile(collection):
    collection.embed_multi(((f"{n:05}", str(n)) for n in range(2500)), batch_size=1000)
    entries = iter(collection)
    assert next(entries).id == "00000"
    collection.delete_ids(["01500"])
    assert [entry.id for entry in entries] == [f"{n:05}" for n in range(1, 2500) if n != 1500]
    ids = [f"{n:05}" for n in range(2400, 0, -2) if n != 1500]
    assert [id for id, _ in collection.vectors(ids)] == ids
    assert len(list(collection.vectors())) == 2499


def test_a_vector_is_what_was_stored_and_ids_may_be_repeated(collection):
    collection.embed_multi([("a", "one"), ("b", "three xx")])
    a, b = [3.0] + [0.0] * 15, [5.0, 2.0] + [0.0] * 14
    assert (collection.vector("a"), collection.vector("b")) == (a, b)
    assert list(collection.vectors(["b", "a", "b"])) == [("b", b), ("a", a), ("b", b)]
    found = collection.vectors(["a", "z"])
    assert next(found) == ("a", a)
    with pytest.raises(vecstore.DoesNotExist, match="ID not found in collection 'test': 'z'"):
        next(found)


def test_delete_ids_returns_how_many_there_were(collection):
    collection.embed_multi([("a", "one"), ("b", "two"), (3, "three")])
    assert collection.delete_ids(["a", 3, "never", "nul\0", "a"]) == 2
    assert collection.ids() == ["b"]
    assert collection.delete_ids([]) == 0
    for ids in ("b", b"b"):
        with pytest.raises(InvalidInputError, match="pass a list of ids"):
            collection.delete_ids(ids)
    assert [entry.id for entry in collection.similar("x")] == ["b"]


def test_metadata_is_replaced_and_nothing_is_embedded(collection, model):
    collection.embed("a", "one", {"n": 1}, store=True)
    before = stored(collection)["a"]
    for metadata in ({"n": 2}, {}, {"m": [None]}):
        collection.set_metadata("a", metadata)
        assert stored(collection)["a"] == (*before[:4], metadata or None)
    assert model.embedded == ["one"]


def test_what_is_no_metadata_is_refused(collection):
    collection.embed("a", "one", {"n": 1})
    for metadata, message in (
        (None, "of which {} removes all"),
        ([1], "is of type list: it must be a dict"),
        ({"n": float("inf")}, "cannot be JSON: the key 'n' is inf"),
        ({"n": b"x"}, "cannot be JSON: the key 'n' is of type bytes"),
        ({"n": "\ud800"}, "lone surrogate"),
    ):
        with pytest.raises(InvalidInputError, match=message):
            collection.set_metadata("a", metadata)
    with pytest.raises(vecstore.DoesNotExist, match="ID not found in collection 'test': 'b'"):
        collection.set_metadata("b", {})
    assert collection.get("a").metadata == {"n": 1}


def test_lone_surrogates_are_refused_and_nothing_is_written(collection):
    for id in ("a\ud800", "\udcff"):
        for entry in ((id, "text"), ("good", f"text {id}")):
            with pytest.raises(InvalidInputError, match="lone surrogate"):
                collection.embed_multi([("before", "text"), entry])
    assert collection.count() == 0


def test_ids_that_meet_a_condition(collection, store):
    collection.embed_multi_with_metadata(
        [(id, id * n, {"n": n}) for n, id in enumerate("abcd", 1)], store=True
    )
    n = "(metadata ->> 'n')::int" if is_postgres(store) else "metadata ->> '$.n'"
    assert collection.ids(where=f"{n} > ?", where_args=[2]) == ["c", "d"]
    assert collection.ids(
        where=f"{n} > :least or id = :id", where_args={"least": 3, "id": "a"}
    ) == [
        "a",
        "d",
    ]
    assert collection.ids("b", where="content like '%b%'") == ["b"]
    assert collection.ids(where="content = ? -- a comment", where_args=["ccc"]) == ["c"]


def test_a_condition_cannot_leave_its_collection_or_write(collection, store, model):
    collection.embed_multi([("a", "one"), ("b", "two")])
    Collection("other", store, model=model).embed("c", "three")
    for where in (
        "no_such_column = 1",
        "id = 'a'; delete from embeddings",
        "id = 'a') ; delete from embeddings; --",
        "'",
        "(",
        "exists (delete from embeddings returning 1)",
    ):
        with pytest.raises(InvalidInputError):
            pytest.fail(f"{where} gave {collection.ids(where=where)}")
    with pytest.raises(InvalidInputError):
        collection.ids(where="id = ?", where_args=[])
    with pytest.raises(InvalidInputError):
        collection.ids(where="id = :id", where_args={"other": 1})
    for where in ("id = 'a') or (id = 'c'", "true) or (true", "id = 'c'"):
        with suppress(InvalidInputError):
            assert set(collection.ids(where=where)) <= {"a", "b"}, where
    assert (collection.count(), not store.has_transaction()) == (2, True)


def test_a_collection_of_another_has_none_of_its_entries(collection, store, model):
    other = Collection("other", store, model=model)
    collection.embed_multi([("a", "one"), ("b", "two")])
    other.embed("a", "three", store=True)
    assert (collection.ids(), other.ids()) == (["a", "b"], ["a"])
    assert other.delete_ids(["a", "b"]) == 1
    assert collection.count() == 2
