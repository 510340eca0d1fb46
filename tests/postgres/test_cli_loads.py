"""Loads into a PostgreSQL database by the command: interrupted, cut off, and gone on with."""

import signal
import subprocess
import time
from collections import Counter
from itertools import chain
from pathlib import Path

import psycopg
import pytest

from tests.support.command import PROCESS, error, output, run
from tests.support.models import WordLengths
from tests.support.openai_server import answer_vectors
from vecstore import Collection

ROWS = [(f"{n:03}", f"text {n}") for n in range(200)]


@pytest.fixture
def load(tmp_path: Path, postgres_url: str) -> list[object]:
    """The arguments of a load, but for its model."""
    rows = tmp_path / "rows.csv"
    rows.write_text("id,text\n" + "".join(f"{id},{text}\n" for id, text in ROWS))
    return ["embed-multi", "c", rows, "--batch-size", 10, "--concurrency", 1, "-d", postgres_url]


def stored(url: str) -> list[str]:
    if not Collection.exists(url, "c"):
        return []
    collection = Collection("c", url)
    ids = collection.ids()
    collection.store.close()
    return ids


def slowly(request):
    time.sleep(0.05)
    return answer_vectors(request)


def test_an_interrupt_stores_what_is_in_hand_and_the_same_command_goes_on(
    server, load, postgres_url
):
    server.answer = slowly
    command = [*PROCESS, *map(str, load), "-m", "openai/fake"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while len(server.requests) < 5:
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    printed, errors = process.communicate(timeout=60)
    assert (process.returncode, printed) == (130, "")
    assert errors.split("\n")[-3:] == [
        "What was embedded is stored: the same command goes on from there",
        "Interrupted",
        "",
    ]
    asked = Counter(chain.from_iterable(server.inputs()))
    assert len(stored(postgres_url)) == len(asked) < len(ROWS)
    server.answer = answer_vectors
    assert run(*load, "-m", "openai/fake").exit_code == 0
    assert stored(postgres_url) == [id for id, _ in ROWS]
    assert set(Counter(chain.from_iterable(server.inputs())).values()) == {1}


def test_a_connection_that_is_lost_is_one_line_and_the_same_command_goes_on(
    registered: WordLengths, load, postgres_url, monkeypatch
):
    embed_batch = WordLengths.embed_batch

    def cut_off_in_the_midst(model, items):
        if len(model.batches) == 7:
            with psycopg.connect(postgres_url) as connection:
                connection.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity "
                    "where application_name = 'vecstore'"
                )
        return embed_batch(model, items)

    monkeypatch.setattr(WordLengths, "embed_batch", cut_off_in_the_midst)
    message = error(*load, "-m", "words")
    assert message.startswith(f"{postgres_url}: ")
    assert message.endswith(": the same command goes on from there")
    monkeypatch.setattr(WordLengths, "embed_batch", embed_batch)
    before = len(stored(postgres_url))
    assert 0 < before < len(ROWS)
    assert output(*load) == f"{200 - before} embedded, 0 reused, 0 updated, {before} unchanged\n"
    assert stored(postgres_url) == [id for id, _ in ROWS]
