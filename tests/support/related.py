"""What the table of related items must hold, worked out pair by pair."""

import struct
from contextlib import contextmanager

import pytest

from tests.support.databases import rows
from vecstore.chunks import document_in_json
from vecstore.sqlite.related import proposals


def put(collection, vectors, metadata=None):
    """Write rows of `embeddings` as another program does, whatever the vectors are."""
    values = [
        (collection.id, id, vector if vector is None else blob(vector), (metadata or {}).get(id))
        for id, vector in vectors.items()
    ]
    for row in values:
        collection.db.execute(
            "insert or replace into embeddings (collection_id, id, embedding, metadata) "
            "values (?, ?, ?, ?)",
            row,
        )


def blob(vector):
    return vector if isinstance(vector, bytes) else struct.pack(f"<{len(vector)}f", *vector)


def related(db, collection_id):
    """Return what is listed for each id, in the order of ranks."""
    found = {}
    for id, rank, other, score in rows(
        db,
        """
        select id, rank, related_id, score
        from vecstore_related
        where collection_id = ?
        order by id, rank
        """,
        [collection_id],
    ):
        found.setdefault(id, []).append((other, score))
        assert rank == len(found[id])
    return found


def expected(db, collection_id, number):
    """Return what must be listed: SQL compares each with each, and nothing proposes."""
    found = rows(
        db,
        "select id, embedding, metadata from embeddings where collection_id = ? and id is not null",
        [collection_id],
    )
    documents = {id: document_in_json(id, metadata) for id, _, metadata in found}
    vectors = {id: vector for id, vector, _ in found if _is_comparable(db, vector)}
    lists = {}
    for id, vector in vectors.items():
        scores = [
            (other, _score(db, blob, vector))
            for other, blob in vectors.items()
            if other != id
            and len(blob) == len(vector)
            and (documents[id] is None or documents[other] != documents[id])
        ]
        nearest = sorted((s for s in scores if s[1] is not None), key=lambda s: (-s[1], s[0]))
        if nearest:
            lists[id] = nearest[:number]
    return lists


def assert_current(collection, number):
    assert related(collection.db, collection.id) == expected(collection.db, collection.id, number)


def _is_comparable(db, vector):
    is_array = isinstance(vector, bytes) and len(vector) % 4 == 0 and len(vector) > 0
    return is_array and _score(db, vector, vector) is not None


def _score(db, one, other):
    [[score]] = rows(db, "select 1 - vec_distance_cosine(?, ?)", [one, other])
    return score


@contextmanager
def without_numpy():
    """Have SQL compare each with each, in the block."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(proposals, "is_installed", lambda: False)
        yield
