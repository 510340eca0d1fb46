"""Searches for documents: of each the best chunk, or without those of one document.

A store ranks entries. Here it is asked for more of them until there are enough documents, so that
this is the same on every store.
"""

from dataclasses import replace

from .chunks import document_in_json
from .query import Query, Step
from .rows import Hit
from .store import Store

_FIRST = 4  # times as many entries as documents are wanted, as a document has several near ones
_GROWTH = 4
_MOST_FIRST = 2**31  # larger numbers are asked for as they are: they are all that there is


def search(store: Store, query: Query, steps: list[Step]) -> list[Hit]:
    """Return what store.search() does, by document where the query says so; `steps` gets all."""
    wanted = query.number
    if not (query.per_document or query.skip_document) or wanted == 0:
        return store.search(query, steps)
    number = max(wanted, min(_FIRST * wanted, _MOST_FIRST))
    while True:
        step: list[Step] = []
        hits = store.search(replace(query, number=number), step)
        steps += step
        found = _of_documents(query, hits)
        if len(found) >= wanted or len(hits) < number:
            return found[:wanted]
        number *= _GROWTH


def _of_documents(query: Query, hits: list[Hit]) -> list[Hit]:
    """Return the hits that stay, in order."""
    kept: dict[tuple[str | None, str], Hit] = {}
    for hit in hits:
        id, _, _, metadata = hit
        document = document_in_json(id, metadata)
        if document is None or document != query.skip_document:
            is_one = query.per_document and document is not None
            kept.setdefault((document, "" if is_one else id), hit)
    return list(kept.values())
