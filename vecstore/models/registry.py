"""How an embedding model is found, by its id, by an alias, or by what a collection has recorded."""

import difflib
import importlib.util
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from ..errors import ModelError, UnknownModelError
from ..values import quote
from .base import EmbeddingModel
from .hooks import load_plugins, pm

LLM = "llm/"  # before the name of a model of llm's


@dataclass
class EmbeddingModelWithAliases:
    """A registered model and the other names that it can be asked for by."""

    model: EmbeddingModel
    aliases: set[str]

    def matches(self, query: str) -> bool:
        """Return whether the id, class or an alias of the model contains `query`, in any case."""
        names = [str(self.model), *self.aliases]
        return any(query.lower() in name.lower() for name in names)


def get_embedding_models_with_aliases() -> list[EmbeddingModelWithAliases]:
    """Return every registered model with its aliases, each id once.

    The plugins are asked anew at each call. Families of models that cannot be listed, such as
    `openai/NAME`, are not in it.
    """
    found: dict[str, EmbeddingModelWithAliases] = {}

    def register(model: EmbeddingModel, aliases: Iterable[str] | None = None) -> None:
        # Pluggy asks the last plugin first, so the first model of an id is the one to keep.
        entry = found.setdefault(model.model_id, EmbeddingModelWithAliases(model, set()))
        entry.aliases.update(aliases or ())

    load_plugins()
    pm.hook.register_embedding_models(register=register)
    return list(found.values())


def get_embedding_models() -> list[EmbeddingModel]:
    """Return every registered model, each id once."""
    return [entry.model for entry in get_embedding_models_with_aliases()]


def get_embedding_model_aliases() -> dict[str, EmbeddingModel]:
    """Return the model for each id and each alias; where they collide, the id counts."""
    entries = get_embedding_models_with_aliases()
    names: dict[str, EmbeddingModel] = {}
    for entry in entries:
        for alias in entry.aliases:
            names.setdefault(alias, entry.model)
    names.update({entry.model.model_id: entry.model for entry in entries})
    return names


def get_embedding_model(name: str) -> EmbeddingModel:
    """Return the model with this id or alias; llm's are found with `llm/` before it, or without.

    Where both have a model of that name, it is vecstore's. Raises UnknownModelError, which names
    the closest matches and what else can be installed.
    """
    names = get_embedding_model_aliases()
    if name in names:
        return names[name]
    model = _resolve(name)
    if model is None:
        model = _model_of_llm(name)
    if model is None:
        raise UnknownModelError(_unknown_model_message(name, names))
    return model


def runs_locally(name: str) -> bool:
    """Return whether a model of this name is installed, and says that it works without a network.

    The models of llm do not say so, and llm is not imported for them.
    """
    if name.startswith(LLM):
        return False
    model = get_embedding_model_aliases().get(name) or _resolve(name)
    return model is not None and model.runs_locally


def is_recorded_as(model_id: str, name: str) -> bool:
    """Return whether a collection that has recorded `name` was made with the model of this id."""
    return model_id == name or model_id == _id_of(name)


def are_one_model(name: str, other: str) -> bool:
    """Return whether two names that collections have recorded are names of one model."""
    return name == other or _id_of(name) == _id_of(other)


def id_to_record(id_of_llm: str) -> str:
    """Return what a collection records for a model of llm: its id there, by which llm finds it.

    With `llm/` before it where the id alone is the name of another model here.
    """
    own = get_embedding_model_aliases().get(id_of_llm)
    is_taken = own is not None and own.model_id != id_of_llm
    return LLM + id_of_llm if is_taken or id_of_llm.startswith(LLM) else id_of_llm


def _resolve(name: str) -> EmbeddingModel | None:
    model: EmbeddingModel | None = pm.hook.resolve_embedding_model(name=name)
    return model


def _model_of_llm(name: str) -> EmbeddingModel | None:
    """Return the model of llm with this id or alias; None also where llm cannot be asked."""
    with suppress(ModelError):
        return _resolve(LLM + name)
    return None


def _id_of(name: str) -> str:
    """Return the id of the model that a collection has recorded, which need not be installed."""
    try:
        return get_embedding_model(name).model_id
    except ModelError:
        # Before, those of llm were recorded with the prefix.
        return id_to_record(name.removeprefix(LLM)) if name.startswith(LLM) else name


def _unknown_model_message(name: str, known: Iterable[str]) -> str:
    sentences = [f"Unknown embedding model: {quote(name)}{did_you_mean(name, known) or '.'}"]
    if importlib.util.find_spec("llm") is None:
        sentences.append("For the models of llm's plugins: pip install 'sqlite-vecstore[llm]'.")
    else:
        sentences.append(
            "llm has none of that name either: 'llm embed-models' lists its models, and"
            " 'llm install' adds more."
        )
    if importlib.util.find_spec("wordllama") is None:
        sentences.append("For a model that runs here: pip install 'sqlite-vecstore[local]'.")
    sentences.append(f"For a model of an OpenAI-compatible server: {quote(f'openai/{name}')}.")
    return " ".join(sentences)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ` - did you mean 'x' or 'y'?` for the names most like `name`, or nothing."""
    # Lower than difflib's 0.6, so that "small-3" finds "3-small".
    matches = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    return f" - did you mean {' or '.join(map(repr, matches))}?" if matches else ""
