"""`vecstore search`: its outputs, what it says on stderr, and that keywords need no model."""

import json
import os
import pty
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

import vecstore
from tests.support.command import PROCESS, error, output, process, run, usage_error
from tests.support.models import WordLengths


@pytest.fixture
def database(tmp_path: Path, registered: WordLengths) -> Path:
    path = tmp_path / "test.db"
    with closing(vecstore.connect(path, driver="apsw")) as db:
        demo = vecstore.Collection("demo", db, model=registered)
        demo.embed("1", "hello world", store=True)
        demo.embed("2", "goodbye world", {"sad": True}, store=True)
        demo.embed("x/3", "a\nb\tc", store=True)
    return path


def lines(*args: object, **kwargs: object) -> list[dict[str, object]]:
    return [json.loads(line) for line in output(*args, **kwargs).splitlines()]


def test_each_line_has_an_entry_with_its_reasons(database):
    assert lines("search", "demo", "-c", "hello there", "-n", 2, "-d", database) == [
        {
            "id": "1",
            "score": pytest.approx(0.45044, abs=0.001),
            "content": "hello world",
            "metadata": None,
            "similar_rank": 1,
            "similar_score": pytest.approx(1.0),
            "keyword_rank": 1,
            "keyword_score": pytest.approx(0.5425, abs=0.001),
            "snippet": "**hello** world",
        },
        {
            "id": "2",
            "score": pytest.approx(1 / 4),
            "content": "goodbye world",
            "metadata": {"sad": True},
            "similar_rank": 2,
            "similar_score": pytest.approx(0.986, abs=0.001),
            "keyword_rank": None,
            "keyword_score": None,
            "snippet": None,
        },
    ]


def test_the_options_are_those_of_the_search(database, tmp_path):
    command = ["search", "demo", "-d", database, "-c"]
    with closing(vecstore.connect(database, driver="apsw")) as db:
        demo = vecstore.Collection("demo", db)
        for arguments, options in [
            (["world"], {}),
            (["world -hello"], {}),
            (["world", "--mode", "keywords"], {"mode": "keywords"}),
            (["world", "--mode", "similar"], {"mode": "similar"}),
            (["world", "--weights", "0.5", "2"], {"weights": (0.5, 2)}),
            (["world", "--prefix", "x/"], {"prefix": "x/"}),
            (["world", "--min-score", "0.9", "--exact"], {"min_score": 0.9, "exact": True}),
            (
                ["world", "--where", "id > :a", "--param", "a", "1", "--per-document"],
                {"where": "id > '1'", "per_document": True},
            ),
        ]:
            expected = [e.__dict__ for e in demo.search(arguments[0], **options)]
            assert lines(*command, *arguments) == expected
    (tmp_path / "query.txt").write_text("world -hello\n")
    file = ["search", "demo", "-d", database, "-i"]
    assert lines(*file, tmp_path / "query.txt") == lines(*command, "world -hello")
    assert lines(*file, "-", input="world -hello") == lines(*command, "world -hello")


def test_plain_has_the_ranks_behind_the_score(database):
    command = ["search", "demo", "-c", "hello there", "-n", 2, "-d", database]
    best = lines(*command)[0]["score"]
    assert output(*command, "-p") == (
        f"1 ({best}, similar 1, keywords 1)\n\n  hello world\n\n"
        '2 (0.25, similar 2)\n\n  goodbye world\n  {"sad": true}\n\n'
    )


def test_a_table_has_both_ranks_and_the_snippet(database, monkeypatch):
    for id, content in [("wide", "日本語 hello " * 9), ("odd\x1b[31m", "\x1b]0;t\x07 hello \x01")]:
        output("embed", "demo", id, "-c", content, "--store", "-d", database)
    monkeypatch.setenv("COLUMNS", "60")
    command = ["search", "demo", "-c", "hello", "--mode", "keywords", "-d", database, "--table"]
    assert output(*command) == (
        " score  keywords  id        text\n"
        "0.3333         1  wide      日本語 **hello** 日本語 **hello…\n"
        "0.2500         2  1         **hello** world\n"
        "0.2000         3  odd [31m  ]0;t **hello**\n"
    )
    assert output(*command[:4], "--mode", "similar", "-n", 1, "-d", database, "--table") == (
        " score  similar  id  text\n0.3333        1  2   goodbye world\n"
    )
    output("embed", "demo", "far", "-c", "and so on " * 9 + "goodbye", "--store", "-d", database)
    command[3:6] = ["goodbye -world", "--mode", "hybrid"]
    assert (
        output(*command).splitlines()[1] == "0.4917        3         1  far       …o on **goodbye**"
    )
    assert output(*command, "-n", 0) == ""


def test_marked_words_are_bold_in_a_terminal(database):
    terminal, inside = pty.openpty()
    command = [
        *PROCESS,
        "search",
        "demo",
        "-c",
        "world",
        "--mode",
        "keywords",
        "--table",
        "-n",
        "1",
    ]
    done = subprocess.run([*command, "-d", database], stdout=inside, stderr=inside, timeout=60)
    os.close(inside)
    shown = os.read(terminal, 10_000).decode().replace("\r", "")
    os.close(terminal)
    assert done.returncode == 0, shown
    assert "  hello \x1b[1mworld\x1b[0m" in shown


def test_entries_without_a_text_are_told_of(database):
    output("embed", "demo", "no text", "-c", "hello", "-d", database)
    command = ["search", "demo", "-c", "hello", "-d", database]
    result = run(*command)
    assert result.exit_code == 0
    assert result.stderr == (
        "1 of 4 entries has no stored text, and keywords cannot find it: "
        "store it with embed-multi --store\n"
    )
    output("embed", "demo", "none too", "-c", "hello you", "-d", database)
    assert run(*command, "--table").stderr == (
        "2 of 5 entries have no stored text, and keywords cannot find them: "
        "store it with embed-multi --store\n"
    )
    assert run(*command, "--mode", "similar").stderr == ""


def test_keywords_need_no_model(tmp_path):
    path = tmp_path / "other.db"
    with closing(vecstore.connect(path, driver="apsw")) as db:
        other = vecstore.Collection("demo", db, model=WordLengths())
        other.embed("1", "hello world", store=True)
    command = ["search", "demo", "-c", "hello", "-d", path]
    [found] = lines(*command, "--mode", "keywords")
    assert (found["id"], found["snippet"]) == ("1", "**hello** world")
    assert error(*command).startswith("Unknown embedding model: 'word-lengths'")
    done = process(*command, "--mode", "keywords", "-p")
    assert (done.returncode, done.stderr) == (0, "")


def test_explain_shows_each_statement(database):
    text = output("search", "demo", "-c", "hello", "-d", database, "--explain")
    assert text.startswith("scan: 3 rows, ")
    assert "\nhybrid: 3 rows, " in text
    assert "vecstore_keywords match" in text


def test_what_is_wrong_is_one_line(database):
    command = ["search", "demo", "-d", database]
    assert usage_error(*command) == "Say what to search for: -c TEXT, or -i FILE"
    assert error(*command, "-c", "-x") == ("The text '-x' says only what to leave out: add a word")
    assert error(*command, "-c", "") == "No content provided"
    assert "'both' is not one of 'hybrid', 'keywords', 'similar'" in usage_error(
        *command, "-c", "x", "--mode", "both"
    )
    assert error(*command, "-c", "x", "--weights", 0, 1).startswith("weights is (0.0, 1.0)")
    assert usage_error(*command, "-c", "x", "--mode", "keywords", "--min-score", 1) == (
        "--min-score is of the similarity: --mode keywords has none"
    )
    assert usage_error(*command, "-c", "x", "-p", "--table") == (
        "--plain, --table and --explain cannot be used together"
    )
    assert error("search", "nope", "-c", "x", "-d", database).startswith(
        "Collection does not exist: 'nope'"
    )
    assert error(*command, "-c", "x", "--where", "nope").startswith("where='nope'")


def test_the_shell_completes_it(database):
    environment = {**os.environ, "_VECSTORE_COMPLETE": "bash_complete"}
    environment |= {"COMP_WORDS": "vecstore search demo --mo", "COMP_CWORD": "3"}
    assert process(env=environment).stdout == "plain,--mode\n"
    environment |= {"COMP_WORDS": "vecstore search demo --mode k", "COMP_CWORD": "4"}
    assert process(env=environment).stdout == "plain,keywords\n"
