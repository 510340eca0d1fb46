"""The protocol of a store on PostgreSQL: each method asks the module that has its statements."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg

from ..errors import DatabaseError, InvalidInputError
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
)
from ..settings import IndexForm
from ..sqlite.connection import interrupts
from ..store import BuildProgress, Store
from . import (
    catalog,
    copying,
    documents,
    embeddings,
    fusion,
    hnsw,
    metadata_indexes,
    prefixes,
    related,
    schema,
    search,
    succession,
)
from .connection import PostgresDatabase
from .storable import problem_of_row, refuse_unstorable

if TYPE_CHECKING:
    import sqlite_utils

_Result = TypeVar("_Result")


class PostgresStore(Store):
    """The collections of one PostgreSQL database; `store.Store` says what each method does.

    What PostgreSQL refuses is raised as an error of ours. Each thread has a connection of its own,
    which is opened when it is needed, and again after it was lost.

    :param url: `postgresql://user@host/name`, as libpq has it
    """

    def __init__(self, url: str) -> None:
        self.db = PostgresDatabase(url)

    def __repr__(self) -> str:
        return f"<PostgresStore {self.db.shown}>"

    def close(self) -> None:
        self.db.close()

    def connection(self) -> psycopg.Connection[Any]:
        """Return this thread's psycopg connection, for SQL of your own. It is in autocommit."""
        return self.db.connection()

    def database(self) -> "sqlite_utils.Database":
        raise DatabaseError(
            f"{self.db.shown} is no SQLite database, and has no sqlite_utils.Database: "
            "collection.store.connection() is its psycopg connection"
        )

    def ensure_schema(self, index_form: IndexForm | None = None) -> None:
        if index_form is not None:
            raise InvalidInputError(
                f"index is {index_form!r}, of SQLite files: in PostgreSQL build_graph() makes an "
                "index, and there is no other place for it"
            )
        schema.ensure_schema(self.db)

    def describe(self) -> str:
        return catalog.describe_database(self.db)

    def summaries(self) -> list[CollectionSummary]:
        return catalog.summarize(self.db)

    def find(self, name: str) -> CollectionRow | None:
        return catalog.find(self.db, name)

    def create(self, name: str, model_id: str) -> CollectionRow:
        return catalog.create(self.db, name, model_id)

    def create_new(self, name: str, model_id: str) -> CollectionRow:
        return self.db.write(lambda: catalog.create_new(self.db, name, model_id))

    def drop(self, collection: CollectionRow) -> None:
        def work() -> None:
            self.require(collection)
            succession.delete_collection(self.db, collection)

        self.db.write(work)
        hnsw.drop_unused(self.db)

    def rename(self, collection: CollectionRow, name: str) -> CollectionRow:
        return self._write(collection, lambda: catalog.rename(self.db, collection, name))

    def copy(self, collection: CollectionRow, name: str) -> CollectionRow:
        def work() -> CollectionRow:
            copied = catalog.create_new(self.db, name, collection.model)
            embeddings.copy(self.db, collection, copied)
            prefixes.put(self.db, copied.id, prefixes.find(self.db, collection.id))
            return copied

        return self._write(collection, work)

    def require(self, collection: CollectionRow) -> None:
        catalog.require_unchanged(self.db, collection)

    def prefixes(self, collection: CollectionRow) -> Prefixes:
        return self._read(collection, lambda: prefixes.find(self.db, collection.id))

    def set_prefixes(self, collection: CollectionRow, own: Prefixes) -> None:
        self._write(collection, lambda: prefixes.put(self.db, collection.id, own))

    def use_model(self, model: EmbeddingModel) -> None:
        """Do nothing: no SQL function of PostgreSQL embeds."""

    def build_graph(self, collection: CollectionRow, progress: BuildProgress | None = None) -> None:
        hnsw.build(self.db, collection, progress)

    def end_load(self, collection: CollectionRow) -> None:
        """Do nothing: what an index misses, PostgreSQL adds as it is written."""

    def count(self, collection: CollectionRow) -> int:
        return self._read(collection, lambda: embeddings.count(self.db, collection.id))

    def is_empty(self, collection: CollectionRow) -> bool:
        return self._read(collection, lambda: embeddings.is_empty(self.db, collection.id))

    def ids(
        self,
        collection: CollectionRow,
        prefix: str = "",
        where: str | None = None,
        where_args: WhereArgs = (),
    ) -> list[str]:
        return search.find_ids(
            self.db, Query(collection, 0, prefix, where=where, where_args=where_args)
        )

    def page(self, collection: CollectionRow, after: str | None, limit: int) -> list[EntryRow]:
        return self._read(collection, lambda: embeddings.page(self.db, collection.id, after, limit))

    def get(self, collection: CollectionRow, id: str) -> EntryRow | None:
        return self._read(collection, lambda: embeddings.get(self.db, collection.id, id))

    def has(self, collection: CollectionRow, id: str) -> bool:
        return self.vector(collection, id) is not None

    def vector(self, collection: CollectionRow, id: str) -> tuple[Any] | None:
        found = self.vectors(collection, [id])
        return (found[id],) if id in found else None

    def vectors(self, collection: CollectionRow, ids: Sequence[str]) -> dict[str, Any]:
        return self._read(collection, lambda: embeddings.vectors(self.db, collection.id, ids))

    def vector_page(
        self, collection: CollectionRow, after: str | None, limit: int
    ) -> list[tuple[str, Any]]:
        return self._read(
            collection, lambda: embeddings.vector_page(self.db, collection.id, after, limit)
        )

    def copies(self, collection: CollectionRow, content_hash: bytes) -> int:
        return self._read(
            collection, lambda: embeddings.copies(self.db, collection.id, content_hash)
        )

    def documents(self, collection: CollectionRow) -> list[str]:
        return self._read(collection, lambda: documents.names(self.db, collection.id))

    def documents_of_chunks(self, collection: CollectionRow, prefix: str = "") -> dict[str, str]:
        return self._read(collection, lambda: documents.of_chunks(self.db, collection.id, prefix))

    def chunks(self, collection: CollectionRow, document: str) -> list[EntryRow]:
        return self._read(collection, lambda: documents.chunks(self.db, collection.id, document))

    def chunk_ids(self, collection: CollectionRow, document: str) -> list[str]:
        return self._read(collection, lambda: documents.chunk_ids(self.db, collection.id, document))

    def search(self, query: Query, steps: list[Step]) -> list[Hit]:
        return search.search(self.db, query, steps)

    def search_ranked(self, query: RankedQuery, steps: list[Step]) -> list[RankedHit]:
        return fusion.search(self.db, query, steps)

    def count_without_text(self, collection: CollectionRow) -> int:
        return self._read(collection, lambda: embeddings.count_without_text(self.db, collection.id))

    def relate(
        self, collection: CollectionRow, number: int, progress: RelatedProgress | None
    ) -> RelatedReport:
        return related.compute(self.db, collection, number, progress)

    def index_metadata(self, key: str) -> None:
        metadata_indexes.create(self.db, key)

    def sample_ids(self, collection: CollectionRow, number: int) -> list[str]:
        return self._read(collection, lambda: succession.sample_ids(self.db, collection, number))

    def find_unfit(self, collection: CollectionRow, *, text: bool, binary: bool) -> UnfitEntries:
        return self._read(
            collection,
            lambda: succession.find_unfit(self.db, collection, text=text, binary=binary),
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
            lambda: succession.lacking_rows(
                self.db, old, new, after, limit, text=text, binary=binary
            ),
        )

    def count_lacking(
        self, old: CollectionRow, new: CollectionRow | None, *, text: bool, binary: bool
    ) -> int:
        return self._read(
            old, lambda: succession.count_lacking(self.db, old, new, text=text, binary=binary)
        )

    def bring_into_step(self, old: CollectionRow, new: CollectionRow) -> None:
        def work() -> None:
            succession.lock_both(self.db, old, new)
            succession.bring_into_step(self.db, old, new)

        self.db.write(work)

    def take_place(
        self, old: CollectionRow, new: CollectionRow, kept_as: str | None
    ) -> CollectionRow:
        def work() -> CollectionRow:
            succession.lock_both(self.db, old, new)
            return succession.take_place(self.db, old, new, kept_as)

        return self.db.write(work)

    def inherit_graph(self, old: CollectionRow, new: CollectionRow) -> None:
        hnsw.inherit(self.db, old, new)

    def names(self) -> list[str]:
        return catalog.names(self.db)

    @interrupts.block
    def reading(self) -> Iterator[None]:
        with self.db.reading():
            yield

    def id_portions(self, collection: CollectionRow) -> Iterator[list[str]]:
        self.require(collection)
        return copying.id_portions(self.db, collection.id)

    def rows(self, collection: CollectionRow, ids: Sequence[str]) -> Iterator[EmbeddingRow]:
        self.require(collection)
        return copying.rows(self.db, collection.id, ids)

    def all_rows(self, collection: CollectionRow) -> Iterator[EmbeddingRow]:
        for ids in self.id_portions(collection):
            yield from self.rows(collection, ids)

    def digests(self, collection: CollectionRow, ids: Sequence[str]) -> dict[str, bytes]:
        return self._read(collection, lambda: copying.digests(self.db, collection.id, ids))

    def problem_of(self, row: EmbeddingRow) -> str | None:
        return problem_of_row(row)

    def add(self, collection: CollectionRow, rows: Iterable[EmbeddingRow]) -> int:
        self.require(collection)
        return copying.add(self.db, collection, rows)

    @interrupts.block
    def exporting(self, name: str) -> Iterator[tuple[CollectionRow, int, Iterator[EmbeddingRow]]]:
        with self.db.reading():
            schema.pending_migrations(self.db)  # raises for a newer one
            collection = catalog.find_or_fail(self.db, name)
            number = embeddings.count(self.db, collection.id)
            with embeddings.streaming(self.db, collection.id) as rows:
                yield collection, number, rows

    def has_transaction(self) -> bool:
        return self.db.has_transaction()

    @interrupts.block
    def writing(self) -> Iterator[None]:
        with self.db.writing():
            yield

    def write(self, work: Callable[[], _Result]) -> _Result:
        return self.db.write(work)

    def refuse_unstorable(
        self, id: str, content: str | bytes | None, metadata: str | None, dimensions: int = 0
    ) -> None:
        refuse_unstorable(id, content, metadata, dimensions)

    def stored(self, collection: CollectionRow, ids: Sequence[str]) -> dict[str, StoredRow]:
        return self._read(collection, lambda: embeddings.stored(self.db, collection.id, ids))

    def stored_chunks(
        self, collection: CollectionRow, documents: Sequence[str]
    ) -> dict[str, StoredRow]:
        return self._read(
            collection, lambda: embeddings.stored_chunks(self.db, collection.id, documents)
        )

    def known_vectors(
        self, collection: CollectionRow, hashes: Iterable[bytes]
    ) -> dict[bytes, bytes]:
        return self._read(
            collection, lambda: embeddings.known_vectors(self.db, collection.id, hashes)
        )

    def dimensions(self, collection: CollectionRow, wanted: int) -> int | None:
        return self._read(
            collection, lambda: embeddings.find_dimensions(self.db, collection.id, wanted)
        )

    def put(self, collection: CollectionRow, rows: Iterable[EmbeddingRow]) -> int:
        self.require(collection)
        return embeddings.put(self.db, collection, rows)

    def change(self, collection: CollectionRow, changes: Iterable[RowChange]) -> None:
        self.require(collection)
        embeddings.change(self.db, collection, changes)

    def delete(self, collection: CollectionRow, ids: Sequence[str]) -> int:
        return self._write(collection, lambda: embeddings.delete(self.db, collection.id, ids))

    def _read(self, collection: CollectionRow, read: Callable[[], _Result]) -> _Result:
        """Return what `read` returns of a collection that is the one that it was."""
        return catalog.read_unchanged(self.db, collection, read)

    def _write(self, collection: CollectionRow, work: Callable[[], _Result]) -> _Result:
        """Return what `work` returns, in a transaction of a collection that is as it was."""

        def work_if_unchanged() -> _Result:
            self.require(collection)
            return work()

        return self.db.write(work_if_unchanged)
