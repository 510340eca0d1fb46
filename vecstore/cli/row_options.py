"""The options of `vecstore embed-multi` that say where in a file the rows are."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any

import click

from .. import readers
from ..readers import Dialect, Layout

_OPTIONS = (
    click.option(
        "--rows",
        metavar="NAME",
        help="The list of a JSON object that has the rows, as results or data.items.",
    ),
    click.option(
        "--no-headers",
        is_flag=True,
        help="CSV without a header: the columns are untitled_1, untitled_2 and so on.",
    ),
    click.option(
        "--delimiter",
        metavar="CHAR",
        help="What separates the fields of CSV, if not what its header has; tab is one.",
    ),
    click.option("--quotechar", metavar="CHAR", help='What CSV has around a field, if not ".'),
    click.option(
        "--quoting",
        type=click.Choice(readers.QUOTING),
        help="none: quotes in CSV and TSV are text. By default they are around fields, and where "
        "those of TSV could be either it is an error; minimal: they are.",
    ),
    click.option(
        "--no-detect-types",
        is_flag=True,
        help="Store all metadata of CSV and TSV as text, and read a pipe as it comes.",
    ),
)


@dataclass(frozen=True)
class RowOptions:
    """The options as they were given."""

    rows: str | None = None
    no_headers: bool = False
    delimiter: str | None = None
    quotechar: str | None = None
    quoting: str | None = None
    no_detect_types: bool = False

    def layout(self, format: str | None, encodings: Sequence[str]) -> Layout:
        """Return where the rows are, and how they are written.

        :raises InvalidInputError: an option has a value that cannot be
        """
        dialect = Dialect(
            "\t" if self.delimiter in ("tab", r"\t") else self.delimiter,
            '"' if self.quotechar is None else self.quotechar,
            self.quoting,
            has_header=not self.no_headers,
        )
        encoding = encodings[0] if encodings else "utf-8"
        return Layout(format, encoding, dialect, self.rows)

    def conflicts(self, is_file: bool, format: str | None) -> Iterator[tuple[object, str]]:
        """Yield what is wrong with the options, if it is, and the message.

        :param is_file: the input is a file or pipe of rows
        :param format: its format, if that was told
        """
        of_tables = self._of_tables()
        yield of_tables and not is_file, f"{of_tables} must be used with an input path"
        yield (
            of_tables and format and format not in readers.TABLE_FORMATS,
            f"{of_tables} is for CSV and TSV, and the format is {format}",
        )
        yield self.rows is not None and not is_file, "--rows must be used with an input path"
        yield (
            self.rows is not None and format in readers.TABLE_FORMATS,
            f"--rows is for JSON, and the format is {format}",
        )
        yield self.rows is not None and of_tables, f"--rows is for JSON, and {of_tables} for CSV"
        yield (
            self.quotechar is not None and self.quoting == "none",
            "--quoting none makes text of quotes: it cannot be used with --quotechar",
        )

    def _of_tables(self) -> str:
        """Return the first option that is for CSV and TSV alone, or ""."""
        given = {
            "--no-headers": self.no_headers,
            "--delimiter": self.delimiter is not None,
            "--quotechar": self.quotechar is not None,
            "--quoting": self.quoting,
            "--no-detect-types": self.no_detect_types,
        }
        return next((name for name, is_given in given.items() if is_given), "")


def row_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options to a command, which gets them as `of_rows`, a RowOptions."""

    @wraps(command)
    def with_options(*args: Any, **kwargs: Any) -> None:
        given = {name: kwargs.pop(name) for name in RowOptions.__dataclass_fields__}
        command(*args, of_rows=RowOptions(**given), **kwargs)

    for option in reversed(_OPTIONS):
        with_options = option(with_options)
    return with_options
