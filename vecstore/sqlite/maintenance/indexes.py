"""Builds, drops and lists the indexes of a database, whatever is left of them."""

from dataclasses import dataclass, field
from pathlib import Path

from ... import values
from ...errors import InvalidInputError
from ...settings import IndexForm
from .. import databases, journal, schema, transactions
from ..connection.database import Database, has_table
from ..index import building, graph_building, keyword_building, tables
from ..index_names import INSIDE, KEYWORDS, index_names
from . import beside_indexes, collection_graphs, keyword_indexes, reference
from .collection_graphs import GraphStatus


@dataclass(frozen=True)
class IndexStatus:
    """The index of one dimension, or that there is none.

    Attributes:
        dimensions: of the vectors
        vectors: how many there are that can be compared
        state: "ready", "behind" (beside, the latest changes have yet to be followed),
            "incomplete" (a part is missing or altered; beside, also that it is still being built)
            or "missing"
        form: where the index is, or is to be: "inside" the file, or "beside" it
        graphs: those of collections with such vectors
    """

    dimensions: int
    vectors: int
    state: str
    form: IndexForm = "inside"
    graphs: list[GraphStatus] = field(default_factory=list)


def build_index(db: Database | str | Path, dimensions: int | None = None) -> dict[int, int]:
    """Build the index anew from the stored vectors; return how many it holds, by dimension.

    Needs no model, and what the index was like before does not matter. An index of a dimension that
    no vector has is dropped.

    Inside a file, all of it is one transaction: readers see the old index until the end (in WAL
    mode; else they wait for the commit), writers wait, and after an error or a crash the database
    is as it was. Beside a file, the old one is deleted first, and a new one built in portions:
    nobody waits, searches compare all rows until it is done, and after an error or a crash the next
    search builds the rest.

    The keyword index, if there is one, is built anew with them, and the graphs that collections
    have are after that.

    :param db: a sqlite_utils.Database, or the path of a file
    :param dimensions: only the index of this dimension
    :raises InvalidInputError: an index cannot have so many dimensions
    :raises DatabaseError: the file, or that of the index, cannot be written now; a transaction is
      open, and the index is beside; another program's file has the name of the index
    :raises MissingFileError: there is no such file
    """
    dimensions = _checked_dimensions(dimensions)
    with databases.opened_database(db) as opened:
        schema.ensure_schema(opened)
        built = _build(opened, dimensions)
        collection_graphs.rebuild_graphs(opened)
        return built


def _build(db: Database, dimensions: int | None) -> dict[int, int]:
    if journal.is_there(db):
        tokenizer = beside_indexes.find_tokenizer(db) if dimensions is None else None
        return beside_indexes.build(db, numbers_of_vectors(db), dimensions, tokenizer=tokenizer)
    with transactions.writing(db):
        return rebuild_indexes(db, dimensions)


def rebuild_indexes(db: Database, dimensions: int | None = None) -> dict[int, int]:
    """As build_index() inside a file, in the transaction that is open."""
    numbers = numbers_of_vectors(db)
    built = {}
    for d in sorted({*numbers, *reference.indexed_dimensions(db)}):
        if dimensions not in (None, d):
            continue
        _drop(db, d)
        if d in numbers:
            building.create_index(db, d)
            [built[d]] = db.execute(f"select count(*) from {index_names(d).ids}").fetchone()
    if dimensions is None and keyword_building.is_there(db):
        keyword_indexes.rebuild_keywords(db)
    return built


def drop_index(db: Database | str | Path, dimensions: int | None = None) -> list[int]:
    """Remove the index and its triggers; return the dimensions that had one.

    That of keywords goes with them, unless one dimension is named.

    From then on, programs without sqlite-vec can write to the database, as they always can where
    the index is beside it. The next search or write of vecstore in a dimension builds its index
    anew, whatever was written meanwhile.

    Inside a file, it is one transaction: after an error or a crash the database is as it was.
    Beside one, the file of the index is deleted, as soon as it holds no dimension more. One that
    was left beside a file with its index inside goes with that.

    :param db: a sqlite_utils.Database, or the path of a file
    :param dimensions: only the index of this dimension
    :raises InvalidInputError: an index cannot have so many dimensions
    :raises DatabaseError: as build_index() does
    :raises MissingFileError: there is no such file
    :raises NewerSchemaError: a later vecstore has migrated it
    """
    dimensions = _checked_dimensions(dimensions)
    with databases.opened_database(db) as opened:
        schema.pending_migrations(opened)  # raises for a newer one
        dropped = _drop_all(opened, dimensions)
        if not opened.conn.in_transaction:
            graph_building.remove_unused(opened)
        return dropped


def _drop_all(db: Database, dimensions: int | None) -> list[int]:
    if journal.is_there(db):
        return [d for d in beside_indexes.drop(db, dimensions) if d != KEYWORDS]
    with transactions.writing(db):
        schema.pending_migrations(db)
        dropped = drop_indexes(db, dimensions)
    if dimensions is None and not db.conn.in_transaction:
        beside_indexes.discard_leftover(db)
    return dropped


def drop_indexes(db: Database, dimensions: int | None = None) -> list[int]:
    """As drop_index() inside a file, in the transaction that is open."""
    there = reference.indexed_dimensions(db)
    dropped = [d for d in there if dimensions in (None, d)]
    for d in dropped:
        _drop(db, d)
    if dimensions is None:
        keyword_indexes.drop_keywords(db)
    return dropped


def list_indexes(db: Database | str | Path) -> list[IndexStatus]:
    """Return the state of each index, and of each dimension that has vectors and none.

    That an index is whole does not say that it equals the table: check() does.

    :raises MissingFileError: there is no such file
    """
    with databases.opened_database(db, read_only=True) as opened:
        schema.refuse_foreign(opened)
        numbers = numbers_of_vectors(opened)
        form = schema.form_of(opened)
        if form == "beside":
            states = beside_indexes.find_states(opened)
        else:
            states = {d: _state(opened, d) for d in reference.indexed_dimensions(opened)}
        graphs = collection_graphs.find_statuses(opened)
        return [
            IndexStatus(
                d,
                numbers.get(d, 0),
                states.get(d, "missing"),
                form,
                [graph for graph in graphs if graph.dimensions == d],
            )
            for d in sorted({*numbers, *states} - {KEYWORDS})
        ]


def _state(db: Database, dimensions: int) -> str:
    found = reference.parts_of(db)
    whole = all(part.is_in(found) for part in reference.index_parts(db, dimensions))
    return "ready" if whole else "incomplete"


def numbers_of_vectors(db: Database) -> dict[int, int]:
    """Return how many vectors there are that an index can hold, by dimension."""
    if not has_table(db, "embeddings"):
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
            db.execute(f"DROP {part.kind} IF EXISTS {INSIDE}.{part.name}")


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
