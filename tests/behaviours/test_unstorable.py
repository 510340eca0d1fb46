"""What PostgreSQL cannot hold, and a file can: an error names it before the model is asked."""

import pytest

from tests.support.chunked import lines
from tests.support.models import WordLengths
from tests.support.places import stored
from vecstore import Collection, EmbedReport, InvalidInputError
from vecstore.loading.preview import preview

LONG = "".join(chr(0x4E00 + n * 7919 % 20000) for n in range(867))  # 2,601 bytes
UNSTORABLE = {
    "an id with a NUL": (("b\0", "x", None), r"The entry 'b\\x00' cannot be stored: the id has a"),
    "a long id": ((LONG, "x", None), "the id has 2,601 bytes, and an index of PostgreSQL takes"),
    "content with a NUL": (("b", "x\0y", None), "The entry 'b' cannot be stored: the content has"),
    "metadata with a NUL": (("b", "x", {"n": ["\0"]}), "'b' cannot be stored: the metadata has"),
    "a key with a NUL": (("b", "x", {"a\0": 1}), "'b' cannot be stored: the metadata has a NUL"),
    "a NUL behind a backslash": (("b", "x", {"n": "\\\0"}), "the metadata has a NUL"),
}


@pytest.fixture
def collection(schema_url, model):
    return Collection("test", schema_url, model=model)


@pytest.mark.parametrize("what", UNSTORABLE)
def test_an_entry_is_refused_by_its_id_or_skipped(collection, model, what):
    entry, message = UNSTORABLE[what]
    entries = [("a", "one", None), entry, ("c", "two", None)]
    options = {"content_hash": collection.content_hash, "stores_content": True}
    arguments = (collection.store, collection.row, model, entries, 10)
    for call in (
        lambda: collection.embed_multi_with_metadata(entries, store=True),
        lambda: collection.add_multi([(id, [1.0] * 16, *rest) for id, *rest in entries]),
        lambda: preview(*arguments, **options),
        lambda: collection.sync(entries, store=True),
    ):
        with pytest.raises(InvalidInputError, match=message):
            call()
    assert (collection.count(), model.embedded) == (0, [])
    seen = preview(*arguments, **options, on_error="skip")
    told = []
    report = collection.embed_multi_with_metadata(
        entries, store=True, on_error=lambda id, error: told.append((id, str(error)))
    )
    assert (seen.new, report, model.embedded) == (
        2,
        EmbedReport(embedded=2, failed=1),
        ["one", "two"],
    )
    assert [id for id, _ in told] == [entry[0]]
    assert collection.ids() == ["a", "c"]
    again = collection.add_multi(
        [(f"{id}", [1.0] * 16, *rest) for id, *rest in entries], on_error="skip"
    )
    assert again == EmbedReport(added=2, failed=1)


def test_content_that_is_not_stored_may_have_a_nul(collection, model):
    assert collection.embed_multi([("a", "x\0y"), ("b", b"\0")], store=False).embedded == 2
    assert collection.embed_multi([("a", "x\0y")]) == EmbedReport(unchanged=1)
    collection.embed("c", b"\0\0", store=True)
    assert stored(collection)["c"][2] == b"\0\0"
    assert model.embedded == ["x\0y", b"\0", b"\0\0"]


def test_a_backslash_is_no_nul(collection):
    metadata = {"\\u0000": "\\u0000 \\\\u0000", "n": "\\"}
    collection.embed("a", "\\0 \\x00 \\u0000", metadata, store=True)
    entry = collection.get("a")
    assert (entry.content, entry.metadata) == ("\\0 \\x00 \\u0000", metadata)


def test_a_document_is_refused_by_the_id_of_its_chunk_or_skipped(collection, model):
    documents = [("a", "one\ntwo", None), ("b", "three\nfo\0ur", None), ("c\0", "five", None)]
    with pytest.raises(InvalidInputError, match="The entry 'b#2' cannot be stored: the content"):
        collection.embed_documents(documents, lines)
    assert (collection.count(), model.embedded) == (0, [])
    report = collection.embed_documents(documents, lines, on_error="skip")
    assert (report, collection.documents()) == (EmbedReport(embedded=2, failed=2), ["a"])


def test_metadata_is_refused_where_it_is_set(collection):
    collection.embed("a", "one", {"n": 1})
    with pytest.raises(InvalidInputError, match="The entry 'a' cannot be stored: the metadata has"):
        collection.set_metadata("a", {"n": "\0"})
    assert collection.get("a").metadata == {"n": 1}


def test_a_vector_of_too_many_dimensions_is_refused(schema_url):
    class Wide(WordLengths):
        size = 16_001

        def embed_batch(self, items):
            return [[float(len(item))] * self.size for item in items]

    own = Collection("own", schema_url, model_id="none")
    message = "'b' cannot be stored: the vector has 16,001 dimensions, and pgvector's type takes 16"
    with pytest.raises(InvalidInputError, match=message):
        own.add_multi([("b", [1.0] * 16_001)])
    assert own.add_multi([("b", [1.0] * 16_001)], on_error="skip") == EmbedReport(failed=1)
    assert own.add_multi([("a", [1.0] * 16_000)]) == EmbedReport(added=1)
    assert own.similar_by_vector([1.0] * 16_000)[0].id == "a"
    wide = Collection("wide", schema_url, model=Wide())
    with pytest.raises(InvalidInputError, match=message):
        wide.embed_multi([("b", "text")])
    assert (wide.count(), own.count()) == (0, 1)


@pytest.mark.parametrize(
    ("name", "message"),
    [("a\0", "has a NUL character"), (LONG, "has 2,601 bytes, and an index of PostgreSQL takes")],
)
def test_a_name_is_refused(collection, name, message):
    for call in (
        lambda: Collection(name, collection.store, model=WordLengths()),
        lambda: collection.rename(name),
        lambda: collection.copy(name),
    ):
        with pytest.raises(InvalidInputError, match=message):
            call()
    assert collection.store.describe().endswith(" has 'test'")


def test_a_prefix_is_refused(collection):
    with pytest.raises(InvalidInputError, match=r"The prefix 'a\\x00' has a NUL character"):
        collection.set_prefixes(query="a\0")
    assert collection.query_prefix == ""


def test_what_cannot_be_there_is_not_found(collection):
    collection.embed("a", "one")
    assert "a\0" not in collection
    assert collection.similar("one", prefix="\0") == collection.ids("\0") == []
    assert [e.id for e in collection.similar_by_vector([1.0] * 16, skip_id="a\0")] == ["a"]
    with pytest.raises(InvalidInputError):
        collection.ids(where="id = ?", where_args=["a\0"])
    assert not Collection.exists(collection.store, "a\0")
