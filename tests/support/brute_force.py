"""What a search must find, without an index or SQL."""

import pytest

import vecstore


def fill(collection, vectors):
    """Store vectors by id, without a model."""
    collection.db["embeddings"].insert_all(
        {"collection_id": collection.id, "id": id, "embedding": vecstore.encode(vector)}
        for id, vector in vectors.items()
    )


def brute_force(vectors, query, number, skip_id=None, prefix=""):
    scores = [
        (-vecstore.cosine_similarity(vector, query), id)
        for id, vector in vectors.items()
        if any(vector) and id != skip_id and id.startswith(prefix)
    ]
    return [(id, pytest.approx(-score, abs=1e-5)) for score, id in sorted(scores)[:number]]


def found(entries):
    return [(entry.id, entry.score) for entry in entries]
