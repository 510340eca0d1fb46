"""The dry run: what it says is what the load then does."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import vecstore
from tests.support.models import WordLengths
from vecstore import Collection, InvalidInputError
from vecstore.loading.preview import Preview, preview
from vecstore.stores import open_store

ENTRIES = st.lists(
    st.tuples(
        st.sampled_from("abcdefgh"),
        st.sampled_from(["one", "two", "three", "four", "five"]),
        st.sampled_from([None, {}, {"n": 1}, {"n": 2}]),
    ),
    max_size=25,
)


@settings(max_examples=100, deadline=None)
@given(
    before=ENTRIES,
    after=ENTRIES,
    batch_size=st.integers(1, 10),
    stored_before=st.booleans(),
    store=st.booleans(),
)
def test_a_preview_is_the_report_of_the_load(before, after, batch_size, stored_before, store):
    with contextlib.closing(vecstore.connect()) as db:
        model = WordLengths()
        collection = Collection("test", db, model=model)
        collection.embed_multi_with_metadata(before, store=stored_before)
        changes = db.conn.total_changes
        said = preview(
            open_store(db),
            collection.row,
            model,
            after,
            batch_size,
            content_hash=collection.content_hash,
            stores_content=store,
        )
        assert db.conn.total_changes == changes
        model.embedded.clear()
        done = collection.embed_multi_with_metadata(after, store=store, batch_size=batch_size)
    assert (said.new + said.changed, said.reused) == (done.embedded, done.reused)
    assert (said.updated, said.unchanged) == (done.updated, done.unchanged)
    assert said.characters == sum(map(len, model.embedded))


def test_new_and_changed_are_told_apart(collection, model):
    collection.embed_multi([("a", "one"), ("b", "two")])
    entries = [("a", "three", None), ("c", "four", None), ("d", b"\0\1", None), ("b", "two", None)]
    found = preview(
        open_store(collection.db),
        collection.row,
        model,
        entries,
        10,
        content_hash=collection.content_hash,
    )
    assert found == Preview(new=2, changed=1, unchanged=1, characters=9, bytes=2)


def test_an_entry_is_refused_as_by_the_load(collection, model):
    entries = [(1, "one", None), ("a", None, None), ("b", "two", {"n": float("nan")})]
    told = {"preview": [], "load": []}

    def run_preview(on_error):
        return preview(
            open_store(collection.db),
            collection.row,
            model,
            entries,
            10,
            content_hash=collection.content_hash,
            on_error=on_error,
        )

    def note(run):
        return lambda id, error: told[run].append((id, str(error)))

    messages = set()
    for run in (run_preview, lambda o: collection.embed_multi_with_metadata(entries, on_error=o)):
        with pytest.raises(InvalidInputError, match="The value of 'a' is of type NoneType") as stop:
            run("stop")
        messages.add(str(stop.value))
    assert len(messages) == 1
    assert run_preview(note("preview")) == run_preview("skip") == Preview(new=1, characters=3)
    assert collection.embed_multi_with_metadata(entries, on_error=note("load")).failed == 2
    assert told["preview"] == told["load"] != []


def test_an_entry_that_is_refused_counts_for_its_batch_as_in_the_load(collection, model):
    entries = [("bad", None, None), ("a", "one", None), ("a", "two", None)]
    said = preview(
        open_store(collection.db),
        collection.row,
        model,
        entries,
        2,
        content_hash=collection.content_hash,
        on_error="skip",
    )
    done = collection.embed_multi_with_metadata(entries, batch_size=2, on_error="skip")
    assert (said.new + said.changed, done.embedded) == (2, 2)
