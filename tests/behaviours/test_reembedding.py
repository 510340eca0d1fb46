"""A collection gets another model; what is computed of all entries: related ones, graphs."""

import pytest

import vecstore
from tests.support.chunked import lines
from tests.support.models import Pseudorandom, Vectors, WordLengths
from tests.support.places import execute, is_postgres, stored
from vecstore import Collection, InvalidInputError, ReembedReport
from vecstore.prefixes import Prefixes
from vecstore.related import RelatedReport


@pytest.fixture
def pets(store):
    pets = Collection("pets", store, model=WordLengths())
    pets.set_prefixes(query="find ")
    pets.embed_multi_with_metadata(
        [(f"{n}", f"{n} text", {"n": n, "é": [1e16]} if n % 2 else None) for n in range(5)],
        store=True,
    )
    pets.embed_documents([("doc", "one\ntwo\nthree")], lines)
    return pets


def test_the_new_vectors_take_the_place_of_the_old_ones_and_all_else_is_the_same(pets, store):
    before, old_id = stored(pets), pets.id
    stale = Collection("pets", store)
    progress = []
    report = pets.reembed(Pseudorandom(), batch_size=3, progress=progress.append)
    assert (report.entries, report.embedded, report.failed, report.left_out) == (8, 8, 0, 0)
    assert (report.old_name, 0 <= report.agreement <= 1) == ("pets@word-lengths", True)
    assert (pets.name, pets.model_id, pets.id != old_id) == ("pets", "pseudorandom", True)
    after = stored(pets)
    assert {id: row[1:] for id, row in after.items()} == {id: r[1:] for id, r in before.items()}
    assert {len(row[0]) for row in after.values()} == {32}
    assert stored(Collection("pets@word-lengths", store)) == before
    assert pets.similar("3 text", 1)[0].id == "3"
    assert progress[-1].embedded == 8
    with pytest.raises(vecstore.ModelMismatchError, match="is one of 'pseudorandom' now"):
        stale.count()


def test_the_old_collection_is_deleted_if_it_is_said(pets, store):
    report = pets.reembed(Pseudorandom(), drop_old=True)
    assert (report.old_name, pets.count()) == (None, 8)
    assert store.describe().endswith(" has 'pets'")
    assert store.prefixes(pets.row) == Prefixes()


def test_the_same_model_has_nothing_to_do_unless_it_is_asked_again(pets):
    model = pets.model()
    model.embedded.clear()
    assert pets.reembed() == ReembedReport(entries=8)
    assert pets.reembed(query_prefix="other ") == ReembedReport(entries=8)
    assert (pets.query_prefix, model.embedded) == ("other ", [])
    report = pets.reembed(document_prefix="passage: ")
    assert (report.embedded, pets.document_prefix) == (8, "passage: ")
    assert model.embedded[:2] == ["passage: 0 text", "passage: 1 text"]
    assert pets.reembed(again=True, drop_old=True).embedded == 8


def test_entries_without_stored_content_are_named_or_left_out(pets, store):
    pets.embed("not stored", "text")
    with pytest.raises(InvalidInputError, match="'not stored'"):
        pets.reembed(Pseudorandom())
    with pytest.raises(InvalidInputError, match="drop_old"):
        pets.reembed(Pseudorandom(), on_error="skip", drop_old=True)
    report = pets.reembed(Pseudorandom(), on_error="skip")
    assert (report.entries, report.left_out) == (8, 1)
    assert "not stored" not in pets
    assert "not stored" in Collection("pets@word-lengths", store)


def test_a_call_that_failed_is_gone_on_with_and_sends_nothing_twice(pets, store):
    class Breaking(Pseudorandom):
        sent: list[str] = []  # noqa: RUF012
        left = 4

        def embed_batch(self, items):
            for item in items:
                if not self.left:
                    raise vecstore.TemporaryError("gone")
                self.left -= 1
                self.sent.append(item)
                yield from super().embed_batch([item])

    model, before = Breaking(), stored(pets)
    with pytest.raises(vecstore.TemporaryError):
        pets.reembed(model, batch_size=1)
    assert (pets.model_id, stored(pets)) == ("word-lengths", before)
    assert Collection("pets@pseudorandom (unfinished)", store).count() == 4
    pets.embed("new", "7 text", store=True)
    pets.delete_ids(["0"])
    pets.set_metadata("1", {"changed": True})
    model.left = 100
    report = pets.reembed(model, batch_size=1)
    assert (report.entries, report.embedded) == (8, 5)
    assert len(model.sent) == len(set(model.sent)) == 9
    assert {id: row[1:] for id, row in stored(pets).items()} == {
        id: row[1:]
        for id, row in stored(Collection("pets@word-lengths", store, model=WordLengths())).items()
    }
    assert pets.get("1").metadata == {"changed": True}


def test_names_that_are_taken_are_an_error_before_anything_is_sent(pets, store):
    Collection("pets@word-lengths", store, model=WordLengths())
    with pytest.raises(InvalidInputError, match="'pets@word-lengths'"):
        pets.reembed(Pseudorandom())
    assert pets.model_id == "word-lengths"


def listed(collection):
    """Return what is listed for each id, in the order of ranks."""
    sql = f"""
        select id, rank, related_id, score
        from vecstore_related
        where collection_id = {collection.id}
        order by id, rank
    """
    store = collection.store
    rows = (
        store.connection().execute(sql.encode()).fetchall()
        if is_postgres(store)
        else store.database().execute(sql).fetchall()
    )
    found = {}
    for id, rank, related_id, score in rows:
        found.setdefault(id, []).append((related_id, score))
        assert rank == len(found[id])
    return found


def assert_related(collection, number):
    expected = {
        id: [
            (entry.id, pytest.approx(entry.score, abs=1e-6))
            for entry in collection.similar_by_id(id, number, exact=True, skip_document=True)
        ]
        for id in collection.ids()
    }
    assert listed(collection) == {id: entries for id, entries in expected.items() if entries}


def test_related_items_are_what_a_search_for_each_finds(store):
    collection = Collection("points", store, model=Vectors())
    collection.embed_multi((f"{n}", f"{n % 5} {n % 7} 1") for n in range(30))
    collection.embed_multi([("zero", "0 0 0"), ("'%\\é", "1 2 3")])
    collection.embed_documents([("d", "1 0 0\n1 0 1\n0 1 1")], lines)
    progress = []
    report = collection.related_table(3, progress=lambda *counts: progress.append(counts))
    assert report == RelatedReport(items=35, computed=34, unchanged=1, rows=34 * 3)
    assert progress[-1] == (34, 34)
    assert_related(collection, 3)
    assert collection.related_table(3) == RelatedReport(items=35, unchanged=35)
    collection.delete_ids(["7", "11"])
    collection.embed("new", "1 2 2.9")
    report = collection.related_table(3)
    assert (report.items, report.computed + report.unchanged) == (34, 34)
    assert_related(collection, 3)
    assert collection.related_table(2).computed == 33
    assert_related(collection, 2)
    other = Collection("other", store, model=Vectors())
    assert other.related_table() == RelatedReport()
    for number in (0, -1, 1.5, "x", 1_000_001):
        with pytest.raises(InvalidInputError, match="number is .*: it must be an integer from 1"):
            collection.related_table(number)
    collection.delete()
    assert listed(collection) == {}


def test_a_graph_finds_what_an_exact_search_does(store):
    pytest.importorskip("usearch")
    collection = Collection("many", store, model=Pseudorandom())
    collection.embed_multi((f"{n:05}", f"text {n}") for n in range(3000))
    collection.build_graph()
    found = [e.id for e in collection.similar("text 7")]
    assert found == [e.id for e in collection.similar("text 7", exact=True)]
    collection.delete_ids(["00007"])
    collection.embed("new", "text 7")
    assert collection.similar("text 7")[0].id == "new"


def test_indexed_metadata_is_found_and_kept(collection, store):
    collection.embed_multi_with_metadata([("a", "one", {"y": 1}), ("b", "two", {"y": 2})])
    collection.index_metadata("y")
    collection.index_metadata("y")
    assert collection.ids(where="id > ?", where_args=["a"]) == ["b"]
    collection.set_metadata("a", {"y": "text"})
    assert [entry.metadata for entry in collection] == [{"y": "text"}, {"y": 2}]
    for key in ("", 5, "a\ud800"):
        with pytest.raises(InvalidInputError):
            collection.index_metadata(key)
    execute(store, "update embeddings set metadata = null")
    assert collection.ids() == ["a", "b"]
