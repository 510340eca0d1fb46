"""Reads a file or pipe of rows as entries: a file twice, to know first what is in all of it."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

import click

from .. import readers
from ..errors import VecstoreError
from ..readers import Columns, ColumnTypes, InputEntry, Layout, OnMessage, OnUnreadable, TypeSurvey
from .content import open_standard_input


class OpenedInput(NamedTuple):
    """The entries of an input that is open, and how many there are, where that is known."""

    entries: Iterator[InputEntry]
    total: int | None


@dataclass(frozen=True)
class RowFile:
    """A file or pipe of rows, and how its rows become entries.

    Attributes:
        path: "-" is standard input
        limit: how many entries are taken
        skip: what is wrong is left out, and reading goes on
        detects_types: the metadata of CSV and TSV has the types of its columns; a pipe is then held
            in a temporary file
    """

    path: str
    layout: Layout
    columns: Columns
    limit: int | None
    skip: bool
    detects_types: bool

    @contextmanager
    def open(self, on_unreadable: OnUnreadable, note: OnMessage) -> Iterator[OpenedInput]:
        """Give the entries, and how many there are, which is not known of a pipe.

        :param note: gets what explains that there are none
        """
        with ExitStack() as opened:
            stream, is_file = self._open_stream(opened)
            begun = readers.RewindableStream(stream)
            format = readers.detect_format(cast(BinaryIO, begun), self._name, self.layout)
            begun.rewind()
            is_table = format in readers.TABLE_FORMATS
            told = replace(
                self,
                layout=replace(self.layout, format=format),
                columns=replace(self.columns, has_json_text=False),
                detects_types=self.detects_types and is_table and self.columns.has_metadata,
            )
            if is_file or told.detects_types:
                if not is_file:
                    stream = opened.enter_context(tempfile.TemporaryFile(prefix="vecstore-"))
                    shutil.copyfileobj(begun, stream)
                stream.seek(0)
                types, total = told._survey_columns(stream)
                stream.seek(0)
                told = replace(told, columns=replace(told.columns, types=types))
                yield OpenedInput(told._read_entries(stream, on_unreadable, note), total)
            else:
                entries = told._read_entries(cast(BinaryIO, begun), on_unreadable, note)
                yield OpenedInput(entries, None)

    @property
    def _name(self) -> str:
        return "standard input" if self.path == "-" else self.path

    def _open_stream(self, opened: ExitStack) -> tuple[BinaryIO, bool]:
        """Return what is read, and whether it is a file: a pipe cannot be read twice."""
        path = Path(self.path)
        if self.path == "-":
            return open_standard_input(), False
        if path.is_dir():
            raise click.UsageError(f"{path} is a folder: embed what is in it with --files")
        return opened.enter_context(path.open("rb")), path.is_file()

    def _read_entries(
        self, stream: BinaryIO, on_unreadable: OnUnreadable, note: OnMessage
    ) -> Iterator[InputEntry]:
        rows = self._read_rows(stream, on_unreadable, _warn, note)
        return readers.make_entries(rows, self.columns, on_unreadable)

    def _read_rows(
        self, stream: BinaryIO, on_unreadable: OnUnreadable, warn: OnMessage, note: OnMessage
    ) -> Iterator[readers.Record]:
        rows = readers.read_rows(stream, self._name, self.layout, on_unreadable, note)
        if self.layout.rows is not None:
            return rows
        return readers.check_shapes(rows, self.columns, warn)

    def _survey_columns(self, stream: BinaryIO) -> tuple[ColumnTypes | None, int]:
        """Return the types of the columns, if they count, and how many entries there will be.

        The whole of a column tells its type, but what is wrong after the last entry is no error.
        """
        survey = TypeSurvey() if self.detects_types else None
        total = 0

        def is_done() -> bool:
            return self.limit is not None and total >= self.limit

        def leave_out(_place: str, error: VecstoreError) -> None:
            # What is left out is said, and written to a file, the second time.
            if not self.skip and not is_done():
                raise error

        rows = self._read_rows(stream, leave_out, _keep_quiet, _keep_quiet)
        found = readers.pair_with_entries(rows, self.columns, leave_out)
        try:
            while survey or not is_done():
                record, _ = next(found)
                total += 1
                if survey:
                    survey.watch(self.columns.select_metadata(record.row))
        except StopIteration:
            pass
        except VecstoreError:
            if not is_done():
                raise
        return survey.find_types() if survey else None, total


def _keep_quiet(_message: str) -> None:
    pass


def _warn(message: str) -> None:
    click.echo(f"Warning: {message}", err=True)
