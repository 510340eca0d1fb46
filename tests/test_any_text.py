"""Ids, names and texts of any kind come back as they were, through Python and the commands."""

import json
import sqlite3
from contextlib import closing

import pytest

import vecstore
from tests.support.command import run
from tests.support.databases import rows
from tests.support.every_kind import opened
from tests.support.models import Pseudorandom
from vecstore import Collection, InvalidInputError, check

pytestmark = pytest.mark.usefixtures("pseudorandom_installed")

NAMES = {
    "single quote": "it's",
    "double quotes": 'a "quoted" name',
    "both quotes and a semicolon": "'); drop table embeddings; --\"",
    "newlines": "one\ntwo\r\nthree\u2028four",
    "10,000 characters": "x" * 10_000,
    "wildcards": "%_*?[a-z]\\",
    "NUL": "nul\0nul",
    "beyond the BMP": "\U0001f415 \u202eabc e\u0301",
    "spaces": " a  b\t",
    "JSON": '{"a": [null]}',
    "brackets of a link": "<a href='/'>[x](y)</a>",
    "no character at all": "\ufeff\uffff",
}


@pytest.fixture(params=NAMES.values(), ids=NAMES)
def name(request):
    return request.param


def test_an_id_and_a_collection_of_any_name(db, name, tmp_path):
    collection = Collection(name, db, model=Pseudorandom())
    other = Collection("other", db, model=Pseudorandom())
    other.embed(name, "text")
    collection.embed_multi_with_metadata(
        [(name, f"text of {name}", {name: name}), (f"{name}/2", name, None)], store=True
    )
    entry = collection.get(name)
    assert (entry.id, entry.content, entry.metadata) == (name, f"text of {name}", {name: name})
    assert collection.ids() == [name, f"{name}/2"]
    assert name in collection
    assert {found.id for found in collection.similar(name, prefix=name)} == {name, f"{name}/2"}
    assert [found.id for found in collection.similar_by_id(name)] == [f"{name}/2"]
    file = tmp_path / "exported.jsonl"
    assert vecstore.export_collection(db, name, file).collection == name
    vecstore.backup(db, tmp_path / "copy.db")
    assert collection.delete_ids([name]) == 1
    collection.delete()
    assert not Collection.exists(db, name)
    vecstore.import_collection(db, file)
    assert Collection(name, db).get(name) == entry
    assert other.ids() == [name]
    assert (check(db).problems, check(db).notes) == ([], [])
    with opened(tmp_path / "copy.db") as copy:
        assert Collection(name, copy).get(name) == entry


def test_commands_with_a_name_of_any_kind(name, tmp_path):
    if "\0" in name:
        pytest.skip("no program can be given such an argument")
    database, file = tmp_path / "test.db", tmp_path / "exported.jsonl"
    model = ("-m", "pseudorandom")

    def succeed(*arguments, **options):
        result = run(*arguments, "-d", database, **options)
        assert result.exit_code == 0, result.stderr
        return result.stdout

    succeed("embed", name, name, "-c", name, "--store", *model)
    lines = "\n".join(json.dumps({"id": f"{name}/{n}", "content": name}) for n in range(3))
    succeed("embed-multi", name, "-", "--format", "nl", input=lines)
    found = [json.loads(line) for line in succeed("similar", name, name).splitlines()]
    assert {entry["id"] for entry in found} == {f"{name}/{n}" for n in range(3)}
    assert json.loads(succeed("collections", "list", "--json")) == [
        {"name": name, "model": "pseudorandom", "num_embeddings": 4}
    ]
    succeed("collections", "export", name, file)
    succeed("collections", "delete", name)
    succeed("collections", "import", file)
    assert run("check", database).stdout.endswith("No problems\n")
    missing = run("similar", f"{name}?", name, "-d", database)
    assert (missing.exit_code, missing.stderr.count("\n")) == (1, 1)
    with closing(sqlite3.connect(database)) as db:
        assert db.execute("select name from collections").fetchall() == [(name,)]


@pytest.mark.parametrize("id", ["a\ud800", "\udcff"])
def test_lone_surrogates_are_refused_and_nothing_is_written(db, id):
    collection = Collection("one", db, model=Pseudorandom())
    for entry in [(id, "text"), ("good", f"text {id}")]:
        with pytest.raises(InvalidInputError, match="lone surrogate"):
            collection.embed_multi([("before", "text"), entry])
    with pytest.raises(InvalidInputError, match="lone surrogate"):
        Collection(id, db, model=Pseudorandom())
    for metadata in ({id: 1}, {"a": id}, {"a": [{"b": id}]}):  # which SQL could not decode
        with pytest.raises(InvalidInputError, match="lone surrogate"):
            collection.embed("a", "text", metadata)
    assert collection.count() == 0
    collection.embed("a", "text", {"\U0001f600": "\U0001f600"}, store=True)
    assert collection.get("a").metadata == {"\U0001f600": "\U0001f600"}
    assert check(db).problems == []


LARGE = 10_000_000


def test_a_text_of_10_mb(db, tmp_path):
    text = "word é\0" * (LARGE // 8)
    collection = Collection("one", db, model=Pseudorandom())
    collection.embed_multi([("large", text), ("small", "text")], store=True)
    assert collection.embed_multi([("large", text)], store=True).unchanged == 1
    assert collection.get("large").content == text
    assert rows(db, "select length(cast(content as blob)) from embeddings where id = 'large'") == [
        (len(text.encode()),)
    ]
    file = tmp_path / "exported.jsonl"
    vecstore.export_collection(db, "one", file)
    vecstore.import_collection(db, file, name="two")
    assert Collection("two", db).get("large").content == text
    vecstore.backup(db, tmp_path / "copy.db")
    assert check(tmp_path / "copy.db").problems == []


def test_a_text_of_10_mb_in_a_file_and_a_pipe(tmp_path):
    database, file = tmp_path / "test.db", tmp_path / "large.txt"
    text = "word é\n" * (LARGE // 8)
    file.write_text(text, "utf-8")
    options = ("--store", "-m", "pseudorandom", "-d", database)
    assert run("embed", "one", "a", "-i", file, *options).exit_code == 0
    assert run("embed", "one", "b", *options, input=text).exit_code == 0
    line = json.dumps({"id": "c", "content": text})
    loaded = run("embed-multi", "one", "-", "--format", "nl", *options, input=line)
    assert loaded.exit_code == 0, loaded.stderr
    with opened(database) as db:
        assert [entry.content == text for entry in Collection("one", db)] == [True] * 3
        assert check(db).problems == []
