"""Documents as they come, made chunks, and written: each is a whole, replaced in one transaction.

What the row of a chunk is, `chunks.py` says; the write contract is that of all entries.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Set
from dataclasses import dataclass
from typing import Any

from .. import values
from ..chunks import KEYS, chunk_id, document_in_json
from ..entries import Item, id_text, surrogate_error
from ..errors import InputTypeError, InvalidInputError
from ..metadata import Metadata, to_json
from ..models import EmbeddingModel
from ..rows import CollectionRow, StoredRow
from ..splitting import Chunk, embedded_text
from ..store import LoadStore
from ..values import quote
from .contract import Batch
from .items import Check, OnError, make_each, metadata_json

Split = Callable[[str, str], list[Chunk]]  # of an id and a text

_LISTS = (tuple, list)


@dataclass(slots=True)
class Document:
    """One document to write: its id as text, its chunks, and the metadata of the user's own.

    `metadata` is None to leave that of stored chunks alone; what `items` have is then settled when
    these are known. `positions` is what the metadata of each has that is ours.
    """

    id: str
    items: list[Item]
    positions: list[Metadata]
    metadata: Metadata | None

    def take_metadata(self, metadata: Metadata) -> None:
        """Have the user's metadata be this."""
        self.metadata = metadata
        for item, position in zip(self.items, self.positions, strict=True):
            item.metadata = to_json({**metadata, **position})

    def settle_metadata(self, rows: dict[str, StoredRow]) -> None:
        """Give the chunks the user's metadata that is stored; to new ones, that of the first."""
        if self.metadata is not None:
            return
        of_user = {
            item.id: _of_user(rows[item.id])
            for item in self.items
            if item.id in rows and _is_chunk_of(self.id, item.id, rows[item.id])
        }
        of_first = next(iter(of_user.values()), {})
        for item, position in zip(self.items, self.positions, strict=True):
            item.metadata = json.dumps({**of_user.get(item.id, of_first), **position})


class DocumentBatch(Batch):
    """Whole documents that are written in one transaction, in place of what is stored of them.

    What is stored of a document and no chunk of it any more is deleted in the same transaction.
    """

    def __init__(
        self,
        rows: LoadStore,
        collection: CollectionRow,
        documents: list[Document],
        *,
        stores_content: bool,
        skip: bool = False,
        check: Callable[[], None] | None = None,
    ) -> None:
        self._documents = _last_of_each_id(documents)
        items = [item for document in self._documents.values() for item in document.items]
        super().__init__(
            rows, collection, items, stores_content=stores_content, skip=skip, check=check
        )

    def _read_rows(self) -> dict[str, StoredRow]:
        rows = self._rows.stored_chunks(self._collection, list(self._documents))
        for document in self._documents.values():
            document.settle_metadata(rows)
        return rows

    def _collision(self, item: Item, row: StoredRow) -> InvalidInputError | None:
        document = self._whole_of(item)
        if row.metadata == item.metadata or _is_chunk_of(document, item.id, row):
            return None
        return InvalidInputError(
            f"The document {quote(document)} would have the chunk {quote(item.id)}, which is the "
            "id of an entry that is no chunk of it: give the document another id, or first "
            f"delete_ids([{quote(item.id)}])"
        )

    def _to_delete(self, rows: dict[str, StoredRow]) -> list[str]:
        kept = {item.id for item in self.items}
        return [
            id
            for id, row in rows.items()
            if id not in kept and document_in_json(id, row.metadata) in self._documents
        ]

    def _whole_of(self, item: Item) -> str:
        return item.id.rpartition("#")[0]

    def _wholes(self) -> list[str]:
        return list(self._documents)

    def _remove(self, wholes: Set[str]) -> None:
        super()._remove(wholes)
        self._documents = {id: d for id, d in self._documents.items() if id not in wholes}


def make_documents(
    documents: Iterable[Any],
    model: EmbeddingModel,
    content_hash: Callable[[str | bytes], bytes],
    on_error: OnError,
    split: Split,
    check: Check,
    *,
    headings: bool,
) -> Iterator[Document]:
    """Yield (id, text) or (id, text, metadata) tuples as they will be written; see make_items().

    :param split: returns the chunks of a text
    :param headings: whether what is embedded begins with the headings above a chunk
    """

    def make(document: tuple[Any, ...]) -> Document:
        made = _make_document(
            document, model=model, content_hash=content_hash, split=split, headings=headings
        )
        for item in made.items:
            check(item)
        return made

    return make_each(map(_as_triple, documents), make, on_error)


def whole_batches(documents: Iterable[Document], size: int) -> Iterator[list[Document]]:
    """Yield as many documents as have so many chunks together; one that has none counts as one."""
    batch: list[Document] = []
    number = 0
    for document in documents:
        batch.append(document)
        number += len(document.items) or 1
        if number >= size:
            yield batch
            batch, number = [], 0
    if batch:
        yield batch


def _as_triple(document: Any) -> tuple[Any, ...]:
    if not isinstance(document, _LISTS) or len(document) not in (2, 3):
        raise InvalidInputError(
            f"A document is {quote(document)}, not an (id, text) or (id, text, metadata) tuple"
        )
    return (*document, None)[:3]


def _make_document(
    document: tuple[Any, ...],
    *,
    model: EmbeddingModel,
    content_hash: Callable[[str | bytes], bytes],
    split: Split,
    headings: bool,
) -> Document:
    """Return an (id, text, metadata) triple as it will be written.

    :raises InvalidInputError: says what of the document is wrong, or that it cannot be split
    """
    id = id_text(document[0])
    text = _text(id, document[1], model)
    metadata = _metadata(id, document[2])
    chunks = split(id, text)
    items: list[Item] = []
    for number, chunk in enumerate(chunks, start=1):
        content = text[chunk.start : chunk.end]
        embedded = embedded_text(content, chunk.heading) if headings else content
        hashed = content_hash(embedded)
        items.append(Item(chunk_id(id, number), embedded, hashed, None, content=content))
    positions = [_position(id, n, len(chunks), chunk) for n, chunk in enumerate(chunks, start=1)]
    made = Document(id, items, positions, None)
    if metadata is not None:
        made.take_metadata(metadata)
    return made


def _text(id: str, value: Any, model: EmbeddingModel) -> str:
    text = values.to_plain(value)
    if not isinstance(text, str):
        remedy = ": decode it" if isinstance(text, bytes) else ""
        raise InputTypeError(
            f"The document {quote(id)} is of type {type(value).__name__}, not text{remedy}; what "
            "is no text is embedded as a whole, with embed()"
        )
    if not model.supports_text:
        raise InputTypeError(
            f"The document {quote(id)} is text, which the model {model.model_id!r} cannot embed"
        )
    position = values.surrogate_position(text)
    if position is not None:
        raise surrogate_error(f"The document {quote(id)}", position)
    return text


def _metadata(id: str, metadata: Any) -> Metadata | None:
    """Return the metadata of the user's own, as plain values."""
    text = metadata_json(id, metadata)
    if text is None:
        return None
    plain: Metadata = json.loads(text or "{}")
    taken = [key for key in KEYS if key in plain]
    if taken:
        raise InvalidInputError(
            f"The metadata of {quote(id)} has the key {quote(taken[0])}, under which each chunk "
            f"has what is its own, as it has {', '.join(KEYS)}: give it another name"
        )
    return plain


def _position(id: str, number: int, total: int, chunk: Chunk) -> Metadata:
    """Return what the metadata of a chunk says of where it is, under KEYS."""
    said = (id, number, total, chunk.start, chunk.end, chunk.heading)
    position = dict(zip(KEYS, said, strict=True))
    if not chunk.heading:
        del position["heading"]
    return position


def _is_chunk_of(document: str, id: str, row: StoredRow) -> bool:
    return document_in_json(id, row.metadata) == document


def _of_user(row: StoredRow) -> Metadata:
    """Return the metadata of a stored chunk that is not ours."""
    stored = json.loads(row.metadata or "{}")
    return {key: value for key, value in stored.items() if key not in KEYS}


def _last_of_each_id(documents: list[Document]) -> dict[str, Document]:
    """Return what writing the documents one after another would leave of them."""
    last: dict[str, Document] = {}
    for document in documents:
        earlier = last.pop(document.id, None)
        if earlier and document.metadata is None:
            of_user = earlier.metadata if earlier.items else {}  # without chunks, none is kept
            if of_user is not None:
                document.take_metadata(of_user)
        last[document.id] = document
    return last
