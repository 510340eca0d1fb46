"""Builds, drops and lists the graphs of collections."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ...errors import VecstoreError
from ...rows import CollectionRow
from .. import catalog, databases, schema, transactions
from ..connection import filenames
from ..connection.database import Database, has_table
from ..index import graph_building, graph_files, graphs, hnsw, kept_graphs, usable
from ..index.build_progress import ShowProgress
from ..index_names import IndexNames
from . import soundness

_WORTH_A_GRAPH = 10_000  # entries; the bits answer as fast for fewer


@dataclass(frozen=True)
class GraphStatus:
    """The graph that a collection has, or is to have.

    Attributes:
        collection: its name
        dimensions: of the vectors
        entries: how many the graph has
        fresh: how many were added, replaced or deleted since it was made
        bytes: the size of its file
        state: "ready", or "missing" (it was not built yet, or its file is gone)
    """

    collection: str
    dimensions: int
    entries: int
    fresh: int
    bytes: int
    state: str


def build_graph(
    db: Database | str | Path,
    collection: str | None = None,
    *,
    progress: ShowProgress | None = None,
) -> dict[str, int]:
    """Build the graph of a collection anew, and have it kept; return how many entries it has.

    From some 10,000 entries on, a search by a graph takes a fraction of the time of one without. It
    is a file beside the database, `NAME-graph-…`, that may be deleted at any time: then searches go
    without. Once there is one, what is written afterwards is searched beside it, and at the end of
    a load it is extended when a tenth has changed.

    Nobody waits meanwhile. The new graph takes the place of the old in one transaction: after an
    error or a crash at any moment there is the one or the other.

    :param db: a sqlite_utils.Database, or the path of a file
    :param collection: its name; by default all that have a graph, or 10,000 entries or more
    :param progress: a function that is called with the number of entries that were added so far,
      and of all
    :raises MissingPackageError: usearch is not installed
    :raises DoesNotExist: there is no such collection
    :raises InvalidInputError: the database is in memory
    :raises DatabaseError: it cannot be written now, or a transaction is open
    """
    with databases.opened_database(db) as opened:
        kept_graphs.refuse_impossible(opened)
        schema.ensure_schema(opened)
        built = {}
        for id, name in _chosen(opened, collection).items():
            noted = kept_graphs.build(opened, id, progress)
            if noted is not None:
                built[name] = noted.nodes - noted.dead_nodes
        with suppress(VecstoreError, opened.conn.Error):  # what is left does no harm
            _remove(opened, [])
        return built


def drop_graph(db: Database | str | Path, collection: str | None = None) -> list[str]:
    """Remove the graph of a collection, or all of them; return the names of those that had one.

    :param db: a sqlite_utils.Database, or the path of a file
    :raises DoesNotExist: there is no such collection
    :raises DatabaseError: it cannot be written now, or a transaction is open
    """
    with databases.opened_database(db) as opened:
        soundness.refuse_transaction(opened, "A graph cannot be removed")
        wanted = graphs.wanted(opened)
        names = _names(opened)
        if collection is not None:
            chosen = catalog.find_or_fail(opened, collection).id
            wanted = [id for id in wanted if id == chosen]
        _remove(opened, wanted)
        return [names[id] for id in wanted if id in names]


def find_statuses(db: Database) -> list[GraphStatus]:
    """Return the graphs that collections have, or are to have."""
    return [_status(db, collection.id, collection.name) for collection in find_collections(db)]


def find_collections(db: Database) -> list[CollectionRow]:
    """Return the collections that are to have a graph."""
    if not has_table(db, "collections"):
        return []
    wanted = set(graphs.wanted(db))
    rows = db.execute("select id, name, model from collections order by name").fetchall()
    return [CollectionRow(*row) for row in rows if row[0] in wanted]


def rebuild_graphs(db: Database) -> None:
    """Build the graphs that collections are to have, after their index was built anew.

    And remove those of collections that were deleted.
    """
    if not filenames.main_file(db.conn) or db.conn.in_transaction:
        return
    if hnsw.is_installed():
        for id in graphs.wanted(db):
            kept_graphs.build(db, id)
    _remove(db, [])


def total_size(db: Database) -> int:
    """Return how many bytes the graphs beside a file have."""
    size = 0
    for path in graph_files.find_files(db).values():
        with suppress(FileNotFoundError):  # another process has built it again just now
            size += path.stat().st_size
    return size


def _remove(db: Database, collection_ids: list[int]) -> None:
    """Remove the graphs of these collections, and what is left of those of others.

    They may have been deleted, or have vectors of other dimensions by now.
    """
    names = _names(db)
    gone = {*collection_ids, *(id for id in graphs.wanted(db) if id not in names)}
    if gone or graphs.is_wanted_empty(db):
        with transactions.writing(db):
            for id in gone:
                graphs.unwant(db, id)
            if graphs.is_wanted_empty(db):
                graphs.drop_wanted(db)
    graph_building.remove_all_but(db, graphs.wanted(db))


def _chosen(db: Database, collection: str | None) -> dict[int, str]:
    if collection is not None:
        row = catalog.find_or_fail(db, collection)
        return {row.id: row.name}
    wanted, names = graphs.wanted(db), _names(db)
    large = db.execute(
        """
        select collection_id
        from embeddings
        group by collection_id
        having count(*) >= ?
        """,
        [_WORTH_A_GRAPH],
    ).fetchall()
    return {id: names[id] for id in sorted({*wanted, *(id for (id,) in large)}) if id in names}


def _names(db: Database) -> dict[int, str]:
    if not has_table(db, "collections"):
        return {}
    return dict(db.execute("select id, name from collections").fetchall())


def index_of(db: Database, collection_id: int) -> IndexNames | None:
    """Return the index that the graph of a collection belongs to; None if that is not to be had."""
    dimensions = kept_graphs.dimensions_of(db, collection_id)
    index = None if dimensions is None else usable.find_index(db, dimensions)
    return index and index.names


def _status(db: Database, collection_id: int, name: str) -> GraphStatus:
    dimensions = kept_graphs.dimensions_of(db, collection_id) or 0
    index = index_of(db, collection_id)
    noted = None if index is None else graphs.find(db, index, collection_id)
    if index is None or noted is None:
        return GraphStatus(name, dimensions, 0, 0, 0, "missing")
    fresh = graphs.count_fresh(db, index, collection_id)
    path = graph_files.path_of(db, noted.token)
    is_there = path.exists() and path.stat().st_size == noted.bytes
    return GraphStatus(
        name,
        dimensions,
        noted.nodes - noted.dead_nodes,
        fresh,
        noted.bytes,
        "ready" if is_there else "missing",
    )
