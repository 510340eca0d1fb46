"""Moves a collection to a file, and from a file into a database, without a change of a byte."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from ..atomic_files import replacing
from ..entries import require_collection_name
from ..errors import ConstraintError, InvalidInputError, ModelMismatchError
from ..models import are_one_model
from ..prefixes import describe_prefix, require_prefix
from ..rows import CollectionRow, EmbeddingRow, row_portions
from ..store import Store
from ..stores import Database, opened_store
from ..values import quote
from ..vectors import dimension_error
from . import json_lines, parquet
from .header import ExportHeader

_PORTION = 100  # rows that an error names the first and the last of


def export_collection(
    db: Database | Store | str | Path, name: str, target: str | Path | BinaryIO
) -> ExportHeader:
    """Write a collection as it is at this moment to a file: JSON lines, or Parquet.

    All columns are there, so that nothing has to be embedded again. Others may write to the
    database meanwhile (in WAL mode; else they wait). Memory does not grow with the collection.

    :param db: a sqlite_utils.Database, the path of a file, a URL of PostgreSQL, or a store
    :param target: a path, where one that ends in .parquet is of a Parquet file, or a stream of
      bytes for JSON lines. A file appears, and takes the place of an older one, when it is complete
    :raises DoesNotExist: there is no such collection
    :raises NewerSchemaError: a later vecstore has migrated the database
    :raises InvalidInputError: a value cannot be Parquet; nothing is left of the file
    :raises DatabaseError: the file cannot be written
    :raises MissingPackageError: Parquet needs pyarrow
    """
    with (
        opened_store(db, read_only=True) as store,
        store.exporting(name) as (collection, number, rows),
    ):
        prefixes = store.prefixes(collection).by_name()
        header = ExportHeader(name, collection.model, number, **prefixes)
        _write(target, header, rows)
    return header


def _write(
    target: str | Path | BinaryIO, header: ExportHeader, rows: Iterator[EmbeddingRow]
) -> None:
    if not isinstance(target, str | Path):
        json_lines.write(target, header, rows)
        return
    path = Path(target).resolve()
    write = parquet.write if path.suffix == ".parquet" else json_lines.write
    with replacing(path) as temporary, temporary.open("wb") as stream:
        write(stream, header, rows)


def import_collection(
    db: Database | Store | str | Path,
    source: str | Path | BinaryIO,
    *,
    name: str | None = None,
) -> ExportHeader:
    """Read a collection from a file of export_collection() into a database.

    A collection that does not exist is created. In one that does, an entry of the file takes the
    place of a stored one of the same id, in all columns, and the others stay. A new one gets the
    prefixes of the one that was exported. The model need not be installed. All of it is one
    transaction, for which memory does not grow: after an error or a crash the database is as it
    was. What cannot be read twice, such as a pipe, is read to its end before that begins.

    :param db: a sqlite_utils.Database, the path of a file, which is created if need be, a URL of
      PostgreSQL, or a store
    :param source: a path, or a stream of bytes
    :param name: of the collection, if not that of the file
    :raises ModelMismatchError: the collection exists, with another model or document prefix
    :raises DimensionError: it has vectors of another dimension
    :raises InvalidInputError: the file is none of export_collection(), or not complete
    :raises MissingPackageError: Parquet needs pyarrow
    """
    with _seekable(source) as stream:
        is_parquet = stream.read(len(parquet.MAGIC)) == parquet.MAGIC
        stream.seek(0)
        header, rows = parquet.read(stream) if is_parquet else json_lines.read(stream)
        header = replace(
            header,
            collection=require_collection_name(name or header.collection),
            query_prefix=require_prefix("query_prefix", header.query_prefix),
            document_prefix=require_prefix("document_prefix", header.document_prefix),
        )
        with opened_store(db, create=True) as store:
            store.ensure_schema()
            with store.writing():
                collection = _store_rows(store, header, rows)
            store.end_load(collection)
    return header


def _store_rows(store: Store, header: ExportHeader, rows: Iterator[EmbeddingRow]) -> CollectionRow:
    """Write rows into a collection, which is created if need be. Belongs into a transaction.

    The last row of an id wins, over what is stored as well.
    """
    is_new = store.find(header.collection) is None
    collection = store.create(header.collection, header.model)
    if not are_one_model(header.model, collection.model):
        raise ModelMismatchError(
            f"Collection {quote(header.collection)} was made with the model {collection.model!r}, "
            f"not {header.model!r}: vectors of two models cannot be compared, so import it under "
            "another name"
        )
    if is_new:
        store.set_prefixes(collection, header.prefixes)
    _check_document_prefix(store, collection, header)
    fitting = rows if is_new else _fitting(store, collection, rows)
    portions = row_portions(fitting, _PORTION)
    number = sum(_put(store, collection, portion) for portion in portions)
    if number != header.entries:
        raise InvalidInputError(
            f"The file ends after {number:,} of {header.entries:,} entries: it is not complete"
        )
    return collection


def _check_document_prefix(store: Store, collection: CollectionRow, header: ExportHeader) -> None:
    own = store.prefixes(collection).document_prefix
    if own != header.document_prefix:
        raise ModelMismatchError(
            f"The document prefix of collection {quote(collection.name)} is "
            f"{describe_prefix(own)}, and that of the file is "
            f"{describe_prefix(header.document_prefix)}: vectors of two prefixes cannot be "
            "compared, so import it under another name"
        )


def _put(store: Store, collection: CollectionRow, rows: list[EmbeddingRow]) -> int:
    try:
        return store.put(collection, rows)
    except (ConstraintError, ValueError, OverflowError) as error:
        raise InvalidInputError(
            f"The entries from {quote(rows[0].id)} to {quote(rows[-1].id)} cannot be stored: "
            f"{error}"
        ) from error


def _fitting(
    store: Store, collection: CollectionRow, rows: Iterator[EmbeddingRow]
) -> Iterator[EmbeddingRow]:
    """Yield rows, up to one whose vector has another dimension than those of the collection."""
    fitting: set[int] = set()  # sizes of vectors
    for row in rows:
        size = len(row.embedding) if isinstance(row.embedding, bytes) else 0
        if size and size % 4 == 0 and size not in fitting:
            expected = store.dimensions(collection, size // 4)
            if expected not in (None, size // 4):
                raise dimension_error(f"The vector of {quote(row.id)}", size // 4, expected)
            fitting.add(size)
        yield row


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
