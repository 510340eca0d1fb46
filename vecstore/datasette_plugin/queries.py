"""What the pages read: collections, items and similar items, from Datasette's own connections."""

import copy
import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from datasette.database import Database, QueryInterrupted
from datasette.utils import sqlite_timelimit
from datasette.views.base import DatasetteError
from sqlite_utils import Database as SqliteDatabase

from ..errors import DatabaseInterruptedError
from ..query import Query
from ..rows import CollectionRow
from ..sqlite import catalog, collection_prefixes
from ..sqlite.connection import sqlite_errors
from ..sqlite.search import planner
from . import connections

if TYPE_CHECKING:  # plugins are imported in the midst of it
    from datasette.app import Datasette

_Result = TypeVar("_Result")


@dataclass
class ShownCollection:
    """A row of `collections`, as it is stored, and what is shown of it."""

    row: CollectionRow
    model: str
    count: int | None = None  # None: counting takes too long

    @property
    def id(self) -> int:
        """Return its number, which another may have later."""
        return self.row.id

    @property
    def name(self) -> str:
        """Return its name."""
        return self.row.name

    @property
    def fingerprint(self) -> str:
        """Return what tells whether a link is of this collection, and its name to no one."""
        return hashlib.blake2b(repr(self.row).encode(), digest_size=6).hexdigest()


@dataclass
class ShownEntry:
    """An entry as it is shown: what is no text or no JSON is described or left as it is."""

    id: str
    score: float | None
    content: str | None
    metadata: Any


async def list_collections(db: Database) -> list[ShownCollection]:
    """Return all collections by name, with the number of their items."""
    try:
        return await _list_collections(
            db, "(select count(*) from embeddings where collection_id = c.id)"
        )
    except QueryInterrupted:
        return await _list_collections(db, "null")


async def _list_collections(db: Database, count: str) -> list[ShownCollection]:
    found = await db.execute(
        f"""
        select id, name, model, cast(model as text), {count}
        from collections as c
        where typeof(name) = 'text'
          and name <> ''
        order by name
        """
    )
    return [_shown_collection(row) for row in found.rows]


async def first_names(db: Database, number: int) -> list[str]:
    """Return the names of the first collections, by name."""
    found = await db.execute(
        """
        select name
        from collections
        where typeof(name) = 'text'
          and name <> ''
        order by name
        limit ?
        """,
        [number],
    )
    return [name for (name,) in found.rows]


async def find_collection(db: Database, column: str, value: str) -> ShownCollection | None:
    """Return the collection whose `id` or `name` is that."""
    assert column in ("id", "name")  # noqa: S101
    found = await db.execute(
        f"""
        select id, name, model, cast(model as text), null
        from collections
        where {column} = ?
          and typeof(name) = 'text'
          and name <> ''
        """,
        [value],
    )
    return _shown_collection(found.rows[0]) if found.rows else None


# These raise DoesNotExist or ModelMismatchError if the collection is another one by now.


async def first_entries(
    datasette: "Datasette", db: Database, collection: ShownCollection, number: int
) -> list[ShownEntry]:
    """Return the first items of a collection, by id."""

    def read(sqlite: SqliteDatabase) -> list[ShownEntry]:
        found = sqlite.execute(
            """
            select id, null, content, metadata
            from embeddings
            where collection_id = ?
              and id is not null
            order by id
            limit ?
            """,
            [collection.id, number],
        )
        return [_shown_entry(row) for row in found.fetchall()]

    return await _read(datasette, db, collection, read)


async def find_entry(
    datasette: "Datasette", db: Database, collection: ShownCollection, id: str
) -> tuple[ShownEntry, bytes] | None:
    """Return one item of a collection and its vector; None if there is none of that id."""

    def read(sqlite: SqliteDatabase) -> tuple[ShownEntry, bytes] | None:
        row = sqlite.execute(
            """
            select id, null, content, metadata, embedding
            from embeddings
            where collection_id = ?
              and id = ?
            """,
            [collection.id, id],
        ).fetchone()
        if row is None:
            return None
        return _shown_entry(row), row[4] if isinstance(row[4], bytes) else b""

    return await _read(datasette, db, collection, read)


async def query_prefix(
    datasette: "Datasette", db: Database, collection: ShownCollection
) -> str | None:
    """Return what a collection of its own has before what is searched for."""

    def read(sqlite: SqliteDatabase) -> str | None:
        return collection_prefixes.find(sqlite, collection.id).query_prefix

    return await _read(datasette, db, collection, read)


async def find_similar(
    datasette: "Datasette",
    db: Database,
    collection: ShownCollection,
    vector: bytes,
    number: int,
    skip_id: str | None = None,
) -> list[ShownEntry]:
    """Return what Collection.similar() of the Python API does, by the same SQL.

    :raises DimensionError: the collection's vectors have another dimension
    :raises DatasetteError: it took longer than Datasette lets queries take
    """
    if not vector or len(vector) % 4:
        return []  # what another program stored, and cannot be compared
    query = Query(collection.row, number, vector=vector, skip_id=skip_id)

    def read(sqlite: SqliteDatabase) -> list[ShownEntry]:
        return [_shown_entry(row) for row in planner.search(sqlite, query, may_build_index=False)]

    return await _execute(datasette, db, read)


def time_limit_error() -> DatasetteError:
    """Return the error for a query that took longer than Datasette's setting allows."""
    return DatasetteError(
        connections.TOO_LONG,
        title="SQL Interrupted",
        status=400,
    )


async def _read(
    datasette: "Datasette",
    db: Database,
    collection: ShownCollection,
    read: Callable[[SqliteDatabase], _Result],
) -> _Result:
    """Run a function on the rows of a collection, while it is the one that was found."""
    return await _execute(
        datasette,
        db,
        lambda sqlite: catalog.read_unchanged(sqlite, collection.row, lambda _: read(sqlite)),
    )


async def _execute(
    datasette: "Datasette", db: Database, read: Callable[[SqliteDatabase], _Result]
) -> _Result:
    """Run a function with one of Datasette's connections, in its thread and its time limit."""
    limit: int = datasette.setting("sql_time_limit_ms")

    def in_thread(conn: Any) -> _Result:
        # Not what a Database of sqlite-utils does by default to the connection of someone else.
        sqlite = SqliteDatabase(conn, recursive_triggers=False, execute_plugins=False)
        start = time.monotonic()
        try:
            with sqlite_timelimit(conn, limit):
                return read(sqlite)
        except conn.OperationalError as error:
            if sqlite_errors.says(error, *sqlite_errors.NO_SQLITE_VEC):
                raise DatasetteError(
                    f"sqlite-vec cannot be loaded here: {connections.REMEDY}",
                    title="No sqlite-vec",
                    status=501,
                ) from error
            # Inside of vec0, the interruption gets another name.
            is_interrupted = sqlite_errors.error_class(error) is DatabaseInterruptedError
            if is_interrupted or time.monotonic() - start >= limit / 1000:
                raise time_limit_error() from error
            raise

    result: _Result = await db.execute_fn(in_thread)
    return result


def _shown_collection(row: Any) -> ShownCollection:
    id, name, stored, model, count = row
    return ShownCollection(CollectionRow(id, name, stored), model, count)


def _shown_entry(row: Any) -> ShownEntry:
    return ShownEntry(_text(row[0]) or "", row[1], _text(row[2]), _metadata(row[3]))


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return f"{len(value):,} bytes" if isinstance(value, bytes) else str(value)


def _metadata(value: Any) -> Any:
    text = _text(value)
    if not text:
        return None
    try:
        metadata = json.loads(text)
        json.dumps(metadata, allow_nan=False).encode()
        copy.deepcopy(metadata)  # as asdict() does, which goes less deep
        json.dumps(metadata, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return text.encode("utf-8", "replace").decode()
    return metadata
