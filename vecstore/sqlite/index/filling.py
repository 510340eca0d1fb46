"""Brings the index of one dimension into step with `embeddings`, for many entries at once.

The triggers do it for each row as it is written; from Python, vec0 takes a third of that time. What
is here belongs inside a transaction, and is for an index whose triggers are noting, or that has
none.
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from ..connection.database import Database
from ..connection.dbapi_translation import RAISING_SQLITE3_ERRORS
from ..index_names import IndexNames
from ..rowid_spans import rowid_spans
from . import bits, partitions, tables
from .build_progress import BuildProgress

_PORTION = 2000  # entries that are read, or moved, at once


class _Change(NamedTuple):
    """What becomes of one entry of the index.

    Ids do not pass through Python: another program's need not be UTF-8.

    row: the rowid in `embeddings`; None where the row is gone
    vector: None where there is none that can be compared
    rowid: in the index; None where it has no entry yet
    """

    collection_id: int
    row: int | None
    vector: bytes | None
    rowid: int | None


def fill_all(db: Database, names: IndexNames) -> None:
    """Fill an index from all rows."""
    progress = BuildProgress(db)
    keys = "select collection_id, id from embeddings where rowid > ? and rowid <= ?"
    for after, last, number in rowid_spans(db, "embeddings", _PORTION):
        fill(db, names, keys, [after, last])
        progress.add(number)


def fill(db: Database, names: IndexNames, keys: str, args: Sequence[object] = ()) -> None:
    """Bring entries of the index into step with their rows, whatever has become of these.

    :param keys: a SELECT of (collection_id, id), each once, of rows that are there or were
    """
    rows = db.execute(
        f"""
        with keys (collection_id, id) as materialized (
          {keys}
        )
        select
          keys.collection_id,
          embeddings.rowid,
          case
            when {tables.comparable_sql("embeddings", names.dimensions)}
            then embeddings.embedding
          end,
          ids.rowid
        from keys
        left join embeddings
          on embeddings.collection_id = keys.collection_id
          and embeddings.id = keys.id
        left join {names.ids} as ids
          on ids.collection_id = keys.collection_id
          and ids.id = keys.id
        """,
        args,
    ).fetchall()
    changes = [_Change(*row) for row in rows]
    _remove(db, names, [c for c in changes if c.vector is None and c.rowid is not None])
    _replace(db, names, [c for c in changes if c.vector is not None and c.rowid is not None])
    _add(db, names, [c for c in changes if c.vector is not None and c.rowid is None])


def give_partition(db: Database, collection_id: int, names: IndexNames) -> None:
    """Move a collection into a partition of its own."""
    db.execute(f"insert into {names.partitions} (collection_id) values (?)", [collection_id])
    found = db.execute(
        f"select rowid from {names.ids} where collection_id = ? order by rowid", [collection_id]
    ).fetchall()
    for start in range(0, len(found), _PORTION):
        rowids = [rowid for (rowid,) in found[start : start + _PORTION]]
        _remove_vectors(db, names, rowids)
        rows = db.execute(
            f"""
            select
              ids.collection_id,
              embeddings.rowid,
              case
                when {tables.comparable_sql("embeddings", names.dimensions)}
                then embeddings.embedding
              end,
              ids.rowid
            from {names.ids} as ids
            left join embeddings using (collection_id, id)
            where ids.rowid between ? and ?
              and ids.collection_id = ?
            """,
            [rowids[0], rowids[-1], collection_id],
        ).fetchall()
        changes = [_Change(*row) for row in rows]
        # Where an index follows, a row may be gone already, whose change comes later.
        _remove(db, names, [change for change in changes if change.vector is None])
        _add_vectors(db, names, [change for change in changes if change.vector is not None])


def _remove(db: Database, names: IndexNames, changes: list[_Change]) -> None:
    rowids = [change.rowid for change in changes]
    _run_many(db, f"delete from {names.ids} where rowid = ?", [(rowid,) for rowid in rowids])
    _remove_vectors(db, names, rowids)
    _note_fresh(db, names, changes)


def _remove_vectors(db: Database, names: IndexNames, rowids: Sequence[int | None]) -> None:
    # One by one: for a condition that is not `rowid = ?`, vec0 reads the whole table.
    for table in (names.vectors, *_bit_tables(names)):
        _run_many(db, f"delete from {table} where rowid = ?", [(rowid,) for rowid in rowids])


def _replace(db: Database, names: IndexNames, changes: list[_Change]) -> None:
    _run_many(
        db,
        f"update {names.ids} set embeddings_rowid = ? where rowid = ?",
        [(change.row, change.rowid) for change in changes],
    )
    # In place: vec0 would keep the space of a deleted vector.
    _run_many(
        db,
        f"update {names.vectors} set embedding = ? where rowid = ?",
        [(change.vector, change.rowid) for change in changes],
    )
    for table in _bit_tables(names):
        _run_many(
            db, f"delete from {table} where rowid = ?", [(change.rowid,) for change in changes]
        )
    _add_bits(db, names, changes)
    _note_fresh(db, names, changes)


def _add(db: Database, names: IndexNames, changes: list[_Change]) -> None:
    if not changes:
        return
    for collection_id, number in Counter(change.collection_id for change in changes).items():
        if partitions.needs_partition(db, collection_id, names, coming=number):
            give_partition(db, collection_id, names)
    [last] = db.execute(f"select coalesce(max(rowid), 0) from {names.ids}").fetchone()
    db.execute(
        f"""
        insert into {names.ids} (rowid, collection_id, id, embeddings_rowid)
        select ? + added.key, embeddings.collection_id, embeddings.id, embeddings.rowid
        from json_each(?) as added
        cross join embeddings on embeddings.rowid = added.value
        """,
        [last + 1, json.dumps([change.row for change in changes])],
    )
    added = [change._replace(rowid=rowid) for rowid, change in enumerate(changes, start=last + 1)]
    _add_vectors(db, names, added)
    _note_fresh(db, names, added)


def _note_fresh(db: Database, names: IndexNames, changes: list[_Change]) -> None:
    with_graph = {id for (id,) in db.execute(f"select collection_id from {names.graphs}")}
    _run_many(
        db,
        tables.note_fresh_sql("?1", "?2", names),
        [(c.collection_id, c.rowid) for c in changes if c.collection_id in with_graph],
    )


def _add_vectors(db: Database, names: IndexNames, changes: list[_Change]) -> None:
    own = _with_partition(db, names)
    _run_many(
        db,
        f"""
        insert into {names.vectors} (rowid, partition_id, collection_id, embedding)
        values (?, ?, ?, ?)
        """,
        [(c.rowid, _partition(c, own), c.collection_id, c.vector) for c in changes],
    )
    _add_bits(db, names, changes)


def _add_bits(db: Database, names: IndexNames, changes: list[_Change]) -> None:
    own = _with_partition(db, names)
    for table in _bit_tables(names):
        _run_many(
            db,
            # VALUES, not SELECT: an INSERT ... SELECT loses the subtype that marks a value as bits.
            f"""
            insert into {table} (rowid, partition_id, collection_id, sample, embedding)
            values (
              ?1,
              ?2,
              ?3,
              {tables.is_sampled_sql("?1")},
              vec_bit({bits.bits_sql("?4", names.dimensions)})
            )
            """,
            [(c.rowid, _partition(c, own), c.collection_id, c.vector) for c in changes],
        )


def _bit_tables(names: IndexNames) -> list[str]:
    return [names.bits] if tables.has_bits(names.dimensions) else []


def _with_partition(db: Database, names: IndexNames) -> set[int]:
    return {id for (id,) in db.execute(f"select collection_id from {names.partitions}")}


def _partition(change: _Change, own: set[int]) -> int:
    return change.collection_id if change.collection_id in own else tables.SHARED_PARTITION


def _run_many(db: Database, sql: str, rows: Iterable[tuple[Any, ...]]) -> None:
    with RAISING_SQLITE3_ERRORS:
        # apsw's own takes half the time.
        getattr(db.conn, "apsw", db.conn).cursor().executemany(sql, rows)
