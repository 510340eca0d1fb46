"""The tables of a database on many machines, by Citus: the entries spread by id, the rest copied.

https://docs.citusdata.com/en/stable/develop/api_udf.html has the functions. Each row of an entry
lies on the node that the hash of its id says. Small tables lie on all of them, where a shard can be
joined with them and its foreign keys be looked up.
"""

import re
from typing import NamedTuple

from ..errors import DatabaseError, ExtensionError
from . import schema
from .connection import PostgresDatabase

# The first that makes a reference table of one with an identity column, in whatever order the
# tables that refer to each other are distributed.
_OLDEST_CITUS = (12, 1)
_ENTRIES = "embeddings"
_BY = "id"


class DistributedTable(NamedTuple):
    """A table of vecstore's on many machines.

    is_spread: whether its rows are spread by id, rather than copied to all nodes
    is_new: whether it became so now
    """

    name: str
    is_spread: bool
    is_new: bool


def distribute(db: PostgresDatabase) -> list[DistributedTable]:
    """Have Citus spread the entries over its nodes, and copy the small tables to all of them.

    In one transaction: after an error all is as it was. What is so already stays, so that it can be
    called again, as after a later vecstore has made tables. A database without tables gets them.
    Others who write wait meanwhile.

    :raises ExtensionError: there is no Citus, or one that is too old
    :raises DatabaseError: a transaction is open, or a table is distributed in another way
    """
    if db.has_transaction():
        raise DatabaseError(f"{db.shown} cannot be distributed in a transaction: commit it first")
    _require_citus(db)
    schema.ensure_schema(db)
    done = db.write(lambda: _distribute(db))
    for table in done:
        if table.is_new and table.is_spread:
            # The rows that the table had before it was spread: no longer seen, but on the disk.
            db.rows(
                "select truncate_local_data_after_distributing_table(%s::regclass)", [table.name]
            )
    return done


def _require_citus(db: PostgresDatabase) -> None:
    rows = db.rows("select extversion from pg_extension where extname = 'citus'")
    if not rows:
        raise ExtensionError(
            f"{db.shown} has no Citus: install it on each node, from "
            "https://docs.citusdata.com/en/stable/installation/multi_node.html, with pgvector, and "
            "run CREATE EXTENSION citus and CREATE EXTENSION vector in this database on all of "
            "them; then name the workers with citus_add_node()"
        )
    [[version]] = rows
    if tuple(map(int, re.findall(r"\d+", version)[:2])) < _OLDEST_CITUS:
        oldest = ".".join(map(str, _OLDEST_CITUS))
        raise ExtensionError(
            f"{db.shown} has Citus {version}, and vecstore needs {oldest} or later: upgrade it on "
            "each node, then run ALTER EXTENSION citus UPDATE"
        )


def _distribute(db: PostgresDatabase) -> list[DistributedTable]:
    """Distribute what is not: first the tables that others refer to."""
    known = _distributed(db)
    tables = _own_tables(db)
    copied = [name for name, has_entries in tables.items() if not has_entries]
    spread = [name for name, has_entries in tables.items() if has_entries]
    done = [_copy_to_all(db, name, known.get(name)) for name in _first("collections", copied)]
    done += [_spread(db, name, known.get(name)) for name in _first(_ENTRIES, spread)]
    return done


def _first(name: str, names: list[str]) -> list[str]:
    return sorted(names, key=lambda other: (other != name, other))


def _own_tables(db: PostgresDatabase) -> dict[str, bool]:
    """Return the tables of vecstore's by name, and of each whether it has rows of entries."""
    return dict(
        db.rows(
            """
            select relname, count(attname) = 2
            from pg_class
            left join pg_attribute on attrelid = pg_class.oid
              and attname in ('collection_id', 'id')
              and not attisdropped
            where relnamespace = current_schema()::regnamespace
              and relkind in ('r', 'p')
              and (relname in ('collections', 'embeddings') or starts_with(relname, 'vecstore_'))
            group by relname
            """
        )
    )


def _distributed(db: PostgresDatabase) -> dict[str, str]:
    """Return the tables that Citus has distributed, each with the column that it is spread by.

    That is "" for one on all nodes. Tables that Citus knows and that lie on one node are not here.
    """
    return dict(
        db.rows(
            """
            select relname, coalesce(column_to_column_name(logicalrelid, partkey), '')
            from pg_dist_partition
            join pg_class on pg_class.oid = logicalrelid
            where relnamespace = current_schema()::regnamespace
              and (partkey is not null or repmodel = 't')
            """
        )
    )


def _copy_to_all(db: PostgresDatabase, name: str, column: str | None) -> DistributedTable:
    if column:
        raise _other_way(db, name, column)
    if column is None:
        db.rows("select create_reference_table(%s::regclass)", [name])
    return DistributedTable(name, is_spread=False, is_new=column is None)


def _spread(db: PostgresDatabase, name: str, column: str | None) -> DistributedTable:
    if column not in (None, _BY):
        raise _other_way(db, name, column or "")
    if column is None:
        # The rows of an entry, in whatever table, lie on one node.
        together = "default" if name == _ENTRIES else _ENTRIES
        db.rows(
            "select create_distributed_table(%s::regclass, %s, colocate_with => %s)",
            [name, _BY, together],
        )
    return DistributedTable(name, is_spread=True, is_new=column is None)


def _other_way(db: PostgresDatabase, name: str, column: str) -> DatabaseError:
    how = f"spread by {column!r}" if column else "copied to all nodes"
    return DatabaseError(
        f"{db.shown} has the table {name!r} {how}, where vecstore needs it otherwise: run "
        f"SELECT undistribute_table('{name}') first"
    )
