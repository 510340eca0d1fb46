"""Similarity search on PostgreSQL: it finds what brute force and a SQLite file find."""

import re
import threading
from collections.abc import Iterator

import pytest
import sqlite_utils
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import vecstore
from tests.support.brute_force import brute_force, found
from tests.support.models import Pseudorandom, pseudorandom
from vecstore import Collection
from vecstore.postgres import search

# Cosines of these are equal, or far from that: no rounding decides.
NUMBERS = st.tuples(*[st.sampled_from([-1.0, 0.0, 1.0])] * 3)
VECTORS = st.tuples(NUMBERS, st.sampled_from([1, 2])).map(lambda v: [v[1] * n for n in v[0]])
IDS = [
    "a",
    "b",
    "a%",
    "a_",
    "A",
    "ä",
    "'",
    '"',
    "\\",
    "🐶",
    "",
    "ab",
    "abc",
    "\uffff",
    "\U0010ffff",
]
PREFIXES = [None, "a", "a%", "🐶", "\\", "none", "\U0010ffff"]


@pytest.fixture(scope="module")
def url(postgres_server: str) -> Iterator[str]:
    """The URL of a database for the tests of this module."""
    from tests.support.postgres_server import database_of

    with database_of(postgres_server) as url:
        yield url


@pytest.fixture
def collection(url: str) -> Iterator[Collection]:
    """An empty collection, which is deleted after the test."""
    made = Collection("numbers", url, model=Pseudorandom())
    yield made
    if made.store.find("numbers"):
        made.delete()
    made.store.close()


@pytest.fixture
def other(url: str) -> Iterator[Collection]:
    """A second collection, on a connection of its own."""
    made = Collection("others", url, model=Pseudorandom())
    yield made
    made.delete()
    made.store.close()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    vectors=st.dictionaries(st.sampled_from(IDS), VECTORS, max_size=15),
    query=NUMBERS,
    number=st.sampled_from([0, 1, 3, 10, 10**30]),
    prefix=st.sampled_from(PREFIXES),
    skip_id=st.sampled_from([None, *IDS, "nul\0"]),
    min_score=st.sampled_from([None, -0.5, 0.0, 0.6, 2.0]),
    exact=st.booleans(),
)
def test_a_search_finds_what_brute_force_and_a_file_find(
    url, vectors, query, number, prefix, skip_id, min_score, exact
):
    given_conditions = {"min_score": min_score, "exact": exact}
    answers = []
    for place in (url, sqlite_utils.Database(memory=True)):
        made = Collection("drawn", place, model=Pseudorandom())
        made.add_multi((id, vector, None, {"n": vector[0]}) for id, vector in vectors.items())
        entries = made.similar_by_vector(query, number, skip_id, prefix, **given_conditions)
        answers.append([(e.id, pytest.approx(e.score, abs=1e-6), e.metadata) for e in entries])
        made.delete()
        made.store.close()
    assert answers[0] == answers[1]
    if any(query):
        expected = brute_force(vectors, query, number, skip_id, prefix or "")
        least = -2.0 if min_score is None else min_score
        assert [(id, score) for id, score, _ in answers[0]] == [
            (id, score) for id, score in expected if score.expected >= least
        ]


def test_ids_have_the_order_of_their_bytes_and_a_prefix_is_literal(collection):
    collection.add_multi((id, [1.0, 2.0]) for id in IDS)
    assert collection.ids() == sorted(IDS)
    assert collection.ids("a") == ["a", "a%", "a_", "ab", "abc"]
    assert collection.ids("a%") == ["a%"]
    assert collection.ids("a\0") == []


def test_content_and_metadata_come_with_what_is_found(collection):
    collection.add("a", [1.0, 0.0], "some text", {"n": [1, None, "ä"]})
    collection.add("b", [0.0, 1.0], b"\xff")
    a, b = collection.similar_by_vector([2.0, 0.0])
    assert (a.id, a.score, a.content, a.metadata) == ("a", 1.0, "some text", {"n": [1, None, "ä"]})
    assert (b.id, b.score, b.content, b.metadata) == ("b", 0.0, None, None)


def test_vectors_that_cannot_be_compared_are_left_out(collection):
    vectors = {
        "zero": [0.0, 0.0],
        "squares too small": [1e-30, 0.0],
        "squares too large": [3e38, 3e38],
        "opposite": [-1.0, -1.0],
        "right angle": [1.0, -1.0],
        "same": [0.5, 0.5],
    }
    collection.add_multi(vectors.items())
    expected = [("same", 1.0), ("right angle", 0.0), ("opposite", -1.0)]
    assert found(collection.similar_by_vector([1.0, 1.0])) == [
        (id, pytest.approx(score)) for id, score in expected
    ]
    for id in ("zero", "squares too small", "squares too large"):
        assert collection.similar_by_id(id) == []
        assert collection.explain(vectors[id]).steps == []


def test_a_vector_of_another_length_is_an_error(collection):
    assert collection.explain([1.0, 0.0]).steps == []
    collection.add("a", [1.0, 0.0])
    with pytest.raises(vecstore.DimensionError, match="3 dimensions .* have 2"):
        collection.similar_by_vector([1.0, 0.0, 0.0])
    with pytest.raises(vecstore.DimensionError, match="3 dimensions .* have 2"):
        collection.similar_by_vector([0.0, 0.0, 0.0])


def test_vectors_of_several_lengths_are_searched_by_those_of_the_same(collection, url):
    collection.add("two", [1.0, 0.0])
    collection.store.db.run(
        "insert into embeddings (collection_id, id, embedding) values (%s, 'three', '[1,0,0]')",
        [collection.id],
    )
    assert [e.id for e in collection.similar_by_vector([1.0, 0.0])] == ["two"]
    assert [e.id for e in collection.similar_by_vector([1.0, 0.0, 0.0])] == ["three"]


def test_a_search_sees_its_own_collection_alone(collection, other):
    collection.add("a", [1.0, 0.0])
    other.add_multi([("a", [1.0, 1.0]), ("b", [1.0, 0.0])])
    assert found(collection.similar_by_vector([1.0, 0.0])) == [("a", 1.0)]
    assert collection.similar_by_id("a") == []


def test_a_search_in_a_transaction_sees_what_that_has_written(collection):
    collection.add("a", [1.0, 0.0])
    with pytest.raises(KeyError), collection.store.writing():
        collection.add("b", [1.0, 0.0])
        assert [e.id for e in collection.similar_by_vector([1.0, 0.0], where="true")] == ["a", "b"]
        assert [e.id for e in collection.similar_by_vector([1.0, 0.0])] == ["a", "b"]
        with pytest.raises(vecstore.InvalidInputError):
            collection.similar_by_vector([1.0, 0.0], where="nope")
        collection.add("c", [1.0, 0.0])  # the transaction goes on
        raise KeyError
    assert collection.ids() == ["a"]


def test_a_collection_that_was_deleted_is_no_empty_one(collection, url):
    collection.add("a", [1.0, 0.0])
    again = Collection("numbers", url, model=Pseudorandom())
    again.delete()
    again.store.close()
    for search_it in (
        lambda: collection.similar_by_vector([1.0, 0.0]),
        lambda: collection.similar_by_vector([1.0, 0.0], where="true"),
        collection.ids,
    ):
        with pytest.raises(vecstore.DoesNotExist, match="numbers"):
            search_it()


def test_threads_search_one_store(collection):
    vectors = {f"i{n}": pseudorandom(str(n)) for n in range(50)}
    collection.add_multi(vectors.items())
    expected = brute_force(vectors, pseudorandom("query"), 10)
    answers = []

    def search_it() -> None:
        answers.append(found(collection.similar_by_vector(pseudorandom("query"))))
        collection.store.close()

    threads = [threading.Thread(target=search_it) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [expected] * 4


def test_the_steps_of_an_explanation_can_be_run(collection):
    collection.add("a", [1.0, 0.0], "text")
    (step,) = collection.explain(
        [1.0, 0.0], prefix="a", where="content = ?", where_args=["text"]
    ).steps
    assert (step.plan, step.rows, step.candidates, step.advice) == ("exact", 1, None, None)
    values = {"_vector": "[1,0]", "_prefix": "a", "_value_1": "text"}
    sql = re.sub(r"(?<!:):(_\w+)", r"%(\1)s", step.sql).replace(
        "%(_vector)s", "%(_vector)s::vector"
    )
    rows = collection.store.connection().execute(sql, values)
    assert rows.fetchall() == [("a", 1.0, "text", None)]


def test_a_large_collection_without_an_index_is_advised_to_build_one(collection, monkeypatch):
    monkeypatch.setattr(search, "_MANY_ROWS", 50)
    vectors = {f"i{n:02}": pseudorandom(str(n)) for n in range(50)}
    collection.add_multi(vectors.items())
    collection.store.connection().execute("analyze embeddings")
    query = pseudorandom("query")
    assert "build_graph()" in collection.explain(query).advice
    assert collection.explain(query, exact=True).advice is None
    assert collection.explain(query, prefix="i").advice is None
    collection.delete_ids(["i00"])
    assert collection.explain(query).advice is None
