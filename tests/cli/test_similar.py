"""`vecstore similar`: its outputs, and files that cannot be written."""

import json
import re
import shutil
from contextlib import closing
from pathlib import Path

import pytest

import vecstore
from tests.support.command import error, output, process, usage_error
from tests.support.models import WordLengths
from tests.support.ordinary_user import as_an_ordinary_user


def found(text: str) -> list[str]:
    return [json.loads(line)["id"] for line in text.splitlines()]


@pytest.fixture
def database(tmp_path: Path, registered: WordLengths) -> Path:
    path = tmp_path / "test.db"
    db = vecstore.connect(path, driver="apsw")
    demo = vecstore.Collection("demo", db, model=registered)
    demo.embed("1", "hello world", store=True)
    demo.embed("2", "goodbye world", {"sad": True})
    demo.embed("x/3", "a\nb\tc", store=True)
    db.close()
    return path


SCORE = pytest.approx(0.98639392)


def test_entries_like_a_stored_one(database):
    lines = output("similar", "demo", "1", "-d", database).splitlines()
    assert [json.loads(line) for line in lines] == [
        {"id": "2", "score": SCORE, "content": None, "metadata": {"sad": True}},
        {"id": "x/3", "score": pytest.approx(0.81649658), "content": "a\nb\tc", "metadata": None},
    ]


@pytest.mark.parametrize("source", ["argument", "file", "dash"])
def test_entries_like_content(database, tmp_path, source):
    (tmp_path / "hello.txt").write_text("hello world")
    options = {
        "argument": ["-c", "hello world"],
        "file": ["-i", str(tmp_path / "hello.txt")],
        "dash": ["-i", "-"],
    }
    text = output("similar", "demo", *options[source], "-d", database, input="hello world")
    assert found(text) == ["1", "2", "x/3"]
    assert json.loads(text.splitlines()[0])["score"] == pytest.approx(1.0)


def test_entries_like_bytes(database):
    text = output(
        "similar", "demo", "-i", "-", "--binary", "-d", database, input=b"hello w\xff\x00ld"
    )
    assert found(text) == ["1", "2", "x/3"]


def test_number_and_prefix(database):
    command = ["similar", "demo", "-c", "hello world", "-d", database]
    assert found(output(*command, "-n", 1)) == ["1"]
    assert output(*command, "-n", 0) == ""
    assert found(output(*command, "-n", 1, "--prefix", "x/")) == ["x/3"]
    assert error(*command, "-n", -1) == "number is -1: it must be an integer from 0 on"
    assert "'many' is not a valid integer" in usage_error(*command, "-n", "many")


def test_plain_is_as_in_llm(database):
    lines = output("similar", "demo", "-c", "hello world", "-d", database, "-p").splitlines()
    score = lines[0].removeprefix("1 (").removesuffix(")")
    assert float(score) == pytest.approx(1.0)
    assert lines[:4] == [f"1 ({score})", "", "  hello world", ""]
    assert lines[4].startswith("2 (0.98639")
    assert lines[5:8] == ["", '  {"sad": true}', ""]


def test_a_table_has_one_line_for_each_entry(database):
    assert output("similar", "demo", "-c", "hello world", "-d", database, "--table") == (
        "score  id   content\n 1.00  1    hello world\n 0.99  2\n 0.82  x/3  a b c\n"
    )
    assert output("similar", "demo", "1", "-d", database, "--table", "-n", 0) == ""


def test_a_table_is_as_wide_as_the_terminal(database, monkeypatch):
    for id, content in (
        ("long " * 20, "word " * 50),
        ("wide", "日本語" * 30),
        ("odd\n\x1b[31m\u202e", "\x1b]0;title\x07 x\u2028y"),
    ):
        output("embed", "demo", id, "-c", content, "--store", "-d", database)
    monkeypatch.setenv("COLUMNS", "40")
    command = ["similar", "demo", "-c", "hello world", "-d", database, "--table"]
    assert output(*command) == (
        "score  id                    content\n"
        " 1.00  1                     hello world\n"
        " 0.99  2\n"
        " 0.82  x/3                   a b c\n"
        " 0.77  odd [31m              ]0;title x…\n"
        " 0.71  wide                  日本語日本…\n"
        " 0.35  long long long long…  word word…\n"
    )


def test_a_table_of_long_content_takes_no_longer_than_it_must(database):
    long = "word " * 100_000
    output("embed", "demo", "long", "-c", long, "--store", "-d", database)
    [_, line] = output(
        "similar", "demo", "-c", long, "-n", 1, "-d", database, "--table"
    ).splitlines()
    assert line.startswith(" 1.00  long  word word word")


def test_plain_and_table_exclude_each_other(database):
    message = "--plain, --table and --explain cannot be used together"
    for two in (("-p", "--table"), ("-p", "--explain"), ("--explain", "--table")):
        assert usage_error("similar", "demo", "1", "-d", database, *two) == message


def test_conditions(database):
    def ids(*options):
        return found(output("similar", "demo", *options, "-d", database))

    sad = ["--where", "json_extract(metadata, '$.sad')"]
    assert ids("1", *sad) == ids("-c", "hello world", *sad) == ["2"]
    named = ["--where", "id = :one\nor content = :two -- both", "--param", "one", "2"]
    assert ids("1", *named, "--param", "two", "a\nb\tc", "--exact") == ["2", "x/3"]
    assert ids("1", "--min-score", "0.9") == ["2"]
    assert ids("1", "--min-score", "0.9", "--prefix", "x") == []


def test_a_broken_condition_is_an_error_of_one_line(database):
    options = ["-d", database, "--where", "nope\n= 1; drop table embeddings"]
    message = error("similar", "demo", "1", *options)
    assert message.startswith("where='nope\\n= 1; drop table embeddings' with where_args={} cannot")
    message = error(
        "similar", "demo", "1", "-d", database, "--where", "id = :a", "--param", "b", ""
    )
    assert "cannot be applied to the rows of `embeddings`" in message


def test_how_a_search_is_done(database):
    text = output("similar", "demo", "1", "-d", database, "-n", "2", "--explain")
    assert re.match(r"scan: 2 rows, \d+\.\d ms\nwith\n_compared as materialized \(\n", text)
    text = output("similar", "demo", "1", "-d", database, "--explain", "--where", "id = 'x/3'")
    assert re.match(r"scan: 1 rows, .*  where \(\n    id = 'x/3'\n", text, re.DOTALL)
    assert output("similar", "demo", "1", "-n", "0", "-d", database, "--explain") == (
        "Nothing to compare with: no statement was run\n"
    )


@pytest.mark.parametrize("content", [["-c", "a"], ["-i", "-"], ["-c", ""]])
def test_an_id_and_content_exclude_each_other(database, content):
    message = "Search for an ID or for content (-c, -i), not both"
    assert usage_error("similar", "demo", "1", *content, "-d", database) == message


def test_something_to_search_for_is_needed(database):
    message = "Must provide content or an ID for the comparison"
    assert error("similar", "demo", "-d", database) == message
    assert error("similar", "demo", "-c", "", "-d", database) == "No content provided"
    assert usage_error("similar") == "Missing argument 'COLLECTION'."


def test_what_is_not_there_is_named(database):
    line = error("similar", "trees", "-c", "oak", "-d", database)
    assert line == f"Collection does not exist: 'trees' ({database.resolve()} has 'demo')"
    line = error("similar", "demo", "7", "-d", database)
    assert line.startswith("ID not found in collection ")


@pytest.mark.parametrize("what", [["1"], ["-c", "oak"]])
def test_a_missing_file_is_one_line_and_is_not_created(tmp_path, what):
    path = tmp_path / "missing.db"
    line = error("similar", "trees", *what, "-d", path)
    assert line.startswith(f"There is no database {path}: ")
    assert not path.exists()
    assert error("similar", "trees", *what).startswith("There is no database ")
    assert not (tmp_path / "home" / "vecstore").exists()


def test_a_file_of_another_program_gets_no_tables(tmp_path):
    path = tmp_path / "other.db"
    db = vecstore.connect(path, driver="apsw")
    db.execute("create table notes (id integer primary key)")
    db.close()
    before = path.read_bytes()
    assert error("similar", "notes", "1", "-d", path).startswith("Collection does not exist: ")
    assert path.read_bytes() == before


@pytest.mark.parametrize("indexed", [True, False])
@pytest.mark.parametrize("what", ["file", "folder"])
def test_what_cannot_be_written_is_searched(database, public_folder, what, indexed):
    path = public_folder / "folder" / "test.db"
    path.parent.mkdir()
    shutil.copy(database, path)
    # An ordinary user may not read root's Python: all modules are imported now.
    output("similar", "demo", "-c", "hello world", "-d", path if indexed else database)
    path.chmod(0o444 if what == "file" else 0o666)
    path.parent.chmod(0o555 if what == "folder" else 0o777)
    before, names = path.read_bytes(), set(path.parent.iterdir())
    with as_an_ordinary_user():
        assert found(output("similar", "demo", "1", "-d", path)) == ["2", "x/3"]
        assert found(output("similar", "demo", "-c", "hello world", "-d", path))[0] == "1"
    path.parent.chmod(0o755)
    assert path.read_bytes() == before
    if what == "folder":
        assert set(path.parent.iterdir()) == names


def test_the_key_of_the_option_is_used(database, registered, monkeypatch):
    keys = []

    def embed_batch(items, key=None):
        keys.append(key)
        return [[1.0] * 16 for _ in items]

    monkeypatch.setattr(registered, "embed_batch", embed_batch)
    output("similar", "demo", "-c", "a", "--key", "secret", "-d", database)
    assert keys == ["secret"]


def test_a_process_searches(tmp_path):
    command = ["-d", tmp_path / "test.db"]
    for id, text in (("hound", "my happy hound"), ("tax", "the annual tax return")):
        stored = process("embed", "pets", id, "-c", text, "-m", "local", "--store", *command)
        assert (stored.returncode, stored.stdout, stored.stderr) == (0, "", "")
    result = process("similar", "pets", "-i", "-", "-n", "1", *command, input="a cheerful dog")
    assert (result.returncode, result.stderr) == (0, "")
    assert found(result.stdout) == ["hound"]


@pytest.mark.parametrize("given", [["--vector", "[2, 1]"], ["--vector", "-"]])
def test_a_vector_is_searched_for_without_a_model(tmp_path, given):
    database = tmp_path / "own.db"
    rows = 'id,v\na,"[0, 1]"\nb,"[1, 0]"\n'
    output(
        "embed-multi", "own", "-", "--vector", "v", "-m", "gone", "-q", "-d", database, input=rows
    )
    found = output("similar", "own", *given, "-n", 1, "-d", database, input="[2, 1]\n")
    assert json.loads(found)["id"] == "b"
    message = error("similar", "own", "--vector", "[1]", "-d", database)
    assert message.startswith("The vector has 1 dimensions and the collection's vectors have 2")
    message = error("similar", "own", "--vector", "[NaN, 1]", "-d", database)
    assert message.startswith("The vector to search for holds NaN or an infinity")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--vector", "[1,"], "--vector is no JSON: Expecting value"),
        (["--vector", "3"], "--vector is 3: it must be an array of numbers"),
        (
            ["--vector", "[1]", "-c", "text"],
            "--vector cannot be used with an ID or content (-c, -i)",
        ),
        (["an-id", "--vector", "[1]"], "--vector cannot be used with an ID or content (-c, -i)"),
    ],
)
def test_what_is_no_vector_to_search_for(tmp_path, given, message):
    with closing(vecstore.connect(tmp_path / "own.db", driver="apsw")) as db:
        vecstore.Collection("own", db, model_id="none")
    shown = usage_error("similar", "own", *given, "-d", tmp_path / "own.db")
    assert shown.startswith(message)
