"""What a copy from store to store asks: ids, digests and rows of many, and to add rows by COPY.

Its binary form is told in
https://www.postgresql.org/docs/current/sql-copy.html#SQL-COPY-FILE-FORMATS
"""

import struct
from collections.abc import Iterable, Iterator, Sequence

from ..metadata import to_jsonb
from ..rows import CollectionRow, EmbeddingRow, row_portions
from ..vectors import to_pgvector
from .connection import PostgresDatabase
from .embeddings import rows_of_ids
from .errors import raising_ours
from .storable import refuse_unstorable_row

_IDS_A_PORTION = 1000
_ROWS_A_READ = 200  # whose content may be large
_ROWS_A_COPY = 5000

_COPY_HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_COPY_END = struct.pack(">h", -1)
_NULL = struct.pack(">i", -1)
_JSONB_VERSION = b"\x01"

# As row_digests() makes them. SHA-256 is there also where MD5 is forbidden.
_DIGESTS = " || ".join(
    f"coalesce(substr(sha256({data}), 1, 8), decode('0000000000000000', 'hex'))"
    for data in (
        "vector_send(embedding)",
        "convert_to(content, 'UTF8')",
        "content_blob",
        "content_hash",
        "convert_to(metadata::text, 'UTF8')",
        "convert_to(updated::text, 'UTF8')",
    )
)


def digests(db: PostgresDatabase, collection_id: int, ids: Sequence[str]) -> dict[str, bytes]:
    """Return the digests of the columns of those of these ids that there are."""
    return dict(rows_of_ids(db, collection_id, ids, f"id, {_DIGESTS}"))


def id_portions(db: PostgresDatabase, collection_id: int) -> Iterator[list[str]]:
    """Yield all ids, in order, some at a time."""
    after = None
    while ids := _next_ids(db, collection_id, after):
        yield ids
        after = ids[-1]


def _next_ids(db: PostgresDatabase, collection_id: int, after: str | None) -> list[str]:
    rows = db.rows(
        f"""
        select id
        from embeddings
        where collection_id = %s
          and id {">=" if after is None else ">"} %s
        order by id
        limit {_IDS_A_PORTION}
        """,
        [collection_id, after or ""],
    )
    return [id for (id,) in rows]


def rows(db: PostgresDatabase, collection_id: int, ids: Sequence[str]) -> Iterator[EmbeddingRow]:
    """Yield the rows of those of these ids that there are."""
    columns = "id, embedding, content, content_blob, content_hash, metadata::text, updated"
    for start in range(0, len(ids), _ROWS_A_READ):
        portion = ids[start : start + _ROWS_A_READ]
        yield from map(EmbeddingRow._make, rows_of_ids(db, collection_id, portion, columns))


def add(db: PostgresDatabase, collection: CollectionRow, rows: Iterable[EmbeddingRow]) -> int:
    """Insert rows of ids that there are not yet; return how many.

    Belongs inside a transaction that has locked the collection.

    :raises InvalidInputError: PostgreSQL cannot hold a row, which is named
    :raises ConstraintError: there is an entry of one of the ids
    """
    number = 0
    for portion in row_portions(rows, _ROWS_A_COPY):
        for row in portion:
            refuse_unstorable_row(row)
        _copy(db, collection.id, sorted(portion, key=lambda row: row.id))
        number += len(portion)
    return number


def _copy(db: PostgresDatabase, collection_id: int, rows: list[EmbeddingRow]) -> None:
    sql = f"copy embeddings (collection_id, {', '.join(EmbeddingRow._fields)}) from stdin"
    connection = db.connection()
    encoding = connection.info.encoding
    with (
        raising_ours(db.shown),
        connection.cursor() as cursor,
        cursor.copy(f"{sql} (format binary)".encode()) as copy,
    ):
        copy.write(_COPY_HEAD)
        copy.write(b"".join(_fields(collection_id, row, encoding) for row in rows))
        copy.write(_COPY_END)


def _fields(collection_id: int, row: EmbeddingRow, encoding: str) -> bytes:
    """Return a row as COPY takes it: the number of its columns, and each with its length."""
    json = to_jsonb(row.metadata)
    metadata = None if json is None else _JSONB_VERSION + json.encode(encoding)
    columns = (
        _bigint(collection_id),
        row.id.encode(encoding),
        None if row.embedding is None else to_pgvector(row.embedding),
        None if row.content is None else row.content.encode(encoding),
        row.content_blob,
        row.content_hash,
        metadata,
        None if row.updated is None else _bigint(row.updated),
    )
    parts = [struct.pack(">h", len(columns))]
    for column in columns:
        parts += [_NULL] if column is None else [struct.pack(">i", len(column)), column]
    return b"".join(parts)


def _bigint(number: int) -> bytes:
    return struct.pack(">q", number)
