"""Whether the graph of a collection is the file that was made, and has what it is to have."""

from pathlib import Path

from ...checking.report import CheckReport
from ...query import Query
from ...rows import CollectionRow
from ...values import describe_count
from ..connection.database import Database
from ..index import graph_files, graphs, hnsw, kept_graphs
from ..index.graphs import NotedGraph
from ..index.hnsw import Graph, GraphError
from ..index_names import IndexNames
from ..search import planner
from . import collection_graphs

_SAMPLE = 30  # entries, whose neighbours are looked for in two ways
_NEIGHBOURS = 10
_ENOUGH_RECALL = 0.95
_SCORE_SLACK = 1e-6
_REMEDY = "build it again: vecstore index build --graph"


def check_graphs(db: Database, report: CheckReport) -> None:
    """Add to the report what is wrong with the graphs that collections are to have."""
    for collection in collection_graphs.find_collections(db):
        index = collection_graphs.index_of(db, collection.id)
        noted = None if index is None else graphs.find(db, index, collection.id)
        if index is not None and noted is not None:
            _check_graph(db, index, collection, noted, report)
        elif _has_entries(db, index, collection):
            report.note("graph", f"{_title(collection)} is not built", _REMEDY)


def _has_entries(db: Database, index: IndexNames | None, collection: CollectionRow) -> bool:
    """Return whether there is anything that a graph could be built of."""
    if index is None:
        return kept_graphs.dimensions_of(db, collection.id) is not None
    return graphs.count_entries(db, index, collection.id) > 0


def _title(collection: CollectionRow) -> str:
    return f"The graph of collection {collection.name!r}"


def _check_graph(
    db: Database,
    index: IndexNames,
    collection: CollectionRow,
    noted: NotedGraph,
    report: CheckReport,
) -> None:
    path = graph_files.path_of(db, noted.token)
    if not path.exists():
        _note_missing(path, collection, report)
    elif not hnsw.is_installed():
        remedy = "pip install 'sqlite-vecstore[graph]'"
        report.note("graph", f"{_title(collection)} is not used, nor checked", remedy)
    else:
        graph = _read(path, index, collection, noted, report)
        if graph is not None:
            _compare(db, index, collection, graph, report)


def _note_missing(path: Path, collection: CollectionRow, report: CheckReport) -> None:
    report.note("graph", f"{_title(collection)} is gone: {path}", _REMEDY)


def _read(
    path: Path,
    index: IndexNames,
    collection: CollectionRow,
    noted: NotedGraph,
    report: CheckReport,
) -> Graph | None:
    try:
        if graph_files.digest_of(path) == noted.digest:
            return Graph.map_file(path, index.dimensions, noted.dead_nodes, has_keys=True)
    except FileNotFoundError:  # another process has built it again just now
        _note_missing(path, collection, report)
    except (OSError, GraphError) as error:
        report.problem("graph", f"{path} cannot be read: {error}", _REMEDY)
    else:
        report.problem("graph", f"{_title(collection)} is damaged: {path}", _REMEDY)
    return None


def _compare(
    db: Database,
    index: IndexNames,
    collection: CollectionRow,
    graph: Graph,
    report: CheckReport,
) -> None:
    """Compare the entries of a graph with those that have not changed since it was made."""
    keys = graph.keys()
    expected, fresh = graphs.read_entries(db, index, collection.id)
    for number, what in (
        (len(expected - keys), "missing in it"),
        (len(keys - expected - fresh), "not in the table"),
    ):
        if number:
            found = describe_count(number, "entry", "is")
            message = f"{_title(collection)} is out of step: {found} {what}"
            report.problem("graph", message, _REMEDY, count=number)
    recall = _sample_recall(db, index, collection)
    if recall is not None and recall < _ENOUGH_RECALL:
        message = f"{_title(collection)} finds {recall:.0%} of the nearest"
        report.note("graph", message, _REMEDY)


def _sample_recall(db: Database, index: IndexNames, collection: CollectionRow) -> float | None:
    """Return how many of the nearest to some entries are found by searches that may use a graph."""
    found = wanted = 0
    for id, vector in graphs.read_sample(db, index, collection.id, _SAMPLE):
        near, nearest = (
            planner.search(
                db,
                Query(collection, _NEIGHBOURS, vector=vector, skip_id=id, exact=exact),
                may_build_index=False,
            )
            for exact in (False, True)
        )
        if nearest:  # others that are as near as the last of them are as good
            least = nearest[-1][1] - _SCORE_SLACK
            found += sum(score >= least for _, score, *_ in near)
            wanted += len(nearest)
    return found / wanted if wanted else None
