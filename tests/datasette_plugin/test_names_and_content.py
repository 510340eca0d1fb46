"""Names, ids and content of any kind: found by their links, and shown as text."""

from urllib.parse import quote

import pytest

from tests.support.sites import ALLOW_EMBED, PAGE, Numbers, Page, make, read

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
