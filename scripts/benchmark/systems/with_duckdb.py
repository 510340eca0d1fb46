"""DuckDB: a scan with array_cosine_distance, or the HNSW index of its extension vss."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from . import Hit, System

if TYPE_CHECKING:
    from ..job import Condition
    from ..rows import Batch


class DuckFlat(System):
    def open(self) -> None:
        self.conn = duckdb.connect(str(self.folder / "duck.db"))

    def load(self, batches: Iterable[Batch]) -> None:
        self.open()
        self.conn.execute(
            f"""
            CREATE TABLE items (
              id BIGINT PRIMARY KEY, content TEXT, lot BIGINT, place BIGINT,
              embedding FLOAT[{self.dimensions}]
            )
            """
        )
        for batch in batches:
            vectors = pa.FixedSizeListArray.from_arrays(batch.vectors.ravel(), self.dimensions)
            columns = {
                "id": batch.numbers,
                "content": batch.texts,
                "lot": [metadata["lot"] for metadata in batch.metadata],
                "place": [metadata["place"] for metadata in batch.metadata],
                "embedding": vectors,
            }
            self.conn.register("batch", pa.table(columns))
            self.conn.execute("insert into items select * from batch")

    def search(self, vector: array[float], number: int, condition: Condition | None) -> list[Hit]:
        # Written into the statement: a list that is bound takes DuckDB longer than the search.
        query = ",".join(map(repr, vector))
        where = ""
        if condition is not None:
            field, low, high = condition
            where = f"where {field} >= {low} and {field} < {high}"
        rows = self.conn.execute(
            f"""
            select id, content, lot, place
            from items
            {where}
            order by array_cosine_distance(embedding, [{query}]::FLOAT[{self.dimensions}])
            limit {number}
            """
        ).fetchall()
        return [(id, text, {"lot": lot, "place": place}) for id, text, lot, place in rows]

    def close(self) -> None:
        self.conn.close()


class DuckHnsw(DuckFlat):
    """With a filter, the index is not used, or finds too few: so it is asked for none."""

    can_filter = False

    def open(self) -> None:
        # vss must be there before a file that has its index is opened.
        self.conn = duckdb.connect()
        self.conn.execute(f"load '{vss()}'")
        self.conn.execute("set hnsw_enable_experimental_persistence = true")
        self.conn.execute(f"attach '{self.folder / 'duck.db'}' as store")
        self.conn.execute("use store")

    def build(self) -> None:
        self.conn.execute(
            "CREATE INDEX items_hnsw ON items USING HNSW (embedding) WITH (metric = 'cosine')"
        )


def vss() -> str:
    """Return the file of the extension in the package duckdb-extension-vss, or its bare name."""
    package = find_spec("duckdb_extension_vss")
    if package is None or package.origin is None:
        return "vss"
    folder = Path(package.origin).parent / "extensions" / f"v{duckdb.__version__}"
    return str(folder / "vss.duckdb_extension")
