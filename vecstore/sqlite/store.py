"""The protocol of a store on SQLite: what reads and writes the entries of a collection.

The rows of `collections` are those of catalog.py, and the statements of a search are in search/.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from sqlite_utils import Database

from ..errors import DatabaseError
from ..models import EmbeddingModel
from ..query import Query, Step
from ..rows import CollectionRow, EmbeddingRow, EntryRow, Hit, RowChange, StoredRow, row_portions
from ..store import Store
from ..vectors import content_hash
from . import catalog, functions, schema, transactions
from .connection import frozen, interrupts, opening, sqlite_errors, turns
from .connection.interrupts import Result
from .connection.sqlite_errors import CALLING_OTHERS, RAISING_OUR_ERRORS
from .index import building, partitions
from .index.dimensions import find_dimensions
from .search import planner

_MAX_VARIABLES = 500  # in one statement; SQLite's limit is 32,766, or less in some builds
# SQLite keeps a journal for each statement whose triggers write to vec0, and spills it to a file:
# with one row a statement, half of the time of an insert goes there.
_ROWS_A_STATEMENT = 100

# The distance of a vector to itself: NULL with a NaN or an infinity, which llm may have stored.
_IS_FINITE = """
    case
      when typeof(embedding) = 'blob' and length(embedding) % 4 = 0 and length(embedding) > 0
      then vec_distance_l2(embedding, embedding) is not null
      else 0
    end"""

_T = TypeVar("_T")


class SqliteStore(Store):
    """The collections of one SQLite database; `store.Store` says what each method does.

    What SQLite refuses is raised as an error of ours.
    """

    def __init__(self, db: Database) -> None:
        self.db = db

    @RAISING_OUR_ERRORS
    def ensure_schema(self) -> None:
        frozen.repeat_if_changed(self.db, lambda: schema.ensure_schema(self.db))

    @RAISING_OUR_ERRORS
    def describe(self) -> str:
        return catalog.describe_database(self.db)

    @RAISING_OUR_ERRORS
    def find(self, name: str) -> CollectionRow | None:
        return frozen.repeat_if_changed(self.db, lambda: catalog.find(self.db, name))

    @RAISING_OUR_ERRORS
    def create(self, name: str, model_id: str) -> CollectionRow:
        return catalog.create(self.db, name, model_id)

    @RAISING_OUR_ERRORS
    def drop(self, collection: CollectionRow) -> None:
        with transactions.writing(self.db):
            self.require(collection)
            self.db.execute("delete from embeddings where collection_id = ?", [collection.id])
            catalog.delete(self.db, collection)

    @RAISING_OUR_ERRORS
    def require(self, collection: CollectionRow) -> None:
        catalog.require_unchanged(self.db, collection)

    @RAISING_OUR_ERRORS
    def use_model(self, model: EmbeddingModel) -> None:
        functions.use_model(self.db, model)

    @interrupts.block
    def writing(self) -> Iterator[None]:
        with RAISING_OUR_ERRORS, transactions.writing(self.db), CALLING_OTHERS:
            yield

    @RAISING_OUR_ERRORS
    def has_transaction(self) -> bool:
        return turns.has_transaction(self.db)

    def count(self, collection: CollectionRow) -> int:
        [[number]] = self._rows(
            collection,
            "select count(*) from embeddings where collection_id = ?",
            [collection.id],
        )
        return int(number)

    def is_empty(self, collection: CollectionRow) -> bool:
        return not self._rows(
            collection, "select 1 from embeddings where collection_id = ? limit 1", [collection.id]
        )

    def ids(self, collection: CollectionRow) -> list[str]:
        found = self._rows(
            collection,
            """
            select id
            from embeddings
            where collection_id = ?
              and id is not null
            order by id
            """,
            [collection.id],
        )
        return [id for (id,) in found]

    def page(self, collection: CollectionRow, after: str | None, limit: int) -> list[EntryRow]:
        return self._rows(
            collection,
            f"""
            select id, null, content, metadata
            from embeddings
            where collection_id = ?
              and id {">=" if after is None else ">"} ?
            order by id
            limit ?
            """,
            [collection.id, after or "", limit],
        )

    def get(self, collection: CollectionRow, id: str) -> EntryRow | None:
        found = self._rows(
            collection,
            """
            select id, null, content, metadata
            from embeddings
            where collection_id = ?
              and id = ?
            """,
            [collection.id, id],
        )
        return found[0] if found else None

    def has(self, collection: CollectionRow, id: str) -> bool:
        return bool(
            self._rows(
                collection,
                "select 1 from embeddings where collection_id = ? and id = ?",
                [collection.id, id],
            )
        )

    def vector(self, collection: CollectionRow, id: str) -> tuple[Any] | None:
        found = self._rows(
            collection,
            "select embedding from embeddings where collection_id = ? and id = ?",
            [collection.id, id],
        )
        return found[0] if found else None

    @RAISING_OUR_ERRORS
    def delete(self, collection: CollectionRow, ids: Sequence[str]) -> int:
        with transactions.writing(self.db):
            self.require(collection)
            return sum(self._delete(collection, portion) for portion in _variables(ids))

    def _delete(self, collection: CollectionRow, ids: Sequence[str]) -> int:
        return self.db.conn.execute(
            f"""
            delete from embeddings
            where collection_id = ?
              and id in ({_marks(ids)})
            """,
            [collection.id, *ids],
        ).rowcount

    def stored(self, collection: CollectionRow, ids: Sequence[str]) -> dict[str, StoredRow]:
        def read(_: object) -> dict[str, StoredRow]:
            found: dict[str, StoredRow] = {}
            for portion in _variables(ids):
                rows = self.db.execute(
                    f"""
                    select
                      id,
                      content_hash,
                      {_IS_FINITE},
                      content is not null or content_blob is not null,
                      metadata
                    from embeddings
                    where collection_id = ?
                      and id in ({_marks(portion)})
                    """,
                    [collection.id, *portion],
                )
                found.update(
                    {id: StoredRow(hash, bool(v), bool(c), m) for id, hash, v, c, m in rows}
                )
            return found

        return self._read(collection, read)

    def known_vectors(
        self, collection: CollectionRow, hashes: Iterable[bytes]
    ) -> dict[bytes, bytes]:
        def read(_: object) -> dict[bytes, bytes]:
            known: dict[bytes, bytes] = {}
            for portion in _variables(list(hashes)):
                # One row of each hash, however many there are. The unary plus keeps SQLite from
                # walking the whole collection by its primary key.
                known.update(
                    self.db.execute(
                        f"""
                        with wanted (content_hash) as (
                          values {", ".join(["(?)"] * len(portion))}
                        )
                        select content_hash, (
                          select embedding
                          from embeddings
                          where embeddings.content_hash = wanted.content_hash
                            and +collection_id = ?
                            and {_IS_FINITE}
                          limit 1
                        ) as vector
                        from wanted
                        where vector is not null
                        """,
                        [*portion, collection.id],
                    )
                )
            return known

        return self._read(collection, read)

    def copies(self, collection: CollectionRow, content_hash: bytes) -> int:
        [[number]] = self._rows(
            collection,
            f"""
            select count(*)
            from embeddings
            where content_hash = ?
              and +collection_id = ?
              and {_IS_FINITE}
            """,
            [content_hash, collection.id],
        )
        return int(number)

    def dimensions(self, collection: CollectionRow, wanted: int) -> int | None:
        def read(_: object) -> int | None:
            has_index = building.index_exists(self.db, wanted)
            return find_dimensions(self.db, collection.id, wanted, has_index=has_index)

        return self._read(collection, read)

    def put(self, collection: CollectionRow, rows: Iterable[EmbeddingRow]) -> int:
        number = 0
        for portion in row_portions(rows, _ROWS_A_STATEMENT):
            self._put(collection, portion)
            number += len(portion)
        return number

    @RAISING_OUR_ERRORS
    def _put(self, collection: CollectionRow, rows: list[EmbeddingRow]) -> None:
        with transactions.explain_write_errors(self.db):
            indexed = [d for d in _dimensions_of(rows) if building.ensure_index(self.db, d)]
            self._insert(collection, rows)
            for dimensions in indexed:
                partitions.give_partition(self.db, collection.id, dimensions)

    def _insert(self, collection: CollectionRow, rows: list[EmbeddingRow]) -> None:
        columns = EmbeddingRow._fields
        marks = f"({_marks(['collection_id', *columns])})"
        changes = ", ".join(f"{name} = excluded.{name}" for name in columns if name != "id")
        self.db.conn.execute(
            f"""
            insert into embeddings (collection_id, {", ".join(columns)})
            values {", ".join([marks] * len(rows))}
            on conflict (collection_id, id) do update set {changes}
            """,
            [value for row in rows for value in (collection.id, *row)],
        )

    @RAISING_OUR_ERRORS
    def change(self, collection: CollectionRow, changes: Iterable[RowChange]) -> None:
        with transactions.explain_write_errors(self.db):
            for change in changes:
                self._change(collection, change)

    def _change(self, collection: CollectionRow, change: RowChange) -> None:
        self.db.conn.execute(
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
    def search(self, query: Query, steps: list[Step]) -> list[Hit]:
        return planner.search(self.db, query, steps=steps)

    @interrupts.block
    def exporting(self, name: str) -> Iterator[tuple[CollectionRow, int, Iterator[EmbeddingRow]]]:
        with RAISING_OUR_ERRORS, transactions.reading(self.db):
            schema.pending_migrations(self.db)  # raises for a newer one
            collection = catalog.find_or_fail(self.db, name)
            rows = self.db.execute(
                f"""
                select {", ".join(self._exported_columns())}
                from embeddings
                where collection_id = ?
                order by id
                """,
                [collection.id],
            )
            # What is raised may be kept, as in a notebook, and would keep the rows that are left:
            # SQLite then refuses to write after another's commit.
            with interrupts.ending(rows.close):
                number = self.count(collection)
                with CALLING_OTHERS:
                    yield collection, number, _exported(rows)

    def _exported_columns(self) -> list[str]:
        """Return the SQL of each column. An older llm lacks some; its file may be read-only."""
        there = self.db["embeddings"].columns_dict
        columns = {
            name: name if name in there else f"null as {name}" for name in EmbeddingRow._fields
        }
        if "content_hash" not in there:
            # As the migration has it, so that what is known is not embedded again after an import.
            self.db.conn.create_function("vecstore_md5", 1, content_hash)
            columns["content_hash"] = "case when content is not null then vecstore_md5(content) end"
        return list(columns.values())

    def _rows(self, collection: CollectionRow, sql: str, args: Sequence[object]) -> list[Any]:
        """Return all rows of a query, of a collection that is the one that it was."""
        return self._read(collection, lambda _: self.db.execute(sql, args).fetchall())

    @RAISING_OUR_ERRORS
    def _read(self, collection: CollectionRow, work: Callable[[object], Result]) -> Result:
        """Call `work` while a collection is the one that it was, and return what it returns."""
        try:
            return catalog.read_unchanged(self.db, collection, work)
        except self.db.conn.OperationalError as error:
            is_older = sqlite_errors.says(error, sqlite_errors.NO_SUCH_COLUMN)
            if is_older and schema.pending_migrations(self.db):
                raise DatabaseError(
                    f"{opening.name_of(self.db)} is of an older llm, and read-only: it cannot "
                    "be brought up to date, or written"
                ) from error
            raise


def _exported(rows: Iterator[Any]) -> Iterator[EmbeddingRow]:
    with RAISING_OUR_ERRORS:
        yield from map(EmbeddingRow._make, rows)


def _variables(values: Sequence[_T]) -> Iterator[Sequence[_T]]:
    """Yield parts that are short enough to be the variables of one statement."""
    for start in range(0, len(values), _MAX_VARIABLES):
        yield values[start : start + _MAX_VARIABLES]


def _marks(values: Sequence[object]) -> str:
    """Return the placeholders of a list, for `in (...)`."""
    return ", ".join("?" * len(values))


def _dimensions_of(rows: Iterable[EmbeddingRow]) -> set[int]:
    """Return the dimensions of the vectors in rows, leaving out what is none."""
    vectors = {len(row.embedding) for row in rows if isinstance(row.embedding, bytes)}
    return {size // 4 for size in vectors if size and size % 4 == 0}
