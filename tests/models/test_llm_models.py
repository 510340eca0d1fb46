"""The models of llm, as `llm/MODEL`, which collections record as llm does."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlite_utils

import vecstore
from vecstore.errors import (
    InputTypeError,
    MissingKeyError,
    MissingPackageError,
    ModelError,
    UnknownModelError,
)
from vecstore.models import get_embedding_model

llm = pytest.importorskip("llm")


class LengthModel(llm.EmbeddingModel):
    model_id = "length"
    supports_binary = True
    batch_size = 2

    def __init__(self) -> None:
        self.batches = []

    def embed_batch(self, items, *, key=None):
        items = list(items)
        self.batches.append(items)
        return [[len(item)] for item in items]


class KeyModel(llm.EmbeddingModel):
    """As llm's classes were before embed_batch() had `key`."""

    model_id = "with-key"
    needs_key = "service"
    key_env_var = "SERVICE_KEY"

    def __init__(self) -> None:
        self.keys = []

    def embed_batch(self, items):
        self.keys.append(self.get_key())
        return [[1.0] for item in items]


class FailingModel(llm.EmbeddingModel):
    model_id = "failing"

    def embed_batch(self, items):
        for item in items:
            if item == "bad":
                raise llm.ModelError("out of order")
            yield [1.0]


class ShortModel(llm.EmbeddingModel):
    model_id = "short"

    def embed_batch(self, items):
        return [[1.0]]


@pytest.fixture(autouse=True)
def models(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[dict]:
    monkeypatch.setenv("LLM_USER_PATH", str(tmp_path / "llm"))
    monkeypatch.delenv("SERVICE_KEY", raising=False)
    models = [LengthModel(), KeyModel(), FailingModel(), ShortModel()]

    class Plugin:
        @llm.hookimpl
        def register_embedding_models(self, register):
            for model in models:
                register(model, aliases=(f"alias-{model.model_id}",))

    llm.plugins.load_plugins()
    plugin = Plugin()
    llm.plugins.pm.register(plugin)
    yield {model.model_id: model for model in models}
    llm.plugins.pm.unregister(plugin)


@pytest.mark.parametrize("name", ["llm/length", "llm/alias-length", "length", "alias-length"])
def test_model_of_llm_is_found_by_id_and_alias_under_its_id(name):
    model = get_embedding_model(name)
    assert (model.model_id, model.supports_text, model.supports_binary, model.batch_size) == (
        "length",
        True,
        True,
        2,
    )
    assert model.embed("four") == [4.0]
    assert list(model.embed_multi(["a", b"bb", "ccc"])) == [[1.0], [2.0], [3.0]]


def test_batch_that_was_asked_for_is_not_split_again(models):
    list(get_embedding_model("llm/length").embed_multi("abcde", batch_size=3))
    assert models["length"].batches == [["a", "b", "c"], ["d", "e"]]


def test_models_that_llm_brings_are_found():
    assert get_embedding_model("llm/3-small").model_id == "text-embedding-3-small"


def test_unknown_model_of_llm_lists_the_closest():
    with pytest.raises(UnknownModelError, match="did you mean 'llm/length'") as caught:
        get_embedding_model("llm/lenght")
    assert "llm install" in str(caught.value)


def test_a_name_that_neither_knows_is_unknown_and_says_so():
    with pytest.raises(UnknownModelError, match="'lenght'. llm has none of that name either"):
        get_embedding_model("lenght")


@pytest.mark.parametrize("length", ["local", "llm/other"])
def test_an_id_that_is_another_models_name_here_keeps_the_prefix(models, length):
    """`local` is an alias of vecstore's own model."""
    models["length"].model_id = length
    model = get_embedding_model(f"llm/{length}")
    assert model.model_id == f"llm/{length}"
    assert get_embedding_model(model.model_id).embed("four") == [4.0]
    assert get_embedding_model("local").model_id == "wordllama"


def test_a_plugin_of_llm_that_fails_is_an_error_where_llm_is_asked_for(models):
    type(models["short"]).model_id = property(lambda self: 1 / 0)
    try:
        with pytest.raises(ModelError, match="llm cannot tell its models, so not 'llm/failing'"):
            get_embedding_model("llm/failing")
        with pytest.raises(UnknownModelError, match="'failing'"):
            get_embedding_model("failing")
    finally:
        type(models["short"]).model_id = "short"


def test_without_llm_the_error_says_which_extra_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "llm", None)
    with pytest.raises(MissingPackageError) as caught:
        get_embedding_model("llm/length")
    assert isinstance(caught.value, ImportError)
    assert "pip install 'sqlite-vecstore[llm]'" in str(caught.value)


def test_input_of_a_type_that_the_model_does_not_embed_is_refused():
    with pytest.raises(InputTypeError, match="'with-key' embeds str, not bytes"):
        get_embedding_model("llm/with-key").embed(b"bytes")


def test_key_is_the_explicit_one_or_the_models_or_the_one_that_llm_finds(
    models, monkeypatch, tmp_path
):
    model = get_embedding_model("llm/with-key")
    monkeypatch.setenv("SERVICE_KEY", "environment")
    model.embed("a")
    (tmp_path / "llm" / "keys.json").write_text('{"service": "stored by llm"}')
    model.embed("a")
    model.key = "own"
    model.embed("a")
    model.embed("a", key="explicit")
    models["with-key"].key = "of llm's model"
    get_embedding_model("llm/with-key").embed("a")
    get_embedding_model("llm/with-key").embed("a", key="explicit")
    assert models["with-key"].keys == [
        "environment",
        "stored by llm",
        "own",
        "explicit",
        "of llm's model",
        "explicit",
    ]
    assert models["with-key"].key == "of llm's model"


def test_no_key_is_a_missing_key_error():
    with pytest.raises(MissingKeyError, match=r"'with-key' has no API key: .*SERVICE_KEY"):
        get_embedding_model("llm/with-key").embed("a")


def test_failure_of_a_model_of_llm_is_a_model_error_after_the_vectors_before():
    vectors = []
    model = get_embedding_model("llm/failing")
    with pytest.raises(ModelError, match="'failing' failed: out of order"):
        vectors.extend(model.embed_multi(["a", "b", "bad"]))
    assert vectors == [[1.0], [1.0]]


def test_an_entry_over_which_a_model_of_llm_fails_is_named():
    collection = vecstore.Collection("entries", model_id="llm/failing")
    message = "'c' was not embedded: The model 'failing' failed: out of order"
    with pytest.raises(vecstore.RejectedInputError, match=message) as caught:
        collection.embed_multi([("a", "x"), ("b", "y"), ("c", "bad"), ("d", "z")])
    assert isinstance(caught.value.__cause__.__cause__, llm.ModelError)
    assert collection.ids() == ["a", "b"]
    collection.db.close()


def test_wrong_number_of_vectors_is_an_error():
    with pytest.raises(ModelError, match="'short' returned 1 vectors for 2 inputs"):
        list(get_embedding_model("llm/short").embed_multi(["a", "b"]))


def test_concurrency_is_that_of_the_model_of_llm_or_one(models):
    models["short"].concurrency = 4
    names = ("llm/short", "llm/length")
    assert [get_embedding_model(name).concurrency for name in names] == [4, 1]


def test_a_collection_of_llm_finds_the_model_that_it_has_recorded(tmp_path):
    """llm records the id of a model of its plugins as it is, without a prefix."""
    path = tmp_path / "of-llm.db"
    made_by_llm = sqlite_utils.Database(path)
    llm.Collection("entries", made_by_llm, model_id="length").embed("1", "four", store=True)
    made_by_llm.close()
    db = vecstore.connect(path)
    collection = vecstore.Collection("entries", db)
    assert collection.model_id == "length"
    collection.embed("2", "three")
    assert [entry.id for entry in collection.similar("x")] == ["1", "2"]
    assert vecstore.Collection("entries", db, model_id="llm/length").ids() == ["1", "2"]
    with pytest.raises(vecstore.ModelMismatchError):
        vecstore.Collection("entries", db, model_id="3-small")
    db.close()
