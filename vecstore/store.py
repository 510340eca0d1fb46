"""The seam between collections and what keeps them: the protocol of a store.

What stands above (collections, loads, exchanged files) speaks no SQL and knows no driver: it asks a
store. The one there is, on SQLite, is in `sqlite/store.py`; `stores.py` opens it.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from sqlite_utils import Database

from .models import EmbeddingModel
from .query import Query, Step
from .rows import CollectionRow, EmbeddingRow, EntryRow, Hit, RowChange, StoredRow


class LoadStore(Protocol):
    """The part of a store that a load asks, and has written to.

    Each method that takes a collection, here and below, raises DoesNotExist or ModelMismatchError
    where that is not the one that it was: another may have its id by now.
    """

    def writing(self) -> AbstractContextManager[None]:
        """Return a block that is one transaction, or a savepoint in the caller's own."""
        ...

    def stored(self, collection: CollectionRow, ids: Sequence[str]) -> dict[str, StoredRow]:
        """Return what there is for these ids."""
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


class Store(LoadStore, Protocol):
    """What keeps collections.

    Attributes:
        db: the sqlite_utils.Database, for SQL of the user's own
    """

    db: Database

    # Collections

    def ensure_schema(self) -> None:
        """Make the documented tables, or bring older ones up to date, where that can be written."""
        ...

    def describe(self) -> str:
        """Return what a message says of the store: where it is, and which collections it has."""
        ...

    def find(self, name: str) -> CollectionRow | None:
        """Return the row of a collection; None if there is none."""
        ...

    def create(self, name: str, model_id: str) -> CollectionRow:
        """Insert a collection, unless another process has done so, and return its row."""
        ...

    def drop(self, collection: CollectionRow) -> None:
        """Delete a collection and its entries, in one transaction."""
        ...

    def require(self, collection: CollectionRow) -> None:
        """Raise what the others raise, if a collection is not the one that it was."""
        ...

    def use_model(self, model: EmbeddingModel) -> None:
        """Have SQL embed with this model, for the collections of its id."""
        ...

    # Entries

    def count(self, collection: CollectionRow) -> int:
        """Return the number of entries."""
        ...

    def is_empty(self, collection: CollectionRow) -> bool:
        """Return whether there is no entry, without a look at more than one."""
        ...

    def ids(self, collection: CollectionRow) -> list[str]:
        """Return all ids, in order."""
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

    def delete(self, collection: CollectionRow, ids: Sequence[str]) -> int:
        """Delete entries, in one transaction; return how many there were."""
        ...

    def copies(self, collection: CollectionRow, content_hash: bytes) -> int:
        """Return how many entries have the vector of a content."""
        ...

    def search(self, query: Query, steps: list[Step]) -> list[Hit]:
        """Return the entries nearest to a vector, best first, and add what was done to `steps`."""
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
