"""The command with the URL of a PostgreSQL database in place of a file."""

import json
import os
import re
import shlex
from pathlib import Path

import psycopg
import pytest

import vecstore
from tests.support.command import PROCESS, error, output, process, run, usage_error
from tests.support.terminal import answer_question

ROWS = "id,text,mood\nfish,my silent fish,calm\nbird,my bird in a tree,calm\ncat,a cat,sad\n"
FEWER = "id,text,mood\nfish,my silent fish,calm\nbird,my loud bird,loud\n"

# What any command prints, and what it leaves, is the same for a file and for a server.
SESSION = """
collections list
embed pets hound -m words --store -c "my happy hound" -d DB
embed pets hound -c "my happy hound" -f hex -d DB
embed pets wolf -m local -c "a wolf" -d DB
embed pets wolf -m no-such-model -c "a wolf" -d DB
embed pets "" -c "a wolf" -d DB
embed-multi pets rows.csv --store --dry-run -d DB
embed-multi pets rows.csv --content text --metadata mood --store -d DB
embed-multi pets rows.csv --content text --metadata mood --store -d DB
embed-multi pets rows.csv --content text --metadata mood --store --dry-run -d DB
embed-multi new rows.csv -m words --content text --dry-run -d DB
embed-multi pets --sql "select 'x' as id, 'y' as text" --attach other other.db -d DB
embed-multi vectors vectors.jsonl --vector embedding -m siglip -d DB
similar pets -c "my happy hound" -d DB
similar pets hound --plain -d DB
similar pets hound --table -n 2 -d DB
similar pets hound --where "content like :text" --param text "%bird%" -d DB
similar pets hound --prefix b -d DB
similar vectors --vector "[1, 0]" -d DB
similar pets mouse -d DB
similar mice 1 -d DB
search pets -c "happy bird" -d DB
search pets -c bird --mode keywords --plain -d DB
search pets -c '"in a tree"' --table --weights 2 1 -n 2 -d DB
search pets -c "happy -bird" --where "content like 'my%'" -d DB
search vectors -c happy --mode keywords -d DB
collections reembed pets -m local --dry-run -d DB
collections reembed pets --again --dry-run -d DB
collections reembed pets -m words --document-prefix "a b " -d DB
similar pets hound -d DB
collections reembed pets --no-document-prefix --drop-old --yes -d DB
collections reembed pets -m words -d DB
collections list --json -d DB
sync pets fewer.csv --content text --metadata mood --store --dry-run -d DB
sync pets fewer.csv --content text --metadata mood --store --dry-run --list -d DB
sync pets fewer.csv --content text --metadata mood --store -d DB
sync pets fewer.csv --content text --metadata mood --store --yes -d DB
sync new fewer.csv -m words --content text -d DB
collections set pets --query-prefix "query: " -d DB
collections set mice --query-prefix "query: " -d DB
collections set mice -m words --document-prefix "passage: " -d DB
collections list --json -d DB
related pets -n 2 -d DB
related pets -n 2 -d DB
related mice -d DB
embed-multi docs --files docs '**/*.md' -m words --store --chunk -d DB
embed-multi docs --files docs '**/*.md' --store --chunk --dry-run -d DB
similar docs -c "my happy hound" --per-document -n 2 -d DB
similar docs "a.md#1" --skip-document -d DB
sync docs --files more '**/*.md' --store --chunk --yes -d DB
delete docs a.md -d DB
collections copy pets pets-2 -d DB
collections copy pets pets-2 -d DB
collections rename pets-2 animals -d DB
collections rename pets-2 animals -d DB
collections export pets - -d DB
collections export pets exported.jsonl -d DB
collections import exported.jsonl --name imported -d DB
collections import exported.jsonl -d DB
delete animals fish --dry-run -d DB
delete animals fish mouse -d DB
delete animals --prefix bi -d DB
delete animals --where "content = 'none'" -d DB
collections delete animals -d DB
collections delete animals -d DB
collections list --json -d DB
"""
COMMANDS = [line for line in SESSION.splitlines() if line.endswith("-d DB")]


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("rows.csv").write_text(ROWS)
    Path("fewer.csv").write_text(FEWER)
    for folder in ("docs", "more"):
        Path(folder).mkdir()
        Path(folder, "a.md").write_text("# Pets\n\nmy happy hound\n\n## Cats\n\nmy cat\n" * 40)
    Path("docs", "b.md").write_text("my silent fish\n")
    Path("vectors.jsonl").write_text('{"id": "a", "embedding": [1, 2]}\n')
    vecstore.connect("other.db").close()
    return tmp_path


def shown(text: str, database: str) -> str:
    """Return what was printed, with a name for the database, and what no two need agree on alike.

    That is the last digits of numbers, and the order of keys, which jsonb does not keep.
    """
    text = text.replace(database, "DB")
    text = re.sub(r'"updated": \d+', '"updated": 0', text)
    text = re.sub(r"\d\.\d{5,}", lambda number: f"{float(number[0]):.5f}", text)
    return "\n".join(map(sort_keys, text.split("\n")))


def sort_keys(line: str) -> str:
    return json.dumps(json.loads(line), sort_keys=True) if line.startswith('{"') else line


def run_all(database: str) -> list[tuple[str, int, str, str]]:
    done = []
    for line in COMMANDS:
        result = run(*(database if arg == "DB" else arg for arg in shlex.split(line)))
        printed = shown(result.stdout, database), shown(result.stderr, database)
        done.append((line, result.exit_code, *printed))
    return done


def test_a_session_on_a_server_is_the_same_as_on_a_file(work, registered, postgres_url):
    of_file = run_all(str(work / "test.db"))
    assert run_all(postgres_url) == of_file


def test_a_list_says_what_there_is_and_of_no_place(work, registered, postgres_url):
    result = run("collections", "-d", postgres_url)
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == f"No collections in {postgres_url}\n"
    output("embed-multi", "pets", "rows.csv", "-m", "words", "-d", postgres_url)
    output("collections", "set", "pets", "--query-prefix", "query: ", "-d", postgres_url)
    assert output("collections", "-d", postgres_url) == (
        "pets: word-lengths\n  3 embeddings\n  query prefix 'query: '\n"
    )


def test_nothing_is_made_by_a_command_that_reads(postgres_url):
    assert error("similar", "pets", "1", "-d", postgres_url) == (
        f"Collection does not exist: 'pets' ({postgres_url} has no collections)"
    )
    assert output("collections", "--json", "-d", postgres_url) == "[]\n"
    with psycopg.connect(postgres_url) as connection:
        assert connection.execute("select to_regclass('collections')").fetchone() == (None,)


def test_a_collection_that_got_no_entry_is_deleted(work, failing, postgres_url):
    failing.failure = TypeError("no")
    assert run("embed", "new", "1", "-m", "words", "-c", "x", "-d", postgres_url).exit_code == 1
    assert output("collections", "--json", "-d", postgres_url) == "[]\n"


def test_the_environment_may_name_a_server(work, registered, postgres_url, monkeypatch):
    monkeypatch.setenv("VECSTORE_DB", postgres_url)
    output("embed", "pets", "1", "-m", "words", "-c", "oak")
    assert output("collections", "list") == "pets: word-lengths\n  1 embedding\n"
    assert output("collections", "path") == f"{postgres_url}\n"
    assert output("check").startswith(f"{postgres_url}: 1 embedding in 1 collection\n")


def test_no_command_shows_the_password(monkeypatch):
    url = "postgresql://ann:secret@127.0.0.1:1/pets"
    hidden = "postgresql://ann:***@127.0.0.1:1/pets"
    monkeypatch.setenv("VECSTORE_DB", url)
    assert output("collections", "path") == f"{hidden}\n"
    for command in (
        ["collections"],
        ["similar", "pets", "1"],
        ["embed", "pets", "1", "-m", "local", "-c", "x"],
        ["delete", "pets", "1"],
        ["check"],
        ["index"],
        ["index", "build"],
        ["compact"],
        ["shell"],
    ):
        message = error(*command)
        assert message.startswith(hidden)
        assert "secret" not in message


def test_a_question_shows_no_password(work, registered, postgres_url):
    url = f"{postgres_url}&password=secret"
    output("embed-multi", "pets", "rows.csv", "-m", "words", "-d", url)
    shown = f"{postgres_url}&password=***"
    asked = answer_question([*PROCESS, "collections", "delete", "pets", "-d", url], b"n\n")
    assert asked.question == f"Delete the collection 'pets' with 3 entries from {shown}? [y/N]: "
    assert asked.exit_code == 1
    asked = answer_question([*PROCESS, "delete", "pets", "cat", "-d", url], b"y\n")
    assert asked.question == f"Delete 1 entry of 'pets' from {shown}? [y/N]: "
    assert (asked.exit_code, asked.after) == (0, "y\n1 deleted\n")
    assert output("check", url) == f"{shown}: 2 embeddings in 1 collection\nNo problems\n"


@pytest.mark.parametrize(
    ("command", "instead"),
    [
        (["compact", "URL"], "VACUUM FULL, in psql, makes it small"),
        (
            ["backup", "URL", "copy.db"],
            "pg_dump backs it up, and 'vecstore pull' copies it to a file",
        ),
        (["backup", "pets.db", "URL"], "'vecstore push' copies a file to it"),
        (["index", "move", "URL", "beside"], "its indexes have one place, beside the tables"),
        (["shell", "URL"], "psql, or any other client of it, takes SQL"),
        (["shell", "-d", "URL", "select 1"], "psql, or any other client of it, takes SQL"),
    ],
)
def test_what_is_for_files_says_what_to_use_instead(work, command, instead):
    url = "postgresql://ann:secret@127.0.0.1:1/pets"
    assert error(*[url if arg == "URL" else arg for arg in command]) == (
        f"postgresql://ann:***@127.0.0.1:1/pets is a PostgreSQL database: {instead}"
    )


def test_sql_reads_files_beside_a_server(work):
    command = ["embed-multi", "pets", "--sql", "select 1, 2", "-m", "local"]
    assert usage_error(*command, "-d", "postgresql://127.0.0.1:1/pets") == (
        "--sql reads SQLite files, and the collection is in PostgreSQL: name one with --attach"
    )


def test_without_psycopg_one_line_says_what_to_install(work):
    Path("psycopg.py").write_text("raise ImportError('no psycopg here')\n")
    for command in (["collections"], ["check"], ["index"]):
        result = process(
            *command,
            "-d",
            "postgresql://127.0.0.1:1/pets",
            env={**os.environ, "PYTHONPATH": str(work)},
        )
        assert (result.returncode, result.stdout, result.stderr) == (
            1,
            "",
            "Error: A PostgreSQL database needs psycopg (no psycopg here): pip install "
            "'sqlite-vecstore[postgres]'\n",
        )
