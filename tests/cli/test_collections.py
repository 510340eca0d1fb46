"""`vecstore collections` and `vecstore embed-models`."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import vecstore
from tests.support.command import PROCESS, error, output, process, run, usage_error
from tests.support.models import WordLengths


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "cli.db"
    db = vecstore.connect(path, driver="apsw")
    vecstore.Collection("trees", db, model=WordLengths()).embed_multi([("1", "oak"), ("2", "ash")])
    vecstore.Collection("birds", db, model=WordLengths()).embed("1", "heron")
    db.close()
    return path


LIST = "birds: word-lengths\n  1 embedding\ntrees: word-lengths\n  2 embeddings\n"


@pytest.mark.parametrize("command", [["list"], []], ids=["list", "default"])
def test_list_shows_name_model_and_number(database, command):
    result = run("collections", *command, "-d", database)
    assert (result.exit_code, result.stdout) == (0, LIST)
    assert result.stderr == "The index is inside the file\n"


def test_list_says_that_the_index_is_beside_the_file(database):
    vecstore.move_index(database, "beside")
    result = run("collections", "list", "-d", database)
    assert (result.exit_code, result.stdout) == (0, LIST)
    assert result.stderr == f"The index is beside the file, in {database}-vec\n"


def test_list_as_json(database):
    assert json.loads(output("collections", "list", "-d", database, "--json")) == [
        {"name": "birds", "model": "word-lengths", "num_embeddings": 1},
        {"name": "trees", "model": "word-lengths", "num_embeddings": 2},
    ]


def test_list_of_the_file_in_the_environment(database, monkeypatch):
    monkeypatch.setenv("VECSTORE_DB", str(database))
    assert run("collections").stdout == LIST
    assert output("collections", "path") == f"{database}\n"


def test_list_of_a_database_without_collections_is_empty(tmp_path):
    path = tmp_path / "empty.db"
    vecstore.connect(path, driver="apsw").close()
    result = run("collections", "list", "-d", path)
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == f"No collections in {path}\n"
    assert output("collections", "list", "-d", path, "--json") == "[]\n"


@pytest.mark.parametrize("command", ["list", "delete trees", "delete trees --yes"])
def test_a_missing_file_is_one_line_and_is_not_created(tmp_path, command):
    path = tmp_path / "missing.db"
    assert error("collections", *command.split(), "-d", path).startswith(
        f"There is no database {path}: 'vecstore embed' makes one"
    )
    assert not path.exists()


def test_path_is_in_the_folder_of_the_user_which_is_not_made(tmp_path):
    path = tmp_path / "home" / "vecstore" / "embeddings.db"
    assert output("collections", "path") == f"{path}\n"
    assert not path.parent.exists()


@pytest.mark.parametrize("option", [[], ["-y"], ["--yes"]])
def test_delete_asks_nothing_without_a_terminal(database, option):
    assert output("collections", "delete", "trees", "-d", database, *option) == ""
    assert run("collections", "-d", database).stdout == "birds: word-lengths\n  1 embedding\n"


def test_delete_asks_nothing_where_there_is_no_input_at_all(database):
    close = "import os, sys; os.close(0); os.execv(sys.argv[1], sys.argv[1:])"
    command = [sys.executable, "-c", close, *PROCESS, "collections", "delete", "trees"]
    result = subprocess.run([*command, "-d", str(database)], capture_output=True, text=True)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_delete_of_what_is_not_there_changes_nothing(database):
    before = database.read_bytes()
    message = f"Collection does not exist: 'stones' ({database.resolve()} has 'birds', 'trees')"
    assert error("collections", "delete", "stones", "-d", database) == message
    assert database.read_bytes() == before


def test_delete_in_a_file_of_another_program_adds_no_tables(tmp_path):
    path = tmp_path / "other.db"
    db = vecstore.connect(path, driver="apsw")
    db.execute("create table notes (id integer primary key)")
    db.close()
    assert "Collection does not exist" in error("collections", "delete", "trees", "-d", path)
    db = vecstore.connect(path, driver="apsw")
    assert db.table_names() == ["notes"]
    db.close()


def test_models_are_listed_with_their_aliases(registered):
    lines = output("embed-models").splitlines()
    assert "WordLengths: word-lengths (aliases: words)" in lines
    assert "OpenAIModel: text-embedding-3-small (aliases: 3-small)" in lines
    assert output("embed-models", "list").splitlines() == lines


def test_models_are_those_that_match_every_term(registered):
    query = ["-q", "WORD", "-q", "lengths"]
    expected = "WordLengths: word-lengths (aliases: words)\n"
    assert output("embed-models", "list", *query) == expected
    assert output("embed-models", *query) == expected
    assert output("embed-models", "list", *query, "-q", "nothing") == ""


def test_the_default_model_is_shown_set_and_removed(registered):
    none = run("embed-models", "default")
    assert (none.exit_code, none.stdout) == (0, "")
    assert none.stderr == "<No default embedding model set>\n"
    assert output("embed-models", "default", "words") == ""
    assert output("embed-models", "default") == "word-lengths\n"
    assert output("embed-models", "default", "--remove-default") == ""
    assert run("embed-models", "default").stderr == none.stderr


def test_the_default_model_of_the_environment_comes_first(registered, monkeypatch):
    output("embed-models", "default", "3-small")
    monkeypatch.setenv("VECSTORE_EMBEDDING_MODEL", "words")
    assert output("embed-models", "default") == "words\n"


def test_an_unknown_default_model_is_refused_and_the_old_one_stays(registered):
    output("embed-models", "default", "words")
    assert "Unknown embedding model: 'wodrs'" in error("embed-models", "default", "wodrs")
    assert output("embed-models", "default") == "word-lengths\n"


def test_a_default_model_is_either_set_or_removed(registered):
    message = "MODEL and --remove-default cannot be used together"
    assert usage_error("embed-models", "default", "words", "--remove-default") == message


def test_delete_in_a_process_without_a_terminal(database):
    result = process("collections", "delete", "trees", "-d", database, input="")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
