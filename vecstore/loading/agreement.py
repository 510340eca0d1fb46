"""How far the vectors of two collections agree on which entries are near each other."""

from typing import NamedTuple

from ..query import Query
from ..rows import CollectionRow
from ..store import Store

_SAMPLE = 100  # entries
_NEAREST = 10
_MOST_ONLY_OLD = 90  # entries more are looked for where the new collection lacks some


class Agreement(NamedTuple):
    """What part of the nearest entries are the same, on average, of so many entries."""

    share: float
    sampled: int
    nearest: int


def measure_agreement(store: Store, old: CollectionRow, new: CollectionRow) -> Agreement | None:
    """Compare the entries nearest to some of those that both collections have.

    The same entries each time. None if there are too few.

    :raises DoesNotExist, ModelMismatchError: one of them is another collection now
    """
    nearest = min(_NEAREST, store.count(new) - 1)
    if nearest < 1:
        return None
    only_old = max(store.count(old) - store.count(new), 0)
    shares = []
    for id in store.sample_ids(new, _SAMPLE):
        before = _nearest_ids(store, old, id, nearest + min(only_old, _MOST_ONLY_OLD))
        if only_old:
            before = [other for other in before if store.has(new, other)]
        after = _nearest_ids(store, new, id, nearest)
        shares.append(len({*before[:nearest]} & {*after}) / nearest)
    return Agreement(sum(shares) / len(shares), len(shares), nearest) if shares else None


def _nearest_ids(store: Store, collection: CollectionRow, id: str, number: int) -> list[str]:
    row = store.vector(collection, id)
    vector = row[0] if row else None
    if not isinstance(vector, bytes) or not vector or len(vector) % 4:
        return []  # of another program: near nothing
    hits = store.search(Query(collection, number, vector=vector, skip_id=id), [])
    return [hit[0] for hit in hits]
