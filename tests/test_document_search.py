"""Searches by document: the best chunk of each, or without the document of an entry."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import vecstore
from tests.support.chunked import lines
from tests.support.models import Pseudorandom, Vectors
from vecstore import Collection, InvalidInputError

NUMBERS = st.sampled_from(["1 0", "1 1", "2 1", "1 2", "0 1", "-1 0", "-1 3", "0 0"])
TEXTS = st.lists(NUMBERS, min_size=1, max_size=9).map("\n".join)


def document_of(entry):
    return (entry.metadata or {}).get("document", ("entry", entry.id))


def by_brute_force(collection, vector, number, *, skip=None, per_document=False, **options):
    """Return what a search must return, of all there is."""
    ranked = collection.similar_by_vector(vector, 1000, exact=True, **options)
    kept = {}
    for entry in ranked:
        document = document_of(entry)
        if document != skip:
            kept.setdefault(document if per_document else entry.id, entry)
    return list(kept.values())[:number]


@settings(max_examples=60, deadline=None)
@given(
    documents=st.dictionaries(st.sampled_from("abcdefgh"), TEXTS, max_size=8),
    entries=st.dictionaries(st.sampled_from(["a", "x", "y#1"]), NUMBERS),
    vector=st.sampled_from([[1.0, 0.5], [0.0, 1.0]]),
    number=st.integers(0, 12),
    options=st.sampled_from(
        [
            {},
            {"min_score": 0.5},
            {"prefix": "a"},
            {"where": "id like '%2'"},
            {"where": "metadata is null"},
            {"where": "id > ?", "where_args": ["c"], "min_score": 0.1},
        ]
    ),
    exact=st.booleans(),
)
def test_each_search_by_document_finds_what_brute_force_does(
    documents, entries, vector, number, options, exact
):
    with contextlib.closing(vecstore.connect()) as db:
        collection = Collection("test", db, model=Vectors())
        collection.embed_documents(documents.items(), lines)
        collection.embed_multi(entries.items())
        expected = by_brute_force(collection, vector, number, per_document=True, **options)
        text = f"{vector[0]} {vector[1]}"
        options = {**options, "exact": exact, "per_document": True}
        assert collection.similar_by_vector(vector, number, **options) == expected
        assert collection.similar(text, number, **options) == expected
        assert collection.similar_multi([text], number, **options) == [expected]
        assert collection.explain(text, number, **options).entries == expected
        across = vecstore.similar_across([collection], text, number, **options)
        assert across == [(collection, entry) for entry in expected]
        for entry in collection:
            blob = vecstore.decode(
                db.execute("select embedding from embeddings where id = ?", [entry.id]).fetchone()[
                    0
                ]
            )
            for per_document in (False, True):
                options["per_document"] = per_document
                plain = {k: v for k, v in options.items() if k not in ("exact", "per_document")}
                found = collection.similar_by_id(entry.id, number, skip_document=True, **options)
                assert found == by_brute_force(
                    collection,
                    blob,
                    number,
                    skip=document_of(entry),
                    per_document=per_document,
                    **plain,
                )
                explained = collection.explain(
                    id=entry.id, number=number, skip_document=True, **options
                )
                assert explained.entries == found


@pytest.fixture(scope="module")
def long():
    """A collection in which thousands of chunks of one document are the nearest to all of it."""

    class Near(Pseudorandom):
        def embed_batch(self, items):
            for item in items:
                far = 0.0 if item.startswith("near") else 1.0
                first, *rest = next(iter(super().embed_batch([item])))
                yield [100.0, *(0.01 * n for n in rest), far * (2 + first)]

    with contextlib.closing(vecstore.connect()) as db:
        collection = Collection("test", db, model=Near())
        near = "\n".join(f"near {n}" for n in range(6000))
        others = [(f"d{n}", "\n".join(f"{n} {m}" for m in range(3))) for n in range(300)]
        collection.embed_documents([("long", near), *others], lines)
        yield collection


@pytest.mark.parametrize("exact", [True, False])
def test_documents_are_found_behind_thousands_of_chunks_of_one(long, exact):
    found = long.explain("near 17", 10, per_document=True, exact=exact)
    documents = [document_of(entry) for entry in found.entries]
    assert documents[0] == "long"
    assert len(set(documents)) == 10
    assert len(found.steps) > 1
    if exact:
        expected = {}
        for entry in long.similar("near 17", 10_000, exact=True):
            expected.setdefault(document_of(entry), entry)
        assert found.entries == list(expected.values())[:10]
    assert len(long.similar("near 17", 1000, per_document=True, exact=exact)) == 301


def test_a_search_like_a_document_says_that_it_has_chunks(db):
    collection = Collection("test", db, model=Vectors())
    collection.embed_documents([("a.md", "1 0\n1 1")], lines)
    with pytest.raises(vecstore.DoesNotExist) as error:
        collection.similar_by_id("a.md")
    assert str(error.value) == (
        "ID not found in collection 'test': 'a.md' is a document of 2 chunks: give the id of one, "
        "such as 'a.md#1'"
    )


def test_the_document_of_an_entry_is_left_out(long):
    found = long.similar_by_id("long#17", 5, skip_document=True, exact=True)
    assert len(found) == 5
    assert "long" not in set(map(document_of, found))
    assert document_of(long.similar_by_id("long#17", 1)[0]) == "long"


def test_a_search_with_enough_documents_takes_one_step(db):
    collection = Collection("test", db, model=Vectors())
    collection.embed_documents([(str(n), f"1 {n}\n{n} 1") for n in range(9)], lines)
    assert len(collection.explain("1 0", 3, per_document=True).steps) == 1
    assert len(collection.similar("1 0", 2**62, per_document=True)) == 9
    assert collection.similar("1 0", 0, per_document=True) == []


def test_documents_of_two_collections_are_two(db):
    collections = [Collection(name, db, model=Vectors()) for name in ("one", "two")]
    for collection in collections:
        collection.embed_documents([("a", "1 0\n1 1"), ("b", "0 1")], lines)
    found = vecstore.similar_across(collections, "1 0", per_document=True)
    assert [(collection.name, entry.id) for collection, entry in found] == [
        ("one", "a#1"),
        ("two", "a#1"),
        ("one", "b#1"),
        ("two", "b#1"),
    ]


def test_only_an_entry_has_a_document_to_leave_out(collection):
    with pytest.raises(InvalidInputError, match="skip_document .* is for a search by id="):
        collection.explain("one", skip_document=True)
    with pytest.raises(TypeError, match="unexpected keyword argument 'skip_document'"):
        collection.similar("one", skip_document=True)
