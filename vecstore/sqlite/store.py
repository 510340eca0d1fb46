"""The protocol of a store on SQLite: what reads and writes the entries of a collection.

The rows of `collections` are those of catalog.py, and the statements of a search are in search/.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from ..chunks import ids_between
from ..errors import DatabaseError
from ..models import EmbeddingModel
from ..prefixes import Prefixes
from ..query import Query, RankedQuery, Step, WhereArgs
from ..related import RelatedProgress, RelatedReport
from ..rows import (
    CollectionRow,
    CollectionSummary,
    EmbeddingRow,
    EntryRow,
    Hit,
    RankedHit,
    RowChange,
    StoredRow,
    UnfitEntries,
    row_digests,
)
from ..settings import IndexForm
from ..store import BuildProgress, Store
from . import (
    catalog,
    collection_prefixes,
    documents,
    functions,
    metadata_indexes,
    schema,
    succession,
    transactions,
    whole_rows,
)
from .connection import frozen, interrupts, opening, sqlite_errors, turns
from .connection.database import Database, to_sqlite_utils
from .connection.interrupts import Result
from .connection.sqlite_errors import CALLING_OTHERS, RAISING_OUR_ERRORS
from .index import kept_graphs
from .index.dimensions import find_dimensions
from .related import computing
from .row_writing import RowWriter
from .search import fusion, matching, planner

if TYPE_CHECKING:
    import sqlite_utils

_ROWS_A_READ = 200  # whose content may be large
_MAX_VARIABLES = 500  # in one statement; SQLite's limit is 32,766, or less in some builds

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
        self._writer = RowWriter(db)
        self._written_rows = 0  # of a load that has not ended

    def database(self) -> "sqlite_utils.Database":
        return to_sqlite_utils(self.db)

    def close(self) -> None:
        self.db.close()

    @RAISING_OUR_ERRORS
    def ensure_schema(self, index_form: IndexForm | None = None) -> None:
        frozen.repeat_if_changed(self.db, lambda: schema.ensure_schema(self.db, index_form))

    @RAISING_OUR_ERRORS
    def describe(self) -> str:
        return catalog.describe_database(self.db)

    @RAISING_OUR_ERRORS
    def summaries(self) -> list[CollectionSummary]:
        return frozen.repeat_if_changed(self.db, lambda: catalog.summarize(self.db))

    @RAISING_OUR_ERRORS
    def find(self, name: str) -> CollectionRow | None:
        return frozen.repeat_if_changed(self.db, lambda: catalog.find(self.db, name))

    @RAISING_OUR_ERRORS
    def create(self, name: str, model_id: str) -> CollectionRow:
        return catalog.create(self.db, name, model_id)

    @RAISING_OUR_ERRORS
    def create_new(self, name: str, model_id: str) -> CollectionRow:
        with transactions.writing(self.db):
            return catalog.create_new(self.db, name, model_id)

    @RAISING_OUR_ERRORS
    def drop(self, collection: CollectionRow) -> None:
        with transactions.writing(self.db):
            self.require(collection)
            succession.delete_collection(self.db, collection)

    @RAISING_OUR_ERRORS
    def rename(self, collection: CollectionRow, name: str) -> CollectionRow:
        with transactions.writing(self.db):
            self.require(collection)
            return catalog.rename(self.db, collection, name)

    def copy(self, collection: CollectionRow, name: str) -> CollectionRow:
        with self.writing():
            return self._copy(collection, name)

    @RAISING_OUR_ERRORS
    def _copy(self, collection: CollectionRow, name: str) -> CollectionRow:
        self.require(collection)
        copied = catalog.create_new(self.db, name, collection.model)
        self._writer.copy(collection, copied)
        collection_prefixes.put(
            self.db, copied.id, collection_prefixes.find(self.db, collection.id)
        )
        return copied

    @RAISING_OUR_ERRORS
    def require(self, collection: CollectionRow) -> None:
        catalog.require_unchanged(self.db, collection)

    def prefixes(self, collection: CollectionRow) -> Prefixes:
        return self._read(collection, lambda _: collection_prefixes.find(self.db, collection.id))

    @RAISING_OUR_ERRORS
    def set_prefixes(self, collection: CollectionRow, prefixes: Prefixes) -> None:
        with transactions.writing(self.db):
            self.require(collection)
            collection_prefixes.put(self.db, collection.id, prefixes)

    @RAISING_OUR_ERRORS
    def use_model(self, model: EmbeddingModel) -> None:
        functions.use_model(self.db, model)

    @interrupts.block
    def writing(self) -> Iterator[None]:
        with RAISING_OUR_ERRORS, transactions.writing(self.db), CALLING_OTHERS:
            yield
        self._writer.follow_if_worth()

    def write(self, work: Callable[[], Result]) -> Result:
        with self.writing():  # no other writes meanwhile
            return work()

    def refuse_unstorable(
        self, id: str, content: str | bytes | None, metadata: str | None, dimensions: int = 0
    ) -> None:
        """Refuse nothing: a file can hold whatever an entry can be."""

    @RAISING_OUR_ERRORS
    def build_graph(
        self,
        collection: CollectionRow,
        progress: BuildProgress | None = None,  # noqa: ARG002 - there is a log line
    ) -> None:
        self.require(collection)
        kept_graphs.build(self.db, collection.id)

    @RAISING_OUR_ERRORS
    def end_load(self, collection: CollectionRow) -> None:
        written, self._written_rows = self._written_rows, 0
        kept_graphs.extend_after_load(self.db, collection.id, written)

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

    @RAISING_OUR_ERRORS
    def ids(
        self,
        collection: CollectionRow,
        prefix: str = "",
        where: str | None = None,
        where_args: WhereArgs = (),
    ) -> list[str]:
        query = Query(collection, 0, prefix, where=where, where_args=where_args)
        return matching.find_ids(self.db, query)

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

    def vectors(self, collection: CollectionRow, ids: Sequence[str]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for portion in _variables(ids):
            rows = self._rows(
                collection,
                f"""
                select id, embedding
                from embeddings
                where collection_id = ?
                  and id in ({_marks(portion)})
                """,
                [collection.id, *portion],
            )
            found.update(rows)
        return found

    def vector_page(
        self, collection: CollectionRow, after: str | None, limit: int
    ) -> list[tuple[str, Any]]:
        return self._rows(
            collection,
            f"""
            select id, embedding
            from embeddings
            where collection_id = ?
              and id {">=" if after is None else ">"} ?
            order by id
            limit ?
            """,
            [collection.id, after or "", limit],
        )

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

    def documents(self, collection: CollectionRow) -> list[str]:
        return self._read(collection, lambda _: documents.names(self.db, collection.id))

    def documents_of_chunks(self, collection: CollectionRow, prefix: str = "") -> dict[str, str]:
        return self._read(collection, lambda _: documents.of_chunks(self.db, collection.id, prefix))

    def chunks(self, collection: CollectionRow, document: str) -> list[EntryRow]:
        return self._read(collection, lambda _: documents.chunks(self.db, collection.id, document))

    def chunk_ids(self, collection: CollectionRow, document: str) -> list[str]:
        return self._read(
            collection, lambda _: documents.chunk_ids(self.db, collection.id, document)
        )

    def stored(self, collection: CollectionRow, ids: Sequence[str]) -> dict[str, StoredRow]:
        return self._stored(
            collection,
            [(f"id in ({_marks(portion)})", portion) for portion in _variables(ids)],
        )

    def stored_chunks(
        self, collection: CollectionRow, documents: Sequence[str]
    ) -> dict[str, StoredRow]:
        return self._stored(
            collection,
            [("id >= ? and id < ?", ids_between(document)) for document in documents],
        )

    def _stored(
        self, collection: CollectionRow, conditions: Sequence[tuple[str, Sequence[str]]]
    ) -> dict[str, StoredRow]:
        """Return what there is for ids that meet any of these conditions, given with its values."""

        def read(_: object) -> dict[str, StoredRow]:
            found: dict[str, StoredRow] = {}
            for condition, args in conditions:
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
                      and {condition}
                    """,
                    [collection.id, *args],
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
        return self._read(collection, lambda _: find_dimensions(self.db, collection.id, wanted))

    def put(self, collection: CollectionRow, rows: Iterable[EmbeddingRow]) -> int:
        number = self._writer.put(collection, rows)
        self._written_rows += number
        return number

    def change(self, collection: CollectionRow, changes: Iterable[RowChange]) -> None:
        self._writer.change(collection, changes)

    def sample_ids(self, collection: CollectionRow, number: int) -> list[str]:
        return self._read(collection, lambda _: succession.sample_ids(self.db, collection, number))

    def find_unfit(self, collection: CollectionRow, *, text: bool, binary: bool) -> UnfitEntries:
        return self._read(
            collection,
            lambda _: succession.find_unfit(self.db, collection, text=text, binary=binary),
        )

    def lacking_rows(
        self,
        old: CollectionRow,
        new: CollectionRow | None,
        after: str | None,
        limit: int,
        *,
        text: bool,
        binary: bool,
    ) -> list[EmbeddingRow]:
        return self._read(
            old,
            lambda _: succession.lacking_rows(
                self.db, old, new, after, limit, text=text, binary=binary
            ),
        )

    def count_lacking(
        self, old: CollectionRow, new: CollectionRow | None, *, text: bool, binary: bool
    ) -> int:
        return self._read(
            old, lambda _: succession.count_lacking(self.db, old, new, text=text, binary=binary)
        )

    @RAISING_OUR_ERRORS
    def bring_into_step(self, old: CollectionRow, new: CollectionRow) -> None:
        with transactions.writing(self.db):
            self.require(old)
            self.require(new)
            succession.bring_into_step(self.db, old, new)

    @RAISING_OUR_ERRORS
    def take_place(
        self, old: CollectionRow, new: CollectionRow, kept_as: str | None
    ) -> CollectionRow:
        with transactions.writing(self.db):
            self.require(old)
            self.require(new)
            taken = succession.take_place(self.db, old, new, kept_as)
        functions.forget_vectors(self.db)
        return taken

    @RAISING_OUR_ERRORS
    def inherit_graph(self, old: CollectionRow, new: CollectionRow) -> None:
        succession.inherit_graph(self.db, old, new)

    @RAISING_OUR_ERRORS
    def search(self, query: Query, steps: list[Step]) -> list[Hit]:
        return planner.search(self.db, query, steps=steps)

    @RAISING_OUR_ERRORS
    def search_ranked(self, query: RankedQuery, steps: list[Step]) -> list[RankedHit]:
        return fusion.search(self.db, query, steps)

    def count_without_text(self, collection: CollectionRow) -> int:
        [(number,)] = self._rows(
            collection,
            """
            select count(*)
            from embeddings
            where collection_id = ?
              and typeof(content) <> 'text'
            """,
            [collection.id],
        )
        return int(number)

    @RAISING_OUR_ERRORS
    def relate(
        self, collection: CollectionRow, number: int, progress: RelatedProgress | None
    ) -> RelatedReport:
        return computing.compute(self.db, collection, number, progress)

    @RAISING_OUR_ERRORS
    def index_metadata(self, key: str) -> None:
        metadata_indexes.create(self.db, key)

    @RAISING_OUR_ERRORS
    def names(self) -> list[str]:
        return catalog.names(self.db)

    @interrupts.block
    def reading(self) -> Iterator[None]:
        with RAISING_OUR_ERRORS, transactions.reading(self.db), CALLING_OTHERS:
            yield

    def id_portions(self, collection: CollectionRow) -> Iterator[list[str]]:
        after = None
        while ids := self._next_ids(collection, after):
            after = ids[-1]
            yield [id for id in map(whole_rows.decode, ids) if isinstance(id, str)]

    def _next_ids(self, collection: CollectionRow, after: bytes | None) -> list[bytes]:
        return self._read(collection, lambda _: whole_rows.next_ids(self.db, collection.id, after))

    def rows(self, collection: CollectionRow, ids: Sequence[str]) -> Iterator[EmbeddingRow]:
        columns = whole_rows.lenient_columns(self.db)
        for portion in _variables(ids, _ROWS_A_READ):
            yield from self._find_rows(collection, columns, portion)

    def _find_rows(
        self, collection: CollectionRow, columns: str, ids: Sequence[str]
    ) -> list[EmbeddingRow]:
        return self._read(
            collection, lambda _: whole_rows.find_rows(self.db, columns, collection.id, ids)
        )

    def all_rows(self, collection: CollectionRow) -> Iterator[EmbeddingRow]:
        self.require(collection)
        return whole_rows.all_rows(self.db, collection.id)

    def digests(self, collection: CollectionRow, ids: Sequence[str]) -> dict[str, bytes]:
        return {row.id: row_digests(row) for row in self.rows(collection, ids)}

    def problem_of(self, row: EmbeddingRow) -> str | None:  # noqa: ARG002 - the protocol's
        """Return None: a file can hold whatever a row can be."""
        return None

    def add(self, collection: CollectionRow, rows: Iterable[EmbeddingRow]) -> int:
        return self.put(collection, rows)

    @interrupts.block
    def exporting(self, name: str) -> Iterator[tuple[CollectionRow, int, Iterator[EmbeddingRow]]]:
        with RAISING_OUR_ERRORS, transactions.reading(self.db):
            schema.pending_migrations(self.db)  # raises for a newer one
            collection = catalog.find_or_fail(self.db, name)
            rows = self.db.execute(
                f"""
                select {", ".join(whole_rows.columns(self.db).values())}
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
                    yield collection, number, whole_rows.made_rows(EmbeddingRow._make, rows)

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


def _variables(values: Sequence[_T], most: int = _MAX_VARIABLES) -> Iterator[Sequence[_T]]:
    """Yield parts that are short enough to be the variables of one statement."""
    for start in range(0, len(values), most):
        yield values[start : start + most]


def _marks(values: Sequence[object]) -> str:
    """Return the placeholders of a list, for `in (...)`."""
    return ", ".join("?" * len(values))
