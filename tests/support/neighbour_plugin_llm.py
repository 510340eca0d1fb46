"""A plugin of llm, with the models of neighbour_plugin."""

import llm

from .neighbour_vectors import DIMENSIONS, vector


class Model(llm.EmbeddingModel):
    def __init__(self, model_id: str) -> None:
        self.model_id = model_id

    def embed_batch(self, items, *, key=None):
        return [vector(item, DIMENSIONS[self.model_id]) for item in items]


@llm.hookimpl
def register_embedding_models(register):
    for model_id in DIMENSIONS:
        register(Model(model_id))
