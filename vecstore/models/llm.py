"""The embedding models of llm and its plugins, as `llm/MODEL`, from the extra `llm`.

A collection records the id that llm has for the model, so that llm finds it too.
"""

import copy
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from ..errors import MissingKeyError, MissingPackageError, ModelError, UnknownModelError
from ..values import quote
from .base import EmbeddingModel
from .hooks import hookimpl
from .registry import LLM, did_you_mean, id_to_record

if TYPE_CHECKING:
    from llm.models import EmbeddingModel as ModelOfLlm


# Last, so that another plugin can take over a name.
@hookimpl(trylast=True)
def resolve_embedding_model(name: str) -> EmbeddingModel | None:
    if not name.startswith(LLM):
        return None
    try:
        import llm
    except ImportError as ex:
        raise MissingPackageError(
            f"The model {name!r} needs the package llm: pip install 'sqlite-vecstore[llm]' ({ex})"
        ) from ex
    try:
        found = llm.get_embedding_model_aliases()
    except Exception as ex:  # of a plugin of llm's
        raise ModelError(f"llm cannot tell its models, so not {quote(name)}: {ex}") from ex
    models = {LLM + known: model for known, model in found.items()}
    if name not in models:
        raise UnknownModelError(
            f"Unknown embedding model: {quote(name)}{did_you_mean(name, models) or '.'}"
            " 'llm embed-models' lists those of llm, 'llm install' adds more."
        )
    return LlmModel(models[name])


class LlmModel(EmbeddingModel):
    """A model of llm. Its keys come from where llm keeps them, unless one is given here."""

    def __init__(self, model: "ModelOfLlm") -> None:
        self.model_id = id_to_record(model.model_id)
        self.supports_text = model.supports_text
        self.supports_binary = model.supports_binary
        self.batch_size = model.batch_size
        # llm's own class has no such attribute; a subclass may.
        self.concurrency = getattr(model, "concurrency", 1)
        self.key = model.key
        self._model = model

    def embed_batch(
        self, items: Iterable[str | bytes], *, key: str | None = None
    ) -> Iterator[list[float]]:
        import llm

        model = self._model
        if key != model.key:
            # llm prefers its model's .key to a key that is passed, and .key is shared by threads.
            model = copy.copy(model)
            model.key = key
        batch = list(items)
        try:
            yield from model.embed_multi(batch, batch_size=len(batch))
        except llm.NeedsKeyException as ex:
            raise MissingKeyError(f"The model {self.model_id!r} has no API key: {ex}") from ex
        except llm.ModelError as ex:
            raise ModelError(f"The model {self.model_id!r} failed: {ex}") from ex
