"""A collection as a header and rows: what a file of any format holds."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlite_utils import Database

from .. import models
from ..errors import InvalidInputError, ModelMismatchError
from ..sqlite import catalog
from ..sqlite.index import building
from ..sqlite.search import planner
from ..values import shown
from ..vectors import content_hash

COLUMNS = (
    "id",
    "embedding",
    "content",
    "content_blob",
    "content_hash",
    "metadata",
    "updated",
)
Row = tuple[Any, ...]  # of the values of these columns

# As many rows as one statement writes, and fewer of long texts.
_PORTION = 100
_PORTION_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True)
class ExportHeader:
    """What a file tells of the collection before its rows."""

    collection: str
    model: str
    entries: int


def read(db: Database, name: str) -> tuple[ExportHeader, Any]:
    """Return the header of a collection, and a cursor of its rows.

    Belongs inside a transaction, so that the number is that of the rows.

    :raises DoesNotExist: there is no such collection
    """
    collection_id, _, model = catalog.get(db, name)
    [entries] = db.execute(
        "select count(*) from embeddings where collection_id = ?", [collection_id]
    ).fetchone()
    rows = db.execute(
        f"""
        select {", ".join(_columns(db))}
        from embeddings
        where collection_id = ?
        order by id
        """,
        [collection_id],
    )
    return ExportHeader(name, model, entries), rows


def _columns(db: Database) -> list[str]:
    """Return the SQL of each column. An older llm lacks some, and its file may be read-only."""
    there = db["embeddings"].columns_dict
    columns = [name if name in there else f"null as {name}" for name in COLUMNS]
    if "content_hash" not in there:
        # As the migration has it, so that what is known is not embedded again after an import.
        db.conn.create_function("vecstore_md5", 1, content_hash)
        hashed = "case when content is not null then vecstore_md5(content) end"
        columns[COLUMNS.index("content_hash")] = hashed
    return columns


def write(db: Database, header: ExportHeader, rows: Iterable[Row]) -> int:
    """Write rows into a collection, which is created if need be; return how many there were.

    Belongs inside a transaction. The last row of an id wins, over what is stored as well.

    :raises ModelMismatchError: the collection exists, with another model
    :raises DimensionError: it has vectors, and none of the dimension of a row
    :raises InvalidInputError: a row cannot be written, or not as many came as the header says
    """
    is_new = catalog.find(db, header.collection) is None
    collection_id, _, model = catalog.create(db, header.collection, header.model)
    if not models.is_recorded_as(header.model, model):
        raise ModelMismatchError(
            f"Collection {shown(header.collection)} was made with the model {model!r}, not "
            f"{header.model!r}: vectors of two models cannot be compared, so import it under "
            "another name"
        )
    known: dict[int, bool] = {}  # whether there is an index, by size of vectors
    written = 0
    for portion in portions(rows):
        for row in portion:
            size = len(row[1]) if isinstance(row[1], bytes) and len(row[1]) % 4 == 0 else 0
            if size and size not in known:
                known[size] = _prepare(db, collection_id, row[0], size // 4, is_new)
        _insert(db, collection_id, portion)
        for size, has_index in known.items():
            if has_index:
                building.give_partition(db, collection_id, size // 4)
        written += len(portion)
    if written != header.entries:
        raise InvalidInputError(
            f"The file ends after {written:,} of {header.entries:,} entries: it is not complete"
        )
    return written


def portions(rows: Iterable[Row], length: int = _PORTION) -> Iterator[list[Row]]:
    """Yield so many rows at a time, or fewer if they are large."""
    portion: list[Row] = []
    size = 0
    for row in rows:
        portion.append(row)
        size += sum(len(value) for value in row if isinstance(value, str | bytes))
        if len(portion) == length or size > _PORTION_BYTES:
            yield portion
            portion, size = [], 0
    if portion:
        yield portion


def _prepare(db: Database, collection_id: int, id: Any, dimensions: int, is_new: bool) -> bool:
    """Make an index for vectors of a dimension, and return whether there is one.

    :raises DimensionError: the collection has vectors of others
    """
    expected = planner.vector_dimensions(db, collection_id, dimensions)
    if not is_new and expected not in (None, dimensions):
        raise planner.dimension_error(f"The vector of {shown(id)}", dimensions, expected)
    return building.ensure(db, dimensions)


def _insert(db: Database, collection_id: int, portion: list[Row]) -> None:
    marks = f"({', '.join('?' * (1 + len(COLUMNS)))})"
    changes = ", ".join(f"{name} = excluded.{name}" for name in COLUMNS[1:])
    try:
        db.conn.execute(
            f"""
            insert into embeddings (collection_id, {", ".join(COLUMNS)})
            values {", ".join([marks] * len(portion))}
            on conflict (collection_id, id) do update set {changes}
            """,
            [value for row in portion for value in (collection_id, *row)],
        )
    except (db.conn.IntegrityError, ValueError, OverflowError) as error:
        raise InvalidInputError(
            f"The entries from {shown(portion[0][0])} to {shown(portion[-1][0])} cannot be stored: "
            f"{error}"
        ) from error
