"""check(model=True) embeds a sample again, and names what the model gives another vector for."""

from contextlib import contextmanager

import pytest

import vecstore
from tests.support.databases import rows
from tests.support.models import Pseudorandom, WordLengths, pseudorandom
from vecstore import Collection, check
from vecstore.models.hooks import pm


class Model(Pseudorandom):
    """Counts what it embeds; `other` is a mark of another state."""

    supports_binary = True

    def __init__(self):
        self.embedded = []
        self.other = ""

    def embed_batch(self, items):
        for item in items:
            self.embedded.append(item)
            yield pseudorandom(f"{item}{self.other}", self.dimensions)


@contextmanager
def installed(model):
    class Plugin:
        @vecstore.hookimpl
        def register_embedding_models(self, register):
            register(model)

    pm.register(Plugin(), name="checked")
    try:
        yield model
    finally:
        pm.unregister(name="checked")


@pytest.fixture
def model():
    with installed(Model()) as model:
        yield model


def findings(found):
    return [(f.kind, f.message, f.count, f.examples) for f in found]


def test_nothing_is_embedded_unless_it_is_asked_for(db, model):
    pets = Collection("pets", db, model=model)
    pets.embed("a", "one", store=True)
    model.embedded.clear()
    assert check(db).ok
    assert model.embedded == []


def test_a_sample_of_each_collection_is_compared_and_said_to_be(db, model):
    pets = Collection("pets", db, model=model)
    pets.embed_multi([(f"{n:03}", f"text {n}") for n in range(200)], store=True)
    Collection("bytes", db, model=model).embed("b", b"\x00", store=True)
    Collection("bare", db, model=model).embed("b", "not stored")
    model.embedded.clear()
    report = check(db, model=True)
    assert report.ok
    assert model.embedded[0] == b"\x00"
    assert model.embedded[1:] == [f"text {n}" for n in range(0, 200, 10)]
    assert [note.message for note in report.notes] == [
        "'bare' has no stored content that 'pseudorandom' embeds: its vectors were not compared",
        "'pseudorandom' gives the same vectors for 1 entry of 'bytes'",
        "'pseudorandom' gives the same vectors for 20 entries of 'pets'",
    ]


def test_a_model_that_has_become_another_is_a_problem_that_names_entries(db, model):
    pets = Collection("pets", db, model=model)
    pets.embed_multi([(f"{n}", f"text {n}") for n in range(7)], store=True)
    model.other = "!"
    [problem] = check(db, model=True).problems
    assert problem.kind == "model"
    assert problem.message.startswith(
        "'pseudorandom' gives 7 of 7 entries of 'pets' another vector than they have (the lowest "
        "cosine of the two is "
    )
    assert problem.remedy.endswith(
        "'vecstore collections reembed pets -m pseudorandom --again' makes them anew"
    )
    assert (problem.count, problem.examples) == (7, [("pets", f"{n}") for n in range(5)])
    pets.reembed(model, again=True)
    assert check(db, model=True).problems[0].examples[0] == ("pets@pseudorandom", "0")
    Collection("pets@pseudorandom", db).delete()
    assert check(db, model=True).ok


def test_vectors_that_other_programs_wrote_are_named(db, model):
    pets = Collection("pets", db, model=model)
    pets.embed_multi([("a", "one"), ("b", "two"), ("c", "three"), ("d", "four")], store=True)
    with db.conn:
        vector = vecstore.encode([1.0] * 32)
        db.execute("update embeddings set embedding = ? where id = 'b'", [vector])
        vector = vecstore.encode([1.0] * 16)
        db.execute("update embeddings set embedding = ? where id = 'c'", [vector])
        db.execute("update embeddings set embedding = null where id = 'd'")
    found = {problem.kind: problem for problem in check(db, model=True).problems}
    assert found.keys() == {"dimensions", "model"}
    assert found["model"].examples == [("pets", "b"), ("pets", "c"), ("pets", "d")]


def test_rounding_is_no_problem(db, model):
    pets = Collection("pets", db, model=model)
    pets.embed("a", "one", store=True)
    with db.conn:
        vector = [1.001 * number + 1e-4 for number in pseudorandom("one", 32)]
        db.execute("update embeddings set embedding = ?", [vecstore.encode(vector)])
    assert check(db, model=True).ok


def test_a_model_that_is_not_installed_or_fails_is_a_note(db):
    Collection("words", db, model=WordLengths()).embed("a", "one", store=True)
    [note] = check(db, model=True).notes
    assert note.message.startswith(
        "The vectors of 'words' were not compared with those of its model: Unknown embedding model"
    )

    class Broken(WordLengths):
        def embed_batch(self, items):
            raise OSError("no such file")

    with installed(Broken()):
        [note] = check(db, model=True).notes
    assert "of its model: it fails (OSError: no such file)" in note.message
    assert check(db, model=True).ok


def test_nothing_is_written(db, model):
    Collection("pets", db, model=model).embed("a", "one", store=True)
    model.other = "!"
    before = rows(db, "select * from embeddings")
    check(db, model=True)
    assert rows(db, "select * from embeddings") == before
