"""What a process of the benchmark is told, and what it tells. Imports nothing that takes time."""

from dataclasses import dataclass
from typing import Any, NamedTuple

AMONG = ("random", "near", "far")


class Condition(NamedTuple):
    """Of a row's metadata: low <= field < high."""

    field: str
    low: int
    high: int


class Question(NamedTuple):
    """How many of the nearest rows are asked for, and among which.

    :param among: "random": rows that have nothing to do with the query; "near": those of the
        query's own cluster; "far": those of a cluster that it is not in. None: all rows
    :param matches: how many rows these are
    """

    number: int
    among: str | None = None
    matches: int | None = None


@dataclass
class Job:
    """One thing to do with one system."""

    phase: str  # a key of the worker's PHASES
    system: str
    folder: str  # of what the system stores
    dimensions: int
    rows: dict[str, Any]  # the fields of Rows
    queries: str  # a file of float32 and nothing else
    truth: str  # a file that search.write_truth() made
    questions: list[Question]  # JSON makes lists of them
    seconds: float  # after which a question is put to the system no more
    edited: dict[str, Any]  # the fields of Rows, once some of them are edited
    edited_truth: str  # of the questions without a condition


class Measurement(NamedTuple):
    """What was measured; the name ends with the unit."""

    measure: str
    value: float
    number: int | None = None  # how many of the nearest rows were asked for
    among: str | None = None  # as in a Question
    matches: int | None = None
