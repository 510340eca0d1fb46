"""Whether vectors are those that the model of their collection gives, by a sample."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from .. import vectors
from ..embedded_content import embedded_content
from ..errors import InvalidInputError, ModelError, VecstoreError
from ..models import EmbeddingModel, embed_as_float32, get_embedding_model, modes
from ..rows import CollectionRow, EmbeddingRow
from ..values import describe_count, quote
from .report import CheckReport, Tally

SAMPLE = 20  # entries of a collection
_LEAST_COSINE = 0.99  # of two vectors of one text by one model: providers round, and pad batches


class Samples(Protocol):
    """What a database is asked for."""

    def rows(self, collection: CollectionRow, model: EmbeddingModel) -> list[EmbeddingRow]:
        """Return SAMPLE rows with stored content that the model embeds, from all over."""
        ...

    def document_prefix(self, collection: CollectionRow) -> str | None:
        """Return the collection's own prefix."""
        ...

    def distance(self, vector: bytes, other: bytes) -> float | None:
        """Return the cosine distance of two vectors; None where they cannot be compared."""
        ...


def compare_models(
    samples: Samples, collections: Iterable[CollectionRow], report: CheckReport
) -> None:
    """Embed some entries of each collection again, where its model is installed.

    No lock is held while a model works.
    """
    for collection in collections:
        try:
            model = get_embedding_model(collection.model)
            _compare(samples, collection, model, report)
        except VecstoreError as error:
            report.note(
                "model",
                f"The vectors of {quote(collection.name)} were not compared with those of its "
                f"model: {error}",
            )


def _compare(
    samples: Samples, collection: CollectionRow, model: EmbeddingModel, report: CheckReport
) -> None:
    rows = samples.rows(collection, model)
    prefix = modes.document_prefix(model, samples.document_prefix(collection))
    name = collection.name
    values = [embedded_content(row, vectors.content_hash) for row in rows]
    sent = [modes.add_prefix(prefix, value) for value in values if value is not None]
    if not sent:
        report.note(
            "model",
            f"{quote(name)} has no stored content that {model.model_id!r} embeds: its vectors were "
            "not compared",
        )
        return
    others = Tally()
    lowest = 1.0
    for row, vector in zip(rows, _embed(model, sent), strict=True):
        cosine = _cosine(samples, row.embedding, vector)
        if cosine < _LEAST_COSINE:
            lowest = min(lowest, cosine)
            others.add(collection.id, row.id)
    number = f"{describe_count(len(sent), 'entry')} of {quote(name)}"
    if not others.count:
        report.note("model", f"{model.model_id!r} gives the same vectors for {number}")
        return
    report.problem(
        "model",
        f"{model.model_id!r} gives {others.count:,} of {number} another vector than they have (the "
        f"lowest cosine of the two is {lowest:.2f}, and {_LEAST_COSINE} is expected)",
        "the model is another now, or other programs wrote the vectors: 'vecstore collections "
        f"reembed {name} -m {model.model_id} --again' makes them anew",
        **others.details({collection.id: name}),
    )


def _embed(model: EmbeddingModel, values: Sequence[str | bytes]) -> list[bytes]:
    try:
        found = list(embed_as_float32(model, values, None))
    except VecstoreError:
        raise
    except Exception as error:  # of a foreign model
        raise ModelError(f"it fails ({type(error).__name__}: {error})") from error
    for vector in found:
        if isinstance(vector, InvalidInputError):
            raise ModelError(f"one of its vectors {vector}")
    return [vector for vector in found if isinstance(vector, bytes)]


def _cosine(samples: Samples, stored: object, vector: bytes) -> float:
    """Return the cosine of two vectors; 0.0 where they cannot be compared."""
    if stored == vector:
        return 1.0
    if not isinstance(stored, bytes) or len(stored) != len(vector):
        return 0.0
    distance = samples.distance(stored, vector)
    return 0.0 if distance is None else 1.0 - distance
