"""Addresses: of the pages, of rows, and of the links to them in Datasette's own pages."""

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from datasette.utils import tilde_encode
from markupsafe import Markup

from . import queries, tables
from .embedded_tables import RowEntry
from .shown import ShownCollection

if TYPE_CHECKING:  # plugins are imported in the midst of it
    from datasette.app import Datasette


_STATIC = "sqlite-vecstore"  # Datasette calls a plugin by the name of its distribution


def stylesheet_url(datasette: "Datasette") -> str:
    """Return the address of our stylesheet."""
    return str(datasette.urls.static_plugins(_STATIC, "vecstore.css"))


def collections_url(datasette: "Datasette", database: str, **query: Any) -> str:
    """Return the address of the list of collections."""
    return _with_query(f"{datasette.urls.database(database)}/-/similar", query)


def collection_url(
    datasette: "Datasette", database: str, name: str, *, format: str = "", **query: Any
) -> str:
    """Return the address of the page of a collection, or of its JSON."""
    path = f"{datasette.urls.database(database)}/-/similar/{tilde_encode(name)}{format}"
    return _with_query(path, query)


def row_url(datasette: "Datasette", database: str, collection: ShownCollection, id: str) -> str:
    """Return the address of a row of `embeddings`."""
    path = f"{tilde_encode(str(collection.id))},{tilde_encode(id)}"
    return str(datasette.urls.row(database, "embeddings", path))


def entry_url(datasette: "Datasette", database: str, entry: RowEntry) -> str:
    """Return the address of what is similar to an entry, or of the chunks of its document."""
    asked = {"id": entry.id} if entry.document is None else {"document": entry.document}
    return collection_url(datasette, database, entry.collection, **asked)


async def similar_url(datasette: "Datasette", database: str, collection_id: Any, id: Any) -> str:
    """Return the address of what is similar to a row of `embeddings`.

    It is an error 404 when the collection is gone, even if another has got its number.
    """
    db = datasette.get_database(database)
    collection = await queries.find_collection(db, "id", collection_id)
    fingerprint = collection and collection.fingerprint
    return collections_url(datasette, database, collection_id=collection_id, of=fingerprint, id=id)


async def embedding_cell(
    datasette: "Datasette", database: str, table: str | None, row: Any, value: bytes
) -> Markup | None:
    """Return what a cell of the column `embedding` shows in place of "Binary: 1,536 bytes".

    That is how many dimensions the vector has, with a link to its bytes where it is a row of
    `embeddings`, and a link to what is similar to it. None for what is no vector of ours.
    """
    vector = f"{len(value) // 4:,}-d\N{NO-BREAK SPACE}vector"
    columns = row.keys()
    if table is None or tables.is_index_table(table):
        return Markup("{}").format(vector)
    if table != "embeddings" or not {"collection_id", "id"} <= set(columns):
        return None
    collection_id, id = row["collection_id"], row["id"]
    if isinstance(collection_id, dict):  # a label that Datasette has put in place of the number
        collection_id = collection_id["value"]
    path = f"{tilde_encode(str(collection_id))},{tilde_encode(str(id))}"
    return Markup('<a class="blob-download" href="{}">{}</a> <a href="{}">similar</a>').format(
        datasette.urls.row_blob(database, table, path, "embedding"),
        vector,
        await similar_url(datasette, database, collection_id, id),
    )


def _with_query(path: str, query: dict[str, Any]) -> str:
    given = {name: value for name, value in query.items() if value is not None}
    return f"{path}?{urlencode(given)}" if given else path
