"""Tables whose rows were embedded: from a row to its entries, and from an entry to its row.

Nothing records it, so it is told by what embed-multi does: the id of an entry is the row's primary
key as text, maybe with the table's name before it. As most tables have a row 1, that is not enough:
the collection has the name of the table, or the id does, or the stored text is that of the row.
"""

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from datasette.database import Database, QueryInterrupted
from datasette.utils import tilde_encode
from datasette.utils.sqlite import sqlite3  # pysqlite3 where that is installed

from ..chunks import chunk_id, document_in_json
from ..sqlite.connection.identifiers import quote_identifier
from . import permissions, tables
from .permissions import Actor
from .queries import QUICKLY_MS
from .shown import ShownCollection, ShownEntry

if TYPE_CHECKING:  # plugins are imported in the midst of it
    from datasette.app import Datasette

_SEPARATORS = "/:-"  # between the name of a table and an id
_TELLING = 12  # characters of a value that no other row has by chance
_MOST = 50
_MOST_KEYS = 500  # an SQLite may take 999 parameters at most
# What a table may be that has neither a key nor rowids, or takes too long: there are no links.
_NO_ANSWER = (QueryInterrupted, sqlite3.Error)


class RowEntry(NamedTuple):
    """An entry that was made of a row: of a document, its first chunk."""

    collection: str
    id: str
    document: str | None


async def entries_of_row(db: Database, table: str, row: Any) -> list[RowEntry]:
    """Return the entries that were made of a row of a table, one of each collection.

    That of the collection with the name of the table is the first.
    """
    key = await _key_column(db, table)
    if key is None or key not in row.keys():  # noqa: SIM118, as a row of sqlite3 has no __contains__
        return []
    value = _without_label(row[key])
    if not isinstance(value, str | int):
        return []
    named = [f"{table}{separator}{value}" for separator in _SEPARATORS]
    ids = [id for start in (str(value), *named) for id in (start, chunk_id(start, 1))]
    found: dict[str, RowEntry] = {}
    with suppress(*_NO_ANSWER):
        for collection, id, content, metadata in await _find_entries(db, table, ids):
            document = document_in_json(id, metadata)
            is_named = collection == table or (document or id) in named
            if is_named or _is_text_of(content, row):
                found.setdefault(collection, RowEntry(collection, id, document))
    return [*found.values()]


async def _find_entries(db: Database, table: str, ids: list[str]) -> Any:
    found = await db.execute(
        """
        select collections.name, embeddings.id, embeddings.content, embeddings.metadata
        from collections
        cross join json_each(?) as wanted
        cross join embeddings
          on embeddings.collection_id = collections.id
          and embeddings.id = wanted.value
        where typeof(collections.name) = 'text'
          and collections.name <> ''
        order by collections.name <> ?, collections.name, wanted.key
        limit ?
        """,
        [json.dumps(ids), table, _MOST],
        custom_time_limit=QUICKLY_MS,
    )
    return found.rows


def _is_text_of(content: Any, row: Any) -> bool:
    """Return whether a stored text is made of the values of a row."""
    if not isinstance(content, str):
        return False
    texts = [value for value in map(_without_label, row) if isinstance(value, str) and value]
    return any(text == content or (len(text) >= _TELLING and text in content) for text in texts)


async def collections_of_table(db: Database, table: str) -> list[str]:
    """Return the collections that rows of a table were embedded into, as its first row tells."""
    if tables.is_internal(table) or table not in await db.table_names():
        return []
    names: dict[str, None] = {}
    with suppress(*_NO_ANSWER):
        found = await db.execute(
            "select 1 from collections where name = ?", [table], custom_time_limit=QUICKLY_MS
        )
        names.update(dict.fromkeys([table] if found.rows else []))
        sql = f"select {await _columns(db, table)} from {quote_identifier(table)} limit 1"
        first = await db.execute(sql, custom_time_limit=QUICKLY_MS)
        for row in first.rows:
            names.update((e.collection, None) for e in await entries_of_row(db, table, row))
    return [*names]


async def source_rows(
    datasette: "Datasette",
    db: Database,
    actor: Actor,
    collection: ShownCollection,
    entries: list[ShownEntry],
) -> dict[str, str]:
    """Return the addresses of the rows of which entries were made, by the ids of the entries.

    They are of the table with the collection's name, if the actor may view that.
    """
    table = collection.name
    if tables.is_internal(table) or table not in await db.table_names():
        return {}
    key = await _key_column(db, table)
    if key is None or not await permissions.may_view(datasette, actor, db.name, table):
        return {}
    rows_of = {entry.id: entry.document or entry.id for entry in entries}
    wanted = sorted({*rows_of.values()})[:_MOST_KEYS]
    column = quote_identifier(key)
    sql = f"""
    select {column}
    from {quote_identifier(table)}
    where {column} in ({", ".join("?" * len(wanted))})
    """
    with suppress(*_NO_ANSWER):
        found = await db.execute(sql, wanted, custom_time_limit=QUICKLY_MS)
        keys = {str(value) for (value,) in found.rows}  # "01" finds 1
        return {
            id: str(datasette.urls.row(db.name, table, tilde_encode(row)))
            for id, row in rows_of.items()
            if row in keys
        }
    return {}


async def _key_column(db: Database, table: str) -> str | None:
    """Return the column whose values are ids, as embed-multi takes it; None with several."""
    keys = await db.primary_keys(table)
    if len(keys) > 1:
        return None
    return keys[0] if keys else "rowid"


async def _columns(db: Database, table: str) -> str:
    return "*" if await db.primary_keys(table) else "rowid, *"


def _without_label(value: Any) -> Any:
    """Return what a cell holds, where Datasette has put a label in place of the number."""
    return value["value"] if isinstance(value, dict) else value
