"""Every recipe of docs/sql.md gives what the Python API gives: in the sqlite3 shell, and here."""

import json
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from typing import get_args

import pytest

import vecstore
from tests.support.beside import index_of
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
from vecstore.settings import IndexForm

SEARCHES = recipes("Two forms")
HOSTILE = Names('it\'s "a"; drop table x;--\n\N{DOG FACE}', "h'o\\u\"nd[%_]\t<b>", "d%g_[a-z]'/")
NAMES = {"plain": Names(), "hostile": HOSTILE}


RELATED = recipes("Related items without an extension")

FORMS: tuple[IndexForm, ...] = get_args(IndexForm)
PROGRAMS = ("sqlite3-shell", "apsw", "sqlite3")
Run = Callable[[str, str], list[tuple]]


@pytest.fixture(scope="module", params=[(n, f) for n in NAMES for f in FORMS], ids="-".join)
def filled(request, tmp_path_factory) -> tuple[str, Names]:
    """A file that the recipes fit, and the names in it."""
    name, form = request.param
    path = tmp_path_factory.mktemp("recipes") / "test.db"
    db = vecstore.connect(path, driver="apsw")
    make_database(db, NAMES[name], form)
    db.close()
    return str(path), NAMES[name]


@pytest.fixture(params=PROGRAMS)
def run(request, closing) -> Run:
    """A function that runs SQL on a file, in one of three programs."""
    if request.param == "sqlite3-shell":
        return sqlite3_shell
    if request.param == "sqlite3" and not LOADS_EXTENSIONS:
        pytest.skip("this Python's sqlite3 loads no extensions")

    def run(path: str, sql: str) -> list[tuple]:
        db = closing(vecstore.connect(path, driver=request.param))
        return db.execute(sql).fetchall()

    return run


@pytest.mark.parametrize("recipe", SEARCHES, ids=str)
def test_a_recipe_gives_what_python_gives(filled, run, recipe: Recipe, closing):
    path, names = filled
    found = run(path, recipe.with_values(names, search_vector()))
    db = closing(vecstore.connect(path))
    answer = expected(recipe.title, Collection(names.collection, db), names)
    assert found == answer
    assert len(found) >= 2


def test_both_forms_are_there():
    titles = [recipe.title for recipe in SEARCHES]
    assert len(titles) == 16
    assert titles[0::2] == titles[1::2]


WRITING = recipes("Writing")


@pytest.mark.parametrize("form", FORMS)
def test_the_recipes_for_writing_keep_the_index_in_step(tmp_path, form, model):
    path = str(tmp_path / "written.db")
    db = vecstore.connect(path, driver="apsw")
    make_database(db, Names(), form)
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


@pytest.mark.parametrize("form", FORMS)
def test_a_text_is_searched_for_as_python_does(tmp_path, closing, form):
    db = closing(vecstore.connect(tmp_path / "text.db", driver="apsw"))
    pets = make_database(db, Names(), form)
    similar, like_each, as_json, json_like, embed = [
        recipe.sql for recipe in recipes("Search for a text")
    ]
    found = [
        (e.id, pytest.approx(e.score), e.content) for e in pets.similar("a dog in a good mood", 5)
    ]
    assert db.execute(similar).fetchall() == found
    assert db.execute(as_json).fetchall() == found
    assert db.execute(embed).fetchall() == found
    like = [(e.id, pytest.approx(e.score), e.content) for e in pets.similar_by_id("hound")]
    assert db.execute(json_like).fetchall() == like
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
    is_beside = index_of(path).exists()
    table = "no such table: vec_emb" if is_beside else "no such module: vec0"
    conn = sqlite3.connect(path)
    fails = [
        ("select vec_distance_cosine(1, 1)", "no such function: vec_distance_cosine"),
        ("select * from vec_embeddings_256", table),
    ]
    writes = ["delete from embeddings", "update embeddings set id = id || 'x'"]
    if not is_beside:
        fails += [(sql, "no such (module: vec0|function: vec_)") for sql in writes]
    for sql, message in fails:
        with pytest.raises(sqlite3.OperationalError, match=message):
            conn.execute(sql)
    for sql in ["update embeddings set metadata = metadata", *(writes * is_beside)]:
        conn.execute(sql)
    conn.rollback()
    assert conn.execute("select count(*) from embeddings").fetchone() == (27,)
    conn.close()


BESIDE = recipes("An index beside the file")
SIMILAR_JSON = recipes("Search for a text")[3]


@pytest.fixture(params=NAMES)
def changed(request, tmp_path) -> tuple[str, Names]:
    """A file whose index, beside it, is behind with what plain SQL has written; and its names."""
    names = NAMES[request.param]
    path = str(tmp_path / "changed.db")
    db = vecstore.connect(path, driver="apsw")
    make_database(db, names, "beside")
    db.close()
    conn = sqlite3.connect(path)
    move = "update embeddings set embedding = (select embedding from embeddings where id = ?)"
    conn.execute(f"{move} where id = 'cat'", [names.id])
    conn.execute(f"{move} where id = '4'", [names.id])
    conn.execute("delete from embeddings where id in ('puppies', '1', '2')")
    copied = "select collection_id, ? || id, embedding, content, content_blob, null, metadata"
    sql = f"insert into embeddings {copied}, updated from embeddings where id in ('5', '6', ?)"
    conn.execute(sql, ["new ", names.id])
    zeros = "select 1, 'zeros', zeroblob(1024) union all select 1, 'short', x'0000803f'"
    conn.execute(f"insert into embeddings (collection_id, id, embedding) {zeros}")
    conn.execute("insert into embeddings (collection_id, embedding) values (1, zeroblob(1024))")
    conn.commit()
    conn.close()
    return path, names


@pytest.mark.parametrize("number", [2, 3], ids=["behind", "search"])
def test_what_is_pending_is_told_and_compared(changed, run, number, closing):
    path, names = changed
    found = run(path, BESIDE[number - 1].with_values(names, search_vector()))
    if number == 2:
        [(behind,)] = found
        assert behind == 13
        return
    like = Collection(names.collection, closing(vecstore.connect(path))).similar_by_id(names.id)
    assert found == [(e.id, pytest.approx(e.score), e.content) for e in like]
    assert {"cat", f"new {names.id}"} <= {id for id, *_ in found}
    assert run(path, BESIDE[1].sql) == [(0,)]
    assert run(path, BESIDE[2].with_values(names, search_vector())) == found


def test_an_index_of_another_file_is_told_and_gives_no_rows(changed, run, tmp_path):
    path, names = changed
    db = vecstore.connect(tmp_path / "other.db", driver="apsw")
    make_database(db, names, "beside")
    db.close()
    shutil.copy(index_of(tmp_path / "other.db"), index_of(path))
    assert run(path, BESIDE[1].sql) == [(-1,)]
    assert run(path, BESIDE[2].with_values(names, search_vector())) == []


def test_an_index_that_is_not_complete_gives_no_rows(changed, run):
    path, names = changed
    conn = sqlite3.connect(index_of(path))
    conn.execute("update vecstore_dimensions set is_complete = false")
    conn.commit()
    conn.close()
    assert run(path, BESIDE[2].with_values(names, search_vector())) == []


@pytest.mark.parametrize("driver", PROGRAMS[1:])
def test_the_functions_find_what_is_pending(changed, driver, closing):
    if driver == "sqlite3" and not LOADS_EXTENSIONS:
        pytest.skip("this Python's sqlite3 loads no extensions")
    path, names = changed
    db = closing(vecstore.connect(path, driver=driver))
    found = db.execute(SIMILAR_JSON.with_values(names, search_vector())).fetchall()
    assert db.execute(BESIDE[1].sql).fetchall() != [(0,)]
    like = Collection(names.collection, db).similar_by_id(names.id)
    assert found == [(e.id, pytest.approx(e.score), e.content) for e in like]
    assert "cat" in {id for id, *_ in found}


@pytest.mark.parametrize("recipe", RELATED, ids=str)
def test_related_items_are_read_without_an_extension(filled, recipe):
    path, names = filled
    with closing(vecstore.connect(path, driver="apsw")) as db:
        collection = Collection(names.collection, db)
        collection.related_table(3)
        nearest = {id: collection.similar_by_id(id, 3, exact=True) for id in collection.ids()}
    likely = [(rank, e.id, e.score, e.content) for rank, e in enumerate(nearest[names.id], start=1)]
    alone = sorted((e[0].score, id) for id, e in nearest.items())
    answers = [
        likely,
        [
            (id, json.dumps([e.id for e in found], ensure_ascii=False))
            for id, found in nearest.items()
        ],
        [(id, score) for score, id in alone[:10]],
    ]
    sql = recipe.with_values(names, [])
    found = sqlite3_shell(path, sql, extension=False)
    if recipe.number == 2:
        found = [(id, json.loads(listed)) for id, listed in found]
        answers[1] = [(id, json.loads(listed)) for id, listed in answers[1]]
    assert found == [
        tuple(pytest.approx(x) if isinstance(x, float) else x for x in row)
        for row in answers[recipe.number - 1]
    ]
    with closing(sqlite3.connect(path)) as plain:
        assert len(plain.execute(sql).fetchall()) == len(found)


@pytest.fixture(params=[(n, f) for n in NAMES for f in FORMS], ids="-".join)
def with_keywords(request, tmp_path) -> tuple[str, Names]:
    """A file whose index of keywords is there too."""
    name, form = request.param
    path = str(tmp_path / "keywords.db")
    db = vecstore.connect(path, driver="apsw")
    make_database(db, NAMES[name], form).search("a dog", mode="keywords")
    db.close()
    return path, NAMES[name]


def test_keywords_and_a_vector_are_searched_as_python_does(with_keywords, run, closing):
    path, names = with_keywords
    alone, fused, _, _ = recipes("By keywords")
    found = run(path, alone.with_values(names, search_vector()))
    both = run(path, fused.with_values(names, search_vector()))
    pets = Collection(names.collection, closing(vecstore.connect(path)))
    pets.embed_query = lambda text, key=None: search_vector()
    results = pets.search("happy dog", mode="keywords")
    assert found == [(e.id, e.snippet) for e in results]
    assert len(found) >= 4
    rankings = [pets.search("happy dog", 20, mode=mode) for mode in ("keywords", "similar")]
    scores, contents = Counter(), {}
    for rank, entry in (pair for ranking in rankings for pair in enumerate(ranking, start=1)):
        scores[entry.id] += 1 / (2 + rank)
        contents[entry.id] = entry.content
    best = sorted(scores, key=lambda id: (-scores[id], id))[:10]
    assert both == [(id, pytest.approx(scores[id]), contents[id]) for id in best]


def test_a_text_is_searched_for_by_a_function_as_python_does(with_keywords, closing):
    path, names = with_keywords
    _, _, table, as_json = recipes("By keywords")
    db = closing(vecstore.connect(path, driver="apsw"))
    results = Collection(names.collection, db).search("happy dog", 5)
    expected = [
        (e.id, pytest.approx(e.score), e.similar_rank, e.keyword_rank, e.snippet) for e in results
    ]
    for recipe in (table, as_json):
        assert db.execute(recipe.with_values(names, search_vector())).fetchall() == expected
