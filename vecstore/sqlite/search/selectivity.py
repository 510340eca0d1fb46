"""How many rows of a collection meet the conditions of a query, learned before any is compared.

Where an index leads to these rows, the first are counted; a sample says about how many more there
are. Neither reads a vector.
"""

import json
import math
import re
from dataclasses import dataclass

from ...query import Query
from ..connection.database import Database
from ..index import tables
from ..index_names import PARTITION_COLUMN, IndexNames, chunks_of
from . import statement_parts

_MOST_COUNTED = 4000  # matches: of more, a sample tells as well
_SAMPLE_ROWS = 200
_SAMPLE_CHUNKS = 100
_MANY_OF_A_TABLE = 4  # to read all is faster than to find every fourth row by its key
_FOUND = re.compile(
    r"SEARCH (?:TABLE )?embeddings USING (?P<covering>COVERING )?[^(]*(?P<terms>.*)"
)
_KEY_ALONE = "(collection_id=?)"
_RANGE_OF_KEYS = re.compile(r"\(collection_id=\? AND id[<>]")


@dataclass(frozen=True)
class Access:
    """How SQLite finds the rows that meet the conditions.

    by_index: whether an index, or the key, leads to them, so that not all are read
    by_key: whether SQLite may start from the key of the collection: see matching_rows_sql()
    is_covered: whether the index alone tells which they are
    """

    by_index: bool
    by_key: bool
    is_covered: bool = False


@dataclass(frozen=True)
class Selectivity:
    """How many rows of a collection meet the conditions of a query.

    matches: so many, or about so many
    is_exact: whether they were counted, all of them
    by_index: whether an index leads to them
    """

    matches: float
    is_exact: bool
    by_index: bool


def find_access(db: Database, query: Query, rows: int = 0) -> Access:
    """Return how the rows that meet the conditions of a query are found the fastest.

    SQLite does not know how many rows a collection has, and takes its key for the best way to
    nearly all of them: so it is asked what it would do with and without that.

    :param rows: how many rows the collection has, at least
    """
    if not query.is_filtered:
        return Access(by_index=False, by_key=True)
    by_key = _search(db, query, by_key=True)
    if by_key and by_key.is_by_condition and not by_key.is_of_key_range:
        return Access(True, True, by_key.is_covered)
    if query.where and (found := _search(db, query, by_key=False)):
        return Access(True, False, found.is_covered)
    if by_key and by_key.is_by_condition:  # which may be any number of rows
        return Access(by_key.is_covered, True, by_key.is_covered)
    return Access(by_index=False, by_key=not _is_most_of_the_table(db, rows))


@dataclass(frozen=True)
class _Search:
    """What SQLite would do to find the rows, if not read all.

    terms: those of the index, such as "(<expr>>? AND <expr><?)"
    """

    terms: str
    is_covered: bool

    @property
    def is_by_condition(self) -> bool:
        return self.terms != _KEY_ALONE

    @property
    def is_of_key_range(self) -> bool:
        return bool(_RANGE_OF_KEYS.match(self.terms))


def _search(db: Database, query: Query, *, by_key: bool) -> _Search | None:
    sql = f"""
        explain query plan
        select row
        from ({statement_parts.matching_rows_sql(query, by_key=by_key)})
        """
    for _, parent, _, detail in statement_parts.run(db, query, sql):
        found = _FOUND.match(detail)
        if parent == 0 and detail == "MULTI-INDEX OR":
            return _Search(detail, is_covered=False)
        if parent == 0 and found:
            return _Search(found["terms"], bool(found["covering"]))
    return None


def _is_most_of_the_table(db: Database, rows: int) -> bool:
    if not rows:
        return False
    [last] = db.execute("select max(rowid) from embeddings").fetchone()
    return bool(last) and _MANY_OF_A_TABLE * rows >= last


def estimate(
    db: Database, query: Query, names: IndexNames, rows: int, access: Access
) -> Selectivity:
    """Return about how many rows meet the conditions of a query, in a collection of so many.

    :param names: of an index with bits in which the collection has a partition of its own
    """
    if access.is_covered:  # else the rest of a condition may have to be asked of many rows
        counted = _count(db, query, access)
        if counted < _MOST_COUNTED:
            return Selectivity(counted, is_exact=True, by_index=True)
    share = _sampled_share(db, query, names, rows)
    return Selectivity(share * rows, is_exact=False, by_index=access.by_index)


def _count(db: Database, query: Query, access: Access) -> int:
    sql = f"""
        select count(*)
        from (
          select 1
          from ({statement_parts.matching_rows_sql(query, by_key=access.by_key)})
          limit {_MOST_COUNTED}
        )
        """
    [[count]] = statement_parts.run(db, query, sql)
    return int(count)


def _sampled_share(db: Database, query: Query, names: IndexNames, rows: int) -> float:
    """Return the share of a sample that meets the conditions; of an empty one, all."""
    # A row that is no longer where it was written stands for another: that is as good a sample.
    sql = f"""
        with _matching as not materialized (
          {statement_parts.matching_rows_sql(query)}
        ),
        _sampled as materialized (
          select ids.embeddings_rowid as row
          from json_each(:_sampled) as sampled
          cross join {names.ids} as ids on ids.rowid = sampled.value
          where ids.collection_id = :_collection_id
        )
        select
          (select count(*) from _sampled),
          (select count(*) from _sampled cross join _matching on _matching.row = _sampled.row)
        """
    sampled = json.dumps(_sample(db, query.collection.id, names, rows))
    [[size, matching]] = statement_parts.run(db, query, sql, sampled=sampled)
    return matching / size if size else 1.0


def _sample(db: Database, collection_id: int, names: IndexNames, rows: int) -> list[int]:
    """Return some rowids of the ids table, from all over a partition.

    The chunks of vec0 have them: each those of rows that were written one after another, which of
    sorted texts are alike, so a few are taken of many chunks. Where a chunk is not full, it has 0.
    """
    size = tables.bit_chunk_rows(names.dimensions)
    chunks = max(rows // size, 1)
    step = math.ceil(chunks / _SAMPLE_CHUNKS)
    of_each = min(max(round(_SAMPLE_ROWS * step / chunks), 1), size)
    scattered = "(chunk_id * 40503 >> 4)"  # as rows are for the sample of the bits
    found = db.execute(
        f"""
        select substr(rowids, 1 + 8 * (({scattered} + value * {size // of_each}) % {size}), 8)
        from {chunks_of(names.bits)}
        cross join json_each(?)
        where {PARTITION_COLUMN} = ?
          and {scattered} % {step} = 0
        """,
        [json.dumps(list(range(of_each))), collection_id],
    ).fetchall()
    return [int.from_bytes(rowid, "little") for (rowid,) in found]
