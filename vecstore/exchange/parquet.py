"""A collection as a Parquet file: the columns of `embeddings`, vectors as lists of float32.

The header is in the metadata of the file's schema, under "vecstore", as JSON.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, BinaryIO

from ..errors import InvalidInputError, MissingPackageError
from ..rows import EmbeddingRow, row_portions
from ..values import quote
from .header import ExportHeader

MAGIC = b"PAR1"
_KEY = b"vecstore"
_GROUP = 2000  # rows
_TYPES = dict(zip(EmbeddingRow._fields, (str, bytes, str, bytes, bytes, str, int), strict=True))


def write(stream: BinaryIO, header: ExportHeader, rows: Iterator[EmbeddingRow]) -> None:
    """Write a collection to a stream of bytes.

    :raises InvalidInputError: a value is not of its column's type, which JSON lines can hold
    :raises MissingPackageError: pyarrow is not installed
    """
    pa = _pyarrow()
    arrow = {str: pa.large_string(), bytes: pa.large_binary(), int: pa.int64()}
    types = {name: arrow[type] for name, type in _TYPES.items()}
    types["embedding"] = pa.large_list(pa.float32())
    told = {name: value for name, value in asdict(header).items() if value is not None}
    schema = pa.schema(types.items(), {_KEY: json.dumps(told)})
    with pa.parquet.ParquetWriter(stream, schema) as writer:
        for portion in row_portions(map(_checked, rows), _GROUP):
            columns = [
                _lists(pa, values) if name == "embedding" else pa.array(values, types[name])
                for name, values in zip(types, zip(*portion, strict=True), strict=True)
            ]
            writer.write_batch(pa.record_batch(columns, schema=schema))


def _checked(row: EmbeddingRow) -> EmbeddingRow:
    for (name, type), value in zip(_TYPES.items(), row, strict=True):
        is_vector = name != "embedding" or len(row.embedding or b"") % 4 == 0
        if value is not None and not (isinstance(value, type) and is_vector):
            raise InvalidInputError(
                f"The {name} of {quote(row[0])} is {quote(value)}, which a Parquet file of "
                f"{type.__name__} cannot hold: export JSON lines"
            )
    return row


def read(stream: BinaryIO) -> tuple[ExportHeader, Iterator[EmbeddingRow]]:
    """Return what is in a file; the rows are read as they are asked for.

    :raises InvalidInputError: it is no Parquet file of vecstore's
    :raises MissingPackageError: pyarrow is not installed
    """
    pa = _pyarrow()
    try:
        file = pa.parquet.ParquetFile(stream)
        header = ExportHeader(**json.loads(file.schema_arrow.metadata[_KEY]))
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise InvalidInputError(f"This is no Parquet file of vecstore: {error}") from error
    return header, _rows(file)


def _rows(file: Any) -> Iterator[EmbeddingRow]:
    for batch in file.iter_batches(batch_size=_GROUP, columns=list(EmbeddingRow._fields)):
        columns = [
            _blobs(batch[name]) if name == "embedding" else batch[name].to_pylist()
            for name in EmbeddingRow._fields
        ]
        yield from map(EmbeddingRow._make, zip(*columns, strict=True))


def _lists(pa: Any, blobs: tuple[Any, ...]) -> Any:
    """Return vectors as an array of lists, in which the bytes are what they were."""
    offsets: list[int | None] = []
    end = 0
    for blob in blobs:
        offsets.append(None if blob is None else end)
        end += len(blob or b"") // 4
    data = pa.py_buffer(b"".join(blob for blob in blobs if blob is not None))
    numbers = pa.Array.from_buffers(pa.float32(), end, [None, data])
    return pa.LargeListArray.from_arrays(pa.array([*offsets, end], pa.int64()), numbers)


def _blobs(lists: Any) -> list[bytes | None]:
    data = memoryview(lists.values.buffers()[1] or b"").cast("B")
    begin = 4 * lists.values.offset
    ends = [begin + 4 * offset for offset in lists.offsets.to_pylist()]
    return [
        bytes(data[start:end]) if valid else None
        for start, end, valid in zip(ends, ends[1:], lists.is_valid().to_pylist(), strict=False)
    ]


def _pyarrow() -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingPackageError(
            "Parquet needs pyarrow: pip install 'sqlite-vecstore[parquet]', or use JSON lines"
        ) from error
    return pyarrow
