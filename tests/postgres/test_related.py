"""Collection.related_table() in PostgreSQL: lists and reports are those of a file."""

import random
from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import vecstore
from tests.support.chunked import lines
from tests.support.models import Pseudorandom, Vectors
from tests.support.postgres_server import database_of
from tests.support.related import without_numpy
from tests.support.two_stores import collections_in_both
from vecstore import Collection, RelatedReport
from vecstore.stores import open_store

PETS = {
    "cat": "1 0",
    "dog": "1 1",
    "hound": "1 1.1",
    "fish": "-1 0",
    "zero": "0 0",
    "é'\"#1": "2 0",
}


def lists_in_file(collection: Collection) -> list[tuple]:
    sql = "select id, rank, related_id from vecstore_related where collection_id = ? order by 1, 2"
    return [tuple(row) for row in collection.db.execute(sql, [collection.id]).fetchall()]


def lists(collection: Collection) -> list[tuple]:
    return collection.store.db.rows(
        """
        select id, rank, related_id
        from vecstore_related
        where collection_id = %s
        order by id, rank
        """,
        [collection.id],
    )


def assert_current(collection: Collection, number: int) -> None:
    """Compare the lists, and their scores, with what an exact search for each entry finds."""
    found = collection.store.db.rows(
        """
        select id, rank, related_id, score
        from vecstore_related
        where collection_id = %s
        order by id, rank
        """,
        [collection.id],
    )
    options = {"exact": True, "skip_document": True}
    expected = [
        (id, rank, near.id, near.score)
        for id in collection.ids()
        for rank, near in enumerate(collection.similar_by_id(id, number, **options), 1)
    ]
    assert found == expected
    assert collection.related_table(number).computed == 0


@pytest.fixture(scope="module")
def both(postgres_server) -> Iterator[list[Collection]]:
    """Two collections, which a test fills."""
    with database_of(postgres_server) as url, collections_in_both(url, Vectors()) as both:
        yield both


@pytest.fixture
def pets(both) -> list[Collection]:
    """The same, with related items."""
    for collection in both:
        collection.store.delete(collection.row, collection.ids())
        collection.embed_multi(PETS.items())
        collection.related_table(2)
    return both


def assert_alike(both: list[Collection], number: int) -> RelatedReport:
    expected, report = (collection.related_table(number) for collection in both)
    assert report == expected
    assert lists(both[1]) == lists_in_file(both[0])
    assert_current(both[1], number)
    return report


@pytest.fixture(params=[True, False], ids=["numpy", "sql"])
def has_numpy(request) -> Iterator[bool]:
    if request.param:
        pytest.importorskip("numpy")
        yield True
    else:
        with without_numpy():
            yield False


@pytest.mark.usefixtures("has_numpy")
def test_what_has_changed_is_computed_as_it_is_in_a_file(pets):
    assert assert_alike(pets, 2) == RelatedReport(items=6, computed=0, unchanged=6)
    for change in (
        lambda c: c.embed("new", "1 1.05"),
        lambda c: c.embed("cat", "-1 0.1"),
        lambda c: c.delete_ids(["dog"]),
        lambda c: c.embed("zero", "1 1"),
        lambda c: c.embed("hound", "0 0"),
        lambda c: c.set_metadata("fish", {"a": 1}),
        lambda c: c.delete_ids(c.ids()),
        lambda c: c.embed_multi(PETS.items()),
    ):
        for collection in pets:
            change(collection)
        assert_alike(pets, 2)
    assert assert_alike(pets, 3).computed == 5
    assert assert_alike(pets, 1).computed == 5


@pytest.mark.usefixtures("has_numpy")
def test_chunks_of_the_own_document_are_left_out(both):
    for collection in both:
        collection.store.delete(collection.row, collection.ids())
        collection.embed_multi(PETS.items())
        documents = {"a": "1 0\n1 0\n1 0.1\n0 1", "b": "1 0\n-1 0"}
        collection.embed_documents(documents.items(), lines)
    assert_alike(both, 3)
    for collection in both:
        collection.embed_documents({"a": "1 0\n0 1"}.items(), lines)
    assert_alike(both, 3)


NUMBERS = st.sampled_from([0.0, 1.0, -1.0, 2.0, 1.0000001, 3e-8, 1e-20, 1e-38, 1e18, 1e19, 1e30])
VECTORS = st.lists(NUMBERS | st.floats(-1, 1, width=32), min_size=3, max_size=3)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    first=st.dictionaries(st.sampled_from("abcdefgh"), VECTORS, max_size=8),
    then=st.dictionaries(st.sampled_from("abcdefghijkl"), VECTORS, max_size=3),
    gone=st.sets(st.sampled_from("abcdefgh"), max_size=2),
    number=st.integers(1, 4),
)
def test_any_vectors_are_listed_as_an_exact_search_finds_them(
    both, has_numpy, first, then, gone, number
):
    collection = both[1]
    collection.store.delete(collection.row, collection.ids())
    for vectors in (first, then):
        collection.embed_multi((id, " ".join(map(str, v))) for id, v in vectors.items())
        collection.related_table(number)
        assert_current(collection, number)
    collection.delete_ids(sorted(gone))
    collection.related_table(number)
    assert_current(collection, number)


@pytest.mark.usefixtures("has_numpy")
def test_many_entries_are_listed_as_an_exact_search_finds_them(postgres_url):
    shown = []
    with closing(open_store(postgres_url)) as store:
        collection = Collection("test", store, model=Pseudorandom())
        texts = random.Random(1).choices(range(500), k=700)
        collection.embed_multi((f"{n:03}", str(text)) for n, text in enumerate(texts))
        report = collection.related_table(5, progress=lambda *done: shown.append(done))
        assert report == RelatedReport(items=700, computed=700, unchanged=0, rows=3500)
        assert_current(collection, 5)
    assert shown[0] == (0, 700)
    assert shown[-1] == (700, 700)
    assert shown == sorted(shown)


def test_a_collection_takes_its_lists_with_it(pets):
    collection = pets[1]
    copied = collection.copy("copy")
    assert lists(copied) == []
    assert copied.related_table(2).computed == 5
    copied.rename("another")
    assert_current(copied, 2)
    copied.delete()
    assert lists(copied) == []
    assert_current(collection, 2)


def test_a_transaction_is_refused(pets):
    with pets[1].store.writing(), pytest.raises(vecstore.DatabaseError, match="commit it first"):
        pets[1].related_table(2)


def test_the_later_of_two_runs_overtakes_the_other(pets):
    with closing(open_store(pets[1].store.db.url)) as store:
        other = Collection("test", store, model=Vectors())

        def overtake(done, total):
            other.embed("new", "2 1")
            other.related_table(2)

        with pytest.raises(
            vecstore.DatabaseBusyError, match="Another process has begun to compute"
        ):
            pets[1].related_table(3, progress=overtake)
        assert_current(pets[1], 2)


def test_what_is_written_meanwhile_is_found_by_the_next_run(pets):
    collection = pets[1]
    with closing(open_store(collection.store.db.url)) as store:
        other = Collection("test", store, model=Vectors())
        listed = {id for id, _, _ in lists(collection)}

        def change(done, total):
            if not done:  # nothing is locked
                other.embed("x", "-1 -1")
                other.delete_ids(["dog"])

        collection.related_table(1, progress=change)
        assert {id for id, _, _ in lists(collection)} == listed
        assert collection.related_table(1).computed > 0
        assert_current(collection, 1)


def test_an_error_of_progress_leaves_whole_lists_and_nothing_open(pets):
    class OursError(Exception):
        pass

    def fail(done, total):
        raise OursError

    db = pets[1].store.db
    before = lists(pets[1])
    with pytest.raises(OursError):
        pets[1].related_table(3, progress=fail)
    assert lists(pets[1]) == before
    assert not db.has_transaction()
    assert db.rows("select relname from pg_class where relpersistence = 't'") == []
    pets[1].related_table(3)
    assert_current(pets[1], 3)


def test_a_collection_that_is_deleted_meanwhile_ends_the_run(postgres_url):
    with closing(open_store(postgres_url)) as store, closing(open_store(postgres_url)) as other:
        collection = Collection("test", store, model=Vectors())
        collection.embed_multi(PETS.items())

        def delete(done, total):
            Collection("test", other, model=Vectors()).delete()

        with pytest.raises(vecstore.DoesNotExist):
            collection.related_table(2, progress=delete)
        assert lists(collection) == []


def test_what_is_meddled_with_is_computed_anew(pets):
    for sql in (
        "delete from vecstore_related",
        "delete from vecstore_related where rank > 1",
        "delete from vecstore_related_state where id > 'c'",
        "delete from vecstore_related_runs",
        "insert into vecstore_related select collection_id, id, 9, 'cat', 0 from vecstore_related "
        "where rank = 1",
    ):
        pets[1].store.db.run(sql)
        assert pets[1].related_table(2).computed > 0
        assert_current(pets[1], 2)
