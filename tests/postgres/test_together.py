"""Eight processes write to one database while four search it, from the moment that it is empty.

A minute of it: VECSTORE_SECONDS=60 scripts/test tests/postgres/test_together.py
"""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing

import pytest

from tests.support import ROOT
from tests.support.contending import BATCH, DIMENSIONS, ids_of, text_of
from tests.support.models import Vectors, WordLengths, pseudorandom
from tests.support.postgres_together import COMMON, is_text_of
from vecstore import Collection, ModelMismatchError, encode
from vecstore.postgres.store import PostgresStore
from vecstore.sqlite.migration_files import migration_files

SECONDS = float(os.environ.get("VECSTORE_SECONDS", "3"))
ROUNDS = 3  # at least
WRITERS = 6
SQL_WRITERS = 2
SEARCHERS = 4


def start(work: str, url: str, number: int) -> "subprocess.Popen[str]":
    pipe = subprocess.PIPE
    arguments = [work, url, str(number), str(ROUNDS), str(SECONDS)]
    command = [sys.executable, "-m", "tests.support.postgres_together", *arguments]
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, cwd=ROOT)


def test_no_row_is_lost_and_no_answer_wrong_among_eight_writers_and_four_searchers(postgres_url):
    # The user of the test's server may have it look for deadlocks sooner.
    url = f"{postgres_url}&options=-cdeadlock_timeout%3D20ms"
    processes = [start("write", url, n) for n in range(WRITERS)]
    processes += [start("write_sql", url, n) for n in range(SQL_WRITERS)]
    processes += [start("search", url, n) for n in range(SEARCHERS)]
    try:
        for process in processes:
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            process.stdin.write("\n")
            process.stdin.flush()
        outputs = [process.communicate() for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    assert [errors for _, errors in outputs] == [""] * len(processes)
    assert [process.returncode for process in processes] == [0] * len(processes)
    done = [int(output) for output, _ in outputs]
    sys.stdout.write(f"rounds: {done}\n")
    written = {id for w in range(WRITERS) for n in range(done[w]) for id in ids_of(w, n)}
    with closing(PostgresStore(url)) as store:
        shared = Collection("shared", store, create=False)
        texts = {entry.id: entry.content for entry in shared}
        assert {id for id in texts if id not in COMMON} == written
        assert all(is_text_of(id, text) for id, text in texts.items())
        for id, vector in shared.vectors():
            assert encode(vector) == encode(pseudorandom(texts[id], DIMENSIONS))
        second = Collection("second", store, create=False)
        assert {entry.id: entry.content for entry in second} == {
            ids_of(w, n)[0]: text_of(ids_of(w, n)[0])
            for w in range(WRITERS)
            for n in range(done[w])
        }
        for writer in range(WRITERS):
            own = Collection(f"own {writer}", store, create=False)
            assert own.ids() == sorted(ids_of(writer, n)[0] for n in range(done[writer]))
        names = store.connection().execute("select name from collections").fetchall()
        assert len(names) == 2 + WRITERS
        [deadlocks] = (
            store.connection()
            .execute("select deadlocks from pg_stat_database where datname = current_database()")
            .fetchone()
        )
        sys.stdout.write(f"deadlocks: {deadlocks}\n")
    assert len(written) == BATCH * sum(done[:WRITERS])


def run_at_once(works: list[Callable[[], object]]) -> list[object]:
    """Return what each returned or raised, called at once in threads of their own."""
    barrier = threading.Barrier(len(works))
    results: list[object] = [None] * len(works)

    def run(number: int) -> None:
        barrier.wait()
        try:
            results[number] = works[number]()
        except Exception as error:
            results[number] = error

    threads = [threading.Thread(target=run, args=[n]) for n in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_six_that_create_the_tables_at_once_all_succeed(postgres_url):
    def create() -> None:
        with closing(PostgresStore(postgres_url)) as store:
            store.ensure_schema()

    assert run_at_once([create] * 6) == [None] * 6
    with closing(PostgresStore(postgres_url)) as store:
        done = store.connection().execute("select name from vecstore_migrations order by name")
        assert [name for (name,) in done] == list(migration_files("postgres"))


def test_six_that_create_a_schema_of_their_own_at_once_all_succeed(postgres_url):
    url = f"{postgres_url}&options=-csearch_path%3Dmine"

    def create() -> list[str]:
        with closing(PostgresStore(url)) as store:
            return Collection("test", store, model=Vectors()).ids()

    assert run_at_once([create] * 6) == [[]] * 6


def test_two_that_create_a_collection_at_once_have_the_same(postgres_url):
    def create(name: str) -> int:
        with closing(PostgresStore(postgres_url)) as store:
            return Collection(name, store, model=Vectors()).id

    for name in map(str, range(10)):
        first, second = run_at_once([lambda: create(name)] * 2)  # noqa: B023 - called at once
        assert isinstance(first, int)
        assert first == second


def test_of_two_that_create_a_collection_with_different_models_one_is_refused(postgres_url):
    def create(name: str, model: Vectors | WordLengths) -> str:
        with closing(PostgresStore(postgres_url)) as store:
            return Collection(name, store, model=model).model_id

    for name in map(str, range(10)):
        results = run_at_once(
            [
                lambda: create(name, Vectors()),  # noqa: B023 - called at once
                lambda: create(name, WordLengths()),  # noqa: B023
            ]
        )
        refused = [result for result in results if isinstance(result, ModelMismatchError)]
        created = [result for result in results if isinstance(result, str)]
        assert (len(refused), len(created)) == (1, 1)
        with closing(PostgresStore(postgres_url)) as store:
            assert Collection(name, store, create=False).model_id == created[0]
        assert created[0] in str(refused[0])


@pytest.mark.parametrize("number", range(3))
def test_two_that_rename_to_the_same_name_at_once_do_not_both_succeed(postgres_url, number):
    def rename(old: str) -> str:
        with closing(PostgresStore(postgres_url)) as store:
            collection = Collection(old, store, model=Vectors())
            collection.rename("new")
            return collection.name

    with closing(PostgresStore(postgres_url)) as store:
        for name in "ab":
            Collection(name, store, model=Vectors()).embed(str(number), "1 2")
        results = run_at_once([lambda: rename("a"), lambda: rename("b")])
        assert results.count("new") == 1
        [refused] = [result for result in results if result != "new"]
        assert "There is a collection 'new' already" in str(refused)


FORKED = """
import os, sys
from tests.support.models import Pseudorandom
from vecstore import Collection

collection = Collection("test", sys.argv[1], model=Pseudorandom())
collection.embed("before", "text")
with collection.store.writing():
    collection.embed("in the block", "text")
    child = os.fork()
    if child == 0:
        print(collection.ids(), collection.store.has_transaction(), flush=True)
        os._exit(0)
    os.waitpid(child, 0)
print(collection.ids())
collection.store.close()
"""


def test_a_child_that_is_forked_in_a_block_has_no_transaction(postgres_url):
    done = subprocess.run(
        [sys.executable, "-c", FORKED, postgres_url],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == "['before'] False\n['before', 'in the block']\n"
