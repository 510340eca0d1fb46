"""The search box on Datasette's own pages, and the links between rows and what was made of them."""

import pytest
from datasette import hookspecs

from tests.support.sites import Page, make, python_answer, read, write

HAS_BOXES = hasattr(hookspecs, "top_table")
with_boxes = pytest.mark.skipif(not HAS_BOXES, reason="Datasette 0.65 has no tops of pages")
TEXTS = {1: "the hound runs after the cat", 2: "a wolf howls at the moon", 10: "fish are mute"}


@pytest.fixture
def notes(tmp_path, numbers):
    """A file with a table of three notes, without collections."""
    path = tmp_path / "zoo.db"
    rows = [{"id": id, "title": f"n{id}", "body": body} for id, body in TEXTS.items()]
    read(path, lambda db: db["notes"].insert_all(rows, pk="id"))
    return path


def embed(path, collection, prefix="", texts=TEXTS):
    """Make a collection of texts; what the model is given are numbers, as it takes no words."""
    make(path, collection, [(f"{prefix}{id}", f"1 {id}", None) for id in texts])
    for id, text in texts.items():
        write(
            path,
            f"update embeddings set content = '{text}' where id = '{prefix}{id}' and "
            f"collection_id = (select id from collections where name = '{collection}')",
        )


def forms(page: Page):
    actions = [v for tag, n, v in page.attributes if (tag, n) == ("form", "action") and v]
    return [action for action in actions if "/-/similar" in action]


def select(page: Page):
    """Return the attributes of our select, of a page that may have others."""
    if ("select", "name", "collection") not in page.attributes:
        return []
    start = page.attributes.index(("select", "name", "collection"))
    return page.attributes[start : page.attributes.index(("input", "id", "vecstore-q"))]


def options(page: Page):
    return [v for tag, n, v in select(page) if (tag, n) == ("option", "value")]


def chosen(page: Page):
    found = select(page)
    return [found[i - 1][2] for i, (_, name, _) in enumerate(found) if name == "selected"]


def actions(found, path):
    links = found.page(path).links
    return [(label, href) for label, href in links if label.startswith("Related items")]


@with_boxes
def test_one_collection_has_a_box_that_leads_to_its_page(site, notes):
    embed(notes, "notes")
    found = site(notes)
    for path in ("/zoo", "/zoo/embeddings", "/zoo/notes"):
        page = found.page(path)
        assert forms(page) == ["/zoo/-/similar/notes"]
        assert ("input", "name", "q") in page.attributes
        assert options(page) == []
    assert forms(found.page("/zoo/collections")) == []


@with_boxes
def test_of_several_collections_one_is_chosen(site, notes):
    embed(notes, "notes")
    embed(notes, "another", "x")
    found = site(notes)
    page = found.page("/zoo")
    assert (forms(page), options(page)) == (["/zoo/-/similar"], ["another", "notes"])
    assert chosen(found.page("/zoo/embeddings?collection_id=1")) == ["notes"]
    assert options(found.page("/zoo/notes")) == []
    assert forms(found.page("/zoo/notes")) == ["/zoo/-/similar/notes"]


def test_what_the_box_asks_is_asked_of_the_page_of_the_collection(site, notes):
    embed(notes, "my/notes")
    response = site(notes).get("/zoo/-/similar?collection=my%2Fnotes&q=the+moon")
    assert (response.status_code, response.headers["location"]) == (
        302,
        "/zoo/-/similar/my~2Fnotes?q=the+moon",
    )
    assert site(notes).get("/zoo/-/similar?collection=&q=the+moon").status_code == 200


@with_boxes
def test_there_is_no_box_for_whom_may_not_see_what_it_finds(site, notes):
    embed(notes, "notes")
    config = {"databases": {"zoo": {"tables": {"embeddings": {"allow": {"id": "root"}}}}}}
    found = site(notes, config=config)
    for path in ("/zoo", "/zoo/notes"):
        assert forms(found.page(path)) == []
        assert len(forms(found.page(path, actor={"id": "root"}))) == 1
    assert actions(found, "/zoo/notes/1") == []


@with_boxes
def test_a_database_without_collections_has_no_box(site, notes):
    found = site(notes)
    assert forms(found.page("/zoo")) == forms(found.page("/zoo/notes")) == []
    read(notes, lambda db: db["collections"].insert({"id": 1}))
    assert forms(found.page("/zoo")) == forms(found.page("/zoo/notes")) == []


@pytest.mark.skipif(HAS_BOXES, reason="a box stands there")
def test_in_datasette_0_65_the_menu_of_a_table_links_its_collections(site, notes):
    embed(notes, "notes")
    found = site(notes)
    for path in ("/zoo/embeddings", "/zoo/notes"):
        assert found.page(path).hrefs("Search notes") == ["/zoo/-/similar/notes"]
    assert found.page("/zoo/collections").hrefs("Search notes") == []


# From a row to what was made of it.


@with_boxes
def test_a_row_links_what_is_related_in_the_collection_of_its_table(site, notes):
    embed(notes, "notes", texts={1: "something else"})
    embed(notes, "tasks", texts={1: "not of this table", 2: "nor this"})
    found = site(notes)
    assert actions(found, "/zoo/notes/1") == [("Related items", "/zoo/-/similar/notes?id=1")]
    assert actions(found, "/zoo/notes/2") == []
    assert found.get("/zoo/-/similar/notes?id=1").status_code == 200


@with_boxes
def test_a_row_links_what_has_its_text_or_the_name_of_its_table(site, notes):
    embed(notes, "ideas", texts={1: f"n1 {TEXTS[1]}", 2: "n"})
    embed(notes, "all", "notes/", texts={1: "x", 2: "y"})
    found = site(notes)
    assert actions(found, "/zoo/notes/1") == [
        ("Related items: all", "/zoo/-/similar/all?id=notes%2F1"),
        ("Related items: ideas", "/zoo/-/similar/ideas?id=1"),
    ]
    assert actions(found, "/zoo/notes/2") == [("Related items", "/zoo/-/similar/all?id=notes%2F2")]
    assert options(found.page("/zoo/notes")) == ["all", "ideas"]


@with_boxes
def test_a_row_that_was_split_links_the_chunks_of_its_document(site, notes):
    chunks = [(f"1#{n}", f"1 {n}", {"document": "1", "chunk": n, "chunks": 2}) for n in (1, 2)]
    make(notes, "notes", chunks)
    found = site(notes)
    assert actions(found, "/zoo/notes/1") == [("Related items", "/zoo/-/similar/notes?document=1")]
    page = found.page("/zoo/-/similar/notes?document=1")
    assert page.hrefs("row of notes") == ["/zoo/notes/1"] * 2


@with_boxes
def test_tables_with_other_keys(site, notes):
    def make_tables(db):
        db["pages"].insert({"path": "a/b.html", "body": "of this page alone"}, pk="path")
        db["pairs"].insert({"a": "1", "b": "1", "body": "of this pair alone"}, pk=("a", "b"))
        db["rows"].insert({"body": "of this row alone"})

    read(notes, make_tables)
    texts = {"a/b.html": "of this page alone", "1": "of this row alone"}
    embed(notes, "texts", texts={id: texts[id] for id in ["1"]})
    make(notes, "pages", [("a/b.html", "1 1", None)])
    found = site(notes)
    assert actions(found, "/zoo/pages/a~2Fb~2Ehtml") == [
        ("Related items", "/zoo/-/similar/pages?id=a%2Fb.html")
    ]
    assert actions(found, "/zoo/pairs/1,1") == []
    assert actions(found, "/zoo/rows/1") == [("Related items", "/zoo/-/similar/texts?id=1")]


# From an entry to its row.


def test_an_entry_links_the_row_that_it_was_made_of(site, notes):
    embed(notes, "notes", texts={1: "one", "01": "another", 3: "none"})
    found = site(notes)
    for query in ("", "?id=1", "?id=3", "?q=hound+one"):
        page = found.page(f"/zoo/-/similar/notes{query}")
        assert page.hrefs("row of notes") == ["/zoo/notes/1"]


def test_there_is_no_link_to_a_table_that_may_not_be_viewed(site, notes):
    embed(notes, "notes")
    config = {"databases": {"zoo": {"tables": {"notes": {"allow": False}}}}}
    page = site(notes, config=config).page("/zoo/-/similar/notes")
    assert page.hrefs("row of notes") == []


@pytest.mark.parametrize("name", ["collections", "embeddings", "vecstore_items", "vecstore_texts"])
def test_a_collection_with_the_name_of_an_internal_table_links_no_rows(site, notes, name):
    embed(notes, name)
    found = site(notes)
    assert found.page(f"/zoo/-/similar/{name}").hrefs(f"row of {name}") == []
    for path in ("/zoo", f"/zoo/{name}"):
        assert found.get(path).status_code in (200, 404)


# What is internal.


@pytest.mark.parametrize("form", ["inside", "beside"])
def test_the_keyword_index_is_hidden_and_protected(site, animals, form):
    python_answer(animals, "search", "5", mode="keywords")
    tables = {t["name"]: t["hidden"] for t in site(animals).json("/zoo.json")["tables"]}
    ours = [name for name in tables if name.startswith(("vecstore_texts", "vecstore_keywords"))]
    assert len(ours) == (6 if form == "inside" else 0)
    assert all(tables[name] for name in ours)
    config = {"databases": {"zoo": {"tables": {"embeddings": {"allow": {"id": "root"}}}}}}
    found = site(animals, config=config)
    for name in ours:
        assert found.get(f"/zoo/{name}.json").status_code == 403
    for name in ("vecstore_texts", "vecstore_keywords_data"):
        if name in ours:
            assert found.get(f"/zoo/{name}.json", actor={"id": "root"}).status_code == 200


def test_related_items_are_shown_to_whom_may_view_the_items(site, animals):
    write(animals, "create table vecstore_related (collection_id, id, rank, related_id, score)")
    config = {"databases": {"zoo": {"tables": {"embeddings": {"allow": {"id": "root"}}}}}}
    found = site(animals, config=config)
    assert found.get("/zoo/vecstore_related.json").status_code == 403
    assert found.get("/zoo/vecstore_related.json", actor={"id": "root"}).status_code == 200
    tables = {t["name"]: t["hidden"] for t in site(animals).json("/zoo.json")["tables"]}
    assert tables["vecstore_related"] is False
