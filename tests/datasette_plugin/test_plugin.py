"""What the plugin adds to Datasette's own pages and connections."""

import pytest
import sqlite_utils

import vecstore
from tests.support.sites import Numbers, make, read

VISIBLE = ["collections", "embeddings"]


def tables(site, database="zoo", hidden=False):
    found = site.json(f"/{database}.json")["tables"]
    return sorted(table["name"] for table in found if table["hidden"] is hidden)


def test_internal_tables_are_hidden(site, animals):
    found = site(animals)
    assert tables(found) == VISIBLE
    assert {"vec_embeddings_8", "vec_embeddings_8_ids"} <= set(tables(found, hidden=True))


def test_tables_of_an_index_that_is_made_later_are_hidden(site, animals):
    found = site(animals)
    make(animals, "small", [("hound", "1 0", None)])
    assert tables(found) == VISIBLE
    assert "vec_embeddings_2" in tables(found, hidden=True)


def test_tables_of_the_user_are_not_hidden(site, animals, tmp_path):
    read(animals, lambda db: db["vec_embeddings_mine"].insert({"id": 1}))
    read(tmp_path / "other.db", lambda db: db["vec_embeddings_8"].insert({"id": 1}))
    found = site(animals, tmp_path / "other.db")
    assert tables(found) == [*VISIBLE, "vec_embeddings_mine"]
    assert tables(found, "other") == ["vec_embeddings_8"]


def test_views_are_not_hidden(site, animals):
    found = site(animals)
    assert "vecstore_items" in found.get("/zoo").text
    assert found.get("/zoo/vecstore_items").status_code == 200


def test_index_tables_can_be_looked_at(site, animals):
    for table in ("vec_embeddings_8", "vec_embeddings_8_ids", "vec_embeddings_8_chunks"):
        assert site(animals).get(f"/zoo/{table}").status_code == 200


def test_vectors_show_as_vectors_with_a_link_to_what_is_similar(site, animals):
    found = site(animals)
    for path in ("/zoo/embeddings", "/zoo/embeddings/1,cat"):
        page = found.page(path)
        assert "Binary:\N{NO-BREAK SPACE}32" not in "".join(page.texts)
        downloads = page.hrefs("8-d\N{NO-BREAK SPACE}vector")
        assert downloads[0] == "/zoo/embeddings/1,cat.blob?_blob_column=embedding"
        assert len(found.get(downloads[0]).content) == 32
        assert found.page(page.hrefs("similar")[0], follow_redirects=True).texts.count("wolf") == 1


def query(site, sql):
    response = site.get("/zoo" if is_older() else "/zoo/-/query", params={"sql": sql})
    return response.text.replace("&nbsp;", " ").replace("\N{NO-BREAK SPACE}", " ")


def test_vectors_of_a_query_show_as_vectors(site, animals):
    found = site(animals)
    html = query(found, "select embedding from embeddings limit 1")
    assert "8-d vector" in html
    html = query(found, "select zeroblob(33) as embedding, zeroblob(32) as other")
    assert "8-d vector" not in html
    assert "Binary: 33 bytes" in html


def test_other_blobs_are_as_usual(site, animals, tmp_path):
    other = sqlite_utils.Database(tmp_path / "other.db")
    other["embeddings"].insert({"id": 1, "embedding": b"1234"})
    other.close()
    read(animals, lambda db: db["pictures"].insert({"id": 1, "embedding": b"1234"}, pk="id"))
    found = site(animals, tmp_path / "other.db")
    for path in ("/zoo/pictures", "/other/embeddings"):
        assert "-d vector" not in "".join(found.page(path).texts)
        assert found.get(path).text.count("blob-download") == 1


def test_the_menu_of_the_database_links_its_collections(site, animals):
    found = site(animals)
    assert found.page("/zoo").hrefs("Similar items: animals") == ["/zoo/-/similar/animals"]


def test_many_collections_are_one_link(site, animals):
    def add(db):
        db["collections"].insert_all({"name": f"c{n}", "model": "numbers"} for n in range(20))

    read(animals, add)
    page = site(animals).page("/zoo")
    assert page.hrefs("Search collections") == ["/zoo/-/similar"]
    assert not [label for label, _ in page.links if label.startswith("Similar items")]


def test_a_row_of_embeddings_has_an_action(site, animals):
    if is_older():
        pytest.skip("Datasette 0.65 has no menu of a row; the cell of the vector has the link")
    found = site(animals)
    page = found.page("/zoo/embeddings/1,cat")
    [href] = page.hrefs("Similar items")
    assert href == found.page("/zoo/embeddings/1,cat").hrefs("similar")[0]
    assert not site(animals).page("/zoo/collections/1").hrefs("Similar items")


def test_sqlite_vec_is_there_and_no_other_extension_can_be_loaded(site, animals):
    found = site(animals)
    assert "v0." in query(found, "select vec_version()")
    assert "not authorized" in query(found, "select load_extension('anything')")


def test_a_file_of_llm_is_served_without_its_index(site, tmp_path):
    db = vecstore.connect(tmp_path / "zoo.db")
    collection = vecstore.Collection("animals", db, model=Numbers())
    collection.embed_multi([("a", "1 0"), ("b", "1 1")])
    vecstore.sqlite.index.building.remove_index(db, 2)
    db.conn.commit()
    db.close()
    found = site(tmp_path / "zoo.db")
    assert tables(found) == VISIBLE
    assert [r["id"] for r in found.json("/zoo/-/similar/animals.json?id=a")["rows"]] == ["b"]


def test_datasette_knows_the_plugin(site, animals):
    plugins = {plugin["name"]: plugin for plugin in listed(site(animals).json("/-/plugins.json"))}
    assert plugins["sqlite-vecstore"]["version"] == vecstore.__version__
    assert (plugins["sqlite-vecstore"]["static"], plugins["sqlite-vecstore"]["templates"]) == (
        True,
        True,
    )


def is_older():
    from datasette.version import __version_info__

    return __version_info__[0] == "0"


def listed(answer):
    return answer["plugins"] if isinstance(answer, dict) else answer
