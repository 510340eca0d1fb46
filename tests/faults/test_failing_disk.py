"""Each operation of the disk fails once, in whatever writes or reads a file: the file stays sound.

By default a few of the failures are tried, chosen by a seed, always the same;
VECSTORE_FAULTS=all tries each, and VECSTORE_FAULTS=SEED the same ones again.
"""

import hashlib
import os
import random
import re
import shutil
from contextlib import contextmanager, suppress
from functools import partial

import apsw
import pytest
from sqlite_utils.utils import sqlite3

import vecstore
from tests.support.every_kind import COMMANDS, ENTRIES, NAMES, entries, opened, run_in
from tests.support.failing_disk import FAULTS, FailingDisk
from tests.support.models import Pseudorandom
from vecstore import Collection, VecstoreError, check

CHOICE = os.environ.get("VECSTORE_FAULTS") or "1"
TRIES = 1  # of each operation and fault, by default
BATCH = 20
COPIES = {}  # the states of copies that are sound, by their digest


# Operations


def embed_multi(db, path):
    collection = Collection("one", db, model=Pseudorandom())
    collection.embed_multi_with_metadata(entries(30, ENTRIES), store=True, batch_size=BATCH)


def create(db, path):
    Collection("new", db, model=Pseudorandom()).embed_multi_with_metadata(entries(0, 5))


def delete_ids(db, path):
    Collection("one", db).delete_ids(f"id {n}" for n in range(10, 50))


def delete(db, path):
    with suppress(Collection.DoesNotExist):
        Collection("one", db, create=False).delete()


def index_build(db, path):
    vecstore.build_index(db)


def index_drop(db, path):
    vecstore.drop_index(db)


def compact(db, path):
    vecstore.compact(db)


def migrate(db, path):
    Collection("one", db, model=Pseudorandom())


def backup(db, path):
    vecstore.backup(db, path.with_name("copy.db"))


def backup_plain(db, path):
    vecstore.backup(db, path.with_name("copy.db"), plain=True)


def export(db, path):
    vecstore.export_collection(db, "one", path.with_name("exported.jsonl"))


def import_(db, path):
    vecstore.import_collection(db, path.with_name("import.jsonl"), name="imported")


def check_(db, path):
    report = check(db)
    if not report.ok:
        raise VecstoreError(str(report.problems))


def search(db, path):
    found = Collection("one", db, model=Pseudorandom()).similar("text 7", 3)
    assert len(found) == 3


def read(db, path):
    collection = Collection("one", db, model=Pseudorandom())
    assert len(list(collection)) == collection.count()


OPERATIONS = [
    (embed_multi, "wal"),
    (embed_multi, "journal"),
    (embed_multi, "unindexed"),
    (embed_multi, "llm-1"),
    (create, "wal"),
    (delete_ids, "wal"),
    (delete_ids, "journal"),
    (delete, "wal"),
    (index_build, "wal"),
    (index_build, "journal"),
    (index_drop, "wal"),
    (compact, "wal"),
    (compact, "journal"),
    (migrate, "llm-1"),
    (migrate, "llm-4"),
    (migrate, "llm-5"),
    (backup, "wal"),
    (backup, "journal"),
    (backup_plain, "wal"),
    (export, "wal"),
    (export, "llm-1"),
    (import_, "wal"),
    (import_, "unindexed"),
    (check_, "wal"),
    (search, "wal"),
    (search, "unindexed"),
    (search, "llm-5"),
    (read, "wal"),
]
IDS = [f"{run.__name__.rstrip('_')}-{kind}" for run, kind in OPERATIONS]


def state(path):
    """Return what a file holds: its migrations, and all columns of its rows but for the time."""
    with opened(path) as db:
        columns = [name for name in db["embeddings"].columns_dict if name != "updated"]
        return (
            tuple(db.execute("select migration_set, name from _sqlite_migrations").fetchall()),
            tuple(db.execute("select * from collections order by id").fetchall()),
            tuple(
                db.execute(
                    f"select {', '.join(columns)} from embeddings order by collection_id, id"
                ).fetchall()
            ),
        )


@contextmanager
def recording(path):
    """Give a list of the states that the transactions in the block leave a file in, in order."""
    states = [state(path)]
    committed = []

    def watch(connection):
        def look(_):
            if committed and not connection.in_transaction:
                committed.clear()
                states.append(state(path))

        if connection.filename == str(path) and not committed:
            connection.set_commit_hook(lambda: bool(committed.append(True)))
            connection.trace_v2(apsw.SQLITE_TRACE_PROFILE, look)

    apsw.connection_hooks.append(watch)
    yield states
    apsw.connection_hooks.remove(watch)
    states.append(state(path))


def contents(path):
    """Return what the files beside a database hold that are written as a whole."""
    copy = path.with_name("copy.db")
    digest = hashlib.md5(copy.read_bytes()).digest()
    if digest not in COPIES:
        assert check(copy).problems == []
        COPIES[digest] = state(copy)
    return path.with_name("exported.jsonl").read_bytes(), COPIES[digest]


class Trial:
    """An operation, and what it may leave behind, as it is found when nothing fails.

    :param run: is called with the path of a file
    :param new: makes a folder with that file
    """

    def __init__(self, run, new, folder):
        self.run = run
        self.new = new
        clean = new(folder / "clean")
        before = contents(clean)
        with recording(clean) as self.states:
            run(clean)
        self.targets = list(zip(before, contents(clean), strict=True))
        self.calls = {}
        for fault in FAULTS:
            with FailingDisk() as disk:
                path = new(folder / fault)
                with disk.counting(fault):
                    run(path)
            self.calls[fault] = len(disk.calls)

    def assert_sound(self, path):
        assert check(path).problems == []
        assert state(path) in self.states
        for found, expected in zip(contents(path), self.targets, strict=True):
            assert found in expected

    def assert_done(self, path):
        self.assert_sound(path)
        assert state(path) == self.states[-1]
        assert contents(path) == tuple(after for _, after in self.targets)
        names = {file.name for file in path.parent.iterdir()}
        assert names - {"test.db-vec"} == NAMES  # of an index beside it


@pytest.fixture(scope="module")
def trial_of(originals, tmp_path_factory):
    """A function that returns the Trial of an operation on a kind of file."""
    trials = {}

    def trial(name, kind, run):
        if (name, kind) not in trials:
            trials[name, kind] = Trial(
                run, partial(originals.copy, kind), tmp_path_factory.mktemp(name)
            )
        return trials[name, kind]

    return trial


@pytest.fixture
def disk():
    with FailingDisk() as disk:
        yield disk


def each_to_fail(name, number):
    """Yield which of so many operations of the disk are to fail."""
    every = range(1, number + 1)
    if CHOICE != "all" and number > TRIES:
        every = sorted(random.Random(f"{CHOICE} {name}").sample(every, TRIES))
    for n in every:
        print(f"VECSTORE_FAULTS={CHOICE} {name}: {n} of {number}")  # noqa: T201 - if it fails
        yield n


def assert_clear(error):
    assert isinstance(error, VecstoreError) or type(error) is sqlite3.OperationalError, repr(error)
    assert re.search("disk|unable to open", str(error)), repr(error)


@contextmanager
def errors_are_clear():
    try:
        yield
    except Exception as error:
        assert_clear(error)


def by_path(run):
    def open_and_run(path):
        with opened(path) as db:
            run(db, path)

    return open_and_run


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(("run", "kind"), OPERATIONS, ids=IDS)
def test_what_fails_once_can_be_repeated(run, kind, fault, trial_of, tmp_path, disk):
    trial = trial_of(run.__name__, kind, by_path(run))
    path = trial.new(tmp_path / "counted")
    with opened(path) as db, disk.counting(fault):
        run(db, path)
    for n in each_to_fail(f"{run.__name__} {kind} {fault}", len(disk.calls)):
        path = trial.new(tmp_path / str(n))
        with opened(path) as db:
            with disk.failing(fault, n), errors_are_clear():
                run(db, path)
            assert disk.failed
            assert not db.conn.in_transaction
            trial.assert_sound(path)
            run(db, path)
        trial.assert_done(path)
        shutil.rmtree(path.parent)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(("run", "kind"), OPERATIONS, ids=IDS)
def test_what_a_disk_that_goes_away_interrupts(run, kind, fault, trial_of, tmp_path, disk):
    trial = trial_of(run.__name__, kind, by_path(run))
    for n in each_to_fail(f"{run.__name__} {kind} {fault} forever", trial.calls[fault]):
        path = trial.new(tmp_path / str(n))
        with disk.failing(fault, n, forever=True), errors_are_clear():
            trial.run(path)
        trial.assert_sound(path)
        trial.run(path)
        trial.assert_done(path)
        shutil.rmtree(path.parent)


@pytest.mark.parametrize("kind", ["wal", "llm-1"])
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_fails_with_one_line(
    name, kind, fault, pseudorandom_installed, trial_of, tmp_path, disk
):
    def succeed(path):
        result = run_in(path.parent, name)
        assert result.exit_code == 0, result.stderr

    trial = trial_of(f"vecstore-{name}", kind, succeed)
    for n in each_to_fail(f"{name} {kind} {fault}", trial.calls[fault]):
        path = trial.new(tmp_path / str(n))
        with disk.failing(fault, n):
            result = run_in(path.parent, name)
        if result.exit_code and not (name == "check" and "Problem: " in result.stdout):
            assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
            assert result.stderr.startswith("Error: ")
            assert re.search("disk|unable to open", result.stderr)
            assert str(path.parent) in result.stderr
        trial.assert_sound(path)
        shutil.rmtree(path.parent)


def test_nothing_is_written_beside_a_transaction_that_a_failing_disk_has_undone(
    originals, tmp_path, disk
):
    undone = 0
    for n in range(20, 200, 20):
        path = originals.copy("wal", tmp_path / str(n))
        before = state(path)
        with opened(path) as db:
            collection = Collection("one", db, model=Pseudorandom())
            db.execute("pragma cache_size = 1")  # so that SQLite writes before the end
            db.begin()
            new = ((f"new {n}", f"new text {n} " * 500) for n in range(60))
            with disk.failing("io-error", n), errors_are_clear():
                collection.embed_multi(new, store=True, batch_size=20, concurrency=3)
            if db.conn.in_transaction:
                db.rollback()
            elif disk.failed:
                undone += 1
                assert collection.count() == 40
        assert state(path) == before
    assert undone
