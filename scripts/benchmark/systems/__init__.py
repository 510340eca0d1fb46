"""The systems that are compared: each stores rows in a folder of its own and searches them."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:  # a process that answers its first question imports only what it needs
    from ..job import Condition
    from ..rows import Batch

Hit = tuple[int, str, Any]  # the row's number, its text, its metadata

# Name: module and class.
SYSTEMS = {
    "numpy": "in_memory:NumPy",
    "numpy-one-thread": "in_memory:NumPyOneThread",
    "vecstore": "with_vecstore:VecstoreDefault",
    "vecstore-exact": "with_vecstore:VecstoreExact",
    "vecstore-beside": "with_vecstore:VecstoreBeside",
    "vecstore-indexed": "with_vecstore:VecstoreIndexed",
    "vecstore-graph": "with_vecstore:VecstoreGraph",
    "vecstore-graph-beside": "with_vecstore:VecstoreGraphBeside",
    "vecstore-graph-indexed": "with_vecstore:VecstoreGraphIndexed",
    "vec0": "bare_vec0:Vec0",
    "vec0-tuned": "bare_vec0:TunedVec0",
    "vec0-bits": "bare_vec0:Vec0Bits",
    "llm": "with_llm:Llm",
    "sqlite-vec-client": "with_sqlite_vec_client:SqliteVecClient",
    "chroma": "with_chroma:Chroma",
    "lancedb": "with_lancedb:LanceFlat",
    "lancedb-ivf": "with_lancedb:LanceIvf",
    "lancedb-rq": "with_lancedb:LanceRq",
    "duckdb": "with_duckdb:DuckFlat",
    "duckdb-hnsw": "with_duckdb:DuckHnsw",
    "zvec": "with_zvec:Zvec",
    "zvec-int8": "with_zvec:ZvecInt8",
    "qdrant-edge": "with_qdrant:QdrantEdge",
    "qdrant-edge-int8": "with_qdrant:QdrantEdgeInt8",
    "sqlite-vector": "with_sqlite_vector:SqliteVector",
    "litesearch": "with_litesearch:Litesearch",
    "usearch": "in_memory:Usearch",
    "faiss-flat": "in_memory:FaissFlat",
    "faiss-hnsw": "in_memory:FaissHnsw",
}
# What the one searches, the other has stored.
SHARED = {"numpy-one-thread": "numpy", "vecstore-exact": "vecstore"}


class System:
    """One way to store and search vectors. `folder` is its own, and exists."""

    max_rows: ClassVar[int | None] = None  # more would take hours
    can_filter: ClassVar[bool] = True
    can_change: ClassVar[bool] = False
    can_edit: ClassVar[bool] = False

    def __init__(self, folder: Path, dimensions: int) -> None:
        self.folder = folder
        self.dimensions = dimensions

    def load(self, batches: Iterable[Batch]) -> None:
        """Store rows, and index them as far as that happens while they are stored."""
        raise NotImplementedError

    def build(self) -> None:
        """Index the rows that this process has loaded, if that is a step of its own."""

    def open(self) -> None:
        """Get ready to search what another process stored."""
        raise NotImplementedError

    def search(self, vector: array[float], number: int, condition: Condition | None) -> list[Hit]:
        """Return the nearest rows, best first, of those that meet the condition."""
        raise NotImplementedError

    def update(self, batches: Iterable[Batch]) -> None:
        """Give rows that are stored other vectors and texts."""
        raise NotImplementedError

    def delete(self, numbers: list[int]) -> None:
        raise NotImplementedError

    def edit(self, replaced: Batch, deleted: list[int], added: Batch) -> None:
        """Change some rows in the way that is the most likely to go unnoticed by an index."""
        raise NotImplementedError

    def close(self) -> None:
        """Leave everything on disk."""


def system_class(name: str) -> type[System]:
    """Return a system's class; importing its module imports no other system."""
    module, _, class_name = SYSTEMS[name].partition(":")
    found: type[System] = getattr(import_module(f".{module}", __name__), class_name)
    return found
