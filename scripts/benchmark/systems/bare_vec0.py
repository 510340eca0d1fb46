"""sqlite-vec alone: a vec0 table of vectors beside an ordinary table of texts and metadata."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

import apsw
import sqlite_vec

from . import Hit, System

if TYPE_CHECKING:
    from ..job import Condition
    from ..rows import Batch

DEFAULTS = ("pragma journal_mode = wal", "pragma cache_size = -2000", "pragma mmap_size = 0")
TUNED = (
    "pragma page_size = 8192",
    "pragma journal_mode = wal",
    "pragma cache_size = -16384",
    "pragma mmap_size = 2147418112",
)


class Vec0(System):
    """Vectors and the field to filter by in vec0, with SQLite's own defaults and WAL mode."""

    can_change = True
    pragmas: ClassVar[tuple[str, ...]] = DEFAULTS
    table: ClassVar[str] = "embedding float[{}] distance_metric=cosine, lot integer, place integer"
    insert: ClassVar[str] = "insert into vectors (rowid, embedding, lot, place) values (?, ?, ?, ?)"

    def open(self) -> None:
        self.conn = apsw.Connection(str(self.folder / "vec0.db"))
        self.conn.enable_load_extension(True)
        self.conn.load_extension(sqlite_vec.loadable_path())
        for pragma in self.pragmas:
            self.conn.execute(pragma).fetchall()

    def load(self, batches: Iterable[Batch]) -> None:
        self.open()
        self.create(self.table.format(self.dimensions))
        for batch in batches:
            with self.conn:
                self.conn.executemany(
                    self.insert,
                    [
                        (number, vector.tobytes(), metadata["lot"], metadata["place"])
                        for number, vector, _, metadata in zip(*batch, strict=True)
                    ],
                )
                self.insert_items(batch)

    def create(self, columns: str) -> None:
        self.conn.execute(
            f"""
            CREATE VIRTUAL TABLE vectors USING vec0({columns});
            CREATE TABLE items (id INTEGER PRIMARY KEY, content TEXT, metadata TEXT);
            """
        )

    def insert_items(self, batch: Batch) -> None:
        self.conn.executemany(
            "insert into items (id, content, metadata) values (?, ?, ?)",
            [
                (number, text, json.dumps(metadata))
                for number, _, text, metadata in zip(*batch, strict=True)
            ],
        )

    def update(self, batches: Iterable[Batch]) -> None:
        for batch in batches:
            with self.conn:
                self.conn.executemany(
                    "update vectors set embedding = ? where rowid = ?",
                    [(v.tobytes(), n) for n, v in zip(batch.numbers, batch.vectors, strict=True)],
                )
                self.conn.executemany(
                    "update items set content = ? where id = ?",
                    list(zip(batch.texts, batch.numbers, strict=True)),
                )

    def delete(self, numbers: list[int]) -> None:
        ids = [(number,) for number in numbers]
        with self.conn:
            self.conn.executemany("delete from vectors where rowid = ?", ids)
            self.conn.executemany("delete from items where id = ?", ids)

    def search(self, vector: array[float], number: int, condition: Condition | None) -> list[Hit]:
        rows = self.conn.execute(
            f"""
            with nearest as materialized (
              select rowid, distance
              from vectors
              where embedding match :vector
                and k = :number
                {met(condition)}
            )
            select items.id, items.content, items.metadata
            from nearest
            join items on items.id = nearest.rowid
            order by nearest.distance
            """,
            {"vector": vector.tobytes(), "number": number, **bounds(condition)},
        )
        return [(id, content, json.loads(metadata)) for id, content, metadata in rows]

    def close(self) -> None:
        self.conn.close()


def met(condition: Condition | None) -> str:
    """Return the clause for a condition on columns of the vec0 table."""
    field = condition and condition.field
    return f"and {field} >= :low and {field} < :high" if condition else ""


def bounds(condition: Condition | None) -> dict[str, int]:
    return {"low": condition.low, "high": condition.high} if condition else {}


class TunedVec0(Vec0):
    """The same, with larger pages and cache, and a memory map."""

    pragmas = TUNED


class Vec0Bits(Vec0):
    """The signs of the vectors in vec0: eight times as many rows as asked for, compared exactly."""

    can_change = False
    pragmas = TUNED
    table = "embedding bit[{}], lot integer, place integer"
    insert = """
        insert into vectors (rowid, embedding, lot, place)
        values (?, vec_quantize_binary(?), ?, ?)
        """

    def create(self, columns: str) -> None:
        super().create(columns)
        self.conn.execute("ALTER TABLE items ADD COLUMN embedding BLOB")

    def insert_items(self, batch: Batch) -> None:
        self.conn.executemany(
            "insert into items (id, content, metadata, embedding) values (?, ?, ?, ?)",
            [
                (number, text, json.dumps(metadata), vector.tobytes())
                for number, vector, text, metadata in zip(*batch, strict=True)
            ],
        )

    def search(self, vector: array[float], number: int, condition: Condition | None) -> list[Hit]:
        rows = self.conn.execute(
            f"""
            with candidates as materialized (
              select rowid
              from vectors
              where embedding match vec_quantize_binary(:vector)
                and k = 8 * :number
                {met(condition)}
            ),
            nearest as materialized (
              select items.id, vec_distance_cosine(items.embedding, :vector) as distance
              from candidates
              join items on items.id = candidates.rowid
              order by distance
              limit :number
            )
            select items.id, items.content, items.metadata
            from nearest
            join items on items.id = nearest.id
            order by nearest.distance
            """,
            {"vector": vector.tobytes(), "number": number, **bounds(condition)},
        )
        return [(id, content, json.loads(metadata)) for id, content, metadata in rows]
