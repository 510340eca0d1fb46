"""A model that runs elsewhere: it is recorded, and says what to do where it is asked."""

import pytest

import vecstore
from tests.support.command import output
from vecstore import Collection, ExternalModel

MESSAGE = (
    "The model {!r} embeds nothing here, as its vectors are computed elsewhere: add vectors, and "
    "search by a vector or an id"
)


@pytest.fixture
def own():
    own = Collection("own", model_id="none")
    own.add("a", [1.0, 0.5], "text")
    return own


def test_none_is_always_there_and_not_listed():
    assert isinstance(vecstore.get_embedding_model("none"), ExternalModel)
    assert "none" not in vecstore.get_embedding_model_aliases()
    assert "none" not in output("embed-models").lower()


def test_another_id_is_a_mistake_unless_it_is_said_to_be_external(own):
    with pytest.raises(vecstore.UnknownModelError):
        Collection("other", own.db, model_id="voyage-3")
    assert Collection("other", own.db, model=ExternalModel("voyage-3")).model_id == "voyage-3"
    assert Collection("other", own.db, model_id="voyage-3").model_id == "voyage-3"
    with pytest.raises(vecstore.ModelMismatchError):
        Collection("other", own.db, model=ExternalModel())


@pytest.mark.parametrize(
    "ask",
    [
        lambda own: own.similar("other"),
        lambda own: own.similar(b"other"),
        lambda own: own.similar_multi(["other"]),
        lambda own: own.explain("other"),
        lambda own: vecstore.similar_across([own], "other"),
        lambda own: own.embed("b", "other"),
        lambda own: own.embed_multi([("b", "other"), ("c", "more")], on_error="skip"),
        lambda own: own.model().embed("other"),
        lambda own: list(own.model().embed_multi(["other"])),
    ],
)
def test_what_asks_the_model_says_what_to_do(own, ask):
    with pytest.raises(vecstore.ModelError) as caught:
        ask(own)
    assert str(caught.value) == MESSAGE.format("none")
    assert own.ids() == ["a"]


def test_sql_says_the_same(own, caplog):
    [name] = [name for (name,) in own.db.execute("select model from collections")]
    with pytest.raises(own.db.conn.OperationalError) as caught:
        own.db.execute("select vecstore_embed('own', 'other')").fetchall()
    # Python's sqlite3 does not hand on what a function raises: it is logged.
    assert "embeds nothing here" in f"{caught.value}{caplog.text}"
    assert name == "none"


def test_content_that_has_its_vector_is_embedded_by_that(own):
    assert own.embed_multi([("b", "text")]) == vecstore.EmbedReport(reused=1)
    assert own.vector("b") == [1.0, 0.5]


def test_a_model_that_is_installed_later_is_asked(own, registered):
    Collection("later", own.db, model=ExternalModel("word-lengths")).add("a", [1.0] * 16)
    assert len(Collection("later", own.db).similar("some text")) == 1
    assert registered.embedded == ["some text"]


@pytest.mark.parametrize("id", ["", None, 3, "\ud800"])
def test_an_id_is_text(id):
    with pytest.raises(vecstore.InvalidInputError, match="model_id is "):
        ExternalModel(id)
