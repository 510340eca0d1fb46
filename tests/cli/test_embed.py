"""`vecstore embed`: what it prints, what it stores, and what it refuses."""

import base64
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

import vecstore
from tests.support.command import error, output, process, run, usage_error
from tests.support.models import Vectors

HELLO = [5, 5, *[0] * 14]
BLOB = vecstore.encode(HELLO)
DEFAULT = Path("home", "vecstore", "embeddings.db")


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "test.db"


@pytest.fixture
def stored(database):
    """A function that returns what a file holds, by default the one of -d."""

    def stored(path: Path = database) -> list[tuple]:
        with closing(vecstore.connect(path, driver="apsw", read_only=True)) as db:
            return db.execute(
                """
                select name, model, embeddings.id, content, content_blob, metadata
                from embeddings
                join collections on collections.id = collection_id
                order by name, embeddings.id
                """
            ).fetchall()

    return stored


@pytest.mark.parametrize(
    ("format", "expected"),
    [
        ([], f"{HELLO}\n".encode()),
        (["-f", "json"], f"{HELLO}\n".encode()),
        (["-f", "blob"], BLOB + b"\n"),
        (["-f", "base64"], base64.b64encode(BLOB) + b"\n"),
        (["--format", "hex"], BLOB.hex().encode() + b"\n"),
    ],
)
@pytest.mark.parametrize("source", ["argument", "file", "dash", "stdin"])
def test_without_a_collection_the_vector_is_printed(registered, tmp_path, format, expected, source):
    (tmp_path / "hello.txt").write_text("hello world")
    options = {
        "argument": ["-c", "hello world"],
        "file": ["-i", str(tmp_path / "hello.txt")],
        "dash": ["-i", "-"],
        "stdin": [],
    }
    result = run("embed", "-m", "words", *options[source], *format, input="hello world")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout_bytes == expected
    assert not (tmp_path / DEFAULT).parent.exists()


def test_numbers_that_are_not_whole_are_printed_as_they_are(registered, monkeypatch):
    monkeypatch.setattr(registered, "__class__", Vectors)
    assert output("embed", "-m", "words", "-c", "0.1 -2 1e3") == "[0.1, -2, 1000]\n"


def test_a_collection_stores_and_prints_nothing(registered, database, stored):
    command = ["embed", "phrases", "hello", "-c", "hello world", "-d", database]
    assert output(*command, "-m", "words") == ""
    assert stored() == [("phrases", "word-lengths", "hello", None, None, None)]
    metadata = '{"language": "en"}'
    assert output(*command, "--store", "--metadata", metadata) == ""
    assert stored() == [("phrases", "word-lengths", "hello", "hello world", None, metadata)]
    assert registered.embedded == ["hello world"]


def test_a_format_prints_the_vector_that_is_stored(registered, database):
    command = ["embed", "phrases", "hello", "-d", database]
    assert output(*command, "-c", "hello world", "-m", "words", "-f", "json") == f"{HELLO}\n"
    assert output(*command, "-c", "hello world", "-f", "hex") == BLOB.hex() + "\n"
    assert output(*command, "-c", "a", "-f", "json") == f"{[1, *[0] * 15]}\n"
    assert registered.embedded == ["hello world", "a"]


def test_bytes_are_read_from_files_and_standard_input(registered, database, stored, tmp_path):
    (tmp_path / "file.bin").write_bytes(b"\x00\xff\r\n\x02")
    options = ["-m", "words", "-d", database, "--binary", "--store"]
    output("embed", "blobs", "1", "-i", tmp_path / "file.bin", *options)
    output("embed", "blobs", "2", *options, input=b"\x00\x01\x02")
    assert [row[2:5] for row in stored()] == [
        ("1", None, b"\x00\xff\r\n\x02"),
        ("2", None, b"\x00\x01\x02"),
    ]


def test_text_is_read_as_utf_8_and_its_lines_end_as_in_llm(registered, database, stored):
    output(
        "embed", "a", "1", "--store", "-m", "words", "-d", database, input="日\r\n本\r語".encode()
    )
    assert stored()[0][3] == "日\n本\n語"


@pytest.mark.parametrize("file", ["latin.txt", "-"])
def test_text_that_is_not_utf_8_names_the_file_and_the_remedy(registered, tmp_path, file):
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    path = file if file == "-" else tmp_path / file
    name = "Standard input" if file == "-" else path
    assert error("embed", "-m", "words", "-i", path, input=b"caf\xe9") == (
        f"{name} is not UTF-8 text (byte 0xe9 at position 3): convert it, or embed it as it is "
        "with --binary, if the model takes bytes"
    )


@pytest.mark.parametrize("options", [["-c", ""], ["-i", "-"], [], ["--binary"]])
def test_no_content_is_an_error_and_nothing_is_created(registered, database, options):
    command = ["embed", "phrases", "1", "-m", "words", "-d", database]
    assert error(*command, *options, input="") == "No content provided"
    assert not database.exists()


def test_the_argument_comes_before_the_file(registered):
    assert output("embed", "-m", "words", "-c", "hello world", "-i", "-", input="a") == f"{HELLO}\n"


def test_a_collection_needs_an_id(registered):
    message = "Must provide both collection and id"
    assert error("embed", "phrases", "-c", "hello", "-m", "words") == message
    assert error("embed", "phrases", "", "-c", "hello", "-m", "words") == message


def test_a_name_that_is_empty_is_none(registered):
    message = "A collection is named '': it must be text that is not empty"
    assert error("embed", "", "1", "-c", "hello", "-m", "words") == message


def test_what_is_stored_needs_a_collection(registered):
    message = "Must provide collection when using "
    assert error("embed", "-c", "a", "-m", "words", "--store") == f"{message}--store"
    assert error("embed", "-c", "a", "-m", "words", "--metadata", "{}") == f"{message}--metadata"


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ("[1, 2, 3]", "Metadata must be a JSON object"),
        ('{"a": "b}', "Metadata must be valid JSON: Unterminated string"),
        ("", "Metadata must be valid JSON: Expecting value"),
    ],
)
def test_metadata_must_be_an_object(registered, database, metadata, message):
    command = ["embed", "a", "1", "-c", "a", "-m", "words", "-d", database]
    line = usage_error(*command, "--metadata", metadata)
    assert line.startswith(f"Invalid value for '--metadata': {message}")
    assert not database.exists()


def test_a_missing_file_is_a_usage_error(registered, tmp_path):
    line = usage_error("embed", "-m", "words", "-i", tmp_path / "missing.txt")
    assert "missing.txt' does not exist" in line


NO_MODEL = (
    "You need to specify an embedding model (no default model is set): use -m MODEL, or 'vecstore "
    "embed-models default MODEL'; installed are "
)


def test_without_a_model_the_error_lists_what_is_installed(registered, database):
    for command in (["embed"], ["embed", "phrases", "1", "-d", database]):
        line = error(*command, "-c", "hello world")
        assert line.startswith(NO_MODEL)
        listed = line.removeprefix(NO_MODEL).split(", ")
        assert {"text-embedding-3-small", "word-lengths"} <= set(listed)
        assert listed == sorted(listed)
    assert not database.exists()


def test_an_unknown_model_creates_nothing(database):
    command = ["embed", "phrases", "1", "-c", "a", "-d", database, "-m"]
    assert error(*command, "worsd").startswith("Unknown embedding model: 'worsd'")
    assert not database.exists()


def test_the_default_model_is_used(registered, monkeypatch):
    output("embed-models", "default", "words")
    assert output("embed", "-c", "hello world") == f"{HELLO}\n"
    output("embed-models", "default", "--remove-default")
    monkeypatch.setenv("VECSTORE_EMBEDDING_MODEL", "words")
    assert output("embed", "-c", "hello world") == f"{HELLO}\n"


def test_a_collection_uses_its_own_model_and_no_other(registered, database, monkeypatch):
    command = ["embed", "phrases", "1", "-c", "hello world", "-d", database]
    output(*command, "-m", "words")
    monkeypatch.setenv("VECSTORE_EMBEDDING_MODEL", "3-small")
    assert output(*command) == ""
    assert output(*command, "-m", "words") == ""
    line = error(*command, "-m", "3-small")
    expected = "Collection 'phrases' was made with the model 'word-lengths', not "
    assert line.startswith(f"{expected}'text-embedding-3-small'")


def test_the_collection_of_an_llm_that_names_its_model_otherwise_is_written(registered, database):
    db = vecstore.connect(database, driver="apsw")
    vecstore.Collection("phrases", db, model=registered)
    db["collections"].update(1, {"model": "words"})
    db.close()
    command = ["embed", "phrases", "1", "-d", database]
    for number, name in enumerate([[], ["-m", "words"], ["-m", "word-lengths"]], start=1):
        assert output(*command, "-c", "a" * number, *name) == ""
    assert "was made with the model 'words'" in error(*command, "-c", "a", "-m", "3-small")


def test_a_failing_model_leaves_no_half_entry(database, stored):
    command = ["embed", "phrases", "1", "-c", "a", "-d", database, "-m", "3-small"]
    assert "OPENAI_API_KEY" in error(*command)
    assert stored() == []


def test_the_key_of_the_option_is_used(registered, monkeypatch):
    keys = []

    def embed_batch(items, key=None):
        keys.append(key)
        return [[1.0] for _ in items]

    monkeypatch.setattr(registered, "embed_batch", embed_batch)
    assert output("embed", "-m", "words", "-c", "a", "--key", "secret") == "[1]\n"
    assert keys == ["secret"]


def test_the_default_file_is_created_with_its_folder(registered, tmp_path, stored):
    output("embed", "phrases", "1", "-c", "a", "-m", "words")
    assert [row[:3] for row in stored(tmp_path / DEFAULT)] == [("phrases", "word-lengths", "1")]


def test_no_other_folder_is_created(registered, tmp_path, monkeypatch):
    path = tmp_path / "nowhere" / "test.db"
    message = f"{path.parent} does not exist: make that folder first"
    command = ["embed", "phrases", "1", "-c", "a", "-m", "words"]
    assert error(*command, "-d", path) == message
    monkeypatch.setenv("VECSTORE_DB", str(path))
    assert error(*command) == message
    assert not path.parent.exists()


def test_the_file_of_the_environment_is_used(registered, database, monkeypatch, stored):
    monkeypatch.setenv("VECSTORE_DB", str(database))
    output("embed", "phrases", "1", "-c", "a", "-m", "words")
    assert [row[2] for row in stored()] == ["1"]


def test_the_file_is_closed_after_each_command(registered, database):
    output("embed", "phrases", "1", "-c", "a", "-m", "words", "-d", database)
    error("embed", "phrases", "2", "-c", "a", "-m", "3-small", "-d", database)
    sqlite3.connect(database).close()  # which guard.py would refuse


def test_a_vector_that_is_not_one_is_an_error(registered, monkeypatch):
    monkeypatch.setattr(registered, "__class__", Vectors)
    line = error("embed", "-m", "words", "-c", "nan 1")
    expected = "The vector of the model holds NaN or an infinity: it could not be compared with"
    assert line.startswith(expected)


def test_arguments_that_are_not_text_are_refused(tmp_path):
    command = ["embed", "phrases", os.fsdecode(b"\xff"), "-c", "a", "-m", "local"]
    result = process(*command, "-d", tmp_path / "test.db")
    assert result.returncode == 1
    assert result.stderr.startswith("Error: The id '\\udcff' has a lone surrogate")
    assert result.stderr.count("\n") == 1
