"""`vecstore collections set`, and the commands that embed for a collection with prefixes."""

import json
from contextlib import closing

import pytest

import vecstore
from tests.support.command import error, output, run, usage_error
from tests.support.models import WordLengths
from vecstore import Collection


@pytest.fixture
def database(tmp_path, registered):
    """A file with the empty collection "notes", which has prefixes, and "plain" with one entry."""
    path = tmp_path / "test.db"
    with closing(vecstore.connect(path, driver="apsw")) as db:
        Collection("plain", db, model=registered).embed("a", "hound")
        notes = Collection("notes", db, model=registered)
        notes.set_prefixes(query="search_query: ", document="search_document: ")
    registered.embedded.clear()
    return path


def prefixes_of(path, name):
    with closing(vecstore.connect(path, driver="apsw")) as db:
        collection = Collection(name, db, model=WordLengths())
        return collection.query_prefix, collection.document_prefix


def test_what_is_stored_has_the_document_prefix(database, registered, tmp_path):
    output("embed", "notes", "a", "-c", "hound", "--store", "-d", database)
    (tmp_path / "b.csv").write_text("id,text\nb,cat\n")
    output("embed-multi", "notes", tmp_path / "b.csv", "--store", "-q", "-d", database)
    (tmp_path / "c.txt").write_text("bird")
    output("embed-multi", "notes", "--files", tmp_path, "c.txt", "-q", "-d", database)
    assert registered.embedded == [f"search_document: {text}" for text in ("hound", "cat", "bird")]
    with closing(vecstore.connect(database, driver="apsw")) as db:
        contents = [(entry.id, entry.content) for entry in Collection("notes", db)]
    assert contents == [("a", "hound"), ("b", "cat"), ("c.txt", None)]


def test_what_is_searched_for_has_the_query_prefix(database, registered):
    for options in ([], ["--explain"], ["--table"]):
        run("similar", "notes", "-c", "dog", "-d", database, *options)
    assert registered.embedded == ["search_query: dog"] * 3


def test_sql_in_the_shell_searches_for_a_query(database, registered):
    for call in ("vecstore_embed('notes', 'dog')", "vecstore_similar_json('notes', 'cat')"):
        output("shell", database, f"select length({call})")
    output("shell", database, "select id from vecstore_similar('notes', 'bird')")
    assert registered.embedded == [f"search_query: {text}" for text in ("dog", "cat", "bird")]


def test_the_vector_of_a_text_without_a_collection_is_of_the_text_itself(registered):
    output("embed", "-m", "words", "-c", "hound")
    assert registered.embedded == ["hound"]


def test_a_dry_run_counts_the_text_itself(database, tmp_path):
    (tmp_path / "b.csv").write_text("id,text\nb,cat\n")
    command = ("embed-multi", "notes", tmp_path / "b.csv", "--dry-run", "-d", database)
    assert output(*command).splitlines()[-1] == "To embed: 3 characters"


def test_set_and_unset(database):
    output("collections", "set", "notes", "--query-prefix", "find ", "-d", database)
    assert prefixes_of(database, "notes") == ("find ", "search_document: ")
    output("collections", "set", "notes", "--no-document-prefix", "-d", database)
    assert prefixes_of(database, "notes") == ("find ", "")
    output(
        *("collections", "set", "notes", "--no-query-prefix", "--document-prefix", "é'"),
        *("-d", database),
    )
    assert prefixes_of(database, "notes") == ("", "é'")


def test_list_shows_those_that_are_set(database):
    result = run("collections", "list", "-d", database)
    assert result.stdout == (
        "notes: word-lengths\n"
        "  0 embeddings\n"
        "  query prefix 'search_query: ', document prefix 'search_document: '\n"
        "plain: word-lengths\n"
        "  1 embedding\n"
    )
    output("collections", "set", "notes", "--no-query-prefix", "-d", database)
    assert json.loads(output("collections", "list", "--json", "-d", database)) == [
        {
            "name": "notes",
            "model": "word-lengths",
            "num_embeddings": 0,
            "document_prefix": "search_document: ",
        },
        {"name": "plain", "model": "word-lengths", "num_embeddings": 1},
    ]


def test_the_document_prefix_of_entries_needs_reembed(database):
    message = error("collections", "set", "plain", "--document-prefix", "x ", "-d", database)
    assert message == (
        "The entries of 'plain' were embedded with the document prefix '', and cannot be compared "
        "with others of 'x ': reembed(document_prefix=...), or 'vecstore collections reembed NAME "
        "--document-prefix ...', embeds them again"
    )
    assert prefixes_of(database, "plain") == ("", "")


def test_a_new_collection_is_made_where_a_model_is_named(tmp_path, registered):
    path = tmp_path / "new.db"
    command = ("collections", "set", "notes", "--document-prefix", "store ", "-d", path)
    assert error(*command).startswith(f"There is no database {path}: ")
    output(*command, "-m", "words")
    (tmp_path / "b.csv").write_text("id,text\nb,cat\n")
    output("embed-multi", "notes", tmp_path / "b.csv", "-q", "-d", path)
    assert registered.embedded == ["store cat"]
    assert error("collections", "set", "nots", "--query-prefix", "x", "-d", path) == (
        f"Collection does not exist: 'nots' in {path} (-m MODEL makes it)"
    )


def test_another_model_than_that_of_the_collection_is_an_error(database):
    command = ("collections", "set", "notes", "--query-prefix", "x", "-d", database)
    assert "was made with the model 'word-lengths'" in error(
        *command, "-m", "text-embedding-3-small"
    )


def test_wrong_options(database):
    command = ("collections", "set", "notes", "-d", database)
    assert usage_error(*command) == (
        "Nothing to set: give --query-prefix, --document-prefix or both"
    )
    assert usage_error(*command, "--query-prefix", "x", "--no-query-prefix") == (
        "--query-prefix and --no-query-prefix exclude each other"
    )


def test_a_failed_first_load_leaves_a_collection_that_got_a_prefix_meanwhile(
    tmp_path, registered, monkeypatch
):
    path = tmp_path / "new.db"

    def embed_batch(items):
        with closing(vecstore.connect(path, driver="apsw")) as db:
            Collection("notes", db, create=False).set_prefixes(query="find ")
        raise RuntimeError("out of order")

    monkeypatch.setattr(registered, "embed_batch", embed_batch)
    assert "out of order" in error("embed", "notes", "a", "-m", "words", "-c", "x", "-d", path)
    assert prefixes_of(path, "notes") == ("find ", "")
