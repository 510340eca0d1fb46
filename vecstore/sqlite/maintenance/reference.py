"""What the schema of a sound database is: that of one which is made in memory, just now."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import lru_cache

from .. import databases, schema
from ..connection import opening
from ..connection.database import Database
from ..index import building, tables
from ..index_names import INSIDE, dimensions_in_name, index_names


@dataclass(frozen=True)
class Part:
    """A table, index, trigger or view. The tables of vec0's own are shadows."""

    kind: str
    name: str
    sql: str
    is_shadow: bool

    def is_in(self, found: dict[str, str]) -> bool:
        """Return whether what `parts_of()` found has this, unaltered.

        The shadows may be of another version of sqlite-vec.
        """
        return self.name in found and (self.is_shadow or found[self.name] == self.sql)


def parts_of(db: Database, schema: str = INSIDE) -> dict[str, str]:
    """Return the SQL of all parts of a database by their names."""
    return dict(db.execute(f"select name, sql from {schema}.sqlite_master where sql is not null"))


def schema_parts(db: Database) -> list[Part]:
    """Return what every database has: tables, their indexes, triggers and views."""
    return _schema_parts(opening.driver_of(db))


def index_parts(db: Database, dimensions: int) -> list[Part]:
    """Return the parts of the index of one dimension."""
    return _index_parts(opening.driver_of(db), dimensions)


def index_tables(db: Database, dimensions: int) -> list[Part]:
    """Return the parts of the index of one dimension that is beside the file: without triggers."""
    names = index_names(dimensions)
    return [
        part
        for part in index_parts(db, dimensions)
        if part.kind != "trigger" and part.name != names.noted
    ]


def indexed_dimensions(db: Database) -> list[int]:
    """Return the dimensions of which there is an index, or a part of one."""
    found = parts_of(db)
    return [
        dimensions
        for dimensions in sorted({d for d in map(dimensions_in_name, found) if d})
        if dimensions <= tables.MAX_DIMENSIONS
        and any(part.name in found for part in index_parts(db, dimensions))
    ]


@lru_cache
def _schema_parts(driver: opening.Driver) -> list[Part]:
    with _made_in_memory(driver) as made:
        return list(_parts(made))


@lru_cache
def _index_parts(driver: opening.Driver, dimensions: int) -> list[Part]:
    with _made_in_memory(driver) as made:
        before = parts_of(made)
        building.create_index(made, dimensions)
        return [part for part in _parts(made) if part.name not in before]


@contextmanager
def _made_in_memory(driver: opening.Driver) -> Iterator[Database]:
    """Give a new database with our tables; of the driver of another, as both load sqlite-vec."""
    with closing(databases.open_database(None, driver)) as made:
        schema.ensure_schema(made)
        yield made


def _parts(made: Database) -> Iterator[Part]:
    rows = made.execute(
        """
        select type, name, sql
        from sqlite_master
        where sql is not null
          and name not like 'sqlite\\_%' escape '\\'
        """
    ).fetchall()
    shadows = _shadows(made)
    for kind, name, sql in rows:
        yield Part(kind, name, sql, name in shadows)


def _shadows(made: Database) -> set[str]:
    # sqlite-vec leaves those of the second kind out of what it tells SQLite.
    found = made.execute(
        """
        select name
        from pragma_table_list
        where type = 'shadow'
          or name glob '*_vector_chunks[0-9][0-9]'
        """
    )
    return {name for (name,) in found}
