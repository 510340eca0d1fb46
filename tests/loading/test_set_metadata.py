"""set_metadata(): other metadata for an entry, which is not embedded again."""

import json

import pytest

from tests.support.databases import rows
from vecstore import Collection, InvalidInputError

CHUNK = {"document": "a.md", "chunk": 1, "chunks": 2, "start": 0, "end": 9}


@pytest.fixture
def entry(collection, model):
    collection.embed("a", "text", {"n": 1}, store=True)
    collection.db.execute("update embeddings set updated = 1")
    model.embedded.clear()
    return collection


def row(collection, id="a"):
    [found] = rows(
        collection.db,
        "select content, metadata, updated > 1 from embeddings where id = ?",
        [id],
    )
    return found


def test_metadata_is_replaced_and_nothing_is_embedded(entry, model):
    vector = entry.vector("a")
    entry.set_metadata("a", {"m": 2})
    assert row(entry) == ("text", '{"m": 2}', 1)
    assert (entry.vector("a"), model.embedded) == (vector, [])


def test_empty_metadata_removes_it(entry):
    entry.set_metadata("a", {})
    assert row(entry) == ("text", None, 1)


def test_the_same_metadata_is_not_written(entry):
    entry.set_metadata("a", {"n": 1})
    assert row(entry) == ("text", '{"n": 1}', 0)


def test_an_id_may_be_a_number(collection):
    collection.embed(1, "text")
    collection.set_metadata(1, {"n": 1})
    assert collection.get("1").metadata == {"n": 1}


def test_what_another_program_left_as_no_json_is_replaced(entry):
    entry.db.execute("update embeddings set metadata = 'no json'")
    entry.set_metadata("a", {"m": 2})
    assert row(entry) == ("text", '{"m": 2}', 1)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        (None, "The metadata of 'a' is None: it must be a dict, of which {} removes all"),
        ([1], "The metadata of 'a' is of type list: it must be a dict"),
        ({"n": float("nan")}, "The metadata of 'a' cannot be JSON: the key 'n' is NaN"),
    ],
)
def test_what_is_no_metadata_is_refused(entry, metadata, message):
    with pytest.raises(InvalidInputError) as caught:
        entry.set_metadata("a", metadata)
    assert str(caught.value).startswith(message)
    assert row(entry) == ("text", '{"n": 1}', 0)


def test_an_id_that_is_not_there(entry):
    with pytest.raises(Collection.DoesNotExist, match="ID not found in collection 'test': 'b'"):
        entry.set_metadata("b", {"n": 1})
    assert not entry.db.conn.in_transaction


def test_a_collection_that_is_not_there_any_more(entry):
    other = Collection("test", entry.db)
    other.delete()
    with pytest.raises(Collection.DoesNotExist):
        entry.set_metadata("a", {"n": 1})


@pytest.fixture
def chunk(collection):
    collection.embed("a.md#1", "text", {**CHUNK, "lang": "en"}, store=True)
    return collection


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"lang": "de"}, {"lang": "de", **CHUNK}),
        ({}, CHUNK),
        ({**CHUNK, "lang": "de"}, {**CHUNK, "lang": "de"}),  # as it was read
    ],
)
def test_a_chunk_stays_one(chunk, given, expected):
    chunk.set_metadata("a.md#1", given)
    assert chunk.get("a.md#1").metadata == expected


@pytest.mark.parametrize("key", ["document", "chunk", "chunks", "start", "end", "heading"])
def test_a_chunk_does_not_become_another(chunk, key):
    with pytest.raises(InvalidInputError) as caught:
        chunk.set_metadata("a.md#1", {key: "other"})
    assert str(caught.value) == (
        f"The metadata of 'a.md#1' has the key '{key}' with 'other', and the entry is a chunk of "
        f"the document 'a.md', whose '{key}' is {CHUNK.get(key)!r}: use another key"
    )
    assert json.loads(row(chunk, "a.md#1")[1]) == {**CHUNK, "lang": "en"}


def test_the_keys_of_chunks_are_free_for_what_is_none(entry):
    entry.set_metadata("a", {"document": "a.md", "chunk": 1})
    assert entry.get("a").metadata == {"document": "a.md", "chunk": 1}
