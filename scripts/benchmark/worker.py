"""One process of the benchmark, which does one thing with one system.

    python -m benchmark.worker JOB

JOB is JSON. The last line that is printed is JSON too: what was measured, or the error.
"""

import json
import sys
import time
from array import array
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

from .job import Job, Measurement
from .systems import System, system_class

CHANGED_BATCHES = 10  # of 1,000 rows
MORE_ANSWERS = 5  # before memory is read

# Functions import what only they need: it would count as time and memory of the others.


def load(job: Job, system: System) -> list[Measurement]:
    """Store and index the rows."""
    from .rows import Rows

    rows = Rows(**job.rows)
    if system.max_rows is not None and rows.count > system.max_rows:
        raise ValueError(f"more than {system.max_rows:,} rows would take it hours")
    batches = rows.batches()
    start = time.perf_counter()
    system.load(batches)
    stored = time.perf_counter()
    system.build()
    seconds = time.perf_counter() - start
    built = start + seconds - stored
    system.close()
    measurements = [
        Measurement("load, rows/s", rows.count / seconds),
        Measurement("peak while loading, MB", memory("VmHWM")),
    ]
    if type(system).build is not System.build:
        measurements.append(Measurement("build, rows/s", rows.count / built))
    return measurements


def first(job: Job, system: System) -> list[Measurement]:
    """Answer the first question of this process, and some more."""
    queries = Path(job.queries).read_bytes()
    size = 4 * job.dimensions
    vectors = (array("f", queries[n : n + size]) for n in range(0, len(queries), size))
    system.open()
    system.search(next(vectors), 10, None)
    answered = time.monotonic()  # the same clock in all processes
    for vector in islice(vectors, MORE_ANSWERS):
        system.search(vector, 10, None)
    return [
        Measurement("answered at, s", answered),
        Measurement("memory, MB", memory("RssAnon")),
        Measurement("peak with mapped pages, MB", memory("VmHWM")),
    ]


def search(job: Job, system: System) -> list[Measurement]:
    """Answer all questions, in turns with NumPy."""
    from .search import answer_all

    system.open()
    return answer_all(job, system)


def edit(job: Job, system: System) -> list[Measurement]:
    """Replace, delete and add rows, then answer the first question and all of them again."""
    from .rows import Rows
    from .search import answer_edited

    if not system.can_edit:
        return []
    rows = Rows(**job.edited)
    replaced, added = rows.edits()
    query = array("f", rows.read_queries()[0].tobytes())
    system.open()
    start = time.perf_counter()
    system.edit(replaced, list(range(rows.deleted.start, rows.deleted.stop)), added)
    edited = time.perf_counter()
    system.search(query, 10, None)
    answered = time.perf_counter()
    return [
        Measurement("edit, rows/s", 3 * rows.edited / (edited - start)),
        Measurement("edited: first answer, ms", (answered - edited) * 1000),
        *answer_edited(job, system),
    ]


def search_edited(job: Job, system: System) -> list[Measurement]:
    """Answer questions about rows that another system of the same store has edited."""
    from .search import answer_edited

    if not system.can_edit:
        return []
    system.open()
    return answer_edited(job, system)


def change(job: Job, system: System) -> list[Measurement]:
    """Update the first rows, then delete them."""
    from .rows import Rows

    if not system.can_change:
        return []
    batches = list(Rows(**job.rows).changes(CHANGED_BATCHES))
    numbers = [number for batch in batches for number in batch.numbers]
    system.open()
    start = time.perf_counter()
    system.update(batches)
    updated = time.perf_counter()
    system.delete(numbers)
    deleted = time.perf_counter()
    return [
        Measurement("update, rows/s", len(numbers) / (updated - start)),
        Measurement("delete, rows/s", len(numbers) / (deleted - updated)),
    ]


PHASES: dict[str, Callable[[Job, System], list[Measurement]]] = {
    "load": load,
    "first": first,
    "search": search,
    "edit": edit,
    "search edited": search_edited,
    "change": change,
}


def memory(field: str) -> float:
    """Return a field of /proc/self/status in MB; NaN where there is no such file.

    RssAnon is the memory that is the process's own, VmHWM the peak of all, with the pages of files
    that it has mapped.
    """
    try:
        status = Path("/proc/self/status").read_text("ascii")
    except OSError:
        return float("nan")
    kilobytes = next(line for line in status.splitlines() if line.startswith(f"{field}:"))
    return int(kilobytes.split()[1]) / 1000


def main() -> None:
    job = Job(**json.loads(sys.argv[1]))
    result: dict[str, Any]
    try:
        system = system_class(job.system)(Path(job.folder), job.dimensions)
        result = {"measurements": PHASES[job.phase](job, system)}
    except Exception as error:
        result = {"error": f"{type(error).__name__}: {error}".partition("\n")[0]}
    print(f"\n{json.dumps(result)}", flush=True)


if __name__ == "__main__":
    main()
