"""One batch is embedded; where the model fails, it is found over which of the inputs."""

import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from ..entries import Item
from ..errors import (
    InvalidInputError,
    MissingKeyError,
    MissingPackageError,
    ModelError,
    RejectedInputError,
    TemporaryError,
    UnknownModelError,
    VecstoreError,
)
from ..values import quote

Embed = Callable[[list[str | bytes]], Iterable[bytes | InvalidInputError]]

# Where so many inputs fail, each alone, and none has ever been embedded, it is the model.
ENOUGH_FAILURES = 20
MAX_REASON = 500  # characters of a foreign message that are repeated

_MODEL_ERRORS = (MissingKeyError, MissingPackageError, TemporaryError, UnknownModelError)


@dataclass
class Answer:
    """What became of the items of one batch, by content hash.

    vectors: as float32 bytes. refused: why there is none; only where inputs are skipped. error:
    what ended the work on the batch; `vectors` then holds what was embedded before.
    """

    vectors: dict[bytes, bytes] = field(default_factory=dict)
    refused: dict[bytes, VecstoreError] = field(default_factory=dict)
    error: BaseException | None = None


def ask(
    embed: Embed,
    items: list[Item],
    *,
    skip: bool,
    has_worked: bool = False,
    portion: int | None = None,
) -> Answer:
    """Embed items, each content once, in as few calls as find those over which the model fails.

    What has its vector is not asked for again.

    :param embed: returns, or yields, one vector for each value, encoded, or why there is none
    :param skip: go on after an input that is refused
    :param has_worked: whether the model has embedded something before: then it is not what fails
    :param portion: the most items for one call; by default all of them
    """
    asking = _Asking(embed, skip, has_worked)
    portion = portion or len(items) or 1
    try:
        for start in range(0, len(items), portion):
            asking.embed_all(items[start : start + portion])
    except Exception as error:
        asking.answer.error = error
    return asking.answer


class _Asking:
    def __init__(self, embed: Embed, skip: bool, has_worked: bool) -> None:
        self._embed = embed
        self._items: list[Item] = []  # of the portion
        self._skip = skip
        self._has_worked = has_worked
        self.answer = Answer()

    def embed_all(self, items: list[Item]) -> None:
        """Embed a portion of the items, all at once if the model does not fail over one."""
        self._items = items
        rest, size = items, len(items)
        suspects: list[Item] = []  # the first of the rest, over which the model failed together
        while rest:
            asked = rest[:size]
            error = self._call(asked)
            left = self._without_result(asked)
            if error is not None:
                self._judge(error, left)
                suspects = left
            if self.answer.refused and not self._skip:
                raise self.answer.refused.popitem()[1]
            rest = self._without_result(rest)
            suspects = self._without_result(suspects)
            if not suspects:
                size = len(rest)
            elif error is not None and (len(left) < len(asked) or not self.answer.vectors):
                size = 1  # vectors may have come one by one up to it; or it is the model that fails
            else:
                size = max(1, len(suspects) // 2)

    def _call(self, items: list[Item]) -> Exception | None:
        """Embed items, until one is refused; return the error that may be about any of the others.

        An error that is about the model is raised.
        """
        count = 0
        try:
            vectors = iter(self._embed([item.value for item in items]))
            for item, vector in zip(items, vectors, strict=False):
                self._keep(item, vector)
                if self.answer.refused and not self._skip:
                    return None
                count += 1
            if count == len(items) and next(vectors, None) is None:
                return None
        except Exception as error:
            if isinstance(error, RejectedInputError) and count < len(items):
                self._refuse(items[count], error)
                return None
            if not _may_be_of_an_input(error):
                raise
            if isinstance(error, MemoryError):
                traceback.clear_frames(error.__traceback__)  # they hold what filled the memory
            return error
        for item in items:  # nobody can tell which vector is whose
            self.answer.vectors.pop(item.content_hash, None)
        returned = count if count < len(items) else f"more than {count}"
        raise ModelError(
            f"The model returned {returned} vectors for {len(items)} inputs: none of them is used"
        )

    def _keep(self, item: Item, vector: bytes | InvalidInputError) -> None:
        if isinstance(vector, bytes):
            self.answer.vectors[item.content_hash] = vector
        else:
            vector.args = (f"The vector of {quote(item.id)} {vector}",)
            self.answer.refused[item.content_hash] = vector

    def _judge(self, error: Exception, left: list[Item]) -> None:
        """Refuse the one item that can have caused an error, if there is but one."""
        if not left and not self._skip:
            raise error  # it came after the last vector
        if len(left) != 1:
            return
        [item] = left
        if self.answer.vectors or len(self._items) == 1:
            self._refuse(item, error)
        elif self._skip:
            self._refuse(item, error)
            if not self._has_worked:
                self._find_one_that_works(item, error)
        else:
            doubt = "; nor was anything else of its batch, so it may be the model that fails"
            self._refuse(item, error, doubt)

    def _refuse(self, item: Item, error: Exception, doubt: str = "") -> None:
        refusal = RejectedInputError(f"{quote(item.id)} was not embedded: {_reason(error)}{doubt}")
        refusal.__cause__ = error
        self.answer.refused[item.content_hash] = refusal

    def _find_one_that_works(self, item: Item, error: Exception) -> None:
        """Ask for one item after another, from the end, until one is embedded.

        ModelError if none of many is: then it is the model that fails, and not they.
        """
        for other in reversed(self._without_result(self._items)):
            failure = self._call([other])
            if self.answer.vectors:
                return
            if failure is not None:
                item, error = other, failure
                self._refuse(item, error)
        tried = len(self.answer.refused)
        if tried < ENOUGH_FAILURES:
            return
        self.answer.refused.clear()
        raise ModelError(
            f"The model fails, and not over one entry: of {tried} that it was asked for, each "
            f"alone, it embedded none, such as {quote(item.id)}: {_reason(error)}. A batch size of "
            "1 skips such entries nevertheless"
        ) from error

    def _without_result(self, items: list[Item]) -> list[Item]:
        """Return the items that have neither a vector nor a refusal."""
        vectors, refused = self.answer.vectors, self.answer.refused
        return [
            item
            for item in items
            if item.content_hash not in vectors and item.content_hash not in refused
        ]


def _may_be_of_an_input(error: Exception) -> bool:
    """Return whether an error may be about one input, and not about the model or its provider."""
    if type(error) is ModelError:
        return isinstance(error.__cause__, Exception)  # of a model, put into our words
    return not isinstance(error, _MODEL_ERRORS)


def _reason(error: Exception) -> str:
    try:
        text = " ".join(str(error).split())
    except Exception:  # of a foreign class
        text = ""
    if isinstance(error, VecstoreError):
        return text
    return f"{type(error).__name__}: {text[:MAX_REASON]}" if text else type(error).__name__
