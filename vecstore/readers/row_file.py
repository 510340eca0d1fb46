"""Reads a file or pipe of rows as entries: a file twice, to know first what is in all of it."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import BinaryIO, cast

from ..errors import VecstoreError
from .column_types import ColumnTypes, TypeSurvey
from .columns import Columns, make_entries, pair_with_entries
from .records import InputEntry, OnMessage, OnUnreadable, OpenedInput, Record
from .rows import TABLE_FORMATS, Layout, detect_format, read_rows
from .shapes import check_shapes
from .streams import RewindableStream


@dataclass(frozen=True)
class RowFile:
    """A file or pipe of rows, and how its rows become entries.

    Attributes:
        stream: at its beginning; whoever opened it closes it
        name: what messages call it
        can_seek: it is a file, and can be read twice; a pipe cannot
        limit: how many entries are taken
        skip: what is wrong is left out, and reading goes on
        detects_types: the metadata of CSV and TSV has the types of its columns; a pipe is then held
            in a temporary file
    """

    stream: BinaryIO
    name: str
    can_seek: bool
    layout: Layout
    columns: Columns
    limit: int | None
    skip: bool
    detects_types: bool

    @contextmanager
    def open(
        self, on_unreadable: OnUnreadable, warn: OnMessage, note: OnMessage
    ) -> Iterator[OpenedInput]:
        """Give the entries, and how many there are, which is not known of a pipe.

        :param warn: gets what looks wrong
        :param note: gets what explains that there are none
        """
        with ExitStack() as opened:
            stream = self.stream
            begun = RewindableStream(stream)
            format = detect_format(cast(BinaryIO, begun), self.name, self.layout)
            begun.rewind()
            is_table = format in TABLE_FORMATS
            told = replace(
                self,
                layout=replace(self.layout, format=format),
                columns=replace(self.columns, has_json_text=False),
                detects_types=self.detects_types and is_table and self.columns.has_metadata,
            )
            if self.can_seek or told.detects_types:
                if not self.can_seek:
                    stream = opened.enter_context(tempfile.TemporaryFile(prefix="vecstore-"))
                    shutil.copyfileobj(begun, stream)
                stream.seek(0)
                types, total = told._survey_columns(stream)
                stream.seek(0)
                told = replace(told, columns=replace(told.columns, types=types))
                yield OpenedInput(told._read_entries(stream, on_unreadable, warn, note), total)
            else:
                entries = told._read_entries(cast(BinaryIO, begun), on_unreadable, warn, note)
                yield OpenedInput(entries, None)

    def _read_entries(
        self, stream: BinaryIO, on_unreadable: OnUnreadable, warn: OnMessage, note: OnMessage
    ) -> Iterator[InputEntry]:
        rows = self._read_rows(stream, on_unreadable, warn, note)
        return make_entries(rows, self.columns, on_unreadable)

    def _read_rows(
        self, stream: BinaryIO, on_unreadable: OnUnreadable, warn: OnMessage, note: OnMessage
    ) -> Iterator[Record]:
        rows = read_rows(stream, self.name, self.layout, on_unreadable, note)
        if self.layout.rows is not None:
            return rows
        return check_shapes(rows, self.columns, warn)

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
        found = pair_with_entries(rows, self.columns, leave_out)
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
