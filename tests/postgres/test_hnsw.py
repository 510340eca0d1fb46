"""HNSW indexes: they propose what searches compare, and are built while others read and write."""

import threading
import uuid
from collections.abc import Iterator

import pytest

import vecstore
from tests.support.brute_force import brute_force, found
from tests.support.models import Pseudorandom, pseudorandom
from vecstore import Collection
from vecstore.postgres import hnsw
from vecstore.postgres.connection import PostgresDatabase

DIMENSIONS = 16
VECTORS = {f"i{n:04}": pseudorandom(str(n), DIMENSIONS) for n in range(1500)}
QUERIES = [pseudorandom(f"query {n}", DIMENSIONS) for n in range(30)]


@pytest.fixture(scope="module")
def url(postgres_server: str) -> Iterator[str]:
    """The URL of a database for the tests of this module."""
    from tests.support.postgres_server import database_of

    with database_of(postgres_server) as url:
        yield url


@pytest.fixture(scope="module")
def indexed(url: str) -> Iterator[Collection]:
    """A collection with an index. Tests leave it as it is."""
    made = Collection("indexed", url, model=Pseudorandom())
    made.add_multi((id, vector, f"text {id}", {"n": 1}) for id, vector in VECTORS.items())
    made.build_graph()
    yield made
    made.store.close()


@pytest.fixture
def collection(url: str) -> Iterator[Collection]:
    """An empty collection, which is deleted after the test."""
    made = Collection("numbers", url, model=Pseudorandom())
    yield made
    if made.store.find("numbers"):
        made.delete()
    made.store.close()


def indexes(collection: Collection) -> list[tuple[int, bool]]:
    """Return the dimensions of a collection's indexes, and whether they are used."""
    return [
        (index.dimensions, index.is_valid)
        for index in hnsw.list_indexes(collection.store.db)
        if index.collection == collection.name
    ]


def index_names(collection: Collection) -> list[str]:
    sql = "select relname from pg_class where relname ~ '^vecstore_hnsw_' order by 1"
    return [name for (name,) in collection.store.db.rows(sql)]


@pytest.mark.parametrize("number", [1, 10, 100])
def test_an_index_finds_what_brute_force_finds(indexed, number):
    missed = 0
    for query in QUERIES:
        explained = indexed.explain(query, number)
        assert [step.plan for step in explained.steps] == ["graph"]
        assert explained.candidates == max(40, 4 * number)
        expected = dict(brute_force(VECTORS, query, number))
        answer = dict(found(explained.entries))
        assert len(answer) == number
        assert {id: score for id, score in answer.items() if id in expected} == {
            id: score for id, score in expected.items() if id in answer
        }
        missed += len(expected.keys() - answer.keys())
    assert missed <= 0.01 * number * len(QUERIES)


def test_what_an_index_finds_has_its_content(indexed):
    for query in QUERIES[:3]:
        by_index = indexed.explain(query)
        exact = indexed.explain(query, exact=True)
        assert (by_index.plan, exact.plan) == ("graph", "exact")
        assert by_index.entries == exact.entries


@pytest.mark.parametrize(
    ("number", "conditions"),
    [
        (251, {}),  # more than pgvector proposes
        (2000, {}),
        (10, {"exact": True}),
        (10, {"prefix": "i00"}),
        (10, {"where": "id < 'i0100'"}),
    ],
)
def test_where_an_index_would_find_too_few_all_are_compared(indexed, number, conditions):
    explained = indexed.explain(QUERIES[0], number, **conditions)
    assert [(step.plan, step.advice) for step in explained.steps] == [("exact", None)]


def test_a_search_by_an_index_leaves_out_what_it_is_told_to(indexed):
    ids = [id for id, _ in brute_force(VECTORS, VECTORS["i0007"], 11)]
    explained = indexed.explain(id="i0007")
    assert [entry.id for entry in explained.entries] == ids[1:]
    least = explained.entries[4].score
    explained = indexed.explain(id="i0007", min_score=least)
    assert [entry.id for entry in explained.entries] == ids[1:6]
    assert [step.plan for step in explained.steps] == ["graph"]
    explained = indexed.explain(QUERIES[0], min_score=1.5)
    assert (explained.entries, explained.plan) == ([], "graph")
    assert indexed.explain([0.0] * DIMENSIONS).steps == []
    with pytest.raises(vecstore.DimensionError):
        indexed.explain([1.0, 2.0])


def test_a_search_by_an_index_leaves_settings_as_they_were(indexed):
    db = indexed.store.db
    names = ("hnsw.ef_search", "hnsw.iterative_scan", "enable_sort", "transaction_read_only")
    before = [db.rows(f"show {name}") for name in names]
    with indexed.store.writing():
        assert indexed.explain(QUERIES[0]).plan == "graph"
        assert [db.rows(f"show {name}") for name in names] == before
    assert indexed.explain(QUERIES[0]).plan == "graph"
    assert [db.rows(f"show {name}") for name in names] == before


def test_what_is_written_after_a_build_is_found(collection):
    collection.add_multi(VECTORS.items())
    collection.build_graph()
    query = QUERIES[0]
    collection.add_multi([("new", query), ("i0001", [-number for number in query])])
    nearest = [id for id, _ in brute_force(VECTORS, query, 100) if id != "i0001"]
    collection.delete_ids(nearest[:60])  # more than are proposed at first
    left = {id: vector for id, vector in VECTORS.items() if id not in nearest[:60]}
    left.update({"new": query, "i0001": [-number for number in query]})
    explained = collection.explain(query, 10)
    assert found(explained.entries) == brute_force(left, query, 10)
    assert [step.plan for step in explained.steps] == ["graph"]


@pytest.mark.parametrize("copies", [30, 300])
@pytest.mark.parametrize("number", [10, 29, 31, 100])
def test_ids_decide_among_equals_that_an_index_has(collection, copies, number):
    vectors = dict(VECTORS)
    near = [number + 0.01 for number in QUERIES[0]]
    vectors.update({f"copy{n:03}": near for n in range(copies)})
    collection.add_multi(vectors.items())
    collection.build_graph()
    explained = collection.explain(QUERIES[0], number)
    assert found(explained.entries) == brute_force(vectors, QUERIES[0], number)


def test_vectors_without_direction_are_not_in_the_way(collection):
    vectors = {f"{n:02}": pseudorandom(str(n), 3) for n in range(50)}
    collection.add_multi(vectors.items())
    collection.add_multi(
        [("zero", [0.0] * 3), ("small", [1e-30, 0, 0]), ("large", [3e38, 3e38, 0.0])]
    )
    collection.build_graph()
    collection.add_multi([("zero too", [0.0] * 3), ("large too", [3e38, 0.0, -3e38])])
    query = [1.0, 1.0, 0.0]
    explained = collection.explain(query, 10)
    assert found(explained.entries) == brute_force(vectors, query, 10)
    assert len(collection.similar_by_vector(query, 100)) == 50


def test_an_index_of_many_dimensions_is_of_bits(collection):
    vectors = {f"{n:03}": pseudorandom(str(n), 4100) for n in range(300)}
    collection.add_multi(vectors.items())
    collection.build_graph()
    query = pseudorandom("query", 4100)
    explained = collection.explain(query, 5)
    assert [step.plan for step in explained.steps] == ["graph"]
    assert explained.candidates == 100
    exact = collection.explain(query, 5, exact=True)
    assert explained.entries[0] == exact.entries[0]
    assert len(explained.entries) == 5


def test_each_dimension_has_an_index(collection):
    collection.add_multi((id, [1.0, float(n)]) for n, id in enumerate("abc"))
    collection.store.db.run(
        "insert into embeddings (collection_id, id, embedding) values (%s, 'three', '[1,0,0]')",
        [collection.id],
    )
    index = hnsw.build(collection.store.db, collection.row)
    name = f"vecstore_hnsw_{collection.id}_2"
    assert index == (name, "numbers", 2, True, index.bytes)
    assert index.bytes > 0
    assert indexes(collection) == [(2, True), (3, True)]
    assert hnsw.drop(collection.store.db, collection.row) is True
    assert indexes(collection) == []
    assert hnsw.drop(collection.store.db, collection.row) is False


def test_a_build_tells_how_far_it_is(collection, monkeypatch):
    monkeypatch.setattr(hnsw, "_WAIT_SECONDS", 0.001)
    collection.add_multi(VECTORS.items())
    seen = []
    hnsw.build(collection.store.db, collection.row, lambda *step: seen.append(step))
    assert "building index: loading tuples" in {phase for phase, _, _ in seen}
    assert all(0 <= done <= total for _, done, total in seen if total)
    assert indexes(collection) == [(DIMENSIONS, True)]


def test_an_error_of_the_progress_ends_a_build_and_the_next_one_replaces_it(
    collection, monkeypatch
):
    monkeypatch.setattr(hnsw, "_WAIT_SECONDS", 0.001)
    collection.add_multi(VECTORS.items())

    def stop(*step: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        hnsw.build(collection.store.db, collection.row, stop)
    assert indexes(collection) in ([(DIMENSIONS, False)], [])
    assert collection.explain(QUERIES[0]).plan == "exact"
    collection.build_graph()
    assert indexes(collection) == [(DIMENSIONS, True)]
    assert collection.explain(QUERIES[0]).plan == "graph"


def test_builds_at_the_same_time_take_turns(collection, url):
    collection.add_multi((id, VECTORS[id]) for id in list(VECTORS)[:200])
    other = Collection("other numbers", url, model=Pseudorandom())
    other.add_multi((id, VECTORS[id]) for id in list(VECTORS)[:200])
    failed = []

    def build(row: vecstore.rows.CollectionRow) -> None:
        db = PostgresDatabase(url)
        try:
            hnsw.build(db, row)
        except BaseException as error:
            failed.append(error)
        finally:
            db.close()

    threads = [
        threading.Thread(target=build, args=[row])
        for row in (collection.row, other.row, collection.row)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert indexes(collection) == indexes(other) == [(DIMENSIONS, True)]
    other.delete()
    other.store.close()


def test_a_build_refuses_what_it_cannot_do(collection):
    with pytest.raises(vecstore.InvalidInputError, match="'numbers' has no vectors"):
        collection.build_graph()
    collection.add("a", [1.0, 0.0])
    with collection.store.writing():
        with pytest.raises(vecstore.DatabaseError, match="'numbers'.*transaction: commit"):
            collection.build_graph()
        with pytest.raises(vecstore.DatabaseError, match="'numbers'.*transaction: commit"):
            hnsw.drop(collection.store.db, collection.row)
    row = collection.row
    collection.delete()
    for work in (hnsw.build, hnsw.drop):
        with pytest.raises(vecstore.DoesNotExist):
            work(collection.store.db, row)


def test_the_index_of_a_collection_goes_with_it(collection):
    others = index_names(collection)
    collection.add("a", [1.0, 0.0])
    collection.build_graph()
    copied = collection.copy("copied")
    assert indexes(copied) == []
    copied.delete()
    collection.rename("renamed")
    assert indexes(collection) == [(2, True)]
    collection.delete()
    assert index_names(collection) == others


def test_the_index_of_a_collection_that_was_deleted_in_a_transaction_goes_with_the_next_build(
    collection, url
):
    others = index_names(collection)
    collection.add("a", [1.0, 0.0])
    collection.build_graph()
    with collection.store.writing():
        collection.delete()
    assert len(index_names(collection)) == len(others) + 1
    again = Collection("numbers", url, model=Pseudorandom())
    again.add("a", [1.0, 0.0])
    again.build_graph()
    again.delete()
    again.store.close()
    assert index_names(collection) == others


def test_who_may_write_rows_alone_deletes_a_collection_that_has_an_index(collection, url):
    collection.add("a", [1.0, 0.0])
    collection.build_graph()
    db = collection.store.db
    role = f"vecstore_writer_{uuid.uuid4().hex}"
    db.run_script(
        f"""
        CREATE ROLE {role};
        GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role};
        """
    )
    try:
        writer = Collection("numbers", f"{url}&options=-crole%3D{role}")
        writer.delete()
        writer.store.close()
    finally:
        db.run_script(f"DROP OWNED BY {role}; DROP ROLE {role};")
    assert not Collection.exists(url, "numbers")


def test_a_collection_inherits_an_index(collection, url):
    new = Collection("new", url, model=Pseudorandom())
    collection.add("a", [1.0, 0.0])
    new.add("a", [1.0, 0.0, 0.0])
    collection.store.inherit_graph(collection.row, new.row)
    assert indexes(new) == []
    collection.build_graph()
    collection.store.inherit_graph(collection.row, new.row)
    assert indexes(new) == [(3, True)]
    new.delete()
    new.store.close()


def test_indexes_of_another_schema_are_none_of_these(postgres_server):
    from tests.support.postgres_server import database_of

    with database_of(postgres_server) as url:
        outer = Collection("outer", url, model=Pseudorandom())
        outer.add("a", [1.0, 0.0])
        outer.build_graph()
        outer.store.connection().execute("create schema own")
        inner = Collection(
            "inner", f"{url}&options=-csearch_path%3Down,public", model=Pseudorandom()
        )
        inner.add("a", [1.0, 0.0])
        assert inner.id == outer.id
        assert (indexes(outer), indexes(inner)) == ([(2, True)], [])
        assert inner.explain([1.0, 0.0]).plan == "exact"
        inner.build_graph()
        assert (indexes(outer), indexes(inner)) == ([(2, True)], [(2, True)])
        inner.delete()
        assert indexes(outer) == [(2, True)]
        inner.store.close()
        outer.store.close()


@pytest.mark.parametrize("spread", [0.3, 0.03, 0.01, 0.003])
def test_vectors_that_an_index_can_hardly_tell_apart_are_compared(collection, spread):
    """An index of numbers of half the size has another order of what is as near as this."""

    def near(name: str) -> list[float]:
        noise = pseudorandom(name, 64)
        return [1 + spread * number for number in noise]

    vectors = {f"i{n:04}": near(str(n)) for n in range(2000)}
    collection.add_multi(vectors.items())
    collection.build_graph()
    for n in range(5):
        query = near(f"query {n}")
        by_index = collection.similar_by_vector(query)
        exact = collection.similar_by_vector(query, exact=True)
        assert by_index == exact
        least = exact[4].score
        by_index = collection.similar_by_vector(query, min_score=least)
        assert by_index == collection.similar_by_vector(query, min_score=least, exact=True)
