"""What of scripts/bench could be wrong and look right: the truth, the statistics, the report."""

import random

import pytest

np = pytest.importorskip("numpy")

from benchmark import report, results  # noqa: E402
from benchmark.job import Measurement  # noqa: E402
from benchmark.rows import Rows  # noqa: E402
from benchmark.search import percentile, reference_of, right_rows  # noqa: E402
from benchmark.synthetic import write_vectors  # noqa: E402
from benchmark.texts import package_descriptions  # noqa: E402
from benchmark.truth import Question, last_scores, recall  # noqa: E402


@pytest.fixture
def rows(tmp_path):
    """2 queries and 50 rows of 8 dimensions, with 3 texts."""
    vectors = np.random.default_rng(1).standard_normal((52, 8), dtype=np.float32)
    np.save(tmp_path / "vectors.npy", vectors)
    (tmp_path / "texts.txt").write_text("query\nquery\na\nb\nc")
    return Rows(str(tmp_path / "vectors.npy"), str(tmp_path / "texts.txt"), queries=2, count=50)


def brute_force(query, matrix, allowed, number):
    return sorted((float(matrix[row] @ query) for row in allowed), reverse=True)[:number]


@pytest.mark.parametrize(
    ("number", "below"), [(1, None), (10, None), (10, 20), (10, 4), (60, None)]
)
def test_the_last_score_is_that_of_brute_force(rows, number, below):
    matrix, queries, fields = rows.matrix(), rows.read_queries(), rows.fields()
    allowed = [row for row in range(50) if below is None or fields[row] < below]
    expected = [brute_force(query, matrix, allowed, number)[-1] for query in queries]
    found = last_scores(matrix, queries, fields, Question(number, below))
    assert found.tolist() == pytest.approx(expected)


def test_recall_counts_rows_that_are_as_similar_as_the_last_exact_one():
    exact = [0.9, 0.5, 0.5]
    assert recall([0.9, 0.5, 0.5 - 1e-7], exact[-1], 3) == 1
    assert recall([0.9, 0.5, 0.4], exact[-1], 3) == 2 / 3
    assert recall([], exact[-1], 3) == 0
    assert recall([0.9, 0.5, 0.5, 0.5], exact[-1], 3) == 1


def test_a_row_counts_once_and_only_if_the_filter_lets_it_pass(rows):
    reference = reference_of(rows)
    passing = [row for row in range(50) if reference.fields[row] < 5]
    failing = next(row for row in range(50) if reference.fields[row] >= 5)
    hits = [(row, "", {}) for row in [passing[0], passing[0], failing, *passing[1:]]]
    assert right_rows(hits, Question(7, 5), reference) == passing
    assert right_rows(hits, Question(4, None), reference) == [passing[0], failing, passing[1]]


def test_the_reference_finds_exactly_what_is_right(rows):
    reference, queries = reference_of(rows), rows.read_queries()
    for question in (Question(10), Question(10, 20), Question(10, 4), Question(60)):
        lasts = last_scores(reference.matrix, queries, reference.fields, question)
        for query, last in zip(queries, lasts, strict=True):
            found = [row for row, _, _ in reference.search(query, *question)]
            scores = reference.matrix[found] @ query
            assert scores.tolist() == sorted(scores.tolist(), reverse=True)
            expected = min(question.number, 50 if question.below is None else question.below)
            assert len(found) == expected
            assert recall(scores, last, expected) == 1


def test_batches_are_all_rows_with_texts_and_fields_of_their_own(rows):
    (batch,) = rows.batches()
    assert batch.numbers == list(range(50))
    assert batch.texts[:4] == ["0 a", "1 b", "2 c", "3 a"]
    assert sorted(batch.fields) == list(range(50))
    assert (batch.vectors == np.load(rows.path)[2:]).all()


def test_a_change_gives_the_first_rows_other_texts_and_the_vectors_of_the_last(rows):
    (batch,) = rows.changes(1)
    assert batch.texts[0] == "0 a, again"
    assert (batch.vectors == np.load(rows.path)[2:]).all()


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


def searched(number, milliseconds, numpy, found, below=None):
    names = ["p50, ms", "p95, ms", "NumPy p50, ms", "recall"]
    values = [milliseconds, 2 * milliseconds, numpy, found]
    return [Measurement(*pair, number, below) for pair in zip(names, values, strict=True)]


def test_the_report_shows_the_newest_results_and_what_was_left_out(tmp_path):
    db = results.open_results(tmp_path / "new folder" / "results.db")
    try:
        old, new = results.add_run(db), results.add_run(db)
        about = {"data": "words", "dimensions": 8, "rows": 1000}
        for run, system, factor in ((old, "a", 9), (new, "a", 1), (old, "b", 1)):
            measurements = [
                *searched(10, 2.0 * factor, 4.0, 0.5),
                *searched(10, 1234.5 * factor, 1.0, 1.0, below=10),
                Measurement("load, rows/s", 12345.6 * factor),
                Measurement("memory, MB", float("nan")),
            ]
            results.add_measurements(db, {**about, "run": run, "system": system}, measurements)
        # b ran once, and cannot any more
        left_out = {**about, "run": new, "system": "b", "reason": "no module named b"}
        results.table(db, "left_out").insert(left_out)
        text = report.markdown(db, ["words.svg"])
    finally:
        db.close()
    body = text.partition("## words")[2].partition("## Runs")
    assert body[0] == (
        """, 1,000 rows of 8 dimensions

### Search

|  | top 10: ms | p95 | x NumPy | recall |
| --- | ---: | ---: | ---: | ---: |
| a | 2.00 | 4.00 | 0.50 | 0.500 |

### The top 10 of the rows that a filter on metadata lets pass

|  | 0.01 of the rows: ms | x NumPy | recall |
| --- | ---: | ---: | ---: |
| a | 1,234 | 1,234 | 1.000 |

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
