"""Reads rows from files: CSV, TSV, JSON and newline-delimited JSON, as a stream."""

import codecs
import csv
import io
import re
from collections.abc import Iterable, Iterator
from itertools import islice, tee, zip_longest
from pathlib import PurePath
from typing import Any, BinaryIO

from ..errors import InvalidInputError
from .folders import check_encodings
from .json_stream import read_items, read_line
from .records import OnError, Record, stop

FORMATS = ("csv", "tsv", "json", "nl")

_SUFFIXES = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".json": "json",
    ".jsonl": "nl",
    ".ndjson": "nl",
    ".nl": "nl",
}
_DELIMITERS = ",\t;|"  # of two that are as frequent, the first counts
_CHUNK_BYTES = 65536
_LONGEST_FIELD = 2**31 - 1  # what a C long holds everywhere


def read_rows(
    stream: BinaryIO,
    name: str,
    format: str | None = None,
    encoding: str | None = None,
    on_error: OnError = stop,
) -> Iterator[Record]:
    """Yield the rows of a file or pipe as they come in.

    :param name: what the file is called in errors; its suffix tells the format
    :param format: one of FORMATS, if it is not to be found out
    :param encoding: utf-8 by default; a byte order mark is not part of the text
    :param on_error: what to do about a row that is wrong, where the next one can be read
    :raises InvalidInputError: what follows cannot be read
    """
    if format is not None and format not in FORMATS:
        raise InvalidInputError(f"format is {format!r}: it must be one of {', '.join(FORMATS)}")
    encoding = encoding or "utf-8"
    check_encodings([encoding])
    return _rows(_chunks(stream, name, encoding), name, format, on_error)


def _rows(
    chunks: Iterator[str], name: str, format: str | None, on_error: OnError
) -> Iterator[Record]:
    if format is None:
        format, chunks = _detected(chunks, PurePath(name).suffix.lower())
    if format == "json":
        yield from _json_rows(chunks, name, on_error)
    elif format == "nl":
        yield from _nl_rows(chunks, name, on_error)
    elif format == "tsv":
        yield from _csv_rows(chunks, name, "\t", on_error)
    else:
        delimiter, chunks = _delimiter(chunks)
        yield from _csv_rows(chunks, name, delimiter, on_error)


def _detected(chunks: Iterator[str], suffix: str) -> tuple[str, Iterator[str]]:
    """Return the format, and the chunks as they were before they were looked at."""
    format = _SUFFIXES.get(suffix)
    if format not in (None, "json"):
        return format, chunks
    character, chunks = _first_character(chunks)
    if character == "{":
        line, chunks = _first_line(chunks)
        _, problem = read_line(line)
        return "json" if problem else "nl", chunks
    return "json" if character == "[" else format or "csv", chunks


def _first_character(chunks: Iterator[str]) -> tuple[str, Iterator[str]]:
    """Return the first character that is no space; read no further than the chunk it is in."""
    chunks, ahead = tee(chunks)
    stripped = (chunk.lstrip() for chunk in ahead)
    return next((text[0] for text in stripped if text), ""), chunks


def _first_line(chunks: Iterator[str]) -> tuple[str, Iterator[str]]:
    """Return the first line that is not blank; read no further than the chunk it ends in."""
    [line], chunks = _first_lines(chunks, 1)
    return line, chunks


def _first_lines(chunks: Iterator[str], number: int) -> tuple[list[str], Iterator[str]]:
    """Return that many lines that are not blank, "" for those that are not there."""
    chunks, ahead = tee(chunks)
    lines = list(islice((line for line in _lines(ahead, "") if line.strip()), number))
    return lines + [""] * (number - len(lines)), chunks


def _delimiter(chunks: Iterator[str]) -> tuple[str, Iterator[str]]:
    """Return the delimiter of CSV: the one that the header has most often, outside of quotes.

    Of several in it, one that the next line has as often comes first: a header may have a comma.
    """
    header, chunks = _first_line(chunks)
    found = {character: _outside_quotes(header).count(character) for character in _DELIMITERS}
    candidates = [character for character in _DELIMITERS if found[character]]
    if len(candidates) > 1:
        (_, line), chunks = _first_lines(chunks, 2)
        bare = _outside_quotes(line)
        steady = [
            character for character in candidates if bare.count(character) == found[character]
        ]
        candidates = steady or candidates
    return max(candidates or _DELIMITERS, key=lambda character: found[character]), chunks


def _outside_quotes(line: str) -> str:
    return re.sub(r'"[^"]*(?:"|$)', "", line)


def _csv_rows(
    chunks: Iterator[str], name: str, delimiter: str, on_error: OnError
) -> Iterator[Record]:
    csv.field_size_limit(max(csv.field_size_limit(), _LONGEST_FIELD))
    # Not strict, a quote that is not closed would make one field of all that follows.
    reader = csv.reader(_without_nul(_lines(chunks, ""), name), delimiter=delimiter, strict=True)
    header: list[str] = []
    while True:
        place = f"line {reader.line_num + 1} of {name}"
        try:
            fields = next(reader, None)
        except csv.Error as error:
            raise InvalidInputError(
                f"The row at {place} is not CSV: {error} (a quote inside of a quoted field is "
                "written twice)"
            ) from error
        if fields is None:
            return
        if not fields:
            continue
        if not header:
            header = _checked_header(fields, place)
        elif len(fields) > len(header):
            message = (
                f"{place} has {len(fields)} fields, for {len(header)} columns: a field with "
                f"{delimiter!r} in it must be quoted"
            )
            on_error(place, InvalidInputError(message))
        else:
            yield Record(place, dict(zip_longest(header, fields)))


def _checked_header(fields: list[str], place: str) -> list[str]:
    for name in fields:
        if fields.count(name) > 1:
            raise InvalidInputError(
                f"More than one column is called {name!r} in the header, {place}: rename them"
            )
    return fields


def _without_nul(lines: Iterable[str], name: str) -> Iterator[str]:
    """Refuse NUL, as the csv module of Python 3.10 does: it is a sign of UTF-16 or of no text."""
    for number, line in enumerate(lines, 1):
        if "\0" in line:
            raise InvalidInputError(
                f"Line {number} of {name} holds the character NUL: it is not text, or in an "
                "encoding such as utf-16 (name it with --encoding)"
            )
        yield line


def _nl_rows(chunks: Iterator[str], name: str, on_error: OnError) -> Iterator[Record]:
    for number, line in enumerate(_lines(chunks, "\n"), 1):
        if line.strip():
            row, problem = read_line(line)
            yield from _judged(f"line {number} of {name}", row, problem, on_error)


def _json_rows(chunks: Iterator[str], name: str, on_error: OnError) -> Iterator[Record]:
    for number, (line, row, problem) in enumerate(read_items(chunks, name), 1):
        yield from _judged(f"item {number} (line {line}) of {name}", row, problem, on_error)


def _judged(place: str, row: Any, problem: str | None, on_error: OnError) -> Iterator[Record]:
    if problem:
        on_error(place, InvalidInputError(f"{place} {problem}"))
    else:
        yield Record(place, row)


def _lines(chunks: Iterable[str], newline: str) -> Iterator[str]:
    r"""Yield lines with their ends: "\n", and where `newline` is "" also "\r" and "\r\n"."""
    ends = ("\n",) if newline else ("\n", "\r")
    pieces = []
    for chunk in chunks:
        for piece in io.StringIO(chunk, newline=newline):
            pieces.append(piece)
            if piece.endswith(ends):
                yield "".join(pieces)
                pieces.clear()
    if pieces:
        yield "".join(pieces)


def _chunks(stream: BinaryIO, name: str, encoding: str) -> Iterator[str]:
    """Yield the text of a stream, as much as is there each time."""
    read = getattr(stream, "read1", stream.read)  # read() of a pipe waits for all that is asked
    # Not translating, this one does no more than keep "\r" and "\n" together.
    decoder = io.IncrementalNewlineDecoder(
        codecs.getincrementaldecoder(encoding)(), translate=False
    )
    mark, line = "\ufeff", 1
    while True:
        data = read(_CHUNK_BYTES)
        problem = ""
        try:
            text = decoder.decode(data, final=not data)
        except UnicodeError as error:
            text = _part_that_decodes(decoder, data, error)
            problem = getattr(error, "reason", str(error))
        if text:
            yield text.removeprefix(mark)
            mark = ""
            line += text.count("\n")
        if problem:
            raise InvalidInputError(
                f"Line {line} of {name} is not {encoding}: name its encoding with --encoding "
                f"({problem})"
            )
        if not data:
            return


def _part_that_decodes(decoder: Any, data: bytes, error: UnicodeError) -> str:
    """Return the text before what cannot be decoded."""
    if not isinstance(error, UnicodeDecodeError):
        return ""
    # `object` may begin with bytes that were left over from earlier data; it ends as `data` does.
    length = max(0, len(data) - (len(error.object) - error.start))
    text: str = decoder.decode(data[:length])
    return text
