"""What the index of a dimension says of the graphs of collections, and of what is fresh since.

A graph is a file that never changes. For each collection with one, vec_embeddings_D_graphs has:

    token                   tells the file, which has it in its name; NULL while the first is built
    building                is given to each build, of which the last to begin is what counts
    bytes, digest           of the file
    nodes, dead_nodes       how many it has, and of entries that have changed since
    reach_of_ten, reach_of_hundred
                            how far a search for so many looks, as was measured on some rows

Where there is such a row, each entry that changes is noted in vec_embeddings_D_fresh, with a
version that goes up: what a graph proposes of them is of no use. What changes while a graph is
built is fresh when that is done.

That a collection is to have a graph is written in the file itself, in the table vecstore_graphs: it
outlives the index.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

from ..connection.database import Database
from ..index_names import IndexNames, dimensions_in_name, index_names, without_schema
from . import tables

WANTED = "vecstore_graphs"
_FRESH_TO_EXTEND = 0.1  # of the nodes
_DEAD_TO_REBUILD = 0.3


class NotedGraph(NamedTuple):
    """The file of a graph, and what is in it."""

    token: str
    bytes: int
    digest: str
    nodes: int
    dead_nodes: int
    reach_of_ten: int
    reach_of_hundred: int

    def reach(self, number: int) -> int:
        """Return how far a search for so many must look."""
        growth = math.log10(self.reach_of_hundred / self.reach_of_ten)
        reach = self.reach_of_ten * math.pow(max(number, 10) / 10, growth)
        return max(round(reach), number + number // 2)


class Standing(NamedTuple):
    """How a graph, and what is fresh since it was made, stand at one moment.

    token: of the graph; None if there is none
    newest: the version of the last change; 0 if there was none
    last_added: of the versions up to one that was asked for, the last; 0 if there is none
    unadded: how many come after it, counted up to a limit
    """

    token: str | None
    newest: int
    last_added: int
    unadded: int


class Portion(NamedTuple):
    """Some entries, with their vectors, and the last that was looked at."""

    entries: list[int]
    vectors: list[bytes]
    gone: list[int]
    last: int


# Reads the next entries after one, so many at most; None if there are no more.
Read = Callable[[Database, IndexNames, int, int, int], Portion | None]

_COLUMNS = ", ".join(NotedGraph._fields)


def find(db: Database, names: IndexNames, collection_id: int) -> NotedGraph | None:
    """Return the graph of a collection that can be searched."""
    row = db.execute(
        f"""
        select {_COLUMNS}
        from {names.graphs}
        where collection_id = ?
          and token is not null
        """,
        [collection_id],
    ).fetchone()
    return None if row is None else NotedGraph(*row)


def find_all(db: Database, schema: str) -> list[tuple[IndexNames, int, str | None]]:
    """Return the indexes, collections and tokens of all graphs, also of those being built."""
    tables = db.execute(f"select name from {schema}.sqlite_master where type = 'table'").fetchall()
    found: list[tuple[IndexNames, int, str | None]] = []
    for d in sorted({*filter(None, (dimensions_in_name(name) for (name,) in tables))}):
        names = index_names(d, schema)
        if (without_schema(names.graphs),) in tables:
            rows = db.execute(f"select collection_id, token from {names.graphs}").fetchall()
            found += [(names, id, token) for id, token in rows]
    return found


def find_tokens(db: Database, schema: str) -> set[str]:
    """Return which files the graphs of all indexes are, inside a file or beside it."""
    return {token for _, _, token in find_all(db, schema) if token is not None}


def find_standing(
    db: Database, names: IndexNames, collection_id: int, added: int, limit: int
) -> Standing:
    """Return how the graph of a collection stands, given the version up to which one has come."""
    return Standing(
        *db.execute(
            f"""
            select {standing_sql(names, "?1", "?2")}, (
              select count(*)
              from (
                select 1
                from {names.fresh}
                where collection_id = ?1
                  and version > ?2
                limit ?3
              )
            )
            """,
            [collection_id, added, limit],
        ).fetchone()
    )


def standing_sql(names: IndexNames, collection_id: str, added: str) -> str:
    """Return the SQL of the first three columns of a Standing."""
    return f"""(
              select token
              from {names.graphs}
              where collection_id = {collection_id}
            ), (
              select coalesce(max(version), 0)
              from {names.fresh}
              where collection_id = {collection_id}
            ), (
              select coalesce(max(version), 0)
              from {names.fresh}
              where collection_id = {collection_id}
                and version <= {added}
            )"""


def begin(db: Database, names: IndexNames, collection_id: int, building: str) -> None:
    """Note that a graph is being built. From then on, what changes is noted."""
    db.execute(
        f"""
        insert into {names.graphs} (collection_id, building)
        values (?, ?)
        on conflict (collection_id) do update set building = excluded.building
        """,
        [collection_id, building],
    )


def put(
    db: Database,
    names: IndexNames,
    collection_id: int,
    building: str,
    graph: NotedGraph,
    version: int,
) -> bool:
    """Have a graph take the place of the one before.

    Return False, and change nothing, where another build has begun meanwhile, or the index is
    another.

    :param version: up to which it has what had changed
    """
    values = ", ".join(f"{name} = ?" for name in NotedGraph._fields)
    changed = db.conn.execute(
        f"""
        update {names.graphs}
        set building = null, {values}
        where collection_id = ?
          and building = ?
        """,
        [*graph, collection_id, building],
    ).rowcount
    if changed:
        db.execute(
            f"delete from {names.fresh} where collection_id = ? and version <= ?",
            [collection_id, version],
        )
    return bool(changed)


def forget(db: Database, names: IndexNames, collection_id: int) -> None:
    """Remove what is noted of the graph of a collection."""
    for table in (names.graphs, names.fresh):
        db.execute(f"delete from {table} where collection_id = ?", [collection_id])


def count_fresh(db: Database, names: IndexNames, collection_id: int) -> int:
    """Return how many entries have changed since the graph of a collection was made."""
    [number] = db.execute(
        f"select count(*) from {names.fresh} where collection_id = ?", [collection_id]
    ).fetchone()
    return int(number)


def count_entries(db: Database, names: IndexNames, collection_id: int) -> int:
    """Return how many entries a collection has in the index."""
    [number] = db.execute(
        f"select count(*) from {names.ids} where collection_id = ?", [collection_id]
    ).fetchone()
    return int(number)


def last_version(db: Database, names: IndexNames, collection_id: int) -> int:
    """Return the version of the last change; 0 if there is none."""
    [version] = db.execute(
        f"select max(version) from {names.fresh} where collection_id = ?", [collection_id]
    ).fetchone()
    return int(version or 0)


def needs_extension(db: Database, names: IndexNames, collection_id: int, graph: NotedGraph) -> bool:
    """Return whether so many entries of a collection are fresh that it is time."""
    fresh = count_fresh(db, names, collection_id)
    return fresh > _FRESH_TO_EXTEND * (graph.nodes - graph.dead_nodes)


def is_worn(graph: NotedGraph, fresh: int) -> bool:
    """Return whether so many nodes would be dead, once what is fresh is added, that all is anew."""
    return graph.dead_nodes + fresh > _DEAD_TO_REBUILD * (graph.nodes + fresh)


def read_all(
    db: Database, names: IndexNames, collection_id: int, after: int, limit: int
) -> Portion | None:
    """Return the next entries of a collection; None if there are no more."""
    return _read(
        db,
        f"""
        select ids.rowid, {_vector_sql(names)}
        from {names.ids} as ids
        {_ROW_JOIN}
        where +ids.collection_id = ?
          and ids.rowid > ?
        order by ids.rowid
        limit ?
        """,
        [collection_id, after, limit],
    )


def read_fresh(
    db: Database, names: IndexNames, collection_id: int, after: int, limit: int
) -> Portion | None:
    """Return the next of the entries that have changed; None if there are no more."""
    return _read_changed(db, names, "entry", [collection_id, after, limit])


def read_versions(
    db: Database, names: IndexNames, collection_id: int, after: int, limit: int
) -> Portion | None:
    """Return the next of what has changed by their versions, which stand for the entries."""
    return _read_changed(db, names, "version", [collection_id, after, limit])


def _read_changed(db: Database, names: IndexNames, column: str, args: list[int]) -> Portion | None:
    return _read(
        db,
        f"""
        select fresh.{column}, {_vector_sql(names)}
        from {names.fresh} as fresh
        left join {names.ids} as ids
          on ids.rowid = fresh.entry
          and ids.collection_id = fresh.collection_id
        {_ROW_JOIN}
        where fresh.collection_id = ?
          and fresh.{column} > ?
        order by fresh.{column}
        limit ?
        """,
        args,
    )


def read_entries(db: Database, names: IndexNames, collection_id: int) -> tuple[set[int], set[int]]:
    """Return the entries that have not changed since the graph was made, and those that have."""
    rows = db.execute(
        f"""
        select entry, 1
        from {names.fresh}
        where collection_id = ?1
        union all
        select rowid, 0
        from {names.ids}
        where collection_id = ?1
        """,
        [collection_id],
    ).fetchall()
    fresh = {entry for entry, is_fresh in rows if is_fresh}
    return {entry for entry, _ in rows} - fresh, fresh


def read_sample(
    db: Database, names: IndexNames, collection_id: int, number: int
) -> list[tuple[str, bytes]]:
    """Return the ids and vectors of some entries, from all over a collection."""
    return db.execute(
        f"""
        select ids.id, {_vector_sql(names)} as vector
        from (
          select ids.rowid as entry
          from {names.ids} as ids
          where collection_id = ?1
            and ids.rowid % max(1, (
              select count(*) / ?2
              from {names.ids}
              where collection_id = ?1
            )) = 0
          limit ?2
        )
        join {names.ids} as ids on ids.rowid = entry
        {_ROW_JOIN}
        where vector is not null
        """,
        [collection_id, number],
    ).fetchall()


_ROW_JOIN = """left join embeddings
          on embeddings.collection_id = ids.collection_id
          and embeddings.id = ids.id"""


def _vector_sql(names: IndexNames) -> str:
    # In an index that follows, a row may be gone, or another, whose change comes later.
    return f"""case
          when {tables.comparable_sql("embeddings", names.dimensions)}
          then embeddings.embedding
        end"""


def _read(db: Database, sql: str, args: list[int]) -> Portion | None:
    rows = db.execute(sql, args).fetchall()
    if not rows:
        return None
    there = [row for row in rows if row[1] is not None]
    return Portion(
        [entry for entry, _ in there],
        [vector for _, vector in there],
        [entry for entry, vector in rows if vector is None],
        rows[-1][0],
    )


def want(db: Database, collection_id: int) -> None:
    """Note in the file that a collection is to have a graph."""
    db.execute(f"CREATE TABLE IF NOT EXISTS {WANTED} (collection_id INTEGER PRIMARY KEY)")
    db.execute(f"insert or ignore into {WANTED} (collection_id) values (?)", [collection_id])


def unwant(db: Database, collection_id: int) -> None:
    """Note that it is to have none."""
    if has_wanted(db):
        db.execute(f"delete from {WANTED} where collection_id = ?", [collection_id])


def is_wanted_empty(db: Database) -> bool:
    """Return whether there is the table of those that are to have one, and nothing in it."""
    return has_wanted(db) and not wanted(db)


def drop_wanted(db: Database) -> None:
    """Remove that table, which SQLite does not do while anybody reads by the connection."""
    db.execute(f"DROP TABLE {WANTED}")


def wanted(db: Database) -> list[int]:
    """Return the collections that are to have a graph."""
    if not has_wanted(db):
        return []
    found = db.execute(f"select collection_id from main.{WANTED} order by 1")
    return [id for (id,) in found.fetchall()]


def has_wanted(db: Database) -> bool:
    """Return whether any collection of a file is to have a graph."""
    sql = "select sql from sqlite_master where type = 'table' and name = ?"
    row = db.execute(sql, [WANTED]).fetchone()
    return row is not None and "collection_id" in row[0]
