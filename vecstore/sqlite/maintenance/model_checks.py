"""The rows of a file by which its models are checked."""

from ...checking.models import SAMPLE, compare_models
from ...checking.report import CheckReport
from ...models import EmbeddingModel
from ...rows import CollectionRow, EmbeddingRow
from .. import collection_prefixes
from ..connection import frozen
from ..connection.database import Database


def check_models(db: Database, report: CheckReport) -> None:
    """Embed some entries of each collection again, where its model is installed."""
    rows = frozen.repeat_if_changed(
        db, lambda: db.execute("select id, name, model from collections order by name").fetchall()
    )
    compare_models(_Samples(db), [CollectionRow(*row) for row in rows], report)


class _Samples:
    def __init__(self, db: Database) -> None:
        self._db = db

    def rows(self, collection: CollectionRow, model: EmbeddingModel) -> list[EmbeddingRow]:
        db = self._db
        return frozen.repeat_if_changed(db, lambda: _sample(db, collection.id, model))

    def document_prefix(self, collection: CollectionRow) -> str | None:
        return collection_prefixes.find(self._db, collection.id).document_prefix

    def distance(self, vector: bytes, other: bytes) -> float | None:
        sql = "select vec_distance_cosine(?, ?)"
        [distance] = self._db.execute(sql, [vector, other]).fetchone()
        return None if distance is None else float(distance)


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
        [id, model.supports_text, model.supports_binary, SAMPLE],
    )
    return [EmbeddingRow(*row) for row in rows]
