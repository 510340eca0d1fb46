"""The vectors of a corpus and of its questions, made once: what is measured is the search."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

import vecstore

from ..datasets import Embed, Progress, save
from ..rows import Matrix

PORTION = 1_024  # texts that are embedded at once


class KnownVectors(vecstore.EmbeddingModel):
    """A model that looks up what another has embedded."""

    model_id = "known"

    def __init__(self, texts: Sequence[str], vectors: Matrix) -> None:
        self.places = {text: place for place, text in enumerate(texts)}
        self.vectors = vectors

    def embed_batch(
        self,
        items: Iterable[str | bytes],
        *,
        key: str | None = None,  # noqa: ARG002 - this model needs none
    ) -> Iterator[list[float]]:
        for item in items:
            yield self.vectors[self.places[str(item)]].tolist()


def known_vectors(
    name: str, embed: Embed, texts: Iterable[str], folder: Path, say: Progress
) -> KnownVectors:
    """Return a model that knows some texts; their vectors are kept in a folder.

    :param name: of the model that embeds them
    """
    kept = list(dict.fromkeys(texts))
    content = hashlib.sha256("\0".join(kept).encode()).hexdigest()[:16]
    path = folder / f"retrieval-{name}-{content}.npy"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        vectors = []
        for start in range(0, len(kept), PORTION):
            say(f"Embedding {len(kept):,} texts with {name}: {start / len(kept):.0%}")
            vectors.append(embed(kept[start : start + PORTION]))
        save(path, np.concatenate(vectors))
    return KnownVectors(kept, np.load(path))
