"""reembed() of documents: a chunk is embedded with its headings, if it was before."""

from contextlib import closing as closed

import pytest

import vecstore
from tests.loading.test_reembed_prefixes import Recording, nothing
from tests.support.chunked import lines, rows_of
from tests.support.models import pseudorandom
from vecstore import Collection

DOCUMENT = "# Top\nfirst\n## Sub\nsecond\nthird\n"
CHUNKS = ["# Top", "Top\n\nfirst", "Top\n\n## Sub", "Top > Sub\n\nsecond", "Top > Sub\n\nthird"]
WITHOUT = ["# Top", "first", "## Sub", "second", "third"]


def fill(db, *, headings=True):
    notes = Collection("notes", db, model=Recording("old"))
    notes.embed_documents([("n.md", DOCUMENT, {"by": "me"})], lines, headings=headings)
    return notes


def kept(notes):
    """Return all that is stored but the vectors."""
    return {id: row[1:] for id, row in rows_of(notes).items()}


@pytest.mark.parametrize(("headings", "embedded"), [(True, CHUNKS), (False, WITHOUT)])
@pytest.mark.parametrize("prefix", ["", "d: "])
def test_what_was_embedded_is_embedded_and_content_and_hash_stay(db, headings, embedded, prefix):
    notes = fill(db, headings=headings)
    assert notes.model().got == embedded
    before = kept(notes)
    model = Recording()
    report = notes.reembed(model, document_prefix=prefix)
    assert (report.embedded, report.left_out) == (5, 0)
    assert model.got == [f"{prefix}{text}" for text in embedded]
    assert kept(notes) == before
    vectors = [vector for _, vector in notes.vectors()]
    assert [*map(vecstore.encode, vectors)] == [
        vecstore.encode(pseudorandom(f"{prefix}{text}", 32)) for text in embedded
    ]
    assert vecstore.check(db).problems == []


@pytest.mark.parametrize("headings", [True, False])
def test_the_same_documents_are_known_to_the_new_collection(db, headings):
    notes = fill(db, headings=headings)
    model = Recording()
    notes.reembed(model, document_prefix="d: ")
    model.got.clear()
    documents = [("n.md", DOCUMENT), ("copy.md", DOCUMENT)]
    report = notes.embed_documents(documents, lines, headings=headings)
    assert (report.unchanged, report.reused, model.got) == (5, 5, [])


def test_a_check_with_the_model_embeds_the_same(db, registered):
    notes = Collection("notes", db, model=registered)
    notes.embed_documents([("n.md", DOCUMENT)], lines)
    notes.reembed(document_prefix="d: ")
    registered.embedded.clear()
    report = vecstore.check(db, model=True)
    assert report.ok
    half = [f"d: {text}" for text in CHUNKS]
    assert registered.embedded == [*half, *CHUNKS]  # of "notes", and of the old one


def test_headings_are_embedded_again_where_the_hash_is_of_a_function_of_ones_own(db, registered):
    class Salted(Collection):
        @staticmethod
        def content_hash(input):
            return vecstore.content_hash(f"salt {input}")

    notes = Salted("notes", db, model=registered)
    notes.embed_documents([("n.md", DOCUMENT)], lines)
    hashes = [row[3] for row in rows_of(notes).values()]
    assert vecstore.check(db, model=True).ok
    registered.embedded.clear()
    Collection("notes", db).reembed(document_prefix="d: ")  # as the command does
    assert registered.embedded == [f"d: {text}" for text in CHUNKS]
    assert [row[3] for row in rows_of(Collection("notes", db)).values()] == hashes


def test_documents_that_change_meanwhile(path):
    with closed(vecstore.connect(path)) as db, closed(vecstore.connect(path)) as conn:
        notes = fill(db)
        notes.embed_documents([("z.md", "# Z\nlast\n")], lines)
        other = Collection("notes", conn, model=Recording("old"))
        works = [
            nothing,
            lambda: other.embed_documents([("n.md", "# New\nfirst\n")], lines),
            lambda: other.delete_documents(["z.md"]),
            lambda: other.set_metadata("n.md#1", {"by": "another"}),
        ]
        notes.reembed(Recording("new", *works), batch_size=1, document_prefix="d: ")
        assert kept(notes) == kept(Collection("notes@old", db))
        assert notes.get("n.md#2").metadata["heading"] == "New"
        for id, text in (("n.md#1", "d: # New"), ("n.md#2", "d: New\n\nfirst")):
            expected = vecstore.encode(pseudorandom(text, 32))
            assert vecstore.encode(notes.vector(id)) == expected
        assert vecstore.check(db).problems == []


@pytest.mark.parametrize("on_error", ["stop", "skip"])
@pytest.mark.parametrize("is_killed", [False, True])
def test_an_entry_that_takes_the_id_of_a_chunk_meanwhile_is_not_lost(path, on_error, is_killed):
    with closed(vecstore.connect(path)) as db, closed(vecstore.connect(path)) as conn:
        notes = fill(db)
        notes.embed("z", "last", store=True)
        other = Collection("notes", conn, model=Recording("old"))

        def replace():
            other.delete_documents(["n.md"])
            other.embed("n.md#1", "plain", store=True)
            if is_killed:
                raise vecstore.ModelError("no more for now")

        model = Recording("new", *[nothing] * 5, replace)
        if is_killed:
            with pytest.raises(vecstore.ModelError):
                notes.reembed(model, batch_size=1, on_error=on_error)
        report = notes.reembed(model, batch_size=1, on_error=on_error)
        assert (report.entries, report.failed) == (2, 0)
        assert [(entry.id, entry.content) for entry in notes] == [
            ("n.md#1", "plain"),
            ("z", "last"),
        ]
        assert notes.documents() == []


def test_the_graph_of_documents_is_had_by_the_new_collection(path):
    pytest.importorskip("usearch")
    with closed(vecstore.connect(path)) as db:
        notes = fill(db)
        notes.build_graph()
        notes.reembed(document_prefix="d: ", drop_old=True)
        graphs = [graph for status in vecstore.list_indexes(db) for graph in status.graphs]
        assert [graph.collection for graph in graphs] == ["notes"]
        assert notes.similar("x", number=1, per_document=True)[0].id.startswith("n.md#")
        assert vecstore.check(db).problems == []
