"""The search box at the top of Datasette's own pages."""

from typing import TYPE_CHECKING

from datasette.database import Database
from datasette.utils.asgi import Request

from . import embedded_tables, links, permissions, queries, tables

if TYPE_CHECKING:  # plugins are imported in the midst of it
    from datasette.app import Datasette

_MOST = 100  # in a select


async def box_of_database(datasette: "Datasette", request: Request, database: str) -> str:
    """Return a box that searches the collections of a database; "" where there is none to see."""
    db = datasette.get_database(database)
    if not await _is_viewable(datasette, request, db):
        return ""
    return await _render(datasette, request, db, await queries.first_names(db, _MOST + 1))


async def box_of_table(datasette: "Datasette", request: Request, database: str, table: str) -> str:
    """Return a box for the table of entries, or one of which entries were made; else ""."""
    db = datasette.get_database(database)
    if not await _is_viewable(datasette, request, db):
        return ""
    names = await names_for_table(db, table)
    chosen = None
    if table == "embeddings" and (filtered := request.args.get("collection_id")):
        found = await queries.find_collection(db, "id", filtered)
        chosen = found.name if found else None
    return await _render(datasette, request, db, names, chosen)


async def names_for_table(db: Database, table: str) -> list[str]:
    """Return the collections that are searched from the page of a table, in a database that has."""
    if table == "embeddings":
        return await queries.first_names(db, _MOST + 1)
    return await embedded_tables.collections_of_table(db, table)


async def _is_viewable(datasette: "Datasette", request: Request, db: Database) -> bool:
    return await tables.has_store(db) and await permissions.is_viewable(
        datasette, request.actor, db.name
    )


async def _render(
    datasette: "Datasette",
    request: Request,
    db: Database,
    names: list[str],
    chosen: str | None = None,
) -> str:
    if not names:
        return ""
    shown = names[:_MOST]
    if chosen is not None and chosen not in shown:
        shown.append(chosen)
    list_url = links.collections_url(datasette, db.name)
    context = {
        "names": shown,
        "chosen": chosen,
        "more_url": list_url if len(names) > _MOST else None,
        "action": list_url
        if len(shown) > 1
        else links.collection_url(datasette, db.name, shown[0]),
        "css": links.stylesheet_url(datasette),
    }
    return str(await datasette.render_template("vecstore_box.html", context, request=request))
