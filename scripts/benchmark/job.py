"""What a process of the benchmark is told, and what it tells. Imports nothing that takes time."""

from dataclasses import dataclass
from typing import Any, NamedTuple


@dataclass
class Job:
    """One thing to do with one system."""

    phase: str  # "load", "first", "search" or "change": a function of the worker
    system: str
    folder: str  # of what the system stores
    dimensions: int
    rows: dict[str, Any]  # the fields of Rows
    queries: str  # a file of float32 and nothing else
    truth: str  # a file that search.write_truth() made
    questions: list[tuple[int, int | None]]
    seconds: float  # after which a question is put to the system no more


class Measurement(NamedTuple):
    """What was measured; the name ends with the unit."""

    measure: str
    value: float
    number: int | None = None  # how many of the nearest rows were asked for
    below: int | None = None  # of rows whose field is less; None: of all
