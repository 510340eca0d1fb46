"""A document becomes chunks: spans of its characters, and the headings above each."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal, NamedTuple, get_args

from ..entries import surrogate_error
from ..errors import InputTypeError, InvalidInputError
from ..values import quote, surrogate_position, to_integer
from .headings import Heading, find_headings, heading_paths
from .library import import_library, library_spans

DEFAULT_SIZE = 800

Splitter = Callable[[str], Iterable[tuple[int, int]]]
Kind = Literal["markdown", "text", "code"]

KINDS: tuple[Kind, ...] = get_args(Kind)

_MARKDOWN = (".md", ".markdown", ".mdown", ".mkd", ".mdx", ".qmd", ".rmd")
_RESTRUCTUREDTEXT = (".rst", ".rest", ".rst.txt")


class Chunk(NamedTuple):
    """A part of a document: the span of its characters, and the headings above it.

    `heading` joins them by " > ", the outermost first; None where there are none. A heading that
    the chunk begins with is in its text, and not in `heading`.
    """

    start: int
    end: int
    heading: str | None


def split(
    id: str,
    text: str,
    splitter: Splitter | Kind | None = None,
    *,
    size: int = DEFAULT_SIZE,
    overlap: int = 0,
) -> list[Chunk]:
    """Return the chunks of a document, in the order of their starts.

    They hold all of the text but white space, and none is white space alone. Of a splitter of
    one's own they are its spans, which may leave out what it likes.

    :param id: names the document; where its kind is not told, the end of it tells that, as `.md`
    :param splitter: a kind, or what takes the text and yields (start, end) of each chunk
    :param size: the most characters of a chunk; a splitter of one's own does as it likes
    :param overlap: the most characters of the end of a chunk that the next one begins with
    :raises InvalidInputError: a parameter cannot be, the text has a lone surrogate, or a splitter
      of one's own fails or yields what is no span
    :raises InputTypeError: the document is no text
    :raises MissingPackageError: semantic-text-splitter is not installed, and no splitter is given
    """
    size, overlap = require_splitter(splitter, size, overlap)
    if not isinstance(text, str):
        raise InputTypeError(
            f"The document {quote(id)} is of type {type(text).__name__}: only text can be split"
        )
    position = surrogate_position(text)
    if position is not None:
        raise surrogate_error(f"The document {quote(id)}", position)
    kind = _kind_of(id) if splitter is None or callable(splitter) else splitter
    headings = _headings_of(id, kind, text)
    if callable(splitter):
        spans = _own_spans(id, text, splitter)
    else:
        spans = library_spans(id, text, kind, headings, size, overlap)
    parts = [(start, end) for start, end in spans if text[start:end].strip()]
    paths = heading_paths(text, headings, parts)
    return [Chunk(*part, path) for part, path in zip(parts, paths, strict=True)]


def require_splitter(
    splitter: Splitter | Kind | None, size: int = DEFAULT_SIZE, overlap: int = 0
) -> tuple[int, int]:
    """Return size and overlap as integers, if documents can be split so.

    :raises InvalidInputError: one of them cannot be
    :raises MissingPackageError: semantic-text-splitter is not installed, and no splitter is given
    """
    if splitter is not None and not callable(splitter) and splitter not in KINDS:
        raise InvalidInputError(
            f"splitter is {quote(splitter)}: it must be 'markdown', 'text', 'code', or a function "
            "that takes a text and yields (start, end) of each chunk"
        )
    characters, shared = to_integer(size), to_integer(overlap)
    if characters is None or characters < 1:
        raise InvalidInputError(f"size is {quote(size)}: it must be 1 or more, an integer")
    if shared is None or not 0 <= shared < characters:
        raise InvalidInputError(
            f"overlap is {quote(overlap)}: it must be an integer from 0 to {characters - 1:,}, "
            f"less than the size of {characters:,}"
        )
    if not callable(splitter):
        import_library()
    return characters, shared


def embedded_text(chunk_text: str, heading: str | None) -> str:
    """Return what is embedded of a chunk where its headings go before it."""
    return f"{heading}\n\n{chunk_text}" if heading else chunk_text


def _kind_of(id: str) -> Kind:
    # What has no grammar is split as text.
    return "markdown" if id.lower().endswith(_MARKDOWN) else "code"


def _headings_of(id: str, kind: Kind, text: str) -> list[Heading]:
    if kind == "markdown":
        return find_headings(text, "markdown")
    if id.lower().endswith(_RESTRUCTUREDTEXT):
        return find_headings(text, "restructuredtext")
    return []


def _own_spans(id: str, text: str, splitter: Splitter) -> Iterator[tuple[int, int]]:
    """Yield what a splitter of the user's own makes of a document, once it has been checked."""
    try:
        spans: list[Any] = [*splitter(text)]
    except Exception as error:
        raise InvalidInputError(
            f"The splitter failed over the document {quote(id)}: {error!r}"
        ) from error
    before = 0
    for span in spans:
        start, end = _span(id, span, len(text))
        if start < before:
            raise InvalidInputError(
                f"The splitter yields {(start, end)} after a chunk from {before} for the document "
                f"{quote(id)}: chunks must come in the order of their starts"
            )
        yield start, end
        before = start


def _span(id: str, span: Any, length: int) -> tuple[int, int]:
    is_pair = isinstance(span, tuple | list) and len(span) == 2
    start, end = map(to_integer, span) if is_pair else (None, None)
    if start is None or end is None or not 0 <= start < end <= length:
        raise InvalidInputError(
            f"The splitter yields {quote(span)} for the document {quote(id)} of {length:,} "
            f"characters: a span must be (start, end), with 0 <= start < end <= {length}"
        )
    return start, end
