"""Every recipe of docs/sql.md gives what the Python API gives: in the sqlite3 shell, and here."""

import sqlite3
from collections.abc import Callable

import pytest

import vecstore
from tests.support.databases import LOADS_EXTENSIONS
from tests.support.recipes import (
    COLLECTION,
    Names,
    Recipe,
    expected,
    make_database,
    recipes,
    search_vector,
    sqlite3_shell,
)
from vecstore import Collection

SEARCHES = recipes("Two forms")
HOSTILE = Names('it\'s "a"; drop table x;--\n\N{DOG FACE}', "h'o\\u\"nd[%_]\t<b>", "d%g_[a-z]'/")
NAMES = {"plain": Names(), "hostile": HOSTILE}


@pytest.fixture(scope="module", params=NAMES)
def filled(request, tmp_path_factory) -> tuple[str, Names]:
    """A file that the recipes fit, and the names in it."""
    names = NAMES[request.param]
    path = tmp_path_factory.mktemp("recipes") / "test.db"
    db = vecstore.connect(path, driver="apsw")
    make_database(db, names)
    db.close()
    return str(path), names


@pytest.fixture(params=["sqlite3-shell", "apsw", "sqlite3"])
def run(request, filled, closing) -> Callable[[str], list[tuple]]:
    """A function that runs SQL on that file, in one of three programs."""
    path, _ = filled
    if request.param == "sqlite3-shell":
        return lambda sql: sqlite3_shell(path, sql)
    if request.param == "sqlite3" and not LOADS_EXTENSIONS:
        pytest.skip("this Python's sqlite3 loads no extensions")
    db = closing(vecstore.connect(path, driver=request.param))
    return lambda sql: db.execute(sql).fetchall()


@pytest.mark.parametrize("recipe", SEARCHES, ids=str)
def test_a_recipe_gives_what_python_gives(filled, run, recipe: Recipe, closing):
    path, names = filled
    found = run(recipe.with_values(names, search_vector()))
    db = closing(vecstore.connect(path))
    answer = expected(recipe.title, Collection(names.collection, db), names)
    assert found == answer
    assert len(found) >= 2


def test_both_forms_are_there():
    titles = [recipe.title for recipe in SEARCHES]
    assert len(titles) == 16
    assert titles[0::2] == titles[1::2]


WRITING = recipes("Writing")


def test_the_recipes_for_writing_keep_the_index_in_step(tmp_path, closing, model):
    path = str(tmp_path / "written.db")
    db = vecstore.connect(path, driver="apsw")
    make_database(db, Names())
    db.close()
    vector = search_vector()
    insert_collection, insert, delete, delete_collection = [
        recipe.with_values(Names(), vector) for recipe in WRITING
    ]

    def nearest():
        db = vecstore.connect(path, driver="apsw")
        found = Collection(COLLECTION, db).similar_by_vector(vector, 1)[0]
        names = db.execute("select name, items from vecstore_collections order by name").fetchall()
        db.close()
        return found.id, found.score, found.content, found.metadata, names

    before = nearest()
    assert before[0] != "wolf"
    sqlite3_shell(path, insert_collection + insert + insert)
    entry = ("wolf", pytest.approx(1.0), "my grey wolf", {"colour": "grey"})
    collections = [("birds", 0), ("other", 2), ("pets", 24), ("wild", 2)]
    assert nearest() == (*entry, collections)
    sqlite3_shell(path, delete + delete_collection)
    assert nearest() == before


def test_a_text_is_searched_for_as_python_does(tmp_path, closing):
    db = closing(vecstore.connect(tmp_path / "text.db", driver="apsw"))
    pets = make_database(db, Names())
    similar, like_each, embed = [recipe.sql for recipe in recipes("Search for a text")]
    found = [
        (e.id, pytest.approx(e.score), e.content) for e in pets.similar("a dog in a good mood", 5)
    ]
    assert db.execute(similar).fetchall() == found
    assert db.execute(embed).fetchall() == found
    each = [
        (id, e.id, pytest.approx(e.score))
        for id in pets.ids()
        for e in pets.similar_by_vector(pets.model().embed(pets.get(id).content), 3)
        if e.id != id
    ]
    assert db.execute(like_each).fetchall() == each


def test_the_views_are_read_without_the_extension(filled):
    path, names = filled
    found = sqlite3_shell(path, "select * from vecstore_collections;", extension=False)
    assert {row[:4] for row in found} == {
        (names.collection, "wordllama", 256, 23),
        ("other", "other", 256, 2),
        ("wild", "wordllama", 256, 2),
    }
    items = sqlite3_shell(path, "select * from vecstore_items;", extension=False)
    assert len(items) == 27
    [found] = [row for row in items if row[:2] == (names.collection, names.id)]
    assert found[2:4] == ("my happy hound", None)
    assert found[5] == 256


def test_what_needs_the_extension_says_so_and_changes_nothing(filled):
    path, _ = filled
    conn = sqlite3.connect(path)
    for sql, message in [
        ("select vec_distance_cosine(1, 1)", "no such function: vec_distance_cosine"),
        ("select * from vec_embeddings_256", "no such module: vec0"),
        ("delete from embeddings", "no such (module: vec0|function: vec_)"),
        ("update embeddings set id = id || 'x'", "no such (module: vec0|function: vec_)"),
    ]:
        with pytest.raises(sqlite3.OperationalError, match=message):
            conn.execute(sql)
    conn.execute("update embeddings set metadata = metadata")
    conn.rollback()
    assert conn.execute("select count(*) from embeddings").fetchone() == (27,)
    conn.close()
