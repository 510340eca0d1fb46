"""Text in the columns of a terminal: cut, padded, with marked words in bold."""

import unicodedata

import click

# Stand before and after what is shown in bold, and take no column: Unicode's noncharacters, which
# no text has.
BOLD = ("\ufdd0", "\ufdd1")


def cut_text(text: str, width: int, *, keeps_bold: bool = False) -> str:
    """Return text as one line of at most that many columns.

    :param keeps_bold: the marks of bold words stay in it
    """
    kept = BOLD if keeps_bold else ()
    shown = "".join(char if char.isprintable() or char in kept else " " for char in text)
    line = " ".join(shown.split())
    columns = fitting = 0
    for char in line:
        columns += count_columns(char)
        fitting += columns < width  # the last column is that of the ellipsis
        if columns > width:
            return f"{line[:fitting].rstrip()}…"
    return line


def around_bold(text: str, width: int) -> str:
    """Return text as one line, from shortly before its first marked word if that would be cut off.

    :param width: columns that there are
    """
    line = " ".join(text.split())
    first, after = line.find(BOLD[0]), line.find(BOLD[1])
    if first < 0 or count_columns(line[:after]) < width:
        return line
    start = first
    while start and count_columns(line[start:first]) < width // 4:
        start -= 1
    return f"…{line[start:].lstrip()}"


def pad_text(text: str, width: int) -> str:
    """Return text with spaces up to that many columns."""
    return text + " " * (width - count_columns(text))


def count_columns(text: str) -> int:
    """Return how many columns a terminal needs: two for characters that are wide."""
    return sum(
        0 if char in BOLD else 2 if unicodedata.east_asian_width(char) in "FW" else 1
        for char in text
    )


def show_bold(line: str) -> str:
    """Return a line whose marked words are bold in a terminal; one that was cut ends with it."""
    before, after = BOLD
    shown = line.replace(before, click.style("", bold=True, reset=False))
    shown = shown.replace(after, click.style("", reset=True))
    return shown if shown == line else shown + click.style("", reset=True)
