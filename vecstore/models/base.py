"""What an embedding model is, and how it is asked."""

import copy
import inspect
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence, Sized
from itertools import islice
from typing import TypeVar

from ..errors import (
    InputTypeError,
    InvalidInputError,
    MissingKeyError,
    ModelError,
    TemporaryError,
)
from ..values import quote, surrogate_position, to_integer
from ..vectors import encode_finite, numbers_of
from . import retries

_LISTS = (list, tuple)
_T = TypeVar("_T")


class EmbeddingModel(ABC):
    """Something that turns text, or bytes, into vectors of one length.

    A model is a subclass that sets `model_id` and implements `embed_batch()`. Subclasses of
    `llm.EmbeddingModel` work as they are once they import this class instead.

    Attributes:
        model_id: the name that a collection records.
        supports_text, supports_binary: whether str, and whether bytes, can be embedded.
        batch_size: the most inputs for one call of `embed_batch()`; None for no limit.
        concurrency: how many calls of `embed_batch()` may run at once, in threads, when many
            entries are loaded; 1 unless the model is safe and faster so.
        needs_key: the name of the service whose API key is required; None for no key.
        key_env_var: the environment variable that holds the key.
        key: a key that is used instead of the environment's.
        runs_locally: whether it works on this machine alone, without a network, so that a call
            costs nothing; False unless the model says so. Where it does, visitors of a page of
            Datasette may search by meaning although its configuration does not say that they may.
        query_prefix, document_prefix: what a collection puts before text that is searched for, and
            before text that it stores the vector of. What the model itself is given to embed, by
            `embed()` and the like, it embeds as it is.
    """

    model_id: str
    supports_text: bool = True
    supports_binary: bool = False
    batch_size: int | None = None
    concurrency: int = 1
    needs_key: str | None = None
    key_env_var: str | None = None
    key: str | None = None
    runs_locally: bool = False
    query_prefix: str = ""
    document_prefix: str = ""

    @abstractmethod
    def embed_batch(
        self, items: Iterable[str | bytes], *, key: str | None = None
    ) -> Iterable[Sequence[float]]:
        """Return, or yield, one vector for each of `items`, in their order.

        `items` is a list of inputs of the kinds that this model supports, at most `batch_size`
        of them; `key` is what `get_key()` found. An implementation may leave `key` out and call
        `self.get_key()`. It raises RejectedInputError, after it has yielded the vectors of the
        inputs before it, for an input that the provider refuses. It raises TemporaryError, after
        it has yielded the vectors at hand, where the provider cannot answer now: after a wait it
        is called again, with the inputs that have no vector.
        It raises ModelError where it fails whatever it is asked for. Any other exception may be
        about one of the inputs: a collection calls it again, with fewer, to find which.
        """

    def embed(self, item: str | bytes, *, key: str | None = None) -> list[float]:
        """Return the vector of one input.

        Raises InputTypeError (a ValueError) for bytes that a text model cannot embed, or the
        other way round; InvalidInputError for text that is not Unicode; MissingKeyError;
        ModelError where the model fails; a TemporaryError among them was waited out and tried
        again before.
        """
        self._check_type(item)
        [vector] = self._embed_checked([item], key, self._to_floats)
        return vector

    def embed_query(self, item: str | bytes, *, key: str | None = None) -> Sequence[float]:
        """Return the vector of what is searched for: that of text with `query_prefix` before it.

        A model that embeds queries in another way overrides this. Collections call it, but for
        those that have a query prefix of their own. Raises what `embed()` raises.
        """
        return self.embed(self.query_prefix + item if isinstance(item, str) else item, key=key)

    def embed_multi(
        self,
        items: Iterable[str | bytes],
        batch_size: int | None = None,
        *,
        key: str | None = None,
    ) -> Generator[list[float], None, None]:
        """Yield one vector for each of `items`, in their order.

        `items` is read one batch ahead of the vectors. A batch is `batch_size` inputs: by
        default the model's own, and for a model without one all inputs together, since some
        models are fastest that way.

        Raises what `embed()` raises, after the vectors of the batches before. ModelError also
        for a batch with too few or too many vectors, none of which is then yielded: nobody could
        tell which input they belong to. ValueError for a batch size below 1.
        """
        return self._embed_batches(iter(items), self._limit_batch(batch_size), key, self._to_floats)

    def _limit_batch(self, batch_size: int | None) -> int | None:
        size = self.batch_size if batch_size is None else batch_size
        number = None if size is None else to_integer(size)
        if size is not None and (number is None or number < 1):
            raise InvalidInputError(f"batch_size must be 1 or more, not {quote(size)}")
        return number

    def get_key(self, explicit_key: str | None = None) -> str | None:
        """Return the API key: `explicit_key`, or else `self.key`, or else the environment's.

        None for a model that needs no key and has none. MissingKeyError says what to set.
        """
        environment_key = os.environ.get(self.key_env_var) if self.key_env_var else None
        key = explicit_key or self.key or environment_key
        if key or self.needs_key is None:
            return key or None
        remedy = "pass key=, or set the model's .key"
        if self.key_env_var:
            remedy = f"set the environment variable {self.key_env_var}, or {remedy}"
        raise MissingKeyError(
            f"The model {self.model_id!r} needs an API key for {self.needs_key!r}: {remedy}"
        )

    def __str__(self) -> str:
        return f"{type(self).__name__}: {self.model_id}"

    def __repr__(self) -> str:
        return f"<{self}>"

    def _embed_batches(
        self,
        items: Iterator[str | bytes],
        size: int | None,
        key: str | None,
        convert: Callable[[Sequence[float]], _T],
    ) -> Generator[_T, None, None]:
        while batch := list(islice(items, size)):
            for item in batch:
                self._check_type(item)
            yield from self._embed_checked(batch, key, convert)

    def _embed_checked(
        self, batch: list[str | bytes], key: str | None, convert: Callable[[Sequence[float]], _T]
    ) -> Iterator[_T]:
        """Yield the vectors of one batch, converted, once their number is known to be right.

        Where the model fails midway, the vectors that it gave before come first. What may pass
        is waited out, and the model asked again for the others.
        """
        waiting = retries.retries_of(self)
        tries = 0
        while batch:
            waiting.wait()
            vectors, failure = self._ask(batch, key, convert)
            yield from vectors
            batch = batch[len(vectors) :]
            # After progress it is another request, with tries of its own.
            tries = 1 if vectors else tries + 1
            if isinstance(failure, TemporaryError):
                if batch:
                    waiting.wait_or_give_up(failure, tries)
            elif failure is not None:
                raise failure

    def _ask(
        self, batch: list[str | bytes], key: str | None, convert: Callable[[Sequence[float]], _T]
    ) -> tuple[list[_T], Exception | None]:
        """Return the vectors of one call, and the error that came after them."""
        vectors: list[_T] = []
        try:
            rows = self._call_embed_batch(batch, key)
            count = 0
            # One more than is due: enough to know, and an endless generator ends.
            for count, row in enumerate(islice(rows, len(batch) + 1), start=1):
                if count <= len(batch):
                    vectors.append(convert(row))
        except Exception as ex:
            return vectors, ex
        self._check_count(len(batch), count, rows)
        return vectors, None

    def _call_embed_batch(
        self, batch: list[str | bytes], key: str | None
    ) -> Iterable[Sequence[float]]:
        resolved_key = self.get_key(key)
        parameters = inspect.signature(self.embed_batch).parameters.values()
        if any(p.name == "key" or p.kind is p.VAR_KEYWORD for p in parameters):
            return self.embed_batch(batch, key=resolved_key)
        if key is None:
            return self.embed_batch(batch)
        # A class from before `key=` asks get_key() or reads .key. To set and reset that here
        # would show one thread's key to another that embeds with the same model.
        model = copy.copy(self)
        model.key = key
        return model.embed_batch(batch)

    def _check_type(self, item: object) -> None:
        if isinstance(item, str) and self.supports_text:
            self._check_unicode(item)
            return
        if isinstance(item, bytes) and self.supports_binary:
            return
        kinds = [("str", self.supports_text), ("bytes", self.supports_binary)]
        supported = " or ".join(kind for kind, is_supported in kinds if is_supported)
        raise InputTypeError(
            f"The model {self.model_id!r} embeds {supported}, not {type(item).__name__}"
        )

    def _check_unicode(self, text: str) -> None:
        position = surrogate_position(text)
        if position is not None:
            raise InvalidInputError(
                f"The model {self.model_id!r} cannot embed text with a lone surrogate"
                f" ({text[position]!r} at character {position}): replace it first, with"
                " text.encode(errors='replace').decode()"
            )

    def _check_count(self, expected: int, count: int, rows: Iterable[object]) -> None:
        if count == expected:
            return
        if isinstance(rows, Sized):
            returned = str(len(rows))
        else:
            returned = f"{'at least ' if count > expected else ''}{count}"
        raise ModelError(
            f"The model {self.model_id!r} returned {returned} vectors for {expected} inputs"
        )

    def _to_floats(self, row: Sequence[float]) -> list[float]:
        return list(self._numbers_of(row))

    def _to_float32(self, row: Sequence[float]) -> bytes | InvalidInputError:
        # What has no length may be read but once.
        numbers = row if hasattr(row, "__len__") else self._numbers_of(row)
        try:
            return encode_finite(numbers)
        except ValueError:  # a closer look says whether it is a vector at all
            return _encode_or_refuse(self._numbers_of(numbers))

    def _numbers_of(self, row: Sequence[float]) -> Sequence[float]:
        try:
            values = numbers_of(row)
            # A sum that is a float is a sum of numbers, and much quicker than float() of each.
            is_numbers = isinstance(values, _LISTS) and type(sum(values)) is float
            return values if is_numbers else [*map(float, values)]
        except (TypeError, ValueError) as error:
            raise ModelError(
                f"The model {self.model_id!r} returned a {type(row).__name__} that is not a"
                f" vector: expected a sequence of numbers ({error})"
            ) from error


def embed_as_float32(
    model: EmbeddingModel, items: Iterable[str | bytes], key: str | None
) -> Iterator[bytes | InvalidInputError]:
    """Yield the vectors of `model.embed_multi(items, key=key)` as float32 bytes.

    In place of one that is not finite, or none, comes the error that `encode_finite()` raises. A
    batch that the model gives one vector at a time is held as bytes, a sixth of what Python's
    numbers take, unless the model has an `embed_multi()` of its own.
    """
    if getattr(model.embed_multi, "__func__", None) is not EmbeddingModel.embed_multi:
        return map(_encode_or_refuse, model.embed_multi(items, key=key))
    return model._embed_batches(iter(items), model._limit_batch(None), key, model._to_float32)


def _encode_or_refuse(vector: Sequence[float]) -> bytes | InvalidInputError:
    try:
        return encode_finite(vector)
    except InvalidInputError as error:
        return error
