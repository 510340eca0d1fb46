"""What is right: the exact answers, by NumPy, and how much of them a system found."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .job import Condition, Question
from .rows import Columns, Matrix

TOLERANCE = 1e-6  # more than rounding does to a similarity in float32
QUERIES_AT_ONCE = 20


def condition(question: Question, place: int, rows: int) -> Condition | None:
    """Return what a question asks of the rows, for a query that lies at a place among them.

    Places that are near each other in number are near each other in space: rows.clustered_order().
    """
    if question.among is None or question.matches is None:
        return None
    if question.among == "random":
        return Condition("lot", 0, question.matches)
    away = rows // 2 if question.among == "far" else 0
    start = (place + away) % rows - question.matches // 2
    start = min(max(start, 0), rows - question.matches)
    return Condition("place", start, start + question.matches)


def allowed(columns: Columns, wanted: Condition | None) -> NDArray[np.bool_]:
    """Return for each row whether it meets a condition; a row that was deleted never does."""
    stored = columns["lot"] >= 0
    if wanted is None:
        return stored
    column = columns[wanted.field]
    met: NDArray[np.bool_] = stored & (column >= wanted.low) & (column < wanted.high)
    return met


def last_scores(
    matrix: Matrix,
    queries: Matrix,
    columns: Columns,
    questions: Sequence[Question],
    places: Sequence[int],
) -> NDArray[np.float32]:
    """Return, for each question and query, the similarity of the last row of its exact answer.

    :param matrix: the stored vectors, each of length 1; so are the queries
    :param places: where the queries lie
    """
    answers = np.empty((len(questions), len(queries)), np.float32)
    for start in range(0, len(queries), QUERIES_AT_ONCE):
        portion = queries[start : start + QUERIES_AT_ONCE] @ matrix.T
        for query, scores in enumerate(portion, start):
            for number, question in enumerate(questions):
                wanted = condition(question, places[query], len(matrix))
                found = scores[allowed(columns, wanted)]
                place = len(found) - min(question.number, len(found))
                answers[number, query] = np.partition(found, place)[place]
    return answers


def recall(scores: Sequence[float] | NDArray[np.float32], last: float, expected: int) -> float:
    """Return the share of an exact answer that was found, from 0 to 1.

    Rows that are equally similar may stand for one another, so what counts is the similarity.

    :param scores: of the rows found, each row once
    :param last: the similarity of the last row of the exact answer
    :param expected: how many rows the exact answer has
    """
    found = int(np.count_nonzero(np.asarray(scores) >= last - TOLERANCE))
    return min(found, expected) / expected
