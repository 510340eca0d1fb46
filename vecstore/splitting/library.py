"""The spans that semantic-text-splitter makes of a text, from the extra `chunks`."""

import importlib
from collections.abc import Iterator
from functools import cache
from typing import Any

from ..errors import MissingPackageError
from .headings import Heading

# The library's work grows faster than the text, so it gets windows, of at least so many characters
# and so many chunks.
_WINDOW = 32_768
_CHUNKS = 16

# The grammar for a file's name: the package, and its function. Where it is not installed, code is
# split at blank lines, as other text is.
_GRAMMARS = {
    ".bash": ("tree_sitter_bash", "language"),
    ".c": ("tree_sitter_c", "language"),
    ".cc": ("tree_sitter_cpp", "language"),
    ".cjs": ("tree_sitter_javascript", "language"),
    ".cpp": ("tree_sitter_cpp", "language"),
    ".cs": ("tree_sitter_c_sharp", "language"),
    ".cxx": ("tree_sitter_cpp", "language"),
    ".go": ("tree_sitter_go", "language"),
    ".h": ("tree_sitter_c", "language"),
    ".hpp": ("tree_sitter_cpp", "language"),
    ".java": ("tree_sitter_java", "language"),
    ".js": ("tree_sitter_javascript", "language"),
    ".jsx": ("tree_sitter_javascript", "language"),
    ".mjs": ("tree_sitter_javascript", "language"),
    ".php": ("tree_sitter_php", "language_php"),
    ".py": ("tree_sitter_python", "language"),
    ".pyi": ("tree_sitter_python", "language"),
    ".rb": ("tree_sitter_ruby", "language"),
    ".rs": ("tree_sitter_rust", "language"),
    ".scala": ("tree_sitter_scala", "language"),
    ".sh": ("tree_sitter_bash", "language"),
    ".ts": ("tree_sitter_typescript", "language_typescript"),
    ".tsx": ("tree_sitter_typescript", "language_tsx"),
}


def library_spans(
    id: str, text: str, kind: str, headings: list[Heading], size: int, overlap: int
) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of each chunk.

    A section is split by itself: what is below a heading is never in the chunk of what is above
    it, but for sections that fit into one chunk together.

    :param kind: markdown, text or code; of code, the id says what language it is in
    """
    size = min(size, len(text) or 1)  # of any number, the library takes those of 64 bits
    splitter = _make_splitter(id, kind, size, min(overlap, size - 1))
    for start, end in _sections(text, headings, size):
        if end - start <= size:
            yield _trimmed(text, start, end)
        else:
            yield from _spans_of_section(splitter, text, start, end, max(_WINDOW, _CHUNKS * size))


def _sections(text: str, headings: list[Heading], size: int) -> Iterator[tuple[int, int]]:
    """Yield the spans of sections, of several together that fit into one chunk.

    Such are a section and those below it, and those beside it. One that is above it, or beside the
    one above it, is about something else.
    """
    start, level, end = 0, 0, 0
    bounds = [heading.start for heading in headings[1:]] + [len(text)]
    for heading, bound in zip(headings, bounds, strict=False):
        if heading.level < level or bound - start > size:
            yield start, heading.start
            start, level = heading.start, heading.level
        end = bound
    yield start, max(end, len(text))


def _spans_of_section(
    splitter: Any, text: str, position: int, section_end: int, window: int
) -> Iterator[tuple[int, int]]:
    done = position
    while position < section_end:
        end = min(position + window, section_end)
        spans = [
            _trimmed(text, position + offset, position + offset + len(chunk))
            for offset, chunk in splitter.chunk_indices(text[position:end])
        ]
        position = end if end == section_end else _next_position(text, spans) or end
        for span in spans:
            # Of two windows, the chunks may overlap by more than one alone.
            if span[0] < position and span[1] > done:
                yield span
                done = span[1]


def _next_position(text: str, spans: list[tuple[int, int]]) -> int | None:
    """Return where the next window begins: where a late chunk does, at best one with a line.

    The last chunk of a window would have been another if the window were longer.
    """
    late = [start for start, _ in spans][max(1, len(spans) // 2) :]
    lines = [start for start in late if text[start - 1] in "\r\n"]
    if late:
        return (lines or late)[-1]
    return spans[-1][1] if spans else None


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """Return a span without white space around it; the library knows less of that than Python."""
    chunk = text[start:end]
    start += len(chunk) - len(chunk.lstrip())
    return start, start + len(chunk.strip())


def _make_splitter(id: str, kind: str, size: int, overlap: int) -> Any:
    library = import_library()
    if kind == "markdown":
        return library.MarkdownSplitter(size, overlap)
    _, dot, suffix = id.lower().rpartition(".")
    grammar = _find_grammar(dot + suffix) if kind == "code" else None
    if grammar is None:
        return library.TextSplitter(size, overlap)
    return library.CodeSplitter(grammar, size, overlap)


@cache
def _find_grammar(suffix: str) -> Any:
    """Return the grammar for files with a suffix; None where there is none that can be used."""
    if suffix not in _GRAMMARS:
        return None
    module, function = _GRAMMARS[suffix]
    try:
        grammar = getattr(importlib.import_module(module), function)()
        import_library().CodeSplitter(grammar, 1)
    except (AttributeError, ImportError, TypeError, ValueError):
        return None
    return grammar


def import_library() -> Any:
    """Return the library. MissingPackageError where it is not installed."""
    try:
        import semantic_text_splitter
    except ImportError as error:
        raise MissingPackageError(
            "Documents are split by semantic-text-splitter: pip install "
            "'sqlite-vecstore[chunks]', or give a splitter of your own"
        ) from error
    return semantic_text_splitter
