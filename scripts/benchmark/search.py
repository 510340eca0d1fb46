"""Times a system's answers, in turns with NumPy's, and compares them with the exact ones."""

import math
import time
from array import array
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .job import Job, Measurement
from .rows import Matrix, Rows, normalized
from .systems import Hit, System
from .systems.in_memory import NumPy
from .truth import Question, last_scores, recall

ROUND = 5  # queries to the system, then the same to NumPy, and so on


def write_truth(path: Path, rows: Rows, questions: list[Question]) -> None:
    """Write, for each question, what truth.last_scores() says of all queries."""
    matrix, queries, fields = rows.matrix(), normalized(rows.read_queries()), rows.fields()
    answers = [last_scores(matrix, queries, fields, question) for question in questions]
    np.save(path, np.stack(answers))


def answer_all(job: Job, system: System) -> list[Measurement]:
    """Ask a system that is open all questions that it can answer."""
    rows = Rows(**job.rows)
    reference = reference_of(rows)
    queries = normalized(rows.read_queries())
    measurements = []
    for values, last in zip(job.questions, np.load(job.truth), strict=True):
        question = Question(*values)
        if question.below is None or system.can_filter:
            measurements += answer(system, reference, queries, question, last, job.seconds)
    return measurements


def reference_of(rows: Rows) -> NumPy:
    reference = NumPy(Path(), rows.dimensions)
    reference.matrix = rows.matrix()
    reference.texts = [text for batch in rows.batches() for text in batch.texts]
    reference.fields = rows.fields()
    return reference


def answer(
    system: System,
    reference: NumPy,
    queries: Matrix,
    question: Question,
    last: Matrix,
    seconds: float,
) -> list[Measurement]:
    """Ask a question with each query, until the time is over; the first round is always asked.

    :param last: for each query, the similarity of the last row of the exact answer
    """
    vectors = [array("f", query.tobytes()) for query in queries]
    expected = min(
        question.number, len(reference.fields) if question.below is None else question.below
    )
    for warmed_up in (system, reference):
        timed(warmed_up, vectors[-1], question)
    times: list[float] = []
    reference_times: list[float] = []
    recalls: list[float] = []
    end = time.monotonic() + seconds
    for start in range(0, len(vectors), ROUND):
        if times and time.monotonic() > end:
            break
        for index in range(start, min(start + ROUND, len(vectors))):
            milliseconds, hits = timed(system, vectors[index], question)
            times.append(milliseconds)
            scores = reference.matrix[right_rows(hits, question, reference)] @ queries[index]
            recalls.append(recall(scores, last[index], expected))
        reference_times += [
            timed(reference, vector, question)[0] for vector in vectors[start : start + ROUND]
        ]
    results = {
        "p50, ms": percentile(times, 0.5),
        "p95, ms": percentile(times, 0.95),
        "NumPy p50, ms": percentile(reference_times, 0.5),
        "recall": sum(recalls) / len(recalls),
        "queries": len(times),
    }
    return [Measurement(name, value, *question) for name, value in results.items()]


def timed(system: System, vector: "array[float]", question: Question) -> tuple[float, list[Hit]]:
    """Return the milliseconds that an answer took, and the answer."""
    start = time.perf_counter()
    hits = system.search(vector, *question)
    return (time.perf_counter() - start) * 1000, hits


def right_rows(hits: list[Hit], question: Question, reference: NumPy) -> list[int]:
    """Return the rows of an answer, each once, without those that the filter forbids."""
    rows = dict.fromkeys(row for row, _, _ in hits[: question.number])
    below = question.below
    return [row for row in rows if below is None or reference.fields[row] < below]


def percentile(values: Sequence[float], share: float) -> float:
    """Return the least of the values that at least that share of them do not exceed."""
    return sorted(values)[max(math.ceil(share * len(values)), 1) - 1]
