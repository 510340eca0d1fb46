"""What a load would do, found out without a model and without a write."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from sqlite_utils import Database

from .entries import Item
from .upsert import Batch

_ITEMS_AT_ONCE = 500


@dataclass
class Preview:
    """How many entries a load would embed, and what would become of the others.

    new, changed: to embed, for an id that is not there or has other content. reused, updated,
    unchanged: as in EmbedReport. characters, bytes: the size of the text, and of the binary
    content, to embed, each content counted once.
    """

    new: int = 0
    changed: int = 0
    reused: int = 0
    updated: int = 0
    unchanged: int = 0
    characters: int = 0
    bytes: int = 0


def preview(db: Database, collection_id: int, items: Iterable[Item], *, store: bool) -> Preview:
    """Return what writing these items would do. Only the id and the hash of each are kept."""
    result = Preview()
    written: dict[str, bytes] = {}  # what the load would have written so far: content hash by id
    embedded: set[bytes] = set()
    for chunk in _chunks(iter(items)):
        plan = Batch(db, collection_id, chunk, store, check=lambda: None).plan()
        unknown = {item.content_hash for item in plan.missing} - embedded
        for item, row in plan.new:
            if written.get(item.id) == item.content_hash:
                result.unchanged += 1
            elif item.content_hash not in unknown:
                result.reused += 1
            else:
                unknown.remove(item.content_hash)
                embedded.add(item.content_hash)
                _count(result, item, is_new=row is None and item.id not in written)
            written[item.id] = item.content_hash
        result.updated += len(plan.changed)
        result.unchanged += plan.unchanged
    return result


def _chunks(items: Iterator[Item]) -> Iterator[list[Item]]:
    while chunk := list(islice(items, _ITEMS_AT_ONCE)):
        yield chunk


def _count(result: Preview, item: Item, *, is_new: bool) -> None:
    if is_new:
        result.new += 1
    else:
        result.changed += 1
    if isinstance(item.value, str):
        result.characters += len(item.value)
    else:
        result.bytes += len(item.value)
