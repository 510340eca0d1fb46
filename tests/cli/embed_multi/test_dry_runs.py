"""A dry run says what the load then does, and writes nothing."""

import sqlite3
from contextlib import closing

from tests.support.command import error
from tests.support.phrases import FILES


def test_a_dry_run_writes_no_file_of_errors(load, tmp_path):
    errors = tmp_path / "errors.jsonl"
    before = '{"id": "a", "error": "of before"}\n'
    errors.write_text(before)
    load("-", "--dry-run", "--errors", errors, input=FILES["phrases.csv"])
    assert errors.read_text() == before
    load("-", "--errors", errors, input=FILES["phrases.csv"])
    assert errors.read_text() == ""


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
