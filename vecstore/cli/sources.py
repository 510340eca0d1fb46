"""What `vecstore embed-multi` reads: a file of rows, a query, or folders of files, as entries."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import click

from .. import readers
from ..errors import InvalidInputError, VecstoreError
from ..postgres_url import is_url
from ..readers import FoundFiles, InputEntry, OpenedInput, RowFile
from ..settings import DatabaseName
from .content import open_standard_input
from .failures import Failures
from .input_options import InputOptions


@contextmanager
def open_input(
    input: InputOptions, database: DatabaseName, failures: Failures
) -> Iterator[OpenedInput]:
    """Give the entries that the options name, and their number where it can be known.

    A file or a query is read to its end before anything is given: what is wrong with it is found
    before anything is written.

    :param database: that of the collection: a file is `main` in a query
    :param failures: learns what is left out
    """
    with _open_source(input, database, failures) as (entries, total):
        if input.limit is not None:
            entries = islice(entries, input.limit)
            total = None if total is None else min(total, input.limit)
        yield OpenedInput(entries, total)


def _open_source(
    input: InputOptions, database: DatabaseName, failures: Failures
) -> AbstractContextManager[OpenedInput]:
    if input.sql:
        return _open_query(input, input.sql, database, failures)
    if input.path:
        return _open_rows(input, input.path, failures)
    return _open_files(input, failures)


@contextmanager
def _open_rows(input: InputOptions, path: str, failures: Failures) -> Iterator[OpenedInput]:
    layout, columns = input.make_layout(), input.make_columns()
    with ExitStack() as opened:
        stream, is_file = _open_stream(path, opened)
        file = RowFile(
            stream,
            "standard input" if path == "-" else path,
            is_file,
            layout,
            columns,
            limit=input.limit,
            skip=failures.skip,
            detects_types=not input.row_options.no_detect_types,
        )
        yield opened.enter_context(file.open(failures.add_unreadable, _warn, failures.note))


def _open_stream(path: str, opened: ExitStack) -> tuple[BinaryIO, bool]:
    """Return what is read, and whether it is a file, which can be read twice."""
    if path == "-":
        return open_standard_input(), False
    if Path(path).is_dir():
        raise click.UsageError(f"{Path(path)} is a folder: embed what is in it with --files")
    return opened.enter_context(Path(path).open("rb")), Path(path).is_file()


@contextmanager
def _open_query(
    input: InputOptions, sql: str, database: DatabaseName, failures: Failures
) -> Iterator[OpenedInput]:
    columns, report = input.make_columns(), failures.add_unreadable
    if is_url(database) and not input.attach:
        raise click.UsageError(
            "--sql reads SQLite files, and the collection is in PostgreSQL: name one with --attach"
        )
    main = None if is_url(database) else database
    with readers.read_query(sql, main, input.attach) as rows:
        silent = readers.skip_unreadable if failures.skip else readers.raise_unreadable
        found = readers.make_entries(rows.read(silent), columns, silent)
        total = sum(1 for _ in islice(found, input.limit))
        yield OpenedInput(readers.make_entries(rows.read(report), columns, report), total)


@contextmanager
def _open_files(input: InputOptions, failures: Failures) -> Iterator[OpenedInput]:
    found = _find_files(input)
    failures.note_left_out(found)
    failures.unread_ids.update(input.prefix + id for id in found.broken_links)
    yield OpenedInput(_read_files(input, found, failures), len(found.files))


def _find_files(input: InputOptions) -> FoundFiles:
    try:
        return readers.find_files(input.files, exclude=input.exclude, all=input.all)
    except InvalidInputError as error:
        raise _WrongFolder(str(error)) from None


def _read_files(input: InputOptions, found: FoundFiles, failures: Failures) -> Iterator[InputEntry]:

    def report(id: str, error: VecstoreError) -> None:
        failures.add_unreadable(id, error, input.prefix + id)

    for path, error in found.problems.items():
        failures.add_unreadable(str(path), error)
    encodings = input.encodings or readers.FILE_ENCODINGS
    for id, value in readers.read_files(found.files, encodings, input.binary, report):
        content = input.prepend + value if isinstance(value, str) else value
        yield input.prefix + id, content, None


def _warn(message: str) -> None:
    click.echo(f"Warning: {message}", err=True)


class _WrongFolder(click.ClickException):
    exit_code = 2  # as in llm
