"""What is right: the exact answers, by NumPy, and how much of them a system found."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .rows import Matrix

TOLERANCE = 1e-6  # more than rounding does to a similarity in float32
QUERIES_AT_ONCE = 20


class Question(NamedTuple):
    """How many rows are asked for, of those whose field is below a number; None: of all."""

    number: int
    below: int | None = None


def last_scores(
    matrix: Matrix, queries: Matrix, fields: NDArray[np.int64], question: Question
) -> NDArray[np.float32]:
    """Return, for each query, the similarity of the last row of its exact answer.

    :param matrix: the stored vectors, each of length 1; so are the queries
    """
    if question.below is not None:
        matrix = matrix[fields < question.below]
    place = min(question.number, len(matrix)) - 1
    portions = []
    for start in range(0, len(queries), QUERIES_AT_ONCE):
        distances = -(queries[start : start + QUERIES_AT_ONCE] @ matrix.T)
        portions.append(-np.partition(distances, place, axis=1)[:, place])
    return np.concatenate(portions)


def recall(scores: Sequence[float] | NDArray[np.float32], last: float, expected: int) -> float:
    """Return the share of an exact answer that was found, from 0 to 1.

    Rows that are equally similar may stand for one another, so what counts is the similarity.

    :param scores: of the rows found, each row once
    :param last: the similarity of the last row of the exact answer
    :param expected: how many rows the exact answer has
    """
    found = int(np.count_nonzero(np.asarray(scores) >= last - TOLERANCE))
    return min(found, expected) / expected
