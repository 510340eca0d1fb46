"""`vecstore embed-multi`: where entries come from, what is stored, and what is refused."""

import json
import logging
import os
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

import vecstore
from tests.loading.test_loading import Refusing
from tests.support.command import error, output, run, usage_error
from tests.support.models import WordLengths
from vecstore import EmbedReport
from vecstore.cli import progress as cli_progress
from vecstore.cli.progress import ProgressLine

ROWS = [("1", "hello world"), ("2", "goodbye world")]
FILES = {
    "phrases.csv": "id,phrase\n1,hello world\n2,goodbye world\n",
    "phrases.tsv": "id\tphrase\n1\thello world\n2\tgoodbye world\n",
    "phrases.jsonl": '{"id": 1, "phrase": "hello world"}\n{"id": 2, "phrase": "goodbye world"}\n',
    "phrases.json": '[{"id": 1, "phrase": "hello world"},\n {"id": 2, "phrase": "goodbye world"}]',
}
FORMATS = dict(zip(FILES, ["csv", "tsv", "nl", "json"], strict=True))


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "test.db"


@pytest.fixture
def load(registered, database):
    """A function that runs the command on the collection "c" with the model "words"."""
    return lambda *args, **kwargs: output(
        "embed-multi", "c", *args, "-m", "words", "-d", database, "--store", **kwargs
    )


@pytest.fixture
def stored(database):
    """A function that returns id, content and metadata of what is stored."""

    def stored() -> list[tuple]:
        sql = "select id, coalesce(content, content_blob), metadata from embeddings order by id"
        with closing(vecstore.connect(database, driver="apsw", read_only=True)) as db:
            return db.execute(sql).fetchall()

    return stored


def pairs(rows: list[tuple]) -> list[tuple]:
    return [(id, content) for id, content, _ in rows]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("source", ["path", "format", "stdin", "stdin with format"])
def test_rows_of_a_file(load, stored, tmp_path, name, source):
    path = tmp_path / name
    path.write_text(FILES[name])
    arguments = {
        "path": [path],
        "format": [path, "--format", FORMATS[name]],
        "stdin": ["-"],
        "stdin with format": ["-", "--format", FORMATS[name]],
    }[source]
    report = load(*arguments, input=FILES[name] if "stdin" in source else None)
    assert report == "2 embedded, 0 reused, 0 updated, 0 unchanged\n"
    assert pairs(stored()) == ROWS


def test_prefix_and_prepend(load, stored):
    load("-", "--prefix", "p/", "--prepend", "query: ", input=FILES["phrases.csv"])
    assert pairs(stored()) == [("p/1", "query: hello world"), ("p/2", "query: goodbye world")]


def test_columns_for_id_content_and_metadata(load, stored):
    text = "title,key,body,lang,stars\nOne,a,hello,en,\nTwo,b,goodbye,de,5\n"
    load(
        "-", "--id", "key", "--content", "title", "--content", "body", "--metadata-rest", input=text
    )
    assert stored() == [
        ("a", "One hello", '{"lang": "en", "stars": null}'),
        ("b", "Two goodbye", '{"lang": "de", "stars": 5}'),
    ]
    load("-", "--id", "key", "--metadata", "lang", "--metadata", "stars", input=text)
    assert stored() == [
        ("a", "One hello", '{"lang": "en", "stars": null}'),
        ("b", "Two goodbye", '{"lang": "de", "stars": 5}'),
    ]


def test_numbers_and_nulls_are_content(load, stored):
    load("-", input='{"id": 1.5, "n": 0, "f": 2.5, "nothing": null, "text": "x"}')
    assert pairs(stored()) == [("1.5", "0 2.5  x")]


@pytest.fixture
def blog(tmp_path):
    path = tmp_path / "blog.db"
    with closing(sqlite3.connect(path)) as db:
        db.executescript(
            """
            create table posts (id integer primary key, title text, body text, image blob);
            insert into posts values (1, 'cli', 'Command line', x'00'), (2, 'sql', null, x'ff');
            """
        )
    return path


@pytest.mark.parametrize(
    "sql", ["select id, title, body from posts", "select id, title, body from p.posts;\n"]
)
def test_rows_of_a_query_of_an_attached_file(load, stored, blog, sql):
    load("--attach", "p", blog, "--sql", sql)
    assert pairs(stored()) == [("1", "cli Command line"), ("2", "sql ")]


def test_a_query_of_the_file_itself(registered, blog):
    """Also where that is not in WAL mode, and readers keep writers out."""
    report = output(
        "embed-multi", "posts", "-d", blog, "-m", "words", "--sql", "select id, title from posts"
    )
    assert report == "2 embedded, 0 reused, 0 updated, 0 unchanged\n"
    copy = ["embed-multi", "copy", "-d", blog, "-m", "words", "--store"]
    sql = "select id, 'copy of ' || id from embeddings"
    assert output(*copy, "--sql", sql, "--batch-size", "1").startswith("2 embedded")


def test_images_of_a_query(load, stored, blog):
    load("--attach", "p", blog, "--sql", "select id, image from posts")
    assert pairs(stored()) == [("1", b"\x00"), ("2", b"\xff")]


@pytest.mark.parametrize(
    "sql", ["delete from p.posts", "select 1, 2); delete from p.posts; --", "drop table p.posts"]
)
def test_a_query_cannot_write(registered, database, blog, sql):
    arguments = ["embed-multi", "c", "-d", database, "-m", "words", "--attach", "p", blog]
    assert "The query failed" in error(*arguments, "--sql", sql)
    with closing(sqlite3.connect(blog)) as db:
        assert db.execute("select count(*) from posts").fetchone() == (2,)
    assert not database.exists()


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "files"
    for name, content in {
        "one.txt": b"one",
        "nested/two.txt": b"two",
        "nested/odd.ini": b"Has weird \x96 character",
        "dos.txt": b"two\r\nlines",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def test_files_of_folders(load, stored, folder):
    load("--files", folder, "**/*.txt", "--files", folder, "**/*.ini", "--prefix", "f:")
    assert pairs(stored()) == [
        ("f:dos.txt", "two\nlines"),
        ("f:nested/odd.ini", "Has weird \x96 character"),
        ("f:nested/two.txt", "two"),
        ("f:one.txt", "one"),
    ]


@pytest.mark.parametrize("encodings", [["cp1252"], ["utf-8", "cp1252"], ["cp1252", "latin-1"]])
def test_the_first_encoding_that_decodes_a_file(load, stored, folder, encodings):
    options = [option for name in encodings for option in ("--encoding", name)]
    load("--files", folder / "nested", "*.ini", *options)
    assert pairs(stored()) == [("odd.ini", "Has weird \u2013 character")]


def test_a_file_that_is_no_text_is_named_and_left_out(registered, database, folder, stored):
    """As llm does it."""
    arguments = ["embed-multi", "c", "-d", database, "-m", "words", "--files", folder, "**/*.*"]
    result = run(*arguments, "--encoding", "utf-8")
    path = folder / "nested" / "odd.ini"
    assert result.stderr == (
        f"Could not decode text in file {path}: it is not in utf-8\nLeft out: 1 file as no text\n"
    )
    assert (result.exit_code, len(stored())) == (0, 3)
    result = run(*arguments, "--encoding", "utf-8", "--on-error", "skip")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: 1 entry was skipped: Could not decode text in file")


@pytest.fixture
def project(folder):
    """A folder of which much is not meant to be embedded."""
    for name, content in {
        ".gitignore": b"*.log\n/build/\n",
        ".git/config": b"hidden",
        ".env": b"SECRET=1",
        "a.log": b"ignored",
        "b.log": b"ignored",
        "build/out.txt": b"ignored",
        "logo.png": b"\x89PNG\r\n\x1a\n\0",
        "node_modules/x/README.txt": b"of another",
        "utf16.txt": "Größe".encode("utf-16"),
        "zero.bin": b"a\0b",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def test_what_is_left_out_of_files_is_counted(registered, database, project, stored):
    arguments = ["embed-multi", "c", "-d", database, "-m", "words", "--files", project, "**/*"]
    by_default = (
        "2 files as hidden, 2 files by .gitignore, 1 folder as hidden, 1 folder as node_modules, 1 "
        "folder by .gitignore (--all takes these)"
    )
    no_text = (
        f"Could not decode text in file {project / 'logo.png'}: it begins like a PNG\n"
        f"Could not decode text in file {project / 'zero.bin'}: it holds the character NUL (an "
        "--encoding that is given alone is obeyed)\n"
    )
    result = run(*arguments, "--exclude", "dos.*", "--exclude", "nested/", "--dry-run")
    odd = run(*arguments, "--exclude", "c/../x", "--exclude", "/dos", "--exclude", "*", "--dry-run")
    assert odd.stderr.startswith(
        "--exclude 'c/../x', '/dos' left nothing out: patterns are relative to the folder of "
        "--files, and name what is in it\n"
    )
    assert (result.exit_code, result.stderr) == (
        0,
        f"{no_text}Left out: 1 file by --exclude, 1 folder by --exclude, 2 files as no text; "
        f"{by_default}\n",
    )
    result = run(*arguments, "--store")
    assert result.stderr == f"{no_text}Left out: 2 files as no text; {by_default}\n"
    assert result.stdout == "5 embedded, 0 reused, 0 updated, 0 unchanged\n"
    assert pairs(stored()) == [
        ("dos.txt", "two\nlines"),
        ("nested/odd.ini", "Has weird \x96 character"),
        ("nested/two.txt", "two"),
        ("one.txt", "one"),
        ("utf16.txt", "Größe"),
    ]
    for quiet in ([], ["--dry-run"]):
        assert run(*arguments, "-q", *quiet).stderr == no_text


def test_all_files(load, stored, project):
    report = load("--files", project, "**/*", "--all", "--encoding", "latin-1")
    assert report == "12 embedded, 2 reused, 0 updated, 0 unchanged\n"
    assert ("zero.bin", "a\0b") in pairs(stored())
    assert (".env", "SECRET=1") in pairs(stored())


def test_that_all_files_were_left_out_is_said(registered, database, project):
    arguments = ["embed-multi", "c", "-d", database, "-m", "words", "--files", project, "*.log"]
    assert run(*arguments).stderr == (
        "There is nothing to embed\nLeft out: 2 files by .gitignore (--all takes these)\n"
    )
    assert not database.exists()


def test_a_file_name_that_is_not_utf8(registered, database, folder, stored, tmp_path):
    (folder / os.fsdecode(b"caf\xe9.txt")).write_text("coffee")
    arguments = ["embed-multi", "c", "-d", database, "-m", "words", "--files", folder, "*.txt"]
    expected = (
        f"The file name b'caf\\xe9.txt' in {folder} is not UTF-8, and cannot be an id: rename it, "
        "or leave it out with --exclude or --on-error skip"
    )
    assert error(*arguments) == expected
    assert not database.exists()
    errors = tmp_path / "errors.jsonl"
    result = run(*arguments, "--on-error", "skip", "--errors", errors)
    assert result.stderr == f"Error: 1 entry was skipped: {expected}\n"
    assert [id for id, *_ in stored()] == ["dos.txt", "one.txt"]
    [line] = errors.read_text().splitlines()
    assert json.loads(line) == {"id": f"{folder}/caf\udce9.txt", "error": expected}
    assert output(*arguments, "--exclude", "caf*", "-q") == ""


def test_text_of_a_query_that_is_not_utf8(registered, database, blog, stored, tmp_path):
    with closing(sqlite3.connect(blog)) as db:
        db.execute("update posts set title = cast(x'636166e9' as text) where id = 1")
        db.commit()
    sql = "select id, title, body from posts"
    arguments = ["embed-multi", "c", "-d", database, "-m", "words", "--attach", "p", blog]
    message = error(*arguments, "--sql", sql)
    assert message.startswith(
        "The column 'title' of row 1 of the query is text that is not UTF-8 (byte 0xe9 at position "
        "3): correct it, "
    )
    assert not database.exists()
    errors = tmp_path / "errors.jsonl"
    result = run(*arguments, "--sql", sql, "--store", "--on-error", "skip", "--errors", errors)
    assert (result.exit_code, result.stdout) == (
        1,
        "1 embedded, 0 reused, 0 updated, 0 unchanged\n",
    )
    assert result.stderr == f"Error: 1 entry was skipped: {message}\n"
    [line] = errors.read_text().splitlines()
    assert json.loads(line) == {"id": "row 1 of the query", "error": message}
    assert pairs(stored()) == [("2", "sql ")]


def test_a_query_is_read_to_its_end_before_anything_is_embedded(registered, database):
    sql = "with n(id) as (select 1 union select 2 union select null) select id, 'x' from n"
    arguments = ["embed-multi", "c", "-d", database, "-m", "words", "--batch-size", "1"]
    assert "is NULL: it must be text" in error(*arguments, "--sql", f"{sql} order by id desc")
    assert not database.exists()


def test_binary_files(load, stored, folder):
    load("--files", folder / "nested", "*.ini", "--binary")
    assert stored() == [("odd.ini", b"Has weird \x96 character", None)]


def test_what_is_there_already_costs_nothing(load, registered):
    assert load("-", input=FILES["phrases.csv"]).startswith("2 embedded")
    again = "0 embedded, 0 reused, 0 updated, 2 unchanged\n"
    assert load("-", input=FILES["phrases.json"]) == again
    assert registered.embedded == ["hello world", "goodbye world"]


def test_a_collection_needs_no_model_and_takes_no_other(load, registered, database):
    load("-", input=FILES["phrases.csv"])
    more = "id,phrase\n3,more"
    report = output("embed-multi", "c", "-", "-d", database, input=more)
    assert report == "1 embedded, 0 reused, 0 updated, 0 unchanged\n"
    message = error("embed-multi", "c", "-", "-d", database, "-m", "local", input=more)
    assert message.startswith("Collection 'c' was made with the model 'word-lengths', not ")


def test_limit_and_batch_size(load, registered, stored):
    rows = "id,text\n" + "".join(f"{n},text {n}\n" for n in range(100))
    load("-", "--limit", "45", "--batch-size", "20", input=rows)
    assert (len(stored()), registered.batches) == (45, [20, 20, 5])


@pytest.mark.parametrize("arguments", [["-"], ["-", "--limit", "0"], ["--files", ".", "nothing*"]])
def test_of_nothing_no_database_is_made(registered, database, arguments):
    result = run("embed-multi", "c", *arguments, "-m", "words", "-d", database, input="id,text\n")
    note = "standard input has a header and no rows: --no-headers takes its first line as a row\n"
    expected = "There is nothing to embed\n" + note * (arguments == ["-"])
    assert (result.exit_code, result.stderr) == (0, expected)
    quiet = run("embed-multi", "c", *arguments, "-m", "words", "-d", database, "-q", input="1,a\n")
    assert (quiet.exit_code, quiet.stderr) == (0, "")
    assert result.stdout == "0 embedded, 0 reused, 0 updated, 0 unchanged\n"
    assert not database.exists()


def test_repeated_ids_are_told(registered, database):
    arguments = ["embed-multi", "c", "-", "-m", "words", "-d", database]
    result = run(*arguments, input="id,text\n1,x\n1,y\n2,z\n")
    assert result.stdout == "2 embedded, 0 reused, 0 updated, 0 unchanged\n"
    assert result.stderr == "1 of 3 entries had the id of a later one, which was stored\n"


def test_a_first_load_that_fails_leaves_no_collection(failing, database):
    failing.failure = vecstore.MissingKeyError("no key")
    arguments = ["embed-multi", "c", "-", "-m", "words", "-d", database]
    assert error(*arguments, input="id,text\n1,x\n") == "no key"
    assert error("embed", "c", "1", "-c", "x", "-m", "words", "-d", database) == "no key"
    assert output("collections", "-d", database, "--json") == "[]\n"


@pytest.fixture
def collections(database):
    return lambda: output("collections", "-d", database, "--json")


def test_a_first_load_that_skips_everything_leaves_no_collection(refusing, database, collections):
    arguments = ["embed-multi", "c", "-", "-m", "words", "-d", database, "--on-error", "skip"]
    result = run(*arguments, input="id,text\na,bad\nb,bad\n")
    assert result.exit_code == 1
    assert result.stdout == "0 embedded, 0 reused, 0 updated, 0 unchanged\n"
    assert collections() == "[]\n"


@pytest.mark.parametrize("on_error", ["skip", "stop"])
def test_a_collection_that_was_there_and_empty_stays(refusing, database, collections, on_error):
    vecstore.Collection("c", database, model_id="words").db.close()
    arguments = ["embed-multi", "c", "-", "-d", database, "--on-error", on_error]
    assert run(*arguments, input="id,text\na,bad\n").exit_code == 1
    assert [found["name"] for found in json.loads(collections())] == ["c"]


@pytest.mark.parametrize("on_error", ["skip", "stop"])
def test_what_another_wrote_to_a_new_collection_meanwhile_stays(
    refusing, database, collections, monkeypatch, on_error
):
    def another_writes(texts):
        with closing(vecstore.connect(database, driver="apsw")) as db:
            theirs = vecstore.Collection("c", db, model=WordLengths(), create=False)
            theirs.embed("theirs", "good")
        raise vecstore.RejectedInputError("too long")

    monkeypatch.setattr(refusing, "embed_batch", another_writes)
    arguments = ["embed-multi", "c", "-", "-m", "words", "-d", database, "--on-error", on_error]
    result = run(*arguments, input="id,text\na,one\n")
    assert (result.exit_code, "too long" in result.stderr) == (1, True)
    assert [found["num_embeddings"] for found in json.loads(collections())] == [1]


def test_that_another_deleted_the_new_collection_meanwhile_hides_no_error(
    refusing, database, collections, monkeypatch
):
    def another_deletes(texts):
        with closing(vecstore.connect(database, driver="apsw")) as db:
            vecstore.Collection("c", db, create=False).delete()
        raise vecstore.ModelError("broken")

    monkeypatch.setattr(refusing, "embed_batch", another_deletes)
    arguments = ["embed-multi", "c", "-", "-m", "words", "-d", database]
    assert error(*arguments, input="id,text\na,one\n") == "broken"
    assert collections() == "[]\n"


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


def test_a_dry_run_writes_no_file_of_errors(load, tmp_path):
    errors = tmp_path / "errors.jsonl"
    before = '{"id": "a", "error": "of before"}\n'
    errors.write_text(before)
    load("-", "--dry-run", "--errors", errors, input=FILES["phrases.csv"])
    assert errors.read_text() == before
    load("-", "--errors", errors, input=FILES["phrases.csv"])
    assert errors.read_text() == ""


def test_a_folder_as_the_path(registered, database, folder):
    message = usage_error("embed-multi", "c", folder, "-m", "words", "-d", database)
    assert message == f"{folder} is a folder: embed what is in it with --files"


def test_quiet(load, stored):
    assert load("-", "-q", input=FILES["phrases.csv"]) == ""
    assert pairs(stored()) == ROWS


def test_a_dry_run_says_what_the_load_then_does(load, registered, database, tmp_path):
    text = "id,text\n1,new\n2,hello\n3,new\n4,hello\n"
    arguments = ["-", "--dry-run"]
    assert load(*arguments, input=text) == (
        "2 new, 0 changed, 2 reused, 0 updated, 0 unchanged\nTo embed: 8 characters\n"
    )
    assert (registered.embedded, database.exists()) == ([], False)
    assert load("-", input=text) == "2 embedded, 2 reused, 0 updated, 0 unchanged\n"
    before = database.read_bytes()
    changed = "id,text\n1,new\n2,changed\n3,hello\n5,more\n6,more\n"
    assert load(*arguments, input=changed) == (
        "1 new, 1 changed, 2 reused, 0 updated, 1 unchanged\nTo embed: 11 characters\n"
    )
    assert registered.embedded == ["new", "hello"]
    assert database.read_bytes() == before
    assert load("-", input=changed) == "2 embedded, 2 reused, 0 updated, 1 unchanged\n"


def test_a_dry_run_of_metadata_and_of_files(load, database, folder):
    load("-", input="id,text,lang\na,x,en\n")
    report = load("-", "--metadata", "lang", "--dry-run", input="id,text,lang\na,x en,de\n")
    assert report.startswith("0 new, 0 changed, 0 reused, 1 updated, 0 unchanged\n")
    report = load("--files", folder, "one.txt", "--binary", "--dry-run")
    assert report.endswith("To embed: 3 bytes\n")


def test_a_dry_run_on_a_file_of_an_old_llm_says_so(registered, database):
    with closing(sqlite3.connect(database)) as db:
        db.executescript(
            """
            create table collections (id integer primary key, name text, model text);
            create table embeddings (
              collection_id integer, id text, embedding blob, content text, metadata text,
              primary key (collection_id, id)
            );
            insert into collections values (1, 'c', 'word-lengths');
            """
        )
    message = error("embed-multi", "c", "-", "-d", database, "--dry-run", input="id,text\n1,x")
    assert "made by an older llm" in message


@pytest.fixture
def refusing(registered, monkeypatch):
    monkeypatch.setattr(registered, "__class__", Refusing)
    registered.asked = []
    return registered


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


def test_without_a_model_a_new_collection_is_an_error(registered, database):
    message = error("embed-multi", "c", "-", "-d", database, input="id,a\n1,x")
    assert message.startswith("You need to specify an embedding model (no default model is set)")
    assert not database.exists()


def test_a_folder_that_is_not_there(registered, database):
    arguments = ["embed-multi", "c", "-m", "words", "-d", database, "--files", "nowhere", "*.txt"]
    result = run(*arguments)
    assert (result.exit_code, result.stderr) == (2, "Error: Invalid directory: nowhere\n")
    assert not database.exists()


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


def test_progress_without_a_terminal_is_a_line_now_and_then(capsys, monkeypatch):
    now = 0.0
    monkeypatch.setattr(cli_progress, "monotonic", lambda: now)
    with ProgressLine(1000, quiet=False) as progress:
        for now, report in [  # noqa: B007
            (3.0, EmbedReport(embedded=10)),
            (6.0, EmbedReport(embedded=300)),
            (8.0, EmbedReport(embedded=400)),
            (20.0, EmbedReport(embedded=500, unchanged=300)),
        ]:
            progress.show_report(report)
    assert capsys.readouterr().err == (
        "300 of 1,000 entries, 50/s, 0:00:14 left\n800 of 1,000 entries, 40/s, 0:00:05 left\n"
    )


def test_progress_of_input_of_unknown_length(capsys, monkeypatch):
    monkeypatch.setattr(cli_progress, "SECONDS_A_LINE", 0)
    with ProgressLine(None, quiet=False) as progress:
        progress.show_report(EmbedReport(embedded=10, failed=2))
    assert capsys.readouterr().err.startswith("12 entries, ")
    with ProgressLine(None, quiet=True) as progress:
        progress.show_report(EmbedReport(embedded=10))
    assert capsys.readouterr().err == ""


def test_a_long_wait_for_the_provider_is_shown_once(capsys):
    log = logging.getLogger("vecstore")
    with ProgressLine(None, quiet=False):
        for seconds in (0.5, 20.3, 20.1):
            log.info("Waiting %s s", seconds, extra={"seconds": seconds})
    with ProgressLine(None, quiet=True):
        log.info("Waiting %s s", 20.3, extra={"seconds": 20.3})
    assert capsys.readouterr().err == "Waiting 20.3 s\n"
