"""The options of `vecstore embed-multi` that say where in a file the rows are."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import click

from .. import readers
from ..readers import Dialect, Layout

ROW_OPTIONS = (
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

    rows: str | None
    no_headers: bool
    delimiter: str | None
    quotechar: str | None
    quoting: str | None
    no_detect_types: bool

    def make_layout(self, format: str | None, encodings: Sequence[str]) -> Layout:
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

    def find_conflicts(self, is_file: bool, format: str | None) -> Iterator[tuple[object, str]]:
        """Yield what is wrong with the options, if it is, and the message.

        :param is_file: the input is a file or pipe of rows
        :param format: its format, if that was told
        """
        table_option = self._find_option_for_tables()
        yield table_option and not is_file, f"{table_option} must be used with an input path"
        yield (
            table_option and format and format not in readers.TABLE_FORMATS,
            f"{table_option} is for CSV and TSV, and the format is {format}",
        )
        yield self.rows is not None and not is_file, "--rows must be used with an input path"
        yield (
            self.rows is not None and format in readers.TABLE_FORMATS,
            f"--rows is for JSON, and the format is {format}",
        )
        yield (
            self.rows is not None and table_option,
            f"--rows is for JSON, and {table_option} for CSV",
        )
        yield (
            self.quotechar is not None and self.quoting == "none",
            "--quoting none makes text of quotes: it cannot be used with --quotechar",
        )

    def _find_option_for_tables(self) -> str:
        """Return the first option that is for CSV and TSV alone, or ""."""
        given = {
            "--no-headers": self.no_headers,
            "--delimiter": self.delimiter is not None,
            "--quotechar": self.quotechar is not None,
            "--quoting": self.quoting,
            "--no-detect-types": self.no_detect_types,
        }
        return next((name for name, is_given in given.items() if is_given), "")
