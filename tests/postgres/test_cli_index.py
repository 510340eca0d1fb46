"""`vecstore index` of a PostgreSQL database: its HNSW indexes."""

import json
import re
import signal
import subprocess
import time

import psycopg
import pytest

from tests.support.command import PROCESS, error, output, run, usage_error
from tests.support.models import Pseudorandom, Vectors
from vecstore import Collection
from vecstore.postgres import checks

BUILT = re.compile(r"\d+ dimensions, an HNSW index of [\d,]+ bytes")


@pytest.fixture
def url(postgres_url):
    """A database with two collections, of which one is large."""
    few = Collection("few", postgres_url, model=Vectors())
    few.embed_multi([("1", "1 0"), ("2", "1 1")])
    Collection("empty", few.store, model=Vectors())
    many = Collection("many", few.store, model=Vectors())
    many.embed_multi([("1", "1 0 0"), ("2", "1 1 0"), ("3", "0 1 1")])
    few.store.close()
    return postgres_url


def listed(url):
    """Return the name, the dimensions and the state of each index."""
    found = json.loads(output("index", "list", url, "--json"))
    return [(index["name"], index["dimensions"], index["is_valid"]) for index in found]


def test_those_that_need_an_index_get_one(url, monkeypatch):
    result = run("index", "build", url)
    assert (result.exit_code, result.stdout, result.stderr) == (
        0,
        "",
        "There is no collection that is large enough to need an index\n",
    )
    monkeypatch.setattr(checks, "WORTH_AN_INDEX", 3)
    assert BUILT.sub("BUILT", output("index", "build", url)) == "many: BUILT\n"
    assert listed(url) == [("vecstore_hnsw_3_3", 3, True)]


def test_one_collection_is_named(url):
    assert BUILT.sub("BUILT", output("index", "build", url, "--graph", "few")) == "few: BUILT\n"
    assert BUILT.sub("BUILT", output("index", "build", url, "--graph")) == "few: BUILT\n"
    assert BUILT.sub("BUILT", output("index", "-d", url)) == "few: BUILT\n"
    assert error("index", "build", url, "--graph", "none").startswith(
        "Collection does not exist: 'none' ("
    )
    assert "has no vectors" in error("index", "build", url, "--graph", "empty")


def test_indexes_are_dropped_by_name_or_all(url):
    for name in ("few", "many"):
        output("index", "build", url, "--graph", name)
    assert output("index", "drop", url, "--graph", "few") == "few: dropped\n"
    assert listed(url) == [("vecstore_hnsw_3_3", 3, True)]
    output("index", "build", url, "--graph", "few")
    assert output("index", "drop", url) == "few: dropped\nmany: dropped\n"
    result = run("index", "drop", url)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "There is no index\n")
    assert (
        run("index", url).stderr == "There is no index of vectors: searches compare all of them\n"
    )


def test_a_database_without_tables_has_no_index(postgres_url):
    assert run("index", "list", postgres_url).exit_code == 0
    assert run("index", "drop", postgres_url).exit_code == 0


def test_keys_of_the_metadata_are_indexed(url):
    keys = ["--metadata", "year", "--metadata", "$.author.name"]
    shown = "year: indexed, for metadata ->> 'year'\n"
    deeper = "author.name: indexed, for metadata #>> '{author,name}'\n"
    assert output("index", "build", url, *keys) == shown + deeper
    assert run("index", "list", url).stdout == deeper + shown
    assert json.loads(output("index", "list", url, "--json"))[1] == {
        "metadata": "year",
        "sql": "metadata ->> 'year'",
        "name": "idx_embeddings_metadata_year",
    }
    result = run("index", "drop", url, "--metadata", "year", "--metadata", "month")
    assert (result.stdout, result.stderr) == ("year: dropped\n", "month: no index\n")
    assert run("index", "list", url).stdout == deeper


@pytest.mark.parametrize("command", ["build", "drop"])
def test_what_is_of_files_is_refused(command):
    url = "postgresql://127.0.0.1:1/pets"
    assert usage_error("index", command, url, "--dimensions", "3") == (
        "--dimensions is for SQLite files: in PostgreSQL an index of vectors is of a collection "
        "(--graph COLLECTION)"
    )
    assert usage_error("index", command, url, "--keywords") == (
        "--keywords is for SQLite files: PostgreSQL keeps the words of a text with its row"
    )


def test_a_build_that_is_interrupted_can_be_done_again(postgres_url):
    model = Pseudorandom()
    many = Collection("many", postgres_url, model=model)
    many.embed("0", "text")
    many.store.close()
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(
            "insert into embeddings (collection_id, id, embedding) "
            "select 1, n::text, array(select random() + 0 * n from generate_series(1, 64))::vector "
            "from generate_series(1, 30000) as n"
        )
        connection.execute("update embeddings set embedding = null where id = '0'")
        command = [*PROCESS, "index", "build", postgres_url]
        pipe = subprocess.PIPE
        build = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True)
        building = "select count(*) from pg_stat_progress_create_index where tuples_done > 100"
        while not connection.execute(building).fetchone()[0]:
            assert build.poll() is None
            time.sleep(0.02)
        build.send_signal(signal.SIGINT)
        printed, errors = build.communicate(timeout=60)
        assert (build.returncode, printed) == (130, "")
        assert errors.splitlines()[-1] == "Interrupted"
        connection.execute("delete from embeddings where id > '1'")
    assert [valid for *_, valid in listed(postgres_url)] in ([], [False])
    output("index", "build", postgres_url, "--graph", "many")
    assert listed(postgres_url) == [("vecstore_hnsw_1_64", 64, True)]
