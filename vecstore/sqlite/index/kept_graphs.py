"""Keeps the graphs of the collections that are to have one: at the end of a load, and in upkeep."""

import logging

from ...errors import DatabaseError, InvalidInputError, MissingPackageError, VecstoreError
from .. import journal, transactions
from ..connection import filenames, locks, opening
from ..connection.database import Database
from ..index_names import IndexNames
from . import graph_building, graph_files, graphs, hnsw, usable
from .build_progress import ShowProgress
from .graphs import NotedGraph

_LEAST_WRITTEN = 100  # entries, by a load that is followed by work on a graph

_log = logging.getLogger("vecstore")


def dimensions_of(db: Database, collection_id: int) -> int | None:
    """Return the dimension of the vectors of a collection, that of most of a few; None for none."""
    row = db.execute(
        """
        select size / 4
        from (
          select length(embedding) as size
          from embeddings
          where collection_id = ?
            and length(embedding) % 4 = 0
            and length(embedding) > 0
          limit 100
        )
        group by size
        order by count(*) desc
        limit 1
        """,
        [collection_id],
    ).fetchone()
    return None if row is None else int(row[0])


def build(
    db: Database, collection_id: int, progress: ShowProgress | None = None
) -> NotedGraph | None:
    """Build the graph of a collection anew, and have it kept; None if it has no vectors.

    :raises MissingPackageError: usearch is not installed
    :raises InvalidInputError: the database is in memory
    :raises DatabaseError: it cannot be written now, a transaction is open, or there is no index of
      such vectors
    """
    refuse_impossible(db)
    dimensions = dimensions_of(db, collection_id)
    if dimensions is None:
        return None
    with transactions.writing(db):
        graphs.want(db, collection_id)
    index = _ready_index(db, dimensions, collection_id)
    if index is None:
        raise DatabaseError(
            f"{opening.name_of(db)} has no index of {dimensions} dimensions that a graph could "
            "belong to: 'vecstore index build' builds it"
        )
    return graph_building.build(db, index, collection_id, anew=True, progress=progress)


def _ready_index(db: Database, dimensions: int, collection_id: int) -> IndexNames | None:
    """Return the index of a dimension, which is built if need be; None where it cannot be.

    One beside a file that another process is bringing into step is waited for.
    """
    wait = locks.Wait(locks.busy_timeout(db.conn))
    while True:
        usable.make_ready(db, dimensions, collection_id)
        index = usable.find_index(db, dimensions)
        if index is not None:
            return index.names
        if not journal.is_there(db) or wait.is_over():
            return None
        wait.sleep()


def refuse_impossible(db: Database) -> None:
    """Raise the error of build() that says why no graph can be built."""
    if not hnsw.is_installed():
        raise MissingPackageError(
            "A graph needs usearch, which is not installed: pip install 'sqlite-vecstore[graph]'"
        )
    if not filenames.main_file(db.conn):
        raise InvalidInputError("A database in memory has no graphs: they are files beside one")
    if db.conn.in_transaction:
        raise DatabaseError("A graph cannot be built while a transaction is open: commit it first")


def extend_after_load(db: Database, collection_id: int, written: int) -> None:
    """Extend the graph that a collection is to have, where much is fresh, or build it.

    Nothing is raised: the load has been done, and searches find all as it is.
    """
    if written >= _LEAST_WRITTEN:
        _extend_if_wanted(db, collection_id)


def want_and_extend(db: Database, collection_id: int) -> None:
    """Have a graph kept of a collection from now on, and build it where that can be done.

    That it cannot is a warning: the end of a load tries again, and searches find all as it is.
    """
    with transactions.writing(db):
        graphs.want(db, collection_id)
    _extend_if_wanted(db, collection_id)


def _extend_if_wanted(db: Database, collection_id: int) -> None:
    if db.conn.in_transaction or not hnsw.is_installed():
        return
    try:
        if collection_id not in graphs.wanted(db):
            return
        dimensions = dimensions_of(db, collection_id)
        if dimensions is None:
            return
        index = _ready_index(db, dimensions, collection_id)
        if index is not None and _needs_build(db, index, collection_id):
            graph_building.build(db, index, collection_id)
    except (VecstoreError, db.conn.Error) as error:
        _log.warning("The graph of %s was not extended: %s", opening.name_of(db), error)


def _needs_build(db: Database, index: IndexNames, collection_id: int) -> bool:
    """Return whether a collection has no graph, as in a copy, or one that is to be extended."""
    noted = graphs.find(db, index, collection_id)
    if noted is None or not graph_files.path_of(db, noted.token).exists():
        return True
    return graphs.needs_extension(db, index, collection_id, noted)
