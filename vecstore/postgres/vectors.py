"""Vectors as they go to PostgreSQL and come from it: pgvector's binary form.

Ours are float32 in the order of llm's files.
"""

from typing import Any

from psycopg import Connection
from psycopg.adapt import Buffer, Dumper, Loader
from psycopg.pq import Format
from psycopg.types import TypeInfo

from ..vectors import PGVECTOR_HEAD, swap_bytes, to_pgvector

MAX_DIMENSIONS = 16_000  # of pgvector's type


class Vector(bytes):
    """Float32 bytes that are a vector to PostgreSQL, where other bytes are a bytea."""


class _VectorDumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: Any) -> Buffer | None:
        return to_pgvector(bytes(obj))


class _VectorLoader(Loader):
    format = Format.BINARY

    def load(self, data: Buffer) -> bytes:
        return swap_bytes(bytes(data)[PGVECTOR_HEAD.size :])


def register(connection: Connection[Any], oid: int, array_oid: int) -> None:
    """Have a connection take and give vectors and arrays of them, types of these numbers."""
    TypeInfo("vector", oid, array_oid).register(connection)
    dumper = type("VectorDumper", (_VectorDumper,), {"oid": oid})
    connection.adapters.register_dumper(Vector, dumper)
    connection.adapters.register_loader(oid, _VectorLoader)
