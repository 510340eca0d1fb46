"""`vecstore shell` and `vecstore extension-path`, as processes and in a terminal."""

import json
import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest
import sqlite_vec

import vecstore
from tests.support.ages import make_llm_database
from tests.support.command import PROCESS, error, output, process, run
from tests.support.models import Vectors
from vecstore import Collection

COUNT_FOREVER = """
    with recursive n(n) as (select 1 union all select n + 1 from n)
    select count(*) from n;
"""


@pytest.fixture
def pets(path):
    """The path of a file with a collection whose model is local."""
    db = vecstore.connect(path, driver="apsw")
    pets = Collection("pets", db, model_id="local")
    pets.embed_multi([("hound", "my happy hound"), ("fish", "my silent fish")], store=True)
    db.close()
    return path


def rows(*args, **kwargs):
    """Return the rows that the shell prints as JSON."""
    done = process("shell", *args, **kwargs)
    assert (done.stderr, done.returncode) == ("", 0)
    return [tuple(row.values()) for row in json.loads(done.stdout)]


def test_the_path_is_that_of_the_extension():
    path = output("extension-path").rstrip("\n")
    assert path == sqlite_vec.loadable_path()
    assert Path(path).is_absolute()
    assert [file for file in Path(path).parent.iterdir() if file.stem == "vec0"] != []


def test_arguments_are_run_one_after_the_other(pets):
    sql = "select id from vecstore_items where collection = 'pets' order by id"
    done = process("shell", pets, sql, ".mode json", "select 1 as a; select 2 as b")
    assert (done.stdout, done.stderr, done.returncode) == (
        'fish\nhound\n[{ "a": 1}]\n[{ "b": 2}]\n',
        "",
        0,
    )


def test_a_text_is_searched_for(pets):
    found = rows(pets, ".mode json", "select id, content from vecstore_similar('pets', 'dog', 1)")
    assert found == [("hound", "my happy hound")]
    sql = "select length(vecstore_embed('pets', 'dog')), vec_length(vecstore_embed('pets', 'dog'))"
    assert rows(pets, ".mode json", sql) == [(1024, 256)]


@pytest.mark.parametrize(
    "piped", ["select 'Zoë';\n", "select 'Zoë'", "-- a comment\nselect\n'Zoë'\n"]
)
def test_sql_is_read_from_a_pipe(pets, piped):
    done = subprocess.run(
        [*PROCESS, "shell", pets],
        input=piped.encode(),
        capture_output=True,
        timeout=60,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )
    assert (done.stdout.decode(), done.stderr, done.returncode) == ("Zoë\n", b"", 0)


def test_nothing_at_all_is_no_error(pets):
    assert output("shell", pets, input="") == ""


@pytest.mark.parametrize("default", ["argument", "option", "environment", "folder"])
def test_the_database_is_that_of_all_commands(pets, default, monkeypatch):
    arguments = {"argument": [pets], "option": ["-d", pets]}.get(default, [])
    if default == "environment":
        monkeypatch.setenv("VECSTORE_DB", pets)
    if default == "folder":
        Path(pets).rename(vecstore.user_dir() / "embeddings.db")
    assert output("shell", *arguments, input="select count(*) from vecstore_items;") == "2\n"


def test_with_d_all_arguments_are_sql(pets):
    assert output("shell", "-d", pets, "select 1", "select 2") == "1\n2\n"


def test_a_file_that_does_not_exist_is_an_error_and_not_created(tmp_path):
    path = tmp_path / "nope.db"
    assert error("shell", path, "select 1").startswith(f"There is no database {path}: ")
    assert not path.exists()


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("select * from nope", "no such table: nope"),
        ("select vecstore_embed('nope', 'x')", "Collection does not exist: 'nope'"),
        ("select * from vecstore_similar('pets', '[1]')", "The vector has 1 dimensions and"),
        ("select load_extension('x')", "not authorized"),
        (".nope", 'Unknown command "nope"'),
        ("select 'x", "unrecognized token"),
    ],
)
def test_an_error_ends_it_with_1(pets, sql, message):
    done = process("shell", pets, "select 1", sql, "select 2")
    assert (done.stdout, done.returncode) == ("1\n", 1)
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    piped = process("shell", pets, input=f"select 1;\n{sql};\nselect 2;\n")
    assert (piped.stdout, piped.returncode) == ("1\n", 1)


def test_what_an_error_interrupts_is_not_written(pets):
    sql = "begin; delete from embeddings; select * from nope; commit;"
    assert process("shell", pets, input=sql).returncode == 1
    assert output("shell", pets, "select count(*) from embeddings") == "2\n"


def test_what_is_written_is_in_the_index(pets):
    delete = "delete from embeddings where id = 'hound'"
    assert output("shell", pets, delete) == ""
    assert output("shell", pets, "select id from vecstore_similar('pets', 'dog')") == "fish\n"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
def test_a_file_that_cannot_be_written_is_read_as_a_user(pets):
    Path(pets).chmod(0o444)
    done = process("shell", pets, "select count(*) from embeddings", "delete from embeddings")
    assert (done.stdout, done.returncode) == ("2\n", 1)
    assert "readonly" in done.stderr


def test_a_file_that_cannot_be_written_is_read(pets, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    done = run("shell", pets, "select count(*) from embeddings", "delete from embeddings")
    assert (done.stdout, done.exit_code) == ("2\n", 1)
    assert "readonly" in done.stderr


def test_an_old_file_of_llm_gets_the_views(path):
    make_llm_database(path, stop_before="m004_store_content_hash")
    sql = "select name, model, dimensions, items from vecstore_collections"
    assert output("shell", path, sql) == "old|vectors|2|2\n"


def test_a_file_that_is_not_ours_is_left_as_it_is(path):
    db = vecstore.connect(path, driver="apsw")
    db["notes"].insert({"id": 1})
    db.execute("pragma wal_checkpoint(truncate)")
    db.close()
    before = Path(path).read_bytes()
    assert output("shell", path, ".tables") == "notes\n"
    assert Path(path).read_bytes() == before


def test_a_file_of_a_newer_vecstore_is_refused(path):
    db = vecstore.connect(path, driver="apsw")
    Collection("test", db, model=Vectors())
    row = {"migration_set": "vecstore", "name": "9999_the_future", "applied_at": "2099-01-01"}
    db["_sqlite_migrations"].insert(row)
    db.close()
    assert "9999_the_future" in error("shell", path, "select 1")


def test_what_is_opened_later_has_everything_too(pets, tmp_path):
    sql = "select vec_length('[1, 2]'), vecstore_embed('x', null) is null"
    other = tmp_path / "other.db"
    assert output("shell", pets, f".open {other}", sql, f".open {pets}", sql) == "2|1\n2|1\n"


def test_an_exit_code_of_ones_own(pets):
    assert run("shell", pets, ".exit 5", "select 1").exit_code == 5


def test_ctrl_c_ends_a_statement_that_gives_no_rows(pets):
    command = subprocess.Popen(
        [*PROCESS, "shell", pets, "select 1", COUNT_FOREVER],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert command.stdout.readline() == "1\n"
    time.sleep(0.5)
    command.send_signal(2)
    _, stderr = command.communicate(timeout=60)
    assert (stderr, command.returncode) == ("Interrupted\n", 130)


def test_a_reader_that_has_seen_enough_is_no_error(pets):
    rows = (
        "with recursive n(n) as (select 1 union all select n + 1 from n limit 1e5) select n from n"
    )
    command = f'{sys.executable} -m vecstore shell {pets} "{rows}" | head -1'
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("1\n", "")


class Terminal:
    """The shell in a terminal: what is typed, and what it shows for that, without colours."""

    def __init__(self, *args: str) -> None:
        self._shown = ""
        self._pid, self._fd = pty.fork()
        if self._pid == 0:
            os.environ["TERM"] = "dumb"
            os.execv(sys.executable, [*PROCESS, "shell", *args])

    def until(self, text: str) -> str:
        """Return what is shown up to and with a text; what comes after it is for the next call."""
        deadline = time.monotonic() + 60
        while text not in self._shown:
            assert time.monotonic() < deadline, self._shown
            if select.select([self._fd], [], [], 0.1)[0]:
                self._shown += os.read(self._fd, 4096).decode()
                self._shown = re.sub("\x1b\\[[0-9;?]*[a-zA-Z]", "", self._shown)
        before, _, self._shown = self._shown.partition(text)
        return before + text

    def type(self, text: str) -> None:
        os.write(self._fd, text.encode())

    def end(self) -> int:
        self.type("\x04")
        _, status = os.waitpid(self._pid, 0)
        os.close(self._fd)
        return os.waitstatus_to_exitcode(status)


def test_a_session_in_a_terminal(pets):
    terminal = Terminal(pets)
    intro = terminal.until("sqlite> ")
    assert f"vecstore {vecstore.__version__}, SQLite " in intro
    assert pets in intro
    terminal.type("select vecstore_embed('nope', 'x');\n")
    assert "Collection does not exist: 'nope'" in terminal.until("has 'pets')")
    terminal.until("sqlite> ")
    terminal.type("select half of it")
    terminal.until("half of it")
    time.sleep(0.5)  # Python overlooks a signal that comes while readline draws
    terminal.type("\x03")
    terminal.until("sqlite> ")
    for line in COUNT_FOREVER.strip().splitlines():  # readline scrolls longer ones
        terminal.type(line.strip() + "\n")
        terminal.until(line.strip())
    time.sleep(0.5)
    terminal.type("\x03")
    terminal.until("sqlite> ")
    terminal.type("select 40 + 2 as answer;\n")
    assert "42" in terminal.until("sqlite> ")
    assert terminal.end() == 0
    assert "select 40 + 2" in (vecstore.user_dir() / "shell_history").read_text()
