"""Vectors as they go to PostgreSQL and come from it: pgvector's binary form.

It is the number of dimensions and a zero, of two bytes each, and the numbers as float4, all in the
order of the network: https://github.com/pgvector/pgvector/blob/master/src/vector.c (vector_send).
Ours are float32 in the order of llm's files.
"""

import struct
from array import array
from typing import Any

from psycopg import Connection
from psycopg.adapt import Buffer, Dumper, Loader
from psycopg.pq import Format
from psycopg.types import TypeInfo

MAX_DIMENSIONS = 16_000  # of pgvector's type
_HEAD = struct.Struct(">HH")


class Vector(bytes):
    """Float32 bytes that are a vector to PostgreSQL, where other bytes are a bytea."""


class _VectorDumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: Any) -> Buffer | None:
        return _HEAD.pack(len(obj) // 4, 0) + _swapped(obj)


class _VectorLoader(Loader):
    format = Format.BINARY

    def load(self, data: Buffer) -> bytes:
        return _swapped(bytes(data)[_HEAD.size :])


def _swapped(data: bytes) -> bytes:
    """Return float32 bytes in the other order, of those of our files and of the network."""
    numbers = array("f", data)
    numbers.byteswap()
    return numbers.tobytes()


def register(connection: Connection[Any]) -> bool:
    """Have a connection take and give vectors; return whether the server has the type."""
    info = TypeInfo.fetch(connection, "vector")
    if info is None:
        return False
    info.register(connection)
    dumper = type("VectorDumper", (_VectorDumper,), {"oid": info.oid})
    connection.adapters.register_dumper(Vector, dumper)
    connection.adapters.register_loader(info.oid, _VectorLoader)
    return True
