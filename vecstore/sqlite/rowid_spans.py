"""Reads a table a portion at a time, so that no statement takes long."""

from collections.abc import Iterator

from .connection.database import Database

_BEFORE_ALL = -(2**63)


def rowid_spans(db: Database, table: str, rows: int) -> Iterator[tuple[int, int, int]]:
    """Yield ranges of rowids, above the first and up to the second, and how many there are.

    :param rows: in a range, at most
    """
    after = _BEFORE_ALL
    while True:
        last, number = db.execute(
            f"""
            select max(row), count(*)
            from (
              select rowid as row
              from {table}
              where rowid > ?
              order by rowid
              limit ?
            )
            """,
            [after, rows],
        ).fetchone()
        if not number:
            return
        yield after, last, number
        after = last
