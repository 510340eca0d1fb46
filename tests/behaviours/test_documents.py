"""Documents: stored as chunks, replaced, shortened, deleted and kept in sync as a whole."""

import pytest

import vecstore
from tests.support.chunked import contents, lines
from tests.support.loads import Refusing
from tests.support.places import execute, stored
from vecstore import Collection, EmbedReport, Entry, InvalidInputError, ManyDeletionsError

IDS = ["", "#", "a#1", "a#1#1", "a'b", 'a"b', "%_*", "日本.md", "😀", "a#:", "x" * 2000, "\u2028"]


def test_a_chunk_is_an_entry(collection, model):
    report = collection.embed_documents(
        [("a.txt", "one\n\ntwo words", {"lang": "en"}), ("b.txt", "three")], lines
    )
    assert report == EmbedReport(embedded=3)
    assert model.embedded == ["one", "two words", "three"]
    of_a = {"lang": "en", "document": "a.txt", "chunks": 2}
    assert list(collection) == [
        Entry("a.txt#1", None, "one", {**of_a, "chunk": 1, "start": 0, "end": 3}),
        Entry("a.txt#2", None, "two words", {**of_a, "chunk": 2, "start": 5, "end": 14}),
        Entry(
            "b.txt#1",
            None,
            "three",
            {"document": "b.txt", "chunk": 1, "chunks": 1, "start": 0, "end": 5},
        ),
    ]
    assert collection.documents() == ["a.txt", "b.txt"]
    assert [entry.id for entry in collection.get_document("a.txt")] == ["a.txt#1", "a.txt#2"]


def test_only_text_that_is_new_is_embedded(collection, model):
    collection.embed_documents([("a", "one\ntwo\nthree"), ("b", "four")], lines)
    for text, report in (
        ("zero\none\ntwo\nthree", EmbedReport(embedded=1, reused=3, unchanged=1)),
        ("zero\none\ntwo\nthree\nfive", EmbedReport(embedded=1, updated=4, unchanged=1)),
        ("zero\none\ntwo\nthree\nfive", EmbedReport(unchanged=6)),
        ("zero", EmbedReport(updated=1, unchanged=1, deleted=4)),
        ("", EmbedReport(unchanged=1, deleted=1)),
    ):
        assert collection.embed_documents([("a", text), ("b", "four")], lines) == report
    assert model.embedded == ["one", "two", "three", "four", "zero", "five"]
    assert collection.ids() == ["b#1"]


def test_headings_are_embedded_and_the_text_is_stored(collection, model):
    collection.embed_documents([("n.md", "# Birds\n\nOwls.\n\nFinches.\n")], lines)
    assert model.embedded == ["# Birds", "Birds\n\nOwls.", "Birds\n\nFinches."]
    assert contents(collection, "n.md") == ["# Birds", "Owls.", "Finches."]
    assert stored(collection)["n.md#2"][3] == collection.content_hash("Birds\n\nOwls.")
    model.embedded.clear()
    collection.embed_documents([("n.md", "# Animals\n\nOwls.\n")], lines)
    assert model.embedded == ["# Animals", "Animals\n\nOwls."]


def test_metadata_of_none_keeps_that_of_the_user(collection):
    collection.embed_documents([("a", "one\ntwo", {"n": 1, "é": [1.5e16]})], lines)
    assert collection.embed_documents([("a", "one\ntwo\nthree")], lines).embedded == 1
    assert [(e.metadata["n"], e.metadata["é"]) for e in collection] == [(1, [1.5e16])] * 3
    assert collection.embed_documents([("a", "one\ntwo\nthree", {})], lines).updated == 3
    assert ["n" in entry.metadata for entry in collection] == [False] * 3


def test_a_chunk_stays_one_when_its_metadata_changes(collection):
    collection.embed_documents([("a", "one\ntwo", {"n": 1})], lines)
    collection.set_metadata("a#1", {"m": 2})
    assert collection.get("a#1").metadata == {
        "m": 2,
        "document": "a",
        "chunk": 1,
        "chunks": 2,
        "start": 0,
        "end": 3,
    }
    for key, value in (("document", "b"), ("chunk", 2), ("heading", "x")):
        with pytest.raises(InvalidInputError, match=f"'a#1' has the key '{key}' with"):
            collection.set_metadata("a#1", {key: value})


@pytest.mark.parametrize("batch_size", [1, 5, 100])
def test_ids_of_all_kinds(collection, batch_size):
    collection.embed_documents(
        [(name, f"one\n{name or 'none'} two") for name in IDS],
        lambda text: [(0, 3), (4, len(text))],
        batch_size=batch_size,
    )
    assert collection.documents() == sorted(IDS)
    for name in IDS:
        assert [entry.id for entry in collection.get_document(name)] == [f"{name}#1", f"{name}#2"]
    assert collection.delete_documents(IDS[1:]) == 2 * (len(IDS) - 1)
    assert collection.ids() == ["#1", "#2"]


def test_more_than_nine_chunks_are_in_their_order(collection):
    text = "\n".join(map(str, range(1050)))
    collection.embed_documents([("long", text)], lines, batch_size=1000)
    assert [entry.content for entry in collection.get_document("long")] == text.split("\n")
    assert collection.delete_documents(["long", "nope", "nul\0"]) == 1050


def test_a_document_that_is_not_there_does_not_exist(collection):
    collection.embed("a", "one")
    collection.embed("a#2", "one", {"document": "a", "chunk": 1})
    for id in ("a", "nul\0"):
        with pytest.raises(
            Collection.DoesNotExist, match="Document not found in collection 'test': '(a|nul.*)'"
        ):
            collection.get_document(id)
    assert (collection.documents(), collection.delete_documents(["a"])) == ([], 0)
    collection.embed_documents([("doc", "one\ntwo")], lines)
    with pytest.raises(
        Collection.DoesNotExist, match="'doc' is a document of 2 chunks: give the id of one, such"
    ):
        collection.get("doc")


def test_what_another_program_has_stored_is_no_chunk(collection):
    metadata = [
        "null",
        "[1]",
        "5",
        '{"document": "x", "chunk": 1}',
        '{"document": "e", "chunk": "1"}',
        '{"document": "f", "chunk": true}',
        '{"document": ["g"], "chunk": 1}',
        '{"document": "h", "chunk": 1.0}',
        '{"document": "i", "chunk": 1e0}',
        '{"document": "j"}',
    ]
    ids = [f"{letter}#1" for letter in "abcdefghij"]
    collection.embed_multi((id, id) for id in ids)
    for id, text in zip(ids, metadata, strict=True):
        execute(collection.store, "update embeddings set metadata = ? where id = ?", [text, id])
    found = set(collection.documents())
    assert found <= {"h", "i"}, found  # numbers that are 1
    assert collection.delete_documents("abcdefgj"[n : n + 1] for n in range(8)) == 0
    assert collection.embed_multi((id, id) for id in ids[:7]).unchanged == 7


def test_entries_and_chunks_do_not_take_each_others_ids(collection):
    collection.embed_documents([("a", "one\ntwo")], lines)
    collection.embed("b#1", "mine")
    for call, message in (
        (lambda: collection.embed("a#1", "x"), "'a#1' is that of a chunk of the document 'a'"),
        (lambda: collection.add("a#1", [1.0] * 16), "'a#1' is that of a chunk of the document"),
        (
            lambda: collection.embed_documents([("b", "one")], lines),
            "'b' would have the chunk 'b#1', which is the id of an entry that is no chunk",
        ),
    ):
        with pytest.raises(InvalidInputError, match=message):
            call()
    report = collection.embed_documents([("b", "x"), ("c", "y")], lines, on_error="skip")
    assert report == EmbedReport(embedded=1, failed=1)
    assert collection.ids() == ["a#1", "a#2", "b#1", "c#1"]


def test_a_document_of_which_a_chunk_is_refused_stays_as_it_was(store):
    collection = Collection("test", store, model=Refusing())
    collection.embed_documents([("a", "one\ntwo")], lines)
    before = stored(collection)
    with pytest.raises(vecstore.RejectedInputError, match="'a#2' was not embedded"):
        collection.embed_documents([("a", "three\nbad")], lines)
    assert stored(collection) == before
    documents = [("a", "three\nbad"), ("b", "four")]
    report = collection.embed_documents(documents, lines, on_error="skip")
    assert (report, collection.documents()) == (EmbedReport(embedded=1, failed=1), ["a", "b"])
    assert {id: row for id, row in stored(collection).items() if id != "b#1"} == before


def test_a_sync_of_documents_leaves_what_the_source_holds(collection, model):
    source = [("a", "one\ntwo"), ("b", "three"), ("c", "four\nfive")]
    assert collection.sync_documents(source, splitter=lines) == EmbedReport(embedded=5)
    assert collection.sync_documents(source, splitter=lines) == EmbedReport(unchanged=5)
    report = collection.sync_documents([source[0], ("renamed", "three"), source[2]], splitter=lines)
    assert report == EmbedReport(reused=1, unchanged=4, deleted=1)
    assert collection.documents() == ["a", "c", "renamed"]
    with pytest.raises(ManyDeletionsError):
        collection.sync_documents([source[1]], splitter=lines)
    report = collection.sync_documents([source[1]], splitter=lines, delete_most=True)
    assert (report, collection.ids()) == (EmbedReport(unchanged=1, deleted=5), ["b#1"])
    assert model.embedded == ["one", "two", "three", "four", "five"]
