"""A KeyboardInterrupt wherever it can come: all of a call is done or nothing, and no lock is left.

The exception is kept meanwhile, as a notebook keeps it with its traceback, and the same store goes
on: what it writes then is committed. At every point, which takes some minutes:

    VECSTORE_POINTS=1000 scripts/test tests/postgres/test_interrupts.py
"""

import contextlib
import inspect
import os
import sys
from collections.abc import Callable
from contextlib import closing
from types import FrameType

import psycopg
import pytest

import vecstore
from tests.support.models import Vectors
from vecstore import Collection
from vecstore.postgres.store import PostgresStore

pytestmark = pytest.mark.usefixtures("small_heap")

POINTS = int(os.environ.get("VECSTORE_POINTS", "7"))  # spread over a call
_BEGINNING_AND_ENDING = ("postgres/connection.py", "psycopg/transaction.py", "interrupts.py")
_INTERRUPTED = (*vecstore.__path__, *psycopg.__path__, contextlib.__file__)


class Points:
    """A profile function, which Python calls where it may raise a KeyboardInterrupt.

    That is where a function begins, and after a call of C.
    """

    def __init__(self, interrupted: int = -1) -> None:
        self.files: list[str] = []
        self._interrupted = interrupted

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        name = frame.f_code.co_filename
        # What is raised in a generator that is being collected goes nowhere.
        if frame.f_code.co_flags & inspect.CO_GENERATOR:
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
    some = first[:: 1 + len(first) // (3 * POINTS)]
    return sorted({*some, *range(0, len(files), 1 + len(files) // POINTS)})


CALLS: dict[str, Callable[[Collection], object]] = {
    "delete_ids": lambda collection: collection.delete_ids(["1", "3"]),
    "delete": lambda collection: collection.delete(),
    "embed_multi": lambda collection: collection.embed_multi([("0", "9 1"), ("n", "2 2")]),
    "create": lambda collection: Collection("other", collection.store, model=Vectors()),
    "copy": lambda collection: collection.copy("other"),
    "rename": lambda collection: collection.rename("other"),
    "similar": lambda collection: collection.similar("1 2", where="id <> '3'"),
    "iterate": lambda collection: list(collection),
}


STATE = """
    select name, embeddings.id, embedding::text
    from collections
    left join embeddings on collection_id = collections.id
    order by name, embeddings.id
"""


def renew(connection: psycopg.Connection, store: PostgresStore) -> Collection:
    """Return a collection of six entries, in a database that has nothing else."""
    connection.execute("truncate collections restart identity cascade")
    collection = Collection("test", store, model=Vectors())
    collection.embed_multi((n, f"{n} 1") for n in range(6))
    return collection


@pytest.mark.parametrize("name", CALLS)
def test_after_an_interrupt_all_is_done_or_nothing_and_the_store_goes_on(postgres_url, name):
    call = CALLS[name]
    with (
        closing(PostgresStore(postgres_url)) as store,
        psycopg.connect(postgres_url, autocommit=True) as other,
    ):
        Collection("test", store, model=Vectors())
        other.execute("set lock_timeout = '10s'")
        call(renew(other, store))  # what is read once
        collection = renew(other, store)
        before = other.execute(STATE).fetchall()
        counted = Points()
        assert run(lambda: call(collection), counted) is None
        after = other.execute(STATE).fetchall()
        for point in chosen(counted.files):
            collection = renew(other, store)
            error = run(lambda: call(collection), Points(point))  # noqa: B023 - called at once
            assert isinstance(error, KeyboardInterrupt), (
                point,
                len(counted.files),
                counted.files[point],
            )
            found = other.execute(STATE).fetchall()
            assert found in (before, after), point
            # A transaction that is open, with its locks, would be in the way.
            other.execute("begin; lock table collections, embeddings; commit")
            Collection("next", store, model=Vectors()).embed("next", "7 7")
            assert ("next", "next", "[7,7]") in other.execute(STATE).fetchall(), point
            del error
