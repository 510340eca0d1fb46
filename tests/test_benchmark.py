"""What of scripts/bench could be wrong and look right: the truth, the statistics, the report."""

import random
from array import array
from dataclasses import replace

import pytest

np = pytest.importorskip("numpy")

from benchmark import report, results  # noqa: E402
from benchmark.job import AMONG, Condition, Measurement, Question  # noqa: E402
from benchmark.rows import Rows, clustered_order, normalized, write_places  # noqa: E402
from benchmark.runner import environment, questions  # noqa: E402
from benchmark.search import Reference, percentile, right_rows  # noqa: E402
from benchmark.synthetic import write_vectors  # noqa: E402
from benchmark.systems.with_vecstore import (  # noqa: E402
    VecstoreBeside,
    VecstoreDefault,
    VecstoreIndexed,
)
from benchmark.texts import package_descriptions  # noqa: E402
from benchmark.truth import allowed, condition, last_scores, recall  # noqa: E402


@pytest.fixture
def rows(tmp_path):
    """2 queries and 50 rows of 8 dimensions, with 3 texts."""
    vectors = np.random.default_rng(1).standard_normal((52, 8), dtype=np.float32)
    np.save(tmp_path / "vectors.npy", vectors)
    (tmp_path / "texts.txt").write_text("query\nquery\na\nb\nc")
    rows = Rows(str(tmp_path / "vectors.npy"), str(tmp_path / "texts.txt"), queries=2, count=50)
    write_places(tmp_path / "places.npy", rows)
    return replace(rows, places=str(tmp_path / "places.npy"))


QUESTIONS = [
    Question(1),
    Question(10),
    Question(60),
    *(Question(10, among, matches) for among in AMONG for matches in (20, 4)),
]


def brute_force(query, matrix, columns, wanted, number):
    """Return the similarities of an exact answer, best first, by the plainest of loops."""
    scores = [
        float(matrix[row] @ query)
        for row in range(len(matrix))
        if columns["lot"][row] >= 0
        and (wanted is None or wanted.low <= columns[wanted.field][row] < wanted.high)
    ]
    return sorted(scores, reverse=True)[:number]


@pytest.mark.parametrize("edited", [0, 5])
def test_the_last_score_is_that_of_brute_force(rows, edited):
    rows = replace(rows, edited=edited)
    matrix, queries, columns = rows.matrix(), normalized(rows.read_queries()), rows.columns()
    found = last_scores(matrix, queries, columns, QUESTIONS, rows.query_places())
    for question, scores in zip(QUESTIONS, found, strict=True):
        expected = [
            brute_force(query, matrix, columns, wanted, question.number)[-1]
            for query, wanted in zip(queries, conditions(question, rows), strict=True)
        ]
        assert scores.tolist() == pytest.approx(expected)


def conditions(question, rows):
    return [condition(question, place, len(rows.matrix())) for place in rows.query_places()]


def test_recall_counts_rows_that_are_as_similar_as_the_last_exact_one():
    exact = [0.9, 0.5, 0.5]
    assert recall([0.9, 0.5, 0.5 - 1e-7], exact[-1], 3) == 1
    assert recall([0.9, 0.5, 0.4], exact[-1], 3) == 2 / 3
    assert recall([], exact[-1], 3) == 0
    assert recall([0.9, 0.5, 0.5, 0.5], exact[-1], 3) == 1


def test_a_row_counts_once_and_only_if_the_condition_lets_it_pass(rows):
    columns = rows.columns()
    right = allowed(columns, Condition("lot", 0, 5))
    passing = [row for row in range(50) if columns["lot"][row] < 5]
    failing = next(row for row in range(50) if columns["lot"][row] >= 5)
    hits = [(row, "", {}) for row in [passing[0], passing[0], failing, *passing[1:]]]
    assert right_rows(hits, 7, right) == passing
    everything = allowed(columns, None)
    assert right_rows(hits, 4, everything) == [passing[0], failing, passing[1]]


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_reference_finds_exactly_what_is_right(rows, question):
    reference, queries = Reference(rows), normalized(rows.read_queries())
    for query, wanted in zip(queries, conditions(question, rows), strict=True):
        found = [row for row, _, _ in reference.search(query, question.number, wanted)]
        scores = [float(reference.matrix[row] @ query) for row in found]
        columns = reference.columns
        expected = brute_force(query, reference.matrix, columns, wanted, question.number)
        assert scores == pytest.approx(expected)
        assert allowed(columns, wanted)[found].all()


@pytest.mark.parametrize("place", [0, 3, 25, 49])
@pytest.mark.parametrize("among", AMONG)
@pytest.mark.parametrize("matches", [1, 4, 25])
def test_a_condition_keeps_as_many_rows_as_it_is_to_keep(rows, place, among, matches):
    wanted = condition(Question(10, among, matches), place, 50)
    assert np.count_nonzero(allowed(rows.columns(), wanted)) == matches
    if among != "random":
        assert (wanted.low <= place < wanted.high) is (among == "near")


def test_places_go_from_one_cluster_to_the_next():
    generator = np.random.default_rng(2)
    clusters = generator.permutation(np.repeat(np.arange(8), 64))
    vectors = np.eye(8, dtype=np.float32)[clusters]
    vectors += 0.1 * generator.standard_normal(vectors.shape, dtype=np.float32)
    order = clustered_order(vectors)
    assert sorted(order.tolist()) == list(range(512))
    changes = np.count_nonzero(np.diff(clusters[order]))
    assert changes < 100  # 7 if each were whole; in the order of the rows, some 450


def test_a_query_has_the_place_of_the_rows_that_it_lies_among(tmp_path):
    vectors = np.eye(4, dtype=np.float32)[[3, *([0] * 20), *([1] * 20), *([2] * 20), *([3] * 20)]]
    vectors += np.linspace(0, 0.01, vectors.size, dtype=np.float32).reshape(vectors.shape)
    np.save(tmp_path / "vectors.npy", vectors)
    rows = Rows(str(tmp_path / "vectors.npy"), "", queries=1, count=80)
    write_places(tmp_path / "places.npy", rows)
    place, *places = np.load(tmp_path / "places.npy").tolist()
    assert sorted(places) == list(range(80))
    assert min(places[60:]) <= place <= max(places[60:]) + 1


def test_batches_are_all_rows_with_texts_and_metadata_of_their_own(rows):
    (batch,) = rows.batches()
    assert batch.numbers == list(range(50))
    assert batch.texts[:4] == ["0 a", "1 b", "2 c", "3 a"]
    assert sorted(metadata["lot"] for metadata in batch.metadata) == list(range(50))
    assert sorted(metadata["place"] for metadata in batch.metadata) == list(range(50))
    assert (batch.vectors == np.load(rows.path)[2:]).all()


def test_a_change_gives_the_first_rows_other_texts_and_the_vectors_of_the_last(rows):
    (batch,) = rows.changes(1)
    assert batch.texts[0] == "0 a, again"
    assert (batch.vectors == np.load(rows.path)[2:]).all()


def test_edits_make_the_rows_that_the_edited_data_set_has(rows):
    edited = replace(rows, edited=5)
    replaced, added = edited.edits()
    matrix, columns = edited.matrix(), edited.columns()
    assert replaced.numbers == [0, 1, 2, 3, 4]
    assert added.numbers == [50, 51, 52, 53, 54]
    assert replaced.texts[0] == "0 a, edited"
    assert (replaced.vectors == matrix[:5]).all()
    assert (added.vectors == matrix[50:]).all()
    assert (matrix[10:50] == rows.matrix()[10:]).all()
    assert not (matrix[:5] == rows.matrix()[:5]).all(axis=1).any()
    assert np.flatnonzero(columns["lot"] < 0).tolist() == [5, 6, 7, 8, 9]
    assert added.metadata[0] == {"lot": 50, "place": 50}


def test_fewer_made_vectors_are_the_beginning_of_more(tmp_path):
    write_vectors(tmp_path / "few.npy", 30, 16)
    write_vectors(tmp_path / "more.npy", 10_030, 16)
    few, more = np.load(tmp_path / "few.npy"), np.load(tmp_path / "more.npy")
    assert more.shape == (10_030, 16)
    assert (few == more[:30]).all()
    assert len(np.unique(more, axis=0)) == 10_030


def test_a_percentile_is_a_value_that_the_share_does_not_exceed():
    values = list(range(1, 101))
    random.Random(0).shuffle(values)
    assert [percentile(values, share) for share in (0, 0.5, 0.95, 1)] == [1, 50, 95, 100]
    assert percentile([3.0], 0.95) == 3.0
    assert percentile([1.0, 2.0, 3.0], 0.5) == 2.0


def test_descriptions_of_packages():
    lines = ["Package: a", "Version: 1", "Description: b: c", "Description-md5: 0", " more"]
    assert list(package_descriptions(lines)) == ["a: b: c"]


def searched(number, milliseconds, numpy, found, *, among=None, matches=None, prefix=""):
    names = ["p50, ms", "p95, ms", "NumPy p50, ms", "recall"]
    values = [milliseconds, 2 * milliseconds, numpy, found]
    return [
        Measurement(prefix + name, value, number, among, matches)
        for name, value in zip(names, values, strict=True)
    ]


def test_the_report_shows_the_newest_results_and_what_was_left_out(tmp_path):
    db = results.open_results(tmp_path / "new folder" / "results.db")
    try:
        old, new = results.add_run(db), results.add_run(db)
        about = {"data": "words", "dimensions": 8, "rows": 1000}
        for run, system, factor in ((old, "a", 9), (new, "a", 1), (old, "b", 1)):
            measurements = [
                *searched(10, 2.0 * factor, 4.0, 0.5),
                *searched(10, 1234.5 * factor, 1.0, 1.0, among="random", matches=10),
                *searched(10, 0.5 * factor, 1.0, 0.9, among="far", matches=10),
                *searched(10, 3.0 * factor, 4.0, 0.75, prefix="edited: "),
                Measurement("load, rows/s", 12345.6 * factor),
                Measurement("memory, MB", float("nan")),
            ]
            results.add_measurements(db, {**about, "run": run, "system": system}, measurements)
        # b ran once, and cannot any more
        left_out = {**about, "run": new, "system": "b", "reason": "no module named b"}
        results.table(db, "left_out").insert(left_out)
        text = report.markdown(db, ["words.svg"])
        assert "no module" not in report.markdown(db, shown=["a"])
    finally:
        db.close()
    body = text.partition("## words")[2].partition("## Runs")
    assert body[0] == (
        """, 1,000 rows of 8 dimensions

### Search

|  | top 10: ms | p95 | x NumPy | recall |
| --- | ---: | ---: | ---: | ---: |
| a | 2.00 | 4.00 | 0.50 | 0.500 |

### The top 10 of 0.01 of the rows, which a condition on metadata keeps

|  | random: ms | p95 | x NumPy | recall | far: ms | p95 | x NumPy | recall |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
| a | 1,234 | 2,469 | 1,234 | 1.000 | 0.50 | 1.00 | 0.50 | 0.900 |

### Search, after rows were replaced, deleted and added

|  | top 10: ms | p95 | x NumPy | recall |
| --- | ---: | ---: | ---: | ---: |
| a | 3.00 | 6.00 | 0.75 | 0.750 |

### Everything else

|  | load, rows/s |
| --- | ---: |
| a | 12,346 |

### Left out

- b: no module named b

"""
    )
    assert "![words.svg](words.svg)" in text
    assert body[2].lstrip().startswith(f"{new}: ")
    assert f"\n{old}: " not in text


def test_results_of_an_older_benchmark_are_those_of_random_rows(tmp_path):
    db = results.open_results(tmp_path / "results.db")
    results.table(db, "measurements").drop()
    row = {"run": 1, "data": "words", "dimensions": 8, "rows": 1000, "system": "a"}
    row |= {"measure": "p50, ms", "number": 10, "selectivity": 0.01, "value": 2.0}
    results.table(db, "measurements").insert(row)
    db.close()
    db = results.open_results(tmp_path / "results.db")
    try:
        assert results.newest(db, "measurements") == [{**row, "among": "random"}]
    finally:
        db.close()


def test_what_is_asked():
    assert questions(10_000, [0.5, 0.0001]) == [
        Question(10),
        Question(100),
        Question(10, "random", 5_000),
        Question(10, "near", 5_000),
        Question(10, "far", 5_000),
    ]


def test_workers_have_a_numpy_that_is_as_fast_as_it_gets(monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    monkeypatch.setenv("OPENBLAS_L2_SIZE", "512")
    monkeypatch.setenv("SOMETHING_ELSE", "kept")
    kept = environment()
    assert "OPENBLAS_CORETYPE" not in kept
    assert "OPENBLAS_L2_SIZE" not in kept
    assert kept["SOMETHING_ELSE"] == "kept"


@pytest.mark.parametrize("system_class", [VecstoreDefault, VecstoreBeside, VecstoreIndexed])
def test_vecstore_holds_what_the_benchmark_takes_for_the_truth(rows, tmp_path, system_class):
    edited = replace(rows, edited=5)
    system = system_class(tmp_path, 8)
    system.load(rows.batches())
    system.build()
    try:
        assert answers(system, rows) == answers(Reference(rows), rows)
        replaced, added = edited.edits()
        system.edit(replaced, [5, 6, 7, 8, 9], added)
        assert answers(system, edited) == answers(Reference(edited), edited)
    finally:
        system.close()


def answers(system, rows):
    """Return the ten nearest rows of each query, with their texts and metadata."""
    return [
        system.search(array("f", query.tobytes()), question.number, wanted)
        for question in QUESTIONS
        if question.number == 10
        for query, wanted in zip(
            normalized(rows.read_queries()), conditions(question, rows), strict=True
        )
    ]
