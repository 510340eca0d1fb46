"""How long to wait for a provider that cannot answer now, and when to give up."""

import contextlib
import logging
import random
import threading
from collections.abc import Iterator
from contextvars import ContextVar
from time import monotonic

from ..errors import TemporaryError

# Seconds. Without a word from the provider, the waits double from the first to the longest.
FIRST_WAIT = 0.5
LONGEST_WAIT = 60.0
# Who asks for more than this has no limit by the minute, but by the day or the month.
LONGEST_RETRY_AFTER = 120.0

_log = logging.getLogger("vecstore")
_stop: ContextVar[threading.Event | None] = ContextVar("_stop", default=None)
_never = threading.Event()


@contextlib.contextmanager
def stop_waiting_on(event: threading.Event) -> Iterator[None]:
    """End all waits of this thread, inside the `with`, once `event` is set.

    A wait that ends so raises the TemporaryError that is being waited out. A request that would
    be made next raises one as well, and is not made.
    """
    token = _stop.set(event)
    try:
        yield
    finally:
        _stop.reset(token)


def stop_event() -> threading.Event | None:
    """Return the event of the `stop_waiting_on()` that this is inside of."""
    return _stop.get()


class Retries:
    """When the requests of one model may be made, for all threads that make them."""

    def __init__(self) -> None:
        self._not_before = 0.0
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[type["Retries"], tuple[()]]:
        # A lock cannot be copied, and another process has another clock.
        return Retries, ()

    def wait(self) -> None:
        """Return once a request may be made: call it before each of them.

        TemporaryError where the event of `stop_waiting_on()` is set.
        """
        stopping = TemporaryError("The request was not made: the call that needs it is stopping")
        _sleep_or_raise(0, stopping)
        while (seconds := self._not_before - monotonic()) > 0:
            _sleep_or_raise(seconds + _spread(), stopping)

    def wait_or_give_up(self, error: TemporaryError, tries_so_far: int) -> None:
        """Wait as long as `error` asks for, or raise it if it was the last of the tries.

        What the provider asks for holds up the requests of all threads. A wait that nobody asked
        for is of this request alone, and longer after each try.
        """
        asked = error.retry_after or 0.0
        if asked > LONGEST_RETRY_AFTER:
            _give_up(error, tries_so_far, f"the provider asks to wait {asked:.0f} seconds")
        if tries_so_far >= error.tries:
            _give_up(error, tries_so_far)
        # Never less than unasked: some servers ask for milliseconds, however busy they are.
        seconds = _backoff(tries_so_far)
        if asked > 0:
            self._hold(asked)
            seconds = max(seconds, asked + _spread())
        _log.info("Waiting %.3g s: %s", seconds, error, extra={"seconds": seconds})
        _sleep_or_raise(seconds, error)

    def _hold(self, seconds: float) -> None:
        with self._lock:
            self._not_before = max(self._not_before, monotonic() + seconds)


def retries_of(model: object) -> Retries:
    """Return the one Retries of a model, which a shallow copy of the model shares."""
    # Not made in __init__(), which subclasses need not call; and setdefault() is atomic.
    retries: Retries = vars(model).setdefault("_vecstore_retries", Retries())
    return retries


def _backoff(tries_so_far: int) -> float:
    longest = min(FIRST_WAIT * 2.0 ** min(tries_so_far - 1, 100), LONGEST_WAIT)
    return random.uniform(longest / 2, longest)  # noqa: S311


def _spread() -> float:
    """Return a little time, so that threads that waited for the same moment do not all go then."""
    return random.uniform(0, FIRST_WAIT)  # noqa: S311


def _sleep_or_raise(seconds: float, error: TemporaryError) -> None:
    if (_stop.get() or _never).wait(seconds):
        raise error


def _give_up(error: TemporaryError, tries: int, reason: str = "") -> None:
    notes = [note for note in (reason, f"tried {tries} times" if tries > 1 else "") if note]
    if notes:
        error.args = (f"{error} ({', '.join(notes)})", *error.args[1:])
    # A model that asks another model must not begin again with all of its own tries.
    error.tries = 1
    raise error
