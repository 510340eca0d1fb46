"""Searches for a text: by words and meaning, by what of these can be had, and by document."""

from typing import get_args

import pytest

import vecstore
from tests.support.sites import ALLOW_EMBED, PAGE, Numbers, Page, make, python_answer, read, write
from vecstore.datasette_plugin import embedding, queries
from vecstore.query import MODES
from vecstore.settings import IndexForm

NOT_ALLOWED = (
    "Found by words alone. Searching by meaning is off here: allow_embed of the plugin switches it "
    "on"
)


@pytest.fixture(params=get_args(IndexForm))
def form(request):
    return request.param


def ids(found):
    return [row["id"] for row in found["rows"]]


def text_of(page):
    return " ".join(" ".join(page.texts).split())


@pytest.mark.parametrize("is_indexed", [False, True])
@pytest.mark.parametrize("mode", MODES)
def test_a_text_finds_what_python_says(site, animals, numbers, mode, is_indexed):
    if is_indexed:
        python_answer(animals, "search", "5", mode="keywords")
    asked = f"{PAGE}.json?q=0+1+5+0+0+0+0+0&_mode={mode}"
    found = site(animals, config=ALLOW_EMBED).json(asked)
    expected = python_answer(animals, "search", "0 1 5 0 0 0 0 0", mode=mode)
    assert found == {
        "ok": True,
        "database": "zoo",
        "collection": "animals",
        "model": "numbers",
        "q": "0 1 5 0 0 0 0 0",
        "mode": mode,
        "note": None,
        "without_text": None if mode == "similar" else 0,
        "id": None,
        "document": None,
        "rows": expected,
        "truncated": False,
    }
    assert ids(found)[0] == "fish"
    assert numbers.asked == ([] if mode == "keywords" else ["0 1 5 0 0 0 0 0"])


def test_without_a_mode_it_is_hybrid(site, animals):
    found = site(animals, config=ALLOW_EMBED)
    assert found.json(f"{PAGE}.json?q=1+0+0+0+0+0+0+5")["mode"] == "hybrid"
    assert found.get(f"{PAGE}?q=5&_mode=fuzzy").status_code == 400


def test_the_page_says_why_a_result_is_there_and_marks_what_was_found(site, animals):
    response = site(animals, config=ALLOW_EMBED).get(f"{PAGE}?q=5+5+5+5+5+5+5+5")
    page = Page(response.text)
    text = text_of(page)
    assert ("input", "value", "5 5 5 5 5 5 5 5") in page.attributes
    rows = python_answer(animals, "search", "5 5 5 5 5 5 5 5")
    assert [row["id"] for row in rows if row["keyword_rank"]] == ["fish"]
    for row in rows:
        by_words = " , #1 by words" if row["id"] == "fish" else ""
        why = f"#{row['similar_rank']} by meaning{by_words}"
        assert f"{row['id']} {why} more like this {row['content'][:3]}" in text
    assert response.text.count("<mark>") == response.text.count("<mark>5</mark>") == 1


def test_words_alone_answer_where_the_text_may_not_be_embedded(site, animals, numbers):
    found = site(animals)
    answer = found.json(f"{PAGE}.json?q=5+9")
    assert (answer["mode"], answer["note"]) == ("keywords", NOT_ALLOWED)
    assert answer["rows"] == python_answer(animals, "search", "5 9", mode="keywords")
    assert sorted(ids(answer)) == ["fish", "wolf"]
    page = found.page(f"{PAGE}?q=5+9")
    assert NOT_ALLOWED in text_of(page)
    assert "#2 by words" in text_of(page)
    assert NOT_ALLOWED not in text_of(found.page(PAGE))
    assert numbers.asked == []


def test_a_model_that_runs_locally_is_asked_unless_the_configuration_forbids(
    site, animals, numbers
):
    numbers.runs_locally = True
    asked = f"{PAGE}.json?q=0+1+5+0+0+0+0+0"
    assert site(animals).json(asked)["mode"] == "hybrid"
    for forbidden in (False, {"id": "root"}, None, "yes"):
        plugins = {"plugins": {"vecstore": {"allow_embed": forbidden}}}
        for config in (plugins, {**plugins, "databases": {"zoo": {"plugins": {"vecstore": {}}}}}):
            assert site(animals, config=config).json(asked)["mode"] == "keywords"


def test_meaning_alone_answers_where_the_keyword_index_is_damaged(site, animals, form):
    if form == "beside":
        return  # there all texts are read
    python_answer(animals, "search", "5", mode="keywords")
    write(animals, "update vecstore_keywords_data set block = x'00' where id > 10")
    found = site(animals, config=ALLOW_EMBED)
    answer = found.json(f"{PAGE}.json?q=0+1+5+0+0+0+0+0")
    assert (answer["mode"], ids(answer)[0]) == ("similar", "fish")
    remedy = "damaged. This builds it anew: vecstore index build --keywords zoo.db"
    assert answer["note"] == f"Found by meaning alone. The keyword index is {remedy}"
    response = found.get(f"{PAGE}?q=5&_mode=keywords")
    assert response.status_code == 500
    assert remedy in response.text
    assert str(animals.parent) not in response.text


@pytest.mark.parametrize(
    "failure", [vecstore.ModelError("on fire <b>now</b>"), vecstore.RejectedInputError("too long")]
)
def test_words_alone_answer_where_the_model_fails(site, animals, numbers, failure):
    numbers.failure = failure
    found = site(animals, config=ALLOW_EMBED)
    answer = found.json(f"{PAGE}.json?q=5+0")
    assert (answer["mode"], answer["note"]) == ("keywords", f"Found by words alone. {failure}")
    assert len(answer["rows"]) == 4
    response = found.get(f"{PAGE}?q=5+0")
    assert response.status_code == 200
    assert "<b>now" not in response.text


def test_words_alone_answer_where_the_vector_has_another_dimension(site, animals):
    answer = site(animals, config=ALLOW_EMBED).json(f"{PAGE}.json?q=5+9")
    assert (answer["mode"], sorted(ids(answer))) == ("keywords", ["fish", "wolf"])
    assert "has 2 dimensions and the collection" in answer["note"]


def test_words_alone_answer_where_the_model_is_not_there(site, tmp_path):
    other = Numbers()
    other.model_id = "gone"
    make(tmp_path / "zoo.db", "animals", [("hound", "1 0", None)], model=other)
    answer = site(tmp_path / "zoo.db", config=ALLOW_EMBED).json(f"{PAGE}.json?q=1")
    assert (answer["mode"], ids(answer)) == ("keywords", ["hound"])
    assert "Unknown embedding model" in answer["note"]


def test_words_alone_answer_where_the_model_takes_long(site, animals, numbers, monkeypatch):
    monkeypatch.setattr(embedding, "ANSWER_WITHIN", 0.05)
    numbers.seconds = 0.5
    answer = site(animals, config=ALLOW_EMBED).json(f"{PAGE}.json?q=1+0+0+0+0+0+0+5")
    assert answer["mode"] == "keywords"
    assert "has not answered" in answer["note"]
    embedding._future("numbers", "1 0 0 0 0 0 0 5", None).result()


def test_the_signs_of_a_query_are_not_embedded(site, animals, numbers):
    found = site(animals, config=ALLOW_EMBED)
    answer = found.json(f"{PAGE}.json?q=%221+0+0%22+0+0+0+0+0+-9")
    assert numbers.asked == ["1 0 0 0 0 0 0 0"]
    assert sorted(ids(answer)) == ["cat", "fish", "hound"]


@pytest.mark.parametrize("q", ["-5", '"', "-%225+0%22"])
def test_a_query_that_searches_for_nothing_is_400(site, animals, q):
    found = site(animals)
    assert found.get(f"{PAGE}?q={q}").status_code == 400
    answer = found.get(f"{PAGE}.json?q={q}").json()
    assert answer["error"].endswith(": add a word")


def test_how_many_words_cannot_find_is_said(site, animals):
    for id in ("cat", "wolf"):
        write(animals, f"update embeddings set content = null where id = '{id}'")
    found = site(animals)
    answer = found.json(f"{PAGE}.json?q=5+9")
    assert (answer["without_text"], ids(answer)) == (2, ["fish"])
    said = "2 items of this collection have no stored text, so that words cannot find them."
    assert said in text_of(found.page(f"{PAGE}?q=5"))
    assert said not in text_of(found.page(PAGE))


@pytest.fixture
def endless(monkeypatch):
    """A function that has searches of some modes take too long."""
    search = queries.fusion.search

    def start(*modes):
        def search_or_not(db, query, *arguments, **keywords):
            if query.mode not in modes:
                return search(db, query, *arguments, **keywords)
            return db.execute(
                "with recursive n (i) as (select 1 union all select i + 1 from n) "
                "select max(i) from n"
            ).fetchall()

        monkeypatch.setattr(queries.fusion, "search", search_or_not)

    return start


LIMIT = {"sql_time_limit_ms": 200}
REMEDY = "vecstore index build --keywords zoo.db"


@pytest.mark.parametrize("is_indexed", [False, True])
def test_a_search_by_words_that_takes_too_long_says_what_would_help(
    site, animals, endless, is_indexed
):
    if is_indexed:
        python_answer(animals, "search", "5", mode="keywords")
    endless("keywords")
    response = site(animals, settings=LIMIT).get(f"{PAGE}?q=5")
    assert response.status_code == 400
    assert "SQL query took too long" in response.text
    assert (REMEDY in response.text) is not is_indexed


def test_meaning_alone_answers_where_the_words_take_too_long(site, animals, endless):
    endless("hybrid", "keywords")
    found = site(animals, config=ALLOW_EMBED, settings=LIMIT)
    answer = found.json(f"{PAGE}.json?q=0+1+5+0+0+0+0+0")
    assert (answer["mode"], answer["without_text"]) == ("similar", None)
    assert answer["note"].startswith("Found by meaning alone. SQL query took too long. ")
    assert answer["note"].endswith(REMEDY)
    assert answer["rows"] == python_answer(animals, "search", "0 1 5 0 0 0 0 0", mode="similar")


def test_words_alone_answer_where_the_meaning_takes_too_long(site, animals, endless):
    expected = python_answer(animals, "search", "0 1 5 0 0 0 0 0", mode="keywords")
    endless("hybrid", "similar")
    found = site(animals, config=ALLOW_EMBED, settings=LIMIT)
    answer = found.json(f"{PAGE}.json?q=0+1+5+0+0+0+0+0")
    assert (answer["mode"], answer["rows"]) == ("keywords", expected)
    assert answer["note"].startswith("Found by words alone. SQL query took too long. ")
    assert found.get(f"{PAGE}?q=0+1+5+0+0+0+0+0&_mode=similar").status_code == 400


# Documents.


@pytest.fixture
def library(tmp_path, numbers, form, monkeypatch):
    """A file with a document of twelve chunks, and one entry that is none."""
    monkeypatch.setenv("VECSTORE_INDEX", form)
    chunks = [
        (
            f"guide/a b.md#{n}",
            f"1 {n} 7",
            {
                "document": "guide/a b.md",
                "chunk": n,
                "chunks": 12,
                "heading": f"H > {n}",
                "by": "me",
            },
        )
        for n in range(1, 13)
    ]
    make(tmp_path / "zoo.db", "animals", [*chunks, ("note", "0 2 7", None)])
    return tmp_path / "zoo.db"


def test_a_document_is_one_result_with_a_link_to_its_chunks(site, library):
    found = site(library, config=ALLOW_EMBED)
    answer = found.json(f"{PAGE}.json?q=1+3+7")
    assert answer["rows"] == python_answer(library, "search", "1 3 7", per_document=True)
    assert [(row["id"], row["document"]) for row in answer["rows"]] == [
        ("guide/a b.md#3", "guide/a b.md"),
        ("note", None),
    ]
    page = found.page(f"{PAGE}?q=1+3+7")
    address = f"{PAGE}?document=guide%2Fa+b.md"
    assert page.hrefs("guide/a b.md") == [address]
    assert page.hrefs("chunk 3 of 12") == ["/zoo/embeddings/1,guide~2Fa+b~2Emd~233"]
    assert "H > 3" in text_of(page)
    assert "by me" in text_of(page)
    assert "document guide" not in text_of(page)
    assert found.page(page.hrefs("chunk 3 of 12")[0])


def test_a_document_has_its_chunks_in_order(site, library):
    found = site(library)
    answer = found.json(f"{PAGE}.json?document=guide%2Fa+b.md&_size=11")
    assert ids(answer) == [f"guide/a b.md#{n}" for n in range(1, 12)]
    assert (answer["document"], answer["truncated"]) == ("guide/a b.md", True)
    assert ids(found.json(f"{PAGE}.json?document=guide%2Fa+b.md"))[-1] == "guide/a b.md#12"
    page = found.page(f"{PAGE}?document=guide%2Fa+b.md&_size=11")
    assert page.hrefs("Show 22") == [f"{PAGE}?document=guide%2Fa+b.md&_size=22"]
    assert len(page.hrefs("more like this")) == 11
    assert found.get(f"{PAGE}?document=guide").status_code == 404


def test_more_like_a_chunk_skips_its_document(site, library):
    found = site(library)
    assert ids(found.json(f"{PAGE}.json?id=guide%2Fa+b.md%233")) == ["note"]
    assert ids(found.json(f"{PAGE}.json?id=note"))[0].startswith("guide/a b.md#")
    assert len(ids(found.json(f"{PAGE}.json?id=note"))) == 1


# What is hostile.


def test_marks_are_elements_and_texts_are_not(site, tmp_path, numbers):
    attack = "<script>alert(1)</script> <mark>fake</mark> **bold** \ue000 \x02 & needle"
    path = tmp_path / "zoo.db"
    make(path, "animals", [("hound", "1 0", None)])
    read(path, lambda db: db.execute("update embeddings set content = ?", [attack]))
    found = site(path)
    html = found.get(f"{PAGE}?q=needle").text
    assert "&amp; <mark>needle</mark>" in html
    assert "&lt;script&gt;" in html
    assert html.count("<mark>") == html.count("</mark>") == 1
    assert "<script>alert" not in html
    long = "word " * 300 + attack
    read(path, lambda db: db.execute("update embeddings set content = ?", [long]))
    html = found.get(f"{PAGE}?q=needle").text
    assert html.count("<mark>") == 1
    assert "whole text" in html
    assert found.json(f"{PAGE}.json?q=needle")["rows"][0]["snippet"].endswith("& **needle**")
