"""Runs the systems one after another, each phase in a process of its own."""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from . import results
from .job import AMONG, Job, Measurement, Question
from .rows import Rows, write_places
from .search import write_truth
from .systems import SHARED

NUMBERS = (10, 100)
SHARES = (0.5, 0.1, 0.01, 0.0001)  # of the rows, which a condition keeps
EDITED = 0.05  # of the rows: a third of these is replaced, a third deleted, a third added
FEWEST_MATCHES = 10  # rows that pass a filter; a question with fewer is not asked
FIRST_ANSWERS = 3  # processes, of which the median counts
BLOCK = 512  # bytes: the unit of st_blocks
PATIENCE = 7200  # seconds for one process
OLD_OPENBLAS = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")  # settings that slow a current NumPy
SCRIPTS = Path(__file__).parent.parent


class LeftOutError(Exception):
    """A system cannot be measured here; the message says why."""


@dataclass
class Runner:
    """Measures systems, and writes what it finds into a database as soon as it knows.

    :param run: the id of the run in the database
    :param folder: where stores are made, and deleted
    :param seconds: for one question to one system, at most
    :param shares: of the rows, which conditions keep
    :param edited: the share of the rows that are edited before the last questions; 0: none
    """

    db: Database
    run: int
    folder: Path
    seconds: float
    say: Callable[[str], None]
    shares: Sequence[float] = SHARES
    edited: float = EDITED

    def measure(self, data: str, rows: Rows, systems: list[str]) -> None:
        """Measure systems with one data set. Those of one store must follow one another."""
        self.say(f"\n{data}, {rows.count:,} rows of {rows.dimensions} dimensions")
        subject = {"run": self.run, "data": data, "dimensions": rows.dimensions, "rows": rows.count}
        with tempfile.TemporaryDirectory(dir=self.folder, prefix="run-") as work:
            job = self._prepare(Path(work), rows)
            for store, sharing in groupby(systems, lambda system: SHARED.get(system, system)):
                folder = Path(work, store)
                folder.mkdir()
                self._measure_store(subject, replace(job, folder=str(folder)), list(sharing))
                shutil.rmtree(folder)

    def _prepare(self, folder: Path, rows: Rows) -> Job:
        """Write what all systems need, and return their job without what is each one's own."""
        queries, truth, edited_truth = folder / "queries", folder / "truth.npy", folder / "new.npy"
        places = folder / "places.npy"
        write_places(places, rows)
        rows = replace(rows, places=str(places))
        edited = replace(rows, edited=round(rows.count * self.edited / 3))
        asked = questions(rows.count, self.shares)
        queries.write_bytes(rows.read_queries().tobytes())
        write_truth(truth, rows, asked)
        write_truth(edited_truth, edited, [each for each in asked if each.among is None])
        return Job(
            phase="",
            system="",
            folder="",
            dimensions=rows.dimensions,
            rows=asdict(rows),
            queries=str(queries),
            truth=str(truth),
            questions=asked,
            seconds=self.seconds,
            edited=asdict(edited),
            edited_truth=str(edited_truth),
        )

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
                self.say(f"  {system:22} left out: {error}")
                results.table(self.db, "left_out").insert({**about, "reason": str(error)})
            else:
                self.say(f"  {system:22} {summary(found)}")
                results.add_measurements(self.db, about, found)
                measured.append(system)
        if measured:
            self._measure_changes(subject, job, measured)

    def _measure_changes(self, subject: dict[str, Any], job: Job, systems: list[str]) -> None:
        """Edit what some systems have stored and ask each again; then update it and delete it."""
        phase = "edit"
        for system in systems if job.edited["edited"] else []:
            self._add(subject, replace(job, system=system), phase, [system])
            phase = "search edited"
        self._add(subject, job, "change", systems)

    def _add(self, subject: dict[str, Any], job: Job, phase: str, systems: list[str]) -> None:
        """Record what a phase measures, for some systems, or say why it does not."""
        try:
            found = work(job, phase)
        except LeftOutError as error:
            self.say(f"  {job.system:22} without {phase}: {error}")
            return
        for system in systems:
            results.add_measurements(self.db, {**subject, "system": system}, found)


def questions(rows: int, shares: Sequence[float]) -> list[Question]:
    """Return what is asked: some nearest rows of all, and the first number under conditions."""
    matches = [round(rows * share) for share in shares]
    return [
        *(Question(number) for number in NUMBERS),
        *(
            Question(NUMBERS[0], among, count)
            for count in matches
            if count >= FEWEST_MATCHES
            for among in AMONG
        ),
    ]


def load(job: Job) -> list[Measurement]:
    measurements = work(job, "load")
    files = [path for path in Path(job.folder).rglob("*") if path.is_file()]
    blocks = sum(path.stat().st_blocks for path in files)  # some systems make files with holes
    return [*measurements, Measurement("files, MB", blocks * BLOCK / 1e6)]


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
            env=environment(),
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


def environment() -> dict[str, str]:
    """Return the environment of workers, without what makes NumPy slower than it is."""
    kept = {name: value for name, value in os.environ.items() if name not in OLD_OPENBLAS}
    return {**kept, "PYTHONPATH": str(SCRIPTS)}


def summary(found: list[Measurement]) -> str:
    values = {(name, number): value for name, value, number, among, _ in found if among is None}
    return (
        f"{values['load, rows/s', None]:>9,.0f} rows/s loaded, "
        f"first answer {values['first answer, s', None]:.2f} s, "
        f"top 10 in {values['p50, ms', 10]:.2f} ms"
        f" ({values['p50, ms', 10] / values['NumPy p50, ms', 10]:.2f} x NumPy, "
        f"recall {values['recall', 10]:.3f})"
    )
