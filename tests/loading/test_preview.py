"""The dry run: what it says is what the load then does."""

import contextlib

from hypothesis import given, settings
from hypothesis import strategies as st

import vecstore
from tests.support.models import WordLengths
from vecstore import Collection
from vecstore.loading.items import make_item
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
        items = [make_item(entry, model, collection.content_hash) for entry in after]
        changes = db.conn.total_changes
        said = preview(
            open_store(db), collection.row, items, stores_content=store, batch_size=batch_size
        )
        assert db.conn.total_changes == changes
        model.embedded.clear()
        done = collection.embed_multi_with_metadata(after, store=store, batch_size=batch_size)
    assert (said.new + said.changed, said.reused) == (done.embedded, done.reused)
    assert (said.updated, said.unchanged) == (done.updated, done.unchanged)
    assert said.characters == sum(map(len, model.embedded))


def test_new_and_changed_are_told_apart(collection, model):
    collection.embed_multi([("a", "one"), ("b", "two")])
    items = [
        make_item((id, text, None), model, collection.content_hash)
        for id, text in [("a", "three"), ("c", "four"), ("d", b"\0\1"), ("b", "two")]
    ]
    found = preview(
        open_store(collection.db), collection.row, items, stores_content=False, batch_size=10
    )
    assert found == Preview(new=2, changed=1, unchanged=1, characters=9, bytes=2)
