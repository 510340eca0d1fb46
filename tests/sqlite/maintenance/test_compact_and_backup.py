"""compact() gives space back, and backup() copies, while others read and write."""

import sqlite3
import stat
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
import sqlite_utils

import vecstore
from tests.support.command import error, output, run
from tests.support.damage import notes, problems
from tests.support.databases import rows
from tests.support.models import Vectors
from vecstore import Backup, Collection, DatabaseError, backup, check, compact


@pytest.fixture
def large(form, db):
    """5,000 vectors of 64 dimensions, of which a tenth will be left."""
    collection = Collection("one", db, model=Vectors())
    collection.embed_multi((n, f"{n} 1 " * 32) for n in range(5000))
    return collection


@pytest.fixture
def large_inside(large):
    vecstore.move_index(large.db, "inside")
    return large


def size_of(path):
    """Return the size of a file, with its index."""
    beside = Path(f"{path}-vec")
    return Path(path).stat().st_size + (beside.stat().st_size if beside.exists() else 0)


def delete_most(collection):
    collection.delete_ids(n for n in range(5000) if n % 10)


def files(path):
    folder = Path(path).parent
    return sorted(file.name for file in folder.glob(f"{Path(path).name}*"))


def test_the_file_is_then_as_small_as_one_that_never_had_more(large, path, tmp_path):
    compact(large.db)
    before = size_of(path)
    delete_most(large)
    done = compact(large.db)
    assert not done.is_pending
    assert done.before >= before
    assert size_of(path) == done.after
    with closing(vecstore.connect(tmp_path / "fresh.db", driver="apsw")) as db:
        fresh = Collection("one", db, model=Vectors())
        fresh.embed_multi((n, f"{n} 1 " * 32) for n in range(0, 5000, 10))
        assert done.after <= compact(db).after < before / 4
    assert check(large.db).problems == []
    assert len(large.similar_by_id("10", 1000)) == 499


def test_an_index_that_was_dropped_is_built(large):
    vecstore.drop_index(large.db)
    compact(large.db)
    assert (check(large.db).problems, check(large.db).notes) == ([], [])


def test_a_reader_keeps_what_it_sees_and_the_file_shrinks_when_it_is_done(large_inside, path):
    delete_most(large_inside)
    large_inside.db.close()
    with closing(vecstore.connect(path, driver="apsw", timeout=0)) as db:
        with closing(vecstore.connect(path, driver="apsw")) as reader:
            reader.execute("begin")
            assert rows(reader, "select count(*) from embeddings") == [(500,)]
            size = size_of(path)
            assert compact(db).is_pending
            assert rows(reader, "select count(*) from vec_embeddings_64") == [(500,)]
            assert size_of(path) == size
        assert not compact(db).is_pending
        assert size_of(path) < size / 3
    assert check(path).ok


def test_another_writer_is_an_error_and_nothing_is_lost(large, path):
    large.db.close()
    with closing(vecstore.connect(path, driver="apsw", timeout=0)) as db:
        with closing(vecstore.connect(path, driver="apsw")) as other:
            other.execute("begin immediate")
            with pytest.raises(DatabaseError, match=r"\(database is locked\), .*: try again when"):
                compact(db)
        assert check(db).ok
        with pytest.raises(DatabaseError, match="while a transaction is open"):
            db.execute("begin")
            compact(db)


def test_a_full_disk_is_an_error_and_nothing_is_lost(tmp_path):
    path = tmp_path / "test.db"
    with closing(vecstore.connect(path, driver="apsw")) as db:
        collection = Collection("one", db, model=Vectors())
        collection.embed_multi((n, f"{n} 1 " * 32) for n in range(3000))
    limit = (
        "import resource, sys, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({size_of(path) // 3}, -1)); "
        "from vecstore.cli import main; main()"
    )
    process = subprocess.run(
        [sys.executable, "-c", limit, "compact", str(path)], capture_output=True, text=True
    )
    assert (process.returncode, process.stdout) == (1, "")
    assert process.stderr.startswith(f"Error: {path} was not compacted (")
    assert process.stderr.count("\n") == 1
    report = check(path)
    assert (report.problems, report.embeddings) == ([], 3000)


def test_a_database_in_memory_is_compacted(closing):
    collection = Collection("one", model=Vectors())
    closing(collection.db)
    collection.embed("a", "1 2 3")
    assert not compact(collection.db).is_pending
    assert check(collection.db).ok


def test_a_database_of_another_program_is_compacted_and_gets_no_tables(path):
    with closing(sqlite_utils.Database(path)) as db:
        db["notes"].insert({"id": 1})
    compact(path)
    with closing(sqlite_utils.Database(path)) as db:
        assert db.table_names() == ["notes"]


# Backups


def content(path):
    with closing(vecstore.connect(path)) as db:
        return [rows(db, f"select * from {table}") for table in ("collections", "embeddings")]


def test_a_copy_is_whole_and_clean_and_one_file(large, form, path, tmp_path):
    target = tmp_path / "copy.db"
    done = backup(large.db, target)
    assert done == Backup(1, 5000, size_of(target))
    assert files(target) == ["copy.db"]
    large.db.close()
    assert content(target) == content(path)
    assert problems(target) == []
    missing = [("There is no index of 5,000 vectors of 64 dimensions", [])]
    assert notes(target) == (missing if form == "beside" else [])


def test_a_plain_copy_can_be_written_by_any_sqlite(large, form, tmp_path):
    target = tmp_path / "copy.db"
    size = backup(large.db, tmp_path / "whole.db").bytes
    assert backup(large.db, target, plain=True).bytes < size * (0.7 if form == "inside" else 1)
    with closing(sqlite3.connect(target)) as plain:
        kinds = {kind for (kind,) in plain.execute("select type from sqlite_master")}
        assert kinds == {"table", "index"}
        assert plain.execute("pragma journal_mode").fetchone() == ("delete",)
        plain.execute("delete from embeddings where id = '7'")
        plain.commit()
    assert check(target).problems == []
    with closing(vecstore.connect(target)) as db:
        assert len(Collection("one", db).similar_by_id("8", 100)) == 100
        assert check(db).form == form
        assert (check(db).problems, check(db).notes) == ([], [])


def test_views_and_tables_of_the_users_own_are_in_a_plain_copy(db, tmp_path):
    db.execute("create table vecstore_items (id integer primary key)")
    Collection("one", db, model=Vectors()).embed("a", "1 2 3")
    db.execute("create view mine as select 1")
    db.execute("create trigger mine_too after insert on collections begin select 1; end")
    backup(db, tmp_path / "copy.db", plain=True)
    with closing(sqlite3.connect(tmp_path / "copy.db")) as plain:
        found = {name for (name,) in plain.execute("select name from sqlite_master")}
    assert {"vecstore_items", "mine", "mine_too"} <= found


def test_an_older_copy_is_replaced_and_keeps_its_mode(large, tmp_path):
    target = tmp_path / "copy.db"
    backup(large.db, target)
    target.chmod(0o600)
    large.embed("new", "1 " * 64)
    assert backup(large.db, target).embeddings == 5001
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def test_a_copy_takes_the_place_of_what_a_link_names(large, tmp_path):
    (tmp_path / "real").mkdir()
    backup(large.db, tmp_path / "real" / "copy.db")
    (tmp_path / "link.db").symlink_to(tmp_path / "real" / "copy.db")
    backup(large.db, tmp_path / "link.db")
    assert (tmp_path / "link.db").is_symlink()
    assert files(tmp_path / "real" / "copy.db") == ["copy.db"]


REFUSED = [
    ("test.db", "is the database itself"),
    ("link.db", "is the database itself"),
    ("notes.txt", "is no SQLite database, and would be lost"),
    ("folder", "is no file"),
    ("missing/copy.db", "does not exist: make that folder first"),
    ("used.db", "used.db-wal exists, so a program has"),
]


@pytest.mark.parametrize(("name", "message"), REFUSED)
def test_a_target_that_must_not_be_replaced_is_refused(tmp_path, path, name, message):
    with closing(vecstore.connect(path, driver="apsw")) as db:
        Collection("one", db, model=Vectors()).embed("a", "1 2 3")
    (tmp_path / "link.db").symlink_to(path)
    (tmp_path / "notes.txt").write_text("Important")
    (tmp_path / "folder").mkdir()
    with closing(vecstore.connect(tmp_path / "used.db", driver="apsw")) as used:
        used.execute("create table t (id)")
        with pytest.raises(DatabaseError, match=message):
            backup(path, tmp_path / name)
    assert (tmp_path / "notes.txt").read_text() == "Important"
    assert not list(tmp_path.glob("*.tmp"))
    assert check(path).ok


def test_a_damaged_database_replaces_no_copy(tmp_path, path):
    with closing(vecstore.connect(path, driver="apsw")) as db:
        Collection("one", db, model=Vectors()).embed("a", "1 2 3")
        [[page]] = rows(db, "select rootpage from sqlite_master where name = 'embeddings'")
        [[size]] = rows(db, "pragma page_size")
    target = tmp_path / "copy.db"
    backup(path, target)
    before = target.read_bytes()
    damaged = bytearray(Path(path).read_bytes())
    damaged[(page - 1) * size : page * size] = b"\xaa" * size
    Path(path).write_bytes(damaged)
    with pytest.raises(DatabaseError, match="The copy of .* is damaged .* an older one was kept"):
        backup(path, target)
    assert target.read_bytes() == before
    assert files(target) == ["copy.db"]


def test_an_open_transaction_is_refused(large, tmp_path):
    large.db.execute("begin")
    with pytest.raises(DatabaseError, match="while a transaction is open"):
        backup(large.db, tmp_path / "copy.db")
    large.db.rollback()


WRITER = """
import sys
import vecstore
from tests.support.models import Vectors

db = vecstore.connect(sys.argv[1], driver="apsw", timeout=30)
collection = vecstore.Collection("one", db, model=Vectors())
print("ready", flush=True)
n = 0
while True:
    collection.embed_multi((f"{n}-{i}", f"{n} {i} 1 1 1 1 1 1") for i in range(10))
    n += 1
"""


def test_copies_are_of_one_moment_while_another_process_writes(path, tmp_path):
    with closing(vecstore.connect(path, driver="apsw")) as db:
        Collection("one", db, model=Vectors()).embed("a", "1 1 1 1 1 1 1 1")
    process = subprocess.Popen([sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE)
    try:
        process.stdout.readline()
        seen = []
        for n in range(8):
            time.sleep(0.1)
            plain = n % 2 == 1
            done = backup(path, tmp_path / "copy.db", plain=plain)
            assert done.embeddings % 10 == 1
            assert check(tmp_path / "copy.db").problems == []
            seen.append(done.embeddings)
        assert process.poll() is None
    finally:
        process.kill()
        process.communicate()
    assert seen == sorted(seen)
    assert seen[-1] > seen[0]
    assert check(path).ok


def test_the_commands(tmp_path):
    database, target = tmp_path / "pets.db", tmp_path / "copy.db"
    with closing(vecstore.connect(database, driver="apsw")) as db:
        Collection("pets", db, model=Vectors()).embed("cat", "1 2 3")
    assert output("backup", database, target) == (
        f"{target}: 1 embedding in 1 collection, 0.3 MB\n"
    )
    assert output("compact", target) == f"{target}: 0.3 MB, now 0.3 MB\n"
    assert output("backup", database, target, "--plain").endswith(", 0.1 MB\n")
    assert error("backup", database, database) == (
        f"{database} is the database itself: name another file for the copy"
    )
    assert error("backup", tmp_path / "no.db", target).startswith("There is no database")


def test_compact_says_that_a_reader_keeps_the_space(tmp_path, monkeypatch):
    monkeypatch.setattr(vecstore.cli.databases, "_PATIENCE_SECONDS", 0.1)
    database = tmp_path / "pets.db"
    with closing(vecstore.connect(database, driver="apsw")) as db:
        Collection("pets", db, model=Vectors()).embed("cat", "1 2 3")
        db.execute("begin")
        rows(db, "select count(*) from embeddings")
        result = run("compact", database)
    assert result.exit_code == 0
    assert result.stderr == "The file shrinks when the programs that read it now are done\n"
