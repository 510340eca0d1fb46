"""The metadata of one entry becomes another, and its vector stays."""

import json
import time
from typing import Any

from ..chunks import KEYS, document_in_json
from ..errors import InvalidInputError
from ..metadata import Metadata, changes_stored, to_json
from ..rows import CollectionRow, RowChange
from ..store import Store
from ..values import quote
from .items import metadata_json


def set_metadata(store: Store, collection: CollectionRow, id: str, metadata: Metadata) -> bool:
    """Replace the metadata of an entry in one transaction; return whether there is the entry.

    What says that it is the chunk of a document stays.

    :raises InvalidInputError: it is no dict, cannot be JSON, or says another chunk
    """
    if metadata is None:
        raise InvalidInputError(
            f"The metadata of {quote(id)} is None: it must be a dict, of which {{}} removes all"
        )
    given = metadata_json(id, metadata)
    store.refuse_unstorable(id, None, given)
    return store.write(lambda: _set(store, collection, id, given))


def _set(store: Store, collection: CollectionRow, id: str, given: str | None) -> bool:
    row = store.stored(collection, [id]).get(id)
    if row is None:
        return False
    if document_in_json(id, row.metadata) is not None:
        given = _keep_chunk(id, json.loads(given or "{}"), json.loads(row.metadata or "{}"))
    if changes_stored(given, row.metadata):
        change = RowChange(id, None, None, given, int(time.time()))
        store.change(collection, [change])
    return True


def _keep_chunk(id: str, given: dict[str, Any], stored: dict[str, Any]) -> str:
    """Return metadata as JSON, with what says which chunk an entry is. To repeat that is allowed.

    :raises InvalidInputError: it says something else
    """
    kept = {key: stored[key] for key in KEYS if key in stored}
    for key in KEYS:
        if key in given and (key not in kept or given[key] != kept[key]):
            raise InvalidInputError(
                f"The metadata of {quote(id)} has the key {quote(key)} with {quote(given[key])}, "
                f"and the entry is a chunk of the document {quote(kept['document'])}, whose "
                f"{quote(key)} is {quote(kept.get(key))}: use another key"
            )
    return to_json({**given, **kept})
