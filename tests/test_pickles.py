"""What can go to another process, by pickle, and what says that it cannot."""

import copy
import multiprocessing
import pickle

import pytest

import vecstore
from tests.support.models import Vectors
from vecstore import Collection, DatabaseError
from vecstore.models import retries

ERRORS = [
    thing
    for name in vecstore.__all__
    if isinstance(thing := getattr(vecstore, name), type) and issubclass(thing, Exception)
]
REMEDY = r"'test' has an open connection.*Collection\(name, path\)"


@pytest.mark.parametrize("duplicate", [pickle.dumps, copy.deepcopy, lambda it: pickle.dumps([it])])
def test_a_collection_says_how_it_is_opened_elsewhere(collection, duplicate):
    with pytest.raises(DatabaseError, match=REMEDY):
        duplicate(collection)


def test_a_collection_that_is_sent_to_a_process_says_so(collection):
    context = multiprocessing.get_context("spawn")
    with pytest.raises(DatabaseError, match=REMEDY):
        context.Process(target=print, args=(collection,)).start()


def test_a_shallow_copy_has_the_same_connection(collection):
    collection.embed("a", "one")
    copied = copy.copy(collection)
    assert (type(copied), copied.db is collection.db) == (Collection, True)
    assert copied.get("a") == collection.get("a")


def test_what_a_collection_returns_can_be_pickled(collection):
    report = collection.embed_multi_with_metadata([("a", "one", {"b": [1]})], store=True)
    results = [
        report,
        collection.get("a"),
        collection.explain("one"),
        collection.similar("one"),
        vecstore.check(collection.db),
        vecstore.list_indexes(collection.db),
    ]
    assert pickle.loads(pickle.dumps(results)) == results
    assert copy.deepcopy(results) == results


@pytest.mark.parametrize("kind", ERRORS)
def test_errors_can_be_pickled(kind):
    error = pickle.loads(pickle.dumps(kind("what happened")))
    assert (type(error), str(error), error.args) == (kind, "what happened", ("what happened",))


def test_a_temporary_error_keeps_what_it_says_of_time():
    error = vecstore.TemporaryError("busy", retry_after=3.5, tries=2)
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert (str(again), again.retry_after, again.tries) == ("busy", 3.5, 2)


def test_a_model_that_has_waited_can_be_pickled():
    model = Vectors()
    retries.retries_of(model)
    again = pickle.loads(pickle.dumps(model))
    assert again.embed("1 0") == [1.0, 0.0]
