"""Batches are embedded, several at once, and their answers come back in order.

Knows no database: what goes in are items, what comes out are vectors by content hash. At most
`concurrency` batches are under way, so memory does not grow with the input.
"""

import contextvars
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from . import retries
from .entries import Item, encode_vector
from .errors import InvalidInputError, ModelError, RejectedInputError, TemporaryError, VecstoreError
from .values import shown

Embed = Callable[[list[str | bytes]], Iterable[Sequence[float]]]

_T = TypeVar("_T")


@dataclass
class Answer:
    """What became of the items of one batch, by content hash.

    vectors: as float32 bytes. refused: why there is none; only in a pipeline that skips. error:
    what ended the work on the batch; `vectors` then holds what was embedded before a refused input,
    or before the provider went away, and is empty otherwise.
    """

    vectors: dict[bytes, bytes] = field(default_factory=dict)
    refused: dict[bytes, VecstoreError] = field(default_factory=dict)
    error: BaseException | None = None


class Pipeline(Generic[_T]):
    """A queue of batches that are being embedded.

    With a concurrency of 1 the model is called by `submit()` itself: a model need not be safe in
    other threads unless it is asked for more. Otherwise each batch has a thread, which does not
    keep the process alive.

    :param embed: returns, or yields, one vector for each value
    :param skip: go on after an input that is refused
    """

    def __init__(self, embed: Embed, concurrency: int, *, skip: bool) -> None:
        self._embed = embed
        self._concurrency = concurrency
        self._skip = skip
        self._queue: deque[tuple[_T, list[Item], Future[Answer]]] = deque()
        self._stopping = retries.stop_event() or threading.Event()

    def __len__(self) -> int:
        return len(self._queue)

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
        answer = Answer()
        try:
            self._fill(answer, items)
        except (RejectedInputError, TemporaryError) as error:
            answer.error = error
        except Exception as error:
            answer = Answer(error=error)
        return answer

    def _work(self, items: list[Item], future: "Future[Answer]") -> None:
        if not future.set_running_or_notify_cancel():
            return
        try:
            with retries.until(self._stopping):
                future.set_result(self.ask(items))
        except BaseException as error:  # SystemExit of a model must not leave the queue waiting
            future.set_result(Answer(error=error))

    def _fill(self, answer: Answer, items: list[Item]) -> None:
        rest, size, crash = items, len(items), None
        while rest:
            asked = rest[:size]
            try:
                self._ask_once(answer, asked)
                size = len(items)
            except VecstoreError:
                raise
            except Exception as error:
                # Foreign code failed, over whichever input: halve until it is found.
                if not self._skip:
                    raise
                asked, crash = _without_result(answer, asked), error
                if len(asked) == 1:
                    answer.refused[asked[0].content_hash] = _named(asked[0], error)
                size = len(asked) // 2 or len(items)
            rest = _without_result(answer, rest)
        if crash and len(items) > 1 and not answer.vectors:
            raise crash  # not one input was embedded: the model is broken, not they

    def _ask_once(self, answer: Answer, items: list[Item]) -> None:
        """Embed items, until one is refused."""
        vectors = iter(self._embed([item.value for item in items]))
        for count, item in enumerate(items):
            try:
                vector = next(vectors)
            except StopIteration:
                raise ModelError(
                    f"The model returned {count} vectors for {len(items)} inputs: nothing of this "
                    "batch is written"
                ) from None
            except RejectedInputError as error:
                if not self._skip:
                    raise _named(item, error) from error
                answer.refused[item.content_hash] = _named(item, error)
                return
            self._keep(answer, item, vector)
        if next(vectors, None) is not None:
            raise ModelError(
                f"The model returned more than {len(items)} vectors for {len(items)} inputs: "
                "nothing of this batch is written"
            )

    def _keep(self, answer: Answer, item: Item, vector: Sequence[float]) -> None:
        try:
            blob = encode_vector(vector, f"The vector of {shown(item.id)}")
        except InvalidInputError as error:
            if not self._skip:
                raise
            answer.refused[item.content_hash] = error
        else:
            answer.vectors[item.content_hash] = blob


def _without_result(answer: Answer, items: list[Item]) -> list[Item]:
    """Return the items that have neither a vector nor a refusal."""
    done = answer.vectors.keys() | answer.refused.keys()
    return [item for item in items if item.content_hash not in done]


def _named(item: Item, error: Exception) -> RejectedInputError:
    reason = str(error) if isinstance(error, VecstoreError) else f"{type(error).__name__}: {error}"
    return RejectedInputError(f"{shown(item.id)} was not embedded: {reason}")
