"""The same calls at random on both stores: the same reports, errors, rows and search results."""

import json
import os
import random

import pytest

from tests.support.chunked import lines
from tests.support.models import Pseudorandom, pseudorandom
from tests.support.places import stored
from vecstore import Collection, VecstoreError
from vecstore.stores import open_store

IDS = [
    "",
    "a",
    "B",
    "é",
    "\U0001f415",
    "it's",
    "%s",
    "\\",
    "a#1",
    "d#1",
    "d#2",
    "\u2028",
    "10",
    "9",
]
TEXTS = ["", "one", "two %s", "it's \\", "\U0001f415 e\u0301", b"\0\xff", "same", "same", None, 5]
METADATA = [None, None, {}, {"n": 1}, {"n": 1.0}, {"n": True}, {"é'": ["\\", 1e16, None]}, [1]]
DOCUMENTS = ["", "one", "one\ntwo", "two\none\nthree", "\U0001f415\nsame"]
STEPS = 40


def random_call(chance: random.Random):
    """Return the name of a method, and its arguments."""
    pick = chance.choice
    number = chance.randrange(6)
    on_error = pick(["stop", "skip"])
    batch = {
        "batch_size": chance.randrange(1, 5),
        "on_error": on_error,
        "store": pick([True, False]),
    }
    triples = [(pick(IDS), pick(TEXTS), pick(METADATA)) for _ in range(number)]
    # Of one content there is one vector: of several, either store takes any.
    contents = [pick(["added", "it's added", b"\1", None, 5]) for _ in range(number)]
    added = [
        (pick(IDS), pseudorandom(str(content), 32), content, pick(METADATA)) for content in contents
    ]
    documents = [(pick("dé"), pick(DOCUMENTS), pick(METADATA)) for _ in range(number)]
    return pick(
        [
            ("embed_multi_with_metadata", (triples,), batch),
            ("embed_multi_with_metadata", (triples,), {**batch, "concurrency": 2}),
            ("add_multi", (added,), batch),
            ("embed_documents", (documents, lines), batch),
            ("sync", (triples, pick(["", "a"])), {**batch, "delete_most": pick([True, False])}),
            ("delete_ids", ([pick(IDS) for _ in range(2)],), {}),
            ("delete_documents", ([pick("dé")],), {}),
            ("set_metadata", (pick(IDS), pick(METADATA)), {}),
            ("rename", (pick(["one", "two"]),), {}),
            ("copy", (pick(["one", "two", "three"]),), {}),
            ("set_prefixes", (), {pick(["query", "document"]): pick([None, "", "p ", "é' "])}),
        ]
    )


def outcome(collection, call):
    """Return what a call returns, or the error that it raises, with a place in neither."""
    name, args, options = call
    try:
        result = getattr(collection, name)(*args, **options)
    except VecstoreError as error:
        return type(error), str(error).partition(" (")[0]
    return result.name if isinstance(result, Collection) else result


def searches(collection, chance_seed):
    """Return ids and scores of searches, and of whatever else reads entries."""
    chance = random.Random(chance_seed)
    vector = pseudorandom(str(chance.random()), 32)
    options = {"prefix": chance.choice([None, "a", "d#"]), "number": chance.choice([1, 3, 50])}
    found = [
        collection.similar_by_vector(vector, **options),
        collection.similar_by_vector(vector, min_score=0.0, where="content is not null", **options),
        collection.similar_by_vector(vector, per_document=True),
    ]
    found += [collection.similar_by_id(id, 3, skip_document=True) for id in collection.ids()[:2]]
    return [
        [(e.id, e.content, e.metadata, pytest.approx(e.score, abs=1e-6)) for e in entries]
        for entries in found
    ]


def state(collection):
    return (
        collection.name,
        json.dumps(stored(collection), default=bytes.hex, sort_keys=True),
        collection.ids(),
        collection.documents(),
        list(collection),
        collection.store.prefixes(collection.row),
        collection.count_without_text(),
    )


@pytest.mark.parametrize("seed", range(int(os.environ.get("VECSTORE_SEEDS", "6"))))
def test_both_stores_do_the_same(path, schema_url, seed):
    chance = random.Random(seed)
    stores = [open_store(place, may_create=True) for place in (path, schema_url)]
    models = [Pseudorandom(), Pseudorandom()]
    try:
        one, two = (
            Collection("one", store, model=model)
            for store, model in zip(stores, models, strict=True)
        )
        for step in range(STEPS):
            call = random_call(chance)
            assert outcome(one, call) == outcome(two, call), call
            assert state(one) == state(two), call
            expected = [[(*e[:3], e[3].expected) for e in found] for found in searches(one, step)]
            assert expected == searches(two, step), call
            described = [store.describe().rpartition(" has ")[2] for store in stores]
            assert described[0] == described[1]
    finally:
        for store in stores:
            store.close()
