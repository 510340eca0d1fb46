"""Files of rows: what they are is what the standard library reads, or an error of ours.

The first byte of an input chooses the format, the second how many bytes come at a time.
"""

import csv
import io
import json
from typing import Any, BinaryIO

from vecstore.errors import VecstoreError
from vecstore.readers import Columns, Layout, Row, make_entries, read_rows

_FORMATS = {"c": "csv", "t": "tsv", "j": "json", "n": "nl", "?": None}
_LETTERS = "ctjn?"


def run(data: bytes) -> None:
    letter = chr(data[0]) if data else "?"
    letter = letter if letter in _FORMATS else _LETTERS[ord(letter) % len(_LETTERS)]
    size, content = max(1, *data[1:2]) if data[1:] else 1, data[2:]
    format = _FORMATS[letter]
    whole = _read(io.BytesIO(content), format)
    pieces = _read(_Pieces(content, size), format)
    _read_entries(content, format)
    if content.startswith(b"\x1f\x8b"):  # what is damaged may be wrong at more than one place
        assert pieces == whole or (isinstance(pieces, str) and isinstance(whole, str))
        return
    assert pieces == whole, "the rows depend on the pieces"
    try:
        text = content.decode().removeprefix("\ufeff")
    except UnicodeDecodeError:
        assert isinstance(whole, str)
        return
    if format in _EXPECTED:
        expected = _EXPECTED[format](text)
        if expected is not None:
            assert whole == expected, (whole, expected)


class _Pieces(io.BytesIO):
    """A stream that gives a few bytes at a time, as a pipe does."""

    def __init__(self, content: bytes, size: int) -> None:
        super().__init__(content)
        self._size = size

    def read1(self, size: int | None = -1, /) -> bytes:
        return self.read(self._size if size is None or size < 0 else min(size, self._size))


def _read(stream: BinaryIO, format: str | None) -> list[str] | str:
    """Return the rows, each as JSON that tells -0.0 and 1.0 from 0 and 1; or the error."""
    try:
        return [json.dumps(record.row) for record in read_rows(stream, "input", Layout(format))]
    except VecstoreError as error:
        return str(error)


def _read_entries(content: bytes, format: str | None) -> None:
    """Make entries of the rows, going past those that cannot be read."""
    left_out: list[str] = []

    def leave_out(place: str, error: VecstoreError) -> None:
        left_out.append(f"{place}: {error}")

    try:
        rows = read_rows(io.BytesIO(content), "input", Layout(format), leave_out)
        for _id, value, _metadata in make_entries(rows, Columns(), leave_out):
            assert isinstance(value, str)
    except VecstoreError:
        pass


def _expected_json(text: str) -> list[str] | None:
    """Return the rows of what is an array of objects beyond doubt; else None."""
    try:
        value = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    rows = [value] if isinstance(value, dict) else value
    return _all_objects(rows) if isinstance(rows, list) else None


def _expected_lines(text: str) -> list[str] | None:
    try:
        lines = [line for line in text.split("\n") if line.strip()]
        return _all_objects([json.loads(line, parse_constant=_refuse) for line in lines])
    except (ValueError, RecursionError):
        return None


def _all_objects(rows: list[Any]) -> list[str] | None:
    return [json.dumps(row) for row in rows] if all(isinstance(row, dict) for row in rows) else None


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _expected_tsv(text: str) -> list[str] | None:
    """Return the rows of a table of which each row has all the fields; else None."""
    if "\0" in text:
        return None
    try:
        found = csv.reader(io.StringIO(text, newline=""), delimiter="\t", strict=True)
        table = [fields for fields in found if fields]
    except csv.Error:
        return None
    header, *rows = table or [[]]
    if len(set(header)) < len(header) or any(len(row) != len(header) for row in rows):
        return None
    has_long = any(len(field.splitlines()) > 1 for row in rows for field in row)
    if has_long or header[-1:] == [""]:
        return None  # it may be two rows, or lines that end with a delimiter
    expected: list[Row] = [dict(zip(header, row, strict=True)) for row in rows]
    return [json.dumps(row) for row in expected]


_EXPECTED = {"json": _expected_json, "nl": _expected_lines, "tsv": _expected_tsv}
