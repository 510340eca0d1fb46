"""The pages: the list of collections, and of one collection what is similar to a text or item."""

import functools
import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from datasette import Response
from datasette.database import Database, QueryInterrupted
from datasette.utils import add_cors_headers, tilde_decode
from datasette.utils.asgi import BadRequest, NotFound, Request

from ..errors import DimensionError, DoesNotExist, ModelMismatchError
from . import embedding, links, permissions, queries, tables
from .embedding import EmbeddingFailed

if TYPE_CHECKING:  # plugins are imported in the midst of it
    from datasette.app import Datasette

_Handler = Callable[["Datasette", Request], Awaitable[Response]]

_STATIC = "sqlite-vecstore"  # Datasette calls a plugin by the name of its distribution


@dataclass
class Page:
    """What somebody asked of a collection, and the answer."""

    collection: queries.ShownCollection
    q: str
    id: str | None
    size: int
    largest: int
    may_embed: bool
    is_head: bool
    item: queries.ShownEntry | None = None
    rows: list[queries.ShownEntry] = field(default_factory=list)
    error: str | None = None
    status: int = 200

    @property
    def truncated(self) -> bool:
        """Return whether there are more rows than were asked for."""
        return len(self.rows) > self.size

    @property
    def shown(self) -> list[queries.ShownEntry]:
        """Return the rows that were asked for."""
        return self.rows[: self.size]

    @property
    def next_size(self) -> int | None:
        """Return how many rows a link offers next; None without more, or if that is all."""
        more = self.truncated and self.size < self.largest
        return min(2 * self.size, self.largest) if more else None


def _reading(page: _Handler) -> _Handler:
    """Answer only to reading, and make Datasette's own error of what takes too long."""

    @functools.wraps(page)
    async def limited(datasette: "Datasette", request: Request) -> Response:
        if request.method not in ("GET", "HEAD"):
            return Response.text("Method not allowed", status=405)
        try:
            return await page(datasette, request)
        except QueryInterrupted as error:
            raise queries.time_limit_error() from error
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
    page = Page(
        collection,
        q=(request.args.get("q") or "").strip(),
        id=request.args.get("id"),
        size=_size(datasette, request),
        largest=datasette.setting("max_returned_rows"),
        may_embed=embedding.is_allowed(datasette, db.name, request.actor),
        is_head=request.method == "HEAD",
    )
    try:
        await _answer(datasette, db, page)
    except (EmbeddingFailed, DimensionError) as error:
        page.error, page.status = str(error), getattr(error, "status", 502)
    if request.url_vars.get("format"):
        return _json(datasette, _as_json(db, page), page.status)
    context = {"page": page, "largest_text": datasette.setting("truncate_cells_html")}
    return await _html(datasette, request, db, "vecstore_similar.html", context, page.status)


async def _answer(datasette: "Datasette", db: Database, page: Page) -> None:
    """Find what the page shows; one row more than it does tells whether there are more."""
    number = page.size + 1
    if page.id is not None:
        found = await queries.find_entry(datasette, db, page.collection, page.id)
        if found is None:
            page.error, page.status = f"There is no item {page.id!r} in this collection.", 404
            return
        page.item, vector = found
        page.rows = await queries.find_similar(
            datasette, db, page.collection, vector, number, page.id
        )
    elif page.q and not page.may_embed:
        page.error, page.status = "Searching by text is not allowed here.", 403
    elif page.q and page.is_head:
        return  # no one sees what it would cost
    elif page.q:
        prefix = await queries.query_prefix(datasette, db, page.collection)
        vector = await embedding.embed(page.collection.model, page.q, prefix)
        page.rows = await queries.find_similar(datasette, db, page.collection, vector, number)
    else:
        page.rows = await queries.first_entries(datasette, db, page.collection, number)


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


def _summary(collection: queries.ShownCollection) -> dict[str, Any]:
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
        "q": page.q if page.q and page.id is None else None,
        "id": page.id,
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
        "css": datasette.urls.static_plugins(_STATIC, "vecstore.css"),
        "metadata_pairs": _metadata_pairs,
    }
    html = await datasette.render_template(template, {**shared, **context}, request=request)
    return Response.html(html, status=status)


def _metadata_pairs(metadata: Any) -> list[tuple[str, str]]:
    """Return the names and values of metadata as text; of what is no object, one without a name."""
    if metadata is None:
        return []
    pairs = metadata.items() if isinstance(metadata, dict) else [("", metadata)]
    return [(name, _plain(value)) for name, value in pairs]


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
