"""Builds, drops and lists the indexes of a database, whatever is left of them."""

from dataclasses import dataclass
from pathlib import Path

from sqlite_utils import Database

from ... import values
from ...errors import InvalidInputError
from .. import databases, schema, transactions
from ..index import building, tables
from ..index.names import index_names
from . import reference


@dataclass(frozen=True)
class IndexStatus:
    """The index of one dimension, or that there is none.

    Attributes:
        dimensions: of the vectors
        vectors: how many there are that can be compared
        state: "ready", "incomplete" (a table or trigger is missing or altered) or "missing"
    """

    dimensions: int
    vectors: int
    state: str


def build_index(db: Database | str | Path, dimensions: int | None = None) -> dict[int, int]:
    """Build the index anew from the stored vectors; return how many it holds, by dimension.

    Needs no model, and what the index was like before does not matter. All of it is one
    transaction: readers see the old index until the end (in WAL mode; else they wait for the
    commit), writers wait, and after an error or a crash the database is as it was. An index of a
    dimension that no vector has is dropped.

    :param db: a sqlite_utils.Database, or the path of a file
    :param dimensions: only the index of this dimension
    :raises InvalidInputError: an index cannot have so many dimensions
    :raises MissingFileError: there is no such file
    """
    dimensions = _checked_dimensions(dimensions)
    with databases.opened_database(db) as opened:
        schema.ensure_schema(opened)
        with transactions.writing(opened):
            return rebuild_indexes(opened, dimensions)


def rebuild_indexes(db: Database, dimensions: int | None = None) -> dict[int, int]:
    """As build_index(), in the transaction that is open."""
    numbers = _numbers_of_vectors(db)
    built = {}
    for d in sorted({*numbers, *reference.indexed_dimensions(db)}):
        if dimensions not in (None, d):
            continue
        _drop(db, d)
        if d in numbers:
            building.create_index(db, d)
            [built[d]] = db.execute(f"select count(*) from {index_names(d).ids}").fetchone()
    return built


def drop_index(db: Database | str | Path, dimensions: int | None = None) -> list[int]:
    """Remove the index and its triggers; return the dimensions that had one.

    From then on, programs without sqlite-vec can write to the database. The next search or write of
    vecstore in a dimension builds its index anew, whatever was written meanwhile. One transaction:
    after an error or a crash the database is as it was.

    :param db: a sqlite_utils.Database, or the path of a file
    :param dimensions: only the index of this dimension
    :raises InvalidInputError: an index cannot have so many dimensions
    :raises MissingFileError: there is no such file
    :raises NewerSchemaError: a later vecstore has migrated it
    """
    dimensions = _checked_dimensions(dimensions)
    with databases.opened_database(db) as opened, transactions.writing(opened):
        schema.pending_migrations(opened)  # raises for a newer one
        return drop_indexes(opened, dimensions)


def drop_indexes(db: Database, dimensions: int | None = None) -> list[int]:
    """As drop_index(), in the transaction that is open."""
    there = reference.indexed_dimensions(db)
    dropped = [d for d in there if dimensions in (None, d)]
    for d in dropped:
        _drop(db, d)
    return dropped


def list_indexes(db: Database | str | Path) -> list[IndexStatus]:
    """Return the state of each index, and of each dimension that has vectors and none.

    That an index is whole does not say that it equals the table: check() does.

    :raises MissingFileError: there is no such file
    """
    with databases.opened_database(db, read_only=True) as opened:
        schema.refuse_foreign(opened)
        numbers = _numbers_of_vectors(opened)
        there = reference.indexed_dimensions(opened)
        return [
            IndexStatus(d, numbers.get(d, 0), _state(opened, d, d in there))
            for d in sorted({*numbers, *there})
        ]


def _state(db: Database, dimensions: int, is_there: bool) -> str:
    if not is_there:
        return "missing"
    found = reference.parts_of(db)
    whole = all(part.is_in(found) for part in reference.index_parts(db, dimensions))
    return "ready" if whole else "incomplete"


def _numbers_of_vectors(db: Database) -> dict[int, int]:
    """Return how many vectors there are that an index can hold, by dimension."""
    if not db["embeddings"].exists():
        return {}
    found = db.execute(
        """
        select length(embedding) / 4, count(*)
        from embeddings
        where typeof(embedding) = 'blob'
          and length(embedding) % 4 = 0
          and length(embedding) between 4 and ?
          and vec_distance_cosine(embedding, embedding) is not null
        group by 1
        """,
        [4 * tables.MAX_DIMENSIONS],
    )
    return dict(found.fetchall())


def _drop(db: Database, dimensions: int) -> None:
    """Remove all parts of an index, also of one that has lost some.

    vec0 cannot drop a table of which a shadow is missing, so these are made again first. Shadows
    without their table, which '.recover' leaves, are dropped as the tables that they are.
    """
    parts = reference.index_parts(db, dimensions)
    found = reference.parts_of(db)
    virtual = [p.name for p in parts if p.sql.startswith("CREATE VIRTUAL") and p.name in found]
    for part in parts:
        if part.is_shadow and part.name not in found and part.name.startswith(tuple(virtual)):
            db.execute(part.sql)
    building.remove_index(db, dimensions)
    for part in parts:
        if part.kind in ("table", "trigger"):
            db.execute(f"DROP {part.kind} IF EXISTS {part.name}")


def _checked_dimensions(dimensions: int | None) -> int | None:
    if dimensions is None:
        return None
    number = values.to_integer(dimensions)
    if number is None or not 0 < number <= tables.MAX_DIMENSIONS:
        raise InvalidInputError(
            f"dimensions is {values.quote(dimensions)}: an index has from 1 to "
            f"{tables.MAX_DIMENSIONS:,}"
        )
    return number
