"""vector() and vectors(): what is stored comes back, in pages, and nothing is lost between."""

import numpy as np
import pytest

from tests.support.databases import KINDS
from vecstore import Collection, InvalidInputError, collection, encode


@pytest.fixture
def own(db):
    own = Collection("own", db, model_id="none")
    own.add_multi([("b", [1.0, 0.5]), ("a", [0.25, 2.0]), ("c", [-1.0, 0.0])])
    Collection("other", db, model_id="none").add("0", [9.0, 9.0])
    return own


VECTORS = [("a", [0.25, 2.0]), ("b", [1.0, 0.5]), ("c", [-1.0, 0.0])]


@pytest.fixture(params=[1, 2, 1000])
def page(request, monkeypatch):
    monkeypatch.setattr(collection, "_PAGE", request.param)


def test_one_vector(own):
    assert own.vector("b") == [1.0, 0.5]


def test_all_vectors_by_id(own, page):
    assert list(own.vectors()) == VECTORS


@pytest.mark.parametrize("ids", [["c", "a", "c"], ("b",), [], iter(["b", "a"]), np.array(["a"])])
def test_vectors_of_ids_in_their_order(own, page, ids):
    wanted = list(ids)
    assert list(own.vectors(wanted)) == [(id, dict(VECTORS)[id]) for id in wanted]


def test_an_embedded_vector(collection):
    collection.embed(1, "my happy hound")
    assert collection.vector(1) == [2.0, 5.0, 5.0] + [0.0] * 13
    assert dict(collection.vectors([1])) == {"1": collection.vector("1")}


def test_ids_that_are_not_there(own, page):
    with pytest.raises(Collection.DoesNotExist, match="ID not found in collection 'own': 'd'"):
        own.vector("d")
    found = own.vectors(["b", "d", "e"])
    assert next(found) == ("b", [1.0, 0.5])
    with pytest.raises(Collection.DoesNotExist, match="ID not found in collection 'own': 'd'"):
        next(found)


@pytest.mark.parametrize("ids", ["a", b"a", 3, np.array("a"), np.array([["a"]])])
def test_what_is_no_list_of_ids_is_refused_at_once(own, ids):
    with pytest.raises(InvalidInputError, match="ids is .*: pass a list of ids"):
        own.vectors(ids)


def test_the_collection_may_be_written_meanwhile(own, page):
    found = []
    for id, vector in own.vectors():
        found.append(id)
        own.add(f"{id}{id}"[:3], [x * 2 for x in vector])
        own.delete_ids(["c"])
    assert found[0] == "a"
    assert "a" in own.ids()
    assert found == sorted(set(found))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("blob", "shown"),
    [(b"", "0 bytes"), (b"abcde", "5 bytes"), ("text", "'text'"), (None, "None"), (3, "3")],
)
def test_what_another_program_stored_as_no_vector_is_named(closing, path, kind, blob, shown):
    db = closing(KINDS[kind](path))
    own = Collection("own", db, model_id="none", index="beside")
    own.add_multi(VECTORS)
    db.execute("drop trigger embeddings_guard_update")  # as a file of llm's has none
    db.execute("update embeddings set embedding = ? where id = 'b'", [blob])
    message = (
        f"The vector of 'b' is {shown}, and not 4 bytes for each dimension: embed or add the "
        "entry again, or delete it"
    )
    for read in (lambda: own.vector("b"), own.vectors, lambda: own.vectors(["b"])):
        with pytest.raises(InvalidInputError) as caught:
            list(read())
        assert str(caught.value) == message
    assert list(own.vectors(["a", "c"])) == [VECTORS[0], VECTORS[2]]
    own.add("b", [1.0, 1.0])
    assert own.vector("b") == [1.0, 1.0]


def test_a_nan_of_another_program_is_read_as_one(own):
    own.db.execute(
        "update embeddings set embedding = ? where id = 'b'", [encode([float("nan"), 1.0])]
    )
    [first, second] = own.vector("b")
    assert (first != first, second) == (True, 1.0)
