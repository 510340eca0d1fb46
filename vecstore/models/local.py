"""A model that runs on this machine, offline: WordLlama, from the extra `local`."""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import MissingPackageError
from .base import EmbeddingModel
from .hooks import hookimpl

if TYPE_CHECKING:
    from wordllama import WordLlamaInference

# One call pads its texts to the longest and holds 2 KB a token: 128 MB at most.
PADDED_TOKENS = 65_536
# Characters of a piece of a longer text: each is at most 4 bytes, and so at most 4 tokens.
PIECE = PADDED_TOKENS // 4

_lock = threading.Lock()
_loaded: list["WordLlamaInference"] = []


@hookimpl
def register_embedding_models(register: Callable[..., None]) -> None:
    register(WordLlamaModel(), aliases=("local",))


class WordLlamaModel(EmbeddingModel):
    """256 dimensions, the mean of the vectors of a text's tokens; no key and no network.

    The vector of a text depends on nothing but the text. The empty text has the zero vector.
    A text of any length is embedded as a whole, in pieces, so that it takes little more memory
    than its own.
    """

    model_id = "wordllama"
    batch_size = 1_000
    runs_locally = True

    def embed_batch(
        self,
        items: Iterable[str | bytes],
        *,
        key: str | None = None,  # noqa: ARG002
    ) -> Iterator[list[float]]:
        """Yield the vectors. MissingPackageError where wordllama is not installed."""
        inference = _load()
        texts = [str(item) for item in items]
        for group in _groups(texts):
            if _most_tokens(group[0]) > PADDED_TOKENS:  # it is alone in its group
                yield _mean_of_pieces(inference, group[0])
            else:
                # Not normalised: the mean of no tokens is zero and would become NaN.
                yield from inference.embed(group, batch_size=len(group)).tolist()


def _groups(texts: list[str]) -> Iterator[list[str]]:
    """Split texts so that each group, padded to its longest text, is within PADDED_TOKENS.

    A text that is longer is alone.
    """
    group: list[str] = []
    longest = 0
    for text in texts:
        tokens = _most_tokens(text)
        if group and max(longest, tokens) * (len(group) + 1) > PADDED_TOKENS:
            yield group
            group, longest = [], 0
        group.append(text)
        longest = max(longest, tokens)
    if group:
        yield group


def _most_tokens(text: str) -> int:
    """Return how many tokens a text can have: one is at least a byte of it."""
    return len(text.encode())


def _mean_of_pieces(inference: "WordLlamaInference", text: str) -> list[float]:
    """Return the mean of the vectors of all tokens, as `inference.embed()` does, in less memory."""
    total: Any = 0.0
    tokens = 0
    for piece in _pieces(text):
        [encoding] = inference.tokenize(piece)
        total = total + inference.embedding[encoding.ids].sum(axis=0, dtype="float64")
        tokens += len(encoding.ids)
    vector: list[float] = (total / tokens).astype("float32").tolist()
    return vector


def _pieces(text: str) -> Iterator[str]:
    """Cut a text where the tokenizer does: together, the pieces have the tokens of the whole.

    Only a piece in which there is no space has one too many, or a word in two parts.
    """
    start = 0
    while len(text) - start > PIECE:
        end = text.rfind(" ", start, start + PIECE)
        # A run of spaces is one token, so it is not cut.
        while end > start and text[end - 1] == " ":
            end -= 1
        if end > start:
            yield text[start:end]
            start = end + 1  # the tokenizer puts a space before each text
        else:
            yield text[start : start + PIECE]
            start += PIECE
    yield text[start:]


def _load() -> "WordLlamaInference":
    """Return the model, which takes about a second to load the first time."""
    with _lock:
        if not _loaded:
            wordllama = _import_wordllama()
            # The weights and the tokenizer are in the package itself. Unless it is told to look
            # there, wordllama looks for the tokenizer under ~/.cache, and downloads it.
            folder = Path(wordllama.__file__).parent
            _loaded.append(wordllama.WordLlama.load(cache_dir=folder, disable_download=True))
        return _loaded[0]


def _import_wordllama() -> Any:
    # wordllama calls logging.basicConfig(level=INFO) when it is imported, which would make every
    # library of the process log to stderr. It does nothing while the root logger has a handler.
    handler = logging.NullHandler()
    logging.root.addHandler(handler)
    try:
        import wordllama
    except ImportError as ex:
        raise MissingPackageError(
            "The model 'wordllama' needs the package wordllama:"
            f" pip install 'sqlite-vecstore[local]' ({ex})"
        ) from ex
    finally:
        logging.root.removeHandler(handler)
    return wordllama
