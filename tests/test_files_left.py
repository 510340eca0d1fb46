"""Which files there are after each command, done or failed, and who may read them."""

import os
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlite_utils

import vecstore
from tests.support.command import output, run
from tests.support.databases import NoExtensions
from vecstore import Collection
from vecstore.sqlite.maintenance import backups


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files, of Python and of SQLite."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    monkeypatch.setenv("SQLITE_TMPDIR", str(folder))
    return folder


@pytest.fixture
def work(tmp_path: Path, temporary: Path, registered: object) -> Path:
    """A folder with a database and a file of rows."""
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "rows.csv").write_text("id,text\n1,one\n2,two\n")
    output("embed-multi", "c", folder / "rows.csv", *source(folder), "--store", "-q")
    return folder


@pytest.fixture(params=[0o077, 0o027, 0o022], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def source(folder: Path) -> tuple[object, ...]:
    return "-m", "words", "-d", folder / "test.db"


def modes(folder: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}


def test_files_are_created_with_the_users_umask(umask, work, temporary):
    """SQLite gives -wal and -shm the mode of their database."""
    folder = work / "new"
    folder.mkdir()
    database, copy = folder / "test.db", folder / "copy.db"
    rows, errors = folder / "rows.jsonl", folder / "errors"
    with closing(vecstore.connect(database, driver="apsw")) as reader:
        arguments = (
            "embed-multi",
            "c",
            work / "rows.csv",
            "-d",
            database,
            "-m",
            "words",
            "--store",
        )
        output(*arguments, "-q", "--errors", errors)
        reader.execute("select * from embeddings").fetchall()
        output("collections", "export", "c", rows, "-d", database)
        output("collections", "export", "c", folder / "rows.parquet", "-d", database)
        output("backup", database, copy)
        output("backup", database, folder / "plain.db", "--plain")
        output("collections", "import", rows, "-d", folder / "other.db")
        of_databases = ["test.db", "test.db-wal", "test.db-shm", "copy.db", "plain.db", "other.db"]
        of_all = [*of_databases, "rows.jsonl", "rows.parquet", "errors"]
        assert modes(folder) == dict.fromkeys(of_all, 0o666 & ~umask & ~0o022)
    output("compact", database)
    assert modes(folder)["test.db"] == 0o666 & ~umask & ~0o022
    assert list(temporary.iterdir()) == []


def test_what_is_replaced_keeps_its_mode(umask, work):
    for name, command in {
        "copy.db": ("backup", work / "test.db", work / "copy.db"),
        "rows.jsonl": ("collections", "export", "c", work / "rows.jsonl", "-d", work / "test.db"),
    }.items():
        output(*command)
        (work / name).chmod(0o600)
        output(*command)
        assert modes(work)[name] == 0o600
    (work / "test.db").chmod(0o640)
    output("compact", work / "test.db")
    assert modes(work)["test.db"] == 0o640


def test_a_copy_can_never_be_read_by_more_than_what_it_replaces(work, monkeypatch):
    """Also not while it is written."""
    output("backup", work / "test.db", work / "copy.db")
    (work / "copy.db").chmod(0o600)
    seen = []

    def watched(*arguments):
        seen.append(modes(work))
        return original(*arguments)

    original = backups._copy
    monkeypatch.setattr(backups, "_copy", watched)
    output("backup", work / "test.db", work / "copy.db")
    [found] = seen
    assert [mode for name, mode in found.items() if name.startswith("copy.db.")] == [0o600]


def damage(folder: Path) -> None:
    file = folder / "test.db"
    content = bytearray(file.read_bytes())
    content[16384:32768] = bytes(16384)
    file.write_bytes(content)


def make_unfit_for_parquet(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "test.db")) as conn:
        conn.execute("drop trigger if exists vec_embeddings_16_update_incomparable")
        conn.execute("update embeddings set updated = 'never' where id = '2'")
        conn.commit()


def nothing(folder: Path) -> None:
    pass


FAILURES: dict[str, tuple[Callable[[Path], None], tuple[str, ...]]] = {
    "a damaged database": (damage, ("backup", "test.db", "copy.db")),
    "what Parquet cannot hold": (
        make_unfit_for_parquet,
        ("collections", "export", "c", "rows.parquet", "-d", "test.db"),
    ),
    "a collection that is missing": (
        nothing,
        ("collections", "export", "d", "rows.jsonl", "-d", "test.db"),
    ),
    "no export": (nothing, ("collections", "import", "rows.csv", "-d", "test.db")),
    "a query that writes": (
        nothing,
        ("embed-multi", "c", "--sql", "vacuum into 'copy.db'", "-d", "test.db"),
    ),
    "a query that fails half way": (
        nothing,
        (
            "embed-multi",
            "c",
            "--sql",
            "select id, abs(-9223372036854775807 - n) from "
            "(select 1 as id, 0 as n union all select 2, 1)",
            "-d",
            "test.db",
        ),
    ),
    "a query without a database": (
        nothing,
        ("embed-multi", "c", "--sql", "select 1", "-d", "new.db", "-m", "words"),
    ),
    "a row that is none": (nothing, ("embed-multi", "c", "test.db", "-d", "test.db")),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_command_that_fails_leaves_no_file(work, temporary, monkeypatch, failure):
    monkeypatch.chdir(work)
    prepare, command = FAILURES[failure]
    prepare(work)
    before = {path.name for path in work.iterdir()}
    result = run(*command)
    assert (result.exit_code, result.stdout) == (1, "")
    # A reader leaves these, empty, and the next writer removes them.
    of_wal = {"test.db-wal", "test.db-shm"}
    assert {path.name for path in work.iterdir()} - of_wal == before
    assert list(temporary.iterdir()) == []


def test_memory_that_moves_to_another_library_leaves_no_file(temporary, model):
    conn = sqlite3.connect(":memory:", factory=NoExtensions)
    conn.execute("create table t (a)")
    Collection("c", sqlite_utils.Database(conn), model=model).db.close()
    assert list(temporary.iterdir()) == []
