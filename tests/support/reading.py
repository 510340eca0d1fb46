"""Files and pipes for read_rows(), and what becomes of them."""

import io
import json

import pytest

from vecstore.errors import InvalidInputError
from vecstore.readers import Layout, Record, read_rows


class Pieces(io.RawIOBase):
    """A pipe: what is asked of it gives the next piece, and no more."""

    def __init__(self, pieces):
        self._pieces = iter(pieces)

    def readable(self):
        return True

    def readinto(self, buffer):
        piece = next(self._pieces, b"")
        buffer[: len(piece)] = piece
        return len(piece)


def sliced(data: bytes, size: int):
    return Pieces(data[i : i + size] for i in range(0, len(data), size))


def rows_of(data: bytes, name: str = "notes", **options) -> list[dict]:
    return [record.row for record in read_rows(io.BytesIO(data), name, Layout(**options))]


def skipped(stream, name: str) -> tuple[list[Record], list[tuple[str, str]]]:
    """Return the records of a file, and the place and message of each row that was left out."""
    problems = []

    def note(place, error):
        problems.append((place, str(error)))

    return list(read_rows(stream, name, on_unreadable=note)), problems


def failure(data: bytes, name: str = "notes", **options) -> str:
    with pytest.raises(InvalidInputError) as caught:
        rows_of(data, name, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


PAGE = {"count": 123, "next": None, "results": [{"id": 1, "t": "a"}, {"id": 2, "t": "b"}]}


def written(value, indent=None) -> bytes:
    return json.dumps(value, indent=indent).encode()
