"""Each operation of the disk fails once, in whatever writes or reads a file: the file stays sound.

By default a few of the failures are tried, chosen by a seed that a failed test names;
VECSTORE_FAULTS=all tries each, and VECSTORE_FAULTS=SEED the same ones again.
"""

import os
import random
import re
import shutil
from contextlib import closing, suppress
from pathlib import Path

import apsw
import pytest
import sqlite_utils
from sqlite_utils.utils import sqlite3

import vecstore
from tests.failing_disk import FAULTS, FailingDisk
from tests.models import pseudorandom
from vecstore import Collection, VecstoreError, check

CHOICE = os.environ.get("VECSTORE_FAULTS") or str(random.randrange(10**6))
TRIES = 12  # of each operation and fault, by default
ENTRIES = 60
BATCH = 20
DIMENSIONS = 32  # so that there is a table of bits


class Model(vecstore.EmbeddingModel):
    model_id = "pseudorandom"

    def embed_batch(self, items):
        return [pseudorandom(item, DIMENSIONS) for item in items]


def entries(start, number):
    return [(f"id {n}", f"text {n} " * 40, {"n": n}) for n in range(start, start + number)]


def open_ordinarily(path):
    return closing(vecstore.connect(path, driver="apsw"))


# Files


def make_wal(path):
    with open_ordinarily(path) as db:
        one = Collection("one", db, model=Model())
        one.embed_multi_with_metadata(entries(0, ENTRIES), store=True)
        Collection("two", db, model=Model()).embed_multi_with_metadata(entries(0, 5))
        one.delete_ids(f"id {n}" for n in range(0, 40, 2))


def make_journal(path):
    make_wal(path)
    with open_ordinarily(path) as db:
        db.execute("pragma journal_mode = delete").fetchall()


def make_unindexed(path):
    make_wal(path)
    vecstore.drop_index(path)


def llm_of_age(age):
    def make(path):
        migrations = pytest.importorskip("llm.embeddings_migrations").embeddings_migrations
        with closing(sqlite_utils.Database(path)) as db:
            migrations.apply(db, stop_before=age)
            db["collections"].insert({"id": 7, "name": "one", "model": "pseudorandom"})
            for id, text, _ in entries(0, ENTRIES):
                blob = vecstore.encode(pseudorandom(text, DIMENSIONS))
                row = {"collection_id": 7, "id": id, "embedding": blob, "content": text}
                db["embeddings"].insert(row)

    return make


MAKERS = {
    "wal": make_wal,
    "journal": make_journal,
    "unindexed": make_unindexed,
    "llm-1": llm_of_age("m002_foreign_key"),
    "llm-4": llm_of_age("m005_add_content_blob"),
    "llm-5": llm_of_age(None),
}


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    """A function that makes a folder of a file of some kind, and of what goes with it."""
    made = tmp_path_factory.mktemp("originals")
    with closing(vecstore.connect(made / "older.db", driver="apsw")) as db:
        Collection("one", db, model=Model()).embed_multi_with_metadata(entries(0, 3))
        vecstore.export_collection(db, "one", made / "import.jsonl")
    vecstore.backup(made / "older.db", made / "copy.db")

    def copy(kind, folder):
        original = made / f"{kind}.db"
        if not original.exists():
            MAKERS[kind](original)
        folder.mkdir()
        for name in ("copy.db", "import.jsonl"):
            shutil.copy(made / name, folder)
        shutil.copy(made / "import.jsonl", folder / "exported.jsonl")
        return Path(shutil.copy(original, folder / "test.db"))

    return copy


# Operations


def embed_multi(db, path):
    collection = Collection("one", db, model=Model())
    collection.embed_multi_with_metadata(entries(30, ENTRIES), store=True, batch_size=BATCH)


def create(db, path):
    Collection("new", db, model=Model()).embed_multi_with_metadata(entries(0, 5))


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
    Collection("one", db, model=Model())


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
    found = Collection("one", db, model=Model()).similar("text 7", 3)
    assert len(found) == 3


def read(db, path):
    collection = Collection("one", db, model=Model())
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
    (check_, "wal"),
    (search, "wal"),
    (search, "unindexed"),
    (search, "llm-5"),
    (read, "wal"),
]
IDS = [f"{run.__name__.rstrip('_')}-{kind}" for run, kind in OPERATIONS]


def state(path):
    """Return what a file holds: its migrations, and all columns of its rows but for the time."""
    with open_ordinarily(path) as db:
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


def run_cleanly(run, path):
    """Run an operation, and return the states that its transactions leave, in order."""
    states = [state(path)]
    with open_ordinarily(path) as db:
        committed = []

        def watch(event):
            if committed and not db.conn.in_transaction:
                committed.clear()
                states.append(state(path))

        db.conn.apsw.set_commit_hook(lambda: bool(committed.append(True)))
        db.conn.apsw.trace_v2(apsw.SQLITE_TRACE_PROFILE, watch)
        run(db, path)
    states.append(state(path))
    return states


def chosen(number, name):
    """Return which of so many operations of the disk are to fail."""
    if CHOICE == "all" or number <= TRIES:
        return range(1, number + 1)
    return sorted(random.Random(f"{CHOICE} {name}").sample(range(1, number + 1), TRIES))


def assert_clear(error):
    assert isinstance(error, VecstoreError) or type(error) is sqlite3.OperationalError, repr(error)
    assert re.search("disk|unable to open", str(error)), repr(error)


def contents(path):
    """Return what the files beside a database hold that are written as a whole."""
    return path.with_name("exported.jsonl").read_bytes(), state(path.with_name("copy.db"))


def assert_sound(path, states, targets):
    """Compare a file, and those that are made beside it, with what they may hold."""
    assert check(path).problems == []
    assert check(path.with_name("copy.db")).problems == []
    assert state(path) in states
    for found, *expected in zip(contents(path), *targets, strict=True):
        assert found in expected
    names = {file.name for file in path.parent.iterdir()}
    assert names == {"test.db", "copy.db", "import.jsonl", "exported.jsonl"}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(("run", "kind"), OPERATIONS, ids=IDS)
def test_an_operation_that_fails_once(run, kind, fault, originals, tmp_path):
    clean = originals(kind, tmp_path / "clean")
    before = contents(clean)
    states = run_cleanly(run, clean)
    targets = [before, contents(clean)]
    with FailingDisk() as disk:
        path = originals(kind, tmp_path / "counted")
        with open_ordinarily(path) as db:
            disk.fail(fault)
            run(db, path)
            number = len(disk.calls)
            disk.heal()
        for n in chosen(number, f"{run.__name__} {kind} {fault}"):
            path = originals(kind, tmp_path / str(n))
            with open_ordinarily(path) as db:
                disk.fail(fault, n)
                try:
                    run(db, path)
                except Exception as error:
                    assert_clear(error)
                disk.heal()
                print(f"VECSTORE_FAULTS={CHOICE}: {n} of {number}, {disk.failed}")
                assert not db.conn.in_transaction
                assert state(path) in states
                assert check(path).problems == []
                run(db, path)
            assert_sound(path, states[-1:], targets)
            shutil.rmtree(path.parent)
