"""A process that is killed as it makes a graph: python -m tests.support.graph_killed WORK PATH

It says a line when it begins, and goes on until it is killed.
"""

import sys
from contextlib import closing

import vecstore
from tests.support.beside import row_of
from tests.support.graphs import eager_graphs
from vecstore.sqlite.index import graph_building, graphs, usable


def build(db, round):
    """Build the graph anew."""
    vecstore.build_graph(db, "large")


def extend(db, round):
    """Extend the graph by some entries that were replaced."""
    for n in range(8):
        row = row_of(1, f"large {(round + 7 * n) % 50}", f"{round}")
        db["embeddings"].upsert(row, pk=("collection_id", "id"))
    usable.make_ready(db, len(row["embedding"]) // 4, 1)
    index = usable.find_index(db, len(row["embedding"]) // 4)
    graph_building.build(db, index.names, 1)


if __name__ == "__main__":
    work, path = sys.argv[1:]
    graph_building._PORTION = 10  # many moments
    graphs._DEAD_TO_REBUILD = 0.9
    with eager_graphs(), closing(vecstore.connect(path)) as db:
        for round in range(100_000):
            if round == 1:
                sys.stdout.write("begun\n")
                sys.stdout.flush()
            {"build": build, "extend": extend}[work](db, round)
