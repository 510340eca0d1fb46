"""Speed beside a bare vec0 table, in the same run: machines differ, ratios last.

    .venv/bin/python scripts/against_vec0.py [--rows 100000] [--dimensions 384] [--tuned]

Loads the same random vectors, in the same batches, into one vec0 table and through
Collection.embed_multi() with a model that costs nothing; does the latter once more, with other
vectors; then asks both for the nearest ten. The bare table is in a file with SQLite's defaults and
WAL mode; with --tuned, it has the larger pages and the memory map of vecstore's own files. Needs
nothing but vecstore; scripts/bench measures more.
"""

import argparse
import array
import random
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from sqlite_utils import Database

import vecstore
from benchmark.systems.with_vecstore import Prepared


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--dimensions", type=int, default=384)
    parser.add_argument("--folder", type=Path, help="where the two files are while this runs")
    parser.add_argument("--tuned", action="store_true")
    parser.add_argument("--batch", type=int, default=100, help="rows of a transaction")
    parser.add_argument("--index", choices=["inside", "beside"], default="inside")
    arguments = parser.parse_args()
    generator = random.Random(0)

    def blobs(count: int) -> list[bytes]:
        return [
            array.array("f", (generator.gauss(0, 1) for _ in range(arguments.dimensions))).tobytes()
            for _ in range(count)
        ]

    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        bare = open_bare(Path(folder) / "bare.db", arguments.tuned)
        compare(Path(folder), bare, blobs(arguments.rows), blobs(20), arguments)


def open_bare(path: Path, tuned: bool) -> Database:
    if tuned:
        return vecstore.connect(path)
    with closing(sqlite3.connect(path)) as conn:
        conn.execute("pragma journal_mode = wal")
    db = vecstore.connect(path)
    db.execute("pragma mmap_size = 0").fetchall()
    db.execute("pragma cache_size = -2000")
    return db


def compare(
    folder: Path,
    bare: Database,
    blobs: list[bytes],
    queries: list[bytes],
    arguments: argparse.Namespace,
) -> None:
    bare_rate = len(blobs) / seconds(lambda: load_bare(bare, blobs, arguments.batch))
    model = Prepared({})
    path = folder / "store.db"
    collection = vecstore.Collection("bench", path, model=model, index=arguments.index)

    def load(name: str, vectors: list[bytes]) -> None:
        model.blobs = {f"{name} {number}": blob for number, blob in enumerate(vectors)}
        entries = ((f"id-{n}", f"{name} {n}", {"n": n}) for n in range(len(vectors)))
        collection.embed_multi_with_metadata(entries, store=True, batch_size=arguments.batch)
        collection.similar_by_vector(vecstore.decode(queries[0]), 1)  # brings an index into step

    print(f"driver: {type(collection.db.conn).__module__}, index {arguments.index}")
    for name, vectors in (("load", blobs), ("update", blobs[::-1])):
        rate = len(blobs) / seconds(partial(load, name, vectors))
        ratio = f"1/{bare_rate / rate:.2f}"
        print(f"{name}, rows/s: bare {bare_rate:,.0f}, vecstore {rate:,.0f}: {ratio}")
    compare_search(bare, collection, queries, {})
    compare_search(bare, collection, queries, {"exact": True})
    bare.close()
    collection.db.close()
    for name in ("bare.db", "store.db"):
        print(f"{name}: {(folder / name).stat().st_size / 1e6:.1f} MB")


def compare_search(
    bare: Database,
    collection: vecstore.Collection,
    queries: list[bytes],
    options: dict[str, Any],
) -> None:
    times: dict[str, list[float]] = {"bare": [], "vecstore": []}
    for query in queries:  # in turn: noise hits both
        vector = vecstore.decode(query)
        times["bare"].append(seconds(partial(search_bare, bare, query)))
        search = partial(collection.similar_by_vector, vector, **options)
        times["vecstore"].append(seconds(search))
    bare_ms, ms = (statistics.median(times[key]) * 1000 for key in ("bare", "vecstore"))
    name = "vecstore" + "".join(f", {option}" for option in options)
    print(f"search, ms: bare {bare_ms:.1f}, {name} {ms:.1f}: {ms / bare_ms:.2f}")


def load_bare(db: Database, blobs: list[bytes], batch: int) -> None:
    dimensions = len(blobs[0]) // 4
    db.execute(
        f"create virtual table vectors using vec0(embedding float[{dimensions}] "
        "distance_metric=cosine)"
    )
    for start in range(0, len(blobs), batch):
        db.conn.execute("begin immediate")
        db.conn.executemany(
            "insert into vectors (rowid, embedding) values (?, ?)",
            list(enumerate(blobs[start : start + batch], start=start + 1)),
        )
        db.conn.execute("commit")


def search_bare(db: Database, blob: bytes) -> None:
    db.execute(
        "select rowid, distance from vectors where embedding match ? and k = 10", [blob]
    ).fetchall()


def seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
