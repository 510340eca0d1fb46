"""Searches by keywords where something is wrong, or in the way: the answer is right anyway."""

import contextlib
import sqlite3

import pytest

import vecstore
from tests.support.beside import index_of, write
from tests.support.models import Pseudorandom
from tests.test_search import path_of
from vecstore import Collection, DatabaseError, InvalidInputError
from vecstore.sqlite.search import keyword_ranking, planner


@pytest.fixture(params=["inside", "beside"])
def form(request):
    return request.param


@pytest.fixture
def pets(db, form):
    pets = Collection("pets", db, model=Pseudorandom(), index=form)
    texts = ((f"{n:02}", f"cat number{n}", {"n": n}) for n in range(40))
    pets.embed_multi_with_metadata(texts, store=True)
    return pets


def ids(found):
    return [entry.id for entry in found]


@pytest.fixture
def two_are_many(monkeypatch):
    monkeypatch.setattr(keyword_ranking, "_FREQUENT", 2)


@pytest.mark.usefixtures("two_are_many")
def test_a_word_that_few_texts_have_does_not_hide_those_of_a_frequent_one(pets):
    alone = pets.search("cat", mode="keywords")
    assert pets.search("cat missing", mode="keywords") == alone
    assert ids(pets.search("cat number7", mode="keywords")) == ["07", *ids(alone)[:7], "08", "09"]
    other = Collection("other", pets.db, model=Pseudorandom())
    other.embed_multi([("a", "cat here"), ("b", "cat there")], store=True)
    assert ids(other.search("cat number7", mode="keywords")) == ["a", "b"]
    found = pets.search("cat number7", mode="keywords", where="id > '37'")
    assert ids(found) == ["38", "39"]


def test_signs_and_missing_words_weigh_as_they_should(pets):
    plain = pets.search("number7", 1)
    assert pets.search("number7 ? : & -", 1)[0].score == pytest.approx(plain[0].score, rel=0.5)
    assert ids(pets.search("? number7 = : &", 1)) == ["07"]


def test_a_condition_that_fails_is_no_damage(pets, form):
    pets.search("cat", mode="keywords")
    before = index_of(path_of(pets)).stat().st_ino if form == "beside" else None
    with pytest.raises(InvalidInputError, match="cannot be applied.*malformed JSON"):
        pets.search("cat", mode="keywords", where="json_extract(content, '$.a') = 1")
    assert ids(pets.search("number7", 1, mode="keywords")) == ["07"]
    assert before is None or index_of(path_of(pets)).stat().st_ino == before


def test_a_text_that_is_not_utf8_is_no_damage(pets):
    write(pets.db, "update embeddings set content = cast(x'ff636174' as text) where id = '03'")
    assert ids(pets.search("number7", 1, mode="keywords")) == ["07"]
    with contextlib.suppress(DatabaseError, UnicodeDecodeError, sqlite3.Error):
        pets.search("cat", 40, mode="keywords")
    assert vecstore.keyword_index(pets.db).state == "ready"


def test_what_changes_between_the_rankings_meets_the_conditions(pets, monkeypatch):
    real = planner.search

    def search(db, query, **options):
        found = real(db, query, **options)
        write(pets.db, "update embeddings set metadata = '{\"n\": 99}' where id = ?", found[0][0])
        write(pets.db, "update embeddings set content = 'secret cat' where id = ?", found[1][0])
        return found

    monkeypatch.setattr(planner, "search", search)
    where = {"where": "json_extract(metadata, '$.n') < 50"}
    for found in (
        pets.search("number3 -secret", 40, **where),
        pets.search("cat -secret", 40, **where),
    ):
        assert found
        assert all(e.metadata["n"] < 50 and "secret" not in e.content for e in found)


def test_a_trigger_that_the_index_beside_has_lost_is_noticed(pets, form):
    if form == "inside":
        pytest.skip("is in test_keyword_indexes.py")
    pets.search("cat", mode="keywords")
    path = path_of(pets)
    pets.db.close()
    with contextlib.closing(sqlite3.connect(index_of(path))) as conn:
        conn.execute("drop trigger vecstore_keywords_insert")
    with contextlib.closing(vecstore.connect(path)) as db:
        again = Collection("pets", db, model=Pseudorandom())
        again.embed("new", "a zebra", store=True)
        assert ids(again.search("zebra", mode="keywords")) == ["new"]


@pytest.mark.parametrize("weights", [(1e308, 1), (1, float("inf")), (0, 1), (1,), "11"])
def test_weights_that_give_no_scores_are_refused(pets, weights):
    with pytest.raises(
        InvalidInputError, match="weights is .*two numbers above 0, and below 1e300"
    ):
        pets.search("cat", weights=weights)


def test_marks_are_text(pets):
    for marks in (("\ud800", ""), ("a",), "ab", (1, 2)):
        with pytest.raises(InvalidInputError, match="marks is .*two texts"):
            pets.search("cat", marks=marks)


def test_what_searches_without_a_model_is_said(pets):
    path = path_of(pets)
    write(pets.db, "update collections set model = 'nobody/has-it'")
    with contextlib.closing(vecstore.connect(path)) as db:
        without = Collection("pets", db)
        with pytest.raises(vecstore.UnknownModelError, match="mode='keywords'"):
            without.search("cat")
        assert ids(without.search("number7", mode="keywords")) == ["07"]
