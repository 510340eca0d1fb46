"""A collection in a file, and from a file, is the same, from whichever store to whichever."""

import io

import pytest

import vecstore
from tests.support.models import Vectors, WordLengths
from tests.support.places import stored, updated
from vecstore import Collection, DimensionError, ExportHeader, InvalidInputError, ModelMismatchError
from vecstore.prefixes import Prefixes


@pytest.fixture
def filled(collection):
    collection.set_prefixes(query="find ", document="")
    collection.embed_multi_with_metadata(
        [
            ("a", "one", {"n": [1, 1.5e16], "é\u2028": None}),
            ("'%s\\", "\U0001f415\u2028\\x00", None),
            ("bytes", b"\0\xff", {}),
        ],
        store=True,
    )
    collection.embed("not stored", "two words")
    return collection


def exported(collection):
    stream = io.BytesIO()
    header = vecstore.export_collection(collection.store, collection.name, stream)
    stream.seek(0)
    return header, stream


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_what_is_imported_is_what_was_exported(filled, store, tmp_path, suffix):
    if suffix == "parquet":
        pytest.importorskip("pyarrow")
    file = tmp_path / f"exported.{suffix}"
    header = ExportHeader("test", "word-lengths", 4, "find ", "")
    assert vecstore.export_collection(store, "test", file) == header
    before, times = stored(filled), updated(filled)
    filled.delete()
    assert vecstore.import_collection(store, file) == header
    again = Collection("test", store)
    assert (stored(again), updated(again)) == (before, times)
    assert store.prefixes(again.row) == Prefixes("find ", "")
    elsewhere = tmp_path / "elsewhere.db"
    vecstore.import_collection(elsewhere, file, name="other")
    other = Collection("other", elsewhere)
    assert (stored(other), updated(other)) == (before, times)
    other.store.close()


def test_a_place_is_named_as_it_is_opened(filled, place, tmp_path):
    file = tmp_path / "exported.jsonl"
    vecstore.export_collection(place, "test", file)
    vecstore.import_collection(place, file, name="other")
    assert stored(Collection("other", filled.store)) == stored(filled)
    with pytest.raises(
        vecstore.DoesNotExist, match="does not exist: 'none' .* has 'other', 'test'"
    ):
        vecstore.export_collection(place, "none", tmp_path / "none.jsonl")
    assert not (tmp_path / "none.jsonl").exists()


def test_an_import_replaces_entries_of_the_same_id_and_keeps_others(filled, store):
    _, stream = exported(filled)
    before = stored(filled)
    filled.embed_multi_with_metadata([("a", "changed", {"m": 1}), ("new", "new", None)])
    kept = stored(filled)["new"]
    vecstore.import_collection(store, stream)
    assert stored(filled) == {**before, "new": kept}


def test_what_does_not_fit_is_refused_and_nothing_is_written(filled, store):
    header, stream = exported(filled)
    Collection("of another model", store, model=Vectors())
    other = Collection("of another dimension", store, model=WordLengths())
    other.set_prefixes(document="")
    other.add("x", [1.0, 2.0])
    prefixed = Collection("of another prefix", store, model=WordLengths())
    prefixed.set_prefixes(document="passage: ")
    lines = stream.getvalue().splitlines(keepends=True)
    for name, data, kind, message in (
        ("of another model", lines, ModelMismatchError, "was made with the model 'vectors'"),
        ("of another dimension", lines, DimensionError, "has 16 dimensions"),
        ("of another prefix", lines, ModelMismatchError, "The document prefix of collection"),
        ("new", lines[:-1], InvalidInputError, "ends after 3 of 4 entries: it is not complete"),
        ("new", [*lines[:-1], b"{\n"], InvalidInputError, "Line 5 is no entry"),
        ("new", [*lines[:-1], b'{"id": 5}\n'], InvalidInputError, ""),
        ("new", [b"{}\n"], InvalidInputError, "The first line is not that of an export"),
    ):
        if data[-1] == b'{"id": 5}\n':
            continue  # which SQLite takes as text
        with pytest.raises(kind, match=message):
            vecstore.import_collection(store, io.BytesIO(b"".join(data)), name=name)
        assert not store.has_transaction()
    assert not Collection.exists(store, "new")
    assert (other.ids(), prefixed.ids(), header.entries) == (["x"], [], 4)


def test_what_a_consumer_raises_ends_an_export_and_nothing_is_left_open(filled, store):
    class Broken(io.BytesIO):
        def write(self, data):
            raise OSError("no more room")

    with pytest.raises(OSError, match="no more room"):
        vecstore.export_collection(store, "test", Broken())
    assert not store.has_transaction()
    assert filled.embed_multi([("z", "zzz")]).embedded == 1


def test_an_export_is_of_one_moment_and_of_many_rows(store):
    collection = Collection("many", store, model=WordLengths())
    collection.embed_multi(((f"{n:05}", "x" * n) for n in range(2500)), batch_size=2500)
    header, stream = exported(collection)
    ids = [line.split(b'"')[3].decode() for line in stream.getvalue().splitlines()[1:]]
    assert (header.entries, ids) == (2500, [f"{n:05}" for n in range(2500)])
