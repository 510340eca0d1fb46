"""Loads as processes, against a server: interrupted, killed, refused, and gone on with."""

import itertools
import json
import os
import pty
import random
import signal
import subprocess
import threading
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

import vecstore
from tests.support.command import PROCESS
from tests.support.command import error as one_line
from tests.support.openai_server import (
    KEY,
    OpenAIServer,
    answer_vectors,
    bare_error,
    error,
    reject,
)
from vecstore.cli import databases

ROWS = [(f"{n:04}", f"text {n}") for n in range(600)]
CSV = "id,text\n" + "".join(f"{id},{text}\n" for id, text in ROWS)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    (tmp_path / "rows.csv").write_text(CSV)
    return tmp_path / "test.db"


def command(database: Path, *options: str) -> list[str]:
    rows = str(database.parent / "rows.csv")
    arguments = ["embed-multi", "c", rows, "-m", "openai/fake", "-d", str(database)]
    return [*PROCESS, *arguments, "--batch-size", "10", *options]


def start(database: Path, *options: str) -> "subprocess.Popen[str]":
    pipe = subprocess.PIPE
    return subprocess.Popen(command(database, *options), stdout=pipe, stderr=pipe, text=True)


def finish(database: Path, *options: str) -> tuple[int, str, str]:
    process = start(database, *options)
    output, errors = process.communicate(timeout=60)
    return process.returncode, output, errors


def stored(database: Path) -> list[str]:
    """Return the ids that are stored, after a check that index and table are equal."""
    if not database.exists():
        return []
    with closing(vecstore.connect(database, driver="apsw", read_only=True)) as db:
        if "embeddings" not in db.table_names():
            return []
        assert db.execute("pragma integrity_check").fetchone() == ("ok",)
        ids = [id for (id,) in db.execute("select id from embeddings order by id")]
        if ids:
            [(indexed,)] = db.execute("select count(*) from vec_embeddings_3")
            assert indexed == len(ids)
        return ids


def paid(server: OpenAIServer) -> Counter[str]:
    """Return how often each text was embedded."""
    return Counter(itertools.chain.from_iterable(server.inputs()))


def slowly(request):
    time.sleep(0.05)
    return answer_vectors(request)


def wait_for_requests(server: OpenAIServer, number: int) -> None:
    deadline = time.monotonic() + 30
    while len(server.requests) < number:
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.parametrize("width", [[], ["--concurrency", "1"]])
def test_an_interrupt_stores_what_is_in_hand_and_the_same_command_goes_on(server, database, width):
    server.answer = slowly
    process = start(database, *width)
    wait_for_requests(server, 10)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, output) == (130, "")
    assert "Traceback" not in errors
    asked = paid(server)
    assert len(stored(database)) == len(asked) < len(ROWS)
    assert finish(database)[0] == 0
    assert stored(database) == [id for id, _ in ROWS]
    assert set(paid(server).values()) == {1}


def test_a_second_interrupt_stops_at_once(server, database):
    released = threading.Event()
    server.answer = lambda request: (released.wait(30), answer_vectors(request))[1]
    process = start(database, "--concurrency", "2")
    wait_for_requests(server, 2)
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)
    released.set()
    assert process.returncode == 130
    assert stored(database) == []


def test_an_interrupt_while_reading_a_pipe(server, database):
    pipe = subprocess.PIPE
    arguments = ["embed-multi", "c", "-", "-m", "openai/fake", "-d", str(database)]
    process = subprocess.Popen(
        [*PROCESS, *arguments, "--batch-size", "2"], stdin=pipe, stderr=pipe, text=True
    )
    process.stdin.write('{"id": 1, "t": "a"}\n{"id": 2, "t": "b"}\n{"id": 3, "t": "c"}\n')
    process.stdin.flush()
    wait_for_requests(server, 1)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert stored(database) == ["1", "2"]


def test_kills_lose_nothing_that_was_stored_and_pay_twice_only_for_what_was_in_flight(
    server, database
):
    server.answer = slowly
    kills = 6
    moments = random.Random(0)
    for _ in range(kills):
        process = start(database)
        wait_for_requests(server, len(server.requests) + moments.randint(1, 12))
        time.sleep(moments.random() / 10)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        stored(database)
    assert finish(database)[0] == 0
    assert stored(database) == [id for id, _ in ROWS]
    # Eight requests at once, of ten texts.
    assert sum(paid(server).values()) <= len(ROWS) + kills * 8 * 10


def test_busy_servers_lose_and_repeat_nothing(server, database):
    turns = itertools.count()
    lock = threading.Lock()

    def answer(request):
        with lock:
            turn = next(turns)
        if turn % 10 == 3:
            return bare_error(429, "Slow down", **{"retry-after": "0.1"})
        return error(500, "down", retry=True) if turn % 10 == 7 else answer_vectors(request)

    server.answer = answer
    status, output, errors = finish(database)
    assert (status, "Error" in errors) == (0, False)
    assert output == "600 embedded, 0 reused, 0 updated, 0 unchanged\n"
    assert stored(database) == [id for id, _ in ROWS]


def test_a_server_that_goes_away_is_one_line_and_the_rest_comes_later(server, database):
    def answer(request):
        return answer_vectors(request) if len(server.requests) <= 20 else error(503, "gone")

    server.answer = answer
    status, output, errors = finish(database)
    assert (status, output, errors.count("\n")) == (1, "", 1)
    assert errors.startswith("Error: The model 'openai/fake' at ")
    assert "answered 503: gone" in errors
    assert KEY not in errors
    assert len(stored(database)) == 200
    server.answer = answer_vectors
    assert finish(database)[0] == 0
    assert stored(database) == [id for id, _ in ROWS]


def test_refused_texts_are_skipped_and_listed(server, database):
    refused = ["text 5", "text 123", "text 599"]
    server.answer = reject(*refused)
    errors_file = database.parent / "errors.jsonl"
    status, output, errors = finish(database, "--on-error", "skip", "--errors", str(errors_file))
    assert (status, output) == (1, "597 embedded, 0 reused, 0 updated, 0 unchanged\n")
    assert errors.startswith("Error: 3 entries were skipped: the first: '0005' was not embedded")
    assert errors.count("\n") == 1
    listed = [json.loads(line) for line in errors_file.read_text().splitlines()]
    assert [line["id"] for line in listed] == ["0005", "0123", "0599"]
    assert all("input is too long" in line["error"] for line in listed)
    assert len(stored(database)) == 597


def test_a_terminal_shows_a_bar_with_count_rate_and_time(server, database):
    server.answer = slowly
    pid, terminal = pty.fork()
    if pid == 0:
        arguments = command(database)
        os.execv(arguments[0], arguments)
    shown = ""
    try:
        while chunk := os.read(terminal, 1024):
            shown += chunk.decode()
    except OSError:  # how Linux ends a terminal
        pass
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert "Embedding" in shown
    assert "600/600" in shown
    assert "/s" in shown
    assert "600 embedded, 0 reused" in shown


@pytest.mark.parametrize("width", [[], ["--concurrency", "1"]])
def test_an_interrupt_ends_the_wait_for_a_busy_server(server, database, width):
    server.answer = lambda request: bare_error(429, "Slow down", **{"retry-after": "60"})
    process = start(database, *width)
    wait_for_requests(server, 1)
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 130
    assert stored(database) == []


def test_a_lock_that_lasts_is_named_and_nothing_that_was_stored_is_lost(
    server, database, monkeypatch
):
    assert finish(database, "--limit", "50")[0] == 0
    monkeypatch.setattr(databases, "_PATIENCE_SECONDS", 0.2)
    with closing(vecstore.connect(database, driver="apsw")) as other:
        other.conn.execute("begin immediate")
        message = one_line("embed-multi", "c", database.parent / "rows.csv", "-d", database)
    assert message == (
        f"{database} cannot be written now (database is locked): the same command goes on from "
        "there"
    )
    assert len(stored(database)) == 50
