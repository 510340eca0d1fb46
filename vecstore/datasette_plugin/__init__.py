"""The plugin for Datasette: vectors that it can read, and pages that search them.

Datasette finds it by the entry point in pyproject.toml, and its templates and stylesheet in the
folders of those names. A hook that a version does not have is never called: those for menus of
rows and for the tops of pages are of 1.0, the permission hook is of 0.65.
"""

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

from datasette import hookimpl, hookspecs

from . import box, connections, embedded_tables, links, pages, permissions, queries, tables

if TYPE_CHECKING:  # plugins are imported in the midst of it
    from datasette.app import Datasette

_MOST_LINKS = 10  # in a menu
HAS_BOXES = hasattr(hookspecs, "top_table")


@hookimpl
def startup() -> None:
    """Teach Datasette's databases which tables are internal."""
    tables.extend_databases()


@hookimpl
def prepare_connection(conn: Any, database: str) -> None:
    """Load sqlite-vec."""
    connections.load_extension(conn, database)


@hookimpl
def register_routes() -> list[tuple[str, Any]]:
    """Add the pages."""
    base = r"^/(?P<database>[^/]+)/-/similar"
    return [
        (base + r"(?:\.(?P<format>json))?$", pages.collections_page),
        (base + r"/(?P<collection>[^/.]+)(?:\.(?P<format>json))?$", pages.collection_page),
    ]


@hookimpl
def render_cell(
    row: Any, value: Any, column: str, table: str | None, database: str, datasette: "Datasette"
) -> Awaitable[Any] | None:
    """Show a vector as such."""
    if column != "embedding" or not isinstance(value, bytes) or not value or len(value) % 4:
        return None

    async def cell() -> Any:
        if not await tables.has_store(datasette.get_database(database)):
            return None
        return await links.embedding_cell(datasette, database, table, row, value)

    return cell()


@hookimpl
def database_actions(
    datasette: "Datasette", actor: permissions.Actor, database: str
) -> Awaitable[list[dict[str, str]]]:
    """Link each collection, or the list of them, from the menu of the database page."""

    async def actions() -> list[dict[str, str]]:
        db = datasette.get_database(database)
        if not await tables.has_store(db):
            return []
        if not await permissions.is_viewable(datasette, actor, database):
            return []
        names = await queries.first_names(db, _MOST_LINKS + 1)
        if len(names) > _MOST_LINKS:
            return [_action("Search collections", links.collections_url(datasette, database))]
        return [
            _action(f"Similar items: {name}", links.collection_url(datasette, database, name))
            for name in names
        ]

    return actions()


@hookimpl
def table_actions(
    datasette: "Datasette", actor: permissions.Actor, database: str, table: str
) -> Awaitable[list[dict[str, str]]] | None:
    """Link the collections of a table from its menu, where no box can stand on its page."""
    if HAS_BOXES:
        return None

    async def actions() -> list[dict[str, str]]:
        db = datasette.get_database(database)
        if not await tables.has_store(db):
            return []
        if not await permissions.is_viewable(datasette, actor, database):
            return []
        names = await box.names_for_table(db, table)
        if len(names) > _MOST_LINKS:
            return [_action("Search collections", links.collections_url(datasette, database))]
        return [
            _action(f"Search {name}", links.collection_url(datasette, database, name))
            for name in names
        ]

    return actions()


@hookimpl(optionalhook=True)
def top_database(datasette: "Datasette", request: Any, database: str) -> Awaitable[str]:
    """Show the search box on the page of a database."""
    return box.box_of_database(datasette, request, database)


@hookimpl(optionalhook=True)
def top_table(datasette: "Datasette", request: Any, database: str, table: str) -> Awaitable[str]:
    """Show the search box on the page of a table that has entries, or whose rows are entries."""
    return box.box_of_table(datasette, request, database, table)


@hookimpl(optionalhook=True)
def row_actions(
    datasette: "Datasette", actor: permissions.Actor, database: str, table: str, row: Any
) -> Awaitable[list[dict[str, str]]]:
    """Link what is similar from the menu of an item's page, and of a row that was embedded."""

    async def actions() -> list[dict[str, str]]:
        db = datasette.get_database(database)
        if not await tables.has_store(db):
            return []
        if table == "embeddings":
            if not {"collection_id", "id"} <= set(row.keys()):
                return []
            href = await links.similar_url(datasette, database, row["collection_id"], row["id"])
            return [_action("Similar items", href)]
        if tables.is_internal(table):
            return []
        if not await permissions.is_viewable(datasette, actor, database):
            return []
        entries = await embedded_tables.entries_of_row(db, table, row)
        return [
            _action(
                "Related items" if len(entries) == 1 else f"Related items: {entry.collection}",
                links.entry_url(datasette, database, entry),
            )
            for entry in entries[:_MOST_LINKS]
        ]

    return actions()


@hookimpl(optionalhook=True, trylast=True)  # in 0.65, the last answer counts
def permission_allowed(
    datasette: "Datasette", actor: permissions.Actor, action: str, resource: Any
) -> Awaitable[bool | None] | None:
    """Keep the index of a table from those who may not view the table."""
    if action != "view-table" or resource is None or not tables.tables_shown_by(resource[1]):
        return None
    return permissions.denied_source(datasette, actor, *resource)


def _action(label: str, href: str) -> dict[str, str]:
    return {"label": label, "href": href}
