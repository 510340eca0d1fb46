"""A collection that is new stays where something was stored in it, or another was there."""

import json
from contextlib import closing

import pytest

import vecstore
from tests.support.command import error, output, run
from tests.support.models import WordLengths


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
