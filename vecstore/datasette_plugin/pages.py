"""The pages: the list of collections, and of one collection what a text or an item finds in it."""

import functools
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from datasette import Response
from datasette.database import Database, QueryInterrupted
from datasette.utils import add_cors_headers, tilde_decode
from datasette.utils.asgi import BadRequest, NotFound, Request

from ..errors import DoesNotExist, ModelMismatchError
from ..query import MODES, SearchMode
from . import embedded_tables, links, permissions, queries, tables
from .answers import Page, answer
from .shown import PLAIN_MARKS, ShownCollection, mark_up, secret_marks, without_marks

if TYPE_CHECKING:  # plugins are imported in the midst of it
    from datasette.app import Datasette

_Handler = Callable[["Datasette", Request], Awaitable[Response]]


def _reading(page: _Handler) -> _Handler:
    """Answer only to reading, and make Datasette's own error of what takes too long."""

    @functools.wraps(page)
    async def limited(datasette: "Datasette", request: Request) -> Response:
        if request.method not in ("GET", "HEAD"):
            return Response.text("Method not allowed", status=405)
        try:
            return await page(datasette, request)
        except QueryInterrupted as error:
            raise queries.TookTooLong from error
        except (DoesNotExist, ModelMismatchError) as error:  # what they say is not for visitors
            raise NotFound("This collection was deleted or replaced meanwhile") from error

    return limited


@_reading
async def collections_page(datasette: "Datasette", request: Request) -> Response:
    """List the collections of a database: /DB/-/similar."""
    db = await _database(datasette, request)
    collection_id, id = request.args.get("collection_id"), request.args.get("id")
    if collection_id is not None:  # how a row of `embeddings` links to what is similar
        collection = await queries.find_collection(db, "id", collection_id)
        if (
            collection is None
            or request.args.get("of", collection.fingerprint) != collection.fingerprint
        ):
            raise NotFound(f"There is no collection {collection_id}")
        return Response.redirect(links.collection_url(datasette, db.name, collection.name, id=id))
    name = request.args.get("collection")
    if name:  # the box of several collections
        given = {key: request.args.get(key) for key in ("q", "_mode", "_size")}
        return Response.redirect(links.collection_url(datasette, db.name, name, **given))
    found = await queries.list_collections(db)
    if request.url_vars.get("format"):
        rows = [_summary(collection) for collection in found]
        return _json(datasette, {"ok": True, "database": db.name, "rows": rows})
    context = {"collections": found}
    return await _html(datasette, request, db, "vecstore_collections.html", context)


@_reading
async def collection_page(datasette: "Datasette", request: Request) -> Response:
    """Search in a collection: /DB/-/similar/NAME."""
    db = await _database(datasette, request)
    name = tilde_decode(request.url_vars["collection"])
    collection = await queries.find_collection(db, "name", name)
    if collection is None:
        raise NotFound(f"There is no collection {name!r}")
    is_json = bool(request.url_vars.get("format"))
    page = Page(
        collection,
        request.actor,
        q=(request.args.get("q") or "").strip(),
        id=request.args.get("id"),
        document=request.args.get("document"),
        asked_mode=_mode(request),
        size=_size(datasette, request),
        largest=datasette.setting("max_returned_rows"),
        is_head=request.method == "HEAD",
        marks=PLAIN_MARKS if is_json else secret_marks(),
    )
    await answer(datasette, db, page)
    if is_json:
        return _json(datasette, _as_json(db, page), page.status)
    context = {
        "page": page,
        "largest_text": datasette.setting("truncate_cells_html"),
        "mark_up": lambda snippet: mark_up(snippet, page.marks),
        "is_cut": lambda row: without_marks(row.snippet, page.marks) != row.content,
        "asked_size": page.size if request.args.get("_size") else None,
        "asked_mode": request.args.get("_mode") or None,
        "asked": {
            "q": page.q or None,
            "id": page.id,
            "document": page.document,
            "_mode": request.args.get("_mode") or None,
        },
        "source_rows": await embedded_tables.source_rows(
            datasette, db, request.actor, collection, page.entries
        ),
    }
    return await _html(datasette, request, db, "vecstore_similar.html", context, page.status)


async def _database(datasette: "Datasette", request: Request) -> Database:
    """Return the database of a request; NotFound or Forbidden for what its actor may not see."""
    try:
        db = datasette.get_database(route=tilde_decode(request.url_vars["database"]))
    except KeyError:
        raise NotFound("Database not found") from None
    await permissions.ensure_viewable(datasette, request.actor, db.name)
    if not await tables.has_store(db):
        raise NotFound("There are no collections in this database")
    return db


def _size(datasette: "Datasette", request: Request) -> int:
    largest: int = datasette.setting("max_returned_rows")
    given = request.args.get("_size")
    if not given:
        return min(int(datasette.setting("default_page_size")), largest)
    if given == "max":
        return largest
    if not (given.isascii() and given.isdigit() and int(given[:20]) > 0):
        raise BadRequest("_size must be a positive integer")
    if int(given[:20]) > largest:
        raise BadRequest(f"_size must be <= {largest}")
    return int(given)


def _mode(request: Request) -> SearchMode:
    given = request.args.get("_mode") or "hybrid"
    for mode in MODES:
        if given == mode:
            return mode
    raise BadRequest(f"_mode must be {', '.join(MODES[:-1])} or {MODES[-1]}")


def _summary(collection: ShownCollection) -> dict[str, Any]:
    return {
        "id": collection.id,
        "name": collection.name,
        "model": collection.model,
        "count": collection.count,
    }


def _as_json(db: Database, page: Page) -> dict[str, Any]:
    if page.error is not None:
        return {"ok": False, "error": page.error, "status": page.status}
    return {
        "ok": True,
        "database": db.name,
        "collection": page.collection.name,
        "model": page.collection.model,
        "q": page.q if page.is_search else None,
        "mode": page.mode,
        "note": page.note,
        "without_text": page.without_text,
        "id": page.id,
        "document": page.document,
        "rows": [asdict(item) for item in page.shown],
        "truncated": page.truncated,
    }


def _json(datasette: "Datasette", data: dict[str, Any], status: int = 200) -> Response:
    headers: dict[str, str] = {}
    if datasette.cors:
        add_cors_headers(headers)
    return Response.json(data, status=status, headers=headers)


async def _html(
    datasette: "Datasette",
    request: Request,
    db: Database,
    template: str,
    context: dict[str, Any],
    status: int = 200,
) -> Response:
    shared = {
        "database": db.name,
        "database_color": getattr(db, "color", "ff0000"),  # 0.65 has one for all
        "link": lambda name, **query: links.collection_url(datasette, db.name, name, **query),
        "row_link": lambda collection, id: links.row_url(datasette, db.name, collection, id),
        "list_link": links.collections_url(datasette, db.name),
        "css": links.stylesheet_url(datasette),
    }
    html = await datasette.render_template(template, {**shared, **context}, request=request)
    return Response.html(html, status=status)
