"""Searches, checked against brute force; and the cases at the edges."""

import json
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import vecstore
from tests.support.brute_force import brute_force, fill, found
from tests.support.databases import rows
from tests.support.models import Vectors, pseudorandom
from vecstore import Collection
from vecstore.sqlite.search import planner, plans

pytestmark = pytest.mark.usefixtures("partition")


@pytest.mark.parametrize("number", [1, 10, 299, 300, 1000, 4095, 4096, 5000])
def test_search_equals_brute_force(numbers, number):
    collection, vectors = numbers
    query = pseudorandom("query")
    expected = brute_force(vectors, query, number)
    assert found(collection.similar_by_vector(query, number)) == expected


def test_filters_apply_before_the_nearest_are_taken(numbers):
    collection, vectors = numbers
    query = vectors["a002"]
    arguments = {"skip_id": "a002", "prefix": "b"}
    expected = brute_force(vectors, query, 20, **arguments)
    assert found(collection.similar_by_vector(query, 20, **arguments)) == expected
    expected = brute_force(vectors, query, 20, skip_id="a002", prefix="a")
    assert found(collection.similar_by_id("a002", 20, prefix="a")) == expected


def test_the_scan_gives_what_the_index_gives(numbers):
    collection, vectors = numbers
    for prefix, skip_id in [("", None), ("a", "a002"), ("b1", None), ("zz", None)]:
        blob = vecstore.encode(vectors["a002"])
        query = planner.Query(collection.row, 20, prefix, blob, skip_id)
        assert plans.run_scan(collection.db, query).rows == planner.search(collection.db, query)


def test_scores_are_those_of_the_extension(numbers):
    collection, vectors = numbers
    query = vecstore.encode(vectors["a000"])
    expected = rows(
        collection.db,
        """
        select id, 1 - vec_distance_cosine(embedding, ?) as score
        from embeddings
        order by score desc, id
        limit 10
        """,
        [query],
    )
    assert found(collection.similar_by_vector(vectors["a000"])) == expected


words = st.text(st.sampled_from("ab_%*?[é\U0010ffff\ud7ff\0"), max_size=4)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(ids=st.sets(words, min_size=1, max_size=12), prefix=words)
def test_a_prefix_is_literal(ids, prefix):
    collection = Collection("prefixes", model=Vectors())
    try:
        fill(collection, {id: pseudorandom(id) for id in ids})
        entries = collection.similar_by_vector(pseudorandom("q"), 100, prefix=prefix)
        assert {entry.id for entry in entries} == {id for id in ids if id.startswith(prefix)}
        query = planner.Query(collection.row, 100, prefix, vecstore.encode(pseudorandom("q")))
        assert {row[0] for row in plans.run_scan(collection.db, query).rows} == {
            e.id for e in entries
        }
    finally:
        collection.db.close()


def test_case_counts_in_a_prefix(db):
    collection = Collection("test", db, model=Vectors())
    fill(collection, {"Ab": [1, 0], "ab": [1, 0], "a_": [1, 0]})
    assert [e.id for e in collection.similar_by_vector([1, 0], prefix="a")] == ["a_", "ab"]
    assert [e.id for e in collection.similar_by_vector([1, 0], prefix="a_")] == ["a_"]


def test_equal_scores_are_ordered_by_id_at_the_last_place_too(db):
    collection = Collection("test", db, model=Vectors())
    fill(collection, {f"{n:02}": [1, 0] for n in reversed(range(50))} | {"best": [0, 1]})
    assert [e.id for e in collection.similar_by_vector([1, 1], 5)] == [
        "00",
        "01",
        "02",
        "03",
        "04",
    ]
    assert [e.id for e in collection.similar_by_vector([0, 1], 3)] == ["best", "00", "01"]
    assert [e.id for e in collection.similar_by_id("00", 2)] == ["01", "02"]


def test_an_empty_collection_has_no_results(db):
    collection = Collection("test", db, model=Vectors())
    assert collection.similar("1 0") == []
    assert collection.similar_by_vector([1, 0, 0], 10_000) == []
    assert [name for name in db.table_names() if name.startswith("vec_")] == []


def test_number_zero_is_empty_and_negative_is_refused(numbers):
    collection, vectors = numbers
    assert collection.similar_by_vector(vectors["a000"], 0) == []
    with pytest.raises(ValueError, match="number is -1"):
        collection.similar_by_vector(vectors["a000"], -1)
    with pytest.raises(ValueError, match="number is '10'"):
        collection.similar_by_vector(vectors["a000"], "10")
    with pytest.raises(vecstore.InvalidInputError, match="surrogate"):
        collection.similar_by_vector(vectors["a000"], prefix="\ud800")
    with pytest.raises(ValueError, match="prefix is 5"):
        collection.similar_by_vector(vectors["a000"], prefix=5)
    assert len(collection.similar_by_vector(vectors["a000"], 10**20)) == 300


class OfNumPy:
    """What NumPy's integers are to Python, and a buffer would be to SQLite."""

    def __init__(self, number):
        self.number = number

    def __index__(self):
        return self.number

    def __eq__(self, other):
        return self.number == other

    def __add__(self, other):
        return OfNumPy((self.number + other) % 256)


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("conditions", [{}, {"where": "1"}])
def test_numbers_of_other_types_count(numbers, exact, conditions):
    collection, vectors = numbers
    query = pseudorandom("query")
    expected = brute_force(vectors, query, 255)
    arguments = {"exact": exact, **conditions}
    assert found(collection.similar_by_vector(query, OfNumPy(255), **arguments)) == expected
    score = Fraction(collection.similar_by_vector(query, 5, **arguments)[4].score)
    assert len(collection.similar_by_vector(query, min_score=score, **arguments)) == 5
    assert collection.similar_by_vector(query, min_score=10**20, **arguments) == []


@pytest.mark.parametrize("number", [10, 5000])
def test_rows_that_cannot_be_compared_are_left_out(db, number):
    collection = Collection("test", db, model=Vectors())
    nan, infinity = float("nan"), float("inf")
    fill(
        collection,
        {"good": [1, 0], "zero": [0, 0], "nan": [nan, 1], "inf": [infinity, 1], "big": [3e38, 0]},
    )
    db["embeddings"].insert({"collection_id": collection.id, "id": "null"})
    db["embeddings"].insert({"collection_id": collection.id, "id": "empty", "embedding": b""})
    assert [e.id for e in collection.similar_by_vector([1, 1], number)] == ["good"]
    assert [e.id for e in collection.similar_by_id("good", number)] == []
    for id in ("zero", "nan", "inf", "big", "null", "empty"):
        assert collection.similar_by_id(id, number) == []
    assert collection.count() == 7


def test_to_a_zero_vector_nothing_is_similar(numbers):
    collection, _ = numbers
    assert collection.similar_by_vector([0] * 8) == []


@pytest.mark.parametrize(
    ("vector", "message"),
    [
        ([float("nan")] * 8, "NaN or an infinity"),
        ([float("inf")] * 8, "NaN or an infinity"),
        ([], "no dimensions"),
        (["a"] * 8, "not a list of numbers"),
        ([1e39] * 8, "not a list of numbers of float32"),
    ],
)
def test_a_bad_query_vector_is_refused(numbers, vector, message):
    collection, _ = numbers
    with pytest.raises(vecstore.InvalidInputError, match=message):
        collection.similar_by_vector(vector)


def test_a_query_of_another_dimension_is_refused(numbers):
    collection, _ = numbers
    with pytest.raises(vecstore.DimensionError, match="3 dimensions .* have 8"):
        collection.similar_by_vector([1, 2, 3])
    assert "vec_embeddings_3" not in collection.db.table_names()


def test_old_rows_of_another_dimension_are_found_by_their_own(db):
    collection = Collection("test", db, model=Vectors())
    fill(collection, {"a": [1, 0], "b": [0, 1], "old": [1, 0, 0], "older": [0, 1, 1]})
    assert [e.id for e in collection.similar("1 0.1")] == ["a", "b"]
    assert [e.id for e in collection.similar_by_id("old")] == ["older"]
    assert [e.id for e in collection.similar_by_vector([1, 1, 1], 5000)] == ["older", "old"]


def test_collections_do_not_see_each_other(db):
    one, two = (Collection(name, db, model=Vectors()) for name in ("one", "two"))
    fill(one, {"a": [1, 0]})
    fill(two, {"b": [1, 0], "c": [0, 1]})
    assert [e.id for e in one.similar("1 0")] == ["a"]
    assert [e.id for e in two.similar("1 0")] == ["b", "c"]


def test_more_dimensions_than_the_index_holds_are_scanned(db):
    collection = Collection("test", db, model=Vectors())
    vectors = {"a": [1.0] + [0.0] * 8999, "b": [1.0] * 9000}
    fill(collection, vectors)
    assert [e.id for e in collection.similar_by_id("a")] == ["b"]
    assert "vec_embeddings_9000" not in db.table_names()


@pytest.mark.parametrize("indexed", [True, False])
def test_a_read_only_file_is_searched(open_db, path, closing, indexed):
    collection = Collection("test", open_db(path), model=Vectors())
    vectors = {str(n): pseudorandom(str(n)) for n in range(50)}
    fill(collection, vectors)
    if indexed:
        collection.similar_by_id("1")
    collection.db.close()
    Path(path).chmod(0o444)
    before = Path(path).read_bytes()
    read_only = Collection("test", closing(vecstore.connect(path, read_only=True)))
    expected = brute_force(vectors, vectors["7"], 10, skip_id="7")
    assert found(read_only.similar_by_id("7")) == expected
    assert ("vec_embeddings_8" in read_only.db.table_names()) == indexed
    assert Path(path).read_bytes() == before


def test_a_search_while_another_connection_writes_is_answered(open_db, path, closing):
    collection = Collection("test", open_db(path), model=Vectors())
    fill(collection, {"a": [1, 0], "b": [0, 1]})
    writer = closing(vecstore.connect(path))
    writer.begin()
    writer["collections"].insert({"name": "uncommitted"})
    reader = Collection("test", closing(vecstore.connect(path, timeout=0.1)), model=Vectors())
    assert [e.id for e in reader.similar("1 0.5")] == ["a", "b"]
    writer.rollback()


def test_metadata_that_is_no_json_is_named(db):
    collection = Collection("test", db, model=Vectors())
    fill(collection, {"a": [1, 0]})
    db["embeddings"].update((collection.id, "a"), {"metadata": "{broken"})
    with pytest.raises(vecstore.VecstoreError, match="metadata of 'a' is not JSON"):
        collection.similar("1 0")
    db["embeddings"].update((collection.id, "a"), {"metadata": json.dumps({"ok": True})})
    assert collection.similar("1 0")[0].metadata == {"ok": True}


def test_one_long_row_takes_less_than_a_megabyte(open_db, path):
    collection = Collection("test", open_db(path), model=Vectors())
    collection.embed("a", "1 " * 1536, store=True)
    assert [e.id for e in collection.similar("2 " * 1536)] == ["a"]
    collection.db.close()
    assert Path(path).stat().st_size < 1_000_000


def test_a_minimum_score(numbers):
    collection, vectors = numbers
    query = pseudorandom("query")
    for number in (10, 5000):
        scores = [e.score for e in collection.similar_by_vector(query, number, min_score=0.5)]
        expected = [score for _, score in brute_force(vectors, query, number)]
        assert scores == [score for score in expected if score.expected >= 0.5]
        assert len(scores) > 5
    assert collection.similar_by_vector(query, min_score=1.1) == []
    with pytest.raises(ValueError, match="min_score is '0.5'"):
        collection.similar_by_vector(query, min_score="0.5")


def test_how_a_search_was_answered(numbers):
    collection, vectors = numbers
    explanation = collection.explain(vectors["a000"], 3, prefix="b")
    assert explanation.plan == "scan"
    assert explanation.candidates is None
    assert explanation.entries == collection.similar_by_vector(vectors["a000"], 3, prefix="b")
    assert explanation.seconds == sum(step.seconds for step in explanation.steps) > 0
    assert str(explanation).startswith("scan: 3 rows, ")
    assert collection.explain(id="a000").entries == collection.similar_by_id("a000")
    assert collection.explain(vectors["a000"], 0).plan is None
    for wrong in ({}, {"value": [1.0], "id": "a000"}):
        with pytest.raises(ValueError, match="takes a value to search for, or else id="):
            collection.explain(**wrong)
    with pytest.raises(vecstore.DoesNotExist, match="ID not found"):
        collection.explain(id="nope")


def test_several_collections_give_one_ranking(numbers, closing):
    collection, vectors = numbers
    elsewhere = closing(vecstore.connect())
    others = [
        Collection("others", collection.db, model=Vectors()),
        Collection("elsewhere", elsewhere, model=Vectors()),
        Collection("empty", collection.db, model=Vectors()),
    ]
    fill(others[0], {"x": vectors["a000"], "y": pseudorandom("y")})
    fill(others[1], {"a000": vectors["a000"], "b": [0.0] * 8})
    text = " ".join(map(str, vectors["a000"]))
    for value in (text, vectors["a000"]):
        ranking = vecstore.similar_across([collection, *others], value, 4)
        assert [(c.name, e.id) for c, e in ranking[:3]] == [
            ("numbers", "a000"),
            ("others", "x"),
            ("elsewhere", "a000"),
        ]
        assert ranking[3] == (collection, collection.similar_by_id("a000")[0])
    few = vecstore.similar_across([collection, *others], text, where="id in ('y', 'b')")
    assert [entry.id for _, entry in few] == ["y"]
    assert vecstore.similar_across([], text) == []


def test_collections_of_two_models_have_no_common_ranking(numbers, model):
    collection, vectors = numbers
    other = Collection("words", collection.db, model=model)
    with pytest.raises(vecstore.ModelMismatchError, match="'words' has the model 'word-lengths'"):
        vecstore.similar_across([collection, other], vectors["a000"])


def test_a_model_may_be_recorded_by_two_names(db):
    """llm records an alias of its own where vecstore records the name."""
    ours = Collection("ours", db, model_id="text-embedding-3-small")
    theirs = Collection("theirs", db, model_id="text-embedding-3-small")
    db["collections"].update(theirs.id, {"model": "3-small"})
    collections = [ours, Collection("theirs", db)]
    for collection in collections:
        fill(collection, {"a": [1, 0]})
    for ordered in (collections, collections[::-1]):
        assert len(vecstore.similar_across(ordered, [1, 0])) == 2
