"""Waiting for a provider that cannot answer now: how long, in which threads, and until when."""

import copy
import logging
import pickle
import threading
from collections.abc import Iterator

import pytest

from vecstore.errors import ModelError, TemporaryError
from vecstore.models import EmbeddingModel, retries
from vecstore.models.retries import Retries

BUSY = "The provider of 'flaky' is busy"


class Clock:
    """In place of an Event that is never set: its waits only move the clock."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.waits: list[float] = []

    def wait(self, seconds: float) -> bool:
        if seconds > 0:
            self.waits.append(seconds)
            self.now += seconds
        return False


class Flaky(EmbeddingModel):
    """Fails with TemporaryError where `failures` says after how many vectors, a number a call."""

    model_id = "flaky"

    def __init__(self, *failures: int | None, **error) -> None:
        self.failures = list(failures)
        self.error = error
        self.calls: list[list[str]] = []

    def embed_batch(self, items):
        self.calls.append(list(items))
        fail_after = self.failures.pop(0) if self.failures else None
        for count, item in enumerate(items):
            if count == fail_after:
                raise TemporaryError(BUSY, **self.error)
            yield [float(len(item))]
        if fail_after == len(items):
            raise TemporaryError(BUSY, **self.error)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    """A clock for this thread, and the waits as they are outside of tests."""
    clock = Clock()
    monkeypatch.setattr(retries, "FIRST_WAIT", 0.5)
    monkeypatch.setattr(retries, "monotonic", lambda: clock.now)
    with retries.stop_waiting_on(clock):
        yield clock


# Retries


def test_first_request_waits_for_nothing(clock):
    Retries().wait()
    assert clock.waits == []


def test_waits_double_up_to_the_longest(clock):
    waiting = Retries()
    for tries in range(1, 11):
        waiting.wait_or_give_up(TemporaryError(BUSY, tries=100), tries)
    longest = [0.5, 1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert all(most / 2 <= wait <= most for wait, most in zip(clock.waits, longest, strict=True))


def test_wait_after_very_many_tries_is_the_longest(clock):
    Retries().wait_or_give_up(TemporaryError(BUSY, tries=10**9), 10**6)
    assert 30 <= clock.waits[0] <= 60


def test_wait_that_nobody_asked_for_holds_up_no_other_request(clock):
    waiting = Retries()
    waiting.wait_or_give_up(TemporaryError(BUSY), 1)
    assert waiting._not_before <= clock.now
    del clock.waits[:]
    waiting.wait()
    assert clock.waits == []


def test_retry_after_is_waited_for_and_a_little_longer(clock):
    Retries().wait_or_give_up(TemporaryError(BUSY, retry_after=20), 1)
    [wait] = clock.waits
    assert 20 <= wait <= 20.5


def test_threads_that_wait_for_the_same_moment_do_not_all_go_then(clock):
    waits = set()
    for _ in range(8):
        Retries().wait_or_give_up(TemporaryError(BUSY, retry_after=20), 1)
        waits.add(clock.waits.pop())
    assert len(waits) == 8


def test_retry_after_of_milliseconds_does_not_use_up_the_tries_at_once(clock):
    waiting = Retries()
    for tries in range(1, 8):
        waiting.wait_or_give_up(TemporaryError(BUSY, retry_after=0.001), tries)
    assert sum(clock.waits) >= (0.5 + 1 + 2 + 4 + 8 + 16 + 32) / 2


def test_retry_after_holds_up_the_requests_of_other_threads(clock):
    waiting, asked = Retries(), TemporaryError(BUSY, retry_after=20)
    start = clock.now
    waiting._hold(asked.retry_after)
    waiting.wait()
    assert start + 20 <= clock.now <= start + 20.5


def test_moment_before_which_no_request_is_made_only_moves_later(clock):
    waiting = Retries()
    start = clock.now
    waiting._hold(20)
    waiting._hold(5)
    waiting.wait()
    assert clock.now >= start + 20


def test_moment_that_moves_during_a_wait_is_waited_for(clock):
    waiting = Retries()
    start = clock.now
    waiting._hold(1)
    sleep = clock.wait

    def another_thread_is_refused_meanwhile(seconds: float) -> bool:
        if seconds > 0 and not clock.waits:
            waiting._hold(10)
        return sleep(seconds)

    clock.wait = another_thread_is_refused_meanwhile
    waiting.wait()
    assert clock.now >= start + 10


@pytest.mark.parametrize("nonsense", [0, -1, float("nan"), float("-inf")])
def test_retry_after_that_says_nothing_is_ignored(clock, nonsense):
    Retries().wait_or_give_up(TemporaryError(BUSY, retry_after=nonsense), 2)
    [wait] = clock.waits
    assert 0.5 <= wait <= 1


@pytest.mark.parametrize(
    ("tries", "message"), [(8, f"{BUSY} (tried 8 times)"), (1, BUSY)], ids=["eight", "one"]
)
def test_last_of_the_tries_raises_the_error(clock, tries, message):
    error = TemporaryError(BUSY, tries=tries)
    with pytest.raises(TemporaryError) as caught:
        Retries().wait_or_give_up(error, tries)
    assert caught.value is error
    assert (str(error), clock.waits) == (message, [])


@pytest.mark.parametrize(
    ("tries", "message"),
    [
        (1, f"{BUSY} (the provider asks to wait 121 seconds)"),
        (3, f"{BUSY} (the provider asks to wait 121 seconds, tried 3 times)"),
    ],
)
def test_retry_after_that_is_too_long_is_final_at_once(clock, tries, message):
    with pytest.raises(TemporaryError) as caught:
        Retries().wait_or_give_up(TemporaryError(BUSY, retry_after=121), tries)
    assert (str(caught.value), clock.waits) == (message, [])


def test_wait_is_logged_once(clock, caplog):
    caplog.set_level(logging.INFO, "vecstore")
    waiting = Retries()
    waiting.wait_or_give_up(TemporaryError(BUSY, retry_after=20), 1)
    waiting.wait()
    [record] = caplog.records
    assert (record.name, record.levelname) == ("vecstore", "INFO")
    assert record.getMessage() in {f"Waiting {n / 10:g} s: {BUSY}" for n in range(200, 206)}


# until()


def stopped_by(event: threading.Event, wait, *args) -> Exception:
    """Run a wait in a thread, set the event once it waits, and return what it raised."""
    raised = []
    started = threading.Event()

    def run() -> None:
        with retries.stop_waiting_on(event):
            started.set()
            try:
                wait(*args)
            except Exception as ex:
                raised.append(ex)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    started.wait(30)
    event.set()
    thread.join(30)  # less than any wait of these tests
    [error] = raised
    return error


def test_event_ends_a_wait_with_the_error_that_was_waited_out():
    error = TemporaryError(BUSY, retry_after=100)
    assert stopped_by(threading.Event(), Retries().wait_or_give_up, error, 1) is error


def test_event_ends_a_wait_for_other_threads_with_an_error_of_its_own():
    waiting = Retries()
    waiting._hold(100)
    error = stopped_by(threading.Event(), waiting.wait)
    assert type(error) is TemporaryError
    assert str(error) == "The request was not made: the call that needs it is stopping"


def test_no_request_is_made_once_the_event_is_set():
    model, event = Flaky(), threading.Event()
    event.set()
    with retries.stop_waiting_on(event), pytest.raises(TemporaryError, match="was not made"):
        model.embed("a")
    assert model.calls == []
    assert model.embed("a") == [1.0]


def test_event_of_one_thread_is_not_that_of_another():
    event, model = threading.Event(), Flaky()
    event.set()
    vectors = []
    with retries.stop_waiting_on(event):
        thread = threading.Thread(target=lambda: vectors.append(model.embed("a")))
        thread.start()
        thread.join()
    assert vectors == [[1.0]]


def test_inner_event_counts_until_its_end(clock):
    event = threading.Event()
    event.set()
    waiting = Retries()
    with pytest.raises(TemporaryError), retries.stop_waiting_on(event):
        waiting.wait()
    waiting.wait()


# Models


def test_only_inputs_without_a_vector_are_asked_for_again():
    model = Flaky(1, 0, 1)
    assert list(model.embed_multi(["a", "bb", "ccc", "dddd"])) == [[1.0], [2.0], [3.0], [4.0]]
    assert model.calls == [
        ["a", "bb", "ccc", "dddd"],
        ["bb", "ccc", "dddd"],
        ["bb", "ccc", "dddd"],
        ["ccc", "dddd"],
    ]


def test_one_input_is_asked_for_again():
    model = Flaky(0, 0)
    assert model.embed("four") == [4.0]
    assert model.calls == [["four"]] * 3


def test_tries_count_anew_after_progress():
    model = Flaky(0, 0, 1, 0, 0, tries=4)
    assert list(model.embed_multi(["a", "bb"])) == [[1.0], [2.0]]


def test_last_try_raises_after_the_vectors_before():
    model = Flaky(1, *[0] * 100)
    vectors = []
    with pytest.raises(ModelError) as caught:
        vectors.extend(model.embed_multi(["a", "b"]))
    assert (vectors, str(caught.value)) == ([[1.0]], f"{BUSY} (tried 8 times)")
    assert model.calls == [["a", "b"]] + [["b"]] * 7


def test_failure_after_the_last_vector_needs_no_other_request():
    model = Flaky(2, tries=1)
    assert list(model.embed_multi(["a", "bb"])) == [[1.0], [2.0]]
    assert model.calls == [["a", "bb"]]


def test_vectors_before_a_wait_are_there_before_it():
    model = Flaky(1, 0)
    vectors = model.embed_multi(["a", "bb"])
    assert next(vectors) == [1.0]
    assert model.calls == [["a", "bb"]]


class OneShort(Flaky):
    """The first call fails after one vector, the second has one too few."""

    def embed_batch(self, items):
        yield from super().embed_batch(items[:-1] if self.calls else items)


def test_number_of_vectors_is_compared_with_what_was_asked_for_again():
    vectors = []
    with pytest.raises(ModelError, match="'flaky' returned 1 vectors for 2 inputs"):
        vectors.extend(OneShort(1).embed_multi(["a", "bb", "ccc"]))
    assert vectors == [[1.0]]


def test_model_that_asks_another_does_not_begin_again_with_its_tries():
    class Wrapper(EmbeddingModel):
        model_id = "wrapper"

        def embed_batch(self, items):
            return inner.embed_multi(items)

    inner = Flaky(*[0] * 100)
    with pytest.raises(TemporaryError) as caught:
        Wrapper().embed("a")
    assert (len(inner.calls), str(caught.value)) == (8, f"{BUSY} (tried 8 times)")


def test_copy_of_a_model_waits_with_it_and_another_instance_does_not():
    model = Flaky()
    assert retries.retries_of(model) is retries.retries_of(model)
    assert retries.retries_of(copy.copy(model)) is retries.retries_of(model)
    assert retries.retries_of(Flaky()) is not retries.retries_of(model)


def test_threads_that_ask_first_at_once_share_one():
    model, found = Flaky(), []
    barrier = threading.Barrier(8)

    def ask() -> None:
        barrier.wait(30)
        found.append(retries.retries_of(model))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(map(id, found))) == 1


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_model_that_has_waited_is_still_copied_and_pickled(duplicate):
    model = Flaky(0)
    model.embed("a")
    assert duplicate(model).embed("bb") == [2.0]


def test_error_keeps_its_attributes_in_a_copy():
    for error in (
        copy.copy(TemporaryError(BUSY, retry_after=2.5, tries=3)),
        pickle.loads(pickle.dumps(TemporaryError(BUSY, retry_after=2.5, tries=3))),
    ):
        assert (str(error), error.retry_after, error.tries) == (BUSY, 2.5, 3)
    assert (TemporaryError(BUSY).retry_after, TemporaryError(BUSY).tries) == (None, 8)
