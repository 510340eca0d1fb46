"""Documents that are refused, or of which a chunk is: each stays as it was, as a whole."""

import pytest

import vecstore
from tests.support.chunked import contents, lines, rows_of
from tests.support.loads import Refusing
from tests.support.models import Vectors, WordLengths
from vecstore import Collection, EmbedReport, InputTypeError, InvalidInputError


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (("d", b"bytes"), "The document 'd' is of type bytes, not text: decode it"),
        (("d", None), "The document 'd' is of type NoneType, not text"),
        (("d", "a\ud800"), "The document 'd' has a lone surrogate at position 1"),
        ((None, "text"), "An id is None"),
        (("d", "text", "x"), "The metadata of 'd' is of type str: it must be a dict"),
        (("d", "text", {"end": 1}), "The metadata of 'd' has the key 'end', under which each"),
        (("d", "text", {"x": b""}), "The metadata of 'd' cannot be JSON: the key 'x'"),
        (("d", "broken"), "The splitter failed over the document 'd'"),
    ],
)
def test_what_cannot_be_a_document_is_named(collection, document, message):
    def split(text):
        if text == "broken":
            raise OSError
        return lines(text)

    documents = [("a", "one"), document, ("z", "two\nthree")]
    with pytest.raises(InvalidInputError, match=message):
        collection.embed_documents(documents, split)
    assert collection.count() == 0
    failed = []
    report = collection.embed_documents(
        documents, split, on_error=lambda id, error: failed.append((id, str(error)))
    )
    assert report == EmbedReport(embedded=3, failed=1)
    [(id, said)] = failed
    assert (id, message in said) == (str(document[0]), True)
    assert collection.ids() == ["a#1", "z#1", "z#2"]


@pytest.mark.parametrize("wrong", ["ab", ("a",), ("a", "b", {}, 1), {"id": "a", "text": "b"}])
def test_what_is_no_tuple_always_stops(collection, wrong):
    with pytest.raises(InvalidInputError, match=r"not an \(id, text\) or \(id, text, metadata\)"):
        collection.embed_documents([wrong], lines, on_error="skip")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"splitter": "pdf"}, "splitter is 'pdf'"),
        ({"splitter": lines, "size": 0}, "size is 0"),
        ({"splitter": lines, "overlap": -1}, "overlap is -1"),
        ({"splitter": lines, "batch_size": 0}, "batch_size is 0"),
        ({"splitter": lines, "on_error": "ignore"}, "on_error is 'ignore'"),
    ],
)
def test_wrong_parameters_are_refused_before_anything_is_read(collection, options, message):
    def documents():
        raise AssertionError("was read")
        yield

    with pytest.raises(InvalidInputError, match=message):
        collection.embed_documents(documents(), **options)


def test_a_model_of_images_has_no_documents(db):
    class Images(WordLengths):
        supports_text = False

    collection = Collection("test", db, model=Images())
    with pytest.raises(InputTypeError, match="'d' is text, which the model 'word-lengths' cannot"):
        collection.embed_documents([("d", "text")], lines)


@pytest.mark.parametrize("concurrency", [1, 2])
@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_a_refused_chunk_leaves_its_document_as_it_was(db, concurrency, batch_size):
    collection = Collection("test", db, model=Refusing(concurrency))
    collection.embed_documents([("a", "one"), ("b", "two\nthree\nfour"), ("c", "five")], lines)
    before = rows_of(collection)
    after = [
        ("a", "one\nsix"),
        ("b", "seven\nbad luck\neight\nbad end"),
        ("new", "bad start\nnine"),
        ("c", "ten\nfive"),
    ]
    failed = []
    report = collection.embed_documents(
        after,
        lines,
        batch_size=batch_size,
        on_error=lambda id, error: failed.append((id, str(error))),
    )
    assert report == EmbedReport(embedded=2, updated=1, reused=1, failed=2)
    assert [id for id, _ in failed] == ["b#2", "new#1"]
    assert all("was not embedded: too long" in error for _, error in failed)
    assert {id: row for id, row in rows_of(collection).items() if id.startswith("b#")} == {
        id: row for id, row in before.items() if id.startswith("b#")
    }
    assert collection.documents() == ["a", "b", "c"]
    assert contents(collection, "c") == ["ten", "five"]


@pytest.mark.parametrize("concurrency", [1, 2])
def test_without_skip_what_is_before_the_refused_chunk_is_written(db, concurrency):
    collection = Collection("test", db, model=Refusing(concurrency))
    documents = [("a", "one\ntwo"), ("b", "three\nbad luck"), ("c", "four")]
    with pytest.raises(vecstore.RejectedInputError, match="'b#2' was not embedded: too long"):
        collection.embed_documents(documents, lines)
    assert collection.ids() == ["a#1", "a#2"]


@pytest.mark.parametrize("skip", [True, False])
def test_a_vector_of_another_dimension_leaves_its_document_as_it_was(db, skip):
    collection = Collection("test", db, model=Vectors())
    collection.embed_documents([("a", "1 0"), ("b", "0 1\n1 1"), ("gone", "5 5")], lines)
    documents = [
        ("a", "1 0\n2 0"),
        ("b", "3 1\n1 2 3\n5 1"),
        ("gone", ""),
        ("c", "4 1"),
    ]
    if skip:
        report = collection.embed_documents(documents, lines, on_error="skip")
        assert report == EmbedReport(embedded=2, updated=1, failed=1, deleted=1)
        expected = {"a": ["1 0", "2 0"], "b": ["0 1", "1 1"], "c": ["4 1"]}
    else:
        with pytest.raises(vecstore.DimensionError, match="The vector of 'b#2'"):
            collection.embed_documents(documents, lines)
        expected = {"a": ["1 0", "2 0"], "b": ["0 1", "1 1"], "gone": ["5 5"]}
    assert {name: contents(collection, name) for name in collection.documents()} == expected


@pytest.mark.parametrize("call", ["embed", "embed_multi"])
def test_an_entry_cannot_have_the_id_of_a_chunk(collection, model, call):
    collection.embed_documents([("a", "one\ntwo")], lines)
    before = rows_of(collection)
    model.embedded.clear()
    message = r"The id 'a#2' is that of a chunk of the document 'a': .* delete_documents\(\['a'\]\)"
    with pytest.raises(InvalidInputError, match=message):
        if call == "embed":
            collection.embed("a#2", "other")
        else:
            collection.embed_multi([("b", "new"), ("a#2", "other")])
    assert (rows_of(collection), model.embedded) == (before, [])
    failed = []
    report = collection.embed_multi(
        [("b", "new"), ("a#2", "other"), ("a#3", "fine")],
        on_error=lambda id, _: failed.append(id),
    )
    assert (report, failed) == (EmbedReport(embedded=2, failed=1), ["a#2"])
    assert collection.ids() == ["a#1", "a#2", "a#3", "b"]
    assert contents(collection, "a") == ["one", "two"]


def test_an_entry_that_says_that_it_is_the_chunk_may_be_written(collection):
    """So that entries can be copied, and copied again."""
    collection.embed_documents([("a", "one\ntwo")], lines)
    copies = [(entry.id, entry.content, entry.metadata) for entry in collection]
    assert collection.embed_multi_with_metadata(copies) == EmbedReport(unchanged=2)


def test_a_document_cannot_take_the_id_of_an_entry(collection, model):
    collection.embed_multi([("a#2", "mine"), ("b", "x")])
    before = rows_of(collection)
    model.embedded.clear()
    documents = [("b", "one"), ("a", "one\ntwo\nthree"), ("a#2", "four")]
    message = "The document 'a' would have the chunk 'a#2', which is the id of an entry that is no"
    with pytest.raises(InvalidInputError, match=message):
        collection.embed_documents(documents, lines)
    assert (rows_of(collection), model.embedded) == (before, [])
    failed = []
    report = collection.embed_documents(documents, lines, on_error=lambda id, _: failed.append(id))
    assert (report, failed) == (EmbedReport(embedded=2, failed=1), ["a#2"])
    assert collection.ids() == ["a#2", "a#2#1", "b", "b#1"]


@pytest.mark.parametrize("skip", [True, False])
def test_an_id_that_is_taken_while_the_model_works(path, closing, skip):
    """By another process, which is simulated by another connection."""

    class Slow(WordLengths):
        def embed_batch(self, items):
            items = list(items)
            if items[0] == "mine":
                other.embed_documents([("a", "one\ntwo")], lines)
            return super().embed_batch(items)

    collection = Collection("test", closing(vecstore.connect(path)), model=Slow())
    other = Collection("test", closing(vecstore.connect(path)), model=WordLengths())
    if skip:
        report = collection.embed_multi([("a#1", "mine"), ("b", "yours")], on_error="skip")
        assert report == EmbedReport(embedded=1, failed=1)
    else:
        with pytest.raises(InvalidInputError, match="is that of a chunk of the document 'a'"):
            collection.embed_multi([("a#1", "mine"), ("b", "yours")])
    assert other.ids() == ["a#1", "a#2", "b"][: 3 if skip else 2]
    assert contents(other, "a") == ["one", "two"]


def test_of_two_that_load_a_document_at_once_one_wins(path, closing):
    class Slow(WordLengths):
        def embed_batch(self, items):
            other.embed_documents([("a", "five\nsix\nseven\none")], lines)
            return super().embed_batch(items)

    collection = Collection("test", closing(vecstore.connect(path)), model=Slow())
    other = Collection("test", closing(vecstore.connect(path)), model=WordLengths())
    collection.embed_documents([("a", "one\ntwo")], lines)
    assert contents(other, "a") == ["one", "two"]
    assert other.ids() == ["a#1", "a#2"]


def test_an_error_of_the_same_content_names_both(db):
    collection = Collection("test", db, model=Refusing())
    failed = []
    collection.embed_documents(
        [("a", "bad one\nbad two"), ("b", "bad two"), ("c", "fine")],
        lines,
        on_error=lambda id, error: failed.append((id, str(error))),
    )
    assert failed == [
        ("a#1", "'a#1' was not embedded: too long"),
        (
            "b#1",
            "'b#1' has the content of an entry that was left out: 'a#2' was not embedded: too long",
        ),
    ]
