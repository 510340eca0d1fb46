"""What embed() and embed_multi*() promise: the id is the key, nothing is paid for twice."""

import threading

import pytest

import vecstore
from tests.support.databases import rows
from tests.support.models import Vectors, WordLengths
from vecstore import Collection, EmbedReport


def stored(collection):
    """Return what the collection holds: content and metadata by id."""
    found = rows(collection.db, "select id, content, metadata from embeddings order by id")
    return {id: (content, metadata) for id, content, metadata in found}


def test_the_last_write_wins(collection, model):
    collection.embed("a", "one", store=True)
    report = collection.embed_multi([("a", "two")], store=True)
    assert report == EmbedReport(embedded=1)
    assert stored(collection) == {"a": ("two", None)}
    assert model.embedded == ["one", "two"]


def test_the_last_write_wins_within_one_call(collection, model):
    report = collection.embed_multi([("a", "one"), ("b", "bee"), ("a", "two")], store=True)
    assert report == EmbedReport(embedded=2)
    assert stored(collection) == {"a": ("two", None), "b": ("bee", None)}
    assert model.embedded == ["bee", "two"]


@pytest.mark.parametrize("batch_size", [1, 2, 100])
def test_the_last_write_wins_whatever_the_batches_are(collection, batch_size):
    entries = [("a", "one", {"v": 1}), ("a", "one", None), ("b", "x", {}), ("a", "two", None)]
    collection.embed_multi_with_metadata(entries, store=True, batch_size=batch_size)
    assert stored(collection) == {"a": ("two", '{"v": 1}'), "b": ("x", None)}


def test_the_same_content_is_embedded_once_under_any_id(collection, model):
    assert collection.embed_multi([("a", "same"), ("b", "same")]) == EmbedReport(1, 1)
    assert collection.embed_multi([("c", "same"), ("a", "same")]) == EmbedReport(
        reused=1, unchanged=1
    )
    assert model.embedded == ["same"]
    vectors = rows(collection.db, "select distinct embedding from embeddings")
    assert vectors == [(vecstore.encode([4] + [0] * 15),)]


def test_content_of_another_collection_is_not_reused(db, model):
    Collection("one", db, model=model).embed("a", "same")
    Collection("two", db, model=model).embed("a", "same")
    assert model.embedded == ["same", "same"]


def test_an_unchanged_row_is_not_written(collection, model):
    entries = [("a", "one", {"n": 1}), ("b", "two", None)]
    collection.embed_multi_with_metadata(entries, store=True)
    collection.db.execute("update embeddings set updated = 1")
    changes = collection.db.conn.total_changes
    report = collection.embed_multi_with_metadata(entries, store=True)
    assert report == EmbedReport(unchanged=2)
    assert collection.db.conn.total_changes == changes
    assert model.embedded == ["one", "two"]


def test_changed_metadata_updates_the_row_without_the_model(collection, model):
    collection.embed("a", "one", metadata={"n": 1}, store=True)
    report = collection.embed_multi_with_metadata([("a", "one", {"n": 2})])
    assert report == EmbedReport(updated=1)
    assert stored(collection) == {"a": ("one", '{"n": 2}')}
    assert model.embedded == ["one"]


def test_metadata_of_another_key_order_is_unchanged(collection):
    collection.embed("a", "one", metadata={"x": 1, "y": 2})
    report = collection.embed_multi_with_metadata([("a", "one", {"y": 2, "x": 1})])
    assert report == EmbedReport(unchanged=1)


def test_metadata_that_only_python_finds_equal_is_changed(collection):
    collection.embed("a", "one", metadata={"f": 1})
    for metadata, stored_as in [({"f": True}, '{"f": true}'), ({"f": 1.0}, '{"f": 1.0}')]:
        report = collection.embed_multi_with_metadata([("a", "one", metadata)])
        assert report == EmbedReport(updated=1)
        assert stored(collection) == {"a": (None, stored_as)}


def test_metadata_of_none_stays_and_empty_metadata_removes_it(collection):
    collection.embed("a", "one", metadata={"n": 1})
    assert collection.embed_multi([("a", "one")]) == EmbedReport(unchanged=1)
    collection.embed("a", "two")
    assert stored(collection) == {"a": (None, '{"n": 1}')}
    report = collection.embed_multi_with_metadata([("a", "two", {})])
    assert report == EmbedReport(updated=1)
    assert stored(collection) == {"a": (None, None)}


def test_storing_later_updates_the_row_without_the_model(collection, model):
    collection.embed("a", "one", metadata={"n": 1})
    assert collection.embed_multi([("a", "one")], store=True) == EmbedReport(updated=1)
    assert stored(collection) == {"a": ("one", '{"n": 1}')}
    assert model.embedded == ["one"]


def test_stored_content_stays_while_it_is_what_was_embedded(collection):
    collection.embed("a", "one", store=True)
    assert collection.embed_multi([("a", "one")]) == EmbedReport(unchanged=1)
    assert stored(collection) == {"a": ("one", None)}
    collection.embed("a", "two")
    assert stored(collection) == {"a": (None, None)}


def test_text_replaced_by_bytes_moves_to_the_other_column(collection):
    collection.embed("a", "text", store=True)
    collection.embed("a", b"other bytes", store=True)
    assert rows(collection.db, "select content, content_blob from embeddings") == [
        (None, b"other bytes")
    ]


def test_a_row_that_lost_its_vector_is_embedded_again(collection, model):
    collection.embed("a", "one", store=True)
    collection.db.execute("update embeddings set embedding = null")
    assert collection.embed_multi([("a", "one")]) == EmbedReport(embedded=1)
    assert stored(collection) == {"a": ("one", None)}
    assert [entry.id for entry in collection.similar("one")] == ["a"]


def test_a_vector_that_cannot_be_compared_is_not_reused(collection, model):
    broken = vecstore.encode([float("nan")] + [1.0] * 15)
    collection.db["embeddings"].insert(
        {
            "collection_id": collection.id,
            "id": "old",
            "embedding": broken,
            "content_hash": vecstore.content_hash("one"),
        }
    )
    assert collection.embed_multi([("new", "one"), ("old", "one")]) == EmbedReport(1, 1)
    assert sorted(entry.id for entry in collection.similar("one")) == ["new", "old"]


def test_content_with_a_zero_vector_is_embedded_once(collection, model):
    assert collection.embed_multi([("a", "")]) == EmbedReport(embedded=1)
    assert collection.embed_multi([("a", ""), ("b", "")]) == EmbedReport(reused=1, unchanged=1)
    assert model.embedded == [""]


def test_rows_that_are_no_tuples_are_refused(collection, model):
    for entries in ([{"id": "a", "content": "x"}], {"ab": "x"}, ["ab"], [("a", "x", None)], [5]):
        with pytest.raises(
            vecstore.InvalidInputError, match=r"not a \(id, value\) tuple: make tuples"
        ):
            collection.embed_multi(entries)
        with pytest.raises(vecstore.InvalidInputError, match="An entry is|must be a dict"):
            collection.embed_multi_with_metadata([*entries, ("a", "x")])
    assert collection.count() == 0
    assert model.embedded == []
    collection.embed_multi([["a", "lists will do"]])
    assert collection.count() == 1


def test_each_batch_is_committed_as_it_completes(collection, model):
    def entries():
        for n in range(25):
            yield str(n), f"text {n}"
        raise RuntimeError("the source broke")

    with pytest.raises(RuntimeError, match="the source broke"):
        collection.embed_multi(entries(), batch_size=10)
    assert collection.count() == 20
    report = collection.embed_multi([(str(n), f"text {n}") for n in range(25)], batch_size=10)
    assert report == EmbedReport(embedded=5, unchanged=20)
    assert len(model.embedded) == 25


def test_the_iterable_is_consumed_lazily(collection, model):
    consumed = []

    def entries():
        for n in range(30):
            consumed.append(n)
            assert n - collection.count() <= 10
            yield str(n), f"text {n}"

    collection.embed_multi(entries(), batch_size=10)
    assert consumed == list(range(30))


def test_a_lower_batch_size_of_the_model_is_used(collection, model):
    model.batch_size = 7
    collection.embed_multi([(str(n), f"hello {n}") for n in range(20)])
    assert model.batches == [7, 7, 6]
    model.batch_size = 500
    collection.embed_multi([(str(n), f"other {n}") for n in range(250)])
    assert model.batches[3:] == [100, 100, 50]


def test_more_ids_than_variables_in_a_statement(collection):
    entries = [(str(n), f"text {n}") for n in range(2000)]
    assert collection.embed_multi(entries, batch_size=2000) == EmbedReport(embedded=2000)
    assert collection.embed_multi(entries, batch_size=2000) == EmbedReport(unchanged=2000)


def test_no_write_lock_is_held_while_the_model_works(db, path, closing):
    class Writing(WordLengths):
        def embed_batch(self, items):
            other = closing(vecstore.connect(path))
            Collection("other", other, model=WordLengths()).embed("x", "written meanwhile")
            return super().embed_batch(items)

    collection = Collection("test", db, model=Writing())
    collection.embed("a", "one")
    assert collection.db["embeddings"].count == 2


def test_a_row_deleted_while_the_model_works_is_written_all_the_same(db, path, closing):
    Collection("test", db, model=WordLengths()).embed("a", "one", store=True)
    other = Collection("test", closing(vecstore.connect(path)))

    class Deleting(WordLengths):
        def embed_batch(self, items):
            other.delete_ids(["a"])
            return super().embed_batch(items)

    model = Deleting()
    collection = Collection("test", db, model=model)
    report = collection.embed_multi_with_metadata([("a", "one", {"n": 1}), ("b", "two", None)])
    assert report == EmbedReport(embedded=2)
    assert stored(collection) == {"a": (None, '{"n": 1}'), "b": (None, None)}
    assert model.embedded == ["two", "one"]


def test_inside_the_users_transaction_a_batch_is_part_of_it(collection):
    with pytest.raises(RuntimeError, match="rolled back"), collection.db.atomic():
        collection.embed("a", "one")
        raise RuntimeError("rolled back")
    assert collection.count() == 0
    assert collection.similar("one") == []
    collection.embed("a", "one")
    assert [entry.id for entry in collection.similar("one")] == ["a"]


BAD_ENTRIES = {
    "id of None": ((None, "x", None), "An id is None"),
    "id of bytes": ((b"a", "x", None), "An id is b'a'"),
    "id with a surrogate": (("a\udc80", "x", None), "lone surrogate at position 1"),
    "value of None": (("bad", None, None), "'bad' is of type NoneType"),
    "value of int": (("bad", 5, None), "'bad' is of type int"),
    "value with a surrogate": (("bad", "x\ud800", None), "'bad' has a lone surrogate"),
    "metadata of list": (("bad", "x", [1]), "metadata of 'bad' is of type list"),
    "metadata of str": (("bad", "x", "{}"), "metadata of 'bad' is of type str"),
    "metadata that is no JSON": (("bad", "x", {"a": {1}}), "metadata of 'bad' cannot be JSON"),
    "metadata of NaN": (("bad", "x", {"a": float("nan")}), "metadata of 'bad' cannot be JSON"),
}


@pytest.mark.parametrize("name", BAD_ENTRIES)
def test_a_bad_entry_is_refused_and_nothing_is_written(collection, model, name):
    entry, message = BAD_ENTRIES[name]
    with pytest.raises(vecstore.InvalidInputError, match=message):
        collection.embed_multi_with_metadata([("good", "x", None), entry])
    assert collection.count() == 0
    assert model.embedded == []


def test_a_wrong_kind_of_input_is_refused(db):
    collection = Collection("test", db, model=Vectors())
    with pytest.raises(vecstore.InputTypeError, match="'b' is binary, .* 'vectors' cannot embed"):
        collection.embed_multi([("a", "1 0"), ("b", b"1 0")])
    assert collection.count() == 0


class Answering(vecstore.EmbeddingModel):
    """Answers each batch with what it was made with."""

    model_id = "answering"

    def __init__(self, *answer):
        self.answer = answer

    def embed_batch(self, items):
        return list(self.answer)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ([[1, 0], [1, 0, 0]], "'b' has 3 dimensions and the collection's vectors have 2"),
        ([[1, 0]], r"1 vectors? for 2"),
        ([[1, 0]] * 3, "2"),
        ([[1, 0], [1, 0], "x"], "3 vectors for 2"),
    ],
)
def test_of_vectors_of_which_any_may_be_wrong_none_is_written(db, answer, message):
    collection = Collection("test", db, model=Answering(*answer))
    with pytest.raises(vecstore.VecstoreError, match=message):
        collection.embed_multi([("a", "x"), ("b", "y")])
    assert collection.count() == 0


@pytest.mark.parametrize(
    ("vector", "message"),
    [
        ([float("nan"), 0], "'b' holds NaN or an infinity"),
        ([float("inf"), 0], "'b' holds NaN or an infinity"),
        ([1e39, 0], "'b' is not a list of numbers of float32"),
        ([], "'b' has no dimensions"),
    ],
)
def test_a_vector_that_is_none_is_refused_and_those_before_it_are_written(db, vector, message):
    collection = Collection("test", db, model=Answering([1, 0], vector, [0, 1]))
    with pytest.raises(vecstore.InvalidInputError, match=message):
        collection.embed_multi([("a", "x"), ("b", "y"), ("c", "z")])
    assert collection.ids() == ["a"]


def test_a_vector_of_another_dimension_than_the_collections_is_refused(db):
    Collection("test", db, model=Answering([1, 0])).embed("a", "x")
    longer = Collection("test", db, model=Answering([1, 0, 0]))
    with pytest.raises(vecstore.DimensionError, match="3 dimensions .* have 2"):
        longer.embed("b", "y")
    assert longer.ids() == ["a"]
    assert "vec_embeddings_3" not in db.table_names()


def test_entries_before_a_rejected_one_are_kept_and_it_is_named(collection, model):
    class Rejecting(WordLengths):
        def embed_batch(self, items):
            for item, vector in zip(items, super().embed_batch(items), strict=False):
                if item == "bad":
                    raise vecstore.RejectedInputError("too long")
                yield vector

    rejecting = Collection("test", collection.db, model=Rejecting())
    entries = [("a", "one"), ("b", "two"), ("culprit", "bad"), ("c", "three")]
    with pytest.raises(vecstore.RejectedInputError, match="'culprit' was not embedded: too long"):
        rejecting.embed_multi(entries)
    assert collection.ids() == ["a", "b"]
    assert collection.embed_multi(entries) == EmbedReport(embedded=2, unchanged=2)


def test_batch_size_must_be_positive(collection):
    for batch_size in (0, -1, None, "10"):
        with pytest.raises(ValueError, match=f"batch_size is {batch_size!r}"):
            collection.embed_multi([("a", "x")], batch_size=batch_size)


def test_hostile_ids_and_texts_come_back_as_they_were(collection):
    ids = ["", "'", '"', "a;b", "x\ny", "nul\0nul", "%_", "é€😀", "i" * 10_000, "null"]
    collection.embed_multi_with_metadata(
        [(id, f"text of {n}\0 {id}", {"key": id}) for n, id in enumerate(ids)], store=True
    )
    assert collection.ids() == sorted(ids)
    for n, id in enumerate(ids):
        entry = collection.get(id)
        assert (entry.content, entry.metadata) == (f"text of {n}\0 {id}", {"key": id})
    assert {entry.id for entry in collection.similar("x", number=20)} == set(ids)


def test_two_threads_with_their_own_connections_write_one_collection(db, path, model):
    final = Collection("test", db, model=model)

    def write(letter):
        db = vecstore.connect(path)
        own = Collection("test", db, model=WordLengths())
        own.embed_multi([(f"{letter}{n}", f"{letter} {n}") for n in range(50)], batch_size=5)
        db.close()

    threads = [threading.Thread(target=write, args=[letter]) for letter in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert final.count() == 100
    assert len(final.similar("x", number=100)) == 100
