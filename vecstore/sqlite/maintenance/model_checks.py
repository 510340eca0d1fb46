"""Whether vectors are those that the model of their collection gives, by a sample."""

from collections.abc import Sequence

from ... import vectors
from ...embedded_content import embedded_content
from ...errors import InvalidInputError, ModelError, VecstoreError
from ...models import EmbeddingModel, embed_as_float32, get_embedding_model, modes
from ...rows import EmbeddingRow
from ...values import describe_count, quote
from .. import collection_prefixes
from ..connection import frozen
from ..connection.database import Database
from .report import CheckReport, Tally

_SAMPLE = 20  # entries of a collection
_LEAST_COSINE = 0.99  # of two vectors of one text by one model: providers round, and pad batches


def check_models(db: Database, report: CheckReport) -> None:
    """Embed some entries of each collection again, where its model is installed.

    No lock is held while a model works.
    """
    rows = frozen.repeat_if_changed(
        db, lambda: db.execute("select id, name, model from collections order by name").fetchall()
    )
    for id, name, model_id in rows:
        try:
            model = get_embedding_model(model_id)
            _check_collection(db, report, id, name, model)
        except VecstoreError as error:
            report.note(
                "model",
                f"The vectors of {quote(name)} were not compared with those of its model: {error}",
            )


def _check_collection(
    db: Database, report: CheckReport, id: int, name: str, model: EmbeddingModel
) -> None:
    sample = frozen.repeat_if_changed(db, lambda: _sample(db, id, model))
    own = collection_prefixes.find(db, id).document_prefix
    prefix = modes.document_prefix(model, own)
    values = [embedded_content(row, vectors.content_hash) for row in sample]
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
    for row, vector in zip(sample, _embed(model, sent), strict=True):
        cosine = _cosine(db, row.embedding, vector)
        if cosine < _LEAST_COSINE:
            lowest = min(lowest, cosine)
            others.add(id, row.id)
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
        **others.details({id: name}),
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


def _sample(db: Database, id: int, model: EmbeddingModel) -> list[EmbeddingRow]:
    """Return some rows with stored content that the model embeds, from all over a collection."""
    rows = db.execute(
        """
        with fitting as (
          select
            rowid as place,
            row_number() over (order by id) - 1 as number,
            count(*) over () as n
          from embeddings
          where collection_id = ?1
            and typeof(id) = 'text'
            and case
              when content is null then ?3 and typeof(content_blob) = 'blob'
              else ?2 and typeof(content) = 'text'
            end
        )
        select id, embedding, content, content_blob, content_hash, metadata, updated
        from fitting
        join embeddings on embeddings.rowid = fitting.place
        where number = 0
          or number * ?4 / n > (number - 1) * ?4 / n
        order by id
        limit ?4
        """,
        [id, model.supports_text, model.supports_binary, _SAMPLE],
    )
    return [EmbeddingRow(*row) for row in rows]


def _cosine(db: Database, stored: object, vector: bytes) -> float:
    """Return the cosine of two vectors; 0.0 where they cannot be compared."""
    if stored == vector:
        return 1.0
    if not isinstance(stored, bytes) or len(stored) != len(vector):
        return 0.0
    [distance] = db.execute("select vec_distance_cosine(?, ?)", [stored, vector]).fetchone()
    return 0.0 if distance is None else 1.0 - float(distance)
