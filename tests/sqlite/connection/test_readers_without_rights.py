"""Readers that may not write beside the file, while others do: old or new answers, no mixture."""

import io
import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import closing

import pytest

import vecstore
from tests.support import ROOT
from tests.support.command import run
from tests.support.databases import LOADS_EXTENSIONS
from tests.support.models import Pseudorandom
from tests.support.ordinary_user import as_an_ordinary_user
from vecstore import Collection, DatabaseError, FileChangedError
from vecstore.cli.options import open_existing
from vecstore.cli.shell import _make_shell
from vecstore.readers.query import read_query

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be two users")

ENTRIES = 30
VECTOR = [1.0] * Pseudorandom.dimensions
DRIVERS = ["apsw", "sqlite3"] if LOADS_EXTENSIONS else ["apsw"]

# What root does in a process of its own: each line is a command with a version of all entries.
WRITER = f"""
import os, sys, time
from contextlib import closing
import vecstore
from tests.support.models import Pseudorandom

def opened(path):
    db = vecstore.connect(path, driver="apsw")
    return db, vecstore.Collection("docs", db, model=Pseudorandom())

def write(collection, n):
    texts = [f"{{n}} " + "x" * (i * n % 700) for i in range({ENTRIES})]
    entries = ((f"id {{i:02}}", text, {{"n": n}}) for i, text in enumerate(texts))
    collection.embed_multi_with_metadata(entries, store=True)

def session(path, n, vacuum=False):
    db, collection = opened(path)
    with closing(db):
        write(collection, n)
        if vacuum:
            db.execute("vacuum")

def replace(path, n):
    session(path + ".new", n)
    os.replace(path + ".new", path)

def storm(path, n):
    for n in range(n, n + 40):
        is_left = os.path.exists(path + "-wal")  # as a reader has it open: no time to replace it
        (session if is_left or n % 3 else replace)(path, n)
        time.sleep(0.02 * (n % 3))

for line in sys.stdin:
    path, command, n = line.rstrip("\\n").split("\\t")
    n = int(n)
    if command == "open":
        db, collection = opened(path)
    elif command == "commit":
        write(collection, n)
    elif command == "checkpoint":
        db.execute("pragma wal_checkpoint(truncate)").fetchall()
    elif command == "vacuum":
        db.execute("vacuum")
    elif command == "close":
        db.close()
    else:
        {{"session": session, "replace": replace, "storm": storm}}[command](path, n)
    print("done", flush=True)
"""


class Writer:
    """A process of root's."""

    def __init__(self):
        self._process = subprocess.Popen(
            [sys.executable, "-c", WRITER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )

    def begin(self, path, command, n=0):
        self._process.stdin.write(f"{path}\t{command}\t{n}\n")
        self._process.stdin.flush()

    def end(self):
        assert self._process.stdout.readline() == "done\n"

    def __call__(self, path, command, n=0):
        self.begin(path, command, n)
        self.end()

    def close(self):
        self._process.communicate()


@pytest.fixture(scope="module")
def writer():
    with closing(Writer()) as made:
        yield made


@pytest.fixture
def path(writer, public_folder):
    """A file of root's, in a folder of root's."""
    folder = public_folder / "folder"
    folder.mkdir()
    writer(folder / "docs.db", "session", 0)
    return folder / "docs.db"


@pytest.fixture(params=DRIVERS)
def reader(request, path, closing):
    """A Database of an ordinary user, who this process is meanwhile."""
    with as_an_ordinary_user():
        db = vecstore.connect(path, driver=request.param, read_only=True)
        yield closing(db)
        db.close()


def versions(collection):
    """Return what every operation says of the version of all entries, each of which is complete."""
    everywhere = {}
    for name, entries in {
        "iteration": list(collection),
        "similar": collection.similar("a text", 100),
        "where": collection.similar("a text", 100, where="id is not null"),
        "explain": collection.explain(id="id 07", number=100).entries,
        "get": [collection.get("id 09")],
    }.items():
        assert len(entries) == {"get": 1, "explain": ENTRIES - 1}.get(name, ENTRIES)
        everywhere[name] = {entry.metadata["n"] for entry in entries}
        assert {int(entry.content.split()[0]) for entry in entries} == everywhere[name]
    rows = collection.db.execute("select metadata from embeddings").fetchall()
    everywhere["sql"] = {json.loads(metadata)["n"] for (metadata,) in rows}
    rows = collection.db.query("select metadata from embeddings order by id")
    everywhere["query"] = {json.loads(row["metadata"])["n"] for row in rows}
    assert (collection.count(), len(collection.ids()), "id 03" in collection) == (
        ENTRIES,
        ENTRIES,
        True,
    )
    return everywhere


def assert_version(collection, n):
    everywhere = versions(collection)
    assert everywhere == {operation: {n} for operation in everywhere}


def test_a_reader_lives_through_all_that_a_writer_does(writer, path, reader):
    collection = Collection("docs", reader, model=Pseudorandom())
    assert_version(collection, 0)
    for n, command in enumerate(["session", "session", "replace", "replace", "session"], 1):
        writer(path, command, n)
        assert_version(collection, n)
        assert reader.conn.watch.is_frozen
    writer(path, "open")
    for n, command in enumerate(["checkpoint", "commit", "vacuum", "checkpoint"], 6):
        writer(path, "commit", n)
        assert_version(collection, n)
        assert not reader.conn.watch.is_frozen
        writer(path, command, n)
        assert_version(collection, n)
    writer(path, "close")
    assert_version(collection, 9)
    writer(path, "session", 10)
    assert_version(collection, 10)


def test_a_reader_that_came_while_a_writer_was_there_stays_when_it_has_gone(writer, path, closing):
    writer(path, "open")
    writer(path, "commit", 1)
    with as_an_ordinary_user():
        first = closing(vecstore.connect(path, read_only=True))
        collection = Collection("docs", first, model=Pseudorandom())
        assert_version(collection, 1)
        first.close()
        writer(path, "close")
        collection = Collection("docs", closing(vecstore.connect(path, read_only=True)))
        assert collection.get("id 00").metadata == {"n": 1}
        assert collection.db.conn.watch.is_frozen
        collection.db.close()


def test_a_whole_operation_is_done_again_if_the_file_is_changed_meanwhile(writer, path, reader):
    collection = Collection("docs", reader, model=Pseudorandom())
    changes = iter([1, 2])

    def change(value):
        n = next(changes, None)
        if n:
            writer(path, "session", n)
        return value

    reader.register_function(change)
    assert {entry.metadata["n"] for entry in collection.similar("x", where="change(1)")} == {2}
    changes = iter([3])
    explanation = collection.explain("x", where="change(1)", exact=True)
    assert {entry.metadata["n"] for entry in explanation.entries} == {3}
    assert len(explanation.steps) == 1


def test_no_row_of_a_changed_file_is_handed_out(writer, path, reader):
    rows = reader.execute("select metadata from embeddings")
    found = [next(rows)]
    writer(path, "session", 1)
    with pytest.raises(FileChangedError, match=r"docs\.db was changed while it was read"):
        found += list(rows)
    assert {json.loads(metadata)["n"] for (metadata,) in found} == {0}
    rows = reader.execute("select metadata from embeddings")
    writer(path, "replace", 2)
    with pytest.raises(FileChangedError):
        rows.fetchall()
    assert reader.execute("select metadata from embeddings").fetchone() == ('{"n": 2}',)
    with pytest.raises(FileChangedError):
        rows.fetchall()  # of the file before


def test_a_transaction_sees_one_state_or_is_told(writer, path, reader):
    reader.execute("begin")
    assert reader.execute("select count(*) from embeddings").fetchone() == (ENTRIES,)
    writer(path, "session", 1)
    with pytest.raises(FileChangedError):
        reader.execute("select metadata from embeddings").fetchall()
    reader.execute("rollback")
    assert reader.execute("select metadata from embeddings").fetchone() == ('{"n": 1}',)
    with pytest.raises(FileChangedError):
        for _ in reader.query("select metadata from embeddings"):
            writer(path, "session", 2)
    assert not reader.conn.in_transaction


def test_what_a_connection_has_goes_over_to_the_next(writer, path, reader):
    Collection("docs", reader, model=Pseudorandom())
    conn = reader.conn
    conn.create_function("twice", 1, lambda value: 2 * value)
    conn.create_collation("backwards", lambda a, b: (a < b) - (a > b))
    reader.execute("pragma busy_timeout = 1234")
    reader.execute("pragma query_only = on")
    conn.row_factory = lambda _cursor, row: {"it": row[0]}
    conn.text_factory = bytes
    conn.isolation_level = None
    writer(path, "session", 1)
    assert reader.execute("select metadata from embeddings").fetchone() == {"it": b'{"n": 1}'}
    conn.row_factory, conn.text_factory = None, str
    assert reader.conn is conn
    assert conn.isolation_level is None
    for sql, value in {
        "pragma busy_timeout": 1234,
        "pragma query_only": 1,
        "pragma mmap_size": 0,
        "select twice(4)": 8,
        "select max(id collate backwards) from embeddings": "id 00",
        "select vecstore_embed('docs', 'a') is not null": 1,
    }.items():
        assert reader.execute(sql).fetchone() == (value,), sql
    if hasattr(conn, "apsw"):
        rows = reader.execute("select count(*) from vecstore_similar('docs', 'a', 7)")
        assert rows.fetchone() == (7,)


def test_a_connection_with_something_to_lose_is_not_opened_anew(writer, path, reader):
    reader.execute("create temp table kept (n)")
    writer(path, "session", 1)
    with pytest.raises(DatabaseError, match="opened anew, as kept would be lost"):
        reader.execute("select count(*) from embeddings")
    with pytest.raises(DatabaseError, match="kept would be lost"):
        reader.execute("select n from kept")


def test_a_file_that_was_replaced_beside_its_wal_is_not_read(writer, path, reader):
    writer(path, "open")
    writer(path, "commit", 1)
    collection = Collection("docs", reader)
    assert collection.get("id 00").metadata == {"n": 1}
    writer(path, "close")  # cannot remove the -wal, which the reader has open
    assert collection.get("id 00").metadata == {"n": 1}
    writer(path, "replace", 2)
    with pytest.raises(DatabaseError, match=r"docs\.db-wal is still that of the file before"):
        collection.get("id 00")


def test_a_storm_of_writers(writer, path, reader):
    collection = Collection("docs", reader, model=Pseudorandom())
    last, seen, until = 0, set(), time.monotonic() + 20
    writer.begin(path, "storm", 1)
    while last < 40 and time.monotonic() < until:
        try:
            everywhere = versions(collection)
        except FileChangedError:
            continue
        for found in everywhere.values():
            [n] = found
            assert n >= last
            seen.add(last := n)
        reader.close()  # so that the -wal goes with its writer
        time.sleep(0.01)
        reader = vecstore.connect(path, driver="apsw", read_only=True)
        collection = Collection("docs", reader, model=Pseudorandom())
    writer.end()
    reader.close()
    assert last == 40
    assert len(seen) > 1


def test_a_query_over_attached_files_that_may_be_frozen(writer, path, public_folder):
    sql = "select metadata from other.embeddings union all select metadata from embeddings"
    with as_an_ordinary_user():
        for n in (0, 1):
            with read_query(sql, path, [("other", path)]) as rows:
                found = {record.row["metadata"] for record in rows}
            assert found == {f'{{"n": {n}}}'}
            writer(path, "session", n + 1)


def test_a_check_is_done_again_and_an_export_is_told(writer, path, reader, tmp_path):
    changes = iter([1, 2])

    def change(*_):
        n = next(changes, None)
        if n:
            writer(path, "session", n)

    assert vecstore.check(reader, progress=change).problems == []
    changes = iter([3])

    class Stream(io.BytesIO):
        def write(self, data):
            change()
            return super().write(data)

    with pytest.raises(FileChangedError):
        vecstore.export_collection(reader, "docs", Stream())
    assert not reader.conn.in_transaction
    assert vecstore.export_collection(reader, "docs", io.BytesIO()).entries == ENTRIES


def test_a_shell_that_stays_open_shows_what_others_wrote(writer, path):
    run("shell", path, "select 1")  # an ordinary user may not read root's Python
    with as_an_ordinary_user(), open_existing(path) as db:
        shell = _make_shell(db)
        shell.stdout = io.StringIO()
        for n in (1, 2):
            shell.run("select metadata from embeddings limit 1;")
            writer(path, "session", n)
        shell.run("select metadata from embeddings limit 1;")
    assert shell.stdout.getvalue() == '{"n": 0}\n{"n": 1}\n{"n": 2}\n'


# A path is enough


@pytest.fixture(params=["file", "folder", "both", "mount"])
def unwritable(request, path, public_folder):
    if request.param == "mount":
        mounted = public_folder / "mounted"
        mounted.mkdir()
        mount = ["mount", "--bind", "-o", "ro", str(path.parent), str(mounted)]
        if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
            pytest.skip("nothing can be mounted here")
        yield mounted / path.name
        subprocess.run(["umount", "--lazy", str(mounted)], check=True)
        return
    path.chmod(0o666 if request.param == "folder" else 0o644)
    path.parent.chmod(0o777 if request.param == "file" else 0o755)
    with as_an_ordinary_user():
        yield path


def test_a_collection_that_cannot_be_written_is_read(unwritable, pseudorandom_installed):
    for model in ({}, {"model": Pseudorandom()}, {"model_id": "pseudorandom"}):
        collection = Collection("docs", unwritable, **model)
        assert_version(collection, 0)
        collection.db.close()


def test_a_write_names_the_file_and_what_helps(unwritable, pseudorandom_installed):
    collection = Collection("docs", unwritable, model=Pseudorandom())
    expected = rf"{unwritable} is readonly for this user, who .* have its owner allow that, or"
    for write in (
        lambda: collection.embed("new", "text"),
        lambda: collection.delete_ids(["id 00"]),
        collection.delete,
    ):
        with pytest.raises(collection.db.conn.OperationalError, match=expected):
            write()
    assert_version(collection, 0)
    collection.db.close()


def test_a_collection_that_is_not_there_is_said_to_be_missing(unwritable):
    expected = rf"'none' does not exist \({unwritable} has 'docs'\), and cannot be created"
    with pytest.raises(vecstore.DoesNotExist, match=expected):
        Collection("none", unwritable, model=Pseudorandom())
    with pytest.raises(vecstore.DoesNotExist, match="Collection does not exist: 'none'"):
        Collection("none", unwritable, create=False)


def test_a_file_that_cannot_be_made_is_said_to_be_missing(public_folder):
    missing = public_folder / "none.db"
    expected = f"{missing} does not exist, and this user cannot make it in {public_folder}"
    with as_an_ordinary_user(), pytest.raises(DatabaseError, match=expected):
        Collection("docs", missing, model=Pseudorandom())


def make_wal_of_a_crash(path):
    code = f"""
import os, vecstore
from tests.support.models import Pseudorandom
collection = vecstore.Collection("docs", {str(path)!r}, model=Pseudorandom())
collection.embed("crashed", "x")
os._exit(0)
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def make_wal_without_shm(path):
    make_wal_of_a_crash(path)
    path.with_name("docs.db-shm").unlink()


def make_hot_journal(path):
    code = f"""
import os, sqlite3
conn = sqlite3.connect({str(path)!r}, isolation_level=None)
conn.execute("pragma journal_mode = delete").fetchall()
conn.execute("pragma cache_size = 1")
conn.execute("begin")
conn.execute("create table t (a)")
conn.execute("insert into t select randomblob(5000) from embeddings")
os._exit(0)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_wal_of_a_crash_is_read_where_its_shm_is_there(path):
    make_wal_of_a_crash(path)
    with as_an_ordinary_user():
        collection = Collection("docs", path)
        assert collection.count() == ENTRIES + 1
        collection.db.close()


@pytest.mark.parametrize(
    ("make", "ending"), [(make_wal_without_shm, "-wal"), (make_hot_journal, "-journal")]
)
def test_what_cannot_be_read_says_what_helps(path, make, ending):
    make(path)
    for open_it in (
        lambda: Collection("docs", path),
        lambda: vecstore.connect(path, read_only=True),
        lambda: vecstore.connect(path),
        lambda: Collection.exists(path, "docs"),
    ):
        expected = rf"{path}{ending} holds .* run 'vecstore check {path}', or copy both files"
        with as_an_ordinary_user(), pytest.raises(DatabaseError, match=expected):
            open_it()
    with as_an_ordinary_user():
        result = run("similar", "docs", "id 00", "-d", path)
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert f"{path}{ending} holds" in result.stderr
    assert run("check", path).exit_code == 0
    with as_an_ordinary_user():
        collection = Collection("docs", path)
        assert collection.count() == ENTRIES + (ending == "-wal")
        collection.db.close()


def test_a_file_that_may_not_be_read_is_named(path):
    path.chmod(0)
    expected = f"{path} cannot be read .* this user may not read it"
    with as_an_ordinary_user(), pytest.raises(DatabaseError, match=expected):
        Collection("docs", path)
