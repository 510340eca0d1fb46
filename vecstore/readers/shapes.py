"""Notices rows that are none: an object around the rows, and a first row taken for a header."""

import re
from collections.abc import Iterator
from itertools import chain, islice

from .columns import Columns
from .records import OnMessage, Record
from .wrappers import check_first_record, check_only_record, may_be_wrapper

_NUMBER = re.compile(r"[-+]?[0-9]*[.,]?[0-9]+")
_ROWS_THAT_TELL = 3  # of a header that is a row


def check_shapes(records: Iterator[Record], columns: Columns, warn: OnMessage) -> Iterator[Record]:
    """Yield the records; each as soon as it is there, unless the first may hold the rows.

    :param warn: gets what looks wrong and may be right
    :raises InvalidInputError: the only record is an object around the rows, or the first a page
    """
    first = next(records, None)
    if first is None:
        return
    if may_be_wrapper(first.row, columns.named_columns):
        second = next(records, None)
        if second is None:
            check_only_record(first, warn)
        else:
            check_first_record(first, second)
            records = chain([second], records)
    yield from _warn_of_number_as_header(chain([first], records), columns, warn)


def _warn_of_number_as_header(
    records: Iterator[Record], columns: Columns, warn: OnMessage
) -> Iterator[Record]:
    """Yield the records; warn if the header of a CSV has a number where they have numbers."""
    first = next(records, None)
    if first is None:
        return
    header = columns.id if columns.id is not None else next(iter(first.row), "")
    if _looks_like_number(header):
        rows = [first, *islice(records, _ROWS_THAT_TELL - 1)]
        if all(_looks_like_number(record.row.get(header)) for record in rows):
            warn(
                f"The header names the column of ids {header!r}, a number like those in it, the "
                f"first of which is in {first.place}: if the header is a row, use --no-headers"
            )
        yield from rows
    else:
        yield first
    yield from records


def _looks_like_number(cell: object) -> bool:
    return isinstance(cell, str) and _NUMBER.fullmatch(cell) is not None
