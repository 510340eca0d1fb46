"""What keywords find in PostgreSQL: which words texts have, queries of any text, and snippets."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import vecstore.postgres.keywords
from tests.support.models import Pseudorandom
from tests.support.postgres_server import database_of
from tests.support.two_stores import approximate, collections_in_both
from vecstore import Collection, InvalidInputError
from vecstore.keywords import parse
from vecstore.postgres.store import PostgresStore
from vecstore.sqlite.index.keyword_tables import DEFAULT_TOKENIZER

TEXTS = [
    "Hello, World! PN-4711 c++ c# a.b@example.com http://x.y/z?q=1 <b>bold</b> &amp; foo_bar",
    "12abc 1e5 1e 3x4 0x1F ab12cd -5 3.14 v1.2.3 1.e3 007 $7 50% ² x² ٣ ½",
    "Ärger e\u0301te\u0301 Düsseldorf STRASSE ỡ naïve Øre Łódź çat",
    "ЯЩЖ ЙЯ Ἀθῆναι 한국어 東京都 «quoted» “x” ¿qué? it's —dash— a\u00a0b a\u2003b",
    "The running runs of bicycles quickly and relational hopping happily ponies",
    "tab\tnewline\nreturn\rform\ffeed",
    "",
    " ** ",
]


def words_of_fts5(text: str) -> list[str]:
    """Return the words that SQLite's index has of a text, in order."""
    with closing(sqlite3.connect(":memory:")) as conn:
        conn.execute(f"create virtual table texts using fts5 (c, tokenize='{DEFAULT_TOKENIZER}')")
        conn.execute("insert into texts values (?)", [text])
        conn.execute("create virtual table words using fts5vocab (texts, 'instance')")
        return [word for (word,) in conn.execute("select term from words order by offset")]


@pytest.fixture(scope="module")
def url(postgres_server) -> Iterator[str]:
    with database_of(postgres_server) as url:
        yield url


@pytest.fixture(scope="module")
def both(url) -> Iterator[list[Collection]]:
    """Two collections without entries, which a test fills."""
    with collections_in_both(url, Pseudorandom()) as both:
        yield both


def fill(both: list[Collection], texts: list[str]) -> None:
    for collection in both:
        collection.store.delete(collection.row, collection.ids())
        collection.embed_multi(((f"{n:03}", text) for n, text in enumerate(texts)), store=True)


def assert_alike(both: list[Collection], query: str) -> None:
    expected, found = (
        approximate(collection.search(query, 100, mode="keywords", marks=("[", "]")))
        for collection in both
    )
    assert found == expected, query


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_has_the_words_that_it_has_in_a_file(both, text):
    db = both[1].store.db
    sql = """
        select
          array(
            select lexeme
            from unnest(vecstore_keywords(%(text)s)), unnest(positions) as position
            order by position
          ),
          vecstore_keyword_count(%(text)s)
    """
    expected = words_of_fts5(text)
    assert db.rows(sql, {"text": text}) == [(expected, len(expected))]


def test_words_do_not_depend_on_the_search_path(postgres_url):
    url = f"{postgres_url}&options=-csearch_path%3Dmine"
    with closing(PostgresStore(url)) as store:
        collection = Collection("test", store, model=Pseudorandom())
        collection.embed("a", "Running hounds", store=True)
        store.db.run("set search_path to pg_catalog, public")
        store.db.run("reindex table mine.embeddings")
        store.db.run("update mine.embeddings set content = 'Runs of cats'")
        assert store.db.rows("select keywords::text, keyword_count from mine.embeddings") == [
            ("'cat':3 'of':2 'run':1", 3)
        ]


def test_whoever_writes_is_found(both):
    fill(both, ["a cat"])
    pets = both[1]
    pets.store.db.run("update embeddings set content = 'a hound' where id = '000'")
    [found] = pets.search("hounds", mode="keywords")
    assert (found.id, found.snippet) == ("000", "a **hound**")
    assert pets.search("cat", mode="keywords") == []


@pytest.mark.parametrize(
    "text",
    [
        "x" * 3_000_000 + " hound",
        "hound " + "x" * 3_000_000,
        "hound " + " ".join(chr(0x20000 + n % 40_000) for n in range(200_000)),
        "hound " + " ".join(map(str, range(300_000))),
        "hound " + "é" * 200_000,
        "hound " + "한 " * 200_000,
        "hound " + "!" * 1_000_000,
        "hound " * 200_000,
    ],
    ids=lambda text: f"{text[:7]}{len(text)}",
)
def test_no_text_is_too_long_to_be_stored(both, text):
    fill(both, [text, "a cat"])
    assert both[1].get("000").content == text
    found = [(e.id, len(e.snippet) > 5) for e in both[1].search("hound", mode="keywords")]
    assert found == ([] if text.startswith("x") else [("000", True)])


QUERIES = [
    *("PN-4711", "c++", "c#", "'", "''", "\\", "\\'", "& | ! ( ) : *", "a:*", "<->", "a\\:*", "%s"),
    *("%(x)s", "a & b", "!a", "(a", "a <-> b", "it's", "$7", "50%", "?", ":a", "a -\\", "x²", "٣"),
    *("café*", '"x y"*', "pn*", "-a b", '-"x y" b', "\ufeff", "\u200b", "🐶", "9" * 400),
]


@pytest.mark.parametrize("query", QUERIES)
def test_what_a_person_types_is_no_syntax(both, query):
    fill(both, [*TEXTS, "a b", "it's \\ a: b", "x y zoo", "🐶", "% %s"])
    assert_alike(both, query)


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.text(st.characters(codec="utf-8"), max_size=30))
@example("\0")
@example("a\0b")
@example("'" * 300)
@example("\\" * 300)
@example(" ".join(f"w{n}" for n in range(2000)))
@example("-".join(f"w{n}" for n in range(2000)))
@example("hound " + " ".join(f"-w{n}" for n in range(1000)))
def test_no_text_is_an_error_of_syntax(both, query):
    try:
        parse(query)
    except InvalidInputError:
        with pytest.raises(InvalidInputError, match="add a word"):
            both[1].search(query)
    else:
        assert {each.id for each in both[1].search(query)} <= {*both[1].ids()}


WORDS = [
    "hound",
    "cat",
    "Hounds.",
    "the",
    "end: ",
    "cat,",
    "naïve",
    "x-y",
    "happy",
    "(hound)",
    "\n",
]


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    texts=st.lists(st.lists(st.sampled_from(WORDS), min_size=20, max_size=70), max_size=4),
    query=st.sampled_from(["hound", "hound cat", '"the cat" happy', "ho* x-y", '"cat cat"']),
)
def test_a_long_text_has_the_snippet_that_it_has_in_a_file(both, texts, query):
    fill(both, [" ".join(words) for words in texts])
    assert_alike(both, query)


def test_where_words_cannot_be_told_apart_nothing_is_marked(both):
    fill(both, ["5e7x hound " + "word " * 30])
    [found] = both[1].search("hound", mode="keywords")
    assert found.snippet == "5e7x hound " + "word " * 21 + "word…"


def test_a_large_table_is_counted_by_a_sample(both):
    db = both[1].store.db
    fill(both, ["a hound of words"])
    db.run(
        f"""
        insert into embeddings (collection_id, id, content)
        select {both[1].id}, 'n' || n, 'five words are in here' || repeat(' and', n %% 3)
        from generate_series(1, 12000) as n
        """
    )
    db.run("analyze embeddings")
    totals = vecstore.postgres.keywords.count_all(db)
    assert totals.texts == pytest.approx(12_001, rel=0.2)
    assert totals.words / totals.texts == pytest.approx(6, rel=0.01)
    assert both[1].search("hound of five", mode="keywords")[0].id == "000"
