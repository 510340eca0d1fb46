"""A collection as JSON lines: a header, and then one object an entry.

    {"vecstore": 1, "collection": "pets", "model": "wordllama", "entries": 1}
    {"id": "hound", "embedding": [0.25, -1], "content_hash": {"base64": "..."}, "updated": 1767}

A column that is NULL is left out, text is text, a number is a number, and bytes are base64. A
vector of finite numbers is an array, with the nine digits by which a float32 is known exactly.
"""

import base64
import json
import math
import struct
from collections.abc import Iterator
from typing import Any, BinaryIO

from ..errors import InvalidInputError
from ..rows import EmbeddingRow
from ..values import quote, surrogate_position
from ..vectors import decode, encode
from .header import ExportHeader

_VERSION = 1

_to_json = json.JSONEncoder(ensure_ascii=False).encode


def write(stream: BinaryIO, header: ExportHeader, rows: Iterator[EmbeddingRow]) -> None:
    """Write a collection to a stream of bytes."""
    first = {
        "vecstore": _VERSION,
        "collection": header.collection,
        "model": header.model,
        "entries": header.entries,
        **header.prefixes.by_name(),
    }
    stream.write(f"{_to_json(first)}\n".encode())
    for row in rows:
        fields = (
            f'"{name}": {_value(name, value)}'
            for name, value in zip(EmbeddingRow._fields, row, strict=True)
            if value is not None
        )
        stream.write(f"{{{', '.join(fields)}}}\n".encode())


def read(stream: BinaryIO) -> tuple[ExportHeader, Iterator[EmbeddingRow]]:
    """Return what is in a stream of bytes; the rows are read as they are asked for.

    :raises InvalidInputError: the first line is no header; a line, which is named, is no entry
    """
    first = _parse(stream.readline(), 1)
    if first.get("vecstore") != _VERSION:
        raise InvalidInputError(
            "The first line is not that of an export of vecstore"
            if "vecstore" not in first
            else "The file was exported by a later vecstore: upgrade this one"
        )
    name, model, entries = (first.get(key) for key in ("collection", "model", "entries"))
    if not isinstance(name, str) or not isinstance(model, str) or not isinstance(entries, int):
        raise InvalidInputError("The first line lacks a collection, its model or its entries")
    if surrogate_position(model) is not None:
        raise _error(1, f"the model {quote(model)} is no text: it has a lone surrogate")
    prefixes = (first.get(key) for key in ("query_prefix", "document_prefix"))
    return ExportHeader(name, model, entries, *prefixes), _rows(stream)


def _rows(stream: BinaryIO) -> Iterator[EmbeddingRow]:
    for number, line in enumerate(stream, start=2):
        entry = _parse(line, number)
        try:
            row = EmbeddingRow._make(
                _stored(entry.pop(name, None)) for name in EmbeddingRow._fields
            )
        except (KeyError, TypeError, ValueError, OverflowError, struct.error) as error:
            raise _error(number, error) from error
        if entry:
            raise _error(number, f"it has the unknown key {quote(next(iter(entry)))}")
        yield row


def _value(name: str, value: Any) -> str:
    """Return a value of a column as JSON."""
    if not isinstance(value, bytes):
        return _to_json(value)
    if name == "embedding" and value and len(value) % 4 == 0:
        vector = decode(value)
        if all(map(math.isfinite, vector)):
            return f"[{', '.join(['%.9g'] * len(vector)) % vector}]"
    return f'{{"base64": "{base64.b64encode(value).decode("ascii")}"}}'


def _stored(value: Any) -> Any:
    """Return what a column holds, given a value of JSON."""
    if isinstance(value, list):
        return encode(value)
    if isinstance(value, dict):
        return base64.b64decode(value["base64"], validate=True)
    if isinstance(value, bool):
        raise TypeError("true and false are no values of a column")
    return value


def _parse(line: bytes, number: int) -> dict[str, Any]:
    try:
        entry = json.loads(line, parse_int=_integer)
    except (ValueError, RecursionError) as error:
        raise _error(number, error) from error
    if not isinstance(entry, dict):
        raise _error(number, "it is no JSON object")
    return entry


def _integer(digits: str) -> float:
    return -0.0 if digits == "-0" else int(digits)  # which float32 tells apart


def _error(number: int, reason: object) -> InvalidInputError:
    return InvalidInputError(f"Line {number:,} is no entry of an export of vecstore: {reason}")
