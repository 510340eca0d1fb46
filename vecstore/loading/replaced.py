"""Vectors that a load has replaced, kept for those of its entries that have the same content.

In a folder whose files were renamed one into the other, a content is under an id that comes later,
whose batch is written when the row that had it is another's already.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager

from ..rows import CollectionRow, EmbeddingRow, RowChange, StoredRow
from ..store import LoadStore, Result

_MOST_BYTES = 64 * 1024 * 1024  # of vectors that are kept; what is beyond is embedded again


class KeepingReplaced(LoadStore):
    """A store that goes on knowing the vectors that are replaced or deleted through it."""

    def __init__(self, store: LoadStore) -> None:
        self._store = store
        self._stored: dict[str, StoredRow] = {}  # of the batch that is written next
        self._replaced: dict[bytes, bytes] = {}  # by content hash
        self._bytes = 0

    def writing(self) -> AbstractContextManager[None]:
        return self._store.writing()

    def write(self, work: Callable[[], Result]) -> Result:
        return self._store.write(work)

    def refuse_unstorable(
        self, id: str, content: str | bytes | None, metadata: str | None, dimensions: int = 0
    ) -> None:
        self._store.refuse_unstorable(id, content, metadata, dimensions)

    def stored(self, collection: CollectionRow, ids: Sequence[str]) -> dict[str, StoredRow]:
        self._stored = self._store.stored(collection, ids)
        return self._stored

    def stored_chunks(
        self, collection: CollectionRow, documents: Sequence[str]
    ) -> dict[str, StoredRow]:
        self._stored = self._store.stored_chunks(collection, documents)
        return self._stored

    def known_vectors(
        self, collection: CollectionRow, hashes: Iterable[bytes]
    ) -> dict[bytes, bytes]:
        hashes = list(hashes)
        kept = {known: self._replaced[known] for known in hashes if known in self._replaced}
        return kept | self._store.known_vectors(collection, hashes)

    def dimensions(self, collection: CollectionRow, wanted: int) -> int | None:
        return self._store.dimensions(collection, wanted)

    def put(self, collection: CollectionRow, rows: Iterable[EmbeddingRow]) -> int:
        rows = list(rows)
        self._keep_vectors(collection, [row.id for row in rows])
        return self._store.put(collection, rows)

    def change(self, collection: CollectionRow, changes: Iterable[RowChange]) -> None:
        self._store.change(collection, changes)

    def delete(self, collection: CollectionRow, ids: Sequence[str]) -> int:
        self._keep_vectors(collection, ids)
        return self._store.delete(collection, ids)

    def _keep_vectors(self, collection: CollectionRow, ids: Sequence[str]) -> None:
        """Keep the vectors of rows that are about to go."""
        if self._bytes > _MOST_BYTES:
            return
        before = [self._stored[id] for id in ids if id in self._stored]
        hashes = {row.content_hash for row in before if row.has_vector and row.content_hash}
        vectors = self._store.known_vectors(collection, hashes - self._replaced.keys())
        self._replaced.update(vectors)
        self._bytes += sum(map(len, vectors.values()))
