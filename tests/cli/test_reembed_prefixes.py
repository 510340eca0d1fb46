"""`vecstore collections reembed` with prefixes, of entries and of documents."""

import json
from contextlib import closing

import pytest

import vecstore
from tests.support.command import error, output, run, usage_error
from tests.support.models import Pseudorandom
from vecstore import Collection

ENTRIES = [("hound", "my happy hound"), ("cat", "my cat")]
REEMBED = ("collections", "reembed", "pets")


@pytest.fixture
def database(tmp_path, registered):
    path = tmp_path / "pets.db"
    with closing(vecstore.connect(path, driver="apsw")) as db:
        Collection("pets", db, model=registered).embed_multi(ENTRIES, store=True)
    registered.embedded.clear()
    return path


def listed(database):
    found = json.loads(output("collections", "list", "--json", "-d", database))
    return [{key: row[key] for key in row if key != "num_embeddings"} for row in found]


OLD = {"name": "pets@word-lengths", "model": "word-lengths"}


def test_a_document_prefix_is_changed_with_the_model_of_the_collection(database, registered):
    command = (*REEMBED, "--document-prefix", "d: ", "-d", database)
    assert output(*command, "--dry-run") == "To embed: 2 entries, 20 characters\n"
    assert registered.embedded == []
    assert output(*command).splitlines() == [
        "2 embedded, 0 reused",
        "The old and the new vectors agree on 1.0 of the 1 nearest, on average of 2 entries",
        "pets: 2 entries, model word-lengths, and the old one is pets@word-lengths",
    ]
    assert registered.embedded == ["d: my cat", "d: my happy hound"]
    new = {"name": "pets", "model": "word-lengths", "document_prefix": "d: "}
    assert listed(database) == [new, OLD]


def test_prefixes_are_unset_and_set_together(database, registered):
    both = ("--document-prefix", "d: ", "--query-prefix", "q: ", "--drop-old", "-d", database)
    output(*REEMBED, *both)
    output("similar", "pets", "-c", "dog", "-d", database)
    output(*REEMBED, "--no-document-prefix", "--drop-old", "-d", database)
    output("similar", "pets", "-c", "dog", "-d", database)
    output(*REEMBED, "--again", "--no-query-prefix", "--drop-old", "-d", database)
    output("similar", "pets", "-c", "dog", "-d", database)
    assert [text for text in registered.embedded if "my" not in text] == ["q: dog", "q: dog", "dog"]
    assert registered.embedded.count("my cat") == 2
    assert listed(database) == [{"name": "pets", "model": "word-lengths"}]


def test_another_model_forgets_the_prefixes_unless_they_are_given(database, registered):
    with closing(vecstore.connect(database, driver="apsw")) as db:
        birds = Collection("birds", db, model=Pseudorandom())
        birds.set_prefixes(query="q: ", document="d: ")
        birds.embed("a", "one", store=True)
    command = ("collections", "reembed", "birds", "-m", "words", "-d", database)
    output(*command, "--query-prefix", "find: ")
    assert registered.embedded == ["one"]
    assert listed(database)[0] == {
        "name": "birds",
        "model": "word-lengths",
        "query_prefix": "find: ",
    }


def test_a_query_prefix_alone_is_set_and_nothing_embedded(database, registered):
    command = (*REEMBED, "-m", "words", "--query-prefix", "q: ", "-d", database)
    before = database.read_bytes()
    for options in (["--dry-run"], []):
        assert database.read_bytes() == before
        result = run(*command, *options)
        assert (result.exit_code, result.stdout) == (0, "")
        assert result.stderr == (
            "'pets' is of the model word-lengths already: only its prefixes change (--again "
            "embeds it nevertheless)\n"
        )
    assert registered.embedded == []
    assert listed(database) == [{"name": "pets", "model": "word-lengths", "query_prefix": "q: "}]


def test_what_was_begun_with_another_prefix_is_one_line(database, registered):
    with closing(vecstore.connect(database, driver="apsw")) as db:
        begun = Collection("pets@word-lengths (unfinished)", db, model=registered)
        begun.set_prefixes(document="d: ")
        begun.embed("cat", "my cat", store=True)
    registered.embedded.clear()
    command = (*REEMBED, "-d", database)
    for options in ([], ["--dry-run"]):
        assert error(*command, "--document-prefix", "e: ", *options) == (
            "Collection 'pets@word-lengths (unfinished)' was begun with the document prefix 'd: ', "
            "not 'e: ': delete it, or go on with that one"
        )
    output(*command, "--document-prefix", "d: ")
    assert registered.embedded == ["d: my happy hound"]


def test_options_that_exclude_each_other(database):
    command = (*REEMBED, "--document-prefix", "d: ", "--no-document-prefix", "-d", database)
    assert usage_error(*command) == (
        "--document-prefix and --no-document-prefix exclude each other"
    )


def test_documents_are_embedded_with_their_headings(tmp_path, registered):
    (tmp_path / "n.md").write_text("# Top\n\n" + "word " * 40 + "\n\nlast words\n")
    database = tmp_path / "notes.db"
    files = ("--files", tmp_path, "*.md", "--chunk", "100", "--store", "-m", "words")
    files = (*files, "-q", "-d", database)
    output("sync", "notes", *files)
    sent = [*registered.embedded]
    assert sent[-1].startswith("Top\n\n")
    registered.embedded.clear()
    output("collections", "reembed", "notes", "--document-prefix", "d: ", "-q", "-d", database)
    assert sorted(registered.embedded) == sorted(f"d: {text}" for text in sent)
    registered.embedded.clear()
    output("sync", "notes", *files)
    assert registered.embedded == []
    assert output("check", database, "--model").splitlines()[-1] == "No problems"
