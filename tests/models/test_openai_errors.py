"""What the OpenAI models make of a server's errors and wrong answers, and of missing keys."""

import math
import subprocess
import sys
from pathlib import Path

import openai
import pytest

import vecstore
from tests.support.openai_server import (
    KEY,
    Answer,
    OpenAIServer,
    answer_rows,
    answer_vectors,
    embed_until_error,
    error,
    reject,
    rows,
    vector,
)
from vecstore.errors import MissingKeyError, ModelError, RejectedInputError
from vecstore.models import EmbeddingModel, get_embedding_model


@pytest.fixture
def model(server: OpenAIServer) -> EmbeddingModel:
    return get_embedding_model("3-small")


@pytest.mark.parametrize(("keep", "returned"), [(slice(0, 2), 2), (slice(0, 0), 0)])
def test_too_few_vectors_are_an_error_and_none_is_used(server, model, keep, returned):
    server.answer = lambda request: answer_rows(rows(request)[keep])
    vectors, failure = embed_until_error(model, ["a", "b", "c"])
    assert (vectors, type(failure)) == ([], ModelError)
    assert str(failure) == (
        f"The model 'text-embedding-3-small' returned {returned} vectors for 3 inputs"
    )


def test_too_many_vectors_are_an_error(server, model):
    server.answer = lambda request: answer_rows(rows(request) * 2)
    with pytest.raises(ModelError, match="returned 2 vectors for 1 inputs"):
        model.embed("a")


@pytest.mark.parametrize("index", [0, None, 7])
def test_vectors_that_are_not_numbered_like_the_texts_are_an_error(server, model, index):
    server.answer = lambda request: answer_rows([{**row, "index": index} for row in rows(request)])
    with pytest.raises(ModelError, match="cannot be read"):
        list(model.embed_multi(["a", "b"]))


@pytest.mark.parametrize(
    "content", [b"<html>Welcome</html>", b"[]", b"null", b'{"data": 1}', b'{"data": [1]}', b"{}"]
)
@pytest.mark.parametrize("content_type", ["text/html", "application/json"])
def test_answer_of_another_kind_of_server_is_one_line_with_its_address(
    server, model, content, content_type
):
    server.answer = lambda request: Answer(200, content, {"content-type": content_type})
    with pytest.raises(ModelError) as caught:
        model.embed("a")
    assert str(caught.value).startswith(
        f"The model 'text-embedding-3-small' at {server.url} gave an answer that cannot be read: "
    )
    assert "\n" not in str(caught.value)


def test_base64_that_is_no_vector_is_an_error(server, model):
    server.answer = lambda request: answer_rows([{"index": 0, "embedding": "AAAAAAA="}])
    with pytest.raises(ModelError, match="cannot be read"):
        model.embed("a")


def test_empty_text_is_left_to_the_server(server, model):
    server.answer = reject("")
    with pytest.raises(RejectedInputError):
        model.embed("")
    assert server.inputs() == [[""]]


@pytest.mark.parametrize("status", [400, 413, 422])
@pytest.mark.parametrize("position", [0, 1, 2, 3, 4])
def test_vectors_before_a_refused_text_come_first(server, model, status, position):
    texts = ["a", "b", "c", "d", "e"]
    server.answer = reject(texts[position], status=status)
    vectors, failure = embed_until_error(model, texts)
    assert vectors == [vector(text) for text in texts[:position]]
    assert type(failure) is RejectedInputError
    assert isinstance(failure, ValueError)
    assert str(failure) == (
        f"The model 'text-embedding-3-small' refused an input ({status}): input is too long"
    )


def test_only_the_first_of_two_refused_texts_is_looked_for(server, model):
    server.answer = reject("b", "g")
    vectors, failure = embed_until_error(model, list("abcdefgh"))
    assert (vectors, type(failure)) == ([vector("a")], RejectedInputError)
    assert server.inputs() == [list("abcdefgh"), list("abcd"), list("ab"), ["a"], ["b"]]


def test_refused_text_is_found_in_few_requests(server, model):
    texts = [str(n) for n in range(2048)]
    server.answer = reject("2047")
    vectors, failure = embed_until_error(model, texts)
    assert vectors == [vector(text) for text in texts[:-1]]
    assert type(failure) is RejectedInputError
    assert len(server.requests) == 1 + 2 * math.log2(2048)


def test_refusal_of_the_model_costs_few_requests_and_keeps_the_message(server, model):
    server.answer = lambda request: error(400, "no such model")
    vectors, failure = embed_until_error(model, [str(n) for n in range(2048)])
    assert (vectors, type(failure)) == ([], RejectedInputError)
    assert "no such model" in str(failure)
    assert len(server.requests) == 1 + math.log2(2048)


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 503])
def test_other_errors_are_about_the_model_and_cost_one_request(server, model, status):
    server.answer = lambda request: error(status, "Sorry,\nnot\ttoday")
    vectors, failure = embed_until_error(model, ["a", "b"])
    assert (vectors, type(failure)) == ([], ModelError)
    assert str(failure) == (
        f"The model 'text-embedding-3-small' at {server.url} answered {status}: Sorry, not today"
    )
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"error": "model not found, try pulling it"}', "model not found, try pulling it"),
        (b'{"detail": "Not Found"}', '{"detail": "Not Found"}'),
        (b"404 page not found", "404 page not found"),
    ],
)
def test_error_messages_of_other_servers_are_repeated(server, model, content, message):
    server.answer = lambda request: Answer(404, content)
    with pytest.raises(ModelError) as caught:
        model.embed("a")
    assert str(caught.value).endswith(f"{server.url} answered 404: {message}")


def test_page_of_html_as_an_error_is_cut(server, model):
    page = b"<html>" + b"sorry " * 1000
    headers = {"content-type": "text/html", "x-should-retry": "false"}
    server.answer = lambda request: Answer(502, page, headers)
    with pytest.raises(ModelError) as caught:
        model.embed("a")
    assert "answered 502: <html>sorry sorry" in str(caught.value)
    assert len(str(caught.value)) < 700


def test_server_that_keeps_dropping_connections_is_named(server, model):
    server.answer = lambda request: None
    with pytest.raises(ModelError) as caught:
        model.embed("a")
    assert str(caught.value).startswith(
        f"The model 'text-embedding-3-small' at {server.url} cannot be reached: "
    )
    assert str(caught.value).endswith(" (tried 5 times)")
    assert len(server.requests) == 5


def test_address_where_nothing_listens_is_named(server, model):
    server.shutdown()
    server.server_close()
    with pytest.raises(ModelError) as caught:
        model.embed("a")
    assert f"at {server.url} cannot be reached: " in str(caught.value)
    assert "refused" in str(caught.value)


def test_password_in_the_address_is_not_shown(server, model, monkeypatch):
    url = server.url.replace("//", "//user:password@")
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    server.answer = lambda request: error(404, "no")
    with pytest.raises(ModelError) as caught:
        model.embed("a")
    assert f"at {server.url} answered" in str(caught.value)
    assert "password" not in str(caught.value)


def test_unusable_address_is_named(model, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:port/v1")
    with pytest.raises(ModelError, match="OPENAI_BASE_URL holds no usable address"):
        model.embed("a")


def test_vectors_before_a_failure_are_kept(server, model):
    def answer(request):
        return error(500, "down") if "c" in request.body["input"] else answer_vectors(request)

    server.answer = answer
    texts = ["a" * 200_000, "b" * 200_000, "c"]
    vectors, failure = embed_until_error(model, texts)
    assert (vectors, type(failure)) == ([vector(texts[0])], ModelError)


@pytest.mark.parametrize("make", [lambda: error(401, f"Wrong: {KEY}."), lambda: error(400, KEY)])
def test_key_that_a_server_repeats_is_not_shown(server, model, make):
    server.answer = lambda request: make()
    with pytest.raises(ModelError, match=r"\*\*\*") as caught:
        model.embed("a")
    assert KEY not in str(caught.value)
    assert KEY not in repr(caught.value)
    assert caught.value.__suppress_context__


def test_no_key_says_which_variable_to_set(server, model, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    monkeypatch.delenv("OPENAI_BASE_URL")
    with pytest.raises(MissingKeyError) as caught:
        model.embed("a")
    assert str(caught.value) == (
        "The model 'text-embedding-3-small' needs an API key for 'openai': set the environment"
        " variable OPENAI_API_KEY, or pass key=, or set the model's .key"
    )


@pytest.fixture
def keys_of_llm(monkeypatch, tmp_path):
    """The file of llm's keys, and no key of ours."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.setenv("LLM_USER_PATH", str(tmp_path))
    return tmp_path / "keys.json"


def test_a_key_that_llm_has_is_named_with_the_way_to_use_it_and_not_shown(keys_of_llm):
    keys_of_llm.write_text('{"// Note": "Do not share!", "openai": "sk-of-llm"}')
    with pytest.raises(MissingKeyError) as caught:
        get_embedding_model("3-small").embed("a")
    message = str(caught.value)
    hint = """ (llm has a key of that name: export OPENAI_API_KEY="$(llm keys get openai)")"""
    assert message.endswith(f"set the model's .key{hint}")
    assert "sk-of-llm" not in message
    command = message.partition("$(")[2].partition(")")[0]
    llm = Path(sys.executable).with_name("llm")
    shown = subprocess.run([llm, *command.split()[1:]], capture_output=True, text=True)
    assert (shown.stdout, shown.stderr) == ("sk-of-llm\n", "")


@pytest.mark.parametrize(
    "content",
    [
        b'{"mistral": "key"}',
        b'{"openai": " "}',
        b'{"openai": 5}',
        b"{",
        b"\xff",
        b"[]",
        b"[" * 10**6,
    ],
)
def test_a_file_of_llm_without_a_key_of_that_name_is_no_hint_and_no_error(keys_of_llm, content):
    keys_of_llm.write_bytes(content)
    with pytest.raises(MissingKeyError, match=r"set the model's .key$"):
        get_embedding_model("3-small").embed("a")


def test_a_file_of_llm_that_cannot_be_read_is_no_error(keys_of_llm):
    keys_of_llm.mkdir()
    with pytest.raises(MissingKeyError, match=r"set the model's .key$"):
        get_embedding_model("3-small").embed("a")


def test_a_key_that_llm_has_for_openai_is_not_named_for_another_server(keys_of_llm, monkeypatch):
    keys_of_llm.write_text('{"openai": "sk-of-llm"}')
    monkeypatch.setenv("OPENAI_BASE_URL", "http://localhost:1/v1")
    with pytest.raises(MissingKeyError, match="any value will do") as caught:
        get_embedding_model("3-small").embed("a")
    assert "llm" not in str(caught.value)


def test_no_key_for_another_server_says_that_any_will_do(server, model, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(MissingKeyError, match=r"OPENAI_API_KEY.*any value will do"):
        model.embed("a")
    assert server.requests == []


@pytest.mark.parametrize("key", ["secret\nsecret", "secret\x00", "sécret", " "])
def test_key_that_no_header_can_hold_is_an_error_that_does_not_show_it(server, model, key):
    with pytest.raises(MissingKeyError, match="HTTP header") as caught:
        model.embed("a", key=key)
    assert "cret" not in str(caught.value)
    assert server.requests == []


def test_a_text_that_memory_does_not_hold_is_named(server, model, monkeypatch):
    http_client = openai.DefaultHttpxClient.__mro__[1]
    send = http_client.send

    def send_small(self, request, **options):
        if len(request.content) > 1_000:
            raise MemoryError
        return send(self, request, **options)

    monkeypatch.setattr(http_client, "send", send_small)
    collection = vecstore.Collection("test", model=model)
    entries = [("a", "one"), ("b", "x" * 1_000), ("c", "two")]
    with pytest.raises(RejectedInputError, match="'b' was not embedded: MemoryError$"):
        collection.embed_multi(entries)
    assert collection.ids() == ["a"]
    assert collection.embed_multi(entries, on_error="skip").failed == 1
    assert server.inputs() == [["one"], ["two"]]
    collection.db.close()
