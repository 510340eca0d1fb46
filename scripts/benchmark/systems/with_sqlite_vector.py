"""SQLite AI's sqlite-vector: vectors in an ordinary table, and bytes of all of them in memory."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable
from importlib.resources import files
from typing import TYPE_CHECKING

import apsw

from . import Hit, System
from .bare_vec0 import TUNED

if TYPE_CHECKING:
    from ..job import Condition
    from ..rows import Batch


class SqliteVector(System):
    """As its documentation recommends: quantized, and preloaded when the file is opened."""

    can_edit = True

    def open(self) -> None:
        self.conn = apsw.Connection(str(self.folder / "vector.db"))
        self.conn.enable_load_extension(True)
        self.conn.load_extension(str(files("sqlite_vector.binaries") / "vector"))
        for pragma in TUNED:
            self.conn.execute(pragma).fetchall()
        if self.conn.table_exists("main", "items"):
            self.call("vector_init", f"dimension={self.dimensions},type=FLOAT32,distance=COSINE")
            self.call("vector_quantize_preload")

    def load(self, batches: Iterable[Batch]) -> None:
        self.open()
        self.conn.execute(
            """
            CREATE TABLE items (
              id INTEGER PRIMARY KEY, content TEXT, metadata TEXT, embedding BLOB
            )
            """
        )
        for field in ("lot", "place"):
            self.conn.execute(
                f"CREATE INDEX items_{field} ON items (json_extract(metadata, '$.{field}'))"
            )
        for batch in batches:
            with self.conn:
                self.insert(batch)

    def insert(self, batch: Batch) -> None:
        self.conn.executemany(
            "insert or replace into items (id, content, metadata, embedding) values (?, ?, ?, ?)",
            [
                (number, text, json.dumps(metadata), vector.tobytes())
                for number, vector, text, metadata in zip(*batch, strict=True)
            ],
        )

    def build(self) -> None:
        self.call("vector_init", f"dimension={self.dimensions},type=FLOAT32,distance=COSINE")
        self.call("vector_quantize")

    def call(self, function: str, *options: str) -> None:
        marks = ", ?" * len(options)
        self.conn.execute(f"select {function}('items', 'embedding'{marks})", options).fetchall()

    def edit(self, replaced: Batch, deleted: list[int], added: Batch) -> None:
        """Change the table, and quantize it again, which is what its documentation asks for."""
        with self.conn:
            self.insert(replaced)
            self.insert(added)
            self.conn.executemany("delete from items where id = ?", [(n,) for n in deleted])
        self.call("vector_quantize")
        self.call("vector_quantize_preload")

    def search(self, vector: array[float], number: int, condition: Condition | None) -> list[Hit]:
        bound = {"vector": vector.tobytes(), "number": number}
        if condition is None:
            scan, where, limit = ", :number", "", ""
        else:  # without a number it gives all rows, and SQLite joins, filters and orders them
            field = f"json_extract(items.metadata, '$.{condition.field}')"
            scan, where, limit = "", f"where {field} >= :low and {field} < :high", "limit :number"
            bound |= {"low": condition.low, "high": condition.high}
        rows = self.conn.execute(
            f"""
            select items.id, items.content, items.metadata
            from vector_quantize_scan('items', 'embedding', :vector{scan}) as nearest
            join items on items.id = nearest.rowid
            {where}
            order by nearest.distance
            {limit}
            """,
            bound,
        )
        return [(id, content, json.loads(metadata)) for id, content, metadata in rows]

    def close(self) -> None:
        self.conn.close()
