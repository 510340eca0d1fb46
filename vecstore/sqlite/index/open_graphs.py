"""The graphs that this process has open: files that are mapped, and what is fresh beside each.

All connections and threads share them. What is fresh since a graph was made is added to a second
one, in memory, a little in each search. Its keys are versions: of an entry that has changed once
more the older is in no table any more, so that what is proposed of it is of no use.
"""

import os
import sys
import threading
import time
from bisect import bisect_left
from collections import OrderedDict
from pathlib import Path
from typing import NamedTuple

from ...process_lock import ProcessLock
from ..connection import filenames
from ..connection.database import Database
from ..index_names import IndexNames
from . import graph_files, graphs, hnsw
from .graphs import NotedGraph, Standing
from .hnsw import Graph, GraphError, Near

_MOST_OPEN = 16
_SECONDS_TO_ADD = 0.03  # what is fresh, in one search
_FRESH_PORTION = 100
_MOST_UNADDED = 100  # that are compared each time
_DISAGREEMENTS_TO_START_ANEW = 3
_VERSIONS_A_FRESH = 2  # of what is fresh, in memory
_LEAST_VERSIONS = 1_000

_Key = tuple[str, int, int]  # the file of the table, dimensions, collection


class Proposals(NamedTuple):
    """What a graph proposes, the nearest first, as far as nothing else can be as near.

    candidates: entries of the file, and versions of what is fresh, which are negative
    added: the version up to which that was added; 0 if none was
    known: all versions that were
    """

    candidates: list[int]
    added: int
    known: list[int]


class OpenGraph:
    """A graph that is mapped, and what is fresh since it was made."""

    def __init__(self, noted: NotedGraph, graph: Graph) -> None:
        self.noted = noted
        self._graph = graph
        self._lock = threading.Lock()  # of the second graph
        self._fresh: Graph
        self._versions: list[int]  # that were added, or are of entries that are gone
        self._disagreements = 0  # with one search after another
        self._start_anew()

    def _start_anew(self) -> None:
        self._fresh, self._versions = Graph(self._graph.dimensions), []
        self._seen = 0  # the last version of the state that was read to add some
        self._most_versions = 0  # that are added before those that are fresh are counted

    def is_in_step(self, standing: Standing) -> bool:
        """Return whether so few are left that are fresh that they can be compared."""
        if not self.agrees_with(standing):
            return False
        self._disagreements = 0
        return standing.unadded <= _MOST_UNADDED

    def bring_into_step(
        self, db: Database, names: IndexNames, collection_id: int, standing: Standing
    ) -> bool:
        """Add some of what is fresh; return whether it is in step then.

        Nothing is added inside a transaction, which may be undone.
        """
        with self._lock:
            if db.conn.in_transaction:
                return False
            if not self.agrees_with(standing):
                # Of an older state than that of another thread, or of a copy that was restored.
                self._disagreements += 1
                if self._disagreements < _DISAGREEMENTS_TO_START_ANEW:
                    return False
                self._start_anew()
            try:
                return self._add(db, names, collection_id)
            except BaseException:  # ^C too: it may have been added, and not noted
                self._start_anew()
                raise

    def _add(self, db: Database, names: IndexNames, collection_id: int) -> bool:
        ends = time.monotonic() + _SECONDS_TO_ADD
        while True:
            standing = graphs.find_standing(db, names, collection_id, self.added, _MOST_UNADDED + 1)
            if self.is_in_step(standing):
                return True
            if time.monotonic() > ends:
                return False
            if len(self._versions) > self._most_versions:
                self._forget_old(graphs.count_fresh(db, names, collection_id))
            portion = graphs.read_versions(db, names, collection_id, self.added, _FRESH_PORTION)
            if portion is None:
                return False
            self._seen = standing.newest
            self._fresh.add(portion.entries, portion.vectors)
            self._versions += sorted([*portion.entries, *portion.gone])

    def _forget_old(self, fresh: int) -> None:
        """Start anew where most that was added has changed once more: it only takes memory."""
        most = _VERSIONS_A_FRESH * fresh + _LEAST_VERSIONS
        if len(self._versions) > most:
            self._start_anew()
        self._most_versions = most

    @property
    def added(self) -> int:
        """The version up to which what is fresh was added."""
        return self._versions[-1] if self._versions else 0

    def agrees_with(self, standing: Standing) -> bool:
        """Return whether what was added is of the state that a statement has read.

        That may be an older one, in which others were fresh, or of a copy that was restored.
        """
        if standing.token != self.noted.token or standing.newest < self._seen:
            return False
        place = bisect_left(self._versions, standing.last_added)
        is_known = self._versions[place : place + 1] == [standing.last_added]
        return is_known or not standing.last_added

    def has_proposed(self, proposals: Proposals, standing: Standing) -> bool:
        """Return whether what was proposed is of the state that a statement has read."""
        return proposals.known is self._versions and self.agrees_with(standing)

    def propose(self, vector: bytes, reach: int) -> Proposals:
        """Return what is near a vector.

        :param reach: how many nodes are looked at, of the file and of what is fresh
        """
        asked = hnsw.quantize([vector])[0]
        with self._lock:
            added, known = self.added, self._versions
            fresh = self._fresh.search(asked, reach) if len(self._fresh) else None
        near = self._graph.search(asked, reach)
        return Proposals(_merge(near, fresh) if fresh else near.keys, added, known)


def _merge(near: Near, fresh: Near) -> list[int]:
    """Return the candidates of both, by their distances, as far as both have all."""
    farthest = min(near.farthest, fresh.farthest)
    merged = [
        *zip(near.distances, near.keys, strict=True),
        *((distance, -version) for distance, version in zip(*fresh[1::-1], strict=True)),
    ]
    return [candidate for distance, candidate in sorted(merged) if distance <= farthest]


_lock = ProcessLock()
_open: OrderedDict[_Key, OpenGraph | None] = OrderedDict()
_inherited: list[object] = []
_unusable: set[tuple[Path, int, int]] = set()  # with their inodes and times of change


def _begin_anew() -> None:
    """In a child that was just forked, keep what another thread may have been adding to, unused."""
    global _open
    _inherited.append(_open)
    _open = OrderedDict()


os.register_at_fork(after_in_child=_begin_anew)


def find(
    db: Database, names: IndexNames, collection_id: int, *, may_add: bool = True
) -> OpenGraph | None:
    """Return the graph of a collection, with all that is fresh but a few; None if there is none.

    None, too, where the extra is not installed, the file is gone or not the one that was noted,
    and for the first search of a process: to import usearch takes longer than that.

    :param may_add: whether the index equals the table at this moment: else what is fresh would be
      added with vectors of a later one
    """
    key = (filenames.main_file(db.conn), names.dimensions, collection_id)
    known = _open.get(key)
    added = known.added if known else 0
    standing = graphs.find_standing(db, names, collection_id, added, _MOST_UNADDED + 1)
    if standing.token is None or not hnsw.is_installed():
        return None
    if known is None or known.noted.token != standing.token:
        known = _open_file(db, names, collection_id, key)
        if known is None:
            return None
        standing = graphs.find_standing(db, names, collection_id, 0, _MOST_UNADDED + 1)
    if known.is_in_step(standing):
        return known
    if may_add and known.bring_into_step(db, names, collection_id, standing):
        return known
    return None


def _open_file(db: Database, names: IndexNames, collection_id: int, key: _Key) -> OpenGraph | None:
    with _lock.held():
        is_first = key not in _open
        noted = graphs.find(db, names, collection_id)
        if noted is None:
            return None
        if is_first and "usearch" not in sys.modules:
            _open[key] = None
            return None
        path = graph_files.path_of(db, noted.token)
        graph = _map_file(path, names.dimensions, noted)
        if graph is None:
            return None
        _open[key] = opened = OpenGraph(noted, graph)
        _open.move_to_end(key)
        if len(_open) > _MOST_OPEN:
            _open.popitem(last=False)
        return opened


def _map_file(path: Path, dimensions: int, noted: NotedGraph) -> Graph | None:
    """Return the graph in a file that is as it was made, which is looked at once.

    To search in another might end the process.
    """
    try:
        status = path.stat()
    except OSError:
        return None
    identity = (path, status.st_ino, status.st_ctime_ns)
    if identity in _unusable:
        return None
    try:
        if status.st_size == noted.bytes and graph_files.digest_of(path) == noted.digest:
            return Graph.map_file(path, dimensions, noted.dead_nodes)
    except (OSError, GraphError, ImportError):  # NumPy's, too
        pass
    _unusable.add(identity)
    return None
