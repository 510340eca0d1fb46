"""Embedding models: what one is, how one is found by name, and those that vecstore brings.

Others use the names below, `retries`: how long a request is tried again, and `modes`: what is put
before queries and documents. A plugin implements the hooks in `hooks`, as `openai`, `local`, `llm`
and `external` do.
"""

from .base import EmbeddingModel, embed_as_float32
from .external import NO_MODEL, ExternalModel
from .registry import (
    EmbeddingModelWithAliases,
    are_one_model,
    did_you_mean,
    get_embedding_model,
    get_embedding_model_aliases,
    get_embedding_models,
    get_embedding_models_with_aliases,
    is_recorded_as,
    runs_locally,
)

__all__ = [
    "NO_MODEL",
    "EmbeddingModel",
    "EmbeddingModelWithAliases",
    "ExternalModel",
    "are_one_model",
    "did_you_mean",
    "embed_as_float32",
    "get_embedding_model",
    "get_embedding_model_aliases",
    "get_embedding_models",
    "get_embedding_models_with_aliases",
    "is_recorded_as",
    "runs_locally",
]
