"""sync(): afterwards a collection holds what its source holds, and the model got what was new."""

import contextlib
import pickle
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import vecstore
from tests.support.databases import rows
from tests.support.loads import Refusing, numbered
from tests.support.models import WordLengths
from vecstore import Collection, EmbedReport, InvalidInputError, ManyDeletionsError

CONTENTS = [" ".join(["word"] * n) for n in range(1, 9)]


def stored(collection):
    """Return the whole rows of a collection, by id, but for the time."""
    found = rows(
        collection.db,
        "select id, content, embedding, content_hash, metadata from embeddings order by id",
    )
    return {row[0]: row[1:] for row in found}


def fresh(entries, model=None):
    """Return what a new collection holds after these entries were loaded."""
    with contextlib.closing(vecstore.connect()) as db:
        collection = Collection("fresh", db, model=model or WordLengths())
        collection.embed_multi_with_metadata(entries, store=True)
        return stored(collection)


@pytest.fixture
def synced(collection):
    """A collection of ten entries."""
    collection.sync(numbered(10), store=True)
    return collection


def test_the_first_sync_is_a_load(collection):
    assert collection.sync(numbered(10), store=True) == EmbedReport(embedded=10)
    assert collection.ids() == [id for id, _ in numbered(10)]


def test_what_the_source_has_no_more_is_deleted(synced, model):
    source = [("00003", "changed"), *numbered(3), *numbered(9)[5:], ("new", "a new one")]
    report = synced.sync(source, store=True)
    assert report == EmbedReport(embedded=2, unchanged=7, deleted=2)
    assert {id: row[0] for id, row in stored(synced).items()} == dict(source)
    assert model.embedded[10:] == ["changed", "a new one"]


def test_the_same_source_again_writes_nothing(synced):
    changes = rows(synced.db, "select total_changes()")
    assert synced.sync(numbered(10), store=True) == EmbedReport(unchanged=10)
    assert rows(synced.db, "select total_changes()") == changes


def test_what_is_renamed_keeps_its_vector(synced, model):
    source = [("renamed", "text 0"), *numbered(10)[1:]]
    assert synced.sync(source) == EmbedReport(reused=1, unchanged=9, deleted=1)
    assert (len(model.embedded), "00000" in synced, "renamed" in synced) == (10, False, True)


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_contents_that_move_on_by_one_id_are_not_embedded_again(synced, model, batch_size):
    """As the files of a log do, each of which is written over the one before."""
    texts = ["text new", *(text for _, text in numbered(10))]
    source = [(f"{n:05}", text) for n, text in enumerate(texts)]
    report = synced.sync(source, store=True, batch_size=batch_size)
    assert report == EmbedReport(embedded=1, reused=10)
    assert model.embedded[10:] == ["text new"]
    assert stored(synced) == fresh([(*pair, None) for pair in source])


def test_entries_have_metadata_or_not(collection):
    collection.sync([("a", "one", {"n": 1}), ("b", "two", {"n": 2}), ("c", "three")])
    report = collection.sync([["a", "one", {"n": 3}], ("b", "two"), ("c", "three", {})])
    assert report == EmbedReport(updated=1, unchanged=2)
    assert [entry.metadata for entry in collection] == [{"n": 3}, {"n": 2}, None]


def test_ids_that_are_the_same_text_are_the_same(collection):
    collection.embed_multi([(1, "one"), (2, "two")])
    assert collection.sync([(1, "one"), ("2", "two")]) == EmbedReport(unchanged=2)


def test_only_what_has_the_prefix_is_in_sync(collection):
    collection.embed_multi([("a/1", "one"), ("a/2", "two"), ("a_", "three"), ("b/1", "four")])
    report = collection.sync([("a/2", "two"), ("a/3", "one")], "a/")
    assert report == EmbedReport(reused=1, unchanged=1, deleted=1)
    assert collection.ids() == ["a/2", "a/3", "a_", "b/1"]


@pytest.mark.parametrize("on_error", ["stop", "skip"])
def test_an_id_without_the_prefix_is_refused(collection, on_error):
    collection.embed_multi([("a/1", "one"), ("b/1", "two")])
    with pytest.raises(InvalidInputError) as error:
        collection.sync([("a/2", "three"), ("1", "four")], "a/", on_error=on_error)
    assert str(error.value) == (
        "The id '1' does not begin with the prefix 'a/' of what is in sync: give ids whole, with "
        "the prefix"
    )
    assert collection.ids() == ["a/1", "b/1"]


def test_a_prefix_that_is_no_text_is_refused_before_anything_is_read(collection):
    with pytest.raises(InvalidInputError, match="prefix is 7: it must be text"):
        collection.sync(iter([pytest.fail]), 7)


def test_more_than_half_is_not_deleted_unless_it_is_said(synced):
    source = [*numbered(4), ("new", "text 9")]
    with pytest.raises(ManyDeletionsError) as error:
        synced.sync(source)
    doomed = [f"{n:05}" for n in range(4, 10)]
    assert error.value.ids == doomed
    assert str(error.value) == (
        "The source does not have 6 of the 10 entries of 'test', such as '00004': nothing was "
        "deleted, and all that it has is stored. If the source is whole, delete_most=True deletes "
        "them"
    )
    assert synced.ids() == [*(f"{n:05}" for n in range(10)), "new"]
    again = pickle.loads(pickle.dumps(error.value))
    assert (again.ids, str(again)) == (doomed, str(error.value))
    report = synced.sync(source, delete_most=True)
    assert report == EmbedReport(unchanged=5, deleted=6)


def test_half_is_deleted(synced):
    assert synced.sync(numbered(5)) == EmbedReport(unchanged=5, deleted=5)


def test_an_empty_source_deletes_nothing_unless_it_is_said(collection):
    assert collection.sync([]) == EmbedReport()
    collection.embed("only", "one")
    with pytest.raises(ManyDeletionsError, match="1 of the 1 entries"):
        collection.sync([])
    assert collection.ids() == ["only"]
    assert collection.sync([], delete_most=True) == EmbedReport(deleted=1)


def test_the_only_entry_can_be_renamed(collection):
    collection.embed("before", "one")
    assert collection.sync([("after", "one")]) == EmbedReport(reused=1, deleted=1)


def test_the_half_is_that_of_the_prefix(collection):
    collection.embed_multi([*numbered(10), ("a/1", "one"), ("a/2", "two"), ("a/3", "three")])
    with pytest.raises(
        ManyDeletionsError, match="2 of the 3 entries of 'test' with the prefix 'a/'"
    ):
        collection.sync([("a/1", "one")], prefix="a/")


def test_a_source_that_fails_deletes_nothing(synced):
    def source():
        yield from numbered(8)
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        synced.sync(source())
    assert len(synced) == 10


def test_an_entry_that_stops_the_load_deletes_nothing(db):
    collection = Collection("test", db, model=Refusing())
    collection.sync(numbered(4))
    with pytest.raises(vecstore.RejectedInputError):
        collection.sync([*numbered(3), ("x", "bad")])
    assert len(collection) == 4


@pytest.mark.parametrize("value", ["bad", None, "nan"])
def test_what_is_skipped_is_not_deleted(db, value):
    collection = Collection("test", db, model=Refusing())
    collection.sync(numbered(4))
    report = collection.sync([*numbered(2), ("00002", value)], on_error="skip")
    assert report == EmbedReport(unchanged=2, failed=1, deleted=1)
    assert collection.ids() == ["00000", "00001", "00002"]


def test_nothing_is_deleted_if_the_id_of_what_is_skipped_is_unknown(synced):
    told = []
    source = [*numbered(8), (None, "text 9")]
    report = synced.sync(source, on_error=lambda id, error: told.append(id))
    assert report == EmbedReport(unchanged=8, failed=1)
    assert (told, len(synced)) == (["None"], 10)


def test_what_others_add_meanwhile_stays(synced):
    def source():
        yield from numbered(9)
        synced.embed("other", "of another process")

    assert synced.sync(source()) == EmbedReport(unchanged=9, deleted=1)
    assert synced.ids() == [*(f"{n:05}" for n in range(9)), "other"]


def test_the_ids_that_others_stored_as_no_text_stay(synced):
    synced.db.execute(
        "insert into embeddings (collection_id, id, embedding, updated) values (?, x'00', ?, 1)",
        [synced.id, vecstore.encode([1.0] * 16)],
    )
    assert synced.sync(numbered(9)) == EmbedReport(unchanged=9, deleted=1)
    assert synced.count() == 10


def test_a_sync_is_part_of_a_transaction_of_the_caller(synced):
    synced.db.conn.execute("begin")
    assert synced.sync(numbered(8)).deleted == 2
    synced.db.conn.execute("rollback")
    assert len(synced) == 10


def test_a_pair_or_triple_is_what_a_source_gives(collection):
    with pytest.raises(InvalidInputError, match="An entry is 'ab', not a"):
        collection.sync(["ab"])


EDITS = st.lists(
    st.tuples(
        st.sampled_from(["write", "rename", "delete"]),
        st.sampled_from("abcdefghij"),
        st.sampled_from("abcdefghij"),
        st.sampled_from(CONTENTS),
        st.sampled_from([{}, {"n": 1}]),
    ),
    max_size=8,
)


def edited(source, edits):
    source = dict(source)
    for kind, id, other, content, metadata in edits:
        if kind == "write":
            source[id] = (content, metadata)
        elif id in source:
            entry = source.pop(id)
            if kind == "rename":
                source[other] = entry
    return source


@settings(max_examples=60, deadline=None)
@given(
    rounds=st.lists(EDITS, min_size=1, max_size=5),
    batch_size=st.integers(1, 6),
    concurrency=st.integers(1, 3),
    form=st.sampled_from(["inside", "beside"]),
)
def test_after_each_sync_it_is_as_loaded_anew_and_the_model_got_what_was_new(
    tmp_path_factory, rounds, batch_size, concurrency, form
):
    path = tmp_path_factory.mktemp("sync") / "test.db"
    model = WordLengths()
    collection = Collection("test", path, model=model, index=form)
    source: dict[str, tuple[str, dict]] = {}
    with contextlib.closing(collection.db):
        for edits in rounds:
            known = {content for content, _ in source.values()}
            source = edited(source, edits)
            model.embedded.clear()
            entries = [(id, *entry) for id, entry in source.items()]
            report = collection.sync(
                entries,
                delete_most=True,
                store=True,
                batch_size=batch_size,
                concurrency=concurrency,
            )
            assert stored(collection) == fresh(entries)
            new = {content for content, _ in source.values()} - known
            assert sorted(model.embedded) == sorted(new)
            done = replace(report, deleted=0)
            assert sum(vars(done).values()) == len(entries)
            if source:
                found = collection.similar("word word", 20, exact=True)
                assert {entry.id for entry in found} == source.keys()
    assert vecstore.check(path).problems == []
