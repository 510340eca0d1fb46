"""Prefixes of a collection go along in an export, and must fit where it is imported."""

import io
import json
from contextlib import closing

import pytest

import vecstore
from tests.support.databases import rows
from tests.support.models import WordLengths
from vecstore import Collection, ExportHeader, export_collection, import_collection

FIND = ExportHeader("words", "word-lengths", 1, "find ", "store ")


@pytest.fixture(params=["jsonl", "parquet"])
def file(request, tmp_path):
    if request.param == "parquet":
        pytest.importorskip("pyarrow")
    return tmp_path / f"exported.{request.param}"


@pytest.fixture
def filled(db):
    collection = Collection("words", db, model=WordLengths())
    collection.set_prefixes(query="find ", document="store ")
    collection.embed("a", "hound", store=True)
    return collection


def test_a_new_collection_gets_those_of_the_file(filled, file, tmp_path):
    assert export_collection(filled.db, "words", file) == FIND
    assert import_collection(tmp_path / "other.db", file) == FIND
    with closing(vecstore.connect(tmp_path / "other.db")) as db:
        copy = Collection("words", db, model=WordLengths())
        assert (copy.query_prefix, copy.document_prefix) == ("find ", "store ")
        copy.embed("b", "cat")
        assert copy.model().embedded == ["store cat"]


def test_an_older_file_says_nothing_of_them(filled, file, tmp_path):
    plain = Collection("plain", filled.db, model=WordLengths())
    plain.embed("a", "hound")
    assert export_collection(filled.db, "plain", file) == ExportHeader("plain", "word-lengths", 1)
    stream = io.BytesIO()
    export_collection(filled.db, "plain", stream)
    assert json.loads(stream.getvalue().splitlines()[0]) == {
        "vecstore": 1,
        "collection": "plain",
        "model": "word-lengths",
        "entries": 1,
    }
    import_collection(tmp_path / "other.db", file)
    with closing(vecstore.connect(tmp_path / "other.db")) as db:
        assert rows(db, "select * from vecstore_prefixes") == []


def test_entries_of_another_document_prefix_are_refused(filled, file):
    export_collection(filled.db, "words", file)
    other = Collection("other", filled.db, model=WordLengths())
    with pytest.raises(vecstore.ModelMismatchError) as error:
        import_collection(filled.db, file, name="other")
    assert str(error.value) == (
        "The document prefix of collection 'other' is that of its model, and that of the file is "
        "'store ': vectors of two prefixes cannot be compared, so import it under another name"
    )
    assert (len(other), other.document_prefix) == (0, "")


def test_a_collection_that_is_there_keeps_its_query_prefix(filled, file):
    export_collection(filled.db, "words", file)
    filled.set_prefixes(query="ask ")
    import_collection(filled.db, file)
    assert (filled.query_prefix, len(filled)) == ("ask ", 1)


def test_what_is_no_prefix_is_named(db, tmp_path):
    header = {"vecstore": 1, "collection": "x", "model": "m", "entries": 0, "query_prefix": 5}
    (tmp_path / "x.jsonl").write_text(json.dumps(header))
    with pytest.raises(vecstore.InvalidInputError, match="^query_prefix is 5: a prefix must be"):
        import_collection(db, tmp_path / "x.jsonl")
