"""`vecstore similar` by document."""

import json

import pytest

import vecstore
from tests.support.chunked import lines
from tests.support.command import output, usage_error
from vecstore import Collection


@pytest.fixture
def notes(tmp_path):
    path = tmp_path / "notes.db"
    db = vecstore.connect(path, driver="apsw")
    collection = Collection("notes", db, model_id="local")
    collection.embed_documents(
        [("a", "my happy hound\nmy happy hounds\nmy hound"), ("b", "my cat\nmy silent fish")], lines
    )
    collection.embed("c", "my horse", store=True)
    db.close()
    return str(path)


def ids(text):
    return [json.loads(line)["id"] for line in text.splitlines()]


def test_the_best_chunk_of_each_document(notes):
    found = output(
        "similar", "notes", "-c", "my happy hound", "--per-document", "-n", "5", "-d", notes
    )
    assert ids(found)[0] == "a#1"
    assert sorted(id.partition("#")[0] for id in ids(found)) == ["a", "b", "c"]


def test_the_document_of_an_id_is_left_out(notes):
    found = output("similar", "notes", "a#1", "--skip-document", "-d", notes)
    assert sorted(ids(found)) == ["b#1", "b#2", "c"]
    explained = output("similar", "notes", "a#1", "--skip-document", "--explain", "-d", notes)
    assert "ms" in explained


def test_only_an_id_has_a_document_to_leave_out(notes):
    said = usage_error("similar", "notes", "-c", "x", "--skip-document", "-d", notes)
    assert "--skip-document is for the entries like an ID" in said
