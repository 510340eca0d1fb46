"""vecstore related: a table that any program reads."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
from click.testing import CliRunner

from tests.support.databases import make_pets
from vecstore.cli import cli


@pytest.fixture
def pets(path):
    return make_pets(path, "1 0", "1 1")


def run(*args):
    return CliRunner().invoke(cli, ["related", *args])


def test_it_writes_a_table_and_says_what_it_did(pets):
    result = run("pets", "-d", pets)
    assert (result.exit_code, result.output) == (
        0,
        "2 entries: 2 computed, 0 unchanged, 2 rows written\n",
    )
    with closing(sqlite3.connect(pets)) as conn:
        found = conn.execute("select id, rank, related_id from vecstore_related").fetchall()
    assert found == [("cat", 1, "dog"), ("dog", 1, "cat")]
    again = run("pets", "-n", "5", "-d", pets)
    assert again.output == "2 entries: 0 computed, 2 unchanged, 0 rows written\n"


def test_what_is_wrong_is_one_line(pets, tmp_path):
    result = run("birds", "-d", pets)
    assert (result.exit_code, result.output) == (
        1,
        f"Error: Collection does not exist: 'birds' ({pets} has 'pets')\n",
    )
    assert run("pets", "-n", "0", "-d", pets).exit_code == 2
    missing = str(tmp_path / "missing.db")
    assert f"There is no database {missing}" in run("pets", "-d", missing).output


def test_without_numpy_it_says_once_that_this_is_slow(pets, tmp_path):
    folder = tmp_path / "without"
    folder.mkdir()
    (folder / "numpy.py").write_text("raise ImportError('not here')\n")
    done = subprocess.run(
        [sys.executable, "-m", "vecstore", "related", "pets", "-d", pets],
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == (
        "2 entries: 2 computed, 0 unchanged, 2 rows written\n",
        "With NumPy (pip install numpy) this takes a fraction of the time\n",
    )
