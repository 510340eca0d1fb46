"""Writes rows of `embeddings`, many with a statement, and has the index of vectors get them."""

import json
from collections.abc import Callable, Iterable

from ..rows import CollectionRow, EmbeddingRow, RowChange, row_portions
from . import journal, transactions
from .connection import opening
from .connection.database import Database
from .connection.sqlite_errors import RAISING_OUR_ERRORS
from .index import building, following

_ROWS_A_STATEMENT = 500  # more are no faster
_FEWEST_VARIABLES = 999  # that any SQLite takes in a statement
_ROWS_TO_COPY = 2000  # by one statement
# A search brings an index beside the file into step. A load does so now and then, so that the first
# search after it need not, and the journal stays small.
_ROWS_TO_FOLLOW = 10_000


class RowWriter:
    """What writes the rows of one database, and knows which an index beside it may not have.

    Its methods but the last belong inside a transaction.
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        self._unfollowed_rows = 0
        self._unfollowed_dimensions: set[int] = set()

    def put(self, collection: CollectionRow, rows: Iterable[EmbeddingRow]) -> int:
        """Insert rows, in place of those with their ids; return how many."""
        number = 0
        for portion in row_portions(rows, _rows_a_statement(self._db)):
            self._put(collection, portion)
            number += len(portion)
        return number

    @RAISING_OUR_ERRORS
    def _put(self, collection: CollectionRow, rows: list[EmbeddingRow]) -> None:
        self._write_indexed(len(rows), _dimensions_of(rows), lambda: self._insert(collection, rows))

    def _insert(self, collection: CollectionRow, rows: list[EmbeddingRow]) -> None:
        columns = EmbeddingRow._fields
        marks = f"(?{', ?' * len(columns)})"
        changes = ", ".join(f"{name} = excluded.{name}" for name in columns if name != "id")
        self._db.conn.execute(
            f"""
            insert into embeddings (collection_id, {", ".join(columns)})
            values {", ".join([marks] * len(rows))}
            on conflict (collection_id, id) do update set {changes}
            """,
            [value for row in rows for value in (collection.id, *row)],
        )

    @RAISING_OUR_ERRORS
    def change(self, collection: CollectionRow, changes: Iterable[RowChange]) -> None:
        """Change rows whose vectors stay."""
        with transactions.explain_write_errors(self._db):
            for change in changes:
                self._change(collection, change)

    def _change(self, collection: CollectionRow, change: RowChange) -> None:
        self._db.conn.execute(
            """
            update embeddings
            set content = coalesce(?, content),
                content_blob = coalesce(?, content_blob),
                metadata = nullif(coalesce(?, metadata), ''),
                updated = ?
            where collection_id = ?
              and id = ?
            """,
            [*change[1:], collection.id, change.id],
        )

    @RAISING_OUR_ERRORS
    def copy(self, collection: CollectionRow, copied: CollectionRow) -> None:
        """Insert all rows of a collection into another that has none."""
        # Those of the copy may come between them by rowid, and do not by the collection.
        found = self._db.execute(
            "select rowid, length(embedding) / 4 from embeddings where collection_id = ?",
            [collection.id],
        ).fetchall()
        for start in range(0, len(found), _ROWS_TO_COPY):
            portion = found[start : start + _ROWS_TO_COPY]
            self._copy_rows(copied, [rowid for rowid, _ in portion], {d for _, d in portion if d})

    def _copy_rows(self, copied: CollectionRow, rowids: list[int], dimensions: set[int]) -> None:
        columns = ", ".join(EmbeddingRow._fields)
        self._write_indexed(
            len(rowids),
            dimensions,
            lambda: self._db.conn.execute(
                f"""
                insert into embeddings (collection_id, {columns})
                select ?, {columns}
                from embeddings
                where rowid in (select value from json_each(?))
                """,
                [copied.id, json.dumps(rowids)],
            ),
        )

    def _write_indexed(
        self, number: int, dimensions: set[int], write: Callable[[], object]
    ) -> None:
        """Call `write`, which inserts so many rows, and have the index get them."""
        with transactions.explain_write_errors(self._db):
            if journal.is_there(self._db):
                self._write_with_index_beside(number, dimensions, write)
                return
            indexed = [d for d in dimensions if building.ensure_index(self._db, d)]
            building.write_noting(self._db, indexed, write)

    def _write_with_index_beside(
        self, number: int, dimensions: set[int], write: Callable[[], object]
    ) -> None:
        if not journal.is_whole(self._db):
            journal.create(self._db)
        write()
        self._unfollowed_rows += number
        self._unfollowed_dimensions.update(dimensions)

    def follow_if_worth(self) -> None:
        """Bring an index beside the file into step after many rows, unless in a transaction."""
        if self._unfollowed_rows >= _ROWS_TO_FOLLOW and not self._db.conn.in_transaction:
            self._follow()

    @RAISING_OUR_ERRORS
    def _follow(self) -> None:
        following.follow(self._db, self._unfollowed_dimensions, kept_changes=0)
        self._unfollowed_rows = 0
        self._unfollowed_dimensions.clear()


def _rows_a_statement(db: Database) -> int:
    """Return how many rows one INSERT takes, whose values are a variable each."""
    most = opening.max_parameters(db) or _FEWEST_VARIABLES
    return min(most // (1 + len(EmbeddingRow._fields)), _ROWS_A_STATEMENT)


def _dimensions_of(rows: Iterable[EmbeddingRow]) -> set[int]:
    """Return the dimensions of the vectors in rows, leaving out what is none."""
    vectors = {len(row.embedding) for row in rows if isinstance(row.embedding, bytes)}
    return {size // 4 for size in vectors if size and size % 4 == 0}
