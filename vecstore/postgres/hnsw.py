"""HNSW indexes of pgvector, which propose what is near: one for a collection and a dimension.

Partial ones of the one table, of vectors of half the size, which are normalized so that none is too
large for that; above 4,000 dimensions, of bits. A search compares exactly what they propose.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from concurrent.futures import TimeoutError as StillBuilding
from contextlib import contextmanager, suppress
from typing import NamedTuple

from ..errors import (
    DatabaseBusyError,
    DatabaseError,
    DatabaseReadOnlyError,
    DiskFullError,
    InvalidInputError,
)
from ..rows import CollectionRow
from ..values import quote
from . import catalog
from .connection import PostgresDatabase

# Called with the phase as pg_stat_progress_create_index has it, and with how much of it is done, of
# how much. Where PostgreSQL does not know how much there is to do, that is 0.
BuildProgress = Callable[[str, int, int], object]

# Measured on 100,000 x 384: with 24 edges, a search that looks at as many nodes takes about as
# long, and misses twice as many of the nearest ten or more; the index is a tenth smaller.
_EDGES = 32
_CANDIDATES_OF_BUILD = 200

_MOST_HALF_DIMENSIONS = 4_000  # that pgvector has an index of
_LOCK_KEY = "730301461, hashoid(to_regclass('embeddings'))"  # of whoever builds an index
_WAIT_SECONDS = 0.2  # between looks at what others do
_DROP_LOCK_MS = 2_000
_MB = 1024 * 1024
# A build whose graph does not fit is many times slower. Not more than this, as an index is of no
# use either on a server that has no such memory for it; a server whose setting is higher knows why.
_MOST_BUILD_BYTES = 2048 * _MB
_NODE_BYTES = 1500  # of a graph that is built: 2 * 32 edges of 16 bytes, those above, and its id
_NAME = "vecstore_hnsw_"


class HnswIndex(NamedTuple):
    """An index of the vectors of one dimension in a collection.

    collection: its name
    is_valid: whether it is used. Of a build that was ended, or that goes on, it is not
    """

    name: str
    collection: str
    dimensions: int
    is_valid: bool
    bytes: int


def index_name(collection_id: int, dimensions: int) -> str:
    """Return the name of the index of a collection's vectors of a dimension."""
    return f"{_NAME}{collection_id}_{dimensions}"


def uses_bits(dimensions: int) -> bool:
    """Return whether an index of this dimension is of bits, one a number."""
    return dimensions > _MOST_HALF_DIMENSIONS


def indexed_sql(vector: str, dimensions: int) -> str:
    """Return the SQL of what the index of a dimension has of a vector."""
    if uses_bits(dimensions):
        return f"(binary_quantize({vector})::bit({dimensions}))"
    return f"(l2_normalize({vector})::halfvec({dimensions}))"


def distance_operator(dimensions: int) -> str:
    """Return the operator whose order is that of the index of a dimension."""
    return "<~>" if uses_bits(dimensions) else "<=>"


def has_index(db: PostgresDatabase, collection_id: int, dimensions: int) -> bool:
    """Return whether there is an index that a search can use."""
    rows = db.rows(
        """
        select indisvalid
        from pg_index
        join pg_class on pg_class.oid = indexrelid
        where indrelid = to_regclass('embeddings')
          and relname = %s
        """,
        [index_name(collection_id, dimensions)],
    )
    return rows == [(True,)]


def list_indexes(db: PostgresDatabase) -> list[HnswIndex]:
    """Return the indexes of all collections, by collection and dimension."""
    rows = db.rows(
        f"""
        select relname, name, split_part(relname, '_', 4)::int, indisvalid,
          pg_relation_size(indexrelid)
        from pg_index
        join pg_class on pg_class.oid = indexrelid
        join collections on collections.id = split_part(relname, '_', 3)::bigint
        where indrelid = to_regclass('embeddings')
          and relname ~ '^{_NAME}[0-9]+_[0-9]+$'
        order by name, 3
        """
    )
    return [HnswIndex(*row) for row in rows]


def build(
    db: PostgresDatabase, collection: CollectionRow, progress: BuildProgress | None = None
) -> HnswIndex:
    """Build the index of a collection, unless it has one, and return it.

    Others read and write meanwhile; what they write gets into it, then and later. Where vectors
    have several dimensions, each gets an index, and that of the most vectors is returned. If it is
    ended, there may be an index that is not valid, which the next build replaces.

    :param progress: is called in this thread from time to time; what it raises ends the build
    :raises InvalidInputError: the collection has no vectors
    :raises DatabaseError: a transaction is open, or it cannot be written
    :raises DoesNotExist: the collection is not the one that it was
    """
    if db.has_transaction():
        raise DatabaseError(
            f"The index of the collection {quote(collection.name)} cannot be built in a "
            "transaction: commit it first"
        )
    counts = _count_dimensions(db, collection)
    catalog.require_unchanged(db, collection)
    if not counts:
        raise InvalidInputError(
            f"The collection {quote(collection.name)} has no vectors: build its index after a load"
        )
    with building_alone(db):
        _drop(db, _names_of_gone(db))
        for dimensions, rows in counts.items():
            _build(db, collection.id, dimensions, rows, progress)
        db.run("ANALYZE embeddings")
    name = index_name(collection.id, next(iter(counts)))
    for index in list_indexes(db):
        if index.name == name:
            return index
    catalog.require_unchanged(db, collection)
    raise DatabaseError(f"The index {name} of {db.shown} was dropped meanwhile: build it again")


def inherit(db: PostgresDatabase, old: CollectionRow, new: CollectionRow) -> None:
    """Build the index of a collection, if another has one and it has vectors."""
    if _names_of_collection(db, old) and _count_dimensions(db, new):
        build(db, new)


def _count_dimensions(db: PostgresDatabase, collection: CollectionRow) -> dict[int, int]:
    """Return how many vectors a collection has of each dimension, the most first."""
    return dict(
        db.rows(
            """
            select vector_dims(embedding) as dimensions, count(*) as number
            from embeddings
            where collection_id = %s
              and embedding is not null
            group by dimensions
            order by number desc, dimensions
            """,
            [collection.id],
        )
    )


def _build(
    db: PostgresDatabase,
    collection_id: int,
    dimensions: int,
    rows: int,
    progress: BuildProgress | None,
) -> None:
    if progress is None:
        _create(db, collection_id, dimensions, rows)
        return
    with ThreadPoolExecutor(1) as threads:
        pid = threads.submit(lambda: db.connection().info.backend_pid).result()
        built = threads.submit(_create, db, collection_id, dimensions, rows)
        try:
            _show_progress(db, pid, built, progress)
        finally:
            while not built.done():  # ^C, or an error of the function's
                db.rows("select pg_cancel_backend(%s)", [pid])
                wait([built], _WAIT_SECONDS)
            threads.submit(db.close)


def _show_progress(
    db: PostgresDatabase, pid: int, built: "Future[None]", progress: BuildProgress
) -> None:
    while True:
        with suppress(StillBuilding):
            built.result(_WAIT_SECONDS)
            return
        for phase, *numbers in db.rows(
            """
            select phase, blocks_done, blocks_total, tuples_done, tuples_total
            from pg_stat_progress_create_index
            where pid = %s
            """,
            [pid],
        ):
            blocks, all_blocks, tuples, all_tuples = (number or 0 for number in numbers)
            if all_blocks:
                progress(phase, blocks, all_blocks)
            else:
                progress(phase, tuples, all_tuples)


def _create(db: PostgresDatabase, collection_id: int, dimensions: int, rows: int) -> None:
    """Create an index, unless there is one that is valid, by this thread's connection."""
    if has_index(db, collection_id, dimensions):
        return
    name, sql = index_name(collection_id, dimensions), _create_sql(collection_id, dimensions)
    _drop(db, _names_of(db, "relname = %s", [name]))
    with _having_memory(db, rows * (2 * dimensions + _NODE_BYTES)):
        try:
            db.run(sql)
        except DiskFullError:
            # Processes that build together share memory, of which a container may have little.
            _drop(db, _names_of(db, "relname = %s", [name]))
            db.run("SET max_parallel_maintenance_workers = 0")
            db.run(sql)


def _create_sql(collection_id: int, dimensions: int) -> str:
    operators = "bit_hamming_ops" if uses_bits(dimensions) else "halfvec_cosine_ops"
    return f"""
        CREATE INDEX CONCURRENTLY IF NOT EXISTS {index_name(collection_id, dimensions)}
        ON embeddings
        USING hnsw ({indexed_sql("embedding", dimensions)} {operators})
        WITH (m = {_EDGES}, ef_construction = {_CANDIDATES_OF_BUILD})
        WHERE collection_id = {collection_id} AND vector_dims(embedding) = {dimensions}
        """


@contextmanager
def building_alone(db: PostgresDatabase) -> Iterator[None]:
    """Give a block that builds or drops indexes of `embeddings` CONCURRENTLY, one at a time.

    Such a statement waits for all others that have a snapshot, and one that waits for its lock on
    the table has one: two would be a deadlock. Nor is this waited for in a statement.
    """
    while not _may_build(db):
        time.sleep(_WAIT_SECONDS)
    try:
        yield
    finally:
        with suppress(DatabaseError):  # a connection that is lost has no locks
            db.rows(f"select pg_advisory_unlock({_LOCK_KEY})")


def _may_build(db: PostgresDatabase) -> bool:
    return bool(db.rows(f"select pg_try_advisory_lock({_LOCK_KEY})")[0][0])


@contextmanager
def _having_memory(db: PostgresDatabase, wanted: int) -> Iterator[None]:
    """Give a block whose statements may use so much memory to build an index, or what is set."""
    megabytes = min(wanted, _MOST_BUILD_BYTES) // _MB + 1
    db.rows(
        """
        select set_config('maintenance_work_mem', %s, false)
        from pg_settings
        where name = 'maintenance_work_mem'
          and setting::bigint < 1024 * %s
        """,
        [f"{megabytes}MB", megabytes],
    )
    try:
        yield
    finally:
        with suppress(DatabaseError):
            db.run("RESET maintenance_work_mem")
            db.run("RESET max_parallel_maintenance_workers")


def drop(db: PostgresDatabase, collection: CollectionRow) -> bool:
    """Drop the indexes of a collection; return whether there were any.

    :raises DatabaseError: a transaction is open, or it cannot be written
    """
    if db.has_transaction():
        raise DatabaseError(
            f"The index of the collection {quote(collection.name)} cannot be dropped in a "
            "transaction: commit it first"
        )
    catalog.require_unchanged(db, collection)
    with building_alone(db):
        names = _names_of_collection(db, collection)
        _drop(db, names)
    return bool(names)


def drop_unused(db: PostgresDatabase) -> None:
    """Drop the indexes of collections that are gone, unless others keep that waiting.

    They are empty, and do no harm: the next build of any index drops them too. A user who may write
    rows, and does not own the tables, leaves them to that.
    """
    if db.has_transaction() or not _names_of_gone(db) or not _may_build(db):
        return
    try:
        db.run(f"SET lock_timeout = {_DROP_LOCK_MS}")
        with suppress(DatabaseBusyError, DatabaseReadOnlyError):
            _drop(db, _names_of_gone(db))
    finally:
        with suppress(DatabaseError):
            db.run("RESET lock_timeout")
            db.rows(f"select pg_advisory_unlock({_LOCK_KEY})")


def _names_of_collection(db: PostgresDatabase, collection: CollectionRow) -> list[str]:
    return _names_of(db, "split_part(relname, '_', 3) = %s", [str(collection.id)])


def _names_of_gone(db: PostgresDatabase) -> list[str]:
    return _names_of(
        db,
        """
        not exists (
          select 1
          from collections
          where id = split_part(relname, '_', 3)::bigint
        )
        """,
    )


def _names_of(db: PostgresDatabase, condition: str, args: list[str] | None = None) -> list[str]:
    """Return the names of indexes, with their schema where the search path leads to others."""
    rows = db.rows(
        f"""
        select indexrelid::regclass::text
        from pg_index
        join pg_class on pg_class.oid = indexrelid
        where indrelid = to_regclass('embeddings')
          and relname ~ '^{_NAME}[0-9]+_[0-9]+$'
          and {condition}
        order by relname
        """,
        args or [],
    )
    return [name for (name,) in rows]


def _drop(db: PostgresDatabase, names: list[str]) -> None:
    for name in names:
        db.run(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
