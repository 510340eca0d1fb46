"""What a store of any kind holds, and statements of the tests' own for it."""

import json
from collections.abc import Sequence
from typing import Any

from vecstore import Collection
from vecstore.postgres_url import is_url
from vecstore.store import Store
from vecstore.vectors import decode

Stored = dict[str, tuple[Any, ...]]


def stored(collection: Collection) -> Stored:
    """Return by id all columns of all rows but for the time: vectors as lists, metadata as values.

    They are in the order in which the store gives them.
    """
    with collection.store.exporting(collection.name) as (_, number, rows):
        found = {
            row.id: (
                row.embedding and list(decode(row.embedding)),
                row.content,
                row.content_blob,
                row.content_hash,
                row.metadata and json.loads(row.metadata),
            )
            for row in rows
        }
    assert len(found) == number
    return found


def updated(collection: Collection) -> dict[str, int | None]:
    """Return by id when each entry was written."""
    with collection.store.exporting(collection.name) as (_, _, rows):
        return {row.id: row.updated for row in rows}


def execute(store: Store, sql: str, args: Sequence[object] = ()) -> None:
    """Run a statement of the user's own, whose parameters are `?`, and commit it."""
    if is_postgres(store):
        store.connection().execute(sql.replace("?", "%s").encode(), args)  # type: ignore[attr-defined]
    else:
        database = store.database()
        with database.conn:
            database.execute(sql, list(args))


def is_postgres(store: Store) -> bool:
    """Return whether a store is on PostgreSQL."""
    return hasattr(store, "connection")


def name_metadata(store_or_place: Store | str, key: str) -> str:
    """Return the SQL of the text of a key of the metadata, in the dialect of a store."""
    on_postgres = (
        is_url(store_or_place) if isinstance(store_or_place, str) else is_postgres(store_or_place)
    )
    return f"metadata ->> '{key}'" if on_postgres else f"json_extract(metadata, '$.{key}')"
