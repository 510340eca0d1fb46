"""Which tables are internal, and what Datasette does with those: it hides and protects them."""

import functools
import os
from collections.abc import Awaitable, Callable
from typing import Any

from datasette.database import Database

from ..sqlite import collection_prefixes, journal, related_tables
from ..sqlite.connection import filenames
from ..sqlite.index import beside, graphs
from ..sqlite.index_names import (
    BESIDE,
    KEYWORD_TABLE,
    TEXTS,
    TOKENIZER_TABLE,
    dimensions_in_name,
    without_schema,
)
from . import connections

_STORE = {  # the columns that are read
    "collections": {"id", "name", "model"},
    "embeddings": {"collection_id", "id", "embedding", "content", "metadata"},
}
# The second is there because sqlite-vec numbers its chunks.
_OTHERS = {
    "_sqlite_migrations",
    "sqlite_sequence",
    graphs.WANTED,
    collection_prefixes.TABLE,
    related_tables.STATE,
    related_tables.RUNS,
}
# Of a file whose index is beside it, and of that.
_BESIDE = {journal.TABLE, *map(without_schema, (beside.FOLLOWED, beside.DIMENSIONS))}
# These have ids. The first is for people, and is shown.
_RELATED = {"vecstore_related", related_tables.STATE}
_VIEWS = {"vecstore_collections", "vecstore_documents", "vecstore_items"}

_Method = Callable[[Database], Awaitable[Any]]


async def has_store(db: Database) -> bool:
    """Return whether a database has the tables of llm and vecstore."""
    if not set(await db.table_names()) >= _STORE.keys():
        return False
    for table, columns in _STORE.items():
        if not set(await db.table_columns(table)) >= columns:
            return False  # those of another program
    return True


def is_index_table(name: str) -> bool:
    """Return whether a table of that name belongs to an index, or to what it follows.

    Datasette 0.65 has pages for the rows of tables that are attached.
    """
    if dimensions_in_name(name) is not None or name in _BESIDE:
        return True
    # FTS5 keeps what it holds in tables of its own.
    return name in (TEXTS, KEYWORD_TABLE, TOKENIZER_TABLE) or name.startswith(f"{KEYWORD_TABLE}_")


def is_internal(name: str) -> bool:
    """Return whether a table is one of vecstore's and llm's: no one's own, with rows to embed."""
    return name in _STORE or name in _OTHERS or bool(tables_shown_by(name))


def tables_shown_by(name: str) -> tuple[str, ...]:
    """Return the tables whose content a table of the index, or one of our views, shows again."""
    if name in _VIEWS:
        return "embeddings", "collections"
    return ("embeddings",) if is_index_table(name) or name in _RELATED else ()


def extend_databases() -> None:
    """Have the databases of Datasette, of this process, know about internal tables, and the index.

    No hook does that. The configuration can hide tables, but only those that exist when it is
    written, and in Datasette 1.0 what it says of a database changes which configuration other
    plugins get.
    """
    _extend("hidden_table_names", _with_internal_tables)
    # Only in 1.0: who may not view a table may not view what is derived from it either. For 0.65
    # there is the hook permission_allowed().
    if hasattr(Database, "derived_table_dependencies"):
        _extend("derived_table_dependencies", _with_sources)
    _extend("attached_databases", _without_index)
    _prepare_each_use("_execute_fn" if hasattr(Database, "_execute_fn") else "execute_fn")


def _extend(name: str, add: Callable[[Database, Any], Awaitable[Any]]) -> None:
    original: _Method = getattr(Database, name)
    if getattr(original, "is_of_vecstore", False):
        return

    @functools.wraps(original)
    async def extended(db: Database) -> Any:
        return await add(db, await original(db))

    extended.is_of_vecstore = True  # type: ignore[attr-defined]
    setattr(Database, name, extended)


def _prepare_each_use(name: str) -> None:
    """Have each connection attach the index of now, where it is used.

    A connection of Datasette's lives as long as Datasette, and the file of an index comes and goes.
    """
    original: Callable[..., Awaitable[Any]] = getattr(Database, name)
    if getattr(original, "is_of_vecstore", False):
        return

    @functools.wraps(original)
    async def extended(db: Database, fn: Callable[[Any], Any]) -> Any:
        return await original(db, functools.wraps(fn)(lambda conn: connections.use(conn, fn)))

    extended.is_of_vecstore = True  # type: ignore[attr-defined]
    setattr(Database, name, extended)


async def _without_index(db: Database, attached: list[Any]) -> list[Any]:
    """Leave out the index, of which the page of a database would say that it is for joins."""
    file = os.path.realpath(filenames.index_file(os.path.realpath(db.path or "")))
    return [a for a in attached if (a.name, os.path.realpath(a.file or "")) != (BESIDE, file)]


async def _with_internal_tables(db: Database, hidden: list[str]) -> list[str]:
    if not await has_store(db):
        return hidden
    names = await db.table_names()
    internal = [name for name in names if is_index_table(name) or name in _OTHERS]
    return [*hidden, *(name for name in internal if name not in hidden)]


async def _with_sources(db: Database, dependencies: dict[str, str]) -> dict[str, str]:
    if not await has_store(db):
        return dependencies
    names = [*await db.table_names(), *await db.view_names()]
    ours = {name: tables[0] for name in names if (tables := tables_shown_by(name))}  # it takes one
    return {**dependencies, **ours}
