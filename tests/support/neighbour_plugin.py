"""A plugin of vecstore: two models, whose vectors depend on the text alone.

neighbour_plugin_llm has the same for llm.
"""

import vecstore

from .neighbour_vectors import DIMENSIONS, vector


class Model(vecstore.EmbeddingModel):
    def __init__(self, model_id: str) -> None:
        self.model_id = model_id

    def embed_batch(self, items):
        return [vector(item, DIMENSIONS[self.model_id]) for item in items]


@vecstore.hookimpl
def register_embedding_models(register):
    for model_id in DIMENSIONS:
        register(Model(model_id))
