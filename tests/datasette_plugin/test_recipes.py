"""Every search of docs/sql.md gives in Datasette what the Python API gives."""

from urllib.parse import urlencode

import pytest
from datasette.version import __version_info__

from tests.support.recipes import Names, Recipe, expected, make_database, recipes, search_vector
from tests.support.sites import read
from vecstore import Collection

HOSTILE = Names('it\'s "a"; drop table x;--', "h'o\\u\"nd[%_]\t<b>", "d%g_[a-z]'/")
ADDRESS = "/test.json" if __version_info__[0] == "0" else "/test/-/query.json"


@pytest.fixture(scope="module", params=[Names(), HOSTILE], ids=["plain", "hostile"])
def filled(request, tmp_path_factory):
    """A file that the recipes fit, and the names in it."""
    path = tmp_path_factory.mktemp("recipes") / "test.db"
    read(path, lambda db: make_database(db, request.param))
    return path, request.param


@pytest.mark.parametrize("recipe", recipes("Two forms"), ids=str)
def test_a_recipe_gives_what_python_gives(site, filled, recipe: Recipe):
    path, names = filled
    answer = read(path, lambda db: expected(recipe.title, Collection(names.collection, db), names))
    sql = recipe.with_values(names, search_vector())
    query = urlencode({"sql": sql, "_shape": "arrays"})
    rows = site(path).json(f"{ADDRESS}?{query}")["rows"]
    assert [tuple(row) for row in rows] == answer
    assert len(rows) >= 2
