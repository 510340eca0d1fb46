"""Finds the types of the columns of CSV from all of their cells, as a column has one type."""

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from sqlite_utils.utils import TypeTracker

_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:e[+-][0-9]+)?")
_SMALLEST, _LARGEST = -(2**63), 2**63 - 1  # integers of SQLite
_TEXT = "text"  # what is no number


class ColumnTypes:
    """The types of columns, of which `watch()` gets the rows.

    A column is of numbers only if each cell that is not empty is written as JSON writes that
    number: 007, 1.10, 1e5 and +1 are text, and so is the whole column. A column whose cells are all
    empty is text.
    """

    def __init__(self) -> None:
        self._numbers = TypeTracker()
        self._objects: dict[str, bool] = {}

    def watch(self, cells: Mapping[str, Any]) -> None:
        """Take note of the cells of a row, by column."""
        written = {name: cell for name, cell in cells.items() if isinstance(cell, str) and cell}
        plain = {name: cell if is_number(cell) else _TEXT for name, cell in written.items()}
        for _ in self._numbers.wrap([plain]):
            pass
        for name, cell in written.items():
            if self._objects.get(name, True):
                self._objects[name] = isinstance(read_json_text(cell), dict)

    @property
    def numbers(self) -> frozenset[str]:
        """The columns of integers and floats."""
        return frozenset(name for name, type in self._numbers.types.items() if type != _TEXT)

    @property
    def objects(self) -> frozenset[str]:
        """The columns whose cells are JSON objects."""
        return frozenset(name for name, are_all in self._objects.items() if are_all)


def is_number(cell: str) -> bool:
    """Return whether text is a number as JSON writes it, and one that SQLite holds."""
    if not _NUMBER.fullmatch(cell):
        return False
    try:
        value = json.loads(cell)
    except ValueError:  # 007, or of too many digits
        return False
    if isinstance(value, int):
        return str(value) == cell and _SMALLEST <= value <= _LARGEST
    return math.isfinite(value) and json.dumps(value) == cell


def read_json_text(text: str) -> dict[str, Any] | list[Any] | None:
    """Return the JSON object or array that a text is.

    None if it is none, or would lose something: a key that comes twice, or a number without end.
    """
    if not text.lstrip().startswith(("{", "[")):
        return None
    try:
        value: dict[str, Any] | list[Any] = json.loads(
            text, object_pairs_hook=_unique, parse_constant=_refuse, parse_float=_finite
        )
    except (ValueError, RecursionError):
        return None
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key comes twice")
    return found


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _finite(number: str) -> float:
    value = float(number)
    if not math.isfinite(value):
        raise ValueError(f"{number} is infinite")
    return value
