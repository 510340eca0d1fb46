"""Collection.search() in PostgreSQL: what it finds is what it finds in a file."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import vecstore.postgres.keywords
import vecstore.query
from tests.support.chunked import lines
from tests.support.models import Pseudorandom, Vectors
from tests.support.postgres_server import database_of
from tests.support.two_stores import approximate, collections_in_both
from vecstore import Collection
from vecstore.sqlite.search import keyword_ranking

WORDS = [
    "hound",
    "hounds",
    "cat",
    "PN-4711",
    "**",
    "naïve",
    "犬",
    "happy",
    "the",
    "it's",
    "bicycle",
]
TEXT = st.lists(st.sampled_from(WORDS), max_size=5).map(" ".join)
IDS = [f"{'ab'[n % 2]}{n}" for n in range(12)] + ['"', "'", "🐶", "\\u0041", ""]
QUERIES = [
    "hound",
    "happy hound",
    '"happy hound"',
    "hou*",
    '"happy hou"*',
    "PN*",
    "hound -cat",
    'happy -"the cat" -犬',
    "hound -hap*",
    "hound -nowhere -++",
    "PN-4711",
    "naive the",
    "** hound",
    "**",
    "nothing of it",
]
OPTIONS = [
    {},
    {"prefix": "a"},
    {"prefix": "nul\0"},
    {"min_score": 0.1},
    {"where": "id > ?", "where_args": ["a3"]},
    {"where": "length(content) > :n", "where_args": {"n": 10}, "min_score": 0.0, "prefix": "b"},
    {"where": "metadata is null"},
    {"where": "false"},
]


def assert_alike(both: list[Collection], query: str, **options) -> None:
    for mode in ("hybrid", "keywords", "similar"):
        if mode == "keywords" and "min_score" in options:
            continue
        expected, found = (approximate(c.search(query, mode=mode, **options)) for c in both)
        assert found == expected, (mode, query, options)


@pytest.fixture(scope="module")
def unchanged(postgres_server) -> Iterator[list[Collection]]:
    """Collections of some texts, with equals, and some without a text, for tests that read."""
    with filled_collections(postgres_server) as both:
        yield both


@pytest.fixture
def pets(postgres_server) -> Iterator[list[Collection]]:
    """The same, for tests that write."""
    with filled_collections(postgres_server) as both:
        yield both


@contextmanager
def filled_collections(server: str) -> Iterator[list[Collection]]:
    with database_of(server) as url, collections_in_both(url, Pseudorandom()) as both:
        for pets in both:
            pets.embed_multi(((id, text(n)) for n, id in enumerate(IDS)), store=True)
            pets.embed_multi((f"not {n}", text(n)) for n in range(5))
            pets.embed_documents({"doc": "the hound\nthe cat\nhappy the hound"}.items(), lines)
            other = Collection("other", pets.store, model=Pseudorandom())
            other.embed_multi(((id, "hound of another") for id in IDS[3:8]), store=True)
        yield both


def text(n: int) -> str:
    return " ".join(WORDS[(n + k * k) % len(WORDS)] for k in range(n % 6))


@pytest.mark.parametrize("query", QUERIES)
def test_every_query_finds_what_it_finds_in_a_file(unchanged, query):
    for options in OPTIONS:
        assert_alike(unchanged, query, **options)
    assert_alike(unchanged, query, number=3, per_document=True)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    texts=st.dictionaries(st.sampled_from(IDS), TEXT, max_size=16),
    query=st.sampled_from(QUERIES),
    options=st.sampled_from(OPTIONS),
    number=st.sampled_from([0, 1, 2, 5, 100, 2**80]),
    weights=st.sampled_from([(1.0, 1.0), (2.5, 1), (0.001, 30.0)]),
    least_depth=st.sampled_from([1, 3, 20]),
    frequent=st.sampled_from([1, 2, 1000]),
)
def test_a_search_finds_what_it_finds_in_a_file(
    pets, texts, query, options, number, weights, least_depth, frequent
):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vecstore.query, "_LEAST_DEPTH", least_depth)
        patch.setattr(keyword_ranking, "_FREQUENT", frequent)
        patch.setattr(vecstore.postgres.keywords, "_FREQUENT", frequent)
        for collection in pets:
            collection.store.delete(collection.row, collection.ids())
            collection.embed_multi(texts.items(), store=True)
        assert_alike(pets, query, number=number, weights=weights, **options)


def test_equals_at_the_edge_of_what_is_fused_are_in_the_order_of_ids(pets):
    ids = [f"{n * 37 % 100:02}" for n in range(100)]
    for collection in pets:
        collection.embed_multi(
            ((id, "the hound" if id > "10" else "hound") for id in ids), store=True
        )
    for number in (5, 20, 21, 99, 100, 101):
        assert_alike(pets, "hound", number=number)
        assert_alike(pets, "hound", number=number, where="id <> '20'")


def test_words_are_marked_as_they_stand_in_the_text(unchanged):
    assert_alike(unchanged, "** hound", marks=("<b>", "</b>"))
    assert_alike(unchanged, "naive", marks=("it's \"", "%s?:_before"))
    [first, *_] = unchanged[1].search("naïve", mode="keywords", marks=("[", "]"))
    assert "[naïve]" in first.snippet


def test_rows_whose_vectors_cannot_be_compared_are_found_by_their_words(postgres_url):
    with collections_in_both(postgres_url, Vectors()) as both:
        for collection in both:
            collection.embed_multi([("zero", "0 0"), ("east", "1 0"), ("far", "3e30 4e30")], True)
        assert_alike(both, "0 1")
        assert_alike(both, "0 0")


def test_a_condition_is_alone(unchanged):
    [expected] = [{e.id for e in unchanged[1].search("hound", 100)}]
    assert {e.id for e in unchanged[1].search("hound", 100, where="false) or (true")} == expected
    assert unchanged[1].search("hound", 100, where="false -- comment") == []


def test_a_beginning_is_of_a_word_not_of_its_stem(unchanged):
    for query, marked in (("bicy*", "**bicycle**"), ("hap*", "**happy**"), ("happy*", "**happy**")):
        expected, found = ({e.id for e in c.search(query, mode="keywords")} for c in unchanged)
        assert found == expected
        assert marked in unchanged[1].search(query, mode="keywords")[0].snippet


def test_an_empty_collection_has_no_results(postgres_url):
    with collections_in_both(postgres_url, Pseudorandom()) as both:
        assert_alike(both, "hound -cat")


def test_in_a_transaction_of_the_users_what_it_wrote_is_found(pets):
    for collection in pets:
        with collection.store.writing():
            collection.embed("new", "a unicorn", store=True)
            [found] = collection.search("unicorn", mode="keywords")
            assert found.snippet == "a **unicorn**"


def test_explain_shows_each_statement(unchanged):
    explained = unchanged[1].explain("hound", mode="hybrid")
    assert [step.plan for step in explained.steps] == ["exact", "hybrid"]
    assert "keywords @@ " in explained.steps[-1].sql


def test_a_condition_that_is_none_is_an_error_and_writes_nothing(unchanged):
    for where in ("nonsense(", "1", "true; delete from embeddings", "true) union (select 1"):
        with pytest.raises(vecstore.InvalidInputError):
            unchanged[1].search("hound", where=where)
    assert unchanged[1].count() == unchanged[0].count()
