"""The command, as a process and in this one."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import vecstore
from vecstore.cli import main


class Lengths(vecstore.EmbeddingModel):
    model_id = "lengths"

    def embed_batch(self, items):
        return [[len(item), 1] for item in items]


@pytest.fixture
def database(tmp_path: Path) -> str:
    path = tmp_path / "cli.db"
    db = vecstore.connect(path, driver="apsw")
    vecstore.Collection("trees", db, model=Lengths()).embed_multi([("1", "oak"), ("2", "ash")])
    vecstore.Collection("birds", db, model=Lengths()).embed("1", "heron")
    db.close()
    return str(path)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """A function that runs the command and returns its exit status, output and errors."""

    def run(*args: str) -> tuple[object, str, str]:
        monkeypatch.setattr(sys, "argv", ["vecstore", *args])
        with pytest.raises(SystemExit) as exit_status:
            main()
        return exit_status.value.code, *capsys.readouterr()

    return run


def test_list_shows_name_model_and_number(run, database):
    output = "birds: lengths\n  1 embedding\ntrees: lengths\n  2 embeddings\n"
    assert run("collections", "list", "-d", database) == (0, output, "")


def test_list_as_json(run, database):
    status, output, _ = run("collections", "list", "-d", database, "--json")
    assert status == 0
    assert json.loads(output) == [
        {"name": "birds", "model": "lengths", "num_embeddings": 1},
        {"name": "trees", "model": "lengths", "num_embeddings": 2},
    ]


def test_list_of_a_database_without_collections_is_empty(run, tmp_path):
    path = tmp_path / "empty.db"
    vecstore.connect(path, driver="apsw").close()
    message = f"No collections in {path}\n"
    assert run("collections", "list", "-d", str(path)) == (0, "", message)
    assert run("collections", "list", "-d", str(path), "--json") == (0, "[]\n", "")


def test_a_missing_file_is_one_line_and_is_not_created(run, tmp_path):
    path = tmp_path / "missing.db"
    status, output, errors = run("collections", "list", "-d", str(path))
    assert (status, output) == (1, "")
    assert errors == f"Error: {path} does not exist, so it cannot be opened read-only\n"
    assert not path.exists()


def test_a_file_that_is_no_database_is_one_line(run, tmp_path):
    path = tmp_path / "text.db"
    path.write_text("no database " * 1000)
    status, output, errors = run("collections", "list", "-d", str(path))
    assert (status, output) == (1, "")
    assert errors.startswith(f"Error: {path} cannot be read as a SQLite database")
    assert errors.count("\n") == 1


def test_version_of_the_module_run_as_a_process():
    result = subprocess.run(
        [sys.executable, "-m", "vecstore", "--version"], capture_output=True, text=True, check=True
    )
    assert result.stdout == f"vecstore, version {vecstore.__version__}\n"
