"""The command as such: its errors, its exit codes, and what it does to processes and pipes."""

import os
import signal
import subprocess
from pathlib import Path

import click
import pytest

import vecstore
from tests.support.command import PROCESS, error, output, process, run
from tests.support.models import WordLengths
from tests.support.terminal import CTRL_C, CTRL_D, answer_question
from vecstore.cli import ErrorsInOneLine, cli


def at_the_question(database: Path, answer: bytes) -> tuple[int, str]:
    """Delete a collection in a terminal; return the exit code, and what is shown after the answer.

    The answer is typed when the question is there.
    """
    command = [*PROCESS, "collections", "delete", "trees", "-d", str(database)]
    shown = answer_question(command, answer)
    question = f"Delete the collection 'trees' with 2 entries from {database}? [y/N]: "
    assert shown.question == question
    return shown.exit_code, shown.after


def test_version_of_the_module_run_as_a_process():
    result = process("--version")
    assert result.stdout == f"vecstore, version {vecstore.__version__}\n"


def test_every_command_has_its_help_under_both_options():
    for command in (
        [],
        ["embed"],
        ["similar"],
        ["collections"],
        ["collections", "delete"],
        ["embed-models"],
        ["embed-models", "default"],
    ):
        assert output(*command, "-h") == output(*command, "--help")


def test_a_file_that_is_no_database_is_one_line(tmp_path):
    path = tmp_path / "text.db"
    path.write_text("no database " * 1000)
    expected = f"{path} cannot be read as a SQLite database"
    assert error("collections", "list", "-d", path).startswith(expected)
    assert error("similar", "trees", "1", "-d", path).startswith(expected)


def test_a_folder_is_no_database(tmp_path):
    assert run("collections", "-d", tmp_path).exit_code == 2


def test_an_error_of_sqlite_is_one_line(tmp_path, registered):
    path = tmp_path / "broken.db"
    output("embed", "trees", "1", "-c", "oak", "-m", "words", "-d", path)
    db = vecstore.connect(path, driver="apsw")
    db.execute("drop table embeddings")
    db.close()
    assert error("similar", "trees", "1", "-d", path) == (
        f"{path} cannot be used now (no such table: main.embeddings): try again, or see what "
        "'vecstore check' says"
    )


def test_an_error_of_the_system_names_the_file(failing):
    failing.failure = FileNotFoundError(2, "No such file or directory", "words.bin")
    assert error("embed", "-m", "words", "-c", "oak") == "words.bin: No such file or directory"
    failing.failure = OSError("out of luck")
    assert error("embed", "-m", "words", "-c", "oak") == "out of luck"


def test_an_error_that_was_not_foreseen_says_where_it_was_raised(failing):
    failing.failure = TypeError("two\n  lines")
    line = error("embed", "-m", "words", "-c", "oak")
    assert line.startswith("TypeError: two lines (models.py, line ")


def test_an_interrupt_is_130(failing):
    failing.failure = KeyboardInterrupt()
    result = run("embed", "-m", "words", "-c", "oak")
    assert (result.exit_code, result.stdout, result.stderr) == (130, "", "Interrupted\n")


def test_an_interrupt_while_an_error_is_handled_is_130():
    @click.group(cls=ErrorsInOneLine)
    def group():
        pass

    @group.command()
    def command():
        try:
            raise ValueError
        except ValueError:
            raise KeyboardInterrupt  # noqa: B904

    assert click.testing.CliRunner().invoke(group, ["command"]).exit_code == 130


def test_an_interrupted_process_exits_with_130_and_one_line(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    command = [*PROCESS, "embed", "-m", "3-small", "-i", str(fifo)]
    with subprocess.Popen(command, stdout=-1, stderr=-1, text=True) as running:
        with fifo.open("wb"):  # waits until the command has opened it as well
            running.send_signal(signal.SIGINT)
        shown = running.communicate(timeout=60)
    assert (running.returncode, *shown) == (130, "", "Interrupted\n")


def test_a_closed_pipe_is_silent(tmp_path):
    path = tmp_path / "many.db"
    db = vecstore.connect(path, driver="apsw")
    for number in range(3):
        vecstore.Collection(f"{number}" * 100_000, db, model=WordLengths())
    db.close()
    command = [*PROCESS, "collections", "-d", str(path)]
    with subprocess.Popen(command, stdout=-1, stderr=-1, text=True) as running:
        assert running.stdout.read(3) == "000"
        running.stdout.close()
        assert running.stderr.read() == ""
    assert running.returncode == 1


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_what_the_terminal_cannot_show_is_shown_escaped(tmp_path, encoding):
    path = tmp_path / "words.db"
    db = vecstore.connect(path, driver="apsw")
    vecstore.Collection("木", db, model=WordLengths())
    db.close()
    result = process(
        "collections",
        "-d",
        path,
        env={**os.environ, "PYTHONIOENCODING": encoding},
        encoding="utf-8",
    )
    name = (
        "\\u6728" if encoding == "latin-1" else "木"
    )  # click writes UTF-8 where ASCII is asked for
    assert result.stdout == f"{name}: word-lengths\n  0 embeddings\n"
    assert result.stderr == "The index is inside the file\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shells_complete_the_commands(shell):
    source = process(env={**os.environ, "_VECSTORE_COMPLETE": f"{shell}_source"})
    assert source.returncode == 0
    assert "_VECSTORE_COMPLETE=" in source.stdout
    words = {"COMP_WORDS": "vecstore em", "COMP_CWORD": "em" if shell == "fish" else "1"}
    found = process(env={**os.environ, **words, "_VECSTORE_COMPLETE": f"{shell}_complete"})
    assert "embed" in found.stdout
    assert "similar" not in found.stdout


class TestTheQuestion:
    @pytest.fixture
    def trees(self, tmp_path):
        path = tmp_path / "trees.db"
        db = vecstore.connect(path, driver="apsw")
        vecstore.Collection("trees", db, model=WordLengths()).embed_multi([(1, "oak"), (2, "ash")])
        db.close()
        return path

    def left(self, path):
        return "trees" in run("collections", "-d", path).stdout

    def test_yes(self, trees):
        assert at_the_question(trees, b"y\n") == (0, "y\n")
        assert not self.left(trees)

    def test_no(self, trees):
        assert at_the_question(trees, b"n\n") == (1, "n\nAborted!\n")
        assert self.left(trees)

    def test_the_end_of_the_input(self, trees):
        code, shown = at_the_question(trees, CTRL_D)
        assert (code, shown.splitlines()[-1]) == (1, "Aborted!")
        assert self.left(trees)

    def test_an_interrupt(self, trees):
        code, shown = at_the_question(trees, CTRL_C)
        assert (code, shown.replace("^C", "")) == (130, "\nInterrupted\n")
        assert self.left(trees)


def test_the_command_is_the_group():
    assert isinstance(cli, ErrorsInOneLine)
