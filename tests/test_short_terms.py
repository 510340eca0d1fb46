"""Words of one or two characters, in a file whose tokenizer is trigram: FTS5 has none of them."""

import contextlib
import sqlite3
import tempfile
from typing import get_args

import pytest
import sqlite_utils
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import vecstore
import vecstore.query
from tests.support.beside import write
from tests.support.databases import KINDS, rows
from tests.support.models import Pseudorandom
from tests.support.ranked import ranked
from vecstore import Collection
from vecstore.settings import IndexForm
from vecstore.sqlite.connection import opening
from vecstore.sqlite.search import keyword_ranking

FORMS: tuple[IndexForm, ...] = get_args(IndexForm)
TOKENIZERS = ["trigram", "trigram case_sensitive 1"]
PIECES = [
    "東京",
    "京",
    "ラーメン",
    "東京タワー",
    "AI",
    "ai",
    " ",
    "。",
    "é",
    "🐶",
    "\0",
    "%_",
    '"',
    "long ",
]
TEXT = st.lists(st.sampled_from(PIECES), max_size=8).map("".join)
QUERIES = [
    "東京",
    "東京 京",
    "ラーメン 東京",
    "ラーメン -東京",
    "東京 -ラーメン",
    "東京 -京 -ラーメン",
    '"東京" 東* -"AI"',
    "ai -é",
    "AI ラーメン long -🐶 -long",
    "%_ a_ _",
    '"京 " " 京"',
    "\0京 a\0",
    "一 二",
    "一 -ai",
]


@pytest.fixture(params=FORMS)
def form(request) -> IndexForm:
    return request.param


@pytest.fixture(params=TOKENIZERS)
def tokenizer(request) -> str:
    return request.param


@pytest.fixture
def towns(db, form, tokenizer):
    """Two collections, each piece beside each other one, some long texts, and some without one."""
    towns = Collection("towns", db, model=Pseudorandom(), index=form)
    vecstore.build_keyword_index(db, tokenizer)
    for n, piece in enumerate(PIECES):
        texts = [piece + other for other in PIECES[::2]]
        towns.embed_multi(((f"{n}-{k}", text) for k, text in enumerate(texts)), store=True)
        towns.embed(f"{n} long", "食べる。" * n + piece + "飲む、" * (14 - n), store=True)
    towns.embed_multi((f"no text {n}", "東京") for n in range(3))
    other = Collection("other", db, model=Pseudorandom())
    other.embed_multi((("0-0", "東京のラーメン"), ("x", "AI")), store=True)
    return towns


def assert_finds(collection: Collection, query: str, tokenizer: str, **options) -> None:
    for mode in ("hybrid", "keywords", "similar"):
        found = collection.search(query, mode=mode, **options)
        assert found == ranked(collection, query, mode=mode, tokenizer=tokenizer, **options)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    texts=st.dictionaries(st.sampled_from("abcdefghij"), TEXT, max_size=10),
    others=st.dictionaries(st.sampled_from("abc"), TEXT, max_size=3),
    query=st.sampled_from(QUERIES),
    options=st.sampled_from(
        [{}, {"prefix": "a"}, {"where": "id > ?", "where_args": ["c"]}, {"where": "false"}]
    ),
    number=st.sampled_from([1, 3, 100]),
    least_depth=st.sampled_from([1, 20]),
    frequent=st.sampled_from([1, 1000]),
    form=st.sampled_from(FORMS),
    tokenizer=st.sampled_from(TOKENIZERS),
)
def test_short_terms_are_found_and_left_out_as_by_brute_force(
    kind, texts, others, query, options, number, least_depth, frequent, form, tokenizer
):
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.closing(KINDS[kind](f"{folder}/test.db")) as db,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(vecstore.query, "_LEAST_DEPTH", least_depth)
        patch.setattr(keyword_ranking, "_FREQUENT", frequent)
        collection = Collection("test", db, model=Pseudorandom(), index=form)
        vecstore.build_keyword_index(db, tokenizer)
        Collection("other", db, model=Pseudorandom()).embed_multi(others.items(), store=True)
        collection.embed_multi(texts.items(), store=True)
        assert_finds(collection, query, tokenizer, number=number, **options)
        db.execute("begin")  # where the index is beside, it cannot follow
        db.execute("update embeddings set content = content || '京AI'")
        assert_finds(collection, query, tokenizer, number=number, **options)
        db.rollback()


def test_every_query_finds_what_it_says(towns, tokenizer):
    for query in QUERIES:
        assert_finds(towns, query, tokenizer, number=30, marks=("[", "]"))
        assert_finds(towns, query, tokenizer, number=3, per_document=True, prefix="1")


def test_what_a_person_sees(db, form):
    notes = Collection("notes", db, model=Pseudorandom(), index=form)
    texts = {
        "both": "東京のラーメン",
        "town": "私は東京に住んでいます",
        "food": "ラーメンが好き",
        "long": "今日は天気がとても良いので散歩に行きました。東京タワーを見て、それから"
        "友達と一緒に昼ご飯を食べて、夕方まで公園でゆっくり話をして、電車で家に帰りました。",
    }
    notes.embed_multi(texts.items(), store=True)
    vecstore.build_keyword_index(db, "trigram")

    def found(text):
        return {e.id: e.snippet for e in notes.search(text, mode="keywords")}

    assert found("東京") == {
        "both": "**東京**のラーメン",
        "town": "私は**東京**に住んでいます",
        "long": "…は天気がとても良いので散歩に行きました。**東京**タワーを見て、それから"
        "友達と一緒に昼ご飯を食べて、夕方まで公園でゆっくり話をして…",
    }
    assert next(iter(found("ラーメン 東京"))) == "both"
    assert found("ラーメン -東京") == {"food": "**ラーメン**が好き"}
    assert {e.id for e in notes.search("ラーメン -東京")} == {"food"}
    assert {e.id for e in notes.search("ラーメン -東京", mode="similar")} == {"food"}
    assert found("東京 -ラーメン").keys() == {"town", "long"}
    assert found("好*") == {"food": "ラーメンが**好**き"}


def test_another_tokenizer_takes_words_as_they_are(db, form):
    notes = Collection("notes", db, model=Pseudorandom(), index=form)
    notes.embed_multi({"a": "to be", "b": "tobacco", "c": "be"}.items(), store=True)
    assert [e.id for e in notes.search("to", mode="keywords")] == ["a"]
    assert {e.id for e in notes.search("be -to", mode="similar")} == {"b", "c"}


@pytest.mark.parametrize("how", ["mode=ro", "immutable=1", "connect"])
def test_a_file_that_cannot_be_written_is_searched_alike(towns, tokenizer, closing, form, how):
    if form == "beside":
        write(towns.db, "update embeddings set content = '京都、AI' where id = '3-3'")
    [(path,)] = rows(towns.db, "select file from pragma_database_list where name = 'main'")
    driver = opening.driver_of(towns.db)
    towns.db.execute("pragma wal_checkpoint(truncate)").fetchall()
    towns.db.close()
    if how == "connect":
        db = closing(vecstore.connect(path, driver=driver, read_only=True))
    elif driver == "sqlite3":
        conn = closing(sqlite3.connect(f"file:{path}?{how}", uri=True))
        db = closing(sqlite_utils.Database(conn))
    else:
        pytest.skip("another SQLite counts trigrams otherwise")
    read = Collection("towns", db, model=Pseudorandom())
    for query in QUERIES:
        assert_finds(read, query, tokenizer, number=30)


@pytest.mark.parametrize("encoding", ["UTF-16le", "UTF-16be"])
def test_a_file_in_another_encoding(open_db, path, form, encoding):
    with contextlib.closing(sqlite3.connect(path)) as conn:
        conn.execute(f"pragma encoding = '{encoding}'")
        conn.execute("create table other (n)")
    towns = Collection("towns", open_db(path), model=Pseudorandom(), index=form)
    towns.embed_multi({"a": "東京の🐶", "b": "ラーメン", "c": "東京ラーメン"}.items(), store=True)
    vecstore.build_keyword_index(towns.db, "trigram")
    for query in ("東京", "🐶 ラーメン -東京", "ラーメン 🐶"):
        assert_finds(towns, query, "trigram")


def test_a_thousand_short_words(db, form):
    towns = Collection("towns", db, model=Pseudorandom(), index=form)
    vecstore.build_keyword_index(db, "trigram")
    towns.embed_multi({"a": "東京", "b": "ラーメン", "c": "a0"}.items(), store=True)
    words = [chr(0x5000 + n) for n in range(999)]
    assert [e.id for e in towns.search(" ".join([*words, "a0"]), mode="keywords")] == ["c"]
    left_out = " ".join(["ラーメン", *(f"-{word}" for word in words), "-a0"])
    assert {entry.id for entry in towns.search(left_out)} == {"a", "b"}
