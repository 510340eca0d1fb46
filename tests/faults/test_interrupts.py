"""A KeyboardInterrupt wherever it can come: all of a call is done or nothing, and no lock is left.

The points are those of the modules that begin and end things, and some of all others. The exception
is kept meanwhile, as a notebook keeps it with its traceback, and so is what it has interrupted.
"""

import contextlib
import gc
import inspect
import io
import shutil
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import FrameType

import pytest
import sqlite_utils
from sqlite_utils import Database
from sqlite_utils.utils import sqlite3

import vecstore
from tests.support.databases import LOADS_EXTENSIONS, rows
from tests.support.models import Vectors
from vecstore import Collection
from vecstore.sqlite import catalog
from vecstore.sqlite.connection import turns

pytestmark = pytest.mark.usefixtures("small_heap")

OTHERS = 15  # points, spread over a call

_BEGINNING_AND_ENDING = ("transactions.py", "interrupts.py", "locks.py")
_INTERRUPTED = (*vecstore.__path__, *sqlite_utils.__path__, contextlib.__file__)


class Points:
    """A profile function, which Python calls where it may raise a KeyboardInterrupt.

    That is where a function begins, and after a call of C.
    """

    def __init__(self, interrupted: int = -1) -> None:
        self.files: list[str] = []
        self._interrupted = interrupted

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        name = frame.f_code.co_filename
        # What is raised in a generator that is being collected goes nowhere, and sqlite3 makes
        # another error of what a function raises that SQL has called.
        if frame.f_code.co_flags & inspect.CO_GENERATOR or name.endswith("sqlite/functions.py"):
            return
        if event in ("call", "c_return") and name.startswith(_INTERRUPTED):
            self.files.append(name)
            if len(self.files) == self._interrupted + 1:
                sys.setprofile(None)
                raise KeyboardInterrupt


def run(call: Callable[[], object], points: Points) -> BaseException | None:
    """Return what the call raised."""
    sys.setprofile(points)
    try:
        call()
    except BaseException as error:
        return error
    finally:
        sys.setprofile(None)
    return None


def chosen(files: list[str]) -> list[int]:
    first = [n for n, name in enumerate(files) if name.endswith(_BEGINNING_AND_ENDING)]
    return [*first, *range(0, len(files), 1 + len(files) // OTHERS)]


CALLS: dict[str, Callable[[Collection, Path], object]] = {
    "delete_ids": lambda collection, _: collection.delete_ids(["1", "3"]),
    "delete": lambda collection, _: collection.delete(),
    "embed": lambda collection, _: collection.embed("new", "7 1 " * 16),
    "a refused embed": lambda collection, _: collection.embed("new", "7 1"),
    "embed_multi": lambda collection, _: collection.embed_multi(
        [("0", "1 " * 32), ("n", "2 " * 32)]
    ),
    "create": lambda collection, _: Collection("other", collection.db, model=Vectors()),
    "similar": lambda collection, _: collection.similar("1 2 " * 16, where="id <> '3'"),
    "similar_by_id": lambda collection, _: collection.similar_by_id("1"),
    "get": lambda collection, _: collection.get("1"),
    "iterate": lambda collection, _: list(collection),
    "build_index": lambda collection, _: vecstore.build_index(collection.db),
    "drop_index": lambda collection, _: vecstore.drop_index(collection.db),
    "import": lambda collection, export: vecstore.import_collection(
        collection.db, export, name="other"
    ),
    "export": lambda collection, export: vecstore.export_collection(
        collection.db, "test", export.with_name("again.jsonl")
    ),
}
ALONE: dict[str, Callable[[Collection, Path], object]] = {
    "compact": lambda collection, _: vecstore.compact(collection.db),
    "backup": lambda collection, export: vecstore.backup(
        collection.db, export.with_name("copy.db")
    ),
}
SETTINGS = ("busy_timeout", "foreign_keys", "query_only")


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A file, with an export of its collection beside it."""
    path = tmp_path_factory.mktemp("original") / "test.db"
    with closing(vecstore.connect(path)) as db:
        collection = Collection("test", db, model=Vectors())
        collection.embed_multi((n, f"{n} 1 " * 16) for n in range(6))
        vecstore.export_collection(db, "test", path.with_suffix(".jsonl"))
    return path


KINDS = {"apsw": lambda path: vecstore.connect(path, driver="apsw")}
if LOADS_EXTENSIONS:
    KINDS["sqlite3"] = lambda path: vecstore.connect(path, driver="sqlite3")
    KINDS["adopted"] = lambda path: Database(sqlite3.connect(path, check_same_thread=False))


@pytest.fixture(params=KINDS)
def opened(original, tmp_path, request):
    """A function that opens a new copy of the file."""
    path = tmp_path / "test.db"

    def open_copy() -> Collection:
        for ending in ("", "-wal", "-shm"):
            path.with_name(path.name + ending).unlink(missing_ok=True)
        shutil.copy(original, path)
        return Collection("test", KINDS[request.param](path), model=Vectors())

    return open_copy


def settings(db):
    return [rows(db, f"pragma {name}") for name in SETTINGS]


def state(db):
    """What a file holds, without the times."""
    return (
        rows(db, "select name, model from collections order by name"),
        rows(db, "select collection_id, id, embedding, content_hash from embeddings order by 1, 2"),
        rows(db, "select name from sqlite_master order by name"),
    )


def assert_others_can_write(path):
    with closing(vecstore.connect(path, timeout=0)) as other:
        other.execute("begin immediate")
        other.rollback()


def assert_no_snapshot_is_held(db):
    with closing(vecstore.connect(vecstore.sqlite.connection.opening.name_of(db))) as other:
        other.execute("pragma user_version = 1")
    db.execute("begin immediate")  # "database is locked" in a snapshot that is not the latest
    db.rollback()


def assert_no_turn_is_held(db):
    def take_one():
        with turns.take_turn(db):
            pass

    thread = threading.Thread(target=take_one, daemon=True)
    thread.start()
    thread.join(10)
    assert not thread.is_alive()


def outcomes(start, call, export):
    """What a file may hold after the call, and the points to interrupt it at."""
    for _ in range(2):  # the first fills caches
        collection = start()
        before = state(collection.db)
        points = Points()
        error = run(lambda: call(collection, export), points)  # noqa: B023
        assert error is None or isinstance(error, vecstore.DimensionError)
        after = state(collection.db)
        collection.db.close()
    return (before, after), chosen(points.files)


@pytest.mark.parametrize("name", {**CALLS, **ALONE})
def test_an_interrupt_leaves_all_or_nothing(original, opened, name):
    call, export = {**CALLS, **ALONE}[name], original.with_suffix(".jsonl")
    possible, numbers = outcomes(opened, call, export)
    for number in numbers:
        collection = opened()
        before = settings(collection.db)
        error = run(lambda: call(collection, export), Points(number))  # noqa: B023
        assert isinstance(error, KeyboardInterrupt)
        assert not collection.db.conn.in_transaction
        assert settings(collection.db) == before
        assert state(collection.db) in possible
        assert_no_turn_is_held(collection.db)
        assert_others_can_write(vecstore.sqlite.connection.opening.name_of(collection.db))
        assert vecstore.check(collection.db).problems == []
        collection.db.close()
        del error
        gc.collect()  # a complaint of what was left half-way would be an error


@pytest.mark.parametrize("name", CALLS)
def test_an_interrupt_leaves_the_callers_transaction_to_the_caller(original, opened, name):
    call, export = CALLS[name], original.with_suffix(".jsonl")

    def in_transaction():
        collection = opened()
        collection.db.execute("begin")
        collection.db.execute("insert into collections values (9, 'mine', 'vectors')")
        return collection

    possible, numbers = outcomes(in_transaction, call, export)
    for number in numbers:
        collection = in_transaction()
        error = run(lambda: call(collection, export), Points(number))  # noqa: B023
        assert isinstance(error, KeyboardInterrupt)
        assert collection.db.conn.in_transaction
        collection.db.conn.commit()
        assert state(collection.db) in possible
        assert vecstore.check(collection.db).problems == []
        collection.db.close()
        del error
        gc.collect()


def test_an_interrupted_export_keeps_no_one_from_writing(opened):
    class Interrupted(io.BytesIO):
        def write(self, line):
            raise KeyboardInterrupt

    collection = opened()
    with pytest.raises(KeyboardInterrupt) as kept:
        vecstore.export_collection(collection.db, "test", Interrupted())
    with closing(
        vecstore.connect(vecstore.sqlite.connection.opening.name_of(collection.db))
    ) as other:
        Collection("test", other, model=Vectors()).embed("other", "1 " * 32)
    collection.embed("mine", "2 " * 32)
    assert collection.count() == 8
    collection.db.close()
    assert kept.traceback


def test_an_interrupt_leaves_no_snapshot_held(opened):
    collection = opened()

    def check():
        catalog.require_unchanged(collection.db, collection.row)

    points = Points()
    assert run(check, points) is None
    for number in range(len(points.files)):
        error = run(check, Points(number))
        assert isinstance(error, KeyboardInterrupt)
        assert_no_snapshot_is_held(collection.db)
        assert_no_turn_is_held(collection.db)
    collection.db.close()
