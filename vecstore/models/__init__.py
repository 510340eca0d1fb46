"""Embedding models: what one is, how one is found by name, and those that vecstore brings.

Others use the names below, and `retries`: how long a request is tried again. A plugin implements
the hooks in `hooks`, as `openai`, `local` and `llm` do.
"""

from .base import EmbeddingModel
from .registry import (
    EmbeddingModelWithAliases,
    did_you_mean,
    get_embedding_model,
    get_embedding_model_aliases,
    get_embedding_models,
    get_embedding_models_with_aliases,
    get_recorded_model,
    is_recorded_as,
)

__all__ = [
    "EmbeddingModel",
    "EmbeddingModelWithAliases",
    "did_you_mean",
    "get_embedding_model",
    "get_embedding_model_aliases",
    "get_embedding_models",
    "get_embedding_models_with_aliases",
    "get_recorded_model",
    "is_recorded_as",
]
