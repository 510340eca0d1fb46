"""The headings of a text, of Markdown and of reStructuredText, and the path of them above a place.

A line that looks like a heading within fenced code, a comment or the front matter is none.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

_LINE = re.compile(r"([^\r\n]*)(?:\r\n|\r|\n|\Z)")
# What a line of Markdown begins, where it is more than text. One regular expression, as there are
# many lines.
_BLOCK = re.compile(
    r"""[ ]{0,3}(?:
    (?P<atx>\#{1,6})(?=[ \t]|$)
    | (?P<fence>`{3,}(?=[^`]*$)|~{3,})
    | (?P<underline>=+|-+)[ \t]*$
    | (?P<break>([-_*])(?:[ \t]*\5){2,}[ \t]*$)
    | <(?P<raw>!--|(?:pre|script|style|textarea)(?=[\s>]|$))
    | (?P<container>>|[-+*](?=[ \t]|$)|\d{1,9}[.)](?=[ \t]|$))
    )""",
    re.IGNORECASE | re.VERBOSE,
)
_ADORNMENT = re.compile(r"([!-/:-@[-`{-~])\1*[ \t]*$")

_TITLE = 200  # characters; a heading stands with every chunk below it


class Heading(NamedTuple):
    """Where a heading begins, its level from 1, and its text."""

    start: int
    level: int
    title: str


class _Line(NamedTuple):
    start: int
    text: str


def find_headings(text: str, markup: str) -> list[Heading]:
    """Return the headings of a text, in order.

    :param markup: markdown or restructuredtext
    """
    return [*(_in_markdown(text) if markup == "markdown" else _in_restructuredtext(text))]


def heading_paths(
    text: str, headings: list[Heading], spans: list[tuple[int, int]]
) -> list[str | None]:
    """Return the headings above each of some spans, which come in the order of their starts.

    A heading that a span begins with is not above it, and ends those of its level.
    """
    paths: list[str | None] = []
    above: list[Heading] = []
    following = 0
    for start, end in spans:
        while following < len(headings) and headings[following].start < start:
            above = [*_down_to(above, headings[following].level), headings[following]]
            following += 1
        here = above
        if following < len(headings):
            own = headings[following]
            if own.start < end and not text[start : own.start].strip():
                here = _down_to(above, own.level)
        paths.append(" > ".join(heading.title for heading in here if heading.title) or None)
    return paths


def _down_to(path: list[Heading], level: int) -> list[Heading]:
    return [heading for heading in path if heading.level < level]


def _lines(text: str, position: int = 0) -> Iterator[_Line]:
    for match in _LINE.finditer(text, position):
        yield _Line(match.start(), match[1])


def _in_markdown(text: str) -> Iterator[Heading]:
    lines = _lines(text, _end_of_front_matter(text))
    paragraph: list[_Line] = []  # that an underline would make a heading of
    in_container = False  # a list or a quotation, whose lines may go on without its mark
    for line in lines:
        block = _BLOCK.match(line.text)
        if block is None and line.text and not line.text.isspace():
            if not in_container and (paragraph or not line.text.startswith(("    ", "\t"))):
                paragraph.append(line)
            continue
        kind = block and block.lastgroup
        in_container = kind == "container"
        if block and kind == "atx":
            title = _without_closing(line.text[block.end() :])
            yield _heading(line, len(block["atx"]), title)
        elif block and kind == "underline" and paragraph:
            title = " ".join(part.text for part in paragraph)
            yield _heading(paragraph[0], 1 if block["underline"][0] == "=" else 2, title)
        elif block and kind == "fence":
            _skip_fence(lines, block["fence"])
        elif block and kind == "raw":
            _skip_raw(line, lines, block["raw"].lower())
        paragraph = []


def _end_of_front_matter(text: str) -> int:
    """Return where what stands before a document ends, YAML or TOML; 0 where there is none."""
    lines = _lines(text)
    mark = next(lines, _Line(0, "")).text.rstrip()
    if mark not in ("---", "+++"):
        return 0
    for line in lines:
        if line.text.rstrip() == mark:
            return line.start + len(line.text)
    return 0


def _skip_fence(lines: Iterator[_Line], fence: str) -> None:
    for line in lines:
        end = line.text.strip()
        is_indented = line.text.startswith(("    ", "\t"))
        if not is_indented and end.startswith(fence) and not end.strip(fence[0]):
            return


def _skip_raw(line: _Line, lines: Iterator[_Line], tag: str) -> None:
    """Skip a comment, or an element whose text is not Markdown, to the line that ends it."""
    end = "-->" if tag == "!--" else f"</{tag}>"
    text = line.text.lower()
    while end not in text:
        following = next(lines, None)
        if following is None:
            return
        text = following.text.lower()


def _without_closing(title: str) -> str:
    """Return the title of `## Title ##`."""
    title = title.strip()
    opened = title.rstrip("#")
    return opened if not opened or opened.endswith((" ", "\t")) else title


def _in_restructuredtext(text: str) -> Iterator[Heading]:
    styles: list[tuple[str, bool]] = []  # in the order of levels
    before: list[_Line] = []  # the block so far, as long as it may be a heading
    for line in _lines(text):
        if not line.text.strip():
            before = []
            continue
        before.append(line)
        found = _titled(before)
        if found is None:
            continue
        title, style = found
        if style not in styles:
            styles.append(style)
        yield _heading(before[0], styles.index(style) + 1, title)
        before = []


def _titled(block: list[_Line]) -> tuple[str, tuple[str, bool]] | None:
    """Return the title that the lines of a block are, and its style: the mark, and if it is above.

    A line with one of marks below it, or with one of the same above it and below it.
    """
    if len(block) not in (2, 3):
        return None
    mark = _ADORNMENT.match(block[-1].text)
    if mark is None:
        return None
    title = block[-2].text
    is_overlined = len(block) == 3
    if is_overlined and block[0].text.rstrip() != block[-1].text.rstrip():
        return None
    if not is_overlined and (title.startswith((" ", "\t")) or _ADORNMENT.match(title)):
        return None
    if len(block[-1].text.rstrip()) < min(len(title.strip()), 4):
        return None
    return title, (mark[1], is_overlined)


def _heading(line: _Line, level: int, title: str) -> Heading:
    start = line.start + len(line.text) - len(line.text.lstrip())
    title = " ".join(title[: 2 * _TITLE].split())
    return Heading(start, level, title if len(title) <= _TITLE else f"{title[: _TITLE - 1]}…")
