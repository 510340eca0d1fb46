"""Every search of docs/sql.md gives in Datasette what the Python API gives."""

from typing import get_args
from urllib.parse import urlencode

import pytest
from datasette.version import __version_info__

from tests.support.recipes import Names, Recipe, expected, make_database, recipes, search_vector
from tests.support.sites import read, write
from vecstore import Collection
from vecstore.settings import IndexForm

HOSTILE = Names('it\'s "a"; drop table x;--', "h'o\\u\"nd[%_]\t<b>", "d%g_[a-z]'/")
NAMES = {"plain": Names(), "hostile": HOSTILE}
FORMS = get_args(IndexForm)
ADDRESS = "/test.json" if __version_info__[0] == "0" else "/test/-/query.json"


@pytest.fixture(scope="module", params=[(n, f) for n in NAMES for f in FORMS], ids="-".join)
def filled(request, tmp_path_factory):
    """A file that the recipes fit, and the names in it."""
    name, form = request.param
    path = tmp_path_factory.mktemp("recipes") / "test.db"
    read(path, lambda db: make_database(db, NAMES[name], form))
    return path, NAMES[name]


def found(site, path, sql):
    query = urlencode({"sql": sql, "_shape": "arrays"})
    return [tuple(row) for row in site(path).json(f"{ADDRESS}?{query}")["rows"]]


@pytest.mark.parametrize("recipe", recipes("Two forms"), ids=str)
def test_a_recipe_gives_what_python_gives(site, filled, recipe: Recipe):
    path, names = filled
    answer = read(path, lambda db: expected(recipe.title, Collection(names.collection, db), names))
    sql = recipe.with_values(names, search_vector())
    assert found(site, path, sql) == answer
    assert len(answer) >= 2


def test_what_is_never_behind_gives_what_python_gives(site, tmp_path):
    path = tmp_path / "test.db"
    read(path, lambda db: make_database(db, Names(), "beside"))
    write(path, "delete from embeddings where id = 'puppies'")
    write(path, "update embeddings set id = 'kitten' where id = 'cat'")
    pending, search = recipes("An index beside the file")[1:]
    similar_json = recipes("Search for a text")[3]
    assert found(site, path, pending.sql) == [(3,)]
    rows = [found(site, path, recipe.sql) for recipe in (search, similar_json)]
    title = "Nearest to a stored item"
    answer = read(path, lambda db: expected(title, Collection("pets", db), Names()))
    assert rows == [answer, answer]
    assert found(site, path, pending.sql) == [(0,)]
    assert found(site, path, search.sql) == answer
