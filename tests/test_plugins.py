"""Installed plugins: what each test installs, a new process loads."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import vecstore.models

GOOD = """
from vecstore.models import EmbeddingModel
from vecstore.models.hooks import hookimpl

class Model(EmbeddingModel):
    def __init__(self, model_id):
        self.model_id = model_id

    def embed_batch(self, items):
        return [[1.0] for item in items]

@hookimpl
def register_embedding_models(register):
    register(Model("listed"), aliases=["l"])

@hookimpl
def resolve_embedding_model(name):
    if name.startswith("family/"):
        return Model(name)
"""

LOOK_UP = """
import json, warnings
from vecstore.models import get_embedding_model, get_embedding_models
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    ids = [model.model_id for model in get_embedding_models()]
    ids += [model.model_id for model in get_embedding_models()]
found = {}
for name in NAMES:
    try:
        found[name] = get_embedding_model(name).model_id
    except Exception as ex:
        found[name] = type(ex).__name__
warned = [[warning.category.__name__, str(warning.message)] for warning in caught]
print(json.dumps({"ids": ids, "found": found, "warned": warned}))
"""


def install(folder: Path, distribution: str, modules: dict[str, str], name: str = "") -> None:
    """Install a distribution with one plugin a module, called `name` or as the module is."""
    info = folder / f"{distribution.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    lines = "".join(f"{name or module} = {module}\n" for module in modules)
    (info / "entry_points.txt").write_text(f"[vecstore]\n{lines}")
    for module, source in modules.items():
        (folder / f"{module}.py").write_text(source)


def look_up(folder: Path, *names: str) -> dict:
    """Return what a new process finds, with what is installed in the folder."""
    root = Path(vecstore.__file__).parents[1]
    result = subprocess.run(
        [sys.executable, "-c", f"NAMES = {names!r}\n{LOOK_UP}"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(root)])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stderr == ""
    return json.loads(result.stdout)


def test_models_of_an_installed_plugin_are_found(tmp_path):
    install(tmp_path, "good-models", {"good": GOOD})
    answer = look_up(tmp_path, "listed", "l", "family/any", "openai/any")
    assert answer["found"] == {
        "listed": "listed",
        "l": "listed",
        "family/any": "family/any",
        "openai/any": "openai/any",
    }
    assert answer["ids"].count("listed") == 2
    assert answer["warned"] == []


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("raise RuntimeError('no graphics card')", "RuntimeError: no graphics card"),
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("def broken(:", "SyntaxError: "),
        (GOOD.replace("models(register)", "models(registry)"), "PluginValidationError: "),
    ],
)
def test_plugin_that_cannot_be_loaded_is_one_warning_and_the_rest_works(tmp_path, source, error):
    install(tmp_path, "mixed-models", {"bad": source, "good": GOOD})
    answer = look_up(tmp_path, "listed", "3-small", "local", "no-such-model")
    assert answer["found"] == {
        "listed": "listed",
        "3-small": "text-embedding-3-small",
        "local": "wordllama",
        "no-such-model": "UnknownModelError",
    }
    [[category, message]] = answer["warned"]
    assert category == "PluginWarning"
    assert message.startswith(
        "The vecstore plugin 'bad' of mixed-models could not be loaded and is left out: " + error
    )


def test_plugin_can_take_over_a_family_of_names(tmp_path):
    install(tmp_path, "other-openai", {"other": GOOD.replace("family/", "openai/")})
    answer = look_up(tmp_path, "openai/x", "openai/")
    assert answer["found"] == {"openai/x": "openai/x", "openai/": "openai/"}


def test_plugin_that_asks_for_models_while_it_is_imported_is_loaded_once(tmp_path):
    source = f"from vecstore.models import get_embedding_models\nget_embedding_models()\n{GOOD}"
    install(tmp_path, "eager-models", {"eager": source})
    answer = look_up(tmp_path, "listed")
    assert answer["found"] == {"listed": "listed"}
    assert answer["ids"].count("listed") == 2


def test_plugins_of_two_distributions_can_have_one_name(tmp_path):
    install(tmp_path, "first-models", {"first": GOOD}, name="models")
    install(tmp_path, "second-models", {"second": GOOD.replace("listed", "other")}, name="models")
    answer = look_up(tmp_path, "listed", "other")
    assert answer["found"] == {"listed": "listed", "other": "other"}
    assert answer["warned"] == []


def test_module_that_two_distributions_name_is_one_plugin(tmp_path):
    install(tmp_path, "first-models", {"same": GOOD})
    install(tmp_path, "second-models", {"same": GOOD})
    answer = look_up(tmp_path, "listed")
    assert answer["found"] == {"listed": "listed"}
    assert answer["warned"] == []
