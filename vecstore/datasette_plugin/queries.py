"""What the pages read: collections, items and similar items, from Datasette's own connections."""

import shlex
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from datasette.database import Database, QueryInterrupted
from datasette.utils import sqlite_timelimit
from datasette.views.base import DatasetteError
from sqlite_utils import Database as SqliteDatabase

from .. import document_search
from ..errors import DatabaseDamagedError, DatabaseInterruptedError
from ..query import Query, RankedQuery
from ..rows import Hit, RankedHit
from ..sqlite import catalog, collection_prefixes, documents
from ..sqlite.connection import sqlite_errors
from ..sqlite.index import usable_keywords
from ..sqlite.search import fusion, planner
from . import connections
from .shown import (
    ShownCollection,
    ShownEntry,
    ShownResult,
    shown_collection,
    shown_entry,
    shown_result,
)

if TYPE_CHECKING:  # plugins are imported in the midst of it
    from datasette.app import Datasette

_Result = TypeVar("_Result")

QUICKLY_MS = 100  # for what a page can do without


class _PageError(DatasetteError):  # type: ignore[misc]
    """An error that Datasette shows, with its message also where we show it."""

    def __str__(self) -> str:
        return str(self.message)


class TookTooLong(_PageError):
    """A query that took longer than Datasette's setting allows, as Datasette shows it.

    remedy: what makes the keywords quick, if it is they that are slow
    """

    def __init__(self, remedy: str = "") -> None:
        self.remedy = remedy
        super().__init__(f"{connections.TOO_LONG}{remedy}", title="SQL Interrupted", status=400)


class KeywordsDamaged(_PageError):
    """The keyword index cannot be read; visitors are not told where the file is."""

    def __init__(self, remedy: str) -> None:
        self.remedy = remedy
        super().__init__(
            f"The keyword index is damaged.{remedy}", title="Damaged keyword index", status=500
        )


class NoSqliteVec(_PageError):
    """Vectors cannot be compared, as the extension is not there."""

    def __init__(self) -> None:
        super().__init__(
            f"sqlite-vec cannot be loaded here: {connections.REMEDY}",
            title="No sqlite-vec",
            status=501,
        )


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
    return [shown_collection(row) for row in found.rows]


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
    return shown_collection(found.rows[0]) if found.rows else None


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
        return [shown_entry(row) for row in found.fetchall()]

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
        return shown_entry(row), row[4] if isinstance(row[4], bytes) else b""

    return await _read(datasette, db, collection, read)


async def query_prefix(
    datasette: "Datasette", db: Database, collection: ShownCollection
) -> str | None:
    """Return what a collection of its own has before what is searched for."""

    def read(sqlite: SqliteDatabase) -> str | None:
        return collection_prefixes.find(sqlite, collection.id).query_prefix

    return await _read(datasette, db, collection, read)


async def find_chunks(
    datasette: "Datasette", db: Database, collection: ShownCollection, document: str
) -> list[ShownEntry]:
    """Return the chunks of a document, the first first; none if there is no such document."""

    def read(sqlite: SqliteDatabase) -> list[ShownEntry]:
        return [shown_entry(row) for row in documents.chunks(sqlite, collection.id, document)]

    return await _read(datasette, db, collection, read)


async def count_without_text(db: Database, collection: ShownCollection) -> int | None:
    """Return how many items have no stored text; None if that cannot be counted quickly."""
    sql = """
    select count(*)
    from embeddings
    where collection_id = ?
      and id is not null
      and typeof(content) <> 'text'
    """
    try:
        found = await db.execute(sql, [collection.id], custom_time_limit=QUICKLY_MS)
    except QueryInterrupted:
        return None
    return int(found.rows[0][0])


async def find_similar(datasette: "Datasette", db: Database, query: Query) -> list[ShownEntry]:
    """Return what Collection.similar_by_vector() of the Python API does, by the same SQL.

    :raises DimensionError: the collection's vectors have another dimension
    :raises TookTooLong: it took longer than Datasette lets queries take
    :raises NoSqliteVec: vectors cannot be compared here
    """
    if not query.vector or len(query.vector) % 4:
        return []  # what another program stored, and cannot be compared

    def read(sqlite: SqliteDatabase) -> list[ShownEntry]:
        def nearest(number: int) -> list[Hit]:
            return planner.search(sqlite, replace(query, number=number), may_build_index=False)

        return [shown_entry(hit) for hit in document_search.by_document(query, nearest)]

    return await _execute(datasette, db, read)


async def find_ranked(
    datasette: "Datasette", db: Database, query: RankedQuery
) -> list[ShownResult]:
    """Return what Collection.search() of the Python API does, by the same SQL.

    It raises what find_similar() does; TookTooLong says what would help, where that is known.

    :raises KeywordsDamaged: the keyword index is
    """

    def read(sqlite: SqliteDatabase) -> list[ShownResult]:
        def best(number: int) -> list[RankedHit]:
            ranked = query.with_number(number)
            return fusion.search(sqlite, ranked, [], may_build_index=False)

        return [shown_result(hit) for hit in document_search.by_document(query.query, best)]

    try:
        return await _execute(datasette, db, read)
    except DatabaseDamagedError as error:
        raise KeywordsDamaged(f" This builds it anew: {_build_command(db)}") from error
    except TookTooLong as error:
        if query.mode == "similar" and not query.keywords.excluded:
            raise
        raise TookTooLong(await _keyword_remedy(datasette, db)) from error


async def _keyword_remedy(datasette: "Datasette", db: Database) -> str:
    """Return what to do where the keyword index cannot be used, so that all texts were read."""
    index = await _execute(datasette, db, usable_keywords.find_keywords)
    if index is not None and not index.behind:
        return ""
    state = "has no keyword index" if index is None else "has a keyword index that is behind"
    command = _build_command(db)
    return f" The file {state}, so that all texts were read. This makes it quick: {command}"


def _build_command(db: Database) -> str:
    return f"vecstore index build --keywords {shlex.quote(Path(db.path or 'FILE').name)}"


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
                raise NoSqliteVec from error
            # Inside of vec0, the interruption gets another name.
            is_interrupted = sqlite_errors.error_class(error) is DatabaseInterruptedError
            if is_interrupted or time.monotonic() - start >= limit / 1000:
                raise TookTooLong from error
            raise

    result: _Result = await db.execute_fn(in_thread)
    return result
