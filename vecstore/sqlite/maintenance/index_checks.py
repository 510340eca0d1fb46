"""Whether the index of one dimension equals the table, compared both ways."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

from sqlite_utils import Database

from ...errors import (
    DatabaseBusyError,
    DatabaseInterruptedError,
    DatabaseReadOnlyError,
    DiskError,
)
from ...values import describe_count
from ..connection import sqlite_errors
from ..index import bits, tables
from ..index.names import PARTITION_COLUMN, chunks_of, index_names, rowids_of
from . import reference
from .report import CheckReport, Tally

_Ranges = Callable[[str], Iterator[tuple[int, int, int]]]

_NOT_OF_THE_INDEX = (
    DatabaseBusyError,
    DatabaseInterruptedError,
    DatabaseReadOnlyError,
    DiskError,
)
_REMEDY = "rebuild it: vecstore index build"


def check_index(
    db: Database, dimensions: int, report: CheckReport, names: dict[Any, str], spans: _Ranges
) -> None:
    """Add to the report where the index of a dimension is not complete, or not equal to the table.

    :param spans: yields ranges of the rowids of a table
    """
    title = f"The index of {dimensions} dimensions"
    parts = reference.index_parts(db, dimensions)
    wrong = _wrong_parts(db, parts)
    if wrong:
        report.problem(
            "index", f"{title} is not whole: {', '.join(wrong)}", _REMEDY, count=len(wrong)
        )
        return
    try:
        tallies = _compare(db, dimensions, spans)
        for part in parts:
            if _is_vec0(part):
                _compare_chunks(db, part.name, dimensions, spans, tallies)
    except db.conn.DatabaseError as error:
        is_of_index = not issubclass(sqlite_errors.error_class(error), _NOT_OF_THE_INDEX)
        if not is_of_index or sqlite_errors.is_settled(error):
            raise
        if not reference.parts_of(db).keys() & {part.name for part in parts}:
            return  # it was dropped meanwhile
        report.problem("index", f"{title} cannot be read: {error}", _REMEDY)
        return
    for kind, tally in sorted(tallies.items()):
        message = f"{title} is out of step: {describe_count(tally.count, 'vector', 'is')} {kind}"
        report.problem("index", message, _REMEDY, **tally.details(names))


def rows_to_read(db: Database, dimensions: int) -> int:
    """Return how many rows `check_index()` reads."""
    parts = reference.index_parts(db, dimensions)
    if _wrong_parts(db, parts):
        return 0
    [rows] = db.execute("select count(*) from embeddings").fetchone()
    [entries] = db.execute(f"select count(*) from {index_names(dimensions).ids}").fetchone()
    return int(rows + entries * (1 + sum(map(_is_vec0, parts))))


def note_missing_index(dimensions: int, number: int, report: CheckReport) -> None:
    """Add to the report that vectors of a dimension are not indexed."""
    found = f"{describe_count(number, 'vector')} of {dimensions} dimensions"
    if dimensions > tables.MAX_DIMENSIONS:
        report.note("index", f"There can be no index of {found}: a search reads all of them")
    else:
        report.note("index", f"There is no index of {found}", "the next search builds it")


def _is_vec0(part: reference.Part) -> bool:
    return part.sql.startswith("CREATE VIRTUAL TABLE")


def _wrong_parts(db: Database, parts: list[reference.Part]) -> list[str]:
    found = reference.parts_of(db)
    return [
        f"the {part.kind} {part.name} is {'altered' if part.name in found else 'missing'}"
        for part in parts
        if not part.is_in(found)
    ]


def _compare(db: Database, d: int, spans: _Ranges) -> defaultdict[str, Tally]:
    """Return the rows in which table and index differ, by what is wrong with them."""
    tallies: defaultdict[str, Tally] = defaultdict(Tally)
    for after, last, _ in spans("embeddings"):
        for collection_id, id in _rows_without_entry(db, d, after, last):
            tallies["missing"].add(collection_id, id)
    for after, last, _ in spans(index_names(d).ids):
        for kind, collection_id, id in _entries_that_differ(db, d, after, last):
            tallies[kind].add(collection_id, id)
    return tallies


def _rows_without_entry(db: Database, d: int, after: int, last: int) -> Iterator[tuple[Any, Any]]:
    yield from db.execute(
        f"""
        select collection_id, id
        from embeddings
        where rowid > ?
          and rowid <= ?
          and {tables.comparable_sql("embeddings", d)}
          and not exists (
            select 1
            from {index_names(d).ids} as ids
            where ids.collection_id = embeddings.collection_id
              and ids.id = embeddings.id
          )
        """,
        [after, last],
    )


def _entries_that_differ(
    db: Database, d: int, after: int, last: int
) -> Iterator[tuple[str, Any, Any]]:
    """Yield entries whose row is gone or of another dimension, or whose vectors are not its own."""
    bits_join, bits_missing, bits_differ = _bits(d)
    comparable = tables.comparable_sql("embeddings", d)
    yield from db.execute(
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
          from {index_names(d).ids} as ids
          left join embeddings
            on embeddings.collection_id = ids.collection_id
            and embeddings.id = ids.id
          left join {index_names(d).vectors} as vectors on vectors.rowid = ids.rowid
          {bits_join}
          where ids.rowid > ?
            and ids.rowid <= ?
        )
        where kind is not null
        """,
        [after, last],
    )


def _bits(d: int) -> tuple[str, str, str]:
    """Return the SQL that joins the bits of an entry, and tells them missing, and different."""
    if not tables.has_bits(d):
        return "", "", ""
    of_row = bits.bits_sql("embeddings.embedding", d)
    sampled = tables.is_sampled_sql("ids.rowid")
    return (
        f"left join {index_names(d).bits} as bits on bits.rowid = ids.rowid",
        "or bits.rowid is null",
        f"""
                or (bits.collection_id, bits.sample, bits.embedding)
                  is not (embeddings.collection_id, {sampled}, {of_row})""",
    )


def _compare_chunks(
    db: Database, table: str, d: int, spans: _Ranges, tallies: defaultdict[str, Tally]
) -> None:
    """Compare where vec0 looks up a vector by its rowid with where a search finds it.

    A search reads chunks: which places of a chunk are taken (validity, a bit each), and by which
    rowid (rowids, 8 bytes each).
    """
    for after, last, _ in spans(rowids_of(table)):
        for rowid, place, collection_id, id, *chunk in db.execute(
            f"""
            select
              rows.rowid,
              rows.chunk_offset,
              ids.collection_id,
              ids.id,
              chunks.{PARTITION_COLUMN} is not {tables.partition_sql("ids.collection_id", d)},
              cast(substr(chunks.validity, rows.chunk_offset / 8 + 1, 1) as blob),
              cast(substr(chunks.rowids, 8 * rows.chunk_offset + 1, 8) as blob)
            from {rowids_of(table)} as rows
            left join {chunks_of(table)} as chunks on chunks.chunk_id = rows.chunk_id
            left join {index_names(d).ids} as ids on ids.rowid = rows.rowid
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
