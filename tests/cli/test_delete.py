"""The command `delete`: entries by their ids or by conditions; and ids() with conditions."""

from contextlib import closing
from pathlib import Path

import pytest

import vecstore
from tests.support.chunked import lines
from tests.support.command import PROCESS, error, output, run, usage_error
from tests.support.models import WordLengths
from tests.support.terminal import CTRL_C, answer_question
from vecstore import Collection, DoesNotExist, InvalidInputError

ENTRIES = [
    ("a_1", "one", {"mood": "happy"}),
    ("a_2", "two", {"mood": "sad"}),
    ("ab", "three", {"mood": "happy"}),
    ("b", "four", None),
]


@pytest.fixture
def filled(collection) -> Collection:
    collection.embed_multi_with_metadata(ENTRIES, store=True)
    other = Collection("other", collection.db, model=WordLengths())
    other.embed_multi([("a_9", "nine"), ("ab", "nine")], store=True)
    return collection


@pytest.fixture(params=["inside", "beside"])
def database(request, tmp_path: Path) -> Path:
    path = tmp_path / "test.db"
    collection = Collection("c", path, model=WordLengths(), index=request.param)
    with closing(collection.db):
        collection.embed_multi_with_metadata(ENTRIES, store=True)
        Collection("other", collection.db, model=WordLengths()).embed("a_1", "one")
    return path


def left(database: Path) -> list[str]:
    """Return which entries there are, after a check of the file, and that others are all there."""
    assert vecstore.check(database).problems == []
    with closing(vecstore.connect(database, driver="apsw")) as db:
        assert Collection("other", db).ids() == ["a_1"]
        return Collection("c", db).ids()


# ids()


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({}, ["a_1", "a_2", "ab", "b"]),
        ({"prefix": ""}, ["a_1", "a_2", "ab", "b"]),
        ({"prefix": "a_"}, ["a_1", "a_2"]),
        ({"where": "json_extract(metadata, '$.mood') = ?", "where_args": ["happy"]}, ["a_1", "ab"]),
        (
            {"where": "json_extract(metadata, '$.mood') = :mood", "where_args": {"mood": "sad"}},
            ["a_2"],
        ),
        ({"prefix": "a_", "where": "length(content) = 3 -- short"}, ["a_1", "a_2"]),
        ({"prefix": "a", "where": "id > ? or content = ?", "where_args": ["a_2", "one"]}, ["ab"]),
        ({"where": "false"}, []),
        ({"where": "content = 'nine') or (content = 'one'"}, ["a_1"]),
    ],
)
def test_ids_of_entries_that_meet_conditions(filled, conditions, expected):
    if conditions.get("where", "").startswith("id >"):
        expected = ["a_1", *expected]
    assert filled.ids(**conditions) == expected
    found = filled.similar("one two three", 10, **conditions)
    assert sorted(entry.id for entry in found) == expected


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        ({"where": "nonsense"}, "no such column: nonsense"),
        ({"where": "1) union select name from collections where (1"}, "cannot be applied"),
        ({"where": "id = ?"}, "cannot be applied"),
        ({"where": "id = :_prefix", "where_args": {"_prefix": "a"}}, "which the search itself"),
        ({"where_args": ["x"]}, "where_args are given, and no where="),
        ({"prefix": 7}, "prefix is 7: it must be text"),
        ({"prefix": "\ud800"}, "a lone surrogate is no text"),
        ({"where": 7}, "where is 7: it must be a condition in SQL"),
    ],
)
def test_a_condition_that_is_none_is_refused_as_by_a_search(filled, conditions, message):
    errors = []
    for call in (filled.ids, lambda **given: filled.similar("one", 10, **given)):
        with pytest.raises(InvalidInputError) as error:
            call(**conditions)
        errors.append(str(error.value))
    assert errors[0] == errors[1]
    assert message in errors[0]


def test_a_condition_cannot_write(filled):
    filled.db.execute("create table kept (x)")
    with pytest.raises(InvalidInputError):
        filled.ids(where="(delete from kept)")
    assert filled.ids(where="(select count(*) from kept) = 0") == ["a_1", "a_2", "ab", "b"]


def test_after_a_condition_the_connection_can_write(filled):
    filled.ids(where="true")
    filled.db.conn.execute("begin")
    filled.embed("c", "five")
    assert filled.ids(where="id >= 'b'") == ["b", "c"]
    filled.embed("d", "six")
    filled.db.conn.execute("commit")
    assert filled.ids("d") == ["d"]


def test_ids_of_a_collection_that_is_gone(filled):
    Collection("test", filled.db).delete()
    with pytest.raises(DoesNotExist, match="deleted or renamed"):
        filled.ids("a", "true")


# The command


@pytest.mark.parametrize(
    ("arguments", "deleted"),
    [
        (["a_1"], ["a_1"]),
        (["b", "a_1", "b"], ["a_1", "b"]),
        (["--prefix", "a_"], ["a_1", "a_2"]),
        (["--where", "content like '%o%'"], ["a_1", "a_2", "b"]),
        (
            ["--where", "json_extract(metadata, '$.mood') = :m", "--param", "m", "happy"],
            ["a_1", "ab"],
        ),
        (["--prefix", "a_", "--where", "json_extract(metadata, '$.mood') = 'happy'"], ["a_1"]),
        (["a_1", "b", "--prefix", "a"], ["a_1"]),
        (["--prefix", "zzz"], []),
    ],
)
def test_what_fits_all_that_is_given_is_deleted(database, arguments, deleted):
    command = ["delete", "c", *arguments, "-d", database]
    dry = run(*command, "--dry-run")
    assert (dry.exit_code, dry.stdout) == (0, "".join(f"{id}\n" for id in deleted))
    entries = "1 entry" if len(deleted) == 1 else f"{len(deleted)} entries"
    assert dry.stderr == f"{entries} to delete\n"
    everything = [id for id, *_ in ENTRIES]
    assert left(database) == everything
    assert output(*command) == f"{len(deleted)} deleted\n"
    assert left(database) == [id for id in everything if id not in deleted]


def test_an_id_that_is_not_there_is_an_error_when_the_others_are_deleted(database):
    result = run("delete", "c", "x", "a_1", "y", "-d", database)
    assert (result.exit_code, result.stdout) == (1, "1 deleted\n")
    assert result.stderr == "Error: 'c' has no entry or document 'x' and 1 more\n"
    assert left(database) == ["a_2", "ab", "b"]
    dry = run("delete", "c", "x", "a_2", "-d", database, "--dry-run")
    assert (dry.exit_code, dry.stdout) == (1, "a_2\n")
    assert dry.stderr == "1 entry to delete\nError: 'c' has no entry or document 'x'\n"


def test_a_document_is_deleted_with_all_its_chunks(database):
    with closing(vecstore.connect(database, driver="apsw")) as db:
        collection = Collection("c", db, model=WordLengths())
        collection.embed_documents([("b", "one\ntwo"), ("b#1", "three"), ("d", "four")], lines)
        collection.embed("b#x", "no chunk")
    command = ["delete", "c", "-d", database]
    assert output(*command, "d") == "1 deleted\n"
    assert output(*command, "b", "--where", "content = 'two'") == "1 deleted\n"
    assert left(database) == ["a_1", "a_2", "ab", "b", "b#1", "b#1#1", "b#x"]
    assert output(*command, "b") == "2 deleted\n"
    assert left(database) == ["a_1", "a_2", "ab", "b#1#1", "b#x"]
    assert output(*command, "b#1") == "1 deleted\n"
    assert "no entry or document 'b'" in run(*command, "b").stderr
    assert left(database) == ["a_1", "a_2", "ab", "b#x"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            [],
            "Which entries? Give their ids, --prefix or --where; 'vecstore collections delete' "
            "deletes a collection with all its entries",
        ),
        (["--prefix", ""], "--prefix is empty: leave it out, or give it a value"),
        (["a_1", "--where", " "], "--where is empty: leave it out, or give it a value"),
    ],
)
def test_what_names_no_entries_is_a_wrong_use(database, arguments, message):
    assert usage_error("delete", "c", *arguments, "-d", database) == message
    assert len(left(database)) == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--where", "nonsense"], "no such column: nonsense"),
        (["--where", "1) union select (id"], "cannot be applied"),
        (["a_1", "--param", "x", "y"], "where_args are given, and no where="),
    ],
)
def test_a_condition_that_is_none_deletes_nothing(database, arguments, message):
    assert message in error("delete", "c", *arguments, "-d", database)
    assert len(left(database)) == 4


def test_a_collection_or_file_that_is_not_there(database, tmp_path):
    assert "Collection does not exist: 'x'" in error("delete", "x", "a", "-d", database)
    missing = tmp_path / "missing.db"
    assert f"There is no database {missing}" in error("delete", "c", "a", "-d", missing)
    assert not missing.exists()


@pytest.mark.parametrize(
    ("answer", "exit_code", "after", "number"),
    [
        (b"y\n", 0, "2 deleted\n", 2),
        (b"n\n", 1, "Aborted!\n", 4),
        (CTRL_C, 130, "Interrupted\n", 4),
    ],
    ids=["yes", "no", "^C"],
)
def test_it_asks_in_a_terminal(database, answer, exit_code, after, number):
    command = [*PROCESS, "delete", "c", "--prefix", "a_", "-d", str(database)]
    shown = answer_question(command, answer)
    assert shown.question == f"Delete 2 entries of 'c' from {database}? [y/N]: "
    assert shown.exit_code == exit_code
    assert shown.after.endswith(after)
    assert len(left(database)) == number


def test_no_more_is_deleted_than_it_has_asked_about(database, monkeypatch):
    from vecstore.cli import delete

    def confirm(*_args, **_kwargs):
        with closing(vecstore.connect(database, driver="apsw")) as db:
            collection = Collection("c", db, model=WordLengths())
            collection.embed("a_3", "three")
            collection.embed_multi_with_metadata([("a_2", "two", {"mood": "happy"})])

    class Terminal:
        def isatty(self):
            return True

    monkeypatch.setattr("click.confirm", confirm)
    monkeypatch.setattr(delete.sys, "stdin", Terminal())
    where = "coalesce(json_extract(metadata, '$.mood'), 'sad') = 'sad'"
    with pytest.raises(SystemExit) as end:
        delete.delete(["c", "--prefix", "a_", "--where", where, "-d", str(database)])
    assert end.value.code == 0
    assert left(database) == ["a_1", "a_2", "a_3", "ab", "b"]
