"""Released programs and vecstore in turns on one file, whose index is beside it.

They are real ones, in environments of their own: llm of several ages, the sqlite-utils of each, and
Datasette without our plugin. More sequences of steps:

    VECSTORE_SEEDS=20 scripts/test tests/test_llm_releases.py
"""

import json
import os
import random
import shutil
import urllib.parse
import urllib.request

import pytest

from tests.support import ROOT
from tests.support.more_neighbours import SHELL, MoreNeighbours
from tests.support.neighbours import install_plugin, programs
from tests.support.released import (
    DATASETTES,
    LLMS,
    ReleasedProgram,
    datasette,
    make_environments,
)

SEEDS = int(os.environ.get("VECSTORE_SEEDS", 2))
STEPS = 20
NAMES = ["shared", "shared", "wide"]
IDS = [f"id{n}" for n in range(5)]
AGED = ["old-llm-0.9.db", "old-llm-0.36.db"]


@pytest.fixture(scope="module")
def llms(tmp_path_factory):
    return make_environments(tmp_path_factory.mktemp("llm"), LLMS)


@pytest.fixture(scope="module")
def datasettes(tmp_path_factory):
    return make_environments(tmp_path_factory.mktemp("datasette"), DATASETTES)


@pytest.fixture(scope="module")
def plugins(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plugins")
    install_plugin(folder)
    return folder


@pytest.fixture(scope="module")
def vecstore_program(tmp_path_factory):
    with programs(tmp_path_factory.mktemp("programs"), plugin=False) as running:
        yield running


def steps(n, rng):
    name, id, other = rng.choice(NAMES), rng.choice(IDS), rng.choice(IDS)
    ids = rng.sample(IDS, 2)
    how = rng.choice(["insert", "replace", "upsert"])
    program = rng.choice(["Python", *[SHELL] * bool(shutil.which(SHELL))])
    return [
        lambda: n.llm_embed(name, id),
        lambda: n.llm_embed_multi(name, ids),
        lambda: n.llm_similar(name, id),
        n.llm_list,
        lambda: n.llm_delete(name),
        lambda: n.utils_insert(name, id, with_vec=False, how=how),
        lambda: n.utils_delete(name, id, with_vec=False),
        lambda: n.utils_rename(name, id, f"renamed {id}", with_vec=False),
        lambda: n.utils_transform("embeddings", with_vec=False),
        n.utils_rename_table,
        lambda: n.utils("vacuum"),
        n.utils_full_text_search,
        n.utils_dump,
        n.utils_tables,
        lambda: n.sql_insert(program, name, id),
        lambda: n.sql_update(program, name, id),
        lambda: n.sql_rename(program, name, id, other),
        lambda: n.vecstore_embed(name, id),
        lambda: n.vecstore_embed_multi(name, ids),
        lambda: n.vecstore_similar(name, id),
        n.vecstore_compact,
    ]


@pytest.mark.parametrize("seed", range(SEEDS))
def test_nobody_is_refused_and_each_search_is_right(
    tmp_path, llms, plugins, vecstore_program, seed
):
    rng = random.Random(seed)
    of_llms = {name: ReleasedProgram(name, llms, plugins, rng) for name in ("llm", "sqlite_utils")}
    n = MoreNeighbours(tmp_path, {**vecstore_program, **of_llms})
    n.llm_embed("shared", "id0")  # so that it is llm's file
    while len(n.log) < STEPS:
        rng.choice(steps(n, rng))()
        n.assert_equal()
        assert not n.is_indexed()
        n.assert_searches()
    n.assert_sound()


@pytest.mark.parametrize("release", DATASETTES)
def test_datasette_without_the_plugin_serves_the_file(
    tmp_path, datasettes, llms, plugins, vecstore_program, release
):
    rng = random.Random(0)
    n = MoreNeighbours(
        tmp_path, {**vecstore_program, "llm": ReleasedProgram("llm", llms, plugins, rng)}
    )
    n.llm_embed_multi("shared", IDS)
    n.vecstore_similar("shared", IDS[0])
    with datasette(datasettes[release], n.path) as address:
        for table in ("embeddings", "collections", "vecstore_items", "vecstore_changes"):
            assert read(f"{address}/{table}")
        count = {"sql": "select count(*) as number from embeddings", "_shape": "array"}
        assert counted(address, count) == len(IDS)
        n.llm_embed("shared", "new")
        n.vecstore_embed("shared", "newer")
        n.assert_searches()
        assert counted(address, count) == len(IDS) + 2
    n.assert_sound()


def counted(address, query):
    # Datasette 1.0 has a page of its own for queries.
    for page in (f"{address}.json", f"{address}/-/query.json"):
        try:
            found = json.loads(read(f"{page}?{urllib.parse.urlencode(query)}"))
        except urllib.error.HTTPError:
            continue
        if isinstance(found, list):
            return found[0]["number"]
    raise AssertionError("no page answers")


def read(address):
    with urllib.request.urlopen(address) as response:
        return response.read()


@pytest.mark.parametrize("name", AGED)
def test_a_year_old_file_is_shared_by_all(tmp_path, llms, plugins, vecstore_program, name):
    """vecstore searches it first, and then each llm writes to it and searches."""
    n = MoreNeighbours(tmp_path, vecstore_program)
    shutil.copy(ROOT / "tests" / "fixtures" / name, n.path)
    before = n.query("select count(*) from embeddings")[0][0]
    n.models["new"] = "neighbour"
    n.vecstore_embed("new", "first")
    n.vecstore_similar("new", "first")
    for number, (release, python) in enumerate(llms.items(), start=1):
        only = ReleasedProgram("llm", {release: python}, plugins, random.Random(0))
        each = MoreNeighbours(tmp_path, {**vecstore_program, "llm": only})
        each.models, each.rows, each._count = n.models, n.rows, 100 * number
        each.llm_embed("new", f"by {release}", store=True)
        each.llm_embed_multi("new", ["first", f"also by {release}"])
        each.llm_similar("new", "first")
        each.vecstore_similar("new", "first")
        each.assert_searches()
        n.models, n.rows = each.models, each.rows
    assert n.query("select count(*) from embeddings") == [(before + len(n.rows),)]
    assert not n.is_indexed()
