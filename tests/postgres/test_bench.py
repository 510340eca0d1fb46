"""scripts/bench_postgres.py runs, and finds all of what is near where it compares everything."""

import re
import subprocess
import sys

import pytest

from tests.support import ROOT

pytest.importorskip("numpy")


def test_the_benchmark_measures_what_it_says(postgres_server, tmp_path):
    script = ROOT / "scripts" / "bench_postgres.py"
    options = ["--rows", "600", "--dimensions", "16", "--queries", "5", "--batch", "100"]
    options += ["--url", postgres_server, "--folder", str(tmp_path)]
    command = [sys.executable, str(script), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = [re.split(r", ms: |: |, rows/s", line)[0] for line in done.stdout.splitlines()]
    assert lines[0].startswith("600 x 16, PostgreSQL ")
    assert lines[1:] == [
        *("load", "load of what is there", "push"),
        *("top 10 without an index", "top 10 without an index, exact"),
        *("HNSW, s", "bytes a row"),
        *("top 10 with the index", "top 10 with the index, exact"),
        *("top 10 of 50%", "top 10 of 10%", "top 10 of 1%"),
        *("keywords", "hybrid"),
    ]
    exact = [line for line in done.stdout.splitlines() if "exact" in line or "without" in line]
    assert [line.rpartition(" ")[2] for line in exact] == ["1.0000"] * 3
