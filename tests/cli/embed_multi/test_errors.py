"""What is left out or stops a load, where it is listed, and options that do not go together."""

import json
import re

import pytest

from tests.support.command import error, run, usage_error
from tests.support.phrases import FILES


def test_the_file_of_errors_must_not_be_the_input(registered, database, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text(FILES["phrases.csv"])
    arguments = ["embed-multi", "c", path, "-m", "words", "-d", database, "--errors", path]
    assert "would replace it" in usage_error(*arguments)
    assert path.read_text() == FILES["phrases.csv"]


@pytest.mark.parametrize("dry_run", [[], ["--dry-run"]])
def test_the_file_of_errors_must_not_be_another_file(load, registered, database, folder, dry_run):
    load("-", input=FILES["phrases.csv"])
    for path in (database, folder / "one.txt"):
        before = path.read_bytes()
        arguments = ["embed-multi", "c", "--files", folder, "*.txt", "-d", database, *dry_run]
        message = usage_error(*arguments, "--errors", path)
        assert f"would replace {path}, which is no list of errors" in message
        assert path.read_bytes() == before


def test_on_error_skip_goes_on_and_tells_at_the_end(refusing, database, stored, tmp_path):
    errors = tmp_path / "errors.jsonl"
    text = (
        '{"id": "a", "text": "one"}\nno json\n{"id": "b", "text": "bad"}\n{"id": null, "t": ""}\n'
    )
    arguments = ["embed-multi", "c", "-", "-m", "words", "-d", database, "--on-error", "skip"]
    result = run(*arguments, "--errors", errors, "--format", "nl", input=text)
    assert result.exit_code == 1
    assert result.stdout == "1 embedded, 0 reused, 0 updated, 0 unchanged\n"
    assert result.stderr.startswith("Error: 3 entries were skipped: the first: line 2 of ")
    assert result.stderr.count("\n") == 1
    lines = [json.loads(line) for line in errors.read_text().splitlines()]
    assert [line["id"] for line in lines] == [
        "line 2 of standard input",
        "line 4 of standard input",
        "b",
    ]
    assert lines[2]["error"] == "'b' was not embedded: too long"
    assert [id for id, *_ in stored()] == ["a"]


def test_on_error_stop_names_the_culprit_and_keeps_what_was_before(refusing, database, stored):
    text = "id,text\na,one\nb,bad\nc,two\n"
    message = error("embed-multi", "c", "-", "-m", "words", "-d", database, input=text)
    assert message == "'b' was not embedded: too long (--on-error skip leaves it out)"
    assert [id for id, *_ in stored()] == ["a"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.csv", None, "missing.csv: No such file or directory"),
        ("broken.json", '[{"id": 1, "a": "x"},\n{"id": 2, "a": }]', "at line 2"),
        ("broken.jsonl", '{"id": 1, "a": "x"}\n{"id": 2, "a": }\n', "line 2 of "),
        ("one.csv", "id\n1\n2\n", "line 2 of .* has one column only, 'id'"),
        ("wide.csv", "id,a\n1,2\n3,4,5\n", "line 3 of .* has 3 fields, for 2 columns"),
        ("latin.csv", b"id,a\n1,caf\xe9\n", "line 2 of .*latin.csv is not utf-8"),
        ("array.json", "[1, 2]", "is a number, not an object"),
        ("null.jsonl", '{"id": null, "a": "x"}', "is NULL: it must be text or a number"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_line_and_makes_no_database(
    registered, database, tmp_path, name, content, message
):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    found = error("embed-multi", "c", path, "-m", "words", "-d", database)
    assert re.search(message, found), found
    assert (registered.embedded, database.exists()) == ([], False)


def test_a_broken_line_in_a_pipe_keeps_the_batches_before(registered, database, stored):
    text = "".join(f'{{"id": {n}, "text": "text {n}"}}\n' for n in range(25)) + "{broken\n"
    arguments = ["embed-multi", "c", "-", "-m", "words", "-d", database, "--batch-size", "10"]
    assert "line 26 of standard input" in error(*arguments, input=text)
    assert len(stored()) == 20


def test_a_database_that_is_none(registered, tmp_path):
    path = tmp_path / "text.db"
    path.write_text("no database " * 1000)
    message = error("embed-multi", "c", "-", "-m", "words", "-d", path, input="id,a\n1,x")
    assert "text.db cannot be read as a SQLite database" in message
    assert path.read_text() == "no database " * 1000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Either --sql or input path or --files is required"),
        (["-", "--binary"], "--binary must be used with --files"),
        (["-", "--all"], "--all must be used with --files"),
        (["-", "--exclude", "x"], "--exclude must be used with --files"),
        (["-", "--files", ".", "*"], "Cannot use --files with --sql, input path or --format"),
        (["-", "--sql", "select 1"], "Cannot use --sql with an input path"),
        (["-", "--attach", "a", "b"], "--attach must be used with --sql"),
        (["--files", ".", "*", "--binary", "--encoding", "utf-8"], "--binary cannot be used with"),
        (["--files", ".", "*", "--id", "x"], "Files have no columns for --id"),
        (["--sql", "select 1", "--format", "csv"], "Cannot use --format with --sql"),
        (["-", "--encoding", "utf-8", "--encoding", "cp1252"], "An input path takes one --encod"),
        (["-", "--concurrency", "0"], "0 is not in the range x>=1"),
        (["-", "--batch-size", "0"], "0 is not in the range x>=1"),
        (["-", "--limit", "-1"], "-1 is not in the range x>=0"),
        (["-", "--metadata-rest"], "--metadata-rest needs --content"),
        (["-", "--encoding", "klingon"], "'klingon' is not an encoding"),
        (["--files", ".", "*", "--encoding", "klingon"], "'klingon' is not an encoding"),
    ],
)
def test_options_that_contradict_each_other(registered, database, arguments, message):
    assert message in usage_error("embed-multi", "c", "-d", database, *arguments)
    assert not database.exists()
