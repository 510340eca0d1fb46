"""Makes an entry of a row that has its vector: that of another program, or an export's."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..errors import InvalidInputError
from ..values import quote
from ..vectors import decode, encode_finite
from .columns import Columns, check_column
from .records import Record, Row


@dataclass(frozen=True)
class VectorColumns(Columns):
    """Which columns become id, content and metadata, next to the one that holds the vector.

    That one is nothing else, and there may be no content.
    """

    vector: str = ""

    def __post_init__(self) -> None:
        """Take metadata of all other columns as well where none is content."""

    @property
    def named_columns(self) -> tuple[str, ...]:
        return *super().named_columns, self.vector

    def make_entry(self, record: Record) -> Any:
        """Return the (id, vector, content, metadata) that a row is; content may be None.

        :raises InvalidInputError: the row lacks a column, or a value cannot be what it is to be
        """
        check_column(record, self.vector)
        others = replace(record, row=self._other_columns(record.row))
        id, content, metadata = super().make_entry(others)
        return id, self._read_vector(record), content, metadata

    def select_metadata(self, row: Row) -> Row:
        return super().select_metadata(self._other_columns(row))

    def find_id_column(self, row: Row) -> str | None:
        return super().find_id_column(self._other_columns(row))

    def _other_columns(self, row: Row) -> Row:
        return {column: cell for column, cell in row.items() if column != self.vector}

    def _choose_content(self, record: Record, id_column: str) -> tuple[str, ...]:
        if self.content:
            return super()._choose_content(record, id_column)
        if self.rest:
            return ()
        return tuple(c for c in record.row if c != id_column and c not in self.metadata)

    def _make_content(self, record: Record, columns: tuple[str, ...]) -> Any:
        if all(record.row[column] in (None, "") for column in columns):
            return None
        return super()._make_content(record, columns)

    def _read_vector(self, record: Record) -> Sequence[float]:
        cell = record.row[self.vector]
        name = f"The vector of {record.place}, in the column {self.vector!r},"
        vector = _parse_vector(cell)
        if vector is None:
            raise InvalidInputError(
                f"{name} is {quote(cell)}: it must be a JSON array of numbers, or the bytes of "
                "float32 numbers"
            )
        try:
            encode_finite(vector)
        except InvalidInputError as error:
            raise InvalidInputError(f"{name} {error}") from error
        return vector


def _parse_vector(cell: Any) -> Sequence[float] | None:
    """Return the vector in a cell; None if it is written as none."""
    if isinstance(cell, bytes):
        return decode(cell) if cell and len(cell) % 4 == 0 else None
    if isinstance(cell, str):
        try:
            cell = json.loads(cell)
        except (ValueError, RecursionError):
            return None
    return cell if isinstance(cell, list) else None
