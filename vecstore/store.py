"""The seam between collections and what keeps them: the protocol of a store.

What stands above (collections, loads, exchanged files) speaks no SQL and knows no driver: it asks a
store. There is one on SQLite, in `sqlite/store.py`, and one on PostgreSQL, in `postgres/store.py`;
`stores.py` opens them.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

from .models import EmbeddingModel
from .prefixes import Prefixes
from .query import Query, RankedQuery, Step, WhereArgs
from .related import RelatedProgress, RelatedReport
from .rows import (
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
from .settings import IndexForm

if TYPE_CHECKING:
    import sqlite_utils

Result = TypeVar("Result")

# What is done, how much of it is, and of how much: 0 where that is not known.
BuildProgress = Callable[[str, int, int], object]


class LoadStore(Protocol):
    """The part of a store that a load asks, and has written to.

    Each method that takes a collection, here and below, raises DoesNotExist or ModelMismatchError
    where that is not the one that it was: another may have its id by now.
    """

    def writing(self) -> AbstractContextManager[None]:
        """Return a block that is one transaction, or a savepoint in the caller's own."""
        ...

    def write(self, work: Callable[[], Result]) -> Result:
        """Return what `work` returns, called in writing().

        It is called again where what others wrote at the same time has prevented that, and nothing
        of it is left then.
        """
        ...

    def refuse_unstorable(
        self, id: str, content: str | bytes | None, metadata: str | None, dimensions: int = 0
    ) -> None:
        """Raise InvalidInputError, with the id, for what of an entry the store cannot hold."""
        ...

    def stored(self, collection: CollectionRow, ids: Sequence[str]) -> dict[str, StoredRow]:
        """Return what there is for these ids."""
        ...

    def stored_chunks(
        self, collection: CollectionRow, documents: Sequence[str]
    ) -> dict[str, StoredRow]:
        """Return what there is for all ids that chunks of these documents can have."""
        ...

    def known_vectors(
        self, collection: CollectionRow, hashes: Iterable[bytes]
    ) -> dict[bytes, bytes]:
        """Return the vectors that the collection has for contents, both by the content's hash."""
        ...

    def dimensions(self, collection: CollectionRow, wanted: int) -> int | None:
        """Return `wanted` if the collection has vectors of it, else what it has; None for none."""
        ...

    def put(self, collection: CollectionRow, rows: Iterable[EmbeddingRow]) -> int:
        """Insert rows, in place of those with their ids; return how many. Only in writing()."""
        ...

    def change(self, collection: CollectionRow, changes: Iterable[RowChange]) -> None:
        """Change rows whose vectors stay. Only in writing()."""
        ...

    def delete(self, collection: CollectionRow, ids: Sequence[str]) -> int:
        """Delete entries, in one transaction; return how many there were."""
        ...


@runtime_checkable
class Store(LoadStore, Protocol):
    """What keeps collections."""

    def database(self) -> "sqlite_utils.Database":
        """Return the database that the store is in, for SQL of the user's own.

        :raises DatabaseError: it is no SQLite database
        """
        ...

    def close(self) -> None:
        """Close this thread's connection to the database."""
        ...

    # Collections

    def ensure_schema(self, index_form: IndexForm | None = None) -> None:
        """Make the documented tables, or bring older ones up to date, where that can be written.

        :param index_form: where the index of a new store is to be, if that is not by default
        :raises InvalidInputError: the index of this one is elsewhere
        """
        ...

    def describe(self) -> str:
        """Return what a message says of the store: where it is, and which collections it has."""
        ...

    def summaries(self) -> list[CollectionSummary]:
        """Return what there is of each collection, by name; none without tables of ours."""
        ...

    def find(self, name: str) -> CollectionRow | None:
        """Return the row of a collection; None if there is none."""
        ...

    def create(self, name: str, model_id: str) -> CollectionRow:
        """Insert a collection, unless another process has done so, and return its row."""
        ...

    def create_new(self, name: str, model_id: str) -> CollectionRow:
        """Insert a collection that there must not be, and return its row.

        :raises InvalidInputError: there is a collection of that name
        """
        ...

    def drop(self, collection: CollectionRow) -> None:
        """Delete a collection and its entries, in one transaction."""
        ...

    def rename(self, collection: CollectionRow, name: str) -> CollectionRow:
        """Give a collection another name, and return its row.

        :raises InvalidInputError: there is a collection of that name
        """
        ...

    def copy(self, collection: CollectionRow, name: str) -> CollectionRow:
        """Insert a collection with the same entries, in one transaction, and return its row.

        :raises InvalidInputError: there is a collection of that name
        """
        ...

    def require(self, collection: CollectionRow) -> None:
        """Raise what the others raise, if a collection is not the one that it was."""
        ...

    def prefixes(self, collection: CollectionRow) -> Prefixes:
        """Return the collection's own prefixes, as they are now."""
        ...

    def set_prefixes(self, collection: CollectionRow, prefixes: Prefixes) -> None:
        """Have a collection remember these prefixes, in one transaction.

        Whether its entries were embedded with that of a document is the caller's concern.
        """
        ...

    def use_model(self, model: EmbeddingModel) -> None:
        """Have SQL embed with this model, for the collections of its id."""
        ...

    def build_graph(self, collection: CollectionRow, progress: BuildProgress | None = None) -> None:
        """Build what makes searches in a large collection fast, and keep it from then on.

        :param progress: is called with what is done, and how far that is, where the store knows
        """
        ...

    def end_load(self, collection: CollectionRow) -> None:
        """Do what is worth it after many entries were written, and can be done at any time."""
        ...

    # Entries

    def count(self, collection: CollectionRow) -> int:
        """Return the number of entries."""
        ...

    def is_empty(self, collection: CollectionRow) -> bool:
        """Return whether there is no entry, without a look at more than one."""
        ...

    def ids(
        self,
        collection: CollectionRow,
        prefix: str = "",
        where: str | None = None,
        where_args: WhereArgs = (),
    ) -> list[str]:
        """Return all ids, in order, or those of entries that meet conditions, as in a search.

        :raises InvalidInputError: a condition is none
        """
        ...

    def page(self, collection: CollectionRow, after: str | None, limit: int) -> list[EntryRow]:
        """Return the first entries, in the order of ids, of those after an id; without scores."""
        ...

    def get(self, collection: CollectionRow, id: str) -> EntryRow | None:
        """Return one entry, without a score; None if there is none."""
        ...

    def has(self, collection: CollectionRow, id: str) -> bool:
        """Return whether there is an entry with that id."""
        ...

    def vector(self, collection: CollectionRow, id: str) -> tuple[Any] | None:
        """Return an entry's vector, float32 bytes if it is sound, in a tuple; None for no entry."""
        ...

    def vectors(self, collection: CollectionRow, ids: Sequence[str]) -> dict[str, Any]:
        """Return the vectors, as vector() does, of those of these ids that there are."""
        ...

    def vector_page(
        self, collection: CollectionRow, after: str | None, limit: int
    ) -> list[tuple[str, Any]]:
        """Return the first ids, of those after an id, each with its vector as vector() has it."""
        ...

    def copies(self, collection: CollectionRow, content_hash: bytes) -> int:
        """Return how many entries have the vector of a content."""
        ...

    def documents(self, collection: CollectionRow) -> list[str]:
        """Return the documents of which there are chunks, in order."""
        ...

    def documents_of_chunks(self, collection: CollectionRow, prefix: str = "") -> dict[str, str]:
        """Return the document of each chunk by the chunk's id, of those whose ids have a prefix."""
        ...

    def chunks(self, collection: CollectionRow, document: str) -> list[EntryRow]:
        """Return the chunks of a document, the first first; without scores."""
        ...

    def chunk_ids(self, collection: CollectionRow, document: str) -> list[str]:
        """Return the ids of the chunks of a document, the first first."""
        ...

    def search(self, query: Query, steps: list[Step]) -> list[Hit]:
        """Return the entries nearest to a vector, best first, and add what was done to `steps`."""
        ...

    def search_ranked(self, query: RankedQuery, steps: list[Step]) -> list[RankedHit]:
        """Return the best entries of several rankings, best first, and add what was done."""
        ...

    def count_without_text(self, collection: CollectionRow) -> int:
        """Return how many entries have no stored text, so that keywords cannot find them."""
        ...

    def relate(
        self, collection: CollectionRow, number: int, progress: RelatedProgress | None
    ) -> RelatedReport:
        """Have the table of related items list the nearest of each entry, and return what was done.

        :raises DatabaseError: a transaction is open, it cannot be written, or another process does
          the same
        """
        ...

    def index_metadata(self, key: str) -> None:
        """Have an index answer conditions on a key of the metadata; one that is there stays."""
        ...

    # A collection that is to take another's place. `text` and `binary` are what its model embeds.

    def sample_ids(self, collection: CollectionRow, number: int) -> list[str]:
        """Return so many ids, or all of fewer, from all over a collection: always the same."""
        ...

    def find_unfit(self, collection: CollectionRow, *, text: bool, binary: bool) -> UnfitEntries:
        """Return which entries cannot be embedded from what is stored."""
        ...

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
        """Return the next rows, by id, whose content the new one has no vector of.

        Those that cannot be embedded are left out. None in place of the new one is one without
        entries.
        """
        ...

    def count_lacking(
        self, old: CollectionRow, new: CollectionRow | None, *, text: bool, binary: bool
    ) -> int:
        """Return how many rows lacking_rows() would give in all."""
        ...

    def bring_into_step(self, old: CollectionRow, new: CollectionRow) -> None:
        """Make the new one equal to the old one as far as that needs no model, in a transaction.

        What lacking_rows() gives after that is all that is missing. What is gone from the old one
        stays in the new one until that takes its place.
        """
        ...

    def take_place(
        self, old: CollectionRow, new: CollectionRow, kept_as: str | None
    ) -> CollectionRow:
        """Give the new one the old one's name, in one transaction, and return its row.

        The new one has no entries then that are gone from the old one.

        :param kept_as: the name that the old one gets; None deletes it
        :raises InvalidInputError: there is a collection of that name
        """
        ...

    def inherit_graph(self, old: CollectionRow, new: CollectionRow) -> None:
        """Build a graph of the new one, and keep it from then on, if the old one is to have one."""
        ...

    # A collection that is copied from store to store

    def names(self) -> list[str]:
        """Return the names of all collections, in order."""
        ...

    def reading(self) -> AbstractContextManager[None]:
        """Return a block in which all that is read is of one moment."""
        ...

    def id_portions(self, collection: CollectionRow) -> Iterator[list[str]]:
        """Yield all ids, in order, some at a time. In reading()."""
        ...

    def rows(self, collection: CollectionRow, ids: Sequence[str]) -> Iterator[EmbeddingRow]:
        """Yield the rows of those of these ids that there are.

        What another program stored may be of other types, as also in the next.
        """
        ...

    def all_rows(self, collection: CollectionRow) -> Iterator[EmbeddingRow]:
        """Yield all rows, also those whose id is no text. In reading()."""
        ...

    def digests(self, collection: CollectionRow, ids: Sequence[str]) -> dict[str, bytes]:
        """Return the row_digests() of those of these ids that there are."""
        ...

    def problem_of(self, row: EmbeddingRow) -> str | None:
        """Return what of a row, of any types, the store cannot hold; None for what it can."""
        ...

    def add(self, collection: CollectionRow, rows: Iterable[EmbeddingRow]) -> int:
        """Insert rows of ids that there are not yet; return how many. Only in writing()."""
        ...

    # As one

    def exporting(
        self, name: str
    ) -> AbstractContextManager[tuple[CollectionRow, int, Iterator[EmbeddingRow]]]:
        """Return a block with a collection, the number of its rows, and these, of one moment."""
        ...

    def has_transaction(self) -> bool:
        """Return whether this thread has a transaction open."""
        ...
