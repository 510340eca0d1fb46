"""The fast plan: what it finds of what brute force finds, with and without conditions."""

import random

import pytest

import vecstore
from tests.support.models import Vectors
from vecstore import Collection
from vecstore.query import Query
from vecstore.sqlite.index import building
from vecstore.sqlite.search import planner, plans

DIMENSIONS = 64

ROWS = 8000


def clustered(generator, rows):
    """Return vectors whose neighbours mean something, as those of texts: in clusters, correlated.

    Every one is a mix of 12 directions: its cluster's mix, and some of its own.
    """
    directions = [[generator.gauss(0, 1) for _ in range(DIMENSIONS)] for _ in range(12)]
    centres = [[generator.gauss(0, 1) for _ in directions] for _ in range(40)]
    for _ in range(rows):
        centre = generator.choice(centres)
        mix = [c + 0.6 * generator.gauss(0, 1) for c in centre]
        yield [
            sum(m * d[i] for m, d in zip(mix, directions, strict=True))
            + 0.4 * generator.gauss(0, 1)
            for i in range(DIMENSIONS)
        ]


VECTORS = list(clustered(random.Random(0), ROWS + 40))

QUERIES = VECTORS[ROWS:]


@pytest.fixture(scope="module")
def many():
    """A collection of 8,000 vectors; `n` in the metadata counts them, as ids do in four digits."""
    db = vecstore.connect()
    collection = Collection("many", db, model=Vectors())
    db["embeddings"].insert_all(
        {
            "collection_id": collection.id,
            "id": f"{n:04}",
            "embedding": vecstore.encode(vector),
            "content": f"text {n}",
            "metadata": f'{{"n": {n}}}',
        }
        for n, vector in enumerate(VECTORS[:ROWS])
    )
    building.ensure_index(db, DIMENSIONS)
    yield collection
    db.close()


def recall(collection, number, **conditions):
    """Return which share of what an exact search finds the default one finds."""
    hits = total = 0
    for query in QUERIES:
        explanation = collection.explain(query, number, **conditions)
        nearest = {
            e.id: e.score
            for e in collection.explain(query, number, exact=True, **conditions).entries
        }
        assert [e.score for e in explanation.entries] == sorted(
            (e.score for e in explanation.entries), reverse=True
        )
        assert len(explanation.entries) == len(nearest)
        for entry in explanation.entries:
            if entry.id in nearest:
                assert entry.score == pytest.approx(nearest[entry.id], abs=1e-6)
                hits += 1
        total += len(nearest)
    return hits / total


def test_a_large_collection_is_searched_by_bits_and_scores_are_exact(many):
    explanation = many.explain(QUERIES[0])
    assert explanation.plan == "fast"
    assert 10 < explanation.candidates < ROWS / 4
    best = max(range(ROWS), key=lambda n: vecstore.cosine_similarity(VECTORS[n], QUERIES[0]))
    entry = explanation.entries[0]
    assert (entry.id, entry.content, entry.metadata) == (f"{best:04}", f"text {best}", {"n": best})
    score = vecstore.cosine_similarity(VECTORS[best], QUERIES[0])
    assert entry.score == pytest.approx(score, abs=1e-6)


@pytest.mark.parametrize("number", [1, 10, 15])
def test_the_fast_plan_finds_99_in_100(many, number):
    assert many.explain(QUERIES[0], number).plan == "fast"
    assert recall(many, number) >= 0.99


@pytest.mark.parametrize("number", [1, 10, 15])
def test_a_search_looks_as_wide_as_it_needs_and_reads_the_bits_once(many, number):
    explanations = [many.explain(query, number) for query in QUERIES]
    assert {len(explanation.steps) for explanation in explanations} == {1}
    candidates = sorted(explanation.candidates for explanation in explanations)
    assert candidates[-1] > 1.5 * candidates[len(candidates) // 2]
    assert candidates[0] < candidates[len(candidates) // 2] / 1.5


def test_candidates_beyond_the_first_are_found(many, monkeypatch):
    """Of the first alone, the answers would lack some of the nearest."""
    monkeypatch.setattr(planner, "_NEAR_SHARE", 0.3)
    adapted = recall(many, 10)
    monkeypatch.setattr(plans, "_MARGIN_DEVIATIONS", -1000)
    assert recall(many, 10) < adapted - 0.02
    assert adapted >= 0.97


def test_a_look_that_was_too_narrow_is_followed_by_a_wider_one(many, monkeypatch):
    """Where even what was read ends amid the nearest, the bits are read again, farther."""
    monkeypatch.setattr(plans, "_reach_deviations", lambda number: -1000)
    steps = [step for query in QUERIES for step in many.explain(query).steps]
    assert len(steps) > len(QUERIES)
    assert {step.plan for step in steps} == {"fast"}
    assert recall(many, 10) >= 0.98


@pytest.mark.parametrize("number", [1, 3, 10])
@pytest.mark.parametrize("make", [abs, lambda x: x + 12], ids=["positive", "far from zero"])
def test_where_bits_say_little_the_search_looks_wider(number, make):
    """Most signs are alike, so the bits of many rows are the same: no reason to stop at these."""
    vectors = [[make(x) for x in vector[:32]] for vector in VECTORS]
    db = vecstore.connect()
    collection = Collection("positive", db, model=Vectors())
    db["embeddings"].insert_all(
        {"collection_id": collection.id, "id": f"{n:04}", "embedding": vecstore.encode(vector)}
        for n, vector in enumerate(vectors[:ROWS])
    )
    found = total = 0
    for query in vectors[ROWS:]:
        ids = {entry.id for entry in collection.similar_by_vector(query, number, exact=True)}
        found += sum(e.id in ids for e in collection.similar_by_vector(query, number))
        total += number
    assert found / total >= 0.97
    db.close()


@pytest.mark.parametrize("share", [0.5, 0.1, 0.01, 0.001])
def test_a_condition_applies_before_the_nearest_are_taken(many, share):
    conditions = {"where": "json_extract(metadata, '$.n') % 1000 < ?", "where_args": [1000 * share]}
    assert recall(many, 8, **conditions) >= 0.99
    assert recall(many, 8, prefix="12") >= 0.99
    assert recall(many, 8, prefix="1", **conditions) >= 0.99


def test_a_condition_that_the_nearest_do_not_meet_leaves_no_answer_short(many):
    nearest = [entry.id for entry in many.similar_by_vector(QUERIES[0], 400, exact=True)]
    without = {"where": f"id not in ({', '.join('?' * 400)})", "where_args": nearest}
    found = many.similar_by_vector(QUERIES[0], 10, **without)
    expected = many.similar_by_vector(QUERIES[0], 410, exact=True)[400:]
    assert [entry.id for entry in found] == [entry.id for entry in expected]


@pytest.mark.parametrize(
    "table", ["matching", "sample", "sample_compared", "rest", "near", "best", "nearest"]
)
@pytest.mark.parametrize("number", [1, 4])
def test_a_condition_means_the_tables_of_the_file(many, table, number):
    many.db.execute(f"create table {table} (id text)")
    many.db.execute(f"insert into {table} values ('0001'), ('0002'), ('0003'), ('0004')")
    steps = many.explain(QUERIES[0], number, where=f"id in (select id from {table})")
    assert {entry.id for entry in steps.entries} <= {"0001", "0002", "0003", "0004"}
    assert len(steps.entries) == number
    many.db.execute(f"drop table {table}")


def test_rows_that_are_not_where_they_were_written_are_found(many):
    """VACUUM may give the rows of `embeddings` other rowids, and so may an UPDATE."""
    before = [many.similar_by_vector(query) for query in QUERIES]
    many.db.execute("update embeddings set rowid = 10000 + rowid where rowid % 3 = 0")
    many.db.execute("update embeddings set rowid = rowid - 1 where rowid % 3 = 1 and rowid > 1")
    assert many.explain(QUERIES[0]).plan == "fast"
    assert [many.similar_by_vector(query) for query in QUERIES] == before
    vecstore.sqlite.transactions.write(many.db, lambda: building.create_index(many.db, DIMENSIONS))


def test_what_is_asked_exactly_is_found_exactly(many):
    def ids(entries):
        return [entry.id for entry in entries]

    for query in QUERIES[:5]:
        by_hand = sorted(
            range(ROWS), key=lambda n: (-vecstore.cosine_similarity(VECTORS[n], query), n)
        )
        assert ids(many.similar_by_vector(query, exact=True)) == [f"{n:04}" for n in by_hand[:10]]
        even = many.similar_by_vector(query, exact=True, where="id % 2 = 0")
        assert ids(even) == [f"{n:04}" for n in by_hand if n % 2 == 0][:10]


@pytest.fixture
def few_rows_a_candidate(monkeypatch):
    """Lets an exact search for many look at the bits first in a collection of 8,000."""
    monkeypatch.setattr(planner, "_ROWS_PER_CANDIDATE_OF_MANY_NEAREST", 12)


@pytest.mark.usefixtures("few_rows_a_candidate")
def test_many_that_are_asked_exactly_are_found_exactly(many):
    """Bits tell first how far the farthest of them may be."""
    for query in QUERIES[:5]:
        by_hand = sorted(
            range(ROWS), key=lambda n: (-vecstore.cosine_similarity(VECTORS[n], query), n)
        )
        explanation = many.explain(query, 45, exact=True)
        assert [step.plan for step in explanation.steps] == ["fast", "exact"]
        assert [entry.id for entry in explanation.entries] == [f"{n:04}" for n in by_hand[:45]]
        least = explanation.entries[20].score
        best = many.similar_by_vector(query, 45, exact=True, min_score=least)
        assert best == explanation.entries[:21]
    others = many.similar_by_id("0000", 45, exact=True)
    assert others == many.similar_by_vector(VECTORS[0], 46, exact=True)[1:]


@pytest.mark.usefixtures("few_rows_a_candidate")
def test_equals_beyond_the_last_of_many_are_ordered_by_id(many):
    db = vecstore.connect()
    many.db.conn.backup(db.conn)
    collection = Collection("many", db, model=Vectors())
    twins = [{"id": f"twin {n}", "embedding": vecstore.encode(VECTORS[0])} for n in range(50)]
    db["embeddings"].insert_all(
        {"collection_id": collection.id, **twin} for twin in reversed(twins)
    )
    found = collection.similar_by_vector(VECTORS[0], 45, exact=True)
    assert [entry.id for entry in found] == ["0000", *sorted(t["id"] for t in twins)[:44]]
    db.close()


@pytest.mark.usefixtures("few_rows_a_candidate")
def test_rows_that_another_connection_deletes_meanwhile_leave_no_answer_short(
    many, tmp_path, monkeypatch
):
    path = tmp_path / "many.db"
    many.db.execute("vacuum into ?", [str(path)])
    db, other = vecstore.connect(path), vecstore.connect(path)
    db.enable_wal()  # in which others may write during a search
    collection = Collection("many", db, model=Vectors())
    nearest = [entry.id for entry in collection.similar_by_vector(QUERIES[0], 87, exact=True)]
    look_at_bits = plans.run_fast

    def meanwhile(*arguments):
        found = look_at_bits(*arguments)
        Collection("many", other, model=Vectors()).delete_ids(nearest[:42])
        return found

    monkeypatch.setattr(plans, "run_fast", meanwhile)
    found = collection.similar_by_vector(QUERIES[0], 45, exact=True)
    assert [entry.id for entry in found] == nearest[:45]  # as it was when the search began
    found = collection.similar_by_vector(QUERIES[0], 45, exact=True)
    assert [entry.id for entry in found] == nearest[42:]
    db.close()
    other.close()


@pytest.mark.usefixtures("few_rows_a_candidate")
def test_an_exact_search_for_many_does_without_bits_that_say_nothing(many):
    ones = [[1 + n / 1e6] + [1.0] * 63 for n in range(ROWS)]
    db = vecstore.connect()
    collection = Collection("ones", db, model=Vectors())
    db["embeddings"].insert_all(
        {"collection_id": collection.id, "id": f"{n:04}", "embedding": vecstore.encode(vector)}
        for n, vector in enumerate(ones)
    )
    explanation = collection.explain(ones[-1], 45, exact=True)
    assert [step.plan for step in explanation.steps][:2] == ["fast", "exact"]
    assert explanation.steps[0].candidates > 4096
    assert len(explanation.entries) == 45
    db.close()


def test_a_collection_can_be_set_to_search_exactly(many):
    exact = Collection("many", many.db, model=Vectors(), exact=True)
    assert exact.explain(QUERIES[0]).plan == "exact"
    assert exact.explain(QUERIES[0], exact=False).plan == "fast"
    assert many.explain(QUERIES[0]).plan == "fast"


def test_a_small_collection_is_scanned(many):
    small = Collection("small", many.db, model=Vectors())
    small.embed_multi((str(n), " ".join(map(str, VECTORS[n]))) for n in range(100))
    for number in (1, 10, 100):
        assert small.explain(QUERIES[0], number).plan == "scan"
    small.delete()


def test_min_score_and_skip_id(many):
    found = many.similar_by_id("0000", 5)
    assert many.explain(id="0000").plan == "fast"
    assert "0000" not in [entry.id for entry in found]
    middle = found[2].score
    for exact in (False, True):
        some = many.similar_by_id("0000", 5, min_score=middle, exact=exact)
        assert [entry.id for entry in some] == [entry.id for entry in found[:3]]


def test_texts_that_come_sorted_by_topic_are_found(tmp_path):
    """The sample must be like the whole, in whatever order the rows came."""
    db = vecstore.connect(tmp_path / "sorted.db")
    collection = Collection("sorted", db, model=Vectors())
    first = VECTORS[0]
    by_topic = sorted(VECTORS[:ROWS], key=lambda v: vecstore.cosine_similarity(v, first))
    db["embeddings"].insert_all(
        {"collection_id": collection.id, "id": f"{n:04}", "embedding": vecstore.encode(vector)}
        for n, vector in enumerate(by_topic)
    )
    building.ensure_index(db, DIMENSIONS)
    assert collection.explain(QUERIES[0]).plan == "fast"
    assert recall(collection, 10) >= 0.99
    db.close()


def test_after_most_was_deleted_nothing_is_missed(many):
    """The space of deleted rows counts as rows, and there may be fewer than candidates."""
    db = vecstore.connect()
    many.db.conn.backup(db.conn)
    collection = Collection("many", db, model=Vectors())
    collection.delete_ids(f"{n:04}" for n in range(ROWS) if n % 160)
    assert collection.count() == 50
    for number in (10, 49, 50, 60):
        assert recall(collection, number) == 1
    db.close()


def test_many_at_once(many):
    texts = [" ".join(map(str, query)) for query in QUERIES[:3]]
    together = many.similar_multi(texts, 3, where="id > ?", where_args=["4000"])
    assert together == [many.similar(text, 3, where="id > '4000'") for text in texts]
    assert many.similar_multi([]) == []
    with pytest.raises(vecstore.InvalidInputError, match="pass a list"):
        many.similar_multi("1 2 3")


def test_where_bits_tell_nothing_the_search_is_exact(tmp_path):
    """All bits are the same, so all rows are as near as the sample: more than vec0 returns."""
    db = vecstore.connect(tmp_path / "same.db")
    collection = Collection("same", db, model=Vectors())
    generator = random.Random(1)
    db["embeddings"].insert_all(
        {
            "collection_id": collection.id,
            "id": f"{n:05}",
            "embedding": vecstore.encode(
                [generator.uniform(1, 2), *[generator.uniform(1, 1.001)] * 31]
            ),
        }
        for n in range(6000)
    )
    query = [1.5] + [1.0] * 31
    assert collection.explain(query).plan == "exact"
    expected = collection.similar_by_vector(query, exact=True)
    assert collection.similar_by_vector(query) == expected
    db.close()


def test_a_search_of_the_fast_plan_writes_nothing_in_a_read_only_file(tmp_path, many):
    path = tmp_path / "many.db"
    many.db.execute("vacuum into ?", [str(path)])
    db = vecstore.connect(path, read_only=True)
    query = Query(many.row, 10, vector=vecstore.encode(QUERIES[0]))
    steps = []
    assert planner.search(db, query, steps=steps)
    assert {step.plan for step in steps} == {"fast"}
    db.close()


def test_where_more_rows_are_as_near_by_their_bits_than_vec0_returns_the_exact_plan_answers():
    """The best have the bits of thousands, and are none of the first of them."""

    def vector(**changed):
        numbers = [1.01 if i < DIMENSIONS // 2 else 1.0 for i in range(DIMENSIONS)]
        for name, number in changed.items():
            numbers[int(name[1:])] = number
        return numbers

    alike = [vector(_5=-0.01, **{f"_{6 + n % 20}": 60 + n / 1000}) for n in range(6500)]
    nearer = [vector(**{f"_{6 + n % 20}": 30 + n / 1000}) for n in range(100)]
    best = [vector(_5=-0.01 - n / 1000) for n in range(10)]
    db = vecstore.connect()
    collection = Collection("alike", db, model=Vectors())
    db["embeddings"].insert_all(
        {"collection_id": collection.id, "id": f"{n:04}", "embedding": vecstore.encode(numbers)}
        for n, numbers in enumerate([*nearer, *alike, *best])
    )
    explanation = collection.explain(vector())
    assert explanation.plan == "exact"
    assert [entry.id for entry in explanation.entries] == [f"{n:04}" for n in range(6600, 6610)]
    db.close()
