"""Who may see what: whoever Datasette lets view the tables that it comes from."""

from typing import TYPE_CHECKING, Any

from datasette.utils.asgi import Forbidden

from . import tables

if TYPE_CHECKING:  # plugins are imported in the midst of it
    from datasette.app import Datasette

try:
    from datasette.resources import TableResource
except ImportError:  # 0.65
    TableResource = None

Actor = dict[str, Any] | None


async def ensure_viewable(datasette: "Datasette", actor: Actor, database: str) -> None:
    """Raise Datasette's Forbidden unless the actor may view `collections` and `embeddings`."""
    for table in ("collections", "embeddings"):
        if not await may_view(datasette, actor, database, table):
            raise Forbidden(f"You do not have permission to view the table {table}")


async def is_viewable(datasette: "Datasette", actor: Actor, database: str) -> bool:
    """Return whether the actor may view `collections` and `embeddings`."""
    try:
        await ensure_viewable(datasette, actor, database)
    except Forbidden:
        return False
    return True


async def denied_source(
    datasette: "Datasette", actor: Actor, database: str, table: str
) -> bool | None:
    """Return False for a table of the index, or a view of ours, whose source must not be viewed.

    None for all others: no opinion. For the hook of Datasette 0.65.
    """
    sources = tables.tables_shown_by(table)
    if not sources or not await tables.has_store(datasette.get_database(database)):
        return None
    for source in sources:
        if not await may_view(datasette, actor, database, source):
            return False
    return None


async def may_view(datasette: "Datasette", actor: Actor, database: str, table: str) -> bool:
    """Return whether the actor may view a table."""
    if TableResource is not None:
        resource = TableResource(database, table)
        return bool(await datasette.allowed(action="view-table", resource=resource, actor=actor))
    visible, _ = await datasette.check_visibility(
        actor,
        permissions=[
            ("view-table", (database, table)),
            ("view-database", database),
            "view-instance",
        ],
    )
    return bool(visible)
