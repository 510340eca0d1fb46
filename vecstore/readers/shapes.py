"""Notices rows that are none: an object around the rows, and a first row taken for a header."""

import shlex
from collections.abc import Callable, Iterator
from itertools import chain, islice

from ..errors import InvalidInputError
from ..values import shown
from .columns import Columns
from .json_stream import describe_lists, lists_of_objects
from .records import Record, Row

_ROWS_OF_NUMBERS = 3  # that tell of a header which is a row


def check_shapes(
    records: Iterator[Record], columns: Columns, warn: Callable[[str], None]
) -> Iterator[Record]:
    """Yield the records; each as soon as it is there, unless all there may be is one wrapper.

    :param warn: gets what looks wrong and may be right
    :raises InvalidInputError: the only record is an object around the rows
    """
    first = next(records, None)
    if first is None:
        return
    if _is_wrapper(first, columns):
        second = next(records, None)
        if second is None:
            _tell_of_wrapper(first, warn)
        else:
            records = chain([second], records)
    yield from _watched_header(chain([first], records), columns, warn)


def _is_wrapper(record: Record, columns: Columns) -> bool:
    """Return whether an object may be one that holds the rows, if it is the only one."""
    named = columns.named
    if named and all(name in record.row for name in named):
        return False
    return any(isinstance(value, list | dict) for value in record.row.values())


def _tell_of_wrapper(record: Record, warn: Callable[[str], None]) -> None:
    place, row = record.place, record.row
    first = next(iter(row))
    has_id = first.lower() in ("id", "_id")
    lists = list(lists_of_objects(row))
    empty = [name for name, value in row.items() if value == []]
    if lists:
        found = describe_lists(lists)
        told = (
            f"{place} is all there is, an object with lists of objects in it: {found}; "
            f"--rows {shlex.quote(lists[0][0])} embeds the objects of that list"
        )
        if not has_id:
            raise InvalidInputError(f"{told}{_as_one_entry(row)}")
        warn(f"{told}; the object was taken for one entry")
    elif all(isinstance(value, dict) for value in row.values()):
        keys = ", ".join(map(shown, islice(row, 3)))
        raise InvalidInputError(
            f"{place} is all there is, an object of objects by key ({keys}): rows must be in a "
            "list, as jq 'to_entries | map({id: .key} + .value)' makes one of rows by key, and "
            "to_json(orient='records') in pandas"
        )
    elif empty and not has_id:
        warn(
            f"{place} is all there is, an object with an empty list in it, and was taken for one "
            f"entry: if rows come in that list, use --rows {shlex.quote(empty[0])}"
        )


def _as_one_entry(row: Row) -> str:
    """Say how an object is taken for one entry: with the name of a column that may be its id."""
    for name, value in row.items():
        if value and isinstance(value, str | int) and not isinstance(value, bool):
            id = shlex.quote(name)
            return f"; if the object is itself an entry, name its columns, as --id {id}"
    return ""


def _watched_header(
    records: Iterator[Record], columns: Columns, warn: Callable[[str], None]
) -> Iterator[Record]:
    """Yield the records; warn if the header of a CSV has a number where they have numbers."""
    first = next(records, None)
    if first is None:
        return
    header = columns.id if columns.id is not None else next(iter(first.row), "")
    if _is_integer(header):
        rows = [first, *islice(records, _ROWS_OF_NUMBERS - 1)]
        if all(_is_integer(record.row.get(header)) for record in rows):
            warn(
                f"The header names the column of ids {header!r}, a number like those in it, the "
                f"first of which is in {first.place}: if the header is a row, use --no-headers"
            )
        yield from rows
    else:
        yield first
    yield from records


def _is_integer(cell: object) -> bool:
    return isinstance(cell, str) and cell.isascii() and cell.isdigit()
