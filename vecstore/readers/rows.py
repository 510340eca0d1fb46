"""Reads rows from files: CSV, TSV, JSON and newline-delimited JSON, as a stream."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import tee
from pathlib import PurePath
from typing import Any, BinaryIO

from ..errors import InvalidInputError
from .csv_rows import Dialect, read_csv
from .decoding import check_encodings
from .json_stream import read_items, read_line
from .records import OnMessage, OnUnreadable, Record, raise_unreadable
from .streams import describe_undecoded, peek_lines, read_lines, read_text

FORMATS = ("csv", "tsv", "json", "nl")
TABLE_FORMATS = ("csv", "tsv")

_SUFFIXES = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".json": "json",
    ".jsonl": "nl",
    ".ndjson": "nl",
    ".nl": "nl",
}


@dataclass(frozen=True)
class Layout:
    """Where in a file the rows are, and how they are written.

    Attributes:
        format: one of FORMATS; None to find it out
        encoding: a byte order mark is not part of the text
        dialect: of CSV and TSV
        rows: the list of a JSON object that holds the rows, as "results" or "data.items"
    """

    format: str | None = None
    encoding: str = "utf-8"
    dialect: Dialect = field(default_factory=Dialect)
    rows: str | None = None

    def __post_init__(self) -> None:
        """Raise InvalidInputError for a format or encoding that there is not."""
        if self.format is not None and self.format not in FORMATS:
            raise InvalidInputError(
                f"format is {self.format!r}: it must be one of {', '.join(FORMATS)}"
            )
        check_encodings([self.encoding])


def read_rows(
    stream: BinaryIO,
    name: str,
    layout: Layout | None = None,
    on_unreadable: OnUnreadable = raise_unreadable,
    note: OnMessage = lambda _message: None,
) -> Iterator[Record]:
    """Yield the rows of a file or pipe, which may be zipped by gzip, as they come in.

    :param name: what the file is called in errors; its suffix tells the format
    :param on_unreadable: what to do about a row that is wrong, where the next one can be read
    :param note: gets what explains that there are no rows
    :raises InvalidInputError: what follows cannot be read
    """
    layout = layout or Layout()
    chunks = read_text(stream, name, layout.encoding)
    format, chunks = _peek_format(chunks, name, layout)
    if format in TABLE_FORMATS:
        dialect = layout.dialect
        if format == "tsv" and not dialect.delimiter:
            dialect = replace(dialect, delimiter="\t")
        yield from read_csv(chunks, name, dialect, layout.encoding, on_unreadable, note)
    elif format == "nl":
        yield from _read_json_lines(chunks, name, layout, on_unreadable)
    else:
        yield from _read_json_items(chunks, name, layout, on_unreadable)


def detect_format(stream: BinaryIO, name: str, layout: Layout) -> str:
    """Return the format of a file or pipe, whose beginning is read for that if need be.

    :raises InvalidInputError: it cannot be read
    """
    format, _ = _peek_format(read_text(stream, name, layout.encoding), name, layout)
    return format


def guess_format(name: str) -> str | None:
    """Return the format that a file's suffix tells, that of a.csv.gz too."""
    path = PurePath(name)
    if path.suffix.lower() == ".gz":
        path = path.with_suffix("")
    return _SUFFIXES.get(path.suffix.lower())


def _peek_format(chunks: Iterator[str], name: str, layout: Layout) -> tuple[str, Iterator[str]]:
    """Return the format, and the chunks as they were before they were looked at."""
    told = guess_format(name)
    if layout.rows is not None:
        return "json", chunks
    if layout.format:
        return layout.format, chunks
    if told in TABLE_FORMATS or layout.dialect != Dialect():
        return told if told in TABLE_FORMATS else "csv", chunks
    character, chunks = _peek_character(chunks)
    if character == "{":
        [line], chunks = peek_lines(chunks, 1)
        is_open = bool(read_line(line)[1])
        if is_open and told == "nl":  # but for one line that is broken
            [line, following], chunks = peek_lines(chunks, 2)
            is_open = _is_open_object(line) and not following.lstrip().startswith("{")
        return "json" if is_open else "nl", chunks
    return "json" if character == "[" else told or "csv", chunks


def _peek_character(chunks: Iterator[str]) -> tuple[str, Iterator[str]]:
    """Return the first character that is no space; read no further than the chunk it is in."""
    chunks, ahead = tee(chunks)
    stripped = (chunk.lstrip() for chunk in ahead)
    return next((text[0] for text in stripped if text), ""), chunks


def _is_open_object(line: str) -> bool:
    """Return whether a line looks like the first one of an object over several lines."""
    text = line.strip()
    return line.endswith("\n") and text.startswith("{") and text.endswith(("{", "[", ",", ":"))


def _read_json_lines(
    chunks: Iterator[str], name: str, layout: Layout, on_unreadable: OnUnreadable
) -> Iterator[Record]:
    for number, line in enumerate(read_lines(chunks, "\n"), 1):
        if line.strip():
            row, problem = None, describe_undecoded(line, layout.encoding)
            if not problem:
                row, problem = read_line(line)
            if problem and _is_open_object(line):
                problem += "; objects over several lines are read with --format json"
            yield from _make_record(f"line {number} of {name}", row, problem, on_unreadable)


def _read_json_items(
    chunks: Iterator[str], name: str, layout: Layout, on_unreadable: OnUnreadable
) -> Iterator[Record]:
    items = read_items(chunks, name, layout.rows, layout.encoding)
    for number, (line, row, problem) in enumerate(items, 1):
        place = f"item {number} (line {line}) of {name}"
        yield from _make_record(place, row, problem, on_unreadable)


def _make_record(
    place: str, row: Any, problem: str | None, on_unreadable: OnUnreadable
) -> Iterator[Record]:
    if problem:
        on_unreadable(place, InvalidInputError(f"{place} {problem}"))
    else:
        yield Record(place, row)
