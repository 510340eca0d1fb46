"""The report: Markdown tables of the newest results of each system with each data set."""

import json
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from sqlite_utils import Database

from . import results
from .job import AMONG

Row = dict[str, Any]
# What was measured: its name, how many of the nearest were asked for, the share that the filter
# lets pass, and which rows these are.
Key = tuple[str, int | None, float | None, str | None]


@dataclass(frozen=True)
class Column:
    heading: str
    value: Callable[[dict[Key, float]], float]
    format: str = ""  # by default, three significant digits


def of(
    measure: str, number: int | None = None, share: float | None = None, among: str | None = None
) -> Any:
    return lambda values: values[measure, number, share, among]


def ratio(
    number: int, share: float | None = None, among: str | None = None, prefix: str = ""
) -> Any:
    """Return how to compute the time as a multiple of NumPy's in the same process."""
    return lambda values: (
        values[f"{prefix}p50, ms", number, share, among]
        / values[f"{prefix}NumPy p50, ms", number, share, among]
    )


def search_columns(number: int, prefix: str = "") -> list[Column]:
    return [
        Column(f"top {number}: ms", of(f"{prefix}p50, ms", number)),
        Column("p95", of(f"{prefix}p95, ms", number)),
        Column("x NumPy", ratio(number, prefix=prefix)),
        Column("recall", of(f"{prefix}recall", number), ".3f"),
    ]


def filter_columns(share: float) -> list[Column]:
    return [
        column
        for among in AMONG
        for column in (
            Column(f"{among}: ms", of("p50, ms", 10, share, among)),
            Column("p95", of("p95, ms", 10, share, among)),
            Column("x NumPy", ratio(10, share, among)),
            Column("recall", of("recall", 10, share, among), ".3f"),
        )
    ]


def tables(shares: Sequence[float]) -> dict[str, list[Column]]:
    """Return the columns of each table, with one table for each share of rows."""
    return {
        "Search": [*search_columns(10), *search_columns(100)],
        **{
            f"The top 10 of {share:.12g} of the rows, which a condition on metadata keeps": (
                filter_columns(share)
            )
            for share in shares
        },
        "Search, after rows were replaced, deleted and added": [
            *search_columns(10, "edited: "),
            *search_columns(100, "edited: "),
            Column("first answer, ms", of("edited: first answer, ms")),
        ],
        "Everything else": [
            Column("first answer of a process, s", of("first answer, s")),
            Column("load, rows/s", of("load, rows/s"), ",.0f"),
            Column("index alone, rows/s", of("build, rows/s"), ",.0f"),
            Column("update, rows/s", of("update, rows/s"), ",.0f"),
            Column("delete, rows/s", of("delete, rows/s"), ",.0f"),
            Column("files, MB", of("files, MB")),
            Column("memory, MB", of("memory, MB"), ",.0f"),
            Column("peak with mapped pages, MB", of("peak with mapped pages, MB"), ",.0f"),
            Column("peak while loading, MB", of("peak while loading, MB"), ",.0f"),
        ],
    }


NOTES = """\
Times are medians (p95: 19 in 20 are faster) of held-out queries, with text and metadata in the
answer, the file's pages in the system's cache, and one query at a time. `x NumPy` is the time as a
multiple of what NumPy takes for all vectors in memory, measured in turns in the same process, with
one thread or with all: the better of the two.
recall is the share of the exact answer that was found. The first answer is timed from the start of
a process, imports included. load is until the index is ready, too. memory is what a searching
process has to itself.

Rows that a condition keeps are random ones, those of the query's own cluster (near), or those of a
cluster that it is not in (far). Where rows were replaced, deleted and added, this was done by SQL
for vecstore, and the first answer is the one right after it.
"""


def markdown(
    db: Database, pictures: Sequence[str] = (), shown: Container[str] | None = None
) -> str:
    """Return the report of a database of results, with links to pictures.

    :param shown: the systems that are in it; None: all
    """
    measurements, left_out = (
        [row for row in results.newest(db, name) if shown is None or row["system"] in shown]
        for name in ("measurements", "left_out")
    )
    parts = ["# Benchmark", NOTES]
    parts += [f"![{name}]({name})" for name in pictures]
    for subject, rows in groupby(sorted([*measurements, *left_out], key=data_of), data_of):
        data, dimensions, count = subject
        parts.append(f"## {data}, {count:,} rows of {dimensions} dimensions")
        parts += data_report(list(rows))
    runs = {row["run"] for row in [*measurements, *left_out]}
    parts += ["## Runs", *(run_report(run) for run in db["runs"].rows if run["id"] in runs)]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def data_of(row: Row) -> tuple[str, int, int]:
    return row["data"], row["dimensions"], row["rows"]


def values_of(rows: Sequence[Row]) -> dict[str, dict[Key, float]]:
    """Return the measurements of each system, in the order that they were made."""
    systems: dict[str, dict[Key, float]] = {}
    for row in rows:
        if "measure" in row:
            key = row["measure"], row["number"], row["selectivity"], row["among"]
            systems.setdefault(row["system"], {})[key] = row["value"]
    return systems


def data_report(rows: list[Row]) -> list[str]:
    systems = values_of(rows)
    parts = []
    shares = {row["selectivity"] for row in rows if row.get("selectivity") is not None}
    for title, columns in tables(sorted(shares, reverse=True)).items():
        cells = {
            system: [cell(column, values) for column in columns]
            for system, values in systems.items()
        }
        used = [place for place in range(len(columns)) if any(row[place] for row in cells.values())]
        if used:
            headings = [columns[place].heading for place in used]
            parts.append(f"### {title}")
            parts.append(
                table(headings, {s: [row[place] for place in used] for s, row in cells.items()})
            )
    reasons = [f"- {row['system']}: {row['reason']}" for row in rows if "reason" in row]
    return [*parts, "### Left out", "\n".join(reasons)] if reasons else parts


def table(headings: list[str], rows: dict[str, list[str]]) -> str:
    """Return a Markdown table; systems without a value in it are not in it."""
    lines = [["", *headings], ["---", *("---:" for _ in headings)]]
    lines += [[name, *cells] for name, cells in rows.items() if any(cells)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def cell(column: Column, values: dict[Key, float]) -> str:
    try:
        value = column.value(values)
    except KeyError:  # not measured
        return ""
    return format(value, column.format) if column.format else significant(value)


def significant(value: float) -> str:
    """Return a number with three significant digits, or without decimals."""
    decimals = 0 if value >= 100 else 1 if value >= 10 else 2
    return f"{value:,.{decimals}f}"


def run_report(run: Row) -> str:
    versions = ", ".join(f"{name} {v}" for name, v in json.loads(run["versions"]).items())
    return (
        f"{run['id']}: {run['date']} UTC, {run['cpu']}, {run['cores']} cores, "
        f"{run['memory_gb']} GB, {run['machine']}, Python {run['python']}, {versions}"
    )
