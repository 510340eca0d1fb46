"""What a collection records for a model of llm: llm's own id, and in older files `llm/` and that.

Each file is used by vecstore and by llm, whose model embeds a text as its length.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import closing

import pytest
import sqlite_utils

import vecstore
from tests.support.command import output
from vecstore import Collection

llm = pytest.importorskip("llm")


class LengthModel(llm.EmbeddingModel):
    model_id = "length"

    def embed_batch(self, items, *, key=None):
        return [[len(item), 1] for item in items]


@pytest.fixture(autouse=True)
def installed() -> Iterator[None]:
    class Plugin:
        @llm.hookimpl
        def register_embedding_models(self, register):
            register(LengthModel(), aliases=("alias-length",))

    llm.plugins.load_plugins()
    plugin = Plugin()
    llm.plugins.pm.register(plugin)
    yield
    llm.plugins.pm.unregister(plugin)


@pytest.fixture(params=["length", "llm/length"])
def recorded(request, path) -> str:
    """The model that the collection `pets` of the file has recorded."""
    with closing(vecstore.connect(path)) as db:
        pets = Collection("pets", db, model_id="llm/length")
        pets.embed_multi([("cat", "a cat"), ("hound", "my happy hound")], store=True)
        db.execute("update collections set model = ?", [request.param])
    return request.param


@pytest.fixture
def pets(recorded, path) -> Iterator[Collection]:
    with closing(vecstore.connect(path)) as db:
        yield Collection("pets", db)


def ids(found: list) -> list[str]:
    return [entry.id for entry in found]


@pytest.mark.parametrize("name", ["llm/length", "llm/alias-length", "length", "alias-length"])
def test_a_new_collection_records_what_llm_calls_the_model(name, path):
    collection = Collection("pets", path, model_id=name)
    assert (collection.model_id, collection.model().model_id) == ("length", "length")
    collection.db.close()


def test_llm_searches_and_writes_what_vecstore_made(path):
    made = Collection("pets", path, model_id="llm/length")
    made.embed_multi([("cat", "a cat"), ("hound", "my happy hound")], store=True)
    vecstore.drop_index(made.db)
    made.db.close()
    with closing(sqlite_utils.Database(path)) as db:
        by_llm = llm.Collection("pets", db, create=False)
        assert isinstance(by_llm.model(), LengthModel)
        assert ids(by_llm.similar("a dog", number=1)) == ["cat"]
        by_llm.embed("fish", "x", store=True)
    with closing(vecstore.connect(path)) as db:
        assert ids(Collection("pets", db).similar("y")) == ["fish", "cat", "hound"]


def test_vecstore_searches_and_writes_whichever_id_is_recorded(pets, recorded):
    pets.embed("fish", "x")
    assert ids(pets.similar("y")) == ["fish", "cat", "hound"]
    assert pets.model_id == recorded
    found = pets.db.execute("select vecstore_embed('pets', 'four')").fetchone()
    assert found == (vecstore.encode([4, 1]),)


@pytest.mark.parametrize("name", ["llm/length", "llm/alias-length", "length", "alias-length"])
def test_it_is_opened_by_each_name_of_the_model(recorded, path, name):
    with closing(vecstore.connect(path)) as db:
        assert Collection("pets", db, model_id=name).ids() == ["cat", "hound"]
        assert Collection("pets", db, model=LengthModel()).ids() == ["cat", "hound"]
        with pytest.raises(vecstore.ModelMismatchError, match=f"the model {recorded!r}, not 'text"):
            Collection("pets", db, model_id="3-small")


def test_a_model_that_is_given_embeds_for_sql_as_well(pets):
    class Given(LengthModel):
        def embed_batch(self, items, *, key=None):
            return [[-1, -1] for item in items]

    Collection("pets", pets.db, model=Given())
    found = pets.db.execute("select vecstore_embed('pets', 'four')").fetchone()
    assert found == (vecstore.encode([-1, -1]),)


def test_both_ids_are_of_one_model_in_one_search(pets):
    other = Collection("other", model_id="length")
    other.embed("dog", "a dog")
    found = vecstore.similar_across([pets, other], "x" * 5)
    assert [entry.id for _, entry in found] == ["cat", "dog", "hound"]
    other.db.close()


def test_both_ids_are_of_one_model_where_llm_is_not_installed(pets, monkeypatch):
    other = Collection("other", model_id="length")
    other.embed("dog", "a dog")
    monkeypatch.setitem(sys.modules, "llm", None)
    found = vecstore.similar_across([pets, other], [5.0, 1.0])
    assert [entry.id for _, entry in found] == ["cat", "dog", "hound"]
    other.db.close()


def test_an_export_goes_into_a_collection_that_records_the_other_id(pets, tmp_path):
    file = tmp_path / "pets.jsonl"
    vecstore.export_collection(pets.db, "pets", file)
    for model in ("length", "llm/length"):
        target = Collection("pets", tmp_path / f"{len(model)}.db", model_id="length")
        target.db.execute("update collections set model = ?", [model])
        vecstore.import_collection(target.db, file)
        assert Collection("pets", target.db).ids() == ["cat", "hound"]
        target.db.close()


@pytest.mark.parametrize("recorded", ["llm/text-embedding-3-small", "text-embedding-3-small"])
def test_an_id_that_vecstore_has_as_well_is_the_same_model(path, recorded):
    with closing(vecstore.connect(path)) as db:
        Collection("pets", db, model_id="llm/3-small")
        assert db.execute("select model from collections").fetchone() == ("text-embedding-3-small",)
        db.execute("update collections set model = ?", [recorded])
        for name in ("3-small", "llm/3-small", "text-embedding-3-small"):
            assert Collection("pets", db, model_id=name).model_id == recorded


@pytest.mark.parametrize("name", ["length", "llm/length", "alias-length"])
def test_a_command_takes_each_name(recorded, path, name):
    output("embed", "pets", "fish", "-c", "x", "-m", name, "-d", path)
    rows = json.dumps({"id": "dog", "content": "a dog"})
    preview = ["embed-multi", "pets", "-", "--dry-run", "-m", name, "-d", path]
    assert output(*preview, input=rows).startswith("1 new, 0 changed")
    found = output("similar", "pets", "-c", "y", "-n", "1", "-d", path)
    assert json.loads(found)["id"] == "fish"


def test_the_default_model_is_found_again():
    output("embed-models", "default", "llm/alias-length")
    assert output("embed", "-c", "four") == "[4, 1]\n"
