"""The pages of the plugin, and their JSON, as Datasette serves them."""

import asyncio
import hashlib
from urllib.parse import quote

import apsw
import pytest

import vecstore
from tests.datasette_plugin.conftest import ALLOW_EMBED, Numbers, Page, make, read
from vecstore.datasette_plugin import embedding, queries

PAGE = "/zoo/-/similar/animals"
HOSTILE = [
    "a/b",
    "a.json",
    "100%",
    "%2Fetc",
    "~2E",
    "w\N{LATIN SMALL LETTER U WITH DIAERESIS}rm \N{SNAKE}",
    "<script>alert(1)</script>",
    "\"double\" & 'single'",
    "a b+c?d=e#f",
    "..",
    "-",
    "a,b",
    "line\nbreak",
    "javascript:alert(1)",
    "{{ 7 * 7 }}",
]


def python_answer(path, method, *arguments, **keywords):
    def ask(db):
        collection = vecstore.Collection("animals", db, model=Numbers())
        entries = getattr(collection, method)(*arguments, **keywords)
        return [vars(entry) for entry in entries]

    return read(path, ask)


def test_similar_to_an_item_is_what_python_says(site, animals, numbers):
    found = site(animals).json(f"{PAGE}.json?id=hound")
    assert found == {
        "ok": True,
        "database": "zoo",
        "collection": "animals",
        "model": "numbers",
        "q": None,
        "id": "hound",
        "rows": python_answer(animals, "similar_by_id", "hound"),
        "truncated": False,
    }
    assert [row["id"] for row in found["rows"]] == ["wolf", "cat", "fish"]
    assert numbers.asked == []


def test_similar_to_a_text_is_what_python_says(site, animals):
    found = site(animals, config=ALLOW_EMBED).json(f"{PAGE}.json?q=0+1+1+0+0+0+0+0")
    assert found["rows"] == python_answer(animals, "similar", "0 1 1 0 0 0 0 0")
    assert (found["q"], found["id"]) == ("0 1 1 0 0 0 0 0", None)


def test_the_page_shows_results_with_score_text_metadata_and_links(site, animals):
    found = site(animals)
    page = found.page(f"{PAGE}?id=hound")
    text = " ".join(" ".join(page.texts).split())
    for row in python_answer(animals, "similar_by_id", "hound"):
        assert f"{row['score']:.3f}" in text
        assert row["content"] in text
        assert page.hrefs(row["id"]) == [f"/zoo/embeddings/1,{row['id']}"]
        found.page(f"/zoo/embeddings/1,{row['id']}")
    assert text.count("legs 4") == 4
    assert ("span", "style", "width: 99.4%") in page.attributes
    assert page.hrefs("more like this") == [f"{PAGE}?id={id}" for id in ("wolf", "cat", "fish")]


def test_without_a_question_the_page_shows_the_first_items(site, animals):
    found = site(animals).json(f"{PAGE}.json?_size=2")
    assert [(row["id"], row["score"]) for row in found["rows"]] == [("cat", None), ("fish", None)]
    assert found["truncated"]


def test_the_list_names_all_collections(site, animals):
    make(animals, "plants", [("rose", "1 0 0 0 0 0 0 0", None)])
    found = site(animals)
    assert found.json("/zoo/-/similar.json")["rows"] == [
        {"id": 1, "name": "animals", "model": "numbers", "count": 4},
        {"id": 2, "name": "plants", "model": "numbers", "count": 1},
    ]
    page = found.page("/zoo/-/similar")
    assert page.hrefs("plants") == ["/zoo/-/similar/plants"]


@pytest.mark.parametrize("format", ["", ".json"])
@pytest.mark.parametrize(
    "path",
    [
        "/zoo/-/similar/plants{}",
        "/zoo/-/similar/animals{}?id=unicorn",
        "/other/-/similar/animals{}",
    ],
)
def test_what_is_not_there_is_404(site, animals, path, format):
    assert site(animals).get(path.format(format)).status_code == 404


def test_a_database_without_collections_has_no_pages(site, tmp_path):
    path = tmp_path / "zoo.db"
    read(path, lambda db: db["animals"].insert({"id": 1}))
    found = site(path)
    assert found.get("/zoo/-/similar").status_code == 404
    assert found.get("/zoo/animals").status_code == 200


# Sizes.


def test_size_is_how_many_and_a_link_offers_more(site, animals):
    found = site(animals, settings={"max_returned_rows": 3, "default_page_size": 1})
    assert len(found.json(f"{PAGE}.json?id=hound")["rows"]) == 1
    page = found.page(f"{PAGE}?id=hound")
    assert page.hrefs("Show 2") == [f"{PAGE}?id=hound&_size=2"]
    assert found.page(f"{PAGE}?_size=2").hrefs("Show 3") == [f"{PAGE}?_size=3"]
    assert len(found.json(f"{PAGE}.json?id=hound&_size=max")["rows"]) == 3
    assert not [label for label, _ in found.page(f"{PAGE}?_size=max").links if "Show" in label]


@pytest.mark.parametrize("size", ["0", "-1", "four", "1001", "9" * 30, "1.5", "\u0663"])
def test_a_wrong_size_is_400(site, animals, size):
    response = site(animals).get(f"{PAGE}.json?_size={quote(size)}")
    assert response.status_code == 400
    assert "_size must be" in response.json()["error"]


# Text search.


@pytest.mark.parametrize(
    "config",
    [
        None,
        {"plugins": {"vecstore": {"allow_embed": False}}},
        {"plugins": {"vecstore": {"allow_embed": "yes"}}},
        {"plugins": {"vecstore": {"allow_embed": {"id": "root"}}}},
        {"databases": {"other": {"plugins": {"vecstore": {"allow_embed": True}}}}},
        {**ALLOW_EMBED, "databases": {"zoo": {"plugins": {"vecstore": {"allow_embed": False}}}}},
    ],
)
def test_text_search_is_off_unless_the_configuration_allows_it(site, animals, numbers, config):
    found = site(animals, config=config)
    response = found.get(f"{PAGE}?q=1+0+0+0+0+0+0+0")
    assert response.status_code == 403
    assert "not allowed here" in response.text
    assert found.get(f"{PAGE}.json?q=1").json() == {
        "ok": False,
        "error": "Searching by text is not allowed here.",
        "status": 403,
    }
    assert not [value for tag, name, value in found.page(PAGE).attributes if value == "q"]
    assert numbers.asked == []


@pytest.mark.parametrize(
    "config",
    [
        ALLOW_EMBED,
        {**ALLOW_EMBED, "databases": {"zoo": {"source": "elsewhere"}}},
        {**ALLOW_EMBED, "databases": {"zoo": {"plugins": {"another": {}}}}},
        {"databases": {"zoo": {"plugins": {"vecstore": {"allow_embed": True}}}}},
    ],
)
def test_text_search_can_be_allowed_for_all_databases_or_one(site, animals, config):
    found = site(animals, config=config)
    assert found.json(f"{PAGE}.json?q=1+0+0+0+0+0+0+0")["rows"][0]["id"] == "hound"
    assert "search" in [value for _, _, value in found.page(PAGE).attributes]


def test_text_search_can_be_allowed_for_some_actors(site, animals):
    found = site(animals, config={"plugins": {"vecstore": {"allow_embed": {"id": "root"}}}})
    assert found.get(f"{PAGE}?q=1+0+0+0+0+0+0+0", actor={"id": "root"}).status_code == 200
    assert found.get(f"{PAGE}?q=1+0+0+0+0+0+0+0", actor={"id": "cleo"}).status_code == 403


def test_a_text_is_embedded_once(site, animals, numbers):
    found = site(animals, config=ALLOW_EMBED)
    for path in (PAGE, f"{PAGE}.json", f"{PAGE}.json"):
        assert found.get(f"{path}?q=+1+0+0+0+0+0+0+0+").status_code == 200
    assert numbers.asked == ["1 0 0 0 0 0 0 0"]


def test_no_more_than_a_thousand_vectors_are_kept(numbers, monkeypatch):
    monkeypatch.setattr(embedding, "_KEPT", 3)
    for number in range(5):
        embedding._future("numbers", f"{number} 1").result()
    assert [text for _, text in embedding._vectors] == ["2 1", "3 1", "4 1"]


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (vecstore.ModelError("the provider is on fire <b>now</b>"), 502),
        (vecstore.TemporaryError("busy"), 502),
        (vecstore.RejectedInputError("too long"), 400),
        (ValueError("a bug of a plugin"), 502),
        (KeyError(), 502),
    ],
)
def test_an_error_of_the_provider_is_on_the_page(
    site, animals, numbers, failure, status, monkeypatch
):
    monkeypatch.setattr(embedding, "RETRY_FOR", 5)  # all tries, which in tests take 0.2 seconds
    found = site(animals, config=ALLOW_EMBED)
    numbers.failure = failure
    response = found.get(f"{PAGE}?q=1+0")
    assert response.status_code == status
    message = str(failure) or "KeyError"
    assert message in " ".join(Page(response.text).texts)
    assert "<b>now" not in response.text
    assert "Traceback" not in response.text
    as_json = found.get(f"{PAGE}.json?q=1+0")
    assert (as_json.status_code, as_json.json()["ok"]) == (status, False)
    assert message in as_json.json()["error"]
    numbers.failure = None  # and it is not remembered
    assert found.get(f"{PAGE}?q=1+0+0+0+0+0+0+0").status_code == 200


def test_a_model_that_is_not_installed_is_an_error_on_the_page(site, tmp_path):
    other = Numbers()
    other.model_id = "gone"
    make(tmp_path / "zoo.db", "animals", [("hound", "1 0", None)], model=other)
    found = site(tmp_path / "zoo.db", config=ALLOW_EMBED)
    response = found.get(f"{PAGE}?q=1+0")
    assert response.status_code == 502
    assert "Unknown embedding model" in response.text
    assert found.get(f"{PAGE}?id=hound").status_code == 200


def test_a_vector_of_another_dimension_is_an_error_on_the_page(site, animals):
    response = site(animals, config=ALLOW_EMBED).get(f"{PAGE}?q=1+0")
    assert response.status_code == 502
    assert "has 2 dimensions and the collection" in response.text


def test_a_model_that_takes_long_may_answer_later(site, animals, numbers, monkeypatch):
    monkeypatch.setattr(embedding, "ANSWER_WITHIN", 0.05)
    found = site(animals, config=ALLOW_EMBED)
    numbers.seconds = 0.5
    response = found.get(f"{PAGE}?q=1+0+0+0+0+0+0+0")
    assert response.status_code == 504
    assert "has not answered" in response.text
    embedding._future("numbers", "1 0 0 0 0 0 0 0").result()
    assert found.get(f"{PAGE}?q=1+0+0+0+0+0+0+0").status_code == 200
    assert numbers.asked == ["1 0 0 0 0 0 0 0"]


def test_other_requests_go_on_while_a_model_works(site, animals, numbers):
    found = site(animals, config=ALLOW_EMBED)
    numbers.seconds = 0.5
    get = found.datasette.client.get
    finished = []

    async def ask(path):
        response = await get(path)
        finished.append((path.partition("?")[2], response.status_code))

    async def ask_both():
        await asyncio.gather(ask(f"{PAGE}?q=1+0+0+0+0+0+0+0"), ask(f"{PAGE}?id=hound"))

    found.loop.run_until_complete(ask_both())
    assert finished == [("id=hound", 200), ("q=1+0+0+0+0+0+0+0", 200)]


# What nobody should trust.


@pytest.mark.parametrize("name", HOSTILE)
def test_names_and_ids_of_any_characters_are_found_by_the_links(site, tmp_path, name):
    path = tmp_path / "zoo.db"
    make(path, name, [(name, "1 0", None), ("plain", "1 1", None)])
    found = site(path)
    [collection] = found.page("/zoo/-/similar").hrefs(name.strip())
    [first, other] = found.page(collection).hrefs("more like this")
    # The row "plain" links to the item of that name again.
    first = first if "id=plain" in first else other
    page = found.page(first)
    [row] = page.hrefs(name)
    assert found.get(row).status_code == 200
    [more] = page.hrefs("more like this")
    assert found.page(more).hrefs("plain") == ["/zoo/embeddings/1,plain"]
    # From the row to the page.
    [similar] = found.page(row).hrefs("similar")
    response = found.get(similar)
    assert response.status_code == 302
    assert found.page(response.headers["location"]).hrefs("plain")
    [as_json] = page.hrefs("json")
    assert [entry["id"] for entry in found.json(as_json)["rows"]] == [name]
    [menu] = [href for label, href in found.page("/zoo").links if label.startswith("Similar items")]
    assert menu == collection


def test_content_stays_text(site, tmp_path):
    attack = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
    path = tmp_path / "zoo.db"
    model = Numbers()
    model.model_id = attack
    entries = [("1 0", "1 0", {attack: attack, "url": "javascript:alert(1)"}), ("b", "1 1", None)]
    make(path, "animals", entries, model)
    read(path, lambda db: db.execute("update embeddings set content = ?", [attack]))
    found = site(path, config=ALLOW_EMBED)
    for query in ("", "?id=b", f"?q={quote(attack)}", f"?id={quote(attack)}"):
        response = found.get(PAGE + query)
        assert "<script>alert" not in response.text
        page = Page(response.text)
        assert not [a for a in page.attributes if a[1] == "onerror" or a[:2] == ("img", "src")]
        assert not [href for _, href in page.links if href.startswith("javascript")]


def test_what_other_programs_stored_is_shown_as_it_is(site, animals):
    def spoil(db):
        db.execute("update embeddings set metadata = '{no json' where id = 'wolf'")
        db.execute("update embeddings set metadata = '[NaN]' where id = 'cat'")
        db.execute("update embeddings set metadata = ?, content = ?", [None, None])
        db.execute("update embeddings set metadata = '{no json' where id = 'wolf'")
        db.execute("update embeddings set metadata = '[NaN]' where id = 'cat'")
        db.execute("update embeddings set content = x'00ff' where id = 'fish'")
        db.conn.commit()

    read(animals, spoil)
    found = site(animals)
    rows = {row["id"]: row for row in found.json(f"{PAGE}.json?id=hound")["rows"]}
    assert rows["wolf"]["metadata"] == "{no json"
    assert rows["cat"]["metadata"] == "[NaN]"
    assert rows["fish"]["content"] == "2 bytes"
    text = " ".join(found.page(f"{PAGE}?id=hound").texts)
    assert "{no json" in text
    assert "[NaN]" in text


def test_a_vector_that_cannot_be_compared_is_similar_to_nothing(site, animals):
    def spoil(db):
        db.execute("update embeddings set embedding = zeroblob(32) where id = 'wolf'")
        db.conn.commit()

    read(animals, spoil)
    assert site(animals).json(f"{PAGE}.json?id=wolf")["rows"] == []


def test_long_text_is_cut_on_the_page_alone(site, animals):
    def spoil(db):
        db.execute("update embeddings set content = ?", ["x" * 5000])
        db.conn.commit()

    read(animals, spoil)
    found = site(animals, settings={"truncate_cells_html": 100})
    texts = found.page(f"{PAGE}?id=hound").texts
    assert [text for text in texts if "xx" in text] == ["x" * 100 + "…"] * 4
    assert len(found.json(f"{PAGE}.json?id=hound")["rows"][0]["content"]) == 5000


# Files.


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("immutable", [False, True])
@pytest.mark.parametrize("has_index", [False, True])
def test_a_search_writes_nothing(site, animals, immutable, has_index):
    def prepare(db):
        if not has_index:
            vecstore.sqlite.index.building.drop(db, 8)
        db.conn.commit()
        db.execute("pragma journal_mode = delete")

    expected = python_answer(animals, "similar_by_id", "hound")
    read(animals, prepare)
    before = digest(animals)
    found = site(*([] if immutable else [animals]), immutables=[str(animals)] * immutable)
    assert found.json(f"{PAGE}.json?id=hound")["rows"] == expected
    assert digest(animals) == before
    assert not [p for p in animals.parent.iterdir() if p.name.startswith("zoo.db-")]


def test_what_is_written_meanwhile_is_found(site, animals):
    found = site(animals)
    assert len(found.json(f"{PAGE}.json?id=hound")["rows"]) == 3
    make(animals, "animals", [("fox", "8 1 0 0 0 0 0 0", None)])
    assert len(found.json(f"{PAGE}.json?id=hound")["rows"]) == 4


def test_no_file_is_opened_through_apsw(site, animals):
    found = site(animals, config=ALLOW_EMBED)
    for path in ("/zoo", f"{PAGE}?id=hound", f"{PAGE}?q=1+0+0+0+0+0+0+0", "/zoo/embeddings"):
        found.page(path)
    assert [c for c in apsw.connections() if c.db_filename("main") == str(animals)] == []


@pytest.mark.parametrize("format", ["", ".json"])
def test_a_query_that_takes_too_long_is_the_error_of_datasette(site, animals, monkeypatch, format):
    def endless(store, query, build_index):
        return store.execute(
            "with recursive n(i) as (select 1 union all select i + 1 from n) select max(i) from n"
        ).fetchall()

    monkeypatch.setattr(queries.planner, "search", endless)
    found = site(animals, settings={"sql_time_limit_ms": 100})
    response = found.get(f"{PAGE}{format}?id=hound")
    assert response.status_code == 400
    assert "SQL query took too long" in response.text
    assert "sql_time_limit_ms" in response.text


# Permissions.


@pytest.mark.parametrize("path", ["", ".json", "/animals", "/animals.json", "/animals?id=hound"])
@pytest.mark.parametrize(
    "denied",
    [
        {"allow": {"id": "root"}},
        {"databases": {"zoo": {"allow": {"id": "root"}}}},
        {"databases": {"zoo": {"tables": {"embeddings": {"allow": {"id": "root"}}}}}},
        {"databases": {"zoo": {"tables": {"collections": {"allow": {"id": "root"}}}}}},
    ],
)
def test_who_may_not_view_the_tables_gets_403(site, animals, denied, path):
    found = site(animals, config={**denied, **ALLOW_EMBED})
    assert found.get(f"/zoo/-/similar{path}").status_code == 403
    assert found.get(f"/zoo/-/similar{path}", actor={"id": "cleo"}).status_code == 403
    assert found.get(f"/zoo/-/similar{path}", actor={"id": "root"}).status_code == 200


def test_who_may_not_view_the_table_may_not_view_its_index(site, animals):
    config = {"databases": {"zoo": {"tables": {"embeddings": {"allow": {"id": "root"}}}}}}
    found = site(animals, config=config)
    for table in ("vec_embeddings_8", "vec_embeddings_8_ids", "vecstore_items"):
        assert found.get(f"/zoo/{table}").status_code == 403
        assert found.get(f"/zoo/{table}", actor={"id": "root"}).status_code == 200
    assert found.get("/zoo/collections").status_code == 200
    assert "similar" not in found.get("/zoo").text


def test_a_denied_page_calls_no_model(site, animals, numbers):
    found = site(animals, config={**ALLOW_EMBED, "databases": {"zoo": {"allow": False}}})
    assert found.get(f"{PAGE}?q=1+0+0+0+0+0+0+0").status_code == 403
    assert numbers.asked == []


# Surroundings.


def test_links_respect_base_url(site, animals):
    found = site(animals, settings={"base_url": "/data/"}, config=ALLOW_EMBED)
    for path in ("/zoo/-/similar", PAGE, f"{PAGE}?id=hound"):
        page = found.page(path)
        inner = [href for _, href in page.links if not href.startswith("http")]
        assert inner
        assert all(href.startswith("/data/") for href in inner)
        for href in inner:
            assert found.get_as_it_is(href).status_code == 200, href
        forms = [value for tag, name, value in page.attributes if (tag, name) == ("form", "action")]
        assert all(action.startswith("/data/") for action in forms)


def test_the_stylesheet_is_served(site, animals):
    found = site(animals)
    sheets = [v for t, n, v in found.page(PAGE).attributes if (t, n) == ("link", "href")]
    [sheet] = [value for value in sheets if "vecstore" in value]
    response = found.get(sheet)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/css")


def test_json_can_be_read_from_elsewhere_if_datasette_allows_it(site, animals):
    response = site(animals, cors=True).get(f"{PAGE}.json?id=hound")
    assert response.headers["access-control-allow-origin"] == "*"


def test_equal_vectors_are_in_the_order_of_python(site, tmp_path):
    path = tmp_path / "zoo.db"
    make(path, "animals", [(str(n), "1 0 0 0 0 0 0 0", None) for n in range(50)])
    found = site(path).json(f"{PAGE}.json?id=7&_size=20")
    assert found["rows"] == python_answer(path, "similar_by_id", "7", number=20)
    assert found["truncated"]


def test_without_allow_embed_the_page_asks_for_an_item_and_says_why(site, animals):
    found = site(animals).page("/zoo/-/similar/animals")
    names = [value for tag, name, value in found.attributes if tag == "input" and name == "name"]
    assert names == ["id"]
    assert "Search by text is off: " in "".join(found.texts)


def test_an_empty_id_is_an_id(site, animals, numbers):
    make(animals, "animals", [("", "1 0 0 0 0 0 0 1", None)])
    found = site(animals)
    assert found.page("/zoo/-/similar/animals").hrefs("more like this")[0].endswith("?id=")
    rows = found.json("/zoo/-/similar/animals.json?id=")["rows"]
    assert rows[0]["id"] == "hound"
    assert "(empty)" in found.get("/zoo/-/similar/animals?id=").text
