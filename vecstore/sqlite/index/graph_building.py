"""Builds the graph of a collection, or extends the one that there is by what has changed.

The rows are read a portion at a time, and no lock is held meanwhile: what changes is noted as
fresh. The new file is on the disk before the index names it, in one transaction, and only then is
the old one removed. So whatever fails or is killed, there is the old graph or the new one.
"""

import time
from collections.abc import Callable, Collection
from contextlib import suppress
from functools import partial
from pathlib import Path

from ...atomic_files import sync
from ...errors import DatabaseError
from .. import journal, transactions
from ..connection import locks, opening, pragmas, sqlite_errors, turns
from ..connection.database import Database
from ..connection.interrupts import Result
from ..index_names import BESIDE, INSIDE, IndexNames
from . import beside, beside_writing, following, graph_files, graphs, hnsw
from .build_progress import ShowProgress
from .graphs import NotedGraph, Portion
from .hnsw import Graph, GraphError

_PORTION = 2_000
_MOST_BYTES = 16_000_000  # of the vectors of a portion
# Rows that are searched for to measure how far a search must look. With half as many, one graph of
# 30,000 sentences in six would find less than 0.99, with so many one in seventeen.
_SAMPLE = 256
_ROWS_PER_SAMPLED = 16
_LEAST_SAMPLE = 32
_LEAST_PATIENCE = 5.0  # seconds, with who is bringing the index into step
_REACH = 256  # where there are too few to measure it
# What a search finds of the nearest, on average: a little more than is promised, as what is
# searched for may be less like the rows than they are like each other.
_RECALL = 0.992


def build(
    db: Database,
    names: IndexNames,
    collection_id: int,
    *,
    anew: bool = False,
    progress: ShowProgress | None = None,
) -> NotedGraph:
    """Make a graph of a collection as it is now, and have searches use it.

    :param anew: False extends the one that there is, where that is worth it
    :raises DatabaseError: the file or the index cannot be written, or another process has built
      the graph or the index meanwhile; the old graph stays
    """
    try:
        with pragmas.unmapping_file(db.conn), graph_files.making_file(db) as new:
            built = _Build(db, names, collection_id, new, progress).run(anew)
    except (OSError, GraphError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        raise DatabaseError(
            f"{graph_files.path_of(db, '...')} cannot be written ({reason}): see whether its disk "
            "has room and its folder can be written"
        ) from error
    remove_unused(db)
    return built


def remove_all_but(db: Database, collection_ids: Collection[int]) -> None:
    """Remove all graphs but those that some collections have now, of whatever index.

    :raises DatabaseError: the index cannot be written now, or is replaced just now
    """
    schema = _schema(db)
    if schema is not None:
        for names, collection_id, _ in graphs.find_all(db, schema):
            has_entries = graphs.count_entries(db, names, collection_id) > 0
            if collection_id not in collection_ids or not has_entries:
                forget = partial(graphs.forget, names=names, collection_id=collection_id)
                _write(db, names, forget)
    remove_unused(db)


def _schema(db: Database) -> str | None:
    """Return where the index is; None where it is beside, and cannot be read."""
    if not journal.is_there(db):
        return INSIDE
    return BESIDE if beside.attach(db) else None


def remove_unused(db: Database) -> None:
    """Remove the files of graphs that no index names, where they can be removed."""
    if not graph_files.find_files(db):
        return
    with suppress(OSError, db.conn.Error), turns.take_turn(db):
        schema = _schema(db)
        if schema is not None:
            graph_files.remove_all_but(db, partial(graphs.find_tokens, db, schema))
        elif not Path(beside.file_of(db)).exists():
            graph_files.remove_all_but(db, set)


def _write(
    db: Database,
    names: IndexNames,
    write: Callable[[Database], Result],
    least_patience: float = 0.0,
) -> Result:
    """Call a function with a connection that writes to the index, in a transaction.

    :param least_patience: seconds for which another writer is waited for, even if the connection
      waits less
    """
    patience = max(locks.busy_timeout(db.conn), least_patience)
    if names.schema == INSIDE:
        with transactions.writing(db, patience=patience):
            return write(db)
    wait = locks.Wait(patience)
    while True:
        try:
            with beside_writing.writing_index(db) as work:
                return write(work)
        except db.conn.OperationalError as error:
            if not sqlite_errors.is_busy(error) or wait.is_over():
                raise
        wait.sleep()


class _Build:
    """One build of a graph."""

    def __init__(
        self,
        db: Database,
        names: IndexNames,
        collection_id: int,
        new: graph_files.NewFile,
        progress: ShowProgress | None,
    ) -> None:
        self._db = db
        self._names = names
        self._of = (names, collection_id)
        self._new = new
        self._progress = progress
        self._portion = max(min(_PORTION, _MOST_BYTES // (4 * names.dimensions)), 1)
        self._total = 0
        self._done = 0
        self._held_entries: list[int] = []
        self._held_vectors: list[bytes] = []

    def run(self, anew: bool) -> NotedGraph:
        started = time.monotonic()
        self._write(lambda work: graphs.begin(work, *self._of, self._new.token))
        with turns.take_turn(self._db):
            before = graphs.find(self._db, *self._of)
            version = graphs.last_version(self._db, *self._of)
            fresh = graphs.count_fresh(self._db, *self._of)
        graph = None if anew else self._load(before, fresh)
        if graph is None:
            graph = Graph(self._names.dimensions)
            self._add_all(graph)
        else:
            self._total = fresh
            self._add(graph, graphs.read_fresh)
        self._follow_what_was_read()
        reaches = self._measure(graph, before)
        graph.save(self._new.path)
        for path in (self._new.path, self._new.path.parent):  # the name, too
            sync(path)
        size, digest = self._new.path.stat().st_size, graph_files.digest_of(self._new.path)
        noted = NotedGraph(self._new.token, size, digest, len(graph), graph.dead, *reaches)
        # What has taken long is not given up for another's long transaction.
        patience = time.monotonic() - started
        if not self._write(
            lambda work: graphs.put(work, *self._of, self._new.token, noted, version), patience
        ):
            raise DatabaseError(
                f"The graph of {opening.name_of(self._db)} was not put into place, as another "
                "process has built it, or the index, meanwhile"
            )
        return noted

    def _write(self, write: Callable[[Database], Result], least_patience: float = 0.0) -> Result:
        return _write(self._db, self._names, write, least_patience)

    def _follow_what_was_read(self) -> None:
        """Have an index beside follow all changes up to now, which notes them as fresh.

        The vectors that were read may be later than the index: who searches in between must not
        take the entries for unchanged.
        """
        if self._names.schema == INSIDE:
            return
        with turns.take_turn(self._db):
            goal = journal.last_change(self._db)
        wait = locks.Wait(max(locks.busy_timeout(self._db.conn), _LEAST_PATIENCE))
        while goal is not None:
            with turns.take_turn(self._db):
                following.follow(self._db, [self._names.dimensions])
                standing = beside.find_standing(self._db, self._names.dimensions)
            if standing is not None and standing.seq >= goal.seq:
                return
            if wait.is_over():
                raise DatabaseError(
                    f"{beside.file_of(self._db)} cannot be brought into step now, and so no graph "
                    "can be built: try again when no other program uses it"
                )
            wait.sleep()

    def _load(self, noted: NotedGraph | None, fresh: int) -> Graph | None:
        """Return the graph that is to be extended; None where it cannot, or had better be anew."""
        if noted is None or graphs.is_worn(noted, fresh):
            return None
        path = graph_files.path_of(self._db, noted.token)
        try:
            if graph_files.digest_of(path) != noted.digest:
                return None
            return Graph.load_file(path, self._names.dimensions, noted.dead_nodes)
        except (OSError, GraphError):
            return None

    def _add_all(self, graph: Graph) -> None:
        with turns.take_turn(self._db):
            self._total = graphs.count_entries(self._db, *self._of)
        self._add(graph, graphs.read_all)

    def _add(self, graph: Graph, read: graphs.Read) -> None:
        """Add entries to a graph, but some, which are set aside to be searched for."""
        held = min(_SAMPLE, self._total // _ROWS_PER_SAMPLED)
        step = self._total // held if held >= _LEAST_SAMPLE else 0
        after = 0
        while portion := self._read(read, after):
            after = portion.last
            if read is graphs.read_fresh:
                graph.remove([*portion.entries, *portion.gone])
            start, self._done = self._done, self._done + len(portion.entries)
            places = range(-start % step, len(portion.entries), step) if step else range(0)
            self._held_entries += [portion.entries[place] for place in places]
            self._held_vectors += [portion.vectors[place] for place in places]
            kept = sorted(set(range(len(portion.entries))) - set(places))
            graph.add([portion.entries[i] for i in kept], [portion.vectors[i] for i in kept])
            if self._progress:
                self._progress(min(self._done, self._total), self._total)

    def _read(self, read: graphs.Read, after: int) -> Portion | None:
        with turns.take_turn(self._db):
            return read(self._db, *self._of, after, self._portion)

    def _measure(self, graph: Graph, before: NotedGraph | None) -> tuple[int, int]:
        """Return how far a search for ten and for a hundred must look, and add what was set aside.

        It is like what users search for: the graph does not have it.
        """
        if not self._held_vectors or not len(graph):
            return (_REACH, _REACH) if before is None else before[-2:]
        asked = hnsw.quantize(self._held_vectors)
        ten, hundred = (graph.measure_reach(asked, number, _RECALL) for number in (10, 100))
        graph.add(self._held_entries, self._held_vectors)
        return ten, hundred
