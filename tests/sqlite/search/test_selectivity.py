"""Which plan answers a filtered search, by how many rows meet the condition; and what it finds."""

import json
import random
import shlex
from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import vecstore
from tests.sqlite.search.test_fast import DIMENSIONS, VECTORS
from tests.support.command import output
from tests.support.models import Vectors
from vecstore import Collection
from vecstore.query import Query
from vecstore.sqlite.index import building, partitions, usable
from vecstore.sqlite.search import selectivity

ROWS = 8000
QUERIES = VECTORS[ROWS:]
DIRECTION = VECTORS[0]
N, NEAR, R = (f"json_extract(metadata, '$.{key}')" for key in ("n", "near", "r"))
ALL = [f"{n:04}" for n in range(ROWS)]


def made(path=None):
    """A collection whose metadata is in the order of writing, at random, and by similarity."""
    db = vecstore.connect(path) if path else vecstore.connect()
    collection = Collection("many", db, model=Vectors())
    by_similarity = sorted(
        range(ROWS), key=lambda n: -vecstore.cosine_similarity(VECTORS[n], DIRECTION)
    )
    near = {n: rank for rank, n in enumerate(by_similarity)}
    shuffled = random.Random(1).sample(range(ROWS), ROWS)
    db["embeddings"].insert_all(
        {
            "collection_id": collection.id,
            "id": f"{n:04}",
            "embedding": vecstore.encode(VECTORS[n]),
            "metadata": json.dumps({"n": n, "near": near[n], "r": shuffled[n]}),
        }
        for n in range(ROWS)
    )
    building.ensure_index(db, DIMENSIONS)
    return collection


@pytest.fixture(scope="module")
def plain():
    collection = made()
    yield collection
    collection.db.close()


@pytest.fixture(scope="module")
def indexed():
    collection = made()
    for key in ("n", "near", "r"):
        collection.index_metadata(key)
    yield collection
    collection.db.close()


@pytest.fixture(params=["plain", "indexed"])
def either(request):
    return request.getfixturevalue(request.param)


def nearest(collection, vector, number, where, where_args=()):
    """Return what SQL finds by comparing each row, without a plan of ours."""
    found = collection.db.execute(
        f"""
        select id
        from embeddings
        where ({where})
        order by vec_distance_cosine(embedding, ?{len(where_args) + 1}), id
        limit {number}
        """,
        [*where_args, vecstore.encode(vector)],
    )
    return [id for (id,) in found.fetchall()]


def recall(collection, number, where, where_args=()):
    hits = total = 0
    for query in [*QUERIES, DIRECTION, [-x for x in DIRECTION]]:
        expected = nearest(collection, query, number, where, where_args)
        found = collection.similar_by_vector(query, number, where=where, where_args=where_args)
        assert len(found) == len(expected)
        hits += len(set(expected) & {entry.id for entry in found})
        total += len(expected)
    return hits / total


@pytest.mark.parametrize("share", [0.5, 0.1, 0.01, 0.0005])
@pytest.mark.parametrize("value", [N, NEAR, R])
def test_99_in_100_are_found_however_many_rows_meet_a_condition(either, value, share):
    assert recall(either, 10, f"{value} < ?", [share * ROWS]) >= 0.99
    assert recall(either, 10, f"{value} >= ?", [ROWS - share * ROWS]) >= 0.99


def steps(collection, where, where_args=(), **conditions):
    return [
        step.plan
        for step in collection.explain(
            QUERIES[0], where=where, where_args=where_args, **conditions
        ).steps
    ]


def test_rows_that_an_index_finds_are_compared_and_no_others(indexed):
    """Without a look at the bits, and not by the key of the collection, which SQLite prefers."""
    for where in (f"{R} < 80", f"{R} between 10 and 20", f"{R} = 3", f"{R} in (3, 4)"):
        explanation = indexed.explain(QUERIES[0], where=where)
        assert [step.plan for step in explanation.steps] == ["scan"]
        plan = indexed.db.execute(
            f"explain query plan {explanation.steps[0].sql}",
            {"_collection_id": 1, "_vector": b"", "_skip_id": None, "_number": 10},
        ).fetchall()
        assert any("idx_embeddings_metadata_r (<expr>" in line[3] for line in plan), plan
    assert steps(indexed, "id in ('0001', '0002')") == ["scan"]
    assert steps(indexed, f"{R} = 3 or {N} = 3") == ["scan"]


def test_where_many_rows_meet_a_condition_the_bits_are_looked_at_once(either):
    looks = [
        [step.plan for step in either.explain(query, where=f"{R} < 6000").steps]
        for query in QUERIES
    ]
    assert looks.count(["fast"]) >= 0.7 * len(QUERIES)


def test_a_table_without_an_order_is_read_from_one_end_to_the_other(plain):
    """By the key, each row would be looked up."""
    *_, scan = plain.explain(QUERIES[0], where=f"{R} % 1000 = 7").steps
    assert (scan.plan, "+collection_id" in scan.sql) == ("scan", True)


def estimated(collection, where=None, where_args=(), prefix=""):
    row, db = collection.row, collection.db
    query = Query(row, 10, prefix, b"", None, where=where, where_args=where_args)
    names = usable.find_index(db, DIMENSIONS).names
    rows = partitions.count_rows(db, collection.id, names)
    access = selectivity.find_access(db, query, rows)
    return selectivity.estimate(db, query, names, rows, access)


@pytest.mark.parametrize("value", [N, NEAR, R])
@pytest.mark.parametrize("matches", [0, 1, 100, 2000, 6000])
def test_a_sample_tells_about_how_many_rows_meet_a_condition(plain, value, matches):
    found = estimated(plain, f"{value} < ?", [matches])
    assert not found.by_index
    assert not found.is_exact
    assert abs(found.matches - matches) <= 0.1 * ROWS


def test_few_rows_are_counted_where_an_index_alone_tells_which_they_are(indexed):
    expected = selectivity.Selectivity(7, is_exact=True, by_index=True)
    assert estimated(indexed, "id < '0007'") == expected
    assert estimated(indexed, prefix="01") == selectivity.Selectivity(100, True, True)
    assert estimated(indexed, "id >= ?", ["7990"], prefix="799").matches == 10


def test_of_more_rows_than_are_counted_a_sample_tells(indexed):
    found = estimated(indexed, f"{R} < 6000")
    assert (found.is_exact, found.by_index) == (False, True)
    assert abs(found.matches - 6000) <= 0.1 * ROWS


def test_a_sample_is_of_the_collection_alone(plain):
    """Also where many rows of others, which all meet the condition, lie in between."""
    db = vecstore.connect()
    collections = [Collection(name, db, model=Vectors()) for name in ("one", "two")]
    db["embeddings"].insert_all(
        {
            "collection_id": collections[n % 2].id,
            "id": f"{n:04}",
            "embedding": vecstore.encode(VECTORS[n % ROWS]),
            "content": ("no", "yes")[n % 2],
        }
        for n in range(2 * ROWS)
    )
    building.ensure_index(db, DIMENSIONS)
    assert [estimated(c, "content = 'yes'").matches > 0 for c in collections] == [False, True]
    db.close()


CONDITIONS = st.recursive(
    st.one_of(
        st.builds(
            "{} {} {}".format,
            st.sampled_from([N, NEAR, R]),
            st.sampled_from(["<", ">", "=", "<>", "is not"]),
            st.integers(0, ROWS),
        ),
        st.builds(
            "{} between {} and {}".format,
            st.sampled_from([N, NEAR, R]),
            st.integers(0, ROWS),
            st.integers(0, ROWS),
        ),
        st.builds("id > '{:04}'".format, st.integers(0, ROWS)),
        st.builds("id like '%{}'".format, st.integers(0, 99)),
        st.builds(
            "id in (select value from json_each('{}'))".format,
            st.lists(st.sampled_from(ALL), max_size=5).map(json.dumps),
        ),
        st.sampled_from(["metadata is null", "1", "0", "null", "content is null"]),
    ),
    lambda some: st.one_of(
        st.builds("({}) and ({})".format, some, some),
        st.builds("({}) or ({})".format, some, some),
        st.builds("not ({})".format, some),
    ),
    max_leaves=4,
)


@settings(max_examples=60, deadline=None)
@given(where=CONDITIONS, exact=st.booleans(), number=st.integers(1, 12), prefix=st.sampled_from(
    ["", "1", "79"]
))  # fmt: skip
def test_any_condition_finds_what_sql_finds(plain, indexed, where, exact, number, prefix):
    both = f"({where}) and id like '{prefix}%'"
    query = QUERIES[number]
    for collection in (plain, indexed):
        expected = nearest(collection, query, number, both)
        found = [
            entry.id
            for entry in collection.similar_by_vector(
                query, number, where=where, exact=exact, prefix=prefix
            )
        ]
        if exact:
            assert found == expected
        assert len(found) == len(expected)
        assert len(set(found) & set(expected)) >= len(expected) - 1


def test_explain_says_which_index_would_find_the_rows(plain, indexed):
    for where, key in (
        (f"{R} = 7", "r"),
        (f"7 = {R}", "r"),
        ("json_extract( metadata,'$.deep.er' ) in (1)", "$.deep.er"),
        ("json_extract(metadata, '$.\"it''s\"') > 5", '$."it\'s"'),
    ):
        explanation = plain.explain(QUERIES[0], where=where, exact=True)
        assert explanation.advice.endswith(f"find them: index_metadata({key!r})")
        assert str(explanation).endswith(f"\n\n{explanation.advice}")
    arrow = plain.explain(QUERIES[0], where="metadata ->> 'r' = 7", exact=True).advice
    assert arrow.endswith(f"index_metadata('r'), and write {R} in place of metadata ->> 'r'")
    arrow = indexed.explain(QUERIES[0], where="metadata ->> '$.r' = 7", exact=True).advice
    assert arrow == f"To use the index of $.r, write {R} in place of metadata ->> '$.r'"


def test_explain_advises_an_index_where_candidates_were_asked_and_few_of_them_match(plain):
    few, many = (plain.explain(QUERIES[0], where=f"{R} < {n}") for n in (300, 4_000))
    assert (few.plan, many.plan) == ("fast", "fast")
    assert few.advice.endswith("find them: index_metadata('r')")
    assert many.advice is None


def test_the_advice_is_a_command_for_the_shell(plain, tmp_path):
    path = tmp_path / "my file.db"
    plain.db.execute("vacuum into ?", [str(path)])
    with closing(vecstore.connect(path)) as db:
        collection = Collection("many", db)
        advice = collection.explain(QUERIES[0], where=f"{R} = 7", exact=True).advice
    command = shlex.split(advice.partition("vecstore ")[2])
    assert output(*command) == f"$.r: indexed, for {R}\n"
    with closing(vecstore.connect(path)) as db:
        collection = Collection("many", db)
        assert collection.explain(QUERIES[0], where=f"{R} = 7").advice is None


@pytest.mark.parametrize(
    "where",
    [
        f"{R} % 10 = 7",
        f"{R} <> 7",
        f"7 != {R}",
        f"{R} is not 7",
        "content is null",
        "json_extract(metadata, '$') = 7",
        "json_extract(metadata, '$[0]') = 7",
        "metadata ->> '$[0]' = 7",
        "metadata ->> 'a\"b' = 7",
    ],
)
def test_explain_advises_nothing_where_an_index_would_not_help(plain, where):
    assert plain.explain(QUERIES[0], where=where, exact=True).advice is None


def test_explain_advises_nothing_where_an_index_finds_the_rows(indexed):
    assert indexed.explain(QUERIES[0], where=f"{R} = 7").advice is None
    assert indexed.explain(QUERIES[0], where=f"{R} < 7000").advice is None
