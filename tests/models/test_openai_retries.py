"""What the OpenAI models do about rate limits, busy servers and lost connections."""

import email.utils
import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.openai_server import (
    KEY,
    OpenAIServer,
    answer_vectors,
    bare_error,
    embed_until_error,
    error,
    vector,
)
from vecstore.errors import ModelError, TemporaryError
from vecstore.models import EmbeddingModel, get_embedding_model, retries
from vecstore.models import openai as plugin


@pytest.fixture
def model(server: OpenAIServer) -> EmbeddingModel:
    return get_embedding_model("3-small")


@pytest.fixture
def waiting() -> Iterator[threading.Event]:
    """An event that is set once a wait is logged."""
    event = threading.Event()

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            event.set()

    handler, logger = Handler(), logging.getLogger("vecstore")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield event
    logger.setLevel(level)
    logger.removeHandler(handler)


def answer_first(*answers):
    """Answer with these, one a request, and then as a server does that works."""
    left = list(answers)
    return lambda request: left.pop(0) if left else answer_vectors(request)


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 529])
def test_answer_that_may_be_another_one_later_is_asked_for_again(server, model, status):
    server.answer = answer_first(*[bare_error(status, "later")] * 7)
    assert model.embed("a") == vector("a")
    assert server.inputs() == [["a"]] * 8


@pytest.mark.parametrize("status", [429, 500])
def test_last_answer_is_the_error(server, model, status):
    server.answer = lambda request: bare_error(status, "Rate limit reached")
    vectors, failure = embed_until_error(model, ["a", "b"])
    assert (vectors, type(failure)) == ([], TemporaryError)
    assert str(failure) == (
        f"The model 'text-embedding-3-small' at {server.url} answered {status}:"
        " Rate limit reached (tried 8 times)"
    )
    # Both texts in each: it is not about one of them.
    assert server.inputs() == [["a", "b"]] * 8


def test_lost_connections_are_tried_five_times(server, model):
    server.answer = answer_first(*[None] * 4)
    assert model.embed("a") == vector("a")
    assert len(server.requests) == 5


def test_vectors_at_hand_are_kept_and_no_text_of_theirs_is_sent_again(server, model):
    failed = set()

    def answer(request):
        first = request.body["input"][0]
        if first in failed or first.startswith("a"):
            return answer_vectors(request)
        failed.add(first)
        return bare_error(500, "oops")

    server.answer = answer
    texts = ["a" * 200_000, "b" * 200_000, "c" * 200_000]
    assert list(model.embed_multi(texts)) == [vector(text) for text in texts]
    a, b, c = texts
    assert server.inputs() == [[a], [b], [b], [c], [c]]


@pytest.mark.parametrize("status", [429, 500])
def test_server_that_says_not_to_retry_is_obeyed(server, model, status):
    server.answer = lambda request: bare_error(status, "no", **{"x-should-retry": "false"})
    with pytest.raises(ModelError) as caught:
        model.embed("a")
    assert type(caught.value) is ModelError
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [400, 403])
def test_server_that_says_to_retry_is_obeyed(server, model, status):
    server.answer = answer_first(bare_error(status, "later", **{"x-should-retry": "true"}))
    assert list(model.embed_multi(["a", "b"])) == [vector("a"), vector("b")]
    assert server.inputs() == [["a", "b"]] * 2


@pytest.mark.parametrize("code", ["insufficient_quota", "billing_not_active"])
@pytest.mark.parametrize("headers", [{}, {"x-should-retry": "true"}])
def test_quota_that_is_used_up_is_final(server, model, headers, code):
    message = "You exceeded your current quota"
    server.answer = lambda request: bare_error(429, message, code=code, **headers)
    with pytest.raises(ModelError) as caught:
        model.embed("a")
    assert type(caught.value) is ModelError
    assert str(caught.value).endswith(f"answered 429: {message}")
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "20"}, 20),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "1"}, 1),
        ({"retry-after-ms": "-1", "retry-after": "1"}, 1),
        ({}, None),
        *(
            ({"retry-after": nonsense}, None)
            for nonsense in ("", "soon", "0", "-3", "nan", "inf", "1e999", "-inf", "99:99 tomorrow")
        ),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, None),
        ({"retry-after": "Wed, 99 Oct 99999999999999 07:28:00 GMT"}, None),
    ],
)
def test_header_says_how_many_seconds_to_wait(headers, seconds):
    assert plugin._retry_after(headers) == seconds


def test_header_may_be_a_date(monkeypatch):
    monkeypatch.setattr(plugin.time, "time", lambda: 1445412450.0)
    headers = {"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}
    assert plugin._retry_after(headers) == 30.0


def test_date_is_waited_for(server, model):
    # Whole seconds: the next one but one.
    date = int(time.time()) + 2
    refused = bare_error(429, "later", **{"retry-after": email.utils.formatdate(date, usegmt=True)})
    answers = answer_first(refused)
    arrivals = []

    def answer(request):
        arrivals.append(time.time())
        return answers(request)

    server.answer = answer
    assert model.embed("a") == vector("a")
    # The wait is measured by another clock than the date.
    assert arrivals[1] >= date - 0.1


@pytest.mark.parametrize("status", [429, 503])
def test_server_that_asks_for_a_long_wait_is_an_error_at_once(server, model, status):
    server.answer = lambda request: bare_error(status, "Daily limit", **{"retry-after": "3600"})
    with pytest.raises(TemporaryError) as caught:
        model.embed("a")
    assert str(caught.value).endswith(
        f"answered {status}: Daily limit (the provider asks to wait 3600 seconds)"
    )
    assert len(server.requests) == 1


def test_retry_after_holds_up_the_requests_of_all_threads(server, model, waiting):
    """Four requests are open; one is refused; the others are answered once its thread waits."""
    asked, threads, texts = 0.3, 4, [str(n) for n in range(20)]
    all_open = threading.Barrier(threads)
    arrivals: list[float] = []
    refused_at: list[float] = []

    def answer(request):
        with server.lock:
            arrivals.append(time.monotonic())
            number = len(arrivals)
        if number <= threads:
            all_open.wait(30)
            if number == 1:
                refused_at.append(time.monotonic())
                return bare_error(429, "slow down", **{"retry-after": str(asked)})
            waiting.wait(30)
        return answer_vectors(request)

    server.answer = answer
    with ThreadPoolExecutor(threads) as pool:
        assert list(pool.map(model.embed, texts)) == [vector(text) for text in texts]
    assert len(arrivals) == len(texts) + 1
    assert min(arrivals[threads:]) >= refused_at[0] + asked


def test_retry_after_holds_up_the_next_request_of_a_batch_too(server, model, waiting):
    """One thread is between two requests of one embed_batch() while another is refused."""
    first_is_open, asked = threading.Event(), 0.3
    arrivals: dict[str, float] = {}
    refused_at: list[float] = []

    def answer(request):
        first = request.body["input"][0][0]
        arrivals[first] = time.monotonic()
        if first == "a":
            first_is_open.set()
            waiting.wait(30)
        if first == "x" and not refused_at:
            refused_at.append(time.monotonic())
            return bare_error(429, "slow down", **{"retry-after": str(asked)})
        return answer_vectors(request)

    server.answer = answer
    texts = ["a" * 200_000, "b" * 200_000]
    with ThreadPoolExecutor(1) as pool:
        vectors = pool.submit(lambda: list(model.embed_multi(texts)))
        first_is_open.wait(30)
        model.embed("x")
        assert vectors.result(30) == [vector(text) for text in texts]
    assert arrivals["b"] >= refused_at[0] + asked


def test_event_ends_a_wait_for_the_server_at_once(server, model, waiting):
    server.answer = lambda request: bare_error(429, "slow down", **{"retry-after": "100"})
    stop = threading.Event()

    def embed():
        with retries.stop_waiting_on(stop):
            return embed_until_error(model, ["a"])

    with ThreadPoolExecutor(1) as pool:
        result = pool.submit(embed)
        waiting.wait(30)
        stop.set()
        vectors, failure = result.result(30)
    assert (vectors, type(failure)) == ([], TemporaryError)
    assert str(failure).endswith("answered 429: slow down")
    assert len(server.requests) == 1


def test_log_names_the_wait_and_its_cause_without_the_key(server, model, caplog):
    caplog.set_level(logging.DEBUG, "vecstore")
    server.answer = answer_first(error(429, f"Slow down, {KEY}", retry=True))
    model.embed("a")
    [record] = [record for record in caplog.records if record.name == "vecstore"]
    assert record.levelname == "INFO"
    assert record.getMessage().startswith("Waiting 0.")
    assert record.getMessage().endswith(
        f" s: The model 'text-embedding-3-small' at {server.url} answered 429: Slow down, ***"
    )


@pytest.mark.parametrize("seed", range(3))
def test_random_failures_lose_nothing_and_embed_nothing_twice(server, model, seed):
    """100 requests from 8 threads, one in ten of which fails in one way or another."""
    luck = random.Random(seed)
    served: list[str] = []
    failed: Counter[str] = Counter()
    failures = [
        bare_error(429, "slow down"),
        bare_error(429, "slow down", **{"retry-after-ms": "5"}),
        bare_error(500, "oops"),
        bare_error(503, "busy"),
        None,
    ]

    def answer(request):
        texts = request.body["input"]
        with server.lock:
            # Never more often than the fewest tries allow, however unlucky.
            if luck.random() < 0.1 and failed[texts[0]] < 4:
                failed[texts[0]] += 1
                return luck.choice(failures)
            served.extend(texts)
        return answer_vectors(request)

    server.answer = answer
    batches = [[f"{batch}/{n}" for n in range(5)] for batch in range(100)]
    with ThreadPoolExecutor(model.concurrency) as pool:
        found = list(pool.map(lambda batch: list(model.embed_multi(batch)), batches))
    assert found == [[vector(text) for text in batch] for batch in batches]
    assert sorted(served) == sorted(text for batch in batches for text in batch)


def test_client_makes_no_retries_of_its_own(server, model):
    model.embed("a")
    [client] = plugin._clients.values()
    assert client.max_retries == 0


def test_models_say_how_many_calls_may_run_at_once():
    concurrency = {name: get_embedding_model(name).concurrency for name in ("3-small", "local")}
    assert concurrency == {"3-small": 8, "local": 1}
