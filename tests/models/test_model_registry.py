"""Finding a model by name, the default model, and the user's folder."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import vecstore.models
from vecstore.errors import UnknownModelError
from vecstore.models import (
    EmbeddingModel,
    EmbeddingModelWithAliases,
    get_embedding_model,
    get_embedding_model_aliases,
    get_embedding_models,
    get_embedding_models_with_aliases,
)
from vecstore.models.hooks import hookimpl, load_plugins, pm
from vecstore.settings import (
    default_database,
    default_model,
    get_default_embedding_model,
    set_default_embedding_model,
    user_dir,
)


@pytest.fixture
def user_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    path = tmp_path / "user" / "vecstore"
    monkeypatch.setenv("VECSTORE_USER_PATH", str(path))
    return path


class LengthModel(EmbeddingModel):
    def __init__(self, model_id: str = "length") -> None:
        self.model_id = model_id

    def embed_batch(self, items):
        return [[float(len(item))] for item in items]


class Plugin:
    def __init__(self, *models: tuple[EmbeddingModel, tuple[str, ...] | None]) -> None:
        self.models = models

    @hookimpl
    def register_embedding_models(self, register):
        for model, aliases in self.models:
            register(model, aliases=aliases)


@pytest.fixture
def register() -> Iterator:
    plugins = []

    def register(*models) -> None:
        # The models that vecstore brings first, as in a program that looked one up before.
        load_plugins()
        plugins.append(Plugin(*models))
        pm.register(plugins[-1])

    yield register
    for plugin in plugins:
        pm.unregister(plugin)


def test_models_are_found_by_id_and_by_alias_as_the_instances_that_were_registered(register):
    model = LengthModel()
    register((model, ("len", "l")))
    assert [get_embedding_model(name) for name in ("length", "len", "l")] == [model] * 3
    assert EmbeddingModelWithAliases(model, {"len", "l"}) in get_embedding_models_with_aliases()
    assert model in get_embedding_models()


def test_plugin_counts_from_when_it_is_registered_until_it_is_not():
    load_plugins()
    plugin = Plugin((LengthModel(), None))
    pm.register(plugin)
    get_embedding_model("length")
    pm.unregister(plugin)
    with pytest.raises(UnknownModelError):
        get_embedding_model("length")


def test_id_counts_more_than_an_alias(register):
    model, other = LengthModel(), LengthModel(model_id="other")
    register((model, ("other", "both")), (other, ("length",)))
    assert get_embedding_model("other") is other
    assert get_embedding_model("length") is model
    assert get_embedding_model_aliases()["both"] is model


def test_plugin_replaces_a_model_that_vecstore_brings_and_keeps_its_aliases(register):
    model = LengthModel(model_id="text-embedding-3-small")
    register((model, ("mine",)))
    assert [get_embedding_model(name) for name in ("3-small", "mine")] == [model, model]
    ids = [model.model_id for model in get_embedding_models()]
    assert len(ids) == len(set(ids))


def test_models_that_vecstore_brings():
    listed = {entry.model.model_id: entry.aliases for entry in get_embedding_models_with_aliases()}
    assert listed == {
        "text-embedding-3-small": {"3-small"},
        "text-embedding-3-large": {"3-large"},
        "text-embedding-ada-002": {"ada", "ada-002"},
        "text-embedding-3-small-512": {"3-small-512"},
        "text-embedding-3-large-256": {"3-large-256"},
        "text-embedding-3-large-1024": {"3-large-1024"},
        "wordllama": {"local"},
    }


@pytest.mark.parametrize(
    ("query", "matches"),
    [("LENGTH", True), ("lengthmodel", True), ("SHOR", True), ("x", False)],
)
def test_model_matches_part_of_its_id_class_or_alias_in_any_case(query, matches):
    assert EmbeddingModelWithAliases(LengthModel(), {"short"}).matches(query) is matches


def test_unknown_name_lists_the_closest_and_what_to_install():
    with pytest.raises(UnknownModelError) as caught:
        get_embedding_model("3-smal")
    assert isinstance(caught.value, KeyError)
    message = str(caught.value)
    assert message.startswith("Unknown embedding model: '3-smal' - did you mean '3-small' or ")
    assert "'llm embed-models'" in message
    assert "'openai/3-smal'" in message


@pytest.mark.parametrize("package", ["llm", "wordllama"])
def test_unknown_name_lists_the_extras_that_are_not_installed(monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UnknownModelError) as caught:
        get_embedding_model("sentence-transformers/all-MiniLM-L6-v2")
    extra = {"llm": "llm", "wordllama": "local"}[package]
    assert f"pip install 'sqlite-vecstore[{extra}]'" in str(caught.value)


# The default model and the user's folder


def test_default_model_is_none_until_one_is_set(user_path):
    assert get_default_embedding_model() is None
    assert not user_path.exists()
    set_default_embedding_model("3-small")
    assert get_default_embedding_model() == "3-small"
    set_default_embedding_model("local")
    assert get_default_embedding_model() == "local"
    assert {path.name: path.read_text() for path in user_path.iterdir()} == {
        "default_embedding_model.txt": "local"
    }
    set_default_embedding_model(None)
    set_default_embedding_model(None)
    assert get_default_embedding_model() is None


def test_user_dir_is_made_where_the_environment_says(user_path):
    assert user_dir() == user_path
    assert user_path.is_dir()


def test_user_dir_is_otherwise_in_the_home_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("VECSTORE_USER_PATH")
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    assert user_dir().is_relative_to(tmp_path)
    assert user_dir().name.lower() == "vecstore"


@pytest.mark.parametrize("named", [None, ""])
def test_default_database_is_in_the_users_folder_which_is_not_made(user_path, monkeypatch, named):
    if named is not None:
        monkeypatch.setenv("VECSTORE_DB", named)
    assert default_database() == user_path / "embeddings.db"
    assert not user_path.exists()


def test_default_database_is_otherwise_the_one_that_the_environment_names(user_path, monkeypatch):
    monkeypatch.setenv("VECSTORE_DB", "here.db")
    assert default_database() == Path("here.db")
    assert not user_path.exists()


def test_model_to_use_is_the_environments_or_else_the_saved_one(user_path, monkeypatch):
    assert default_model() is None
    set_default_embedding_model("saved")
    assert default_model() == "saved"
    monkeypatch.setenv("VECSTORE_EMBEDDING_MODEL", "")
    assert default_model() == "saved"
    monkeypatch.setenv("VECSTORE_EMBEDDING_MODEL", "named")
    assert (default_model(), get_default_embedding_model()) == ("named", "saved")


def test_importing_and_listing_models_loads_nothing_heavy():
    script = (
        "import json, sys;"
        "import vecstore.models, vecstore.cli;"
        "vecstore.models.get_embedding_models();"
        "vecstore.models.get_embedding_model('openai/x');"
        "heavy = {'openai', 'llm', 'numpy', 'wordllama', 'tokenizers', 'pathspec'};"
        "print(json.dumps(sorted(heavy & set(sys.modules))))"
    )
    root = Path(vecstore.__file__).parents[1]
    result = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(result.stdout) == []
