"""What `vecstore embed-multi` reads: a file of rows, a query, or folders of files, as entries."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import click

from .. import readers
from ..errors import InvalidInputError
from ..readers import Columns, FoundFiles, InputEntry, OnUnreadable
from .failures import Failures
from .row_files import RowFile
from .row_options import RowOptions

_Opened = tuple[Iterator[InputEntry], int | None]


@dataclass(frozen=True)
class Source:
    """Where entries come from: one of `path`, `sql` and `files`; the rest says how to read them.

    `skip` tells that `on_error` of `open()` does not raise.
    """

    path: str | None
    format: str | None
    sql: str | None
    attach: tuple[tuple[str, str], ...]
    files: tuple[tuple[str, str], ...]
    encodings: tuple[str, ...]
    binary: bool
    columns: Columns
    limit: int | None
    skip: bool
    of_rows: RowOptions
    all: bool
    exclude: tuple[str, ...]

    def check(self) -> None:
        """Raise UsageError for options that contradict each other."""
        columns = self.columns.id or self.columns.content or self.columns.metadata
        for wrong, message in (
            (self.binary and not self.files, "--binary must be used with --files"),
            (self.all and not self.files, "--all must be used with --files"),
            (self.exclude and not self.files, "--exclude must be used with --files"),
            (self.binary and self.encodings, "--binary cannot be used with --encoding"),
            (
                not (self.path or self.sql or self.files),
                "Either --sql or input path or --files is required",
            ),
            (
                self.files and (self.path or self.sql or self.format),
                "Cannot use --files with --sql, input path or --format",
            ),
            (self.path and self.sql, "Cannot use --sql with an input path"),
            (self.sql and self.format, "Cannot use --format with --sql"),
            (self.attach and not self.sql, "--attach must be used with --sql"),
            (self.sql and self.encodings, "Cannot use --encoding with --sql"),
            (self.path and len(self.encodings) > 1, "An input path takes one --encoding"),
            (
                self.files and (columns or self.columns.rest),
                "Files have no columns for --id, --content and --metadata",
            ),
            *self.of_rows.conflicts(
                bool(self.path), self.format or readers.guess_format(self.path or "")
            ),
        ):
            if wrong:
                raise click.UsageError(message)
        try:
            readers.check_encodings(self.encodings)
            self.of_rows.layout(self.format, self.encodings)
        except InvalidInputError as error:
            raise click.UsageError(str(error)) from None

    @contextmanager
    def open(
        self, database: Path, failures: Failures
    ) -> Iterator[tuple[Iterator[InputEntry], int | None]]:
        """Give the entries, and their number where it can be known.

        A file or a query is read to its end before anything is given: what is wrong with it is
        found before anything is written.

        :param failures: learns what is left out
        """
        with self._open(database, failures) as (found, total):
            if self.limit is None:
                yield found, total
            else:
                yield islice(found, self.limit), None if total is None else min(total, self.limit)

    def _open(self, database: Path, failures: Failures) -> AbstractContextManager[_Opened]:
        if self.sql:
            return self._query(database, self.sql, failures.of_input)
        return self._rows(self.path, failures) if self.path else self._files(failures)

    def _rows(self, path: str, failures: Failures) -> AbstractContextManager[_Opened]:
        layout = self.of_rows.layout(self.format, self.encodings)
        detects_types = not self.of_rows.no_detect_types
        file = RowFile(path, layout, self.columns, self.limit, self.skip, detects_types)
        return file.open(failures.of_input, failures.note)

    @contextmanager
    def _query(self, database: Path, sql: str, on_error: OnUnreadable) -> Iterator[_Opened]:
        source = database if database.exists() else None
        with readers.read_query(sql, source, self.attach) as rows:
            silent = readers.skip_unreadable if self.skip else readers.raise_unreadable
            found = readers.make_entries(rows.read(silent), self.columns, silent)
            total = sum(1 for _ in islice(found, self.limit))
            yield readers.make_entries(rows.read(on_error), self.columns, on_error), total

    @contextmanager
    def _files(self, failures: Failures) -> Iterator[_Opened]:
        encodings = self.encodings or ("utf-8", "latin-1")
        choice = self._choose_files()
        failures.note_left_out(choice)
        prefix, prepend = self.columns.prefix, self.columns.prepend
        on_error = failures.of_input

        def read() -> Iterator[InputEntry]:
            for path, error in choice.problems.items():
                on_error(str(path), error)
            for id, value in readers.read_files(choice.files, encodings, self.binary, on_error):
                yield prefix + id, prepend + value if isinstance(value, str) else value, None

        yield read(), len(choice.files)

    def _choose_files(self) -> FoundFiles:
        try:
            return readers.find_files(self.files, exclude=self.exclude, all=self.all)
        except InvalidInputError as error:
            raise _WrongFolder(str(error)) from None


class _WrongFolder(click.ClickException):
    exit_code = 2  # as in llm
