"""The file of results: a SQLite database of runs, measurements, and what was left out."""

import importlib.metadata
import json
import math
import os
import platform
from collections.abc import Iterable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from sqlite_utils import Database
from sqlite_utils.db import Table

import vecstore

from .job import Measurement

PACKAGES = [
    "sqlite-vec",
    "apsw",
    "numpy",
    "llm",
    "sqlite-vec-client",
    "chromadb",
    "lancedb",
    "duckdb",
    "usearch",
    "faiss-cpu",
    "zvec",
    "qdrant-edge-py",
    "sqliteai-vector",
    "litesearch",
    "wordllama",
    "sentence-transformers",
]


def open_results(path: Path) -> Database:
    """Open the file, and make it and its tables if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    db = vecstore.connect(path)
    table(db, "runs").create(
        {
            "id": int,
            "date": str,  # UTC
            "machine": str,
            "cpu": str,
            "cores": int,
            "memory_gb": float,
            "python": str,
            "versions": str,  # JSON: package, version
        },
        pk="id",
        if_not_exists=True,
    )
    subject = {"run": int, "data": str, "dimensions": int, "rows": int, "system": str}
    table(db, "measurements").create(
        # number, selectivity, among: of searches. selectivity is the share of rows that pass the
        # filter, among says which these are
        {**subject, "measure": str, "number": int, "selectivity": float, "value": float},
        foreign_keys=["run"],
        if_not_exists=True,
    )
    if "among" not in table(db, "measurements").columns_dict:  # where an older benchmark made it
        table(db, "measurements").add_column("among", str)
        db.execute("update measurements set among = 'random' where selectivity is not null")
    table(db, "left_out").create(
        {**subject, "reason": str}, foreign_keys=["run"], if_not_exists=True
    )
    return db


def table(db: Database, name: str) -> Table:
    return db.table(name)


def add_run(db: Database) -> int:
    """Record this machine and the versions of what is compared; return the run's id."""
    run = {
        "date": datetime.now(timezone.utc).isoformat(" ", "seconds").removesuffix("+00:00"),
        "machine": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cpu": cpu(),
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "python": platform.python_version(),
        "versions": json.dumps(versions()),
    }
    table(db, "runs").insert(run)
    return int(db.execute("select max(id) from runs").fetchone()[0])


def cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(": ")[2] for line in lines if line.startswith("model name"))
    return next(names, platform.processor())


def versions() -> dict[str, str]:
    db = vecstore.connect()  # of the library that vecstore uses on this Python
    (sqlite,) = db.execute("select sqlite_version()").fetchone()
    db.close()
    found = {"vecstore": vecstore.__version__, "SQLite": sqlite}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def add_measurements(
    db: Database, subject: dict[str, Any], measurements: Iterable[Measurement]
) -> None:
    """Record what was measured; NaN, which is where nothing could be, is left out.

    :param subject: run, data, dimensions, rows, system
    """
    table(db, "measurements").insert_all(
        {
            **subject,
            "measure": measure,
            "number": number,
            "selectivity": None if matches is None else matches / subject["rows"],
            "among": among,
            "value": value,
        }
        for measure, value, number, among, matches in measurements
        if not math.isnan(value)
    )


def newest(db: Database, name: str) -> list[dict[str, Any]]:
    """Return the rows of a table that are of the last run of their data, rows and system."""
    return list(
        db.query(
            f"""
            with newest as (
              select data, rows, system, max(run) as run
              from (
                select data, rows, system, run from measurements
                union all
                select data, rows, system, run from left_out
              )
              group by data, rows, system
            )
            select found.*
            from {name} as found
            join newest using (data, rows, system, run)
            order by found.rowid
            """
        )
    )
