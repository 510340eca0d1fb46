"""llm, sqlite-utils and vecstore share a file, in any order: no row is lost, and check is clean.

VECSTORE_SEEDS=50 scripts/test tests/faults/test_neighbours.py runs so many sequences of steps.
"""

import os
import random
import shutil

import pytest

from tests.support.databases import LOADS_EXTENSIONS
from tests.support.more_neighbours import SHELL, MoreNeighbours
from tests.support.neighbours import Neighbours, programs

pytest.importorskip("llm")

SEEDS = int(os.environ.get("VECSTORE_SEEDS", 2))
STEPS = 12
NAMES = ["shared", "shared", "wide", "other"]
IDS = [f"id{n}" for n in range(6)]


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with programs(tmp_path_factory.mktemp("programs"), plugin=False) as running:
        yield running


@pytest.fixture(scope="module")
def running_with_plugin(tmp_path_factory):
    with programs(tmp_path_factory.mktemp("programs"), plugin=True) as running:
        yield running


@pytest.fixture
def neighbours(tmp_path, running):
    return Neighbours(tmp_path, running)


@pytest.fixture
def neighbours_with_plugin(tmp_path, running_with_plugin):
    return Neighbours(tmp_path, running_with_plugin, plugin=True)


def steps(n, rng):
    """Return all the steps there are by program, each for a collection and ids by chance."""
    name, id, other = rng.choice(NAMES), rng.choice(IDS), rng.choice(IDS)
    store = rng.random() < 0.5
    how = rng.choice(["insert", "replace", "upsert"])
    ids = rng.sample(IDS, 3)
    table = rng.choice(["embeddings", "collections"])

    def utils(with_vec):
        return [
            lambda: n.utils_insert(name, id, with_vec=with_vec, how=how),
            lambda: n.utils_insert(name, other, with_vec=with_vec, how="replace"),
            lambda: n.utils_delete(name, id, with_vec=with_vec),
            lambda: n.utils_rename(name, id, f"renamed {id}", with_vec=with_vec),
            lambda: n.utils_zeros("other", id, with_vec=with_vec),
            lambda: n.utils_transform(table, with_vec=with_vec),
        ]

    by_program = {
        "llm": [
            lambda: n.llm_embed(name, id, store=store),
            lambda: n.llm_embed(name, other, store=store),
            lambda: n.llm_embed_multi(name, ids),
            lambda: n.llm_similar(name, id),
            n.llm_list,
            lambda: n.llm_delete(name),
        ],
        "sqlite-utils": [*utils(False), n.utils_read, lambda: n.utils_metadata(name, id)],
        "sqlite-utils with sqlite-vec": utils(True),
        "vecstore": [
            lambda: n.vecstore_embed(name, id, store=store),
            lambda: n.vecstore_embed_multi(name, ids),
            lambda: n.vecstore_similar(name, id),
            lambda: n.vecstore_index("build"),
            lambda: n.vecstore_index("drop"),
            lambda: n.vecstore_index("drop"),
            lambda: n.vecstore_index("drop"),
            n.vecstore_compact,
            n.vecstore_list,
            lambda: n.vecstore_delete(name),
        ],
    }
    if not LOADS_EXTENSIONS:
        del by_program["sqlite-utils with sqlite-vec"]
    return by_program


def steps_beside(n, rng):
    """Return more steps, for a file whose index is beside it."""
    name, id, other = rng.choice(NAMES), rng.choice(IDS), rng.choice(IDS)
    table = rng.choice(["embeddings", "collections", "_sqlite_migrations"])

    def by_hand(program):
        return [
            lambda: n.sql_insert(program, name, id),
            lambda: n.sql_update(program, name, id),
            lambda: n.sql_delete(program, name, id),
            lambda: n.sql_rename(program, name, id, other),
            lambda: n.sql_undo(program),
        ]

    by_program = {
        **steps(n, rng),
        "Python": by_hand("Python"),
        "sqlite-utils on tables": [
            lambda: n.utils_transform(table, with_vec=False),
            n.utils_rename_table,
            lambda: n.utils("vacuum"),
            n.utils_full_text_search,
            n.utils_dump,
            n.utils_tables,
        ],
    }
    if shutil.which(SHELL):
        by_program["shell"] = [*by_hand(SHELL), n.shell_dump]
    return by_program


@pytest.mark.parametrize("seed", range(SEEDS))
def test_with_the_index_beside_nobody_is_refused_and_each_search_is_right(
    tmp_path, running, monkeypatch, seed
):
    monkeypatch.setenv("VECSTORE_INDEX", "beside")
    n = MoreNeighbours(tmp_path, running)
    rng = random.Random(f"beside {seed}")
    while len(n.log) < STEPS:
        each = steps_beside(n, rng)
        rng.choice(each[rng.choice(list(each))])()
        n.assert_equal()
        assert not n.is_indexed()
        n.assert_searches()
    n.assert_sound()


@pytest.mark.parametrize("seed", range(SEEDS))
def test_steps_in_any_order_lose_no_row_and_leave_a_clean_file(neighbours, seed):
    take_steps(neighbours, seed)


@pytest.mark.skipif(not LOADS_EXTENSIONS, reason="this Python's sqlite3 loads no extensions")
@pytest.mark.parametrize("seed", range(SEEDS))
def test_so_they_do_where_the_plugin_of_sqlite_utils_lets_all_write(neighbours_with_plugin, seed):
    take_steps(neighbours_with_plugin, seed)


def take_steps(neighbours, seed):
    rng = random.Random(seed)
    while len(neighbours.log) < STEPS:
        each = steps(neighbours, rng)
        rng.choice(each[rng.choice(list(each))])()
        neighbours.assert_equal()
    neighbours.assert_sound()


def test_what_needs_the_extension_fails_as_the_docs_say_until_the_index_is_dropped(neighbours):
    n = neighbours
    n.llm_embed_multi("shared", ["id0", "id1", "id2"])
    n.llm_embed("other", "id0")
    n.vecstore_index("move", "inside")
    writes = [
        lambda: n.llm_embed("new", "id1", store=True),
        lambda: n.llm_embed_multi("shared", ["id0", "id3"]),
        lambda: n.utils_insert("shared", "id4", with_vec=False, how="insert"),
        lambda: n.utils_insert("shared", "id0", with_vec=False, how="upsert"),
        lambda: n.utils_rename("shared", "id1", "renamed", with_vec=False),
        lambda: n.utils_delete("shared", "id2", with_vec=False),
        lambda: n.llm_delete("other"),
    ]
    before = dict(n.rows)
    for write in writes:
        write()
        n.assert_equal()
    assert n.rows == before
    n.utils_metadata("shared", "id0")
    n.llm_similar("shared", "id1")
    n.vecstore_index("drop")
    for write in writes:
        write()
        n.assert_equal()
    assert sorted(n.rows) == [
        ("new", "id1"),
        *(("shared", id) for id in ("id0", "id3", "id4", "renamed")),
    ]
    n.assert_sound()
