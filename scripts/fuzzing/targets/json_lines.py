"""Exports: what can be imported is exported again as it was, and else nothing has changed."""

import io
from functools import lru_cache

from sqlite_utils import Database

import vecstore
from vecstore.errors import VecstoreError
from vecstore.exchange import json_lines
from vecstore.exchange.header import ExportHeader
from vecstore.rows import EmbeddingRow


def run(data: bytes) -> None:
    db = _database()
    db.execute("begin")
    try:
        _run(db, data)
    finally:
        db.rollback()


def _run(db: Database, data: bytes) -> None:
    try:
        found = vecstore.import_collection(db, io.BytesIO(data))
    except VecstoreError:
        assert db["collections"].count == db["embeddings"].count == 0
        return
    header, rows = _read(data)
    assert found == header
    exported = io.BytesIO()
    vecstore.export_collection(db, header.collection, exported)
    again, stored = _read(exported.getvalue())
    if all(map(_is_typical, rows)):
        latest = {row[0]: row for row in rows}
        # By code point: the order of UTF-8, and so of SQLite.
        assert stored == sorted(latest.values(), key=lambda row: str(row[0]))
        assert again == ExportHeader(header.collection, header.model, len(latest))
    problems = [problem for problem in vecstore.check(db).problems if problem.kind == "index"]
    assert not problems, problems


@lru_cache
def _database() -> Database:
    db = vecstore.connect(driver="apsw")
    vecstore.Collection("schema", db, model=vecstore.get_embedding_model("3-small")).delete()
    return db


def _read(data: bytes) -> tuple[ExportHeader, list[EmbeddingRow]]:
    header, rows = json_lines.read(io.BytesIO(data))
    return header, list(rows)


def _is_typical(row: EmbeddingRow) -> bool:
    """Return whether the values are of the types that the columns keep as they are."""
    id, embedding, content, content_blob, content_hash, metadata, updated = row
    return (
        isinstance(id, str)
        and all(
            isinstance(value, bytes | None) for value in (embedding, content_blob, content_hash)
        )
        and all(isinstance(value, str | None) for value in (content, metadata))
        and isinstance(updated, int | None)
    )
