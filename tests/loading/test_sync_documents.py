"""sync_documents(): afterwards a collection holds the documents of a source, and no more."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import vecstore
from tests.support.chunked import lines, rows_of
from tests.support.loads import Refusing
from tests.support.models import WordLengths
from vecstore import Collection, EmbedReport, InvalidInputError, ManyDeletionsError


def document(number, chunks=3):
    return f"{number}.txt", "\n".join(f"text {number} {n}" for n in range(chunks))


def documents(count):
    return [document(number) for number in range(count)]


@pytest.fixture
def synced(collection):
    """A collection of four documents, of three chunks each."""
    collection.sync_documents(documents(4), splitter=lines)
    return collection


def test_documents_that_the_source_has_no_more_are_deleted_with_their_chunks(synced, model):
    report = synced.sync_documents([*documents(3)[1:], document("new")], splitter=lines)
    assert report == EmbedReport(embedded=3, unchanged=6, deleted=6)
    assert synced.documents() == ["1.txt", "2.txt", "new.txt"]
    assert len(synced) == 9


def test_what_a_document_has_no_more_counts_too(synced):
    report = synced.sync_documents([*documents(3), ("3.txt", "text 3 0")], splitter=lines)
    assert (report.embedded, report.deleted) == (0, 2)
    report = synced.sync_documents([*documents(2), document(2, 1)], splitter=lines)
    assert report.deleted == 3
    assert synced.documents() == ["0.txt", "1.txt", "2.txt"]


def test_a_document_that_is_renamed_keeps_the_vectors_of_its_chunks(synced, model):
    model.embedded.clear()
    source = [*documents(3), ("renamed.txt", document(3)[1])]
    assert synced.sync_documents(source, splitter=lines) == EmbedReport(
        reused=3, unchanged=9, deleted=3
    )
    assert model.embedded == []


@pytest.mark.parametrize("batch_size", [1, 100])
def test_a_chunk_that_goes_to_a_document_that_comes_later_is_not_embedded_again(
    synced, model, batch_size
):
    model.embedded.clear()
    (first, text), *others = documents(4)
    moved, _, rest = text.partition("\n")
    source = [(first, rest), *others, ("later.txt", moved)]
    synced.sync_documents(source, splitter=lines, batch_size=batch_size)
    assert model.embedded == []


def test_an_entry_that_is_no_chunk_is_deleted(synced):
    synced.embed("plain", "one")
    synced.embed("0.txt", "as a whole")
    assert synced.sync_documents(documents(4), splitter=lines).deleted == 2
    assert synced.ids() == [f"{n}.txt#{c}" for n in range(4) for c in (1, 2, 3)]


def test_only_what_has_the_prefix_is_in_sync(collection):
    collection.sync_documents([("a/1", "x\ny"), ("a/2", "z"), ("a/3", "w")], "a/", lines)
    collection.embed_documents([("b/1", "x")], lines)
    report = collection.sync_documents([("a/1", "x\ny"), ("a/3", "w")], "a/", lines)
    assert report == EmbedReport(unchanged=3, deleted=1)
    assert collection.documents() == ["a/1", "a/3", "b/1"]
    with pytest.raises(InvalidInputError, match="does not begin with the prefix 'a/'"):
        collection.sync_documents([("b/1", "x")], "a/", lines)


def test_more_than_half_of_the_chunks_are_not_deleted_unless_it_is_said(synced):
    with pytest.raises(ManyDeletionsError) as error:
        synced.sync_documents(documents(1), splitter=lines)
    assert error.value.ids == [f"{n}.txt#{c}" for n in (1, 2, 3) for c in (1, 2, 3)]
    assert len(synced) == 12
    report = synced.sync_documents(documents(1), splitter=lines, delete_most=True)
    assert report == EmbedReport(unchanged=3, deleted=9)


def test_entries_that_become_documents_are_not_asked_about(collection):
    source = documents(4)
    collection.sync(source)
    report = collection.sync_documents(source, splitter=lines)
    assert report == EmbedReport(embedded=12, deleted=4)
    assert collection.documents() == [id for id, _ in source]


def test_a_source_that_fails_deletes_nothing(synced):
    def source():
        yield from documents(2)
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        synced.sync_documents(source(), splitter=lines)
    assert len(synced.documents()) == 4


@pytest.mark.parametrize("text", ["text 0 0\nbad one", b"bytes", None])
def test_a_document_that_is_skipped_stays_as_it_was(db, text):
    collection = Collection("test", db, model=Refusing())
    collection.sync_documents(documents(3), splitter=lines)
    collection.embed("0.txt", "as a whole")
    told = []
    report = collection.sync_documents(
        [("0.txt", text), document(1)],
        splitter=lines,
        on_error=lambda id, error: told.append(id),
    )
    assert (report.failed, report.deleted, len(told)) == (1, 3, 1)
    assert collection.ids() == ["0.txt", *(f"{n}.txt#{c}" for n in range(2) for c in (1, 2, 3))]


def test_an_entry_that_is_skipped_keeps_the_chunks_that_it_was_as_a_document(db):
    collection = Collection("test", db, model=Refusing())
    collection.sync_documents(documents(2), splitter=lines)
    source = [("0.txt", "bad one"), ("1.txt", "text")]
    report = collection.sync(source, on_error="skip", delete_most=True)
    assert report == EmbedReport(embedded=1, failed=1, deleted=3)
    assert collection.ids() == ["0.txt#1", "0.txt#2", "0.txt#3", "1.txt"]


def test_entries_are_not_stored_beside_their_chunks_unless_it_is_said(synced):
    before = synced.ids()
    with pytest.raises(InvalidInputError) as error:
        synced.sync(documents(4), on_error="skip")
    assert str(error.value) == (
        "'0.txt' is a document in chunks: sync_documents() (--chunk) keeps it in step, and "
        "delete_most=True (--yes) puts one entry in the place of its chunks"
    )
    assert synced.ids() == before
    synced.sync(documents(4), delete_most=True)
    assert synced.ids() == ["0.txt", "1.txt", "2.txt", "3.txt"]


def test_nothing_is_deleted_if_the_id_of_what_is_skipped_is_unknown(synced):
    report = synced.sync_documents([*documents(3), (None, "x")], splitter=lines, on_error="skip")
    assert report == EmbedReport(unchanged=9, failed=1)
    assert len(synced.documents()) == 4


def test_what_others_add_meanwhile_stays(synced):
    def source():
        yield from documents(3)
        synced.embed_documents([document("other")], lines)
        synced.embed("plain", "one")

    assert synced.sync_documents(source(), splitter=lines).deleted == 3
    assert synced.documents() == ["0.txt", "1.txt", "2.txt", "other.txt"]
    assert "plain" in synced


def test_a_document_is_a_pair_or_triple(collection):
    with pytest.raises(InvalidInputError, match="A document is 'ab', not an"):
        collection.sync_documents(["ab"], splitter=lines)
    with pytest.raises(InvalidInputError, match="on_error is 'go on'"):
        collection.sync_documents([], splitter=lines, on_error="go on")


TEXTS = st.lists(st.sampled_from(["a", "bb", "ccc", "dd dd", "e e e"]), max_size=4).map("\n".join)
EDITS = st.lists(
    st.tuples(
        st.sampled_from(["write", "rename", "delete"]),
        st.sampled_from("pqrst"),
        st.sampled_from("pqrst"),
        TEXTS,
        st.sampled_from([{}, {"n": 1}]),
    ),
    max_size=6,
)


def edited(source, edits):
    source = dict(source)
    for kind, id, other, text, metadata in edits:
        if kind == "write":
            source[id] = (text, metadata)
        elif id in source:
            entry = source.pop(id)
            if kind == "rename":
                source[other] = entry
    return source


@settings(max_examples=40, deadline=None)
@given(
    rounds=st.lists(EDITS, min_size=1, max_size=4),
    batch_size=st.integers(1, 6),
    concurrency=st.integers(1, 3),
)
def test_after_each_sync_it_is_as_loaded_anew_and_the_model_got_what_was_new(
    rounds, batch_size, concurrency
):
    model = WordLengths()
    source: dict[str, tuple[str, dict]] = {}
    with contextlib.closing(vecstore.connect()) as db:
        collection = Collection("test", db, model=model)
        for edits in rounds:
            known = {line for text, _ in source.values() for line in text.split("\n")}
            source = edited(source, edits)
            model.embedded.clear()
            entries = [(id, *entry) for id, entry in source.items()]
            collection.sync_documents(
                entries,
                splitter=lines,
                delete_most=True,
                batch_size=batch_size,
                concurrency=concurrency,
            )
            fresh = Collection("fresh", db, model=WordLengths())
            fresh.embed_documents(entries, lines)
            assert rows_of(collection) == rows_of(fresh)
            fresh.delete()
            new = {line for text, _ in source.values() for line in text.split("\n")} - known
            assert sorted(model.embedded) == sorted(new - {""})
