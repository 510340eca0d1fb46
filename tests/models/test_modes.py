"""What a model is given to embed for a query and for a document, with prefixes of whom."""

import pytest

import vecstore
from tests.support.models import WordLengths
from vecstore.models import modes


class Prefixed(WordLengths):
    query_prefix = "query: "
    document_prefix = "passage: "


class Overriding(Prefixed):
    """Embeds queries in a way of its own."""

    def embed_query(self, item, *, key=None):
        self.embedded.append(("query", item, key))
        return [1.0] * 16


def test_a_model_without_prefixes_embeds_a_query_like_anything_else():
    model = WordLengths()
    assert model.embed_query("a cat") == model.embed("a cat")
    assert model.embedded == ["a cat", "a cat"]


def test_a_model_puts_its_prefix_before_queries_alone():
    model = Prefixed()
    model.embed_query("a cat")
    model.embed("a cat")
    list(model.embed_multi(["a cat"]))
    assert model.embedded == ["query: a cat", "a cat", "a cat"]


def test_bytes_have_no_prefix():
    model = Prefixed()
    model.embed_query(b"cat")
    assert modes.add_prefix("passage: ", b"cat") == b"cat"
    assert model.embedded == [b"cat"]


@pytest.mark.parametrize(
    ("own", "embedded"),
    [(None, "query: a cat"), ("", "a cat"), ("find ", "find a cat")],
)
def test_a_collections_own_prefix_takes_the_place_of_the_models(own, embedded):
    model = Prefixed()
    modes.embed_query(model, "a cat", own)
    assert list(modes.embed_queries(model, ["a cat"], own)) == [model.embed(embedded)]
    assert model.embedded == [embedded] * 3


@pytest.mark.parametrize(
    ("own", "embedded"), [(None, ("query", "a cat", None)), ("find ", "find a cat")]
)
def test_a_models_own_way_counts_unless_the_collection_has_a_prefix(own, embedded):
    model = Overriding()
    modes.embed_query(model, "a cat", own)
    list(modes.embed_queries(model, ["a cat"], own))
    assert model.embedded == [embedded] * 2


def test_the_key_reaches_the_model():
    model = Overriding()
    modes.embed_query(model, "a cat", None, key="secret")
    assert model.embedded == [("query", "a cat", "secret")]


def test_many_queries_are_embedded_in_batches():
    model = Prefixed()
    list(modes.embed_queries(model, ["a", "b", "c"], None))
    assert (model.embedded, model.batches) == (["query: a", "query: b", "query: c"], [3])


def test_the_prefixes_of_a_model():
    assert modes.query_prefix(Prefixed(), None) == "query: "
    assert modes.document_prefix(Prefixed(), None) == "passage: "
    assert modes.document_prefix(Prefixed(), "") == ""


def test_a_prefix_that_is_no_text_is_the_models_fault():
    model = WordLengths()
    model.query_prefix = 5
    with pytest.raises(vecstore.ModelError, match="has the query_prefix 5: it must be text"):
        modes.embed_query(model, "a cat", None)


def test_an_instance_of_llms_class_has_no_prefixes():
    llm = pytest.importorskip("llm")
    asked = []

    class OfLlm(llm.EmbeddingModel):
        model_id = "of-llm"

        def embed_batch(self, items):
            items = list(items)
            asked.extend(items)
            return [[1.0] for _ in items]

    model = OfLlm()
    assert modes.embed_query(model, "a", None) == [1.0]
    assert modes.embed_query(model, "a", "find ") == [1.0]
    assert list(modes.embed_queries(model, ["a", "b"], None)) == [[1.0], [1.0]]
    assert (modes.query_prefix(model, None), modes.document_prefix(model, None)) == ("", "")
    assert asked == ["a", "find a", "a", "b"]
