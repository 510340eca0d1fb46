"""What the class EmbeddingModel does for its subclasses."""

import array
import inspect
import itertools
from concurrent.futures import ThreadPoolExecutor

import pytest

from vecstore.errors import (
    InputTypeError,
    InvalidInputError,
    MissingKeyError,
    ModelError,
    RejectedInputError,
)
from vecstore.models import EmbeddingModel


class LengthModel(EmbeddingModel):
    """The vector of an input is its length; the batches that were asked for are kept."""

    model_id = "length"

    def __init__(self, **attributes) -> None:
        self.batches = []
        self.keys = []
        for name, value in attributes.items():
            setattr(self, name, value)

    def embed_batch(self, items, *, key=None):
        self.batches.append(list(items))
        self.keys.append(key)
        for item in items:
            yield [float(len(item))]


class ReturningModel(EmbeddingModel):
    """Returns what it was made with, whatever it is asked for."""

    model_id = "returning"

    def __init__(self, rows) -> None:
        self.rows = rows

    def embed_batch(self, items):
        return self.rows


class FailingModel(EmbeddingModel):
    """Yields a vector for each input before "bad"."""

    model_id = "failing"

    def __init__(self, error: Exception) -> None:
        self.error = error

    def embed_batch(self, items):
        for item in items:
            if item == "bad":
                raise self.error
            yield [float(len(item))]


class OldModel(EmbeddingModel):
    """As classes for llm were written before embed_batch() had `key`."""

    model_id = "old"
    needs_key = "service"
    key_env_var = "SERVICE_KEY"

    def __init__(self) -> None:
        self.keys = []

    def embed_batch(self, items):
        self.keys.append((self.get_key(), self.key))
        return ([len(item)] for item in items)


# Embedding


def test_embed_returns_the_vector_of_one_text():
    assert LengthModel().embed("four") == [4.0]


def test_embed_multi_is_a_generator_of_one_vector_a_text_in_one_batch():
    model = LengthModel()
    vectors = model.embed_multi(text for text in ["a", "bb", "ccc"])
    assert inspect.isgenerator(vectors)
    assert list(vectors) == [[1.0], [2.0], [3.0]]
    assert model.batches == [["a", "bb", "ccc"]]


@pytest.mark.parametrize(
    ("own", "asked", "batches"),
    [
        (2, None, [["a", "b"], ["c"]]),
        (2, 1, [["a"], ["b"], ["c"]]),
        (1, 3, [["a", "b", "c"]]),
        (None, 2, [["a", "b"], ["c"]]),
    ],
)
def test_batches_are_as_large_as_asked_for_or_else_as_the_models_own(own, asked, batches):
    model = LengthModel(batch_size=own)
    assert list(model.embed_multi("abc", batch_size=asked)) == [[1.0]] * 3
    assert model.batches == batches


def test_no_texts_are_no_vectors_and_no_batch():
    model = LengthModel()
    assert list(model.embed_multi([])) == []
    assert model.batches == []


def test_endless_input_is_read_one_batch_at_a_time():
    read = itertools.count()
    vectors = LengthModel(batch_size=3).embed_multi(str(n) for n in read)
    assert [next(vectors) for _ in range(3)] == [[1.0]] * 3
    assert next(read) == 3


@pytest.mark.parametrize("size", [0, -1])
def test_batch_size_below_one_is_an_error_at_once(size):
    with pytest.raises(ValueError, match=f"batch_size must be 1 or more, not {size}"):
        LengthModel().embed_multi(["a"], batch_size=size)


@pytest.mark.parametrize(
    "row",
    [
        [1, 2],
        (1.0, 2.0),
        array.array("f", [1, 2]),
        (float(n) for n in (1, 2)),
    ],
)
def test_rows_of_any_kind_become_lists_of_floats(row):
    vector = ReturningModel([row]).embed("a")
    assert (type(vector), vector, [type(value) for value in vector]) == (
        list,
        [1.0, 2.0],
        [float] * 2,
    )


def test_numpy_rows_become_lists_of_floats():
    numpy = pytest.importorskip("numpy")
    for rows in (numpy.array([[1, 2]], "int8"), iter(numpy.array([[1, 2]], "float32"))):
        vector = ReturningModel(rows).embed("a")
        assert (vector, [type(value) for value in vector]) == ([1.0, 2.0], [float, float])


@pytest.mark.parametrize("row", [None, 1.0, "text", [[1.0]], [None]])
def test_row_that_is_no_vector_is_an_error(row):
    with pytest.raises(ModelError, match=f"'returning' returned a {type(row).__name__} that is"):
        ReturningModel([row]).embed("a")


@pytest.mark.parametrize(
    ("rows", "returned"),
    [
        ([], "0"),
        ([[1.0]], "1"),
        ([[1.0]] * 5, "5"),
        (iter([[1.0]]), "1"),
        (iter([[1.0]] * 5), "at least 3"),
        (itertools.repeat([1.0]), "at least 3"),
    ],
)
def test_wrong_number_of_vectors_is_an_error_and_none_is_yielded(rows, returned):
    vectors = []
    with pytest.raises(ModelError) as caught:
        vectors.extend(ReturningModel(rows).embed_multi(["a", "b"]))
    assert str(caught.value) == (f"The model 'returning' returned {returned} vectors for 2 inputs")
    assert vectors == []


@pytest.mark.parametrize("rows", [[], [[1.0], [2.0]]])
def test_wrong_number_of_vectors_for_one_text_is_an_error(rows):
    with pytest.raises(ModelError, match=f"returned {len(rows)} vectors for 1 inputs"):
        ReturningModel(rows).embed("a")


@pytest.mark.parametrize("error", [RejectedInputError("too long"), ConnectionError("lost")])
def test_vectors_before_a_failure_come_before_the_error(error):
    vectors = []
    with pytest.raises(type(error)) as caught:
        vectors.extend(FailingModel(error).embed_multi(["a", "bb", "bad", "c"]))
    assert caught.value is error
    assert vectors == [[1.0], [2.0]]


def test_failure_of_one_text_is_raised():
    error = RejectedInputError("too long")
    with pytest.raises(RejectedInputError) as caught:
        FailingModel(error).embed("bad")
    assert caught.value is error


@pytest.mark.parametrize(
    ("kinds", "item", "message"),
    [
        ({}, b"x", "embeds str, not bytes"),
        ({}, 1, "embeds str, not int"),
        ({}, None, "embeds str, not NoneType"),
        ({"supports_text": False, "supports_binary": True}, "x", "embeds bytes, not str"),
        ({"supports_binary": True}, bytearray(b"x"), "embeds str or bytes, not bytearray"),
    ],
)
def test_input_of_a_type_that_the_model_does_not_embed_is_a_value_error(kinds, item, message):
    model = LengthModel(**kinds)
    for call in (lambda: model.embed(item), lambda: list(model.embed_multi([item]))):
        with pytest.raises(InputTypeError) as caught:
            call()
        assert isinstance(caught.value, ValueError)
        assert str(caught.value) == f"The model 'length' {message}"
    assert model.batches == []


def test_text_and_bytes_are_embedded_by_a_model_of_both():
    model = LengthModel(supports_binary=True)
    assert list(model.embed_multi(["text", b"bytes"])) == [[4.0], [5.0]]


def test_text_that_is_not_unicode_is_an_error_that_says_where():
    with pytest.raises(InvalidInputError, match=r"lone surrogate \('\\udc80' at character 2\)"):
        LengthModel().embed("ab\udc80")


def test_model_prints_its_class_and_id():
    assert (str(LengthModel()), repr(LengthModel())) == (
        "LengthModel: length",
        "<LengthModel: length>",
    )


# Keys


@pytest.mark.parametrize(
    ("explicit", "own", "environment", "used"),
    [
        ("explicit", "own", "environment", "explicit"),
        (None, "own", "environment", "own"),
        (None, None, "environment", "environment"),
    ],
)
def test_key_is_the_explicit_one_or_the_models_or_the_environments(
    monkeypatch, explicit, own, environment, used
):
    monkeypatch.setenv("SERVICE_KEY", environment)
    model = LengthModel(needs_key="service", key_env_var="SERVICE_KEY", key=own)
    assert model.get_key(explicit) == used
    model.embed("a", key=explicit)
    list(model.embed_multi(["a"], key=explicit))
    assert model.keys == [used, used]


def test_model_without_a_need_has_no_key():
    model = LengthModel()
    model.embed("a")
    assert (model.get_key(), model.keys) == (None, [None])


@pytest.mark.parametrize(
    ("variable", "remedy"),
    [
        ("SERVICE_KEY", "set the environment variable SERVICE_KEY, or pass key=, or set"),
        (None, "pass key=, or set"),
    ],
)
def test_missing_key_says_what_to_set(monkeypatch, variable, remedy):
    monkeypatch.delenv("SERVICE_KEY", raising=False)
    model = LengthModel(needs_key="service", key_env_var=variable)
    with pytest.raises(MissingKeyError) as caught:
        model.embed("a")
    assert str(caught.value) == (
        f"The model 'length' needs an API key for 'service': {remedy} the model's .key"
    )
    assert model.batches == []


def test_class_from_before_key_finds_the_key_in_the_ways_it_knows(monkeypatch):
    monkeypatch.setenv("SERVICE_KEY", "environment")
    model = OldModel()
    assert model.embed("four") == [4.0]
    assert list(model.embed_multi(["a"], key="explicit")) == [[1.0]]
    model.key = "own"
    model.embed("a")
    model.embed("a", key="explicit")
    assert model.keys == [
        ("environment", None),
        ("explicit", "explicit"),
        ("own", "own"),
        ("explicit", "explicit"),
    ]
    assert model.key == "own"


def test_class_from_before_key_has_the_right_one_in_each_thread():
    model = OldModel()
    keys = [f"key-{n}" for n in range(200)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: model.embed("a", key=key), keys))
    assert sorted(model.keys) == sorted((key, key) for key in keys)
    assert model.key is None
