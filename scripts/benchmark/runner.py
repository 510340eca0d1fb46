"""Runs the systems one after another, each phase in a process of its own."""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from . import results
from .job import Job, Measurement
from .rows import Rows
from .search import write_truth
from .systems import SHARED
from .truth import Question

NUMBERS = (10, 100)
SELECTIVITIES = (0.5, 0.01, 0.0001)
FEWEST_MATCHES = 10  # rows that pass a filter; a question with fewer is not asked
FIRST_ANSWERS = 3  # processes, of which the median counts
PATIENCE = 3600  # seconds for one process
SCRIPTS = Path(__file__).parent.parent


class LeftOutError(Exception):
    """A system cannot be measured here; the message says why."""


@dataclass
class Runner:
    """Measures systems, and writes what it finds into a database as soon as it knows.

    :param run: the id of the run in the database
    :param folder: where stores are made, and deleted
    :param seconds: for one question to one system, at most
    """

    db: Database
    run: int
    folder: Path
    seconds: float
    say: Callable[[str], None]

    def measure(self, data: str, rows: Rows, systems: list[str]) -> None:
        """Measure systems with one data set. Those of one store must follow one another."""
        self.say(f"\n{data}, {rows.count:,} rows of {rows.dimensions} dimensions")
        subject = {"run": self.run, "data": data, "dimensions": rows.dimensions, "rows": rows.count}
        with tempfile.TemporaryDirectory(dir=self.folder, prefix="run-") as work:
            job = prepare(Path(work), rows, self.seconds)
            for store, sharing in groupby(systems, lambda system: SHARED.get(system, system)):
                folder = Path(work, store)
                folder.mkdir()
                self._measure_store(subject, replace(job, folder=str(folder)), list(sharing))
                shutil.rmtree(folder)

    def _measure_store(self, subject: dict[str, Any], job: Job, systems: list[str]) -> None:
        """Load what some systems share, measure each, and at last change what is stored."""
        shared: list[Measurement] = []
        measured = []
        for system in systems:
            about = {**subject, "system": system}
            job = replace(job, system=system)
            try:
                shared = shared or load(job)
                found = [*shared, *first_answer(job), *work(job, "search")]
            except LeftOutError as error:
                self.say(f"  {system:18} left out: {error}")
                results.table(self.db, "left_out").insert({**about, "reason": str(error)})
            else:
                self.say(f"  {system:18} {summary(found)}")
                results.add_measurements(self.db, about, found)
                measured.append(system)
        if measured:
            changes = work(job, "change")
            for system in measured:
                results.add_measurements(self.db, {**subject, "system": system}, changes)


def prepare(folder: Path, rows: Rows, seconds: float) -> Job:
    """Write what all systems need, and return their job without what is each one's own."""
    asked = questions(rows.count)
    queries, truth = folder / "queries", folder / "truth.npy"
    queries.write_bytes(rows.read_queries().tobytes())
    write_truth(truth, rows, asked)
    return Job(
        phase="",
        system="",
        folder="",
        dimensions=rows.dimensions,
        rows=asdict(rows),
        queries=str(queries),
        truth=str(truth),
        questions=[(question.number, question.below) for question in asked],
        seconds=seconds,
    )


def questions(rows: int) -> list[Question]:
    filters = [round(rows * share) for share in SELECTIVITIES]
    belows = [None, *(below for below in filters if below >= FEWEST_MATCHES)]
    return [Question(number, below) for number in NUMBERS for below in belows]


def load(job: Job) -> list[Measurement]:
    measurements = work(job, "load")
    files = [path for path in Path(job.folder).rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    return [*measurements, Measurement("files, MB", size / 1e6)]


def first_answer(job: Job) -> list[Measurement]:
    """Return the median time from the start of a process to its answer, and its memory."""
    seconds = []
    for _ in range(FIRST_ANSWERS):
        start = time.monotonic()
        answered, *measurements = work(job, "first")
        seconds.append(answered.value - start)
    return [Measurement("first answer, s", statistics.median(seconds)), *measurements]


def work(job: Job, phase: str) -> list[Measurement]:
    """Have a worker do a job, and return what it measured."""
    told = json.dumps(asdict(replace(job, phase=phase)))
    command = [sys.executable, "-m", "benchmark.worker", told]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
            env={**os.environ, "PYTHONPATH": str(SCRIPTS)},
        )
    except subprocess.TimeoutExpired:
        raise LeftOutError(f"{phase} took more than {PATIENCE / 3600:.0f} hours") from None
    try:
        result = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        complaint = (done.stderr.splitlines() or ["nothing was printed"])[-1]
        raise LeftOutError(f"{phase} ended with {done.returncode}: {complaint}") from None
    if "error" in result:
        raise LeftOutError(result["error"])
    return [Measurement(*values) for values in result["measurements"]]


def summary(found: list[Measurement]) -> str:
    values = {(name, number): value for name, value, number, below in found if below is None}
    return (
        f"{values['load, rows/s', None]:>9,.0f} rows/s loaded, "
        f"first answer {values['first answer, s', None]:.2f} s, "
        f"top 10 in {values['p50, ms', 10]:.2f} ms"
        f" ({values['p50, ms', 10] / values['NumPy p50, ms', 10]:.2f} x NumPy, "
        f"recall {values['recall', 10]:.3f})"
    )
