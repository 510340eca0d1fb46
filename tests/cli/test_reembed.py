"""`vecstore collections reembed`, `rename` and `copy`, and `vecstore check --model`."""

import os
import pty
import signal
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest

import vecstore
from tests.support.command import PROCESS, error, output, run, usage_error
from tests.support.documents import blocks
from tests.support.models import Pseudorandom, WordLengths
from tests.support.openai_server import answer_vectors
from vecstore import Collection

ENTRIES = [("hound", "my happy hound"), ("cat", "my cat"), ("bird", "my bird, which sings")]
REEMBED = ("collections", "reembed", "pets")


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "pets.db"
    with closing(vecstore.connect(path, driver="apsw")) as db:
        Collection("pets", db, model=Pseudorandom()).embed_multi(ENTRIES, store=True)
    return path


def listed(database):
    return run("collections", "-d", database).stdout.splitlines()[::2]


def test_the_report_of_a_collection_that_is_embedded_again(database, registered):
    result = run(*REEMBED, "-m", "words", "-d", database)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        "3 embedded, 0 reused",
        "The old and the new vectors agree on 2.0 of the 2 nearest, on average of 3 entries",
        "pets: 3 entries, model word-lengths, and the old one is pets@pseudorandom",
    ]
    assert listed(database) == ["pets: word-lengths", "pets@pseudorandom: pseudorandom"]


def test_the_nearest_ten_are_said_in_words(database, registered):
    with closing(vecstore.connect(database, driver="apsw")) as db:
        pets = Collection("pets", db, model=Pseudorandom())
        pets.embed_multi(((f"{n}", f"text {n}") for n in range(200)), store=True)
    [line] = output(*REEMBED, "-m", "words", "-d", database).splitlines()[1:2]
    assert line.startswith("The old and the new vectors agree on ")
    assert line.endswith(" of the ten nearest, on average of 100 entries")


def test_nothing_is_printed_where_it_is_to_be_quiet(database, registered):
    assert output(*REEMBED, "-m", "words", "-d", database, "-q", "--drop-old") == ""
    assert listed(database) == ["pets: word-lengths"]


def test_the_same_model_has_nothing_to_do(database, registered):
    output(*REEMBED, "-m", "words", "-d", database)
    registered.embedded.clear()
    for options in ([], ["--dry-run"]):
        result = run(*REEMBED, "-m", "words", "-d", database, *options)
        assert (result.exit_code, result.stdout) == (0, "")
        assert result.stderr == (
            "'pets' is of the model word-lengths already: there is nothing to do (--again embeds "
            "it nevertheless)\n"
        )
    assert registered.embedded == []
    assert "3 embedded" in output(*REEMBED, "-m", "words", "-d", database, "--again")
    assert listed(database) == [
        "pets: word-lengths",
        "pets@pseudorandom: pseudorandom",
        "pets@word-lengths: word-lengths",
    ]


def test_a_dry_run_counts_and_writes_nothing(database, registered):
    before = database.read_bytes()
    command = [*REEMBED, "-m", "words", "-d", database, "--dry-run"]
    assert output(*command) == "To embed: 3 entries, 40 characters\n"
    assert database.read_bytes() == before
    assert registered.embedded == []
    with closing(vecstore.connect(database, driver="apsw")) as db:
        Collection("pets", db, model=Pseudorandom()).embed("n", "not stored")
    result = run(*command)
    assert (result.exit_code, result.stdout) == (1, "To embed: 3 entries, 40 characters\n")
    assert "cannot embed 1 without stored content ('n')" in result.stderr
    assert output(*command, "--on-error", "skip").splitlines()[1:] == [
        "1 entry has no stored content that the model embeds, only in 'pets@pseudorandom'"
    ]


def test_entries_without_content_are_refused_or_left_out(database, registered):
    with closing(vecstore.connect(database, driver="apsw")) as db:
        Collection("pets", db, model=Pseudorandom()).embed("n", "not stored")
    command = [*REEMBED, "-m", "words", "-d", database]
    assert "(--on-error skip), and they are only in 'pets@pseudorandom'" in error(*command)
    assert registered.embedded == []
    assert "leave one of the two out" in error(*command, "--on-error", "skip", "--drop-old")
    result = run(*command, "--on-error", "skip")
    assert result.exit_code == 0
    assert result.stderr == (
        "1 entry has no stored content that the model embeds, only in 'pets@pseudorandom'\n"
    )


def test_what_is_refused_by_the_model_is_one_line_and_can_be_skipped(database, failing):
    failing.failure = vecstore.RejectedInputError("too long")
    command = [*REEMBED, "-m", "words", "-d", database]
    assert error(*command) == "'bird' was not embedded: too long (--on-error skip leaves it out)"
    assert listed(database) == ["pets: pseudorandom"]


def test_mistakes_are_one_line(database, tmp_path, registered):
    for options in ([], ["--query-prefix", "q: "]):
        assert usage_error(*REEMBED, "-d", database, *options) == (
            "Which model? Give -m MODEL, or else --document-prefix or --again"
        )
    assert "Unknown embedding model: 'wrods'" in error(*REEMBED, "-m", "wrods", "-d", database)
    missing = ("collections", "reembed", "birds", "-m", "words", "-d", database)
    assert error(*missing).startswith("Collection does not exist: 'birds' (")
    assert error(*REEMBED, "-m", "words", "-d", tmp_path / "no.db").startswith("There is no data")
    assert not (tmp_path / "no.db").exists()
    output("collections", "copy", "pets", "pets@pseudorandom", "-d", database)
    message = error(*REEMBED, "-m", "words", "-d", database)
    assert "there is a collection of that name: rename or delete that one" in message
    assert registered.embedded == []


@pytest.mark.parametrize(("answer", "left"), [("n", ["pseudorandom"]), ("y", ["wordllama"])])
def test_it_asks_on_a_terminal_before_the_old_vectors_are_deleted(database, answer, left):
    leader, follower = pty.openpty()
    os.write(leader, f"{answer}\n".encode())
    command = [*PROCESS, *REEMBED, "-m", "local", "-d", str(database), "--drop-old"]
    result = subprocess.run(command, stdin=follower, capture_output=True, text=True, timeout=60)
    os.close(leader)
    os.close(follower)
    assert result.stderr.startswith(
        "Delete the vectors of pseudorandom of the collection 'pets' with 3 entries, when the new "
        "ones are in their place? [y/N]: "
    )
    assert listed(database) == [f"pets: {model}" for model in left]


def test_after_an_interrupt_the_same_command_goes_on(database, server):
    with closing(vecstore.connect(database, driver="apsw")) as db:
        pets = Collection("pets", db, model=Pseudorandom())
        pets.embed_multi(((f"{n:03}", f"text {n}") for n in range(97)), store=True)

    def slowly(request):
        time.sleep(0.05)
        return answer_vectors(request)

    server.respond = slowly
    command = [*PROCESS, *REEMBED, "-m", "openai/fake", "-d", str(database), "--batch-size", "5"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as process:
        while len(server.inputs()) < 3:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        shown, said = process.communicate(timeout=60)
    assert (process.returncode, shown) == (130, "")
    assert "What was embedded is stored: the same command goes on from there" in said
    assert listed(database) == ["pets: pseudorandom", "pets@openai/fake (unfinished): openai/fake"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    sent = [text for texts in server.inputs() for text in texts]
    assert len(sent) == len({*sent}) == 100
    assert listed(database) == ["pets: openai/fake", "pets@pseudorandom: pseudorandom"]


def test_rename_and_copy(database):
    assert output("collections", "rename", "pets", "animals", "-d", database) == ""
    copied = output("collections", "copy", "animals", "before", "-d", database)
    assert copied == "before: 3 entries, model pseudorandom\n"
    assert listed(database) == ["animals: pseudorandom", "before: pseudorandom"]
    taken = "There is a collection 'before' already, of the model 'pseudorandom': choose another"
    for command in ("rename", "copy"):
        assert taken in error("collections", command, "animals", "before", "-d", database)
        assert "does not exist: 'pets'" in error(
            "collections", command, "pets", "x", "-d", database
        )


def test_check_compares_with_the_models(database, registered):
    output(*REEMBED, "-m", "words", "-d", database, "--drop-old")
    assert "word-lengths" not in output("check", database)
    assert output("check", database, "--model").splitlines()[1:] == [
        "Note: 'word-lengths' gives the same vectors for 3 entries of 'pets'",
        "No problems",
    ]


@pytest.fixture
def page(tmp_path, monkeypatch, registered):
    """The folder, and the collection, that docs/documents.md is about."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VECSTORE_DB", "docs.db")
    pets = Collection("pets", vecstore.connect("docs.db", driver="apsw"), model=WordLengths())
    texts = [("hound", "my happy hound"), ("cat", "my cat"), ("bird", "my bird, which sings.")]
    pets.embed_multi(texts, store=True)
    yield pets
    pets.db.close()


def test_the_session_about_another_model(page):
    [session] = [text for text in blocks("docs/documents.md", "console") if "reembed" in text]
    lines = session.splitlines()
    shown = [line for line in lines if not line.startswith("$ ")]
    commands = [line.split()[2:] for line in lines if line.startswith("$ ")]
    assert [line for c in commands for line in output(*c).splitlines()] == shown
