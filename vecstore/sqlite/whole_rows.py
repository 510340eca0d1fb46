"""All columns of rows, as a copy to another place reads them: whatever other programs stored."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from ..rows import EmbeddingRow
from ..vectors import content_hash
from . import schema
from .connection import interrupts
from .connection.database import Database
from .connection.sqlite_errors import RAISING_OUR_ERRORS

_IDS_A_PORTION = 1000
_TEXTS = {"id", "content", "metadata"}


def columns(db: Database) -> dict[str, str]:
    """Return the SQL of each column by its name.

    An older llm lacks some; its file may be read-only.
    """
    there = schema.embeddings_columns(db)
    found = {name: name if name in there else f"null as {name}" for name in EmbeddingRow._fields}
    if "content_hash" not in there:
        # As the migration has it, so that what is known is not embedded again after an import.
        db.conn.create_function("vecstore_md5", 1, content_hash)
        found["content_hash"] = "case when content is not null then vecstore_md5(content) end"
    return found


def lenient_columns(db: Database) -> str:
    """Return the SQL of all columns, from which _decode_row() makes rows.

    Texts as bytes, each with whether it is text: what another program wrote as such may be none,
    and could not be read.
    """
    return ", ".join(
        f"case typeof({sql}) when 'text' then cast({sql} as blob) else {sql} end, "
        f"typeof({sql}) = 'text'"
        if name in _TEXTS
        else sql
        for name, sql in columns(db).items()
    )


def next_ids(db: Database, collection_id: int, after: bytes | None) -> list[bytes]:
    """Return the first ids that are text, of those after one, in order; as bytes of UTF-8."""
    rows = db.execute(
        f"""
        select cast(id as blob)
        from embeddings
        where collection_id = ?
          and id {">=" if after is None else ">"} cast(? as text)
          and typeof(id) = 'text'
        order by id
        limit {_IDS_A_PORTION}
        """,
        [collection_id, after or b""],
    )
    return [id for (id,) in rows]


def find_rows(
    db: Database, columns: str, collection_id: int, ids: Sequence[str]
) -> list[EmbeddingRow]:
    """Return the rows of those of these ids that there are; no more than a statement takes.

    :param columns: lenient_columns(), of which an older file needs a function, that SQLite makes
      only while no statement is read
    """
    rows = db.execute(
        f"""
        select {columns}
        from embeddings
        where collection_id = ?
          and id in ({", ".join("?" * len(ids))})
        order by id
        """,
        [collection_id, *ids],
    )
    return list(map(_decode_row, rows))


def all_rows(db: Database, collection_id: int) -> Iterator[EmbeddingRow]:
    """Yield all rows of a collection, in no order."""
    with RAISING_OUR_ERRORS:
        rows = db.execute(
            f"select {lenient_columns(db)} from embeddings where collection_id = ?",
            [collection_id],
        )
    with interrupts.ending(rows.close):
        yield from made_rows(_decode_row, rows)


def made_rows(
    make: Callable[[Sequence[Any]], EmbeddingRow], rows: Iterable[Sequence[Any]]
) -> Iterator[EmbeddingRow]:
    """Yield what is made of rows, and raise an error of ours in place of SQLite's."""
    with RAISING_OUR_ERRORS:
        # `yield from` ends with a close() of what has one: of rows, perhaps after their database.
        yield from map(make, rows)


def decode(data: bytes) -> str | bytes:
    """Return text, or the bytes that are none."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


def _decode_row(values: Sequence[Any]) -> EmbeddingRow:
    id, is_text, embedding, content, is_content, blob, hash, metadata, is_metadata, updated = values
    row: tuple[Any, ...] = (
        decode(id) if is_text else id,
        embedding,
        decode(content) if is_content else content,
        blob,
        hash,
        decode(metadata) if is_metadata else metadata,
        updated,
    )
    return EmbeddingRow._make(row)
