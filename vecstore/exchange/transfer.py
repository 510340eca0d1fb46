"""Moves a collection to a file, and from a file into a database, without a change of a byte."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from sqlite_utils import Database

from ..sqlite import catalog, schema, transactions
from ..sqlite.connection import interrupts
from ..sqlite.maintenance import files
from . import json_lines, parquet, rows
from .rows import ExportHeader, Row


def export_collection(
    db: Database | str | Path, name: str, target: str | Path | BinaryIO
) -> ExportHeader:
    """Write a collection as it is at this moment to a file: JSON lines, or Parquet.

    All columns are there, so that nothing has to be embedded again. Others may write to the
    database meanwhile (in WAL mode; else they wait). Memory does not grow with the collection.

    :param db: a sqlite_utils.Database, or the path of a file
    :param target: a path, where one that ends in .parquet is of a Parquet file, or a stream of
      bytes for JSON lines. A file appears, and takes the place of an older one, when it is complete
    :raises DoesNotExist: there is no such collection
    :raises NewerSchemaError: a later vecstore has migrated the database
    :raises InvalidInputError: a value cannot be Parquet; nothing is left of the file
    :raises DatabaseError: the file cannot be written
    :raises MissingPackageError: Parquet needs pyarrow
    """
    with files.opened(db, read_only=True) as opened, transactions.reading(opened):
        return _export(opened, name, target)


def _export(db: Database, name: str, target: str | Path | BinaryIO) -> ExportHeader:
    schema.pending(db)  # raises for a newer one
    header, cursor = rows.read(db, name)
    # What is raised may be kept, as in a notebook, and would keep the rows that are left: SQLite
    # then refuses to write after another's commit.
    with interrupts.ending(cursor.close):
        _write(target, header, cursor)
    return header


def _write(target: str | Path | BinaryIO, header: ExportHeader, found: Iterator[Row]) -> None:
    if not isinstance(target, str | Path):
        json_lines.write(target, header, found)
        return
    path = Path(target).resolve()
    write = parquet.write if path.suffix == ".parquet" else json_lines.write
    with files.replacing(path) as temporary, temporary.open("wb") as stream:
        write(stream, header, found)


def import_collection(
    db: Database | str | Path, source: str | Path | BinaryIO, *, name: str | None = None
) -> ExportHeader:
    """Read a collection from a file of export_collection() into a database.

    A collection that does not exist is created. In one that does, an entry of the file takes the
    place of a stored one of the same id, in all columns, and the others stay. The model need not be
    installed. All of it is one transaction, for which memory does not grow: after an error or a
    crash the database is as it was. What cannot be read twice, such as a pipe, is read to its end
    before that begins.

    :param db: a sqlite_utils.Database, or the path of a file, which is created if need be
    :param source: a path, or a stream of bytes
    :param name: of the collection, if not that of the file
    :raises ModelMismatchError: the collection exists, with another model
    :raises DimensionError: it has vectors of another dimension
    :raises InvalidInputError: the file is none of export_collection(), or not complete
    :raises MissingPackageError: Parquet needs pyarrow
    """
    with _seekable(source) as stream:
        is_parquet = stream.read(len(parquet.MAGIC)) == parquet.MAGIC
        stream.seek(0)
        header, found = parquet.read(stream) if is_parquet else json_lines.read(stream)
        header = replace(header, collection=catalog.check_name(name or header.collection))
        with files.opened(db, create=True) as opened:
            schema.ensure(opened)
            transactions.write(opened, lambda: rows.write(opened, header, found))
    return header


@contextmanager
def _seekable(source: str | Path | BinaryIO) -> Iterator[BinaryIO]:
    if isinstance(source, str | Path):
        with Path(source).open("rb") as file, _seekable(file) as stream:
            yield stream
    elif source.seekable():
        yield source
    else:
        with tempfile.TemporaryFile() as copy:
            shutil.copyfileobj(source, copy)
            copy.seek(0)
            yield copy
