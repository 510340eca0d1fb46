"""`vecstore index`: what its options take, and what it says of graphs."""

import pytest

import vecstore
from tests.support.command import output, process, run, usage_error
from tests.support.models import Pseudorandom
from vecstore import Collection

ENTRIES = 5_000  # enough for the bits to answer


@pytest.fixture
def database(tmp_path, monkeypatch):
    """A file in the working directory that is not the default one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VECSTORE_DB", str(tmp_path / "none.db"))
    Collection("pets", "pets.db", model=Pseudorandom()).embed("hound", "my happy hound")
    return tmp_path / "pets.db"


@pytest.mark.parametrize("command", ["build", "drop"])
@pytest.mark.parametrize("option", ["--graph", "--metadata"])
def test_a_file_that_an_option_takes_for_its_value_is_told(database, command, option):
    assert usage_error("index", command, option, "pets.db") == (
        f"{option} takes 'pets.db' as its value, and no file is given: put that first, "
        f"vecstore index {command} pets.db {option}"
    )


def test_a_value_that_is_named_like_a_file_is_taken_where_there_is_another(database):
    assert output("index", "build", "pets.db", "--metadata", "pets.db") == (
        """$."pets.db": indexed, for json_extract(metadata, '$."pets.db"')\n"""
    )
    assert output("index", "drop", "-d", "pets.db", "--metadata", "pets.db") == "pets.db: dropped\n"


def test_a_collection_without_entries_gets_no_graph(database):
    Collection("none", database, model=Pseudorandom())
    result = run("index", "build", database, "--graph", "none")
    assert result.stderr == "Collection 'none' has no vectors for a graph\n"
    assert (result.exit_code, result.stdout) == (0, "")


def test_explain_says_why_a_command_goes_without_a_graph(database):
    pytest.importorskip("usearch")
    pets = Collection("pets", database, model=Pseudorandom())
    pets.embed_multi((f"pet {i}", f"pet {i}") for i in range(ENTRIES))
    explain = ("similar", "pets", "hound", "-d", database, "--explain")
    assert "graph" not in process(*explain).stdout
    vecstore.build_graph(database, "pets")
    explained = process(*explain).stdout
    assert explained.startswith("fast: ")
    assert explained.splitlines()[-1].startswith(
        "The collection has a graph, which the first search of a process"
    )
