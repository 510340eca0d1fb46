"""Files whose collections have graphs, and what is found by them."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import usearch.index  # noqa: F401 - in a process that has it, the first search opens a graph
from sqlite_utils import Database

import vecstore
from tests.support.beside import QUERY, copy_both, make_file, small_partitions
from tests.support.models import Pseudorandom
from vecstore import Collection, GraphStatus, list_indexes
from vecstore.sqlite.index import hnsw, open_graphs
from vecstore.sqlite.search import planner


@contextmanager
def eager_graphs() -> Iterator[None]:
    """Have graphs for few rows, and what is fresh added a little at a time, in the block."""
    with small_partitions(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(hnsw, "_CONNECTIVITY", 64)  # so that each node leads to each other
        patch.setattr(planner, "_NODES_PER_REACH", 0.1)
        patch.setattr(open_graphs, "_MOST_UNADDED", 2)
        patch.setattr(open_graphs, "_FRESH_PORTION", 2)
        patch.setattr(open_graphs, "_SECONDS_TO_ADD", 60.0)
        yield


def plans_of(collection, vector, number=10, **conditions):
    """Return the plans of the steps of a search, each once, in order."""
    steps = collection.explain(vector, number, **conditions).steps
    return list(dict.fromkeys(step.plan for step in steps))


def make_file_with_graph(path: str | Path, form: str, salt: str = "") -> None:
    """Make a file whose collection "large" has a graph; eager_graphs() must be there."""
    make_file(path, salt)
    vecstore.move_index(path, form)
    vecstore.build_graph(path, "large")


def graph_files(path: str | Path) -> list[Path]:
    """Return the files of graphs beside a file."""
    return sorted(Path(path).parent.glob(f"{Path(path).name}-graph-*"))


def graph_file(path: str | Path) -> Path:
    """Return the one file of a graph beside a file."""
    [found] = graph_files(path)
    return found


def copy_all(source: str | Path, target: str | Path) -> None:
    """Copy a file that nobody has open, its index and its graphs."""
    copy_both(Path(source), Path(target))
    for graph in graph_files(source):
        shutil.copy(graph, f"{target}{graph.name.removeprefix(Path(source).name)}")


def plans_of_large(db: Database) -> list[str]:
    """Return the plans of a search in the collection "large"."""
    return plans_of(Collection("large", db, create=False), QUERY)


def statuses(db: Database) -> list[GraphStatus]:
    """Return the graphs that are listed."""
    return [graph for index in list_indexes(db) for graph in index.graphs]


def load_large(db: Database, number: int = 100) -> None:
    """Embed so many new entries into the collection "large"."""
    large = Collection("large", db, create=False, model=Pseudorandom())
    large.embed_multi((f"new {n}", f"text {n}") for n in range(number))
