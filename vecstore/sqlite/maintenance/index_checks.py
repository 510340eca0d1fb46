"""Whether the index of one dimension equals the table, compared both ways."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from ...checking.report import CheckReport, Tally
from ...errors import (
    DatabaseBusyError,
    DatabaseInterruptedError,
    DatabaseReadOnlyError,
    DiskError,
)
from ...values import describe_count
from ..connection import sqlite_errors
from ..connection.database import Database
from ..index import bits, tables
from ..index_names import (
    BESIDE,
    PARTITION_COLUMN,
    IndexNames,
    chunks_of,
    index_names,
    rowids_of,
    without_schema,
)
from . import reference
from .beside_states import ReplacedError

Ranges = Callable[[str], Iterator[tuple[int, int, int]]]

# Gives a block in which table and index are of one moment, and a SELECT of the keys that may differ
# at that moment; empty if there are none.
Moment = Callable[[], AbstractContextManager[str]]

NOT_OF_THE_INDEX = (
    DatabaseBusyError,
    DatabaseInterruptedError,
    DatabaseReadOnlyError,
    DiskError,
)
_REMEDY = "rebuild it: vecstore index build"


def check_index(
    db: Database, dimensions: int, report: CheckReport, names: dict[Any, str], spans: Ranges
) -> None:
    """Add to the report where the index of a dimension is not complete, or not equal to the table.

    :param spans: yields ranges of the rowids of a table
    """
    parts = reference.index_parts(db, dimensions)
    wrong = wrong_parts(parts, reference.parts_of(db))
    if wrong:
        message = f"{_title(dimensions)} is not whole: {', '.join(wrong)}"
        report.problem("index", message, _REMEDY, count=len(wrong))
        return
    # A statement is of one moment, and the triggers leave nothing to be followed.
    compare_index(db, index_names(dimensions), report, names, spans, lambda: nullcontext(""))


def compare_index(
    db: Database,
    index: IndexNames,
    report: CheckReport,
    names: dict[Any, str],
    spans: Ranges,
    moment: Moment,
) -> None:
    """Add to the report where an index, all of which is there, is not equal to the table."""
    title = _title(index.dimensions)
    virtual = [index.vectors, *[index.bits] * tables.has_bits(index.dimensions)]
    try:
        tallies = _compare(db, index, spans, moment)
        for table in virtual:
            _compare_chunks(db, table, index, spans, tallies)
    except db.conn.DatabaseError as error:
        is_of_index = not issubclass(sqlite_errors.error_class(error), NOT_OF_THE_INDEX)
        if not is_of_index or sqlite_errors.is_settled(error):
            raise
        if index.schema == BESIDE and sqlite_errors.says(error, sqlite_errors.NO_SUCH_TABLE):
            raise ReplacedError from error  # they were all there
        if not reference.parts_of(db, index.schema).keys() & {*map(without_schema, virtual)}:
            return  # it was dropped meanwhile
        report.problem("index", f"{title} cannot be read: {error}", _REMEDY)
        return
    for kind, tally in sorted(tallies.items()):
        message = f"{title} is out of step: {describe_count(tally.count, 'vector', 'is')} {kind}"
        report.problem("index", message, _REMEDY, **tally.details(names))


def rows_to_read(db: Database, dimensions: int) -> int:
    """Return how many rows `check_index()` reads."""
    if wrong_parts(reference.index_parts(db, dimensions), reference.parts_of(db)):
        return 0
    return rows_to_compare(db, index_names(dimensions))


def rows_to_compare(db: Database, index: IndexNames) -> int:
    """Return how many rows `compare_index()` reads."""
    [rows] = db.execute("select count(*) from embeddings").fetchone()
    [entries] = db.execute(f"select count(*) from {index.ids}").fetchone()
    return int(rows + entries * (2 + tables.has_bits(index.dimensions)))


def note_missing_index(dimensions: int, number: int, report: CheckReport) -> None:
    """Add to the report that vectors of a dimension are not indexed."""
    found = f"{describe_count(number, 'vector')} of {dimensions} dimensions"
    if dimensions > tables.MAX_DIMENSIONS:
        report.note("index", f"There can be no index of {found}: a search reads all of them")
    else:
        report.note("index", f"There is no index of {found}", "the next search builds it")


def _title(dimensions: int) -> str:
    return f"The index of {dimensions} dimensions"


def wrong_parts(parts: list[reference.Part], found: dict[str, str]) -> list[str]:
    """Return what is missing or altered, given what `parts_of()` found."""
    return [
        f"the {part.kind} {part.name} is {'altered' if part.name in found else 'missing'}"
        for part in parts
        if not part.is_in(found)
    ]


def _compare(
    db: Database, index: IndexNames, spans: Ranges, moment: Moment
) -> defaultdict[str, Tally]:
    """Return the rows in which table and index differ, by what is wrong with them."""
    tallies: defaultdict[str, Tally] = defaultdict(Tally)
    belongs = tables.comparable_sql("embeddings", index.dimensions)
    for after, last, _ in spans("embeddings"):
        with moment() as pending:
            for collection_id, id in rows_without(db, belongs, index.ids, after, last, pending):
                tallies["missing"].add(collection_id, id)
    for after, last, _ in spans(index.ids):
        with moment() as pending:
            for kind, collection_id, id in _entries_that_differ(db, index, after, last, pending):
                tallies[kind].add(collection_id, id)
    return tallies


def is_followed(key: str, pending: str) -> str:
    """Return the SQL condition that a key is not one of those that may differ."""
    return f"({key}) not in ({pending})" if pending else "true"


def rows_without(
    db: Database, belongs: str, table: str, after: int, last: int, pending: str
) -> list[Any]:
    """Return the keys of rows that belong into a table of an index, and are not in it.

    :param belongs: the SQL condition of that, on a row of `embeddings`
    :param after, last: of these rowids alone, above the first and up to the second
    :param pending: the SQL of the keys that an index beside the file has yet to follow
    """
    return db.execute(
        f"""
        select collection_id, id
        from embeddings
        where rowid > ?
          and rowid <= ?
          and {belongs}
          and {is_followed("collection_id, id", pending)}
          and not exists (
            select 1
            from {table} as indexed
            where indexed.collection_id = embeddings.collection_id
              and indexed.id = embeddings.id
          )
        """,
        [after, last],
    ).fetchall()


def _entries_that_differ(
    db: Database, index: IndexNames, after: int, last: int, pending: str
) -> list[Any]:
    """Return entries whose row is gone or of another dimension, or that have other vectors."""
    bits_join, bits_missing, bits_differ = _bits(index)
    comparable = tables.comparable_sql("embeddings", index.dimensions)
    return db.execute(
        f"""
        select *
        from (
          select
            case
              when embeddings.collection_id is null or not {comparable}
              then 'orphaned'
              when vectors.rowid is null {bits_missing}
              then 'missing'
              when (vectors.collection_id, vectors.embedding)
                is not (embeddings.collection_id, embeddings.embedding)
                {bits_differ}
              then 'stale'
            end as kind,
            ids.collection_id,
            ids.id
          from {index.ids} as ids
          left join embeddings
            on embeddings.collection_id = ids.collection_id
            and embeddings.id = ids.id
          left join {index.vectors} as vectors on vectors.rowid = ids.rowid
          {bits_join}
          where ids.rowid > ?
            and ids.rowid <= ?
            and {is_followed("ids.collection_id, ids.id", pending)}
        )
        where kind is not null
        """,
        [after, last],
    ).fetchall()


def _bits(index: IndexNames) -> tuple[str, str, str]:
    """Return the SQL that joins the bits of an entry, and tells them missing, and different."""
    if not tables.has_bits(index.dimensions):
        return "", "", ""
    of_row = bits.bits_sql("embeddings.embedding", index.dimensions)
    sampled = tables.is_sampled_sql("ids.rowid")
    return (
        f"left join {index.bits} as bits on bits.rowid = ids.rowid",
        "or bits.rowid is null",
        f"""
                or (bits.collection_id, bits.sample, bits.embedding)
                  is not (embeddings.collection_id, {sampled}, {of_row})""",
    )


def _compare_chunks(
    db: Database,
    table: str,
    index: IndexNames,
    spans: Ranges,
    tallies: defaultdict[str, Tally],
) -> None:
    """Compare where vec0 looks up a vector by its rowid with where a search finds it.

    A search reads chunks: which places of a chunk are taken (validity, a bit each), and by which
    rowid (rowids, 8 bytes each).
    """
    partition = tables.partition_sql("ids.collection_id", index)
    for after, last, _ in spans(rowids_of(table)):
        for rowid, place, collection_id, id, *chunk in db.execute(
            f"""
            select
              rows.rowid,
              rows.chunk_offset,
              ids.collection_id,
              ids.id,
              chunks.{PARTITION_COLUMN} is not {partition},
              cast(substr(chunks.validity, rows.chunk_offset / 8 + 1, 1) as blob),
              cast(substr(chunks.rowids, 8 * rows.chunk_offset + 1, 8) as blob)
            from {rowids_of(table)} as rows
            left join {chunks_of(table)} as chunks on chunks.chunk_id = rows.chunk_id
            left join {index.ids} as ids on ids.rowid = rows.rowid
            where rows.rowid > ?
              and rows.rowid <= ?
            """,
            [after, last],
        ):
            is_elsewhere, taken, named = chunk
            if id is None:
                tallies["orphaned"].add(None, None)
            elif is_elsewhere or not _integer(taken) >> place % 8 & 1 or _integer(named) != rowid:
                tallies["missing"].add(collection_id, id)
    for _ in range(_places_too_many(db, table)):
        tallies["orphaned"].add(None, None)


def _places_too_many(db: Database, table: str) -> int:
    """Return how many places of chunks are taken by what cannot be looked up."""
    surplus = 0
    for validity, number in db.execute(
        f"""
        select cast(validity as blob), 0
        from {chunks_of(table)}
        union all
        select x'', count(*)
        from {rowids_of(table)}
        """
    ):
        surplus += _integer(validity).bit_count() - number
    return max(surplus, 0)


def _integer(blob: bytes | None) -> int:
    return int.from_bytes(blob or b"", "little")
