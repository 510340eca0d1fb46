"""What add() and add_multi() promise: the contract of embeddings, and no model is asked."""

import array

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import vecstore
from tests.support.brute_force import brute_force, found
from tests.support.databases import rows
from tests.support.models import WordLengths
from vecstore import Collection, EmbedReport, ExternalModel

ONE, TWO = [1.0, 0.5], [0.25, -2.0]


class Tensor:
    """A tensor of PyTorch, as far as one is looked at."""

    dtype = "torch.float32"

    def __init__(self, numbers):
        self.numbers = numbers
        self.shape = (len(numbers),)

    def tolist(self):
        return self.numbers


@pytest.fixture
def own(db):
    return Collection("own", db, model_id="none")


def stored(collection):
    """Return what the collection holds: vector, content and metadata by id."""
    found = rows(
        collection.db,
        "select id, embedding, coalesce(content, content_blob), metadata from embeddings "
        "where collection_id = ? order by id",
        [collection.id],
    )
    return {
        id: (list(vecstore.decode(vector)), content, metadata)
        for id, vector, content, metadata in found
    }


def hashes(collection):
    return dict(rows(collection.db, "select id, content_hash from embeddings"))


def test_entries_of_two_three_and_four(own):
    entries = [("a", ONE), ("b", ONE, "text"), ("c", TWO, b"\xff", {"n": 1}), ["d", TWO, None, {}]]
    assert own.add_multi(entries) == EmbedReport(added=4)
    own.add("e", TWO, "more", {"m": 2})
    assert stored(own) == {
        "a": (ONE, None, None),
        "b": (ONE, "text", None),
        "c": (TWO, b"\xff", '{"n": 1}'),
        "d": (TWO, None, None),
        "e": (TWO, "more", '{"m": 2}'),
    }
    assert hashes(own) == {
        "a": None,
        "b": own.content_hash("text"),
        "c": own.content_hash(b"\xff"),
        "d": None,
        "e": own.content_hash("more"),
    }
    assert found(own.similar_by_vector([2.0, 1.0], 1)) == [("a", pytest.approx(1.0))]


def test_an_unchanged_row_is_not_written(own):
    entries = [("a", ONE, "text", {"x": 1, "y": 2}), ("b", TWO)]
    own.add_multi(entries)
    own.db.execute("update embeddings set updated = 1")
    changes = own.db.conn.total_changes
    assert own.add_multi(entries) == EmbedReport(unchanged=2)
    assert own.add_multi([("a", ONE, None, {"y": 2, "x": 1})]) == EmbedReport(unchanged=1)
    assert own.db.conn.total_changes == changes


def test_metadata_of_none_stays_and_empty_metadata_removes_it(own):
    own.add("a", ONE, "text", {"n": 1})
    assert own.add_multi([("a", TWO, "text")]) == EmbedReport(added=1)
    assert stored(own) == {"a": (TWO, "text", '{"n": 1}')}
    assert own.add_multi([("a", TWO, None, {"n": 2})]) == EmbedReport(updated=1)
    assert own.add_multi([("a", TWO, None, {})]) == EmbedReport(updated=1)
    assert stored(own) == {"a": (TWO, "text", None)}


def test_content_stays_with_its_vector_and_goes_with_it(own):
    own.add("a", ONE, "text")
    assert own.add_multi([("a", ONE)]) == EmbedReport(unchanged=1)
    assert stored(own) == {"a": (ONE, "text", None)}
    assert own.add_multi([("a", TWO)]) == EmbedReport(added=1)
    assert (stored(own), hashes(own)) == ({"a": (TWO, None, None)}, {"a": None})


def test_other_content_of_the_same_vector_is_written(own):
    own.add("a", ONE, "text")
    assert own.add_multi([("a", ONE, b"bytes")]) == EmbedReport(added=1)
    assert rows(own.db, "select content, content_blob from embeddings") == [(None, b"bytes")]
    assert hashes(own) == {"a": own.content_hash(b"bytes")}


def test_without_store_the_hash_of_the_content_is_kept(own):
    assert own.add_multi([("a", ONE, "text")], store=False) == EmbedReport(added=1)
    assert (stored(own), hashes(own)) == (
        {"a": (ONE, None, None)},
        {"a": own.content_hash("text")},
    )
    assert own.add_multi([("a", ONE, "text")]) == EmbedReport(updated=1)
    assert own.add_multi([("a", ONE, "text")], store=False) == EmbedReport(unchanged=1)
    assert own.add_multi([("a", TWO, "text")], store=False) == EmbedReport(added=1)
    assert stored(own) == {"a": (TWO, "text", None)}


@pytest.mark.parametrize("batch_size", [1, 2, 100])
def test_the_last_write_wins_whatever_the_batches_are(own, batch_size):
    entries = [
        ("a", ONE, "one", {"v": 1}),
        ("b", ONE, "bee"),
        ("a", TWO, "two"),
        ("b", ONE),
        ("a", TWO, None, None),
    ]
    own.add_multi(entries, batch_size)
    assert stored(own) == {"a": (TWO, "two", '{"v": 1}'), "b": (ONE, "bee", None)}


def test_a_content_with_a_vector_is_not_embedded(collection, model):
    vector = [0.5] * 16
    collection.add("a", vector, "text")
    report = collection.embed_multi([("a", "text"), ("b", "text"), ("c", "other")])
    assert report == EmbedReport(embedded=1, reused=1, unchanged=1)
    assert model.embedded == ["other"]
    assert (collection.vector("a"), collection.vector("b")) == (vector, vector)


def test_an_added_vector_takes_the_place_of_an_embedded_one(collection, model):
    collection.embed("a", "text", metadata={"n": 1}, store=True)
    collection.add("a", [0.5] * 16)
    assert stored(collection) == {"a": ([0.5] * 16, None, '{"n": 1}')}
    collection.embed("a", "text", store=True)
    assert stored(collection) == {"a": ([4.0] + [0.0] * 15, "text", '{"n": 1}')}
    assert model.embedded == ["text", "text"]


def test_no_model_is_looked_for(db, path, monkeypatch):
    Collection("own", db, model=ExternalModel("of-another-place")).add("a", ONE)
    monkeypatch.setattr(vecstore.models.registry, "get_embedding_model_aliases", None)
    again = Collection("own", db)
    again.add("b", TWO)
    assert again.similar_by_id("a", 1)[0].id == "b"
    assert again.similar_by_vector(TWO, 1)[0].id == "b"
    assert (again.vector("b"), again.model_id) == (TWO, "of-another-place")


@pytest.mark.parametrize(
    "vector",
    [
        tuple(TWO),
        array.array("f", TWO),
        array.array("d", TWO),
        memoryview(array.array("f", TWO)),
        np.array(TWO),
        np.array(TWO, "float16"),
        np.array(TWO, ">f4"),
        np.array(TWO, "longdouble"),
        np.array(TWO, object),
        np.array([TWO, ONE]).T[:, 0],
        [np.float32(number) for number in TWO],
        Tensor(TWO),
    ],
)
def test_a_vector_may_be_of_any_kind_of_list(own, vector):
    own.add("a", vector)
    assert own.vector("a") == TWO


@pytest.mark.parametrize("kind", ["int8", "uint8", "int64", "uint64", "bool"])
def test_integers_are_numbers(own, kind):
    own.add("a", np.array([1, 0], kind))
    assert own.vector("a") == [1.0, 0.0]


def test_rows_of_a_matrix(own):
    matrix = np.arange(6, dtype="float32").reshape(3, 2)
    texts = np.array(["x", "y", "z"])
    assert own.add_multi(zip(np.arange(3), matrix, texts, strict=True)) == EmbedReport(added=3)
    assert stored(own) == {
        "0": ([0.0, 1.0], "x", None),
        "1": ([2.0, 3.0], "y", None),
        "2": ([4.0, 5.0], "z", None),
    }


REFUSED = [
    (("a", []), "The vector of 'a' has no dimensions"),
    (("a", [float("nan"), 1]), "The vector of 'a' holds NaN or an infinity"),
    (("a", [float("inf"), 1]), "The vector of 'a' holds NaN or an infinity"),
    (("a", [1e39, 1]), "The vector of 'a' is not a list of numbers of float32"),
    (("a", ["1", "2"]), "The vector of 'a' is not a list of numbers of float32"),
    (("a", None), "The vector of 'a' is not a list of numbers of float32"),
    (("a", "[1, 2]"), "The vector of 'a' is str, not a list of numbers"),
    (
        ("a", vecstore.encode(ONE)),
        "The vector of 'a' is bytes, not a list of numbers: vecstore.dec",
    ),
    (("a", np.ones((1, 2))), "The vector of 'a' is not a list of numbers of float32: it has the s"),
    (("a", {1.0, 2.0}), "The vector of 'a' is not a list of numbers of float32: it is of type set"),
    ((None, ONE), "An id is None"),
    (("a", ONE, 3), "The content of 'a' is of type int: it must be str or bytes"),
    (("a", ONE, "\ud800"), "The content of 'a' has a lone surrogate at position 0"),
    (("a", ONE, None, 3), "The metadata of 'a' is of type int: it must be a dict"),
    (
        ("a", ONE, None, {"n": float("nan")}),
        "The metadata of 'a' cannot be JSON: the key 'n' is NaN",
    ),
    (
        ("a", [1.0, 2.0, 3.0]),
        "The vector of 'a' has 3 dimensions and the collection's vectors have",
    ),
]


@pytest.mark.parametrize(("entry", "message"), REFUSED)
def test_what_is_refused_is_named_and_nothing_of_its_batch_is_written(own, entry, message):
    own.add("there", ONE)
    with pytest.raises(vecstore.InvalidInputError) as caught:
        own.add_multi([("b", ONE), ("c", ONE), ("d", ONE), entry], batch_size=2)
    assert str(caught.value).startswith(message)
    assert own.ids() == ["b", "c", "there"]


@pytest.mark.parametrize(("entry", "message"), REFUSED)
def test_what_is_refused_can_be_skipped(own, entry, message):
    own.add("there", ONE)
    entries = [("b", ONE), entry, ("c", TWO)]
    assert own.add_multi(entries, on_error="skip") == EmbedReport(added=2, failed=1)
    failures = []
    report = own.add_multi(entries, on_error=lambda id, error: failures.append((id, str(error))))
    assert report == EmbedReport(unchanged=2, failed=1)
    [(id, told)] = failures
    assert (id, told.startswith(message)) == (str(entry[0]), True)
    assert own.ids() == ["b", "c", "there"]


@pytest.mark.parametrize("entry", [("a",), ("a", ONE, None, None, None), "ab", {"a": ONE}, 3])
def test_what_is_no_entry_always_stops(own, entry):
    with pytest.raises(
        vecstore.InvalidInputError, match=r"An entry is .*, not a tuple of \(id, ve"
    ):
        own.add_multi([entry], on_error="skip")


def test_in_an_empty_collection_most_of_the_batch_say_the_dimension(own):
    with pytest.raises(vecstore.DimensionError) as caught:
        own.add_multi([("a", [1.0]), ("b", ONE), ("c", TWO)])
    assert str(caught.value) == (
        "The vector of 'a' has 1 dimensions and the collection's vectors have 2: "
        "use the model that the collection was made with"
    )
    assert own.add_multi([("a", [1.0]), ("b", ONE), ("c", TWO)], on_error="skip") == EmbedReport(
        added=2, failed=1
    )


@pytest.mark.parametrize("argument", [{"on_error": "ignore"}, {"batch_size": 0}])
def test_wrong_arguments(own, argument):
    with pytest.raises(vecstore.InvalidInputError, match=f"{next(iter(argument))} is "):
        own.add_multi([("a", ONE)], **argument)


def test_entries_are_read_a_batch_at_a_time_and_batches_before_an_error_stay(own):
    read, reports = [], []

    def entries():
        for n in range(5):
            read.append(n)
            yield f"{n}", ONE
        raise OSError("the source is gone")

    with pytest.raises(OSError, match="the source is gone"):
        own.add_multi(entries(), 2, progress=lambda report: reports.append((report, len(read))))
    assert reports == [(EmbedReport(added=2), 2), (EmbedReport(added=4), 4)]
    assert own.ids() == ["0", "1", "2", "3"]
    assert not own.db.conn.in_transaction


def test_in_a_transaction_of_the_caller_nothing_is_committed(own):
    own.db.execute("begin")
    own.add("a", ONE)
    own.db.execute("rollback")
    assert own.ids() == []


CHUNK = {"document": "a.md", "chunk": 2, "chunks": 3, "start": 5, "end": 9}


def test_a_chunk_of_a_document_is_not_overwritten(own):
    own.add("a.md#2", ONE, "text", CHUNK)
    own.add("a.md", ONE)
    with pytest.raises(vecstore.InvalidInputError) as caught:
        own.add("a.md#2", TWO)
    assert str(caught.value) == (
        "The id 'a.md#2' is that of a chunk of the document 'a.md': give the entry another id, or "
        "first delete_documents(['a.md'])"
    )
    with pytest.raises(vecstore.InvalidInputError, match="is that of a chunk of the document"):
        own.add("a.md#2", ONE, None, {"own": 1})
    assert own.add_multi([("a.md#2", ONE)]) == EmbedReport(unchanged=1)
    assert own.add_multi([("a.md#2", TWO, "text", CHUNK)]) == EmbedReport(added=1)


@pytest.mark.parametrize("form", ["inside", "beside"])
def test_searches_find_what_brute_force_finds(path, form):
    random = np.random.default_rng(1)
    matrix = random.standard_normal((600, 32)).astype("float32")
    ids = [f"{n:03}" for n in range(len(matrix))]
    collection = Collection("own", path, model_id="none", index=form)
    collection.add_multi(zip(ids, matrix, strict=True), 100)
    other = random.standard_normal((300, 32)).astype("float32")
    collection.add_multi(zip(ids, other, strict=False), 100)
    vectors = dict(zip(ids, [*other.tolist(), *matrix[300:].tolist()], strict=True))
    for query in random.standard_normal((5, 32)):
        expected = brute_force(vectors, query.tolist(), 10)
        assert found(collection.similar_by_vector(query, exact=True)) == expected
    assert vecstore.check(collection.db).ok
    collection.db.close()


IDS = st.sampled_from("abc")
CONTENTS = st.none() | st.sampled_from(["x", "y y", "z z z"])
METADATA = st.none() | st.sampled_from([{}, {"n": 1}, {"n": 2}])
VECTORS = st.sampled_from([[1.0] * 16, [2.0] + [0.5] * 15, [1.0] + [0.0] * 15])
ADDED = st.tuples(IDS, VECTORS, CONTENTS, METADATA)
EMBEDDED = st.tuples(IDS, CONTENTS.filter(bool), METADATA)


def batches(entries):
    return st.lists(entries, max_size=3, unique_by=lambda entry: entry[0])


STEPS = st.one_of(
    st.tuples(st.just("add"), batches(ADDED), st.booleans()),
    st.tuples(st.just("embed"), batches(EMBEDDED), st.booleans()),
    st.tuples(st.just("set"), st.tuples(IDS, METADATA.filter(lambda m: m is not None))),
    st.tuples(st.just("delete"), IDS),
)


class Expected:
    """What a collection is to hold: by id, the vector, content, what was embedded, metadata."""

    def __init__(self, model: WordLengths) -> None:
        self.rows: dict[str, tuple] = {}
        self.model = model

    def _write(self, id, vector, content, hashed, metadata):
        before = self.rows.get(id, (None, None, None, None))[3]
        self.rows[id] = (
            vector,
            content,
            hashed,
            (before if metadata is None else metadata) or None,
        )

    def add(self, entries, store):
        for id, vector, content, metadata in entries:
            old_vector, old_content, old_hashed, _ = self.rows.get(id, (None, None, None, None))
            kept, hashed = (content if store else None), content
            if content is None and vector == old_vector:
                kept, hashed = old_content, old_hashed
            elif content is not None and content == old_hashed:
                kept = kept or old_content
            self._write(id, vector, kept, hashed, metadata)

    def embed(self, entries, store, collection):
        known = [(hashed, vector) for vector, _, hashed, _ in self.rows.values()]
        for id, content, metadata in entries:
            old_vector, old_content, old_hashed, _ = self.rows.get(id, (None, None, None, None))
            kept = content if store or (content == old_hashed and old_content) else None
            [embedded] = WordLengths().embed_batch([content])
            possible = [v for h, v in known if h == content] or [[float(n) for n in embedded]]
            vector = old_vector if content == old_hashed else collection.vector(id)
            assert content == old_hashed or vector in possible
            self._write(id, vector, kept, content, metadata)

    def of(self, collection):
        return {
            id: (vector, content, hashed and collection.content_hash(hashed), metadata)
            for id, (vector, content, hashed, metadata) in self.rows.items()
        }


def held(collection):
    hashed = hashes(collection)
    return {
        entry.id: (collection.vector(entry.id), entry.content, hashed[entry.id], entry.metadata)
        for entry in collection
    }


@settings(max_examples=60, deadline=None)
@given(steps=st.lists(STEPS, max_size=8), form=st.sampled_from(["inside", "beside"]))
def test_any_order_of_adding_and_embedding(tmp_path_factory, steps, form):
    path = tmp_path_factory.mktemp("own") / "test.db"
    model = WordLengths()
    collection = Collection("test", path, model=model, index=form)
    expected = Expected(model)
    for name, what, *options in steps:
        if name == "add":
            report = collection.add_multi(what, store=options[0])
            assert report.added + report.updated + report.unchanged == len(what)
            expected.add(what, options[0])
        elif name == "embed":
            collection.embed_multi_with_metadata(what, store=options[0])
            expected.embed(what, options[0], collection)
        elif name == "delete":
            assert collection.delete_ids([what]) == len(expected.rows.keys() & {what})
            expected.rows.pop(what, None)
        elif what[0] in expected.rows:
            collection.set_metadata(*what)
            expected.rows[what[0]] = (*expected.rows[what[0]][:3], what[1] or None)
        assert held(collection) == expected.of(collection)
    vectors = {id: row[0] for id, row in expected.rows.items()}
    assert dict(collection.vectors()) == vectors
    query = [1.0] + [0.25] * 15
    assert found(collection.similar_by_vector(query)) == brute_force(vectors, query, 10)
    assert vecstore.check(collection.db).ok
    collection.db.close()


FLOAT32 = st.floats(width=32, allow_nan=False, allow_infinity=False)


@settings(max_examples=60, deadline=None)
@given(vectors=st.lists(st.lists(FLOAT32, min_size=3, max_size=3), max_size=5))
def test_a_vector_comes_back_as_it_was_added(vectors):
    collection = Collection("test", model_id="none")
    entries = [(f"{n}", vector) for n, vector in enumerate(vectors)]
    collection.add_multi(entries)
    assert list(collection.vectors()) == entries
    again = Collection("again", collection.db, model_id="none")
    again.add_multi(collection.vectors())
    kept = "select embedding from embeddings where collection_id = ? order by id"
    assert rows(again.db, kept, [again.id]) == rows(again.db, kept, [collection.id])
    collection.db.close()
