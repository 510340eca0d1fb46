"""The options of `vecstore embed-multi` that say what is read, and how it becomes entries."""

from collections.abc import Iterator
from dataclasses import dataclass

import click

from .. import readers
from ..errors import InvalidInputError
from ..readers import Columns, Layout, VectorColumns
from .options import Command, add_options, gather_options
from .row_options import ROW_OPTIONS, RowOptions

_OPTIONS = (
    click.argument("path", type=click.Path(allow_dash=True), required=False),
    click.option(
        "--format",
        type=click.Choice(readers.FORMATS),
        help="The format of PATH, if it is not to be detected; nl is newline-delimited JSON.",
    ),
    *ROW_OPTIONS,
    click.option(
        "--files",
        type=(str, str),
        multiple=True,
        metavar="DIR GLOB",
        help="Embed the files of a folder that match a pattern. Their paths in it become the ids.",
    ),
    click.option("--all", is_flag=True, help="Of --files, also what is hidden or in a .gitignore."),
    click.option(
        "--exclude",
        multiple=True,
        metavar="GLOB",
        help="Leave out --files, or folders of them, that match a pattern as in a .gitignore.",
    ),
    click.option(
        "encodings",
        "--encoding",
        multiple=True,
        metavar="NAME",
        help="The encoding of PATH, or one to try on --files: the first that decodes a file "
        "counts. By default utf-8, and for --files then latin-1.",
    ),
    click.option("--binary", is_flag=True, help="Embed --files as bytes."),
    click.option("--sql", metavar="QUERY", help="Embed the rows of a query, which cannot write."),
    click.option(
        "--attach",
        type=(str, click.Path()),
        multiple=True,
        metavar="ALIAS FILE",
        help="Another database for --sql, opened read-only.",
    ),
    click.option(
        "id_column", "--id", metavar="COLUMN", help="The column of ids, if not the first."
    ),
    click.option(
        "content_columns",
        "--content",
        multiple=True,
        metavar="COLUMN",
        help="A column to embed. By default all but those of ids and metadata, joined by spaces.",
    ),
    click.option(
        "metadata_columns",
        "--metadata",
        multiple=True,
        metavar="COLUMN",
        help="A column to store as metadata.",
    ),
    click.option("--metadata-rest", is_flag=True, help="Store all other columns as metadata."),
    click.option(
        "vector_column",
        "--vector",
        metavar="COLUMN",
        help="A column of vectors, which are stored as they are, and no model is asked: arrays of "
        "JSON, or of a query also BLOBs of float32 numbers.",
    ),
    click.option("--prefix", default="", metavar="TEXT", help="Text to put before each id."),
    click.option("--prepend", default="", metavar="TEXT", help="Text to put before each content."),
    click.option("--limit", type=click.IntRange(0), metavar="N", help="Only the first N entries."),
)


@dataclass(frozen=True)
class InputOptions:
    """The options as they were given: one of `path`, `sql` and `files`, and how that is read."""

    path: str | None
    format: str | None
    row_options: RowOptions
    files: tuple[tuple[str, str], ...]
    all: bool
    exclude: tuple[str, ...]
    encodings: tuple[str, ...]
    binary: bool
    sql: str | None
    attach: tuple[tuple[str, str], ...]
    id_column: str | None
    content_columns: tuple[str, ...]
    metadata_columns: tuple[str, ...]
    metadata_rest: bool
    vector_column: str | None
    prefix: str
    prepend: str
    limit: int | None

    def make_columns(self) -> Columns:
        """Return which columns of a row become id, content and metadata."""
        columns = (
            self.id_column,
            self.content_columns,
            self.metadata_columns,
            self.metadata_rest,
            self.prefix,
            self.prepend,
        )
        if self.vector_column is None:
            return Columns(*columns)
        return VectorColumns(*columns, vector=self.vector_column)

    def make_layout(self) -> Layout:
        """Return where in a file the rows are, and how they are written.

        :raises InvalidInputError: an option has a value that cannot be
        """
        return self.row_options.make_layout(self.format, self.encodings)

    def refuse_conflicts(self) -> None:
        """Raise UsageError for options that contradict each other, or what none can be."""
        for is_wrong, message in self._find_conflicts():
            if is_wrong:
                raise click.UsageError(message)
        try:
            readers.check_encodings(self.encodings)
            self.make_layout()
        except InvalidInputError as error:
            raise click.UsageError(str(error)) from None

    def _find_conflicts(self) -> Iterator[tuple[object, str]]:
        """Yield what is wrong with the options, if it is, and the message."""
        yield (
            self.metadata_rest and not self.content_columns and self.vector_column is None,
            "--metadata-rest needs --content: which columns are embedded?",
        )
        for folder, pattern in self.files:
            yield (
                folder.startswith("-") or pattern.startswith("-"),
                f"--files takes a folder and a pattern, such as --files notes '**/*.md', not "
                f"{folder!r} and {pattern!r}",
            )
        yield self.binary and not self.files, "--binary must be used with --files"
        yield self.all and not self.files, "--all must be used with --files"
        yield self.exclude and not self.files, "--exclude must be used with --files"
        yield self.binary and self.encodings, "--binary cannot be used with --encoding"
        yield (
            not (self.path or self.sql or self.files),
            "Either --sql or input path or --files is required",
        )
        yield (
            self.files and (self.path or self.sql or self.format),
            "Cannot use --files with --sql, input path or --format",
        )
        yield self.path and self.sql, "Cannot use --sql with an input path"
        yield self.sql and self.format, "Cannot use --format with --sql"
        yield self.attach and not self.sql, "--attach must be used with --sql"
        yield self.sql and self.encodings, "Cannot use --encoding with --sql"
        yield self.path and len(self.encodings) > 1, "An input path takes one --encoding"
        columns = self.id_column or self.content_columns or self.metadata_columns
        yield (
            self.files and (columns or self.metadata_rest),
            "Files have no columns for --id, --content and --metadata",
        )
        yield self.files and self.vector_column is not None, "Files have no column for --vector"
        used = {self.id_column, *self.content_columns, *self.metadata_columns} - {None}
        yield self.vector_column in used, "The column of --vector is no id, content or metadata"
        format = self.format or readers.guess_format(self.path or "")
        yield from self.row_options.find_conflicts(bool(self.path), format)


def add_input_options(command: Command) -> Command:
    """Add PATH and the options to a command, which gets them as `input`, an InputOptions."""
    command = gather_options(command, "input", InputOptions)
    command = gather_options(command, "row_options", RowOptions)
    return add_options(command, _OPTIONS)
