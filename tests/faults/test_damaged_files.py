"""Files that are cut off, of another program, of a later version or of an old llm: each command."""

import shutil
from pathlib import Path

import pytest

import vecstore
from tests.support.every_kind import COMMANDS, KINDS, NAMES, opened, run_in
from tests.support.models import Pseudorandom
from vecstore import Collection, DatabaseError, check

pytestmark = pytest.mark.usefixtures("pseudorandom_installed")

PAGE = 16384
READING = {"similar", "list", "check", "index-list", "backup", "export"}


def contents(folder):
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def assert_refused(folder, command, message):
    """Run a command that is to end in one line, and to change no file and leave none."""
    before = contents(folder)
    result = run_in(folder, command)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"Error: {folder / 'test.db'} ")
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert contents(folder) == before


@pytest.fixture(params=["wal", "journal", "llm-1"])
def path(request, originals, tmp_path):
    return originals.copy(request.param, tmp_path / "folder")


def test_a_file_that_is_cut_off_anywhere_is_refused(path):
    whole = path.read_bytes()
    page = int.from_bytes(whole[16:18], "big")
    for size in [50, 99, 100, 101, 512, *range(page, len(whole) - 1, page), len(whole) - page - 7]:
        path.write_bytes(whole[:size])
        with pytest.raises(DatabaseError, match=r"test\.db cannot be read as a SQLite database"):
            vecstore.connect(path, driver="apsw")
        assert path.read_bytes() == whole[:size]
        assert_refused(path.parent, "check", "malformed")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_on_a_file_that_is_cut_off_is_one_line(path, command):
    whole = path.read_bytes()
    for size in (100, PAGE, len(whole) // 2, len(whole) - PAGE):
        path.write_bytes(whole[:size])
        assert_refused(path.parent, command, "cannot be read as a SQLite database")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_file_of_another_kind_is_refused_and_untouched(originals, tmp_path, command):
    path = originals.copy("wal", tmp_path / "folder")
    path.write_bytes(b"not a database " * 1000)
    assert_refused(path.parent, command, "cannot be read as a SQLite database")


@pytest.mark.parametrize("command", sorted(COMMANDS.keys() - {"list", "index-list", "backup"}))
def test_a_file_of_a_newer_vecstore_is_refused_and_untouched(path, command):
    make_newer(path)
    assert_refused(path.parent, command, "9999_new, which this vecstore does not know: upgrade")


@pytest.mark.parametrize("command", ["list", "index-list", "backup"])
def test_what_only_reads_a_file_of_a_newer_vecstore_leaves_it_untouched(path, command):
    make_newer(path)
    before = path.read_bytes()
    assert run_in(path.parent, command).exit_code == 0
    assert path.read_bytes() == before


def make_newer(path):
    with opened(path) as db:
        db.execute(
            "insert into _sqlite_migrations (migration_set, name, applied_at) "
            "values ('vecstore', '9999_new', '')"
        )


def rows_of(path):
    with opened(path) as db:
        sql = "select collection_id, id, embedding, content, metadata from embeddings order by id"
        return set(db.execute(sql).fetchall())


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.startswith("llm")])
@pytest.mark.parametrize("command", [*sorted(READING), "embed-multi", "compact", "delete"])
def test_a_command_keeps_what_an_old_llm_has_stored(originals, tmp_path, kind, command):
    path = originals.copy(kind, tmp_path / "folder")
    content, before = path.read_bytes(), rows_of(path)
    assert run_in(path.parent, command).exit_code == 0
    if command == "delete":
        assert rows_of(path) == set()
    else:
        assert before <= rows_of(path)
    assert check(path).problems == []
    if command in READING - {"similar"}:
        assert path.read_bytes() == content
    index = {"test.db-vec"} if command in ("similar", "compact") else set()  # it is beside the file
    assert {file.name for file in path.parent.iterdir()} == NAMES | index


def test_a_wal_that_is_cut_off_anywhere_keeps_the_commits_before(tmp_path):
    path, copy = tmp_path / "test.db", tmp_path / "copy" / "test.db"
    copy.parent.mkdir()
    states = []
    with opened(path) as db:
        collection = Collection("one", db, model=Pseudorandom())
        db.execute("pragma wal_checkpoint(truncate)").fetchall()
        states.append(collection.ids())
        for n in range(4):
            collection.embed_multi((f"{n}-{i}", f"text {n} {i}") for i in range(3))
            states.append(collection.ids())
        main, wal = path.read_bytes(), Path(f"{path}-wal").read_bytes()
    seen = []
    for size in [*range(0, len(wal), PAGE + 24), *range(0, len(wal), 400_009), 31, 33]:
        copy.write_bytes(main)
        Path(f"{copy}-wal").write_bytes(wal[:size])
        with opened(copy) as db:
            ids = Collection("one", db).ids()
            assert check(db).problems == []
        assert ids in states
        seen.append(ids)
    assert len({len(ids) for ids in seen}) > 2
    shutil.rmtree(copy.parent)
