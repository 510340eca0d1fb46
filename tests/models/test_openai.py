"""The OpenAI models: the real client, over real sockets, to a server in this process."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.openai_server import (
    KEY,
    OpenAIServer,
    answer_rows,
    answer_vectors,
    error,
    rows,
    vector,
)
from vecstore.models import EmbeddingModel, get_embedding_model
from vecstore.models import openai as plugin


@pytest.fixture
def model(server: OpenAIServer) -> EmbeddingModel:
    return get_embedding_model("3-small")


def test_vectors_are_those_of_the_server_in_the_order_of_the_texts(server, model):
    assert list(model.embed_multi(["b", "a", "ccc"])) == [vector("b"), vector("a"), vector("ccc")]
    assert model.embed("b") == vector("b")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("3-small", {"model": "text-embedding-3-small"}),
        ("3-large", {"model": "text-embedding-3-large"}),
        ("ada", {"model": "text-embedding-ada-002"}),
        ("ada-002", {"model": "text-embedding-ada-002"}),
        ("3-small-512", {"model": "text-embedding-3-small", "dimensions": 512}),
        ("3-large-256", {"model": "text-embedding-3-large", "dimensions": 256}),
        ("3-large-1024", {"model": "text-embedding-3-large", "dimensions": 1024}),
        ("openai/nomic-embed-text", {"model": "nomic-embed-text"}),
        ("openai/BAAI/bge-m3", {"model": "BAAI/bge-m3"}),
    ],
)
def test_request_names_the_model_and_the_dimensions_of_the_server(server, name, expected):
    get_embedding_model(name).embed("text")
    [request] = server.requests
    assert request.path == "/v1/embeddings"
    assert request.body == {"input": ["text"], "encoding_format": "base64", **expected}


def test_model_ids_and_aliases_are_those_of_llm():
    ids = {"3-small", "3-large", "ada-002", "3-small-512", "3-large-256", "3-large-1024"}
    assert {get_embedding_model(name).model_id for name in ids} == {
        f"text-embedding-{name}" for name in ids
    }
    assert get_embedding_model("openai/x").model_id == "openai/x"


def test_server_that_answers_in_numbers_is_understood(server, model):
    def answer(request):
        return answer_rows(
            [{"index": i, "embedding": vector(t)} for i, t in enumerate(request.body["input"])]
        )

    server.answer = answer
    assert list(model.embed_multi(["a", "bb"])) == [vector("a"), vector("bb")]


def test_answer_in_another_order_is_put_in_that_of_the_texts(server, model):
    server.answer = lambda request: answer_rows(rows(request)[::-1])
    assert list(model.embed_multi(["a", "bb", "ccc"])) == [vector("a"), vector("bb"), vector("ccc")]


def test_more_texts_than_a_request_may_have_are_several_requests(server, model):
    texts = [str(n) for n in range(5000)]
    assert list(model.embed_multi(texts, batch_size=5000)) == [vector(text) for text in texts]
    assert [len(inputs) for inputs in server.inputs()] == [2048, 2048, 904]


def test_request_has_at_most_300_000_bytes_of_text(server, model):
    # "ä" is two bytes.
    texts = ["ä" * 50_000, "b" * 100_000, "c" * 100_000, "d"]
    assert list(model.embed_multi(texts)) == [vector(text) for text in texts]
    assert server.inputs() == [texts[:3], texts[3:]]


def test_text_above_the_limit_of_a_request_goes_alone(server, model):
    texts = ["a", "b" * 300_001, "c"]
    assert list(model.embed_multi(texts)) == [vector(text) for text in texts]
    assert server.inputs() == [["a"], ["b" * 300_001], ["c"]]


def test_requests_that_are_only_too_large_together_succeed(server, model):
    def answer(request):
        too_many = len(request.body["input"]) > 2
        return error(413, "batch size > 2") if too_many else answer_vectors(request)

    server.answer = answer
    assert list(model.embed_multi(list("abcdefg"))) == [vector(text) for text in "abcdefg"]


def test_busy_server_is_asked_again(server, model):
    answers = [error(429, "slow down", retry=True), error(503, "busy", retry=True)]
    server.answer = lambda request: answers.pop() if answers else answer_vectors(request)
    assert model.embed("a") == vector("a")
    assert server.inputs() == [["a"]] * 3


def test_lost_connection_is_asked_again(server, model):
    answers = [None]
    server.answer = lambda request: answers.pop() if answers else answer_vectors(request)
    assert model.embed("a") == vector("a")


def test_explicit_key_is_sent_before_the_models_and_the_environments(server, model):
    model.embed("a")
    model.key = "of-the-model"
    model.embed("a")
    model.embed("a", key="explicit")
    list(model.embed_multi(["a"], key="explicit"))
    assert [request.headers["authorization"] for request in server.requests] == [
        f"Bearer {KEY}",
        "Bearer of-the-model",
        "Bearer explicit",
        "Bearer explicit",
    ]
    assert "of-the-model" not in repr(model)


def test_line_break_after_a_key_does_no_harm(server, model, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}\n")
    model.embed("a")
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"


def test_empty_base_url_is_that_of_openai(model, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "")
    assert str(plugin._client(KEY).base_url) == "https://api.openai.com/v1/"


def test_connection_is_kept_over_calls_and_models(server, model):
    for _ in range(3):
        model.embed("a")
    get_embedding_model("3-large").embed("a")
    assert (len(server.requests), server.connections) == (4, 1)


def test_threads_share_one_client(server, model):
    texts = [str(n) for n in range(40)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(model.embed, texts)) == [vector(text) for text in texts]
    assert len(plugin._clients) == 1


FORKING = """
import os, sys, vecstore
model = vecstore.get_embedding_model("openai/fake")
model.embed("warm up")
children = [os.fork() for _ in range(2)] if hasattr(os, "fork") else []
texts = ["x" * length for length in range(1, 200)]
vectors = [model.embed(text) for text in texts]
are_right = all(vector[0] == length for length, vector in enumerate(vectors, 1))
os.write(1, f"{are_right}\\n".encode())  # at once: four processes write
if 0 not in children:
    for child in children:
        assert os.waitpid(child, 0)[1] == 0
"""


def test_forked_processes_do_not_read_each_others_answers(server):
    run = [sys.executable, "-c", FORKING]
    result = subprocess.run(run, capture_output=True, text=True, timeout=60)
    assert (result.stdout.split(), result.stderr) == (["True"] * 4, "")
