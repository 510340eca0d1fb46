"""Models that run elsewhere: the user has computed the vectors, and nothing is embedded here."""

from collections.abc import Iterable
from typing import NoReturn

from ..errors import InvalidInputError, ModelError
from ..values import quote, surrogate_position
from .base import EmbeddingModel
from .hooks import hookimpl

NO_MODEL = "none"


class ExternalModel(EmbeddingModel):
    """A model that runs elsewhere: its vectors are handed to `Collection.add()`.

    :param model_id: what a collection of its vectors records. Where a model of that id is installed
      later, the collection is searched by text too. "none", which is always there as
      `model_id="none"`, says nothing of where the vectors are from
    """

    supports_binary = True

    def __init__(self, model_id: str = NO_MODEL) -> None:
        if not isinstance(model_id, str) or not model_id:
            raise InvalidInputError(f"model_id is {quote(model_id)}: it must be text, not empty")
        if surrogate_position(model_id) is not None:
            raise InvalidInputError(f"model_id is {quote(model_id)}: a lone surrogate is no text")
        self.model_id = model_id

    def embed_batch(
        self,
        items: Iterable[str | bytes],  # noqa: ARG002
        *,
        key: str | None = None,  # noqa: ARG002
    ) -> NoReturn:
        raise ModelError(
            f"The model {self.model_id!r} embeds nothing here, as its vectors are computed "
            "elsewhere: add vectors, and search by a vector or an id"
        )


# Last, so that another plugin can take over the name.
@hookimpl(trylast=True)
def resolve_embedding_model(name: str) -> EmbeddingModel | None:
    return ExternalModel() if name == NO_MODEL else None
