"""The rows of `embeddings`, read and written, many with a statement."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ..chunks import ids_between
from ..metadata import to_jsonb
from ..rows import CollectionRow, EmbeddingRow, EntryRow, RowChange, StoredRow, row_portions
from .connection import PostgresDatabase
from .errors import raising_ours
from .storable import refuse_unstorable_row
from .vectors import Vector

_ROWS_A_STATEMENT = 1000

_STORED = """
          id,
          content_hash,
          embedding is not null,
          content is not null or content_blob is not null,
          metadata::text"""


def count(db: PostgresDatabase, collection_id: int) -> int:
    """Return the number of entries."""
    sql = "select count(*) from embeddings where collection_id = %s"
    [[number]] = db.rows(sql, [collection_id])
    return int(number)


def is_empty(db: PostgresDatabase, collection_id: int) -> bool:
    """Return whether there is no entry."""
    sql = "select 1 from embeddings where collection_id = %s limit 1"
    return not db.rows(sql, [collection_id])


def count_without_text(db: PostgresDatabase, collection_id: int) -> int:
    """Return how many entries have no stored text."""
    sql = "select count(*) from embeddings where collection_id = %s and content is null"
    [[number]] = db.rows(sql, [collection_id])
    return int(number)


def page(db: PostgresDatabase, collection_id: int, after: str | None, limit: int) -> list[EntryRow]:
    """Return the first entries, in the order of ids, of those after an id; without scores."""
    return db.rows(
        f"""
        select id, null, content, metadata::text
        from embeddings
        where collection_id = %s
          and id {">=" if after is None else ">"} %s
        order by id
        limit %s
        """,
        [collection_id, after or "", limit],
    )


def get(db: PostgresDatabase, collection_id: int, id: str) -> EntryRow | None:
    """Return one entry, without a score."""
    rows = rows_of_ids(db, collection_id, [id], "id, null, content, metadata::text")
    return rows[0] if rows else None


def vectors(db: PostgresDatabase, collection_id: int, ids: Sequence[str]) -> dict[str, Any]:
    """Return the vectors of those of these ids that there are."""
    return dict(rows_of_ids(db, collection_id, ids, "id, embedding"))


def vector_page(
    db: PostgresDatabase, collection_id: int, after: str | None, limit: int
) -> list[tuple[str, Any]]:
    """Return the first ids, of those after an id, each with its vector."""
    return db.rows(
        f"""
        select id, embedding
        from embeddings
        where collection_id = %s
          and id {">=" if after is None else ">"} %s
        order by id
        limit %s
        """,
        [collection_id, after or "", limit],
    )


def stored(db: PostgresDatabase, collection_id: int, ids: Sequence[str]) -> dict[str, StoredRow]:
    """Return what there is for these ids."""
    rows = rows_of_ids(db, collection_id, ids, _STORED)
    return {id: StoredRow(*rest) for id, *rest in rows}


def rows_of_ids(
    db: PostgresDatabase, collection_id: int, ids: Iterable[str], columns: str
) -> list[Any]:
    """Return columns of the rows of those of these ids that there are."""
    possible = possible_ids(ids)
    if db.is_on_shards():  # each of which looks for its own; a lateral join is not for them
        return db.rows(
            f"""
            select {columns}
            from embeddings
            where collection_id = %s
              and id = any(%b::text[])
            """,
            [collection_id, possible],
        )
    # One look into the index for each id. Of a table that is being loaded the planner knows too
    # little for that: it would read the whole collection, for each batch anew.
    return db.rows(
        f"""
        select {columns}
        from unnest(%b::text[]) as given (given_id)
        cross join lateral (
          select *
          from embeddings
          where collection_id = %s
            and id = given_id
          limit 1
        ) as embeddings
        """,
        [possible, collection_id],
    )


def stored_chunks(
    db: PostgresDatabase, collection_id: int, documents: Sequence[str]
) -> dict[str, StoredRow]:
    """Return what there is for all ids that chunks of these documents can have."""
    found: dict[str, StoredRow] = {}
    for document in possible_ids(documents):
        rows = db.rows(
            f"""
            select {_STORED}
            from embeddings
            where collection_id = %s
              and id >= %s
              and id < %s
            """,
            [collection_id, *ids_between(document)],
        )
        found.update({id: StoredRow(*rest) for id, *rest in rows})
    return found


def known_vectors(
    db: PostgresDatabase, collection_id: int, hashes: Iterable[bytes]
) -> dict[bytes, bytes]:
    """Return the vectors of contents, both by the content's hash; of each hash any row's."""
    wanted = list(hashes)
    if not wanted:  # as in most batches of a load: nothing was replaced
        return {}
    if db.is_on_shards():
        return dict(
            db.rows(
                """
                select content_hash, embedding
                from embeddings
                where collection_id = %s
                  and content_hash = any(%b::bytea[])
                  and embedding is not null
                """,
                [collection_id, wanted],
            )
        )
    return dict(
        db.rows(
            """
            select content_hash, embedding
            from unnest(%b::bytea[]) as given (given_hash)
            cross join lateral (
              select content_hash, embedding
              from embeddings
              where content_hash = given_hash
                and collection_id + 0 = %s -- not by the primary key: see rows_of_ids()
                and embedding is not null
              limit 1
            ) as embeddings
            """,
            [wanted, collection_id],
        )
    )


def copies(db: PostgresDatabase, collection_id: int, content_hash: bytes) -> int:
    """Return how many entries have the vector of a content."""
    [[number]] = db.rows(
        """
        select count(*)
        from embeddings
        where collection_id = %s
          and content_hash = %s
          and embedding is not null
        """,
        [collection_id, content_hash],
    )
    return int(number)


def find_dimensions(db: PostgresDatabase, collection_id: int, wanted: int) -> int | None:
    """Return `wanted` if the collection has vectors of it, else what it has; None for none."""
    first = _first_dimensions(db, collection_id, "embedding is not null", ())
    if first in (None, wanted):
        return first
    return _first_dimensions(db, collection_id, "vector_dims(embedding) = %s", (wanted,)) or first


def _first_dimensions(
    db: PostgresDatabase, collection_id: int, condition: str, args: Sequence[int]
) -> int | None:
    rows = db.rows(
        f"""
        select vector_dims(embedding)
        from embeddings
        where collection_id = %s
          and {condition}
        limit 1
        """,
        [collection_id, *args],
    )
    return rows[0][0] if rows else None


def put(db: PostgresDatabase, collection: CollectionRow, rows: Iterable[EmbeddingRow]) -> int:
    """Insert rows, in place of those with their ids; return how many were given.

    Belongs inside a transaction that has locked the collection. Of one id, the last row stays.

    :raises InvalidInputError: PostgreSQL cannot hold a row, which is named
    """
    number = 0
    for portion in row_portions(rows, _ROWS_A_STATEMENT):
        _put(db, collection, portion)
        number += len(portion)
    return number


def _put(db: PostgresDatabase, collection: CollectionRow, rows: list[EmbeddingRow]) -> None:
    for row in rows:
        refuse_unstorable_row(row)
    last = {row.id: row for row in rows}
    # In the order of ids: two transactions that wait for each other's rows would be a deadlock.
    ordered = [last[id] for id in sorted(last)]
    columns = EmbeddingRow._fields
    changes = ", ".join(f"{name} = excluded.{name}" for name in columns if name != "id")
    db.run(
        f"""
        insert into embeddings (collection_id, {", ".join(columns)})
        select {collection.id}, id, embedding, content, content_blob, content_hash,
          metadata::jsonb, updated
        from unnest(
          %b::text[], %b::vector[], %b::text[], %b::bytea[], %b::bytea[], %b::text[], %b::bigint[]
        ) as given ({", ".join(columns)})
        on conflict (collection_id, id) do update set {changes}
        """,
        _arrays(ordered),
    )


def _arrays(rows: Sequence[EmbeddingRow]) -> list[list[Any]]:
    """Return the columns of rows as the lists that unnest() takes, vectors as such."""
    ids, embeddings, *others, metadata, updated = map(list, zip(*rows, strict=True))
    vectors = [None if e is None else Vector(e) for e in embeddings]
    return [ids, vectors, *others, list(map(to_jsonb, metadata)), updated]


def change(db: PostgresDatabase, collection: CollectionRow, changes: Iterable[RowChange]) -> None:
    """Change rows whose vectors stay. Belongs inside a transaction, as put() does.

    :raises InvalidInputError: PostgreSQL cannot hold a change, whose id is named
    """
    ordered = sorted(changes)
    for each in ordered:
        refuse_unstorable_row(EmbeddingRow(each.id, None, *each[1:3], None, each.metadata, None))
    db.run_each(
        """
        update embeddings
        set content = coalesce(%s, content),
            content_blob = coalesce(%s, content_blob),
            metadata = nullif(coalesce(%s, metadata::text), '')::jsonb,
            updated = %s
        where collection_id = %s
          and id = %s
        """,
        [
            (*each[1:3], to_jsonb(each.metadata), each.updated, collection.id, each.id)
            for each in ordered
        ],
    )


def delete(db: PostgresDatabase, collection_id: int, ids: Sequence[str]) -> int:
    """Delete entries; return how many there were. Belongs inside a transaction, as put() does."""
    return db.run(
        "delete from embeddings where collection_id = %s and id = any(%b::text[])",
        [collection_id, possible_ids(ids)],
    )


def delete_all(db: PostgresDatabase, collection_id: int) -> None:
    """Delete all entries of a collection. Belongs inside a transaction, as put() does."""
    db.run("delete from embeddings where collection_id = %s", [collection_id])


def copy(db: PostgresDatabase, collection: CollectionRow, copied: CollectionRow) -> None:
    """Insert all rows of a collection into another that has none. Belongs inside a transaction."""
    columns = ", ".join(EmbeddingRow._fields)
    db.run(
        f"""
        insert into embeddings (collection_id, {columns})
        select {copied.id}, {columns}
        from embeddings
        where collection_id = %s
        """,
        [collection.id],
    )


@contextmanager
def streaming(db: PostgresDatabase, collection_id: int) -> Iterator[Iterator[EmbeddingRow]]:
    """Give all rows by id, read some hundreds at a time. Belongs inside a transaction."""
    with (
        raising_ours(db.shown),
        db.connection().cursor(name="vecstore_rows", binary=True) as cursor,
    ):
        cursor.itersize = _ROWS_A_STATEMENT
        cursor.execute(
            b"""
            select id, embedding, content, content_blob, content_hash, metadata::text, updated
            from embeddings
            where collection_id = %s
            order by id
            """,
            [collection_id],
        )
        yield map(EmbeddingRow._make, cursor)


def possible_ids(ids: Iterable[str]) -> list[str]:
    """Return the ids that an entry here can have: PostgreSQL refuses even to look for a NUL."""
    return [id for id in ids if "\0" not in id]
