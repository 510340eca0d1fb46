"""What the reference documentation of llm's embeddings shows, with vecstore imported as llm."""

import json

import pytest
import sqlite_utils

import vecstore as llm
from tests.support.openai_server import reject, server_in_environment


@pytest.fixture(autouse=True)
def server(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with server_in_environment(monkeypatch) as server:
        yield server


@pytest.fixture
def collection(closing):
    db = closing(sqlite_utils.Database("my-embeddings.db"))
    return llm.Collection("entries", db, model_id="3-small")


def test_models():
    embedding_model = llm.get_embedding_model("3-small")
    vector = embedding_model.embed("my happy hound")
    assert vector == [14.0, 382.0, 1.0]
    assert embedding_model.supports_text
    assert not embedding_model.supports_binary
    vectors = list(embedding_model.embed_multi(["my happy hound", "my dissatisfied cat"]))
    assert vectors[0] == vector
    lines = (f"line {n}" for n in range(50))
    assert len(list(embedding_model.embed_multi(lines, batch_size=20))) == 50


def test_collections_in_memory_and_in_a_file(closing):
    collection = llm.Collection("entries", model_id="3-small")
    closing(collection.db)
    db = closing(sqlite_utils.Database("my-embeddings.db"))
    collection = llm.Collection("entries", db, model_id="3-small")
    embedding_model = llm.get_embedding_model("3-small")
    collection = llm.Collection("entries", db, model=embedding_model)
    assert collection.model_id == "text-embedding-3-small"
    assert llm.Collection("entries", db).model_id == "text-embedding-3-small"


def test_embed_store_and_metadata(collection):
    collection.embed("hound", "my happy hound")
    collection.embed("hound", "my happy hound", metadata={"name": "Hound"}, store=True)
    [row] = collection.db.query("select id, content, metadata from embeddings")
    assert row == {"id": "hound", "content": "my happy hound", "metadata": '{"name": "Hound"}'}


def test_bulk(collection):
    collection.embed_multi(
        [
            ("hound", "my happy hound"),
            ("cat", "my dissatisfied cat"),
        ],
        store=True,
    )
    collection.embed_multi_with_metadata(
        [
            ("hound", "my happy hound", {"name": "Hound"}),
            ("cat", "my dissatisfied cat", {"name": "Cat"}),
        ],
        store=True,
    )
    lines_in_file = ["one", "two", "three"]
    collection.embed_multi(
        ((i, line) for i, line in enumerate(lines_in_file)),
        batch_size=10,
    )
    assert collection.count() == 5
    stored = collection.db.query("select id, metadata from embeddings order by id")
    assert [(row["id"], json.loads(row["metadata"] or "null")) for row in stored] == [
        ("0", None),
        ("1", None),
        ("2", None),
        ("cat", {"name": "Cat"}),
        ("hound", {"name": "Hound"}),
    ]


def test_similar(collection):
    collection.embed_multi([("hound", "my happy hound"), ("cat", "my dissatisfied cat")])
    for found in (
        collection.similar("hound"),
        collection.similar("hound", number=5),
        collection.similar_by_vector([14.0, 382.0, 1.0]),
    ):
        assert sorted(entry.id for entry in found) == ["cat", "hound"]
        assert found[0].score >= found[1].score
        assert (found[0].content, found[0].metadata) == (None, None)
    assert [entry.id for entry in collection.similar_by_id("cat")] == ["hound"]
    skipping = collection.similar_by_vector([14.0, 382.0, 1.0], number=10, skip_id="hound")
    assert [entry.id for entry in skipping] == ["cat"]


def test_exists_and_delete(collection):
    db = collection.db
    assert llm.Collection.exists(db, "entries")
    collection.delete()
    assert not llm.Collection.exists(db, "entries")
    with pytest.raises(llm.Collection.DoesNotExist):
        llm.Collection("entries", db, create=False)


def test_a_text_that_the_provider_rejects_is_reported_with_its_id(collection, server):
    server.answer = reject("too long")
    entries = [("a", "one"), ("b", "two"), ("culprit", "too long"), ("c", "three")]
    with pytest.raises(llm.RejectedInputError, match="'culprit' was not embedded"):
        collection.embed_multi(entries)
    assert collection.ids() == ["a", "b"]
