"""Documents: stored as chunks, replaced, shortened and deleted as a whole."""

import pytest

import vecstore
from tests.support.chunked import contents, lines, rows_of
from tests.support.models import WordLengths
from vecstore import Collection, EmbedReport, Entry, InvalidInputError


def test_a_chunk_is_an_entry(collection, model):
    report = collection.embed_documents(
        [("a.txt", "one\n\ntwo words", {"lang": "en"}), ("b.txt", "three")], lines
    )
    assert report == EmbedReport(embedded=3)
    assert model.embedded == ["one", "two words", "three"]
    assert list(collection) == [
        Entry(
            "a.txt#1",
            None,
            "one",
            {"lang": "en", "document": "a.txt", "chunk": 1, "chunks": 2, "start": 0, "end": 3},
        ),
        Entry(
            "a.txt#2",
            None,
            "two words",
            {"lang": "en", "document": "a.txt", "chunk": 2, "chunks": 2, "start": 5, "end": 14},
        ),
        Entry(
            "b.txt#1",
            None,
            "three",
            {"document": "b.txt", "chunk": 1, "chunks": 1, "start": 0, "end": 5},
        ),
    ]
    assert collection.documents() == ["a.txt", "b.txt"]


def test_the_headings_are_embedded_and_the_text_is_stored(collection, model):
    text = "# Birds\n\nOwls.\n\nFinches.\n"
    collection.embed_documents([("n.md", text)], lines)
    assert model.embedded == ["# Birds", "Birds\n\nOwls.", "Birds\n\nFinches."]
    assert contents(collection, "n.md") == ["# Birds", "Owls.", "Finches."]
    assert [entry.metadata.get("heading") for entry in collection] == [None, "Birds", "Birds"]
    [(hashed,)] = collection.db.execute("select content_hash from embeddings where id = 'n.md#2'")
    assert hashed == collection.content_hash("Birds\n\nOwls.")


def test_a_changed_heading_embeds_what_is_below_it_again(collection, model):
    collection.embed_documents([("n.md", "# Birds\n\nOwls.\n")], lines)
    model.embedded.clear()
    collection.embed_documents([("n.md", "# Animals\n\nOwls.\n")], lines)
    assert model.embedded == ["# Animals", "Animals\n\nOwls."]
    fresh = Collection("fresh", collection.db, model=WordLengths())
    fresh.embed_documents([("n.md", "# Animals\n\nOwls.\n")], lines)
    assert rows_of(collection) == rows_of(fresh)


def test_without_headings_the_text_alone_is_embedded(collection, model):
    collection.embed_documents([("n.md", "# Birds\n\nOwls.\n")], lines, headings=False)
    assert model.embedded == ["# Birds", "Owls."]
    assert collection.get("n.md#2").metadata["heading"] == "Birds"


def test_only_text_that_is_new_is_embedded(collection, model):
    collection.embed_documents([("a", "one\ntwo\nthree"), ("b", "four")], lines)
    model.embedded.clear()
    report = collection.embed_documents([("a", "zero\none\ntwo\nthree"), ("b", "four")], lines)
    assert model.embedded == ["zero"]
    assert report == EmbedReport(embedded=1, reused=3, unchanged=1)
    assert contents(collection, "a") == ["zero", "one", "two", "three"]


def test_chunks_of_which_the_metadata_alone_changed_are_updated(collection, model):
    collection.embed_documents([("a", "one\ntwo\nthree")], lines)
    model.embedded.clear()
    report = collection.embed_documents([("a", "one\ntwo\nthree\nfour")], lines)
    assert report == EmbedReport(embedded=1, updated=3)
    assert collection.get("a#1").metadata["chunks"] == 4
    assert collection.embed_documents([("a", "one\ntwo\nthree\nfour")], lines) == EmbedReport(
        unchanged=4
    )


def test_a_document_that_became_shorter_leaves_nothing_behind(collection):
    collection.embed_documents([("a", "one\ntwo\nthree"), ("a#3", "x\ny")], lines)
    assert collection.embed_documents([("a", "one")], lines) == EmbedReport(updated=1, deleted=2)
    assert collection.ids() == ["a#1", "a#3#1", "a#3#2"]
    assert collection.embed_documents([("a", "")], lines) == EmbedReport(deleted=1)
    assert collection.documents() == ["a#3"]
    assert collection.embed_documents([("a", " ")], lines) == EmbedReport()


def test_metadata_of_none_keeps_that_of_the_user(collection):
    collection.embed_documents([("a", "one\ntwo", {"n": 1})], lines)
    assert collection.embed_documents([("a", "one\ntwo\nthree")], lines).embedded == 1
    assert [entry.metadata["n"] for entry in collection] == [1, 1, 1]
    assert collection.embed_documents([("a", "one\ntwo\nthree", {})], lines).updated == 3
    assert ["n" in entry.metadata for entry in collection] == [False] * 3


def test_the_last_of_a_document_wins(collection):
    collection.embed_documents([("a", "one\ntwo", {"n": 1}), ("a", "three")], lines)
    assert [(e.id, e.content, e.metadata["n"]) for e in collection] == [("a#1", "three", 1)]
    collection.embed_documents([(1, "one"), ("1", "two")], lines, batch_size=1)
    assert contents(collection, "1") == ["two"]


def test_without_store_no_text_is_kept(collection):
    collection.embed_documents([("a", "one\ntwo")], lines, store=False)
    assert contents(collection, "a") == [None, None]
    assert collection.embed_documents([("a", "one\ntwo")], lines).updated == 2
    assert collection.embed_documents([("a", "one\ntwo")], lines, store=False).unchanged == 2
    assert contents(collection, "a") == ["one", "two"]


def test_what_is_stored_is_the_text_of_the_chunk_where_the_same_was_embedded(collection):
    """With its heading, the second was what the first one is without."""
    collection.embed_documents([("a.md", "# T\n\nT\n\nx")], lambda _: [(8, 9)])
    assert contents(collection, "a.md") == ["x"]
    text = "T\n\nx"
    collection.embed_documents([("a.md", text)], lambda _: [(0, 4)], store=False)
    assert contents(collection, "a.md") == [text]


def test_a_batch_holds_whole_documents(collection, model):
    reports = []
    collection.embed_documents(
        [(str(n), "\n".join(f"{n} {m}" for m in range(3))) for n in range(5)],
        lines,
        batch_size=4,
        progress=lambda report: reports.append(report.embedded),
    )
    assert reports == [6, 12, 15]
    assert model.batches == [4, 2, 4, 2, 3]


@pytest.mark.parametrize("concurrency", [1, 3])
def test_a_long_document_is_asked_for_in_portions_and_written_at_once(collection, concurrency):
    class Portions(WordLengths):
        def embed_batch(self, items):
            if concurrency == 1:  # a connection may be for one thread
                counts.append(collection.count())
            return super().embed_batch(items)

    counts: list[int] = []
    model = Portions()
    other = Collection("test", collection.db, model=model)
    text = "\n".join(map(str, range(1050)))
    other.embed_documents([("long", text)], lines, concurrency=concurrency)
    assert model.batches == [100] * 10 + [50]
    assert set(counts) <= {0}
    assert collection.get_document("long")[-1].id == "long#1050"
    assert [e.metadata["chunk"] for e in collection.get_document("long")] == [*range(1, 1051)]
    assert other.delete_documents(["long", "nope"]) == 1050
    assert collection.count() == 0


def test_a_document_that_is_not_there_does_not_exist(collection):
    collection.embed("a", "one")
    collection.embed("a#2", "one", {"document": "a", "chunk": 1})
    with pytest.raises(
        Collection.DoesNotExist, match="Document not found in collection 'test': 'a'"
    ):
        collection.get_document("a")
    assert collection.documents() == []
    assert collection.delete_documents(["a"]) == 0
    with pytest.raises(InvalidInputError, match="ids is 'a'"):
        collection.delete_documents("a")


def test_ids_of_all_kinds(collection):
    names = [
        "",
        "#",
        "a#1",
        "a#1#1",
        "n\0ul",
        "a'b",
        'a"b',
        "%_*",
        "日本.md",
        "😀",
        "a#:",
        "x" * 5000,
    ]
    collection.embed_documents([(name, f"one\n{name or 'none'} two") for name in names], lines)
    assert collection.documents() == sorted(names)
    for name in names:
        assert [entry.id for entry in collection.get_document(name)] == [f"{name}#1", f"{name}#2"]
    assert collection.delete_documents(names[1:]) == 2 * (len(names) - 1)
    assert collection.ids() == ["#1", "#2"]


def test_what_another_program_has_stored_is_no_chunk(collection):
    metadata = [
        "no json",
        "[1]",
        "5",
        '{"document": "x", "chunk": 1}',
        '{"document": "e", "chunk": "1"}',
        '{"document": "f", "chunk": true}',
        b'{"document": "g", "chunk": 1}',
        "[" * 100_000,
    ]
    collection.embed_multi([(f"{letter}#1", letter) for letter in "abcdefgh"])
    for letter, text in zip("abcdefgh", metadata, strict=True):
        collection.db.execute(
            "update embeddings set metadata = ? where id = ?", [text, f"{letter}#1"]
        )
    assert collection.documents() == []
    assert collection.db.execute("select * from vecstore_documents").fetchall() == []
    collection.embed_multi([(f"{letter}#1", letter) for letter in "abcdefgh"])
    assert collection.delete_documents(["abcdefgh"]) == 0


def test_a_document_is_gone_where_its_collection_is(collection):
    collection.embed_documents([("a", "one")], lines)
    vecstore.Collection("test", collection.db).delete()
    for call in (
        collection.documents,
        lambda: collection.get_document("a"),
        lambda: collection.delete_documents(["a"]),
        lambda: collection.embed_documents([("a", "two")], lines),
    ):
        with pytest.raises(Collection.DoesNotExist, match="was deleted or renamed"):
            call()
