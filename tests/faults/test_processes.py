"""Eight processes write one file while four search it, from the moment that it does not exist.

A minute of it: VECSTORE_SECONDS=60 scripts/test tests/faults/test_processes.py
"""

import os
import subprocess
import sys
from contextlib import closing as closing_now

import pytest

import vecstore
from tests.support import ROOT
from tests.support.contending import BATCH, WRITERS, ids_of, text_of
from tests.support.databases import LOADS_EXTENSIONS, rows
from tests.support.models import WordLengths
from vecstore import Collection, check
from vecstore.sqlite import transactions
from vecstore.sqlite.connection import locks

SECONDS = float(os.environ.get("VECSTORE_SECONDS", "3"))
ROUNDS = 3  # at least
SEARCHERS = 4
# Processes with different libraries share a file.
DRIVERS = ["apsw", "sqlite3"] if LOADS_EXTENSIONS else ["apsw", "apsw"]


def start(work: str, path: str, number: int) -> "subprocess.Popen[str]":
    pipe = subprocess.PIPE
    arguments = [work, path, DRIVERS[number % 2], str(number), str(ROUNDS), str(SECONDS)]
    command = [sys.executable, "-m", "tests.support.contending", *arguments]
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, cwd=ROOT)


@pytest.mark.parametrize("form", ["inside", "beside"])
def test_no_row_is_lost_and_no_answer_wrong_among_eight_writers_and_four_searchers(
    path, monkeypatch, form
):
    monkeypatch.setenv("VECSTORE_INDEX", form)
    processes = [start("write", path, n) for n in range(WRITERS)]
    processes += [start("search", path, n) for n in range(SEARCHERS)]
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
    written = [ids_of(w, n) for w in range(WRITERS) for n in range(done[w])]
    expected = {id: text_of(id) for ids in written for id in ids}
    with closing_now(vecstore.connect(path)) as db:
        shared = Collection("shared", db, create=False)
        assert {entry.id: entry.content for entry in shared} == expected
        for writer in range(WRITERS):
            own = Collection(f"own {writer}", db, create=False)
            assert own.ids() == sorted(ids_of(writer, n)[0] for n in range(done[writer]))
        assert db.journal_mode == "wal"
        shared.similar_by_id(ids_of(0, 0)[0])  # the last of the changes may not be followed yet
    report = check(path)
    assert (report.problems, report.notes) == ([], [])
    assert report.embeddings == len(expected) * (BATCH + 1) // BATCH
    assert report.collections == 1 + WRITERS


def test_a_lock_that_goes_from_hand_to_hand_is_waited_for(path, closing):
    """Two connections that never let go at the same time, for longer than the third would wait."""
    first, second = (closing(vecstore.connect(path, driver="apsw")) for _ in range(2))
    waiting = closing(vecstore.connect(path, driver="apsw", timeout=0.05))
    first["t"].create({"a": int})
    wait = locks.Wait(locks.busy_timeout(waiting.conn))
    for db in [first, second] * 10:
        db.conn.execute("begin immediate")
        db["t"].insert({"a": 1})
        for _ in range(3):
            assert not locks.begin_immediate(waiting.conn, wait)
            wait.sleep()
        while not wait.is_over():
            wait.sleep()
        db.conn.execute("commit")
    assert locks.begin_immediate(waiting.conn, wait)
    waiting.conn.execute("rollback")
    assert locks.busy_timeout(waiting.conn) == 0.05


def test_a_lock_that_nobody_lets_go_is_an_error(db, closing, path):
    Collection("test", db, model=WordLengths())
    locks.set_busy_timeout(db.conn, 0.05)
    other = closing(vecstore.connect(path))
    other.conn.execute("begin immediate")
    with pytest.raises(db.conn.OperationalError, match="database is locked"):
        Collection("test", db, create=False).delete_ids(["a"])
    other.conn.execute("rollback")
    assert transactions.write(db, lambda: db.conn.in_transaction)


def test_a_lock_is_asked_for_without_a_wait_in_sqlite(db, closing, path, monkeypatch):
    """It would be one for each question, in which no other thread has a turn."""
    Collection("test", db, model=WordLengths())
    locks.set_busy_timeout(db.conn, 0.05)
    other = closing(vecstore.connect(path))
    other.conn.execute("begin immediate")
    version = locks._data_version
    timeouts = []

    def noted_version(conn):
        timeouts.append(locks.busy_timeout(conn))
        return version(conn)

    monkeypatch.setattr(locks, "_data_version", noted_version)
    with pytest.raises(db.conn.OperationalError, match="database is locked"):
        Collection("test", db, create=False).delete_ids(["a"])
    assert set(timeouts) == {0}
    assert locks.busy_timeout(db.conn) == 0.05


def test_a_query_that_goes_on_over_a_write_of_another_is_named(db, closing, path):
    collection = Collection("test", db, model=WordLengths())
    collection.embed_multi((n, "a b c") for n in range(300))
    locks.set_busy_timeout(db.conn, 60)
    query = db.execute("select id from embeddings")
    assert query.fetchone()
    Collection("test", closing(vecstore.connect(path)), model=WordLengths()).embed("new", "text")
    if hasattr(db.conn, "turns") or sys.version_info >= (3, 11):
        with pytest.raises(db.conn.OperationalError, match="fetch them all before writing"):
            collection.embed("more", "text")
    query.fetchall()
    collection.embed("more", "text")
    assert rows(db, "select count(*) from embeddings") == [(302,)]
