"""Reads the rows of CSV and TSV: dialects, headers, and rows that break the rules."""

import csv
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, NamedTuple

from ..errors import InvalidInputError
from .records import OnMessage, OnUnreadable, Record, Row
from .streams import describe_undecoded, peek_lines, read_lines

QUOTING = ("minimal", "none")

# Excel's first line, before the header.
_TOLD_DELIMITER = re.compile(r'"?sep=([^"\r\n\0])"?\s*', re.IGNORECASE)
_DELIMITERS = ",\t;|"  # of two that are as frequent, the first counts
_MAX_FIELD_CHARACTERS = 2**31 - 1  # what a C long holds everywhere
_NUL_STANDIN = "\ud800"  # stands for NUL, which the csv module of Python 3.10 refuses


@dataclass(frozen=True)
class Dialect:
    """How CSV is written, as far as it is not to be found out.

    Attributes:
        delimiter: one character; None to find it out
        quotechar: one character
        quoting: one of QUOTING; "none" makes text of quotes. None is "minimal", but where quotes of
            TSV could be either it is an error
        has_header: the first line has the names of the columns; else they are untitled_1 and on
    """

    delimiter: str | None = None
    quotechar: str = '"'
    quoting: str | None = None
    has_header: bool = True

    def __post_init__(self) -> None:
        """Raise InvalidInputError for characters that can be none of these."""
        for name, value in (("delimiter", self.delimiter), ("quotechar", self.quotechar)):
            if value is not None and (len(value) != 1 or value in "\r\n\0"):
                raise InvalidInputError(
                    f"The {name} is {value!r}: it must be one character, and no end of a line"
                )
        if self.has_quotes and self.quotechar == self.delimiter:
            raise InvalidInputError(f"{self.delimiter!r} cannot be delimiter and quotechar at once")

    @property
    def has_quotes(self) -> bool:
        """Whether quotes are around fields, and not text."""
        return self.quoting != "none"

    def remove_quoted(self, line: str) -> str:
        """Return what of a line is not in quotes."""
        quote = re.escape(self.quotechar)
        return re.sub(f"{quote}[^{quote}]*(?:{quote}|$)", "", line) if self.has_quotes else line


def read_csv(
    chunks: Iterator[str],
    name: str,
    dialect: Dialect,
    encoding: str,
    on_unreadable: OnUnreadable,
    note: OnMessage,
) -> Iterator[Record]:
    """Yield the rows of text in pieces.

    After a row that is not CSV, which is left out, the line after its first is read as a new row.

    :param note: gets it if there is a header and nothing else
    """
    delimiter, is_told, chunks = _detect_delimiter(chunks, dialect)
    csv.field_size_limit(max(csv.field_size_limit(), _MAX_FIELD_CHARACTERS))
    lines = _RowLines(read_lines(chunks, ""), dialect, delimiter)
    if is_told:
        next(line for line in lines if line.strip())
    found = _parse_rows(_make_csv_reader(lines, dialect, delimiter), lines, name, encoding)
    header = _read_header(found) if dialect.has_header else None
    may_be_two = delimiter == "\t" and dialect.quoting is None
    has_rows = False
    doubtful = -1  # up to the line after this one, a row may be part of one that was left out
    for row in found:
        has_rows = True
        if header is None and not row.problem:
            header = _Header([f"untitled_{i}" for i, _ in enumerate(row.fields, 1)])
        is_broken, problem = row.is_broken, row.problem
        is_doubtful = row.number <= doubtful + 1
        if header and not problem and may_be_two:
            problem = _describe_two_in_one(row, lines.row, header.width)
            is_broken = bool(problem)
        if header and not problem:
            problem = header.find_problem(row, delimiter, is_doubtful)
        if header and not problem:
            yield header.make_record(row)
            continue
        on_unreadable(row.place, InvalidInputError(problem))
        if is_broken or is_doubtful:
            doubtful = max(doubtful, lines.number)
        if is_broken:
            lines.go_back()
    if header and not has_rows:
        note(f"{name} has a header and no rows: --no-headers takes its first line as a row")


def _make_csv_reader(lines: Iterator[str], dialect: Dialect, delimiter: str) -> Iterator[list[str]]:
    # Not strict, a quote that is not closed would make one field of all that follows.
    options: dict[str, Any] = {"delimiter": delimiter, "strict": True}
    if dialect.has_quotes:
        options["quotechar"] = dialect.quotechar
    else:
        options |= {"quoting": csv.QUOTE_NONE, "quotechar": None}
    return csv.reader(lines, **options)


class _RawRow(NamedTuple):
    """The fields of a row, the number of its first line, and what is wrong with it, or ""."""

    number: int
    place: str
    fields: list[str]
    problem: str
    is_broken: bool  # it is not CSV, and may be more than a row


def _parse_rows(
    reader: Iterator[list[str]], lines: "_RowLines", name: str, encoding: str
) -> Iterator[_RawRow]:
    while True:
        lines.begin_row()
        number = lines.number + 1
        place = f"line {number} of {name}"
        try:
            fields = next(reader, None)
        except csv.Error as error:
            yield _RawRow(number, place, [], _describe_csv_error(place, error), is_broken=True)
            continue
        if fields is None:
            return
        if fields:
            problem = _describe_unreadable(place, "".join(lines.row), encoding)
            yield _RawRow(number, place, fields, problem, is_broken=False)


def _read_header(found: Iterator[_RawRow]) -> "_Header | None":
    row = next(found, None)
    if row and row.problem:
        raise InvalidInputError(row.problem)
    return _Header(row.fields) if row else None


def _describe_csv_error(place: str, error: csv.Error) -> str:
    return (
        f"The row at {place} is not CSV: {error} (a quote inside of a quoted field is written "
        "twice; with --quoting none, quotes are text)"
    )


def _detect_delimiter(chunks: Iterator[str], dialect: Dialect) -> tuple[str, bool, Iterator[str]]:
    """Return the delimiter, whether the first line is no header but tells it, and the chunks.

    If nobody tells it, it is the one that the header has most often, outside of quotes. Of several
    in it, one that the next line has as often comes first: a header may have a comma.
    """
    [header], chunks = peek_lines(chunks, 1)
    if told := _TOLD_DELIMITER.fullmatch(header):
        return dialect.delimiter or told[1], True, chunks
    if dialect.delimiter:
        return dialect.delimiter, False, chunks
    bare = dialect.remove_quoted(header)
    found = {d: bare.count(d) for d in _DELIMITERS if d in bare and d != dialect.quotechar}
    candidates = list(found)
    if len(candidates) > 1:
        (_, line), chunks = peek_lines(chunks, 2)
        bare = dialect.remove_quoted(line)
        candidates = [d for d in found if bare.count(d) == found[d]] or candidates
    return max(candidates, key=found.__getitem__, default=_DELIMITERS[0]), False, chunks


class _Header:
    """The names of the columns.

    Where lines end with delimiters, the last columns have no name, and are none where they are
    empty.

    Attributes:
        width: how many fields the header has
    """

    def __init__(self, names: list[str]) -> None:
        self.width = len(names)
        while len(names) > 1 and not names[-1] and any(names):
            names = names[:-1]
        self._names = names
        self._repeated = frozenset(name for name in names if names.count(name) > 1)

    def find_problem(self, row: _RawRow, delimiter: str, is_doubtful: bool) -> str:
        """Return what is wrong with the fields of a row, or "".

        :param is_doubtful: they may be part of a row, and so none if some are missing
        """
        place, fields = row.place, row.fields
        if len(fields) == self.width:
            return ""
        if len(fields) > self.width:
            return (
                f"{place} has {len(fields)} fields, for {self.width} columns: a field with "
                f"{delimiter!r} in it must be quoted"
            )
        if is_doubtful and len(fields) < len(self._names):
            return (
                f"{place} has {len(fields)} of {len(self._names)} fields, and may be part of the "
                "row before it, which is not CSV"
            )
        return ""

    def make_record(self, found: _RawRow) -> Record:
        names, repeated = self._names, self._repeated
        row: Row = dict(zip_longest(names, found.fields[: len(names)]))
        if unnamed := [field for field in found.fields[len(names) :] if field]:
            if len(unnamed) > 1 or "" in row:
                repeated |= {""}
            row[""] = unnamed[0]
        return Record(found.place, row, repeated)


class _RowLines:
    """An iterator over lines. Of the row in hand, all but the first can come again.

    Where quotes count, spaces around a quoted field are taken out, which csv would take for text:
    `1, "a, b"`. TSV is left alone: there, people write quotes as text.

    Attributes:
        number: of the line that came last
        row: the lines of the row in hand, as they are written
    """

    def __init__(self, lines: Iterator[str], dialect: Dialect, delimiter: str) -> None:
        self.number = 0
        self._lines = lines
        self.row: list[str] = []
        self._again: deque[str] = deque()
        self._delimiter = delimiter
        self._has_spaces = dialect.has_quotes and delimiter not in "\t "
        d, q = re.escape(delimiter), re.escape(dialect.quotechar)
        end = rf"(?={d}|[\r\n]|\Z)"
        self._signs = (f" {dialect.quotechar}", f"{dialect.quotechar} ")
        inside = f"[^{q}]*(?:{q}{q}[^{q}]*)*"
        self._rest_of_field = re.compile(f"({inside}{q})(?: *{end})?")
        self._field = re.compile(rf"{d} *({q}{inside}(?:{q}(?= *{end})|\Z))(?: *{end})?")

    def __iter__(self) -> "_RowLines":
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._lines)
        self.row.append(line)
        self.number += 1
        if self._has_spaces and (self._signs[0] in line or self._signs[1] in line):
            line = self._remove_spaces(line)
        return line.replace("\0", _NUL_STANDIN) if "\0" in line else line

    def begin_row(self) -> None:
        self.row.clear()

    def go_back(self) -> None:
        """Go back to the second line of the row."""
        self._again.extendleft(reversed(self.row[1:]))
        self.number -= max(0, len(self.row) - 1)

    def _remove_spaces(self, line: str) -> str:
        if len(self.row) == 1:
            return self._remove_spaces_of_fields(self._delimiter + line)[1:]
        rest = self._rest_of_field.match(line)  # the line begins inside of quotes
        return rest[1] + self._remove_spaces_of_fields(line[rest.end() :]) if rest else line

    def _remove_spaces_of_fields(self, text: str) -> str:
        return self._field.sub(lambda match: self._delimiter + match[1], text)


def _describe_unreadable(place: str, text: str, encoding: str) -> str:
    """Return what is wrong with the text of a row, or ""."""
    if "\0" in text:
        return (
            f"{place} holds the character NUL: it is not text, or in an encoding such as utf-16 "
            "(name it with --encoding)"
        )
    problem = describe_undecoded(text, encoding)
    return f"{place} {problem}" if problem else ""


def _describe_two_in_one(row: _RawRow, lines: list[str], width: int) -> str:
    """Return what is wrong, or "", where quotes in TSV may have made one row of several."""
    if len(lines) < 2:
        return ""
    first, last = lines[0].split("\t"), lines[-1].split("\t")
    if not len(first) == len(last) == width or not last[0]:
        return ""
    return (
        f"{row.place} has a field in quotes that ends in the line of {last[0]!r:.80}, which looks "
        "like a row: --quoting none if quotes are text, --quoting minimal if it is one field"
    )
