"""Finds the types of the columns of CSV from all of their cells, as a column has one type."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import InvalidInputError
from ..metadata import to_json
from ..values import INTEGERS_END

_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:e[+-][0-9]+)?")
_KIND_OF_TEXT = "text"  # what is no number
_NULL_TEXT = r"\N"  # as MySQL, PostgreSQL and IMDB write it


@dataclass(frozen=True)
class ColumnTypes:
    """Which columns are no text.

    Attributes:
        numbers: the columns of integers and floats
        nested: those whose cells are JSON objects or arrays
        objects: those whose cells are JSON objects
    """

    numbers: frozenset[str]
    nested: frozenset[str]
    objects: frozenset[str]

    def parse_cell(self, column: str, cell: str) -> Any:
        """Return what a cell stands for: null for one that is empty in a column of numbers."""
        if column in self.numbers:
            return None if _is_empty(cell) else json.loads(cell)
        if column in self.nested:
            return None if cell == _NULL_TEXT else read_json_text(cell) if cell else cell
        return cell


class TypeSurvey:
    r"""Finds the types of columns, of which `watch()` gets all rows.

    A column is of numbers only if each cell that is not empty is written as JSON writes that
    number: 007, 1.10, 1e5 and +1 are text, and so is the whole column. A column is nested only if
    each of them is a JSON object or array that can be stored without loss. A cell that is \N says
    as little as an empty one. A column whose cells are all empty is text.
    """

    def __init__(self) -> None:
        from sqlite_utils.utils import TypeTracker  # takes a while, and few files are CSV

        self._numbers = TypeTracker()
        self._kinds: dict[str, set[type]] = {}  # of JSON; that of None is text

    def watch(self, cells: Mapping[str, Any]) -> None:
        """Take note of the cells of a row, by column."""
        written = {name: c for name, c in cells.items() if isinstance(c, str) and not _is_empty(c)}
        plain = {name: cell if is_number(cell) else _KIND_OF_TEXT for name, cell in written.items()}
        for _ in self._numbers.wrap([plain]):
            pass
        for name, cell in written.items():
            kinds = self._kinds.setdefault(name, set())
            if type(None) not in kinds:
                kinds.add(type(read_json_text(cell)))

    def find_types(self) -> ColumnTypes:
        """Return the types that the rows until now have."""
        numbers = (name for name, type in self._numbers.types.items() if type != _KIND_OF_TEXT)
        nested = {name: kinds for name, kinds in self._kinds.items() if type(None) not in kinds}
        objects = (name for name, kinds in nested.items() if kinds == {dict})
        return ColumnTypes(frozenset(numbers), frozenset(nested), frozenset(objects))


def _is_empty(cell: str) -> bool:
    return cell in ("", _NULL_TEXT)


def is_number(cell: str) -> bool:
    """Return whether text is a number as JSON writes it, and one that SQLite holds."""
    if not _NUMBER.fullmatch(cell):
        return False
    try:
        value = json.loads(cell)
    except ValueError:  # 007, or of too many digits
        return False
    if isinstance(value, int):
        return str(value) == cell and -INTEGERS_END <= value < INTEGERS_END
    return math.isfinite(value) and json.dumps(value) == cell


def read_json_text(text: str) -> dict[str, Any] | list[Any] | None:
    """Return the JSON object or array that a text is.

    None if it is none, or would lose something: a key that comes twice, or what metadata refuses.
    """
    if not text.lstrip().startswith(("{", "[")):
        return None
    try:
        value: dict[str, Any] | list[Any] = json.loads(
            text, object_pairs_hook=_refuse_repeated_keys
        )
        to_json({"": value})
    except (ValueError, RecursionError, InvalidInputError):
        return None
    return value


def _refuse_repeated_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key comes twice")
    return found
