"""What embed(), embed_multi() and sync() promise: the write contract, and what ends a load."""

import pytest

import vecstore
from tests.support.loads import Refusing, numbered
from tests.support.models import Vectors, WordLengths
from tests.support.places import execute, stored, updated
from vecstore import Collection, EmbedReport, InvalidInputError, ManyDeletionsError
from vecstore.loading.preview import preview
from vecstore.vectors import content_hash

HOUND = [2.0, 5.0, 5.0] + [0.0] * 13


def test_embed_stores_exactly_the_documented_row(collection):
    collection.embed("hound", "my happy hound", {"name": "Hound"}, store=True)
    collection.embed("b", "not kept")
    collection.embed("c", b"bytes here", store=True)
    found = stored(collection)
    assert found["hound"] == (
        HOUND,
        "my happy hound",
        None,
        content_hash("my happy hound"),
        {"name": "Hound"},
    )
    assert found["b"][1:] == (None, None, content_hash("not kept"), None)
    assert found["c"][1:] == (None, b"bytes here", content_hash(b"bytes here"), None)
    assert updated(collection)["hound"] > 1_700_000_000


@pytest.mark.parametrize("batch_size", [1, 2, 100])
def test_the_last_write_wins_whatever_the_batches_are(collection, batch_size):
    entries = [("a", "one", {"v": 1}), ("b", "bee", None), ("a", "two", None), ("b", "bee", {})]
    collection.embed_multi_with_metadata(entries, store=True, batch_size=batch_size)
    found = {id: (row[1], row[4]) for id, row in stored(collection).items()}
    assert found == {"a": ("two", {"v": 1}), "b": ("bee", None)}


def test_the_same_content_is_embedded_once_under_any_id(collection, model):
    assert collection.embed_multi([("a", "x"), ("b", "x"), ("c", b"x")]) == EmbedReport(
        embedded=1, reused=2
    )
    assert collection.embed_multi([("d", "x"), ("a", "y")], batch_size=1) == EmbedReport(
        embedded=1, reused=1
    )
    assert model.embedded == ["x", "y"]


def test_content_of_another_collection_is_not_reused(collection, store, model):
    collection.embed("a", "x")
    other = Collection("other", store, model=model)
    assert other.embed_multi([("a", "x")]) == EmbedReport(embedded=1)


def test_an_unchanged_row_is_not_written(collection):
    entries = [("a", "one", {"x": 1, "y": [2]}), ("b", b"two", None)]
    collection.embed_multi_with_metadata(entries, store=True)
    execute(collection.store, "update embeddings set updated = 7")
    again = [("a", "one", {"y": [2], "x": 1}), ("b", b"two", None)]
    assert collection.embed_multi_with_metadata(again) == EmbedReport(unchanged=2)
    assert updated(collection) == {"a": 7, "b": 7}


def test_zero_is_the_same_with_a_minus(collection):
    collection.embed("a", "one", {"n": -0.0})
    report = collection.embed_multi_with_metadata([("a", "one", {"n": -0.0})])
    assert report == EmbedReport(unchanged=1)


def test_metadata_that_only_python_finds_equal_is_changed(collection):
    collection.embed("a", "one", {"n": 1})
    for value in (True, 1.0, 1):
        report = collection.embed_multi_with_metadata([("a", "one", {"n": value})])
        assert report == EmbedReport(updated=1)
        assert repr(collection.get("a").metadata["n"]) == repr(value)


def test_metadata_of_none_stays_and_empty_metadata_removes_it(collection, model):
    collection.embed("a", "one", {"n": 1})
    for entry, report, metadata in (
        (("a", "two", None), EmbedReport(embedded=1), {"n": 1}),
        (("a", "two", {"n": 2}), EmbedReport(updated=1), {"n": 2}),
        (("a", "two", {}), EmbedReport(updated=1), None),
        (("a", "two", {}), EmbedReport(unchanged=1), None),
    ):
        assert collection.embed_multi_with_metadata([entry]) == report
        assert collection.get("a").metadata == metadata
    assert model.embedded == ["one", "two"]


def test_stored_content_stays_while_it_is_what_was_embedded(collection, model):
    collection.embed("a", "one")
    for store, content, report in (
        (True, "one", EmbedReport(updated=1)),
        (False, "one", EmbedReport(unchanged=1)),
    ):
        assert collection.embed_multi([("a", content)], store) == report
        assert collection.get("a").content == "one"
    collection.embed("a", "two")
    assert collection.get("a").content is None
    collection.embed("a", b"three", store=True)
    assert stored(collection)["a"][1:3] == (None, b"three")
    collection.embed("a", "four", store=True)
    assert stored(collection)["a"][1:3] == ("four", None)
    assert model.embedded == ["one", "two", b"three", "four"]


def test_a_row_that_lost_its_vector_is_embedded_again(collection, model):
    collection.embed_multi([("a", "one"), ("b", "two")], store=True)
    before = stored(collection)
    execute(collection.store, "update embeddings set embedding = null where id = ?", ["a"])
    assert [entry.id for entry in collection.similar("one")] == ["b"]
    assert collection.embed_multi([("a", "one"), ("b", "two")]) == EmbedReport(
        embedded=1, unchanged=1
    )
    assert (stored(collection), model.embedded) == (before, ["one", "two", "one", "one"])


def test_content_with_a_zero_vector_is_embedded_once(store):
    collection = Collection("test", store, model=Vectors())
    for report in (EmbedReport(embedded=2), EmbedReport(unchanged=2)):
        assert collection.embed_multi([("a", "0 0"), ("b", "1 0")]) == report
    assert [e.id for e in collection.similar("1 0")] == ["b"]
    assert collection.similar("0 0") == collection.similar_by_id("a") == []


@pytest.mark.parametrize("concurrency", [1, 3])
def test_each_batch_is_written_as_it_completes(collection, concurrency):
    reports = []
    collection.embed_multi(
        numbered(10),
        batch_size=4,
        concurrency=concurrency,
        progress=lambda report: reports.append((report.embedded, collection.count())),
    )
    assert reports == [(4, 4), (8, 8), (10, 10)]


def test_what_ends_the_iterable_keeps_the_batches_before(collection):
    def entries():
        yield from numbered(5)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        collection.embed_multi(entries(), batch_size=2)
    assert collection.ids() == ["00000", "00001", "00002", "00003"]
    assert collection.embed_multi(numbered(5), batch_size=2) == EmbedReport(embedded=1, unchanged=4)


def test_many_entries_in_one_batch(collection):
    assert collection.embed_multi(numbered(3000), batch_size=3000).embedded == 3000
    assert collection.embed_multi(numbered(3000), batch_size=3000) == EmbedReport(unchanged=3000)
    assert collection.delete_ids(id for id, _ in numbered(3000)) == 3000


def test_no_transaction_is_open_while_the_model_works(store):
    class Looking(WordLengths):
        def embed_batch(self, items):
            assert not store.has_transaction()
            return super().embed_batch(items)

    collection = Collection("test", store, model=Looking())
    assert collection.embed_multi(numbered(5), batch_size=2) == EmbedReport(embedded=5)
    assert collection.similar("text 1", 1)[0].id == "00000"


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ((None, "x", None), "An id is None"),
        (("b", 5, None), "The value of 'b' is of type int: it must be str or bytes"),
        (("b", "x", [1]), "The metadata of 'b' is of type list: it must be a dict"),
        (("b", "\ud800", None), "The value of 'b' has a lone surrogate at position 0"),
        (("b", "x", {"n": float("nan")}), "The metadata of 'b' cannot be JSON: the key 'n' is NaN"),
    ],
)
def test_a_bad_entry_is_refused_or_skipped(collection, model, entry, message):
    with pytest.raises(InvalidInputError, match=message):
        collection.embed_multi_with_metadata([("a", "one", None), entry])
    assert (collection.count(), model.embedded) == (0, [])
    told = []
    report = collection.embed_multi_with_metadata(
        [("a", "one", None), entry], on_error=lambda id, error: told.append((id, str(error)))
    )
    assert report == EmbedReport(embedded=1, failed=1)
    assert [id for id, _ in told] == [str(entry[0])]
    assert told[0][1].startswith(message)
    assert collection.ids() == ["a"]


def test_what_is_no_entry_stops_even_so(collection):
    for call in (collection.embed_multi, collection.embed_multi_with_metadata):
        with pytest.raises(InvalidInputError, match="make tuples"):
            call([{"id": "a"}], on_error="skip")
    with pytest.raises(InvalidInputError, match="batch_size"):
        collection.embed_multi([("a", "one")], batch_size=0)
    with pytest.raises(InvalidInputError, match="on_error is 'ignore'"):
        collection.embed_multi([("a", "one")], on_error="ignore")


@pytest.mark.parametrize("concurrency", [1, 4])
@pytest.mark.parametrize("batch_size", [1, 2, 10])
def test_refused_entries_are_skipped_and_named(store, concurrency, batch_size):
    collection = Collection("test", store, model=Refusing(concurrency))
    entries = [("a", "one"), ("b", "bad 1"), ("c", "two"), ("d", "nan"), ("e", "bad 2")]
    told = {}
    report = collection.embed_multi(
        entries, batch_size=batch_size, on_error=lambda id, error: told.update({id: str(error)})
    )
    assert (report, collection.ids()) == (EmbedReport(embedded=2, failed=3), ["a", "c"])
    assert told == {
        "b": "'b' was not embedded: too long",
        "d": "The vector of 'd' holds NaN or an infinity: it could not be compared with anything",
        "e": "'e' was not embedded: too long",
    }
    with pytest.raises(vecstore.RejectedInputError, match="'b' was not embedded: too long"):
        collection.embed_multi(entries, batch_size=batch_size)


def test_a_vector_of_another_dimension_is_refused_with_its_id(store):
    collection = Collection("test", store, model=Vectors())
    collection.embed("a", "1 0")
    message = (
        "^The vector of 'c' has 3 dimensions and the collection's vectors have 2: the model changed"
    )
    entries = [("b", "0 1"), ("c", "1 2 3"), ("d", "1 1")]
    with pytest.raises(vecstore.DimensionError) as caught:
        collection.embed_multi(entries)
    assert "'c' has 3 dimensions" in str(caught.value), message
    assert collection.ids() == ["a", "b"]
    assert collection.embed_multi(entries, on_error="skip") == EmbedReport(
        embedded=1, unchanged=1, failed=1
    )


def test_of_vectors_of_which_any_may_be_wrong_none_is_written(store):
    class Short(WordLengths):
        def embed_batch(self, items):
            return [[1.0] * 16]

    collection = Collection("short", store, model=Short())
    with pytest.raises(vecstore.ModelError, match="returned 1 vectors for 10"):
        collection.embed_multi(numbered(10), on_error="skip")
    mixed = Collection("mixed", store, model=Vectors())
    with pytest.raises(vecstore.DimensionError):
        mixed.embed_multi([("a", "1 0"), ("b", "1 2 3")])
    assert (collection.count(), mixed.count()) == (0, 0)


def test_a_preview_is_the_report_of_the_load(collection, model):
    collection.embed_multi_with_metadata([("a", "one", {"n": 1}), ("b", "two", None)], store=True)
    entries = [
        ("a", "one", {"n": 2}),
        ("b", "two", None),
        ("c", "one", None),
        ("d", "four", None),
        ("a", "five", None),
        (None, "refused", None),
    ]
    model.embedded.clear()
    seen = preview(
        collection.store,
        collection.row,
        model,
        entries,
        2,
        content_hash=collection.content_hash,
        stores_content=True,
        on_error="skip",
    )
    assert model.embedded == []
    report = collection.embed_multi_with_metadata(
        entries, store=True, batch_size=2, on_error="skip"
    )
    assert (seen.new + seen.changed, seen.reused, seen.updated, seen.unchanged) == (
        report.embedded,
        report.reused,
        report.updated,
        report.unchanged,
    )
    assert report == EmbedReport(embedded=2, reused=1, updated=1, unchanged=1, failed=1)


def test_a_sync_leaves_what_the_source_holds(collection, model):
    assert collection.sync(numbered(10), store=True) == EmbedReport(embedded=10)
    execute(collection.store, "update embeddings set updated = 7")
    assert collection.sync(numbered(10), store=True) == EmbedReport(unchanged=10)
    assert set(updated(collection).values()) == {7}
    source = [("00003", "changed"), ("renamed", "text 4"), *numbered(3), *numbered(9)[5:]]
    assert collection.sync(source, store=True) == EmbedReport(
        embedded=1, reused=1, unchanged=7, deleted=2
    )
    assert {id: row[1] for id, row in stored(collection).items()} == dict(source)
    assert model.embedded[10:] == ["changed"]


def test_a_sync_of_a_prefix_leaves_others(collection):
    collection.embed_multi([("a%/1", "one"), ("a%/2", "two"), ("aX/1", "three"), ("b", "four")])
    report = collection.sync([("a%/2", "two"), ("a%/3", "one")], "a%/")
    assert report == EmbedReport(reused=1, unchanged=1, deleted=1)
    assert collection.ids() == ["a%/2", "a%/3", "aX/1", "b"]
    with pytest.raises(InvalidInputError, match="does not begin with the prefix 'a%/'|'b'"):
        collection.sync([("b", "two")], "a%/", on_error="skip")


def test_more_than_half_is_not_deleted_unless_it_is_said(collection):
    collection.embed_multi(numbered(10))
    with pytest.raises(ManyDeletionsError) as caught:
        collection.sync([*numbered(4), ("new", "new")])
    assert caught.value.ids == [id for id, _ in numbered(10)[4:]]
    assert collection.count() == 11
    assert collection.sync(numbered(4), delete_most=True) == EmbedReport(unchanged=4, deleted=7)
    assert collection.ids() == [id for id, _ in numbered(4)]


def test_what_is_skipped_or_fails_deletes_nothing(collection):
    collection.embed_multi(numbered(5))

    def source():
        yield from numbered(3)
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        collection.sync(source())
    assert collection.sync([*numbered(4), ("00004", 5)], on_error="skip") == EmbedReport(
        unchanged=4, failed=1
    )
    assert collection.count() == 5
