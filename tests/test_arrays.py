"""NumPy's arrays are taken where a list is, and what is no list is refused by its name."""

import numpy as np
import pytest

import vecstore
from tests.support.foreign_values import Column
from vecstore import Collection, InvalidInputError, cosine_similarity, encode

TEXTS = ["my happy hound", "a cat"]


class Table:
    """A table of pandas: iterating it gives the names of its columns."""

    shape = (2, 2)

    def __iter__(self):
        return iter(["id", "text"])


@pytest.fixture
def pets(collection):
    collection.embed_multi([("id", TEXTS[0]), ("b", TEXTS[1])])
    return collection


@pytest.mark.parametrize("kind", [np.array, lambda t: np.array(t, object), Column])
def test_texts_to_search_for(pets, kind):
    assert pets.similar_multi(kind(TEXTS), 1) == pets.similar_multi(TEXTS, 1)


def test_one_text_without_dimensions(pets):
    text = np.array(TEXTS[1])
    assert pets.similar(text, 1) == pets.similar(TEXTS[1], 1)
    assert pets.explain(text, 1).entries == pets.similar(TEXTS[1], 1)
    assert vecstore.similar_across([pets], text, 1)[0][1] == pets.similar(TEXTS[1], 1)[0]


@pytest.mark.parametrize("kind", [lambda rows: np.array(rows), lambda rows: np.array(rows, object)])
def test_rows_of_a_table_are_entries(collection, kind):
    report = collection.embed_multi(kind([["1", "one"], ["2", "two"]]), store=True)
    assert report == vecstore.EmbedReport(embedded=2)
    assert collection.get(2).content == "two"


def test_rows_of_a_matrix_are_no_entries(collection):
    with pytest.raises(InvalidInputError, match=r"An entry is array\(\[1\., 1\., 1\.\]\), not a"):
        collection.embed_multi(np.ones((2, 3)))
    with pytest.raises(InvalidInputError, match="The value of '1.0' is of type float64"):
        collection.embed_multi(np.ones((2, 2)))


@pytest.mark.parametrize("ids", [Table(), np.array("id"), np.array([["id"]]), np.str_("id")])
def test_what_is_no_list_of_ids_deletes_nothing(pets, ids):
    with pytest.raises(InvalidInputError, match="ids is .*: pass a list of ids"):
        pets.delete_ids(ids)
    assert pets.ids() == ["b", "id"]


@pytest.mark.parametrize("values", [Table(), np.array("id"), np.array([["id"]]), np.str_("id"), 3])
def test_what_is_no_list_of_values_is_refused(pets, values):
    with pytest.raises(InvalidInputError, match="values is .*: pass a list of what to search for"):
        pets.similar_multi(values)


@pytest.mark.parametrize(
    "kind", ["int8", "uint8", "int16", "int64", "uint64", "float16", "float32", "float64"]
)
def test_similarity_of_small_numbers_does_not_overflow(kind):
    vector = np.full(300, 100, kind)
    assert cosine_similarity(vector, vector) == pytest.approx(1.0)
    assert cosine_similarity(list(vector), vector[::-1]) == pytest.approx(1.0)
    assert cosine_similarity(vector, [100.0] * 150 + [-100.0] * 150) == 0.0


NO_VECTORS = [np.ones((1, 2)), np.float32(1), {1.0, 2.0}, "ab", np.array([1j, 2.0]), ["a", "b"]]


@pytest.mark.parametrize("vector", NO_VECTORS)
def test_what_is_no_vector_is_refused(vector):
    for use in (encode, lambda vector: cosine_similarity(vector, [1.0, 2.0])):
        with pytest.raises(InvalidInputError, match="A vector is a list of numbers, and this is"):
            use(vector)


@pytest.mark.parametrize("kind", ["int8", "float16", "float64", "longdouble", "bool", ">f4"])
def test_an_array_is_encoded_as_a_list_is(kind):
    assert encode(np.array([1, 0], kind)) == encode([1.0, 0.0])


def test_a_file_of_arrays_is_searched_by_them():
    own = Collection("own", model_id="none")
    own.add_multi(zip(np.array(["a", "b"]), np.eye(2, dtype="float16"), strict=True))
    [entry] = own.similar_by_vector(np.array([2, 1], "int8"), np.int64(1), prefix=np.str_(""))
    assert entry.id == "a"
