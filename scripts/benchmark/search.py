"""Times a system's answers, in turns with NumPy's, and compares them with the exact ones."""

import math
import os
import time
from array import array
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .job import Condition, Job, Measurement, Question
from .rows import Matrix, Rows, normalized
from .systems import Hit, System
from .systems.in_memory import NumPy
from .truth import allowed, condition, last_scores, recall

ROUND = 10  # queries to the system, then some of them to NumPy, and so on
REFERENCES = 4  # how many of them
THREADS = sorted({1, os.cpu_count() or 1}, reverse=True)  # of NumPy: it depends which is faster
IDLE = 0.03  # seconds, after which the threads of a product stop to wait for another


class Reference(NumPy):
    """NumPy with all vectors in memory, beside which the systems are timed."""

    def __init__(self, rows: Rows) -> None:
        super().__init__(Path(), rows.dimensions)
        self.matrix = rows.matrix()
        self.columns = rows.columns()
        self.texts = [text for batch in rows.batches() for text in batch.texts]
        if rows.edited:
            replaced, added = rows.edits()
            self.texts[: rows.edited] = replaced.texts
            self.texts += added.texts


def write_truth(path: Path, rows: Rows, questions: list[Question]) -> None:
    """Write, for each question, what truth.last_scores() says of all queries."""
    queries = normalized(rows.read_queries())
    answers = last_scores(rows.matrix(), queries, rows.columns(), questions, rows.query_places())
    np.save(path, answers)


def answer_all(job: Job, system: System) -> list[Measurement]:
    """Ask a system that is open all questions that it can answer."""
    asker = Asker(system, Rows(**job.rows), job.seconds)
    measurements = []
    for values, last in zip(job.questions, np.load(job.truth), strict=True):
        question = Question(*values)
        if question.among is None or system.can_filter:
            measurements += asker.ask(question, last)
    return measurements


def answer_edited(job: Job, system: System) -> list[Measurement]:
    """Ask a system whose rows were edited all questions without a condition."""
    asker = Asker(system, Rows(**job.edited), job.seconds)
    questions = [Question(*values) for values in job.questions if values[1] is None]
    measurements = []
    for question, last in zip(questions, np.load(job.edited_truth), strict=True):
        measurements += asker.ask(question, last)
    return [
        found._replace(measure=f"edited: {found.measure}", among=None) for found in measurements
    ]


class Asker:
    """Puts questions to a system and to NumPy."""

    def __init__(self, system: System, rows: Rows, seconds: float) -> None:
        from threadpoolctl import ThreadpoolController

        self.pools = ThreadpoolController()
        self.system = system
        self.seconds = seconds
        self.reference = Reference(rows)
        self.queries = normalized(rows.read_queries())
        self.places = rows.query_places()

    def ask(self, question: Question, last: Matrix) -> list[Measurement]:
        """Ask a question with each query, until the time is over; the first round is always asked.

        :param last: for each query, the similarity of the last row of the exact answer
        """
        vectors = [array("f", query.tobytes()) for query in self.queries]
        wanted = [condition(question, place, len(self.reference.matrix)) for place in self.places]
        reference_times: dict[int, list[float]] = {threads: [] for threads in THREADS}
        times: list[float] = []
        recalls: list[float] = []
        end = time.monotonic() + self.seconds
        for start in range(0, len(vectors), ROUND):
            if times and time.monotonic() > end:
                break
            asked = range(start, min(start + ROUND, len(vectors)))
            # The first answer after another's finds the processor's caches as that has left them.
            timed(self.system, vectors[start - 1], question.number, wanted[start - 1])
            for index in asked:
                milliseconds, hits = timed(
                    self.system, vectors[index], question.number, wanted[index]
                )
                times.append(milliseconds)
                recalls.append(self.recall(hits, index, question, wanted[index], last[index]))
            for threads, found in reference_times.items():
                # Afterwards, the system has again what it had.
                with self.pools.limit(limits=threads, user_api="blas"):
                    timed(self.reference, vectors[start - 1], question.number, wanted[start - 1])
                    found += [
                        timed(self.reference, vectors[index], question.number, wanted[index])[0]
                        for index in asked[:REFERENCES]
                    ]
            time.sleep(IDLE)
        medians = {threads: percentile(found, 0.5) for threads, found in reference_times.items()}
        best = min(medians, key=medians.__getitem__)
        results = {
            "p50, ms": percentile(times, 0.5),
            "p95, ms": percentile(times, 0.95),
            "NumPy p50, ms": medians[best],
            "NumPy threads": best,
            "recall": sum(recalls) / len(recalls),
            "queries": len(times),
        }
        return [Measurement(name, value, *question) for name, value in results.items()]

    def recall(
        self, hits: list[Hit], index: int, question: Question, wanted: Condition | None, last: float
    ) -> float:
        right = allowed(self.reference.columns, wanted)
        rows = right_rows(hits, question.number, right)
        scores = self.reference.matrix[rows] @ self.queries[index]
        return recall(scores, last, min(question.number, int(np.count_nonzero(right))))


def timed(
    system: System, vector: "array[float]", number: int, wanted: Condition | None
) -> tuple[float, list[Hit]]:
    """Return the milliseconds that an answer took, and the answer."""
    start = time.perf_counter()
    hits = system.search(vector, number, wanted)
    return (time.perf_counter() - start) * 1000, hits


def right_rows(hits: list[Hit], number: int, right: NDArray[np.bool_]) -> list[int]:
    """Return the rows of an answer, each once, without those that may not be in it."""
    rows = dict.fromkeys(row for row, _, _ in hits[:number])
    return [row for row in rows if right[row]]


def percentile(values: Sequence[float], share: float) -> float:
    """Return the least of the values that at least that share of them do not exceed."""
    return sorted(values)[max(math.ceil(share * len(values)), 1) - 1]
