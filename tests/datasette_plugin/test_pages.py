"""The pages of the plugin, and their JSON, as Datasette serves them."""

from typing import get_args
from urllib.parse import quote

import pytest

from tests.support.sites import ALLOW_EMBED, PAGE, make, python_answer, read
from vecstore.settings import IndexForm


@pytest.fixture(params=get_args(IndexForm))
def form(request):
    return request.param


def test_similar_to_an_item_is_what_python_says(site, animals, numbers):
    found = site(animals).json(f"{PAGE}.json?id=hound")
    assert found == {
        "ok": True,
        "database": "zoo",
        "collection": "animals",
        "model": "numbers",
        "q": None,
        "mode": None,
        "note": None,
        "without_text": None,
        "id": "hound",
        "document": None,
        "rows": python_answer(animals, "similar_by_id", "hound"),
        "truncated": False,
    }
    assert [row["id"] for row in found["rows"]] == ["wolf", "cat", "fish"]
    assert numbers.asked == []


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
