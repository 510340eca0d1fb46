"""Searches for documents: of each the best chunk, or without those of one document.

A store ranks entries. Here it is asked for more of them until there are enough documents, so that
this is the same on every store.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TypeVar

from .chunks import document_in_json
from .query import Query, RankedQuery, Step
from .rows import Hit, RankedHit
from .store import Store

_Hit = TypeVar("_Hit", Hit, RankedHit)

_FIRST = 4  # times as many entries as documents are wanted, as a document has several near ones
_GROWTH = 4
_MOST_FIRST = 2**31  # larger numbers are asked for as they are: they are all that there is


def search(store: Store, query: Query, steps: list[Step]) -> list[Hit]:
    """Return what store.search() does, by document where the query says so; `steps` gets all."""
    return by_document(query, partial(_search, store, query, steps))


def search_ranked(store: Store, query: RankedQuery, steps: list[Step]) -> list[RankedHit]:
    """Return what store.search_ranked() does, by document where the query says so."""
    return by_document(query.query, partial(_search_ranked, store, query, steps))


def _search(store: Store, query: Query, steps: list[Step], number: int) -> list[Hit]:
    step: list[Step] = []
    hits = store.search(replace(query, number=number), step)
    steps += step
    return hits


def _search_ranked(
    store: Store, query: RankedQuery, steps: list[Step], number: int
) -> list[RankedHit]:
    step: list[Step] = []
    hits = store.search_ranked(query.with_number(number), step)
    steps += step
    return hits


def by_document(query: Query, search: Callable[[int], list[_Hit]]) -> list[_Hit]:
    """Return the hits of `query` by document, where it says so.

    :param search: returns so many of the best entries, as a store finds them
    """
    wanted = query.number
    if not (query.per_document or query.skip_document) or wanted == 0:
        return search(wanted)
    number = max(wanted, min(_FIRST * wanted, _MOST_FIRST))
    while True:
        hits = search(number)
        found = _of_documents(query, hits)
        if len(found) >= wanted or len(hits) < number:
            return found[:wanted]
        number *= _GROWTH


def _of_documents(query: Query, hits: list[_Hit]) -> list[_Hit]:
    """Return the hits that stay, in order."""
    kept: dict[tuple[str | None, str], _Hit] = {}
    for hit in hits:
        id, _, _, metadata, *_ = hit
        document = document_in_json(id, metadata)
        if document is None or document != query.skip_document:
            is_one = query.per_document and document is not None
            kept.setdefault((document, "" if is_one else id), hit)
    return list(kept.values())
