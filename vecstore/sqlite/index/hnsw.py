"""An HNSW graph of vectors, by usearch: it proposes which entries are near a vector.

Yu. Malkov, D. Yashunin, Efficient and robust approximate nearest neighbor search using Hierarchical
Navigable Small World graphs (2016). What it proposes is compared in SQL: no score comes from here.

A vector is kept as integers of 8 bits, a quarter of its size. Each is scaled by itself, as only
the angle counts, and what is far off in one coordinate is cut off: so the integers tell finer
differences than those that usearch would make.

usearch and NumPy are an extra, and take a while to import: only what is called here needs them.
"""

import math
import os
from collections.abc import Callable, Sequence
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Quantized = npt.NDArray[np.int8]
    Keys = npt.NDArray[np.uint64]
    Places = npt.NDArray[np.intp]

# Edges of a node, "M"; twice as many in the lowest layer. Why so many: docs/performance.md, "With a
# graph".
_CONNECTIVITY = 24
_OLD_CONNECTIVITY = 16  # of graphs that older versions have made, which stay as they are
_EXPANSION_ADD = 128  # nodes that are looked at for the edges of a new one, "efConstruction"
_DEVIATIONS = 5  # in which a coordinate is kept; those farther off are cut off to that
_MOST = 127
_REACHES = (
    *(64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512),
    *(640, 768, 896, 1024, 1280, 1536, 1792, 2048),
)
_DISTANCE_SLACK = 1e-6
_FEW = 1_000  # nodes that one thread adds
_OWN_REACHES = (12, 128)  # of searches for a node's own vector; the first finds nearly all
_INTERRUPTED = "Operation has been terminated"
_DEAD = 1 << 62  # keys from here on are of nodes that are but a way to others


class Near(NamedTuple):
    """What is near a vector, the nearest first.

    keys: of the nodes
    distances: of these
    farthest: beyond which distance there may be others; infinite if there are none
    """

    keys: list[int]
    distances: list[float]
    farthest: float


class GraphError(Exception):
    """A file is no graph of the kind that is looked for, or cannot be written or read.

    Or usearch, which is installed, cannot be imported.
    """


@cache
def is_installed() -> bool:
    """Return whether graphs can be used."""
    return find_spec("usearch") is not None


def quantize(vectors: Sequence[bytes]) -> "Quantized":
    """Return vectors of float32, none of which is zero, as a matrix of 8-bit integers."""
    import numpy as np

    matrix = np.frombuffer(b"".join(vectors), dtype="<f4").reshape(len(vectors), -1)
    largest = np.abs(matrix).max(axis=1, keepdims=True)
    # Of numbers up to 1: their squares do not overflow.
    deviation = largest * np.sqrt(np.mean((matrix / largest) ** 2, axis=1, keepdims=True))
    scale = np.minimum(largest, _DEVIATIONS * deviation)
    quantized: Quantized = np.clip(np.rint(matrix / scale * _MOST), -_MOST, _MOST).astype(np.int8)
    return quantized


class Graph:
    """A graph in memory, or a file that is mapped into it.

    A key is a positive integer, of one entry. Several threads may search at a time; nothing else
    may be done meanwhile.

    :raises GraphError: usearch cannot be imported
    """

    def __init__(self, dimensions: int, *, has_keys: bool = True) -> None:
        try:
            from usearch.index import Index
        except ImportError as error:  # it is there, and of another system or Python
            raise GraphError(f"usearch cannot be imported: {error}") from error

        self._index = Index(
            ndim=dimensions,
            metric="cos",
            dtype="i8",
            connectivity=_CONNECTIVITY,
            expansion_add=_EXPANSION_ADD,
            expansion_search=1,  # then it looks at as many nodes as it is asked for
            enable_key_lookups=has_keys,  # for keys() and remove(): they take memory, and a while
        )
        self.dimensions = dimensions
        self.dead = 0  # nodes that are found no more

    @classmethod
    def map_file(cls, path: Path, dimensions: int, dead: int, *, has_keys: bool = False) -> "Graph":
        """Return the graph in a file, which is mapped for searches alone.

        :param dead: how many of its nodes are found no more
        :param has_keys: whether it can tell its keys as well
        :raises GraphError: it is none, or of another dimension
        """
        graph = cls(dimensions, has_keys=has_keys)
        graph.dead = dead
        graph._open(graph._index.view, path)
        return graph

    @classmethod
    def load_file(cls, path: Path, dimensions: int, dead: int) -> "Graph":
        """Return the graph in a file, read into memory, to be written: as map_file()."""
        graph = cls(dimensions)
        graph.dead = dead
        graph._open(graph._index.load, path)
        return graph

    def _open(self, read: Any, path: Path) -> None:
        try:
            read(path)
        except (RuntimeError, OSError) as error:
            raise GraphError(f"{path} cannot be read: {error}") from error
        index = self._index
        kind = (index.ndim, index.metric_kind.name, index.dtype.name, index.connectivity)
        known = (_CONNECTIVITY, _OLD_CONNECTIVITY)
        if kind not in [(self.dimensions, "Cos", "I8", edges) for edges in known]:
            raise GraphError(f"{path} is a graph of another kind: {kind}")

    def __len__(self) -> int:
        """Return the number of nodes, with those that are dead."""
        return len(self._index)

    def add(self, keys: Sequence[int], vectors: Sequence[bytes]) -> None:
        """Add nodes, many with a thread for each processor; keys must be new."""
        import numpy as np

        if not keys:
            return
        matrix, array = quantize(vectors), np.asarray(keys, dtype=np.uint64)
        if len(keys) < _FEW:
            _interruptible(self._index.add, array, matrix, threads=1)
            return
        _interruptible(self._index.add, array, matrix, threads=_threads())
        lost = self._find_lost(array, matrix)
        if len(lost):
            self.remove(array[lost].tolist())
            _interruptible(self._index.add, array[lost], matrix[lost], threads=1)

    def _find_lost(self, keys: "Keys", vectors: "Quantized") -> "Places":
        """Return the places of nodes that a search for their own vectors does not find.

        In usearch 2.26, where a thread has to wait in the midst of adding a node, some of those
        that another adds meanwhile get no way to them: of 5,000 by two threads, on two busy
        processors, some 30 nodes about once in 40 times.
        """
        import numpy as np

        lost = np.arange(len(keys))
        for reach in _OWN_REACHES:
            found = _interruptible(self._index.search, vectors[lost], reach, threads=_threads())
            near, distances = np.atleast_2d(found.keys), np.atleast_2d(found.distances)
            is_found = (near == keys[lost, None]).any(axis=1)
            # Of many equal vectors one is as good as another.
            is_found |= distances[:, 0] <= _DISTANCE_SLACK
            lost = lost[~is_found]
            if not len(lost):
                break
        return lost

    def remove(self, keys: Sequence[int]) -> None:
        """Have the nodes of these keys, where there are any, not be found any more.

        They stay as ways to others.
        """
        import numpy as np

        array = np.asarray(keys, dtype=np.uint64)
        for key in array[self._index.contains(array)].tolist() if keys else ():
            self._index.rename(key, _DEAD + self.dead)
            self.dead += 1

    def keys(self) -> set[int]:
        """Return the keys that can be found."""
        found: list[int] = self._index.keys[:].tolist()
        return {key for key in found if key < _DEAD}

    def search(self, vector: "Quantized", reach: int) -> Near:
        """Return the nodes that are nearest to a vector, the nearest first.

        :param vector: one row of what quantize() returns
        :param reach: how many nodes to look at, "ef", and at most how many keys
        """
        found = _interruptible(self._index.search, vector, reach, threads=1)
        keys: list[int] = found.keys.tolist()
        distances: list[float] = found.distances.tolist()
        farthest = math.inf if len(keys) < reach else distances[-1]
        if self.dead:
            alive = [place for place, key in enumerate(keys) if key < _DEAD]
            keys, distances = [keys[i] for i in alive], [distances[i] for i in alive]
        return Near(keys, distances, farthest)

    def measure_reach(self, vectors: "Quantized", number: int, recall: float) -> int:
        """Return how far a search must look to find so many of the nearest, on average.

        :param vectors: what to search for, which the graph does not have
        :param recall: how many of them, from 0 to 1. Others as near as the last count as well
        """
        import numpy as np

        size: int = self._index.size
        number = min(number, size)
        search = partial(_interruptible, self._index.search, vectors, threads=_threads())
        exact = search(number, exact=True).distances
        farthest = np.atleast_2d(exact)[:, number - 1 : number] + _DISTANCE_SLACK
        for reach in dict.fromkeys(min(max(reach, number), size) for reach in _REACHES):
            found = search(reach).distances
            if np.mean(np.atleast_2d(found)[:, :number] <= farthest) >= recall:
                break
        return reach

    def save(self, path: Path) -> None:
        """Write the graph into a file that is there. Raises GraphError if that fails."""
        try:
            self._index.save(path)
        except (RuntimeError, OSError) as error:
            raise GraphError(str(error)) from error


def _interruptible(function: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """Call usearch, which ends where ^C is pressed, and raises an error of its own instead."""
    try:
        return function(*args, **options)
    except RuntimeError as error:
        if _INTERRUPTED in str(error):
            raise KeyboardInterrupt from error
        raise


def _threads() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
