"""The graph's plan: what it finds of what brute force finds, whatever has changed since."""

import itertools
import json
import subprocess
import sys
from contextlib import closing

import numpy as np
import pytest

import vecstore
from tests.support import ROOT
from tests.support.graphs import copy_all, plans_of
from tests.support.models import Vectors
from vecstore import Collection, build_graph
from vecstore.sqlite.index import open_graphs

ROWS, DIMENSIONS = 5_000, 64
UPSERT = """
    insert into embeddings (collection_id, id, embedding, metadata) values (1, ?, ?, '{}')
    on conflict (collection_id, id) do update set embedding = excluded.embedding
"""
DELETE = "delete from embeddings where id = ?"


def make_clustered(rows):
    """Return vectors whose neighbours mean something, as those of texts: in clusters."""
    generator = np.random.default_rng(0)
    directions = generator.normal(size=(12, DIMENSIONS))
    centres = generator.normal(size=(40, 12))
    mixes = centres[generator.integers(0, 40, rows)] + 0.6 * generator.normal(size=(rows, 12))
    return (mixes @ directions + 0.4 * generator.normal(size=(rows, DIMENSIONS))).astype("<f4")


VECTORS = make_clustered(ROWS + 200)
QUERIES = VECTORS[ROWS : ROWS + 40]


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A file whose collection has a graph; `n` in the metadata counts, as ids do in four digits."""
    path = tmp_path_factory.mktemp("original") / "many.db"
    with closing(vecstore.connect(path)) as db:
        many = Collection("many", db, model=Vectors())
        db["embeddings"].insert_all(
            {
                "collection_id": many.id,
                "id": f"{n:04}",
                "embedding": vector.tobytes(),
                "content": f"text {n}",
                "metadata": json.dumps({"n": n}),
            }
            for n, vector in enumerate(VECTORS[:ROWS])
        )
        assert build_graph(db, "many") == {"many": ROWS}
    return path


@pytest.fixture(scope="module")
def many(original):
    """What no test changes."""
    with closing(vecstore.connect(original)) as db:
        yield Collection("many", db, model=Vectors())


@pytest.fixture
def changing(original, path, closing):
    """A copy of it."""
    copy_all(original, path)
    return Collection("many", closing(vecstore.connect(path)), model=Vectors())


def find_nearest(collection, query, number, **conditions):
    """Return the ids of what is nearest, and the score of the last, by brute force over SQL."""
    rows = collection.db.execute(
        f"""
        select id, embedding
        from embeddings
        where collection_id = ?
          and {conditions.get("where", "true")}
          and id like ?
          and id is not ?
        """,
        [collection.id, conditions.get("prefix", "") + "%", conditions.get("skip_id")],
    ).fetchall()
    vectors = np.frombuffer(b"".join(vector for _, vector in rows), "<f4")
    vectors = vectors.reshape(len(rows), DIMENSIONS).astype(float)
    scores = vectors @ query / np.linalg.norm(vectors, axis=1) / np.linalg.norm(query)
    best = np.argsort(-scores)[:number]
    return {rows[n][0]: scores[n] for n in best}


def measure(collection, number, queries=QUERIES, **conditions):
    """Return the recall of searches, and the plans that they took."""
    hits = total = 0
    plans = set()
    for query in queries:
        nearest = find_nearest(collection, query, number, **conditions)
        found = collection.similar_by_vector(query.tolist(), number, **conditions)
        assert len(found) == len(nearest)
        for entry in found:
            if entry.id in nearest:
                assert entry.score == pytest.approx(nearest[entry.id], abs=1e-5)
                hits += 1
        total += len(nearest)
        plans.update(plans_of(collection, query.tolist(), number, **conditions))
    return hits / total, plans


# What is found


@pytest.mark.parametrize(
    ("number", "queries"), [(1, VECTORS[ROWS:]), (10, QUERIES), (100, QUERIES)], ids=[1, 10, 100]
)
def test_the_graph_finds_98_in_100(many, number, queries):
    recall, plans = measure(many, number, queries)
    assert recall >= 0.98
    assert plans == {"graph"}


def test_scores_are_exact_and_explain_says_what_was_compared(many):
    explanation = many.explain(QUERIES[0].tolist())
    assert explanation.plan == "graph"
    assert 10 < explanation.candidates < ROWS / 4
    [(best, score)] = find_nearest(many, QUERIES[0], 1).items()
    entry = explanation.entries[0]
    expected = (best, f"text {int(best)}", {"n": int(best)})
    assert (entry.id, entry.content, entry.metadata) == expected
    assert entry.score == pytest.approx(score, abs=1e-6)


@pytest.mark.parametrize(
    "conditions",
    [
        {"where": "json_extract(metadata, '$.n') % 2 = 0"},
        {"where": "json_extract(metadata, '$.n') % 10 < 3"},
        {"prefix": "1"},
        {"prefix": "1", "where": "json_extract(metadata, '$.n') % 3 > 0"},
    ],
)
def test_a_condition_applies_before_the_nearest_are_taken(many, conditions):
    recall, plans = measure(many, 10, QUERIES[:20], **conditions)
    assert recall >= 0.98
    assert "graph" in plans


@pytest.mark.parametrize("share", [10, 1])
def test_a_condition_that_few_meet_has_another_plan(many, share):
    where = f"json_extract(metadata, '$.n') % 1000 < {share}"
    recall, _ = measure(many, 8, QUERIES[:10], where=where)
    assert recall >= 0.98
    assert plans_of(many, QUERIES[0].tolist(), 8, where=where)[-1] != "graph"


@pytest.mark.parametrize("form", ["inside", "beside"])
def test_vectors_so_short_that_they_have_no_bits_are_filtered_too(path, closing, form):
    db = closing(vecstore.connect(path))
    short = Collection("short", db, model=Vectors(), index=form)
    vectors = np.random.default_rng(0).normal(size=(4_000, 16)).astype("<f4")
    for n, vector in enumerate(vectors):
        row = [f"{n:04}", vector.tobytes(), json.dumps({"n": n})]
        sql = "insert into embeddings (collection_id, id, embedding, metadata) values (1, ?, ?, ?)"
        db.execute(sql, row)
    assert build_graph(db, "short") == {"short": len(vectors)}
    query = [1.0] * 16
    assert "graph" in plans_of(short, query, 1)
    where = "json_extract(metadata, '$.n') % 2 = 0"
    for conditions in ({"where": where}, {"prefix": "00"}, {"where": "true", "prefix": "0"}):
        found = short.similar_by_vector(query, 10, **conditions)
        assert found == short.similar_by_vector(query, 10, exact=True, **conditions)
        assert len(found) == 10


def test_min_score_and_skip_id(many):
    vector = VECTORS[7].tolist()
    nearest = find_nearest(many, VECTORS[7], 10, skip_id="0007")
    found = many.similar_by_id("0007", 10)
    assert {entry.id for entry in found} == set(nearest)
    assert many.explain(id="0007").plan == "graph"
    middle = found[4].score
    some = many.similar_by_id("0007", 10, min_score=middle)
    assert some == found[:5]
    assert plans_of(many, vector, 10, min_score=middle) == ["graph"]
    assert many.similar_by_vector(vector, 10, min_score=1.1) == []


def test_what_is_asked_exactly_is_not_asked_the_graph(many):
    for query in QUERIES[:3].tolist():
        found = many.similar_by_vector(query, 10, exact=True)
        assert [entry.id for entry in found] == list(find_nearest(many, np.array(query), 10))
        assert "graph" not in plans_of(many, query, 10, exact=True)


@pytest.mark.parametrize("number", [1_000, ROWS + 1])
def test_where_many_are_asked_for_none_is_missing(many, number):
    query = QUERIES[0]
    found = many.similar_by_vector(query.tolist(), number)
    nearest = find_nearest(many, query, number)
    assert len(found) == len(nearest)
    assert len({entry.id for entry in found} & set(nearest)) >= 0.98 * len(nearest)


# What has changed since


def test_after_5_in_100_have_changed_as_much_is_found(changing):
    changed = make_clustered(ROWS + 1_000)[ROWS:]
    with changing.db.conn:
        for n in range(100):
            changing.db.execute(DELETE, [f"{7 * n:04}"])
            changing.db.execute(UPSERT, [f"{11 * n + 1000:04}", changed[n].tobytes()])
            changing.db.execute(UPSERT, [f"new {n}", changed[100 + n].tobytes()])
    for number in (10, 100):
        recall, plans = measure(changing, number)
        assert recall >= 0.98
        assert plans == {"graph"}
    recall, _ = measure(changing, 10, prefix="new")
    assert recall == 1


def test_where_the_nearest_were_deleted_new_entries_elsewhere_do_not_take_their_place(changing):
    for id in find_nearest(changing, QUERIES[0], 120):
        changing.db.execute(DELETE, [id])
    for n, vector in enumerate(VECTORS[:90]):
        changing.db.execute(UPSERT, [f"elsewhere {n}", (-vector).tobytes()])
    recall, _ = measure(changing, 10, QUERIES[:1])
    assert recall >= 0.9
    for n, vector in enumerate(VECTORS[90:400]):
        changing.db.execute(UPSERT, [f"elsewhere {n + 90}", (-vector).tobytes()])
    recall, _ = measure(changing, 10, QUERIES[:1])
    assert recall >= 0.9


def test_a_row_that_is_replaced_over_and_over_hides_no_other(changing, monkeypatch):
    monkeypatch.setattr(open_graphs, "_MOST_UNADDED", 0)
    db, query = changing.db, QUERIES[0]
    generator = np.random.default_rng(1)
    for n in range(20):
        near = query + 0.3 * generator.normal(size=DIMENSIONS)
        db.execute(UPSERT, [f"near {n}", near.astype("<f4").tobytes()])
    for _ in range(300):
        again = query + 0.01 * generator.normal(size=DIMENSIONS)
        db.execute(UPSERT, ["again", again.astype("<f4").tobytes()])
        changing.similar_by_vector(query.tolist(), 1)
    recall, _ = measure(changing, 10, [query])
    assert recall == 1
    assert len(open_graph(changing)._versions) <= 1 + 20 + 300


def test_versions_that_are_in_no_table_any_more_take_no_memory(changing, monkeypatch):
    monkeypatch.setattr(open_graphs, "_MOST_UNADDED", 0)
    monkeypatch.setattr(open_graphs, "_LEAST_VERSIONS", 20)
    for n in range(200):
        changing.db.execute(UPSERT, [f"new {n % 10}", VECTORS[n].tobytes()])
        changing.similar_by_vector(QUERIES[0].tolist(), 1)
    assert len(open_graph(changing)._versions) <= 60
    recall, _ = measure(changing, 10, QUERIES[:5])
    assert recall >= 0.98


def test_of_many_that_are_the_same_and_far_from_others_none_is_missed(changing):
    alone = np.random.default_rng(2).normal(size=(6, DIMENSIONS)).astype("<f4")
    with changing.db.conn:
        for place, n in itertools.product(range(len(alone)), range(120)):
            changing.db.execute(UPSERT, [f"same {place} {n}", alone[place].tobytes()])
    build_graph(changing.db, "many")
    for place, vector in enumerate(alone):
        found = changing.similar_by_vector((vector + 0.01).tolist(), 110)
        assert {entry.id.rpartition(" ")[0] for entry in found} == {f"same {place}"}


def test_check_takes_one_of_many_that_are_the_same_for_as_good_as_another(changing):
    changing.db.execute("update embeddings set embedding = ?", [VECTORS[0].tobytes()])
    assert build_graph(changing.db, "many") == {"many": ROWS}
    assert "graph" in plans_of(changing, VECTORS[0].tolist())
    report = vecstore.check(changing.db)
    assert report.problems == report.notes == []


def open_graph(collection):
    [path] = [file for _, name, file in collection.db.execute("pragma database_list").fetchall()
              if name == "main"]  # fmt: skip
    return open_graphs._open[path, DIMENSIONS, collection.id]


# Transactions


def test_nothing_of_a_transaction_is_kept_that_is_rolled_back(changing):
    query = QUERIES[0]
    before = changing.similar_by_vector(query.tolist())
    for _ in range(2):
        changing.db.execute("begin")
        for n in range(150):
            changing.db.execute(UPSERT, [f"{n:04}", query.tobytes()])
        found = changing.similar_by_vector(query.tolist())
        assert [entry.id for entry in found] == [f"{n:04}" for n in range(10)]
        assert open_graph(changing).added == 0
        changing.db.execute("rollback")
        assert changing.similar_by_vector(query.tolist()) == before


def test_a_search_in_an_older_snapshot_is_right_and_costs_others_nothing(changing, path, closing):
    query = QUERIES[0].tolist()
    other = Collection("many", closing(vecstore.connect(path)), model=Vectors())
    before = other.similar_by_vector(query)
    other.db.execute("begin")
    assert other.similar_by_vector(query) == before
    for n, vector in enumerate(VECTORS[:150]):
        changing.db.execute(UPSERT, [f"new {n}", vector.tobytes()])
    changing.db.execute(UPSERT, ["nearest", QUERIES[0].tobytes()])
    assert changing.similar_by_vector(query)[0].id == "nearest"
    added = open_graph(changing).added
    assert added
    for _ in range(5):
        assert other.similar_by_vector(query) == before
    assert open_graph(changing).added == added
    other.db.execute("commit")
    assert other.similar_by_vector(query)[0].id == "nearest"


def test_what_has_changed_after_an_older_snapshot_is_not_missed_in_it(
    changing, path, closing, monkeypatch
):
    """What was fresh in it is not among what is fresh in the latest state, and was added."""
    monkeypatch.setattr(open_graphs, "_MOST_UNADDED", 1)
    monkeypatch.setattr(open_graphs, "_FRESH_PORTION", 2)
    query = QUERIES[0].tolist()
    for id, vector in (("first", -QUERIES[0]), ("nearest", QUERIES[0]), ("last", -QUERIES[0])):
        changing.db.execute(UPSERT, [id, vector.tobytes()])
    other = Collection("many", closing(vecstore.connect(path)), model=Vectors())
    other.db.execute("begin")
    other.db.execute("select count(*) from embeddings").fetchall()
    changing.db.execute(UPSERT, ["nearest", (-QUERIES[0]).tobytes()])
    assert changing.similar_by_vector(query)[0].id != "nearest"
    assert len(open_graph(changing)._versions) == 2
    assert other.similar_by_vector(query)[0].id == "nearest"
    other.db.execute("commit")


# Processes


FIRST_AND_SECOND = """
import json, sys
import vecstore
many = vecstore.Collection("many", sys.argv[1], create=False)
query = json.loads(sys.argv[2])
for _ in range(2):
    print(json.dumps([e.id for e in many.similar_by_vector(query)]), "usearch" in sys.modules)
print(many.explain(query).plan)
"""


def test_a_process_that_asks_once_does_not_import_usearch(original, many):
    query = QUERIES[0].tolist()
    done = subprocess.run(
        [sys.executable, "-c", FIRST_AND_SECOND, original, json.dumps(query)],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    ids = json.dumps([entry.id for entry in many.similar_by_vector(query)])
    assert done.stderr == ""
    assert done.stdout.splitlines() == [f"{ids} False", f"{ids} True", "graph"]
