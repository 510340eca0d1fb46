"""Searches by meaning: who may have a text embedded, once, and what a model that fails does.

Where it is asked for the meaning alone; test_searches.py has what is done without that.
"""

import asyncio

import pytest

import vecstore
from tests.support.sites import ALLOW_EMBED, PAGE, Numbers, Page, make
from vecstore.datasette_plugin import embedding


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
def test_search_by_meaning_is_off_unless_the_configuration_allows_it(
    site, animals, numbers, config
):
    found = site(animals, config=config)
    response = found.get(f"{PAGE}?_mode=similar&q=1+0+0+0+0+0+0+0")
    assert response.status_code == 403
    assert "Searching by meaning is off here" in response.text
    assert found.get(f"{PAGE}.json?_mode=similar&q=1").json() == {
        "ok": False,
        "error": "Searching by meaning is off here: allow_embed of the plugin switches it on",
        "status": 403,
    }
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
def test_search_by_meaning_can_be_allowed_for_all_databases_or_one(site, animals, config):
    found = site(animals, config=config)
    assert found.json(f"{PAGE}.json?_mode=similar&q=1+0+0+0+0+0+0+0")["rows"][0]["id"] == "hound"
    assert "search" in [value for _, _, value in found.page(PAGE).attributes]


def test_search_by_meaning_can_be_allowed_for_some_actors(site, animals):
    found = site(animals, config={"plugins": {"vecstore": {"allow_embed": {"id": "root"}}}})
    assert (
        found.get(f"{PAGE}?_mode=similar&q=1+0+0+0+0+0+0+0", actor={"id": "root"}).status_code
        == 200
    )
    assert (
        found.get(f"{PAGE}?_mode=similar&q=1+0+0+0+0+0+0+0", actor={"id": "cleo"}).status_code
        == 403
    )


def test_a_text_is_embedded_once(site, animals, numbers):
    found = site(animals, config=ALLOW_EMBED)
    for path in (PAGE, f"{PAGE}.json", f"{PAGE}.json"):
        assert found.get(f"{path}?_mode=similar&q=+1+0+0+0+0+0+0+0+").status_code == 200
    assert numbers.asked == ["1 0 0 0 0 0 0 0"]


def test_no_more_than_a_thousand_vectors_are_kept(numbers, monkeypatch):
    monkeypatch.setattr(embedding, "_KEPT", 3)
    for number in range(5):
        embedding._future("numbers", f"{number} 1", None).result()
    assert [text for _, text, _ in embedding._vectors] == ["2 1", "3 1", "4 1"]


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
    response = found.get(f"{PAGE}?_mode=similar&q=1+0")
    assert response.status_code == status
    message = str(failure) or "KeyError"
    assert message in " ".join(Page(response.text).texts)
    assert "<b>now" not in response.text
    assert "Traceback" not in response.text
    as_json = found.get(f"{PAGE}.json?_mode=similar&q=1+0")
    assert (as_json.status_code, as_json.json()["ok"]) == (status, False)
    assert message in as_json.json()["error"]
    numbers.failure = None  # and it is not remembered
    assert found.get(f"{PAGE}?_mode=similar&q=1+0+0+0+0+0+0+0").status_code == 200


def test_a_model_that_is_not_installed_is_an_error_on_the_page(site, tmp_path):
    other = Numbers()
    other.model_id = "gone"
    make(tmp_path / "zoo.db", "animals", [("hound", "1 0", None)], model=other)
    found = site(tmp_path / "zoo.db", config=ALLOW_EMBED)
    response = found.get(f"{PAGE}?_mode=similar&q=1+0")
    assert response.status_code == 502
    assert "Unknown embedding model" in response.text
    assert found.get(f"{PAGE}?id=hound").status_code == 200


def test_a_vector_of_another_dimension_is_an_error_on_the_page(site, animals):
    response = site(animals, config=ALLOW_EMBED).get(f"{PAGE}?_mode=similar&q=1+0")
    assert response.status_code == 502
    assert "has 2 dimensions and the collection" in response.text


def test_a_model_that_takes_long_may_answer_later(site, animals, numbers, monkeypatch):
    monkeypatch.setattr(embedding, "ANSWER_WITHIN", 0.05)
    found = site(animals, config=ALLOW_EMBED)
    numbers.seconds = 0.5
    response = found.get(f"{PAGE}?_mode=similar&q=1+0+0+0+0+0+0+0")
    assert response.status_code == 504
    assert "has not answered" in response.text
    embedding._future("numbers", "1 0 0 0 0 0 0 0", None).result()
    assert found.get(f"{PAGE}?_mode=similar&q=1+0+0+0+0+0+0+0").status_code == 200
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
        await asyncio.gather(
            ask(f"{PAGE}?_mode=similar&q=1+0+0+0+0+0+0+0"), ask(f"{PAGE}?id=hound")
        )

    found.loop.run_until_complete(ask_both())
    assert finished == [("id=hound", 200), ("_mode=similar&q=1+0+0+0+0+0+0+0", 200)]


def test_an_empty_id_is_an_id(site, animals, numbers):
    make(animals, "animals", [("", "1 0 0 0 0 0 0 1", None)])
    found = site(animals)
    assert found.page("/zoo/-/similar/animals").hrefs("more like this")[0].endswith("?id=")
    rows = found.json("/zoo/-/similar/animals.json?id=")["rows"]
    assert rows[0]["id"] == "hound"
    assert "(empty)" in found.get("/zoo/-/similar/animals?id=").text
