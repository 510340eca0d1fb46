"""A collection that is deleted, and whose id another gets, while a page is read or linked."""

import pytest

from tests.support.sites import ALLOW_EMBED, make, read
from vecstore import Collection
from vecstore.datasette_plugin import queries

PAGE = "/zoo/-/similar/animals"
CAT = "2 1 1 0 0 0 0 0"


def replace(path):
    """Delete "animals", and give its id to a collection with a cat of its own."""
    read(path, lambda db: Collection("animals", db, create=False).delete())
    make(path, "others", [("cat", CAT, {"secret": "of others"})])
    assert read(path, lambda db: Collection("others", db).id) == 1


def test_a_link_that_outlives_its_collection_leads_nowhere(site, animals):
    found = site(animals)
    [href, *_] = found.page("/zoo/embeddings/1,cat").hrefs("similar")
    assert href.startswith("/zoo/-/similar?collection_id=1&")
    assert href.endswith("&id=cat")
    assert found.get(href).headers["location"] == f"{PAGE}?id=cat"
    replace(animals)
    assert found.get(href).status_code == 404
    assert found.get("/zoo/-/similar?collection_id=1&id=cat").status_code == 302


def test_a_link_shows_the_name_of_a_collection_to_no_one(site, animals):
    [href, *_] = site(animals).page("/zoo/embeddings/1,cat").hrefs("similar")
    assert "animals" not in href


@pytest.mark.parametrize("format", ["", ".json"])
def test_a_page_whose_collection_goes_while_the_model_works_is_not_of_another(
    site, animals, numbers, monkeypatch, format
):
    class Slow(type(numbers)):
        def embed_batch(self, items):
            replace(animals)
            return super().embed_batch(items)

    monkeypatch.setattr(numbers, "__class__", Slow)
    response = site(animals, config=ALLOW_EMBED).get(f"{PAGE}{format}", params={"q": CAT})
    assert response.status_code == 404
    assert "was deleted or replaced meanwhile" in response.text
    assert "of others" not in response.text
    assert str(animals) not in response.text


@pytest.mark.parametrize("model", ["others", None])
@pytest.mark.parametrize("query", ["", "?id=cat"])
def test_rows_are_of_the_collection_that_the_page_has_found(
    site, animals, monkeypatch, query, model
):
    find = queries.find_collection

    async def find_and_replace(*arguments):
        of = await find(*arguments)
        if model:
            read(animals, lambda db: db["collections"].update(1, {"model": model}))
        else:
            replace(animals)
        return of

    found = site(animals)
    monkeypatch.setattr(queries, "find_collection", find_and_replace)
    response = found.get(PAGE + query)
    assert response.status_code == 404
    assert "of others" not in response.text


def test_another_that_is_deleted_and_what_is_written_change_no_page(site, animals):
    make(animals, "others", [("cat", CAT, None)])
    found = site(animals)
    before = found.json(f"{PAGE}.json?id=cat")
    read(animals, lambda db: Collection("others", db).delete())
    assert found.json(f"{PAGE}.json?id=cat") == before
    assert found.json("/zoo/-/similar.json")["rows"] == [
        {"id": 1, "name": "animals", "model": "numbers", "count": 4}
    ]
