"""`vecstore check`: what it prints, and files that are damaged, locked or written meanwhile."""

import json
import subprocess
import sys
from contextlib import closing

import pytest

import vecstore
from tests.support.command import error, output, run
from tests.support.databases import make_pets
from vecstore import check


@pytest.fixture(params=["inside", "beside"])
def form(request, monkeypatch):
    """Where new files have their index."""
    monkeypatch.setenv("VECSTORE_INDEX", request.param)
    return request.param


@pytest.fixture
def database(tmp_path):
    return make_pets(tmp_path / "pets.db", "1 1 1 1 1 1 1 1", "1 0 0 0 0 0 0 0")


def test_the_command_says_that_there_is_no_problem(form, database):
    vecstore.build_index(database)
    contents = "2 embeddings in 1 collection"
    assert output("check", database) == (
        f"{database}: {contents}, index {form} the file\nNo problems\n"
    )
    assert json.loads(output("check", "-d", database, "--json")) == {
        "ok": True,
        "file": str(database),
        "collections": 1,
        "embeddings": 2,
        "problems": [],
        "notes": [],
        "form": form,
    }


def test_the_command_names_problems_and_what_to_do(database):
    with closing(vecstore.connect(database, driver="apsw")) as db:
        db.execute("delete from vec_embeddings_8 where rowid = 2")
        db["embeddings"].insert({"collection_id": 1, "id": "fish"})
    result = run("check", database)
    assert (result.exit_code, result.stderr) == (1, "")
    assert result.stdout == (
        f"{database}: 3 embeddings in 1 collection, index inside the file\n"
        "Problem: The index of 8 dimensions is out of step: 1 vector is missing ('dog' of 'pets')\n"
        "  rebuild it: vecstore index build\n"
        "Note: 1 row has no vector, or one that cannot be compared (zeros, NaN, infinity): no "
        "search finds them ('fish' of 'pets')\n"
        "1 problem\n"
    )
    result = run("check", database, "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["problems"] == [
        {
            "kind": "index",
            "message": "The index of 8 dimensions is out of step: 1 vector is missing",
            "remedy": "rebuild it: vecstore index build",
            "count": 1,
            "examples": [["pets", "dog"]],
        }
    ]


def test_the_default_database_is_checked(database, monkeypatch):
    monkeypatch.setenv("VECSTORE_DB", str(database))
    assert output("check").startswith(f"{database}: 2 embeddings")


def test_a_file_of_another_program_is_an_error(tmp_path):
    path = tmp_path / "other.db"
    with closing(vecstore.connect(path, driver="apsw")) as db:
        db.execute("create table notes (id integer primary key)")
    message = f"{path} has no tables of vecstore or llm: there is nothing to check"
    assert error("check", path) == message
    path.write_bytes(b"")
    assert error("check", path) == message
    path.write_text("No database, but a text that is longer than the header of one." * 9)
    assert error("check", path) == (
        f"{path} cannot be read as a SQLite database: file is not a database"
    )


def test_a_file_of_a_later_version_is_refused_and_untouched(database):
    with closing(vecstore.connect(database, driver="apsw")) as db:
        db.execute(
            "insert into _sqlite_migrations (migration_set, name) values ('vecstore', '9999_new')"
        )
    before = database.read_bytes()
    assert "9999_new, which this vecstore does not know" in error("check", database)
    assert database.read_bytes() == before


@pytest.mark.parametrize("size", [50, 100, 5000, 16384, 100_000])
def test_a_file_that_is_cut_off_is_an_error(database, size):
    database.write_bytes(database.read_bytes()[:size])
    assert error("check", database) == (
        f"{database} cannot be read as a SQLite database: database disk image is malformed"
    )


def test_pages_that_were_overwritten_are_a_problem(database):
    content = bytearray(database.read_bytes())
    content[16384 * 3 : 16384 * 5] = b"\xaa" * 16384 * 2
    database.write_bytes(content)
    result = run("check", database)
    assert result.exit_code == 1
    assert "Problem: SQLite finds the file damaged: " in result.stdout
    assert result.stdout.endswith("\n1 problem\n")


def test_a_file_that_cannot_be_written_is_checked(database):
    database.chmod(0o400)
    database.parent.chmod(0o500)
    try:
        assert output("check", database).endswith("No problems\n")
    finally:
        database.parent.chmod(0o700)


WRITER = """
import random
import sys
import vecstore
from tests.support.models import Vectors

db = vecstore.connect(sys.argv[1], driver="apsw", timeout=30)
collection = vecstore.Collection("pets", db, model=Vectors())
print("ready", flush=True)
while True:
    n = random.randrange(100)
    collection.embed_multi(((n, f"{n} 1 1 1 1 1 1 {i}") for i in range(5)), store=True)
    collection.delete_ids([random.randrange(100)])
    db.execute("insert or replace into embeddings select * from embeddings where id = ?", [str(n)])
    db.execute("update or replace embeddings set id = 'x' || id where id = ?", [str(n)])
    collection.similar_by_vector([1.0] * 8)
    if n < 10:
        vecstore.build_index(db)
"""


def test_what_another_process_writes_meanwhile_is_no_damage(form, database, monkeypatch):
    monkeypatch.setattr(vecstore.sqlite.maintenance.checks, "_ROWS", 7)
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(database)], stdout=subprocess.PIPE
    )
    try:
        process.stdout.readline()
        reports = [check(database) for _ in range(60)]
        assert process.poll() is None
    finally:
        process.kill()
        process.communicate()
    assert [report.problems for report in reports] == [[]] * 60
    assert len({report.embeddings for report in reports}) > 1


def test_a_check_goes_on_while_another_process_writes(database):
    with closing(vecstore.connect(database, driver="apsw")) as db:
        db.execute("begin immediate")
        db.execute("delete from embeddings")
        assert output("check", database).startswith(f"{database}: 2 embeddings in 1 collection")
        db.execute("rollback")
