"""What a person types, as a query of FTS5's: any text is one, or an InvalidInputError."""

import contextlib
import re
import sqlite3

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import vecstore
from tests.support.models import Pseudorandom
from vecstore import Collection, InvalidInputError
from vecstore.keywords import Term, any_of, parse
from vecstore.sqlite.index.keyword_tables import DEFAULT_TOKENIZER

TYPED = [
    ("hound", '"hound"', None, "hound"),
    ("happy hound", '"happy" OR "hound"', None, "happy hound"),
    ("  happy\n hound\t", '"happy" OR "hound"', None, "  happy\n hound\t"),
    ('"happy hound" cat', '"happy hound" OR "cat"', None, "happy hound cat"),
    ("“happy hound” cat", '"happy hound" OR "cat"', None, "happy hound cat"),
    ("„happy hound“", '"happy hound"', None, "happy hound"),
    ("embed*", '"embed" *', None, "embed"),
    ('"in the moo"*', '"in the moo" *', None, "in the moo"),
    ("hound -cat", '"hound"', '"cat"', "hound"),
    ('-"a cat" hound -dog*', '"hound"', '"a cat" OR "dog" *', "hound"),
    ("PN-4711", '"PN-4711"', None, "PN-4711"),
    ("- hound", '"-" OR "hound"', None, "- hound"),
    ("--hound", '"--hound"', None, "--hound"),
    ("a--b", '"a--b"', None, "a--b"),
    ("it's", '"it\'s"', None, "it's"),
    ('say "hello', '"say" OR "hello"', None, "say hello"),
    ('half"quoted"word', '"half" OR "quoted" OR "word"', None, "half quoted word"),
    ("hound hound", '"hound"', None, "hound hound"),
    ("NEAR(a b) AND c OR NOT d", None, None, "NEAR(a b) AND c OR NOT d"),
    ("content:hound {a b}:c ^d (e) +f", None, None, "content:hound {a b}:c ^d (e) +f"),
    ("a\0b", '"a b"', None, "a\0b"),
    ("犬 🐶", '"犬" OR "🐶"', None, "犬 🐶"),
    ("*", '"*"', None, "*"),
    ("** hound", '"**" OR "hound"', None, "** hound"),
]


@pytest.mark.parametrize(("typed", "match", "excluded", "text"), TYPED)
def test_what_is_typed_is_a_query(typed, match, excluded, text):
    if match is None:
        match = " OR ".join(dict.fromkeys(f'"{word}"' for word in typed.split()))
    has_signs = text != typed
    query = parse(typed)
    assert (any_of(query.terms), any_of(query.excluded)) == (match, excluded or "")
    assert query.text == (text if has_signs else typed) or query.text == " ".join(typed.split())


@pytest.fixture(scope="module")
def pets():
    with contextlib.closing(vecstore.connect()) as db:
        pets = Collection("pets", db, model=Pseudorandom())
        texts = ["my happy hound", "a dissatisfied cat", '-cat * "quoted"', "naïve 犬🐶", "a\0b"]
        pets.embed_multi(enumerate(texts), store=True)
        yield pets


PIECES = [
    '"',
    "“",
    "”",
    "„",
    "*",
    "-",
    "hound",
    "cat",
    " ",
    "\t",
    "\0",
    "'",
    "(",
    ")",
    ":",
    "^",
    "+",
]
PIECES += [
    "NOT",
    "AND",
    "OR",
    "NEAR",
    "{",
    "}",
    "\\",
    ",",
    ".",
    "🐶",
    "犬",
    "é",
    "\ufeff",
    "\u200b",
]
TEXTS = st.one_of(
    st.text(max_size=30),
    st.lists(st.sampled_from(PIECES), max_size=12).map("".join),
    st.text(st.characters(codec=None), max_size=8),
)


@settings(max_examples=300, deadline=None)
@given(TEXTS)
@example("\ud800")
@example('"' * 99)
@example('"*')
@example("-" * 99)
@example("*" * 99 + "-")
def test_no_text_is_an_error_of_syntax(pets, text):
    try:
        query = parse(text)
    except InvalidInputError:
        kept = re.sub(r'["“”„*\s]', "", text)
        assert not kept or not kept.isprintable() or "-" in text
        with pytest.raises(InvalidInputError):
            pets.search(text)
        return
    found = {e.id for e in pets.search(text, mode="keywords")}
    assert found <= {*pets.ids()}
    left_out = found & {e.id for e in pets.search(text, mode="hybrid") if e.keyword_rank}
    assert left_out == found
    if query.excluded:
        without = {e.id for e in pets.search("hound", 99, mode="similar")}
        assert {e.id for e in pets.search(text, 99, mode="similar")} <= without


def test_a_very_long_text_is_searched_for():
    with contextlib.closing(vecstore.connect()) as db:
        pets = Collection("pets", db, model=Pseudorandom())
        pets.embed("hound", "my happy hound", store=True)
        for text in (
            "hound " + " ".join(f"word{n}" for n in range(100_000)),
            "hound " * 100_000,
            '"' + "hound " * 100_000 + '" hound',
            "x" * 1_000_000 + " hound",
        ):
            [found] = pets.search(text, mode="keywords")
            assert (found.id, found.snippet) == ("hound", "my happy **hound**")


def test_a_thousand_words_can_be_left_out():
    words = [f"-w{n}" for n in range(1000)]
    assert parse(" ".join(["hound", *words, *words])).excluded == tuple(
        Term(f'"w{n}"', f"w{n}") for n in range(1000)
    )
    with pytest.raises(InvalidInputError, match="leaves out 1,001 words, and a search takes 1,000"):
        parse(" ".join(["hound", *words, "-more"]))


def test_a_page_without_spaces_is_looked_for_in_parts():
    page = "-".join(f"word{n}" for n in range(10_000))
    terms = parse(page).terms
    assert "".join(term.words for term in terms) == page[: sum(len(t.words) for t in terms)]
    assert max(len(term.words) for term in terms) == 200
    assert all(term.words.endswith(("0", "-", *"123456789")) for term in terms)
    assert parse(f'"{page}"').terms == terms
    assert [len(term.words) for term in parse("犬" * 450).terms] == [200, 50]
    assert [term.words for term in parse("x" * 250 + "*").terms] == ["x" * 200, "x" * 50]
    with pytest.raises(InvalidInputError, match="has 201 characters, and a search takes 200"):
        parse("hound -" + "x" * 201)


def match_of(query):
    return any_of(query.terms, query.excluded)


def test_wanted_leaves_out():
    a, b = Term('"a"', "a"), Term('"b"', "b")
    assert any_of([a, b]) == '"a" OR "b"'
    assert any_of([a], [b]) == '("a") NOT ("b")'
    assert any_of([]) == ""
    with contextlib.closing(sqlite3.connect(":memory:")) as conn:
        conn.execute(f"create virtual table t using fts5(x, tokenize='{DEFAULT_TOKENIZER}')")
        conn.executemany("insert into t values (?)", [("a",), ("a b",), ("c",), ("b c",)])
        sql = "select x from t where t match ? order by x"
        assert conn.execute(sql, [match_of(parse("a c -b"))]).fetchall() == [("a",), ("c",)]
        assert conn.execute(sql, [match_of(parse("a c -!!"))]).fetchall() == [
            ("a",),
            ("a b",),
            ("b c",),
            ("c",),
        ]
