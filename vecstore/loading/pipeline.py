"""Batches are embedded, several at once, and their answers come back in order.

Knows no database: what goes in are items, what comes out are vectors by content hash. At most
`concurrency` batches are under way, so memory does not grow with the input.
"""

import contextvars
import threading
from collections import deque
from concurrent.futures import Future
from typing import Generic, TypeVar

from ..entries import Item
from ..models import retries
from . import asking
from .asking import Answer, Embed

_T = TypeVar("_T")


class Pipeline(Generic[_T]):
    """A queue of batches that are being embedded.

    With a concurrency of 1 the model is called by `submit()` itself: a model need not be safe in
    other threads unless it is asked for more. Otherwise each batch has a thread, which does not
    keep the process alive.

    :param embed: returns, or yields, one vector for each value, encoded, or why there is none
    :param skip: go on after an input that is refused

    Attributes:
        has_worked: whether the model has embedded something
        portion: how many items the model is given at once; None for all of a batch
    """

    def __init__(self, embed: Embed, concurrency: int, *, skip: bool) -> None:
        self._embed = embed
        self._concurrency = concurrency
        self._skip = skip
        self.has_worked = False
        self.portion: int | None = None
        self._queue: deque[tuple[_T, list[Item], Future[Answer]]] = deque()
        self._stopping = retries.stop_event() or threading.Event()

    def __len__(self) -> int:
        return len(self._queue)

    def batches(self) -> list[_T]:
        """Return the batches that are under way, the first submitted first."""
        return [batch for batch, _, _ in self._queue]

    @property
    def full(self) -> bool:
        """Whether as many batches are under way as may be."""
        return len(self._queue) >= self._concurrency

    def submit(self, batch: _T, items: list[Item]) -> None:
        """Begin to embed the items of a batch; none need be left to embed."""
        future: Future[Answer] = Future()
        if self._concurrency == 1 or not items:
            future.set_result(self.ask(items))
            self._queue.append((batch, items, future))
            return
        # Queued before it begins: what is paid for is never out of sight.
        self._queue.append((batch, items, future))
        context = contextvars.copy_context()
        run = (self._work, items, future)
        try:
            threading.Thread(target=context.run, args=run, daemon=True).start()
        except BaseException:
            if future.cancel():  # it has not begun, and now never will
                self._queue.pop()
            raise

    def oldest(self) -> tuple[_T, list[Item], Answer]:
        """Wait for the batch that was submitted first; return it, its items and their answer.

        It stays in the queue until it is dropped.
        """
        batch, items, future = self._queue[0]
        return batch, items, future.result()

    def drop_oldest(self) -> None:
        """Forget the batch that was submitted first."""
        self._queue.popleft()

    def stop_retrying(self) -> None:
        """Let requests end that only wait to be tried again: their batches get a TemporaryError."""
        self._stopping.set()

    def ask(self, items: list[Item]) -> Answer:
        """Embed items at once, in this thread."""
        answer = asking.ask(
            self._embed, items, skip=self._skip, has_worked=self.has_worked, portion=self.portion
        )
        self.has_worked |= bool(answer.vectors)
        return answer

    def _work(self, items: list[Item], future: "Future[Answer]") -> None:
        if not future.set_running_or_notify_cancel():
            return
        try:
            with retries.stop_waiting_on(self._stopping):
                future.set_result(self.ask(items))
        except BaseException as error:  # SystemExit of a model must not leave the queue waiting
            future.set_result(Answer(error=error))
