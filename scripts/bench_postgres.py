"""Speed of the PostgreSQL store, beside a plain COPY and NumPy in the same run: ratios last.

    .venv/bin/python scripts/bench_postgres.py [--rows 100000] [--dimensions 384]

Loads made vectors, with texts and metadata, through Collection.embed_multi() with a model that
costs nothing; pushes the same rows from a file; builds the HNSW index; then asks for the nearest
ten, with conditions and with words too. COPY writes the same columns, with the same indexes, in
batches of the same size. NumPy has all vectors in memory, and says what the exact answer is.

A server of its own is started, from the wheel of the tests, and is gone afterwards; --url names
another, in which databases are made and dropped. What is in the tests' environment is enough.
"""

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg.types.json import Jsonb

import vecstore
from benchmark.synthetic import write_vectors
from tests.support.postgres_server import database_of, running_server
from vecstore.postgres.connection import PostgresDatabase
from vecstore.postgres.vectors import Vector
from vecstore.vectors import content_hash

Matrix = NDArray[np.float32]
Answer = Callable[[int], list[str]]  # the ids nearest to a query

_WORDS = 20_000  # of the vocabulary; the n-th word comes up once where the first does n times
_TEXT_WORDS = 12
_SHARES = (0.5, 0.1, 0.01)  # of the rows, that a condition keeps


class Prepared(vecstore.EmbeddingModel):
    """Returns vectors that are there already, by the number at the end of a text."""

    model_id = "prepared"

    def __init__(self, vectors: list[list[float]]) -> None:
        self.vectors = vectors

    def embed_batch(
        self,
        items: Iterable[str | bytes],
        *,
        key: str | None = None,  # noqa: ARG002 - this model needs none
    ) -> Iterator[list[float]]:
        return (self.vectors[int(str(item).rpartition(" ")[2])] for item in items)


class Data:
    """The rows, and the queries, which are not among them. Both are numbered from 0."""

    def __init__(self, rows: int, queries: int, dimensions: int, folder: Path) -> None:
        path = folder / f"{rows + queries}-{dimensions}.npy"
        if not path.exists():
            write_vectors(path, rows + queries, dimensions)
        vectors: Matrix = np.load(path)
        self.queries, self.rows = vectors[:queries], vectors[queries:]
        self.unit = self.rows / np.linalg.norm(self.rows, axis=1, keepdims=True)
        generator = random.Random(0)
        words = range(1, _WORDS + 1)
        weights = [1 / word for word in words]
        self.texts = [
            " ".join(f"w{word}" for word in generator.choices(words, weights, k=_TEXT_WORDS))
            for _ in range(rows)
        ]
        self.model = Prepared(vectors.tolist())

    def entries(self) -> Iterator[tuple[str, str, dict[str, int]]]:
        """Yield what embed_multi_with_metadata() takes; the model knows queries first."""
        first = len(self.queries)
        for number, text in enumerate(self.texts):
            yield str(number), f"{text} {first + number}", {"n": number % 1000}

    def columns(self) -> Iterator[tuple[Any, ...]]:
        """Yield the same entries as rows of the table."""
        for (id, text, metadata), vector in zip(self.entries(), self.rows, strict=True):
            yield 1, id, Vector(vector.tobytes()), text, content_hash(text), Jsonb(metadata), 0

    def nearest(self, query: int, keep: NDArray[np.bool_] | None = None) -> list[str]:
        """Return the exact answer: the ids of the nearest ten, of the rows to keep."""
        scores = self.unit @ self.queries[query]
        if keep is not None:
            scores = np.where(keep, scores, np.float32(-np.inf))
        best = np.argpartition(-scores, 10)[:10]
        return [str(number) for number in best[np.argsort(-scores[best])]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--dimensions", type=int, default=384)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--batch", type=int, default=1_000, help="rows of a transaction")
    parser.add_argument("--url", help="of a server, in place of one that is started")
    parser.add_argument("--durable", action="store_true", help="the server syncs to the disk")
    parser.add_argument(
        "--setting", action="append", default=[], help="line of postgresql.conf of that server"
    )
    parser.add_argument("--folder", type=Path, help="where vectors are kept for the next run")
    arguments = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = arguments.url
        if url is None:
            # As a server is set that has a machine of 4 GB to itself.
            settings = ["shared_buffers = 1GB", "maintenance_work_mem = 1GB", "max_wal_size = 4GB"]
            settings += arguments.setting
            server = running_server(durable=arguments.durable, settings=settings)
            url = stack.enter_context(server).url
        kept = arguments.folder or folder
        data = Data(arguments.rows, arguments.queries, arguments.dimensions, kept)
        url = stack.enter_context(database_of(url))
        with psycopg.connect(url) as connection:
            version = connection.info.parameter_status("server_version")
        durable = "synced" if arguments.durable or arguments.url else "not synced to the disk"
        print(f"{arguments.rows:,} x {arguments.dimensions}, PostgreSQL {version}, {durable}")
        collection = vecstore.Collection("bench", url, model=data.model)
        compare_loads(collection, data, arguments.batch, url)
        push(data, arguments.batch, folder, url)
        search(collection, data, "without an index")
        build(collection, url)
        search(collection, data, "with the index")
        search_with_conditions(collection, data)
        search_for_words(collection, data)
        collection.store.close()


def compare_loads(collection: vecstore.Collection, data: Data, batch: int, url: str) -> None:
    """Load the same rows by COPY and through the store."""
    rows = len(data.rows)
    database = PostgresDatabase(url)  # whose connections know vectors
    database.run(
        """
        CREATE TABLE plain (
          collection_id bigint,
          id text COLLATE "C",
          embedding vector,
          content text,
          content_hash bytea,
          metadata jsonb,
          updated bigint,
          PRIMARY KEY (collection_id, id)
        )
        """
    )
    database.run("CREATE INDEX ON plain (content_hash, collection_id)")
    columns = list(data.columns())
    copied = rows / seconds(lambda: copy(database.connection(), columns, batch))
    database.run("DROP TABLE plain")
    database.close()
    load = partial(collection.embed_multi_with_metadata, store=True, batch_size=batch)
    loaded = rows / seconds(lambda: load(data.entries()))
    print(f"load, rows/s: COPY {copied:,.0f}, store {loaded:,.0f}: 1/{copied / loaded:.2f}")
    again = rows / seconds(lambda: load(data.entries()))
    print(f"load of what is there, rows/s: {again:,.0f}")


def copy(connection: psycopg.Connection[Any], rows: Sequence[tuple[Any, ...]], batch: int) -> None:
    for start in range(0, len(rows), batch):
        with (
            connection.transaction(),
            connection.cursor() as cursor,
            cursor.copy(
                """
                copy plain (
                  collection_id, id, embedding, content, content_hash, metadata, updated
                )
                from stdin (format binary)
                """
            ) as copying,
        ):
            copying.set_types(["int8", "text", "vector", "text", "bytea", "jsonb", "int8"])
            for row in rows[start : start + batch]:
                copying.write_row(row)


def push(data: Data, batch: int, folder: Path, url: str) -> None:
    """Push the same rows from a file to another database of the server."""
    path = folder / "bench.db"
    file = vecstore.Collection("bench", path, model=data.model)
    file.embed_multi_with_metadata(data.entries(), store=True, batch_size=batch)
    file.db.close()
    with database_of(url) as other:
        command = [sys.executable, "-m", "vecstore", "push", str(path), other, "--no-index"]
        start = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, env=os.environ)
        if done.returncode:
            print(f"push failed: {done.stderr.strip()}")
        else:
            print(f"push, rows/s: {len(data.rows) / (time.perf_counter() - start):,.0f}")


def build(collection: vecstore.Collection, url: str) -> None:
    print(f"HNSW, s: {seconds(collection.build_graph):.1f}")
    with psycopg.connect(url) as connection:
        [(table, index)] = connection.execute(
            """
            select pg_table_size('embeddings'), sum(pg_relation_size(indexrelid))::bigint
            from pg_index
            join pg_class on pg_class.oid = indexrelid
            where indrelid = 'embeddings'::regclass
              and relname like 'vecstore_hnsw_%'
            """
        ).fetchall()
    rows = len(collection)
    print(f"bytes a row: table {table / rows:,.0f}, HNSW {index / rows:,.0f}")


def search(collection: vecstore.Collection, data: Data, name: str) -> None:
    """Compare the nearest ten with NumPy's."""
    queries = data.queries.tolist()

    def ask(query: int, **options: Any) -> list[str]:
        return [e.id for e in collection.similar_by_vector(queries[query], 10, **options)]

    report(f"top 10 {name}", ask, data.nearest, len(queries))
    report(
        f"top 10 {name}, exact", lambda query: ask(query, exact=True), data.nearest, len(queries)
    )


def search_with_conditions(collection: vecstore.Collection, data: Data) -> None:
    queries = data.queries.tolist()
    n = np.arange(len(data.rows)) % 1000
    for share in _SHARES:
        below = round(share * 1000)
        keep = n < below

        def ask(query: int, below: int = below) -> list[str]:
            where, args = "(metadata ->> 'n')::int < ?", [below]
            found = collection.similar_by_vector(queries[query], 10, where=where, where_args=args)
            return [entry.id for entry in found]

        def exact(query: int, keep: NDArray[np.bool_] = keep) -> list[str]:
            return data.nearest(query, keep)

        report(f"top 10 of {share:.0%}", ask, exact, min(len(queries), 50))


def search_for_words(collection: vecstore.Collection, data: Data) -> None:
    """Search by two words of a row and by what is near a query; no recall is known of that."""
    generator = random.Random(1)
    for mode in ("keywords", "hybrid"):
        times = []
        for query in range(len(data.queries)):
            words = generator.choice(data.texts).split()[:2]
            text = f"{' '.join(words)} {query}"

            def ask(text: str = text, mode: Any = mode) -> None:
                collection.search(text, 10, mode=mode)

            times.append(seconds(ask))
        print(f"{mode}, ms: {describe(times)}")


def report(name: str, ask: Answer, exact: Answer, number: int) -> None:
    """Print what a search takes, in turns with NumPy, and which part of its answer is found."""
    times: dict[str, list[float]] = {"ours": [], "numpy": []}
    found = 0
    for query in range(min(5, number)):
        ask(query)
    for query in range(number):
        start = time.perf_counter()
        expected = exact(query)
        times["numpy"].append(time.perf_counter() - start)
        start = time.perf_counter()
        ids = ask(query)
        times["ours"].append(time.perf_counter() - start)
        found += len({*ids} & {*expected})
    ratio = statistics.median(times["ours"]) / statistics.median(times["numpy"])
    recall = found / (10 * number)
    print(f"{name}, ms: {describe(times['ours'])}, {ratio:.2f} x NumPy, recall {recall:.4f}")


def describe(times: list[float]) -> str:
    p95 = sorted(times)[int(len(times) * 0.95)]
    return f"{statistics.median(times) * 1000:.2f} (p95 {p95 * 1000:.2f})"


def seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
