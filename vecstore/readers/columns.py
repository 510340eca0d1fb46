"""Makes an entry of a row: which columns are its id, what is embedded, and its metadata."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from ..errors import InvalidInputError
from ..metadata import Metadata, to_json
from ..values import is_infinite, is_missing, quote
from .column_types import ColumnTypes, read_json_text
from .records import InputEntry, OnUnreadable, Record, Row, raise_unreadable

_MAX_COLUMNS_LISTED = 30  # in a message
_KINDS_OF_ID = {
    type(None): "NULL",
    bytes: "bytes",
    bool: "a boolean",
    list: "an array",
    dict: "an object",
}


@dataclass(frozen=True)
class Columns:
    """Which columns of a row become id, content and metadata.

    Attributes:
        id: by default the first column
        content: by default all columns that are neither id nor metadata
        metadata: columns that are kept as metadata
        rest: all columns that are neither id nor content are metadata
        prefix: goes before each id
        prepend: goes before each text
        has_json_text: the rows are of a format without objects: text in a metadata column that is a
            JSON object stands for it
        types: of the columns of a format without types, as far as they are looked at as a whole
    """

    id: str | None = None
    content: tuple[str, ...] = ()
    metadata: tuple[str, ...] = ()
    rest: bool = False
    prefix: str = ""
    prepend: str = ""
    has_json_text: bool = True
    types: ColumnTypes | None = None

    def __post_init__(self) -> None:
        if self.rest and not self.content:
            raise InvalidInputError(
                "--metadata-rest needs --content: otherwise all columns are what is embedded"
            )

    @property
    def named_columns(self) -> tuple[str, ...]:
        """The columns that are named."""
        id = () if self.id is None else (self.id,)
        return *id, *self.content, *self.metadata

    @property
    def has_metadata(self) -> bool:
        """Whether columns become metadata."""
        return self.rest or bool(self.metadata)

    def check_named_columns(self, record: Record) -> None:
        """Raise InvalidInputError if the row lacks one of the named columns, or has it twice."""
        for column in self.named_columns:
            check_column(record, column)
        self._check_repeated(record)

    def make_entry(self, record: Record) -> InputEntry:
        """Return the entry that a row is. A metadata column may be missing.

        Content columns are joined with spaces, as llm does, so that the hashes are the same.

        :raises InvalidInputError: the row lacks a column, or a value cannot be what it is to be
        """
        id_column = self.find_id_column(record.row)
        if id_column is None:
            raise InvalidInputError(f"{record.place} has no columns, so no id")
        self._check_repeated(record)
        id = self._make_id(record, id_column)
        content = self._choose_content(record, id_column)
        return id, self._make_content(record, content), self._make_metadata(record)

    def select_metadata(self, row: Row) -> Row:
        """Return what of a row becomes metadata, as it is written."""
        cells = {column: row[column] for column in self.metadata if column in row}
        if self.rest:
            id_column = self.find_id_column(row)
            cells |= {c: row[c] for c in row if c != id_column and c not in self.content}
        return cells

    def find_id_column(self, row: Row) -> str | None:
        """Return the column of ids; None if the row has no columns."""
        return self.id if self.id is not None else next(iter(row), None)

    def _check_repeated(self, record: Record) -> None:
        """Raise InvalidInputError if one of several columns of one name is used."""
        is_all = self.rest or not self.content
        id_column = self.find_id_column(record.row)
        for name in sorted(record.repeated):
            if is_all or name in self.named_columns or name == id_column:
                raise InvalidInputError(
                    f"More than one column is called {name!r} in the header, as {record.place} has "
                    "it: rename them, or name the columns to use with --id and --content; if the "
                    "header is a row, use --no-headers"
                )

    def _make_id(self, record: Record, column: str) -> str:
        check_column(record, column)
        value = record.row[column]
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            kind = _KINDS_OF_ID.get(type(value), type(value).__name__)
            raise InvalidInputError(
                f"The id of {record.place}, in the column {column!r}, is {kind}: it must be text "
                "or a number (--id names another column)"
            )
        if is_missing(value) or is_infinite(value):
            raise InvalidInputError(
                f"The id of {record.place}, in the column {column!r}, is {value}, which other rows "
                "may have: it must be text or a number (--id names another column)"
            )
        if value == "":
            raise InvalidInputError(
                f"The id of {record.place}, in the column {column!r}, is empty: give it one"
            )
        return f"{self.prefix}{value}"

    def _choose_content(self, record: Record, id_column: str) -> tuple[str, ...]:
        for column in self.content:
            check_column(record, column)
        if self.content:
            return self.content
        columns = tuple(c for c in record.row if c != id_column and c not in self.metadata)
        if not columns and len(record.row) == 1:
            raise InvalidInputError(
                f"{record.place} has one column only, {id_column!r}: the first is the id, and the "
                "rest is what is embedded"
            )
        if not columns:
            raise InvalidInputError(
                f"{record.place} has no column to embed, next to those of its id and metadata: "
                "name one with --content"
            )
        return columns

    def _make_content(self, record: Record, columns: tuple[str, ...]) -> str | bytes:
        values = [record.row[column] for column in columns]
        if len(values) == 1 and isinstance(values[0], bytes):
            return values[0]
        return self.prepend + " ".join(
            _write_cell(record, column, value)
            for column, value in zip(columns, values, strict=True)
        )

    def _make_metadata(self, record: Record) -> Metadata | None:
        if not self.has_metadata:
            return None
        cells = self.select_metadata(record.row)
        for column, value in cells.items():
            if isinstance(value, bytes):
                raise InvalidInputError(
                    f"The metadata column {column!r} of {record.place} holds bytes, which JSON "
                    "cannot: leave it out, or select hex() of it"
                )
        metadata = {column: self._parse_cell(column, cell) for column, cell in cells.items()}
        try:
            to_json(metadata)
        except InvalidInputError as error:
            raise InvalidInputError(
                f"The metadata of {record.place} {error} (in the input, write it as text, or leave "
                "the column out)"
            ) from error
        is_only = not self.rest and len(set(self.metadata)) == 1
        return self._unwrap_only_column(metadata) if is_only and metadata else metadata

    def _parse_cell(self, column: str, cell: Any) -> Any:
        """Return the value that the text of a metadata column stands for."""
        if not isinstance(cell, str):
            return cell
        if self.types:
            return self.types.parse_cell(column, cell)
        if not self.has_json_text:
            return cell
        # One array in text, such as [1984], may be a title among others.
        nested = read_json_text(cell)
        return nested if isinstance(nested, dict) else cell

    def _unwrap_only_column(self, metadata: Metadata) -> Metadata:
        """Return the object in the only column as the metadata, and nothing for one without value.

        That is an empty cell among objects, where the types of columns are known.
        """
        [(column, value)] = metadata.items()
        if isinstance(value, dict):
            return value
        is_of_objects = self.types is not None and column in self.types.objects
        return {} if is_of_objects and not value else metadata


def make_entries(
    records: Iterable[Record], columns: Columns, on_unreadable: OnUnreadable = raise_unreadable
) -> Iterator[InputEntry]:
    """Yield the entries that rows are, as `pair_with_entries()` does."""
    for _, entry in pair_with_entries(records, columns, on_unreadable):
        yield entry


def pair_with_entries(
    records: Iterable[Record], columns: Columns, on_unreadable: OnUnreadable = raise_unreadable
) -> Iterator[tuple[Record, InputEntry]]:
    """Yield rows that are entries, and these.

    :param on_unreadable: what to do about a row that is none
    :raises InvalidInputError: the first row lacks a named column, which is misspelt
    """
    is_first = True
    for record in records:
        if is_first:
            columns.check_named_columns(record)
            # The objects of a JSON file may have their keys in any order.
            if columns.id is None:
                columns = replace(columns, id=columns.find_id_column(record.row))
            is_first = False
        try:
            entry = columns.make_entry(record)
        except InvalidInputError as error:
            on_unreadable(record.place, error)
        else:
            yield record, entry


def check_column(record: Record, column: str) -> None:
    """Raise InvalidInputError if the row lacks a column."""
    if column not in record.row:
        names = ", ".join(map(quote, islice(record.row, _MAX_COLUMNS_LISTED))) or "none"
        more = len(record.row) - _MAX_COLUMNS_LISTED
        raise InvalidInputError(
            f"{record.place} has no column {quote(column)}: its columns are {names}"
            f"{f' and {more} more' * (more > 0)}"
        )


def _write_cell(record: Record, column: str, value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, bytes):
        raise InvalidInputError(
            f"The column {column!r} of {record.place} holds bytes, which cannot be joined with "
            "other columns: name one with --content"
        )
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInputError(
            f"The column {column!r} of {record.place} cannot be text: {error}"
        ) from error
