"""Collections that are copied between a file and PostgreSQL, and a process that does so.

python -m tests.support.copied push|pull FILE URL: it prints a line for each portion that is done.
"""

import json
import sys
from contextlib import closing
from typing import Any

import vecstore
from tests.support.models import Pseudorandom, pseudorandom
from vecstore.metadata import jsonb_text
from vecstore.prefixes import Prefixes
from vecstore.rows import EmbeddingRow
from vecstore.stores import opened_store

HOSTILE = ["", " ", "'", '"', "%s", "ü漢😀", "a#1", "\ud7ff", "x" * 2600, "\\", "\n", "é", "z%%"]
METADATA: list[str | None] = [
    None,
    "{}",
    '{"b": 1, "a": [1.0, 1e2, -0, 0.10, true, null, {"z": "\\u00e9\\n"}]}',
    '{"n": 9007199254740993, "f": 1e-7, "big": 123456789012345678901234567890}',
    '{"k": 1, "k": 2}',
    '"text alone"',
    "[1, 2]",
]


def fill(path: str, name: str = "pets", rows: list[EmbeddingRow] | None = None) -> None:
    """Make a collection with rows in a file, which need not be there."""
    with opened_store(path, create=True) as store:
        store.ensure_schema()
        row = store.find(name) or store.create(name, Pseudorandom.model_id)
        with store.writing():
            store.put(row, hostile_rows() if rows is None else rows)


def hostile_rows() -> list[EmbeddingRow]:
    """Rows of all the kinds that both databases can hold."""
    rows = [row_of(id, METADATA[n % len(METADATA)]) for n, id in enumerate(HOSTILE)]
    blob = rows[1]._replace(id="blob", content=None, content_blob=bytes(range(256)))
    both = rows[1]._replace(id="both", content="", content_blob=b"")
    nothing = EmbeddingRow("nothing", None, None, None, None, None, None)
    other = rows[1]._replace(id="of other dimensions", embedding=vecstore.encode([1, -0.0]))
    return [*rows, blob, both, nothing, other]


def row_of(id: str, metadata: str | None = None) -> EmbeddingRow:
    text = f"text of {id}"
    vector = vecstore.encode(pseudorandom(text, 32))
    return EmbeddingRow(id, vector, text, None, vecstore.content_hash(text), metadata, 1767)


def numbered_rows(count: int) -> list[EmbeddingRow]:
    return [row_of(f"{n:06}", json.dumps({"n": n})) for n in range(count)]


def rows_of(place: Any, name: str = "pets") -> list[EmbeddingRow]:
    """Return all rows of a collection by id; metadata as the one text that equal ones have."""
    with opened_store(place) as store, store.exporting(name) as (_, _, rows):
        return [
            row._replace(metadata=row.metadata and jsonb_text(row.metadata))
            for row in sorted(rows, key=lambda row: row.id)
        ]


def prefixes_of(place: Any, name: str = "pets") -> Prefixes:
    with opened_store(place) as store:
        row = store.find(name)
        assert row is not None
        return store.prefixes(row)


def chunks_of(collection: vecstore.Collection, document: str) -> list[tuple[str, Any, Any]]:
    """Return id, content and metadata of the chunks of a document."""
    chunks = collection.store.chunks(collection.row, document)
    return [(id, content, json.loads(metadata or "null")) for id, _, content, metadata in chunks]


def run_sql(url: str, sql: str, args: Any = ()) -> list[Any]:
    """Run a statement in a PostgreSQL database, as another program does."""
    with closing(vecstore.Collection("pets", url, create=False).store) as store:
        cursor = store.connection().execute(sql.encode(), args or None)  # type: ignore[attr-defined]
        return cursor.fetchall() if cursor.description else []


def run_sqlite(path: str, sql: str, args: Any = ()) -> None:
    with closing(vecstore.connect(path)) as db, db.conn:
        db.execute(sql, args)


def main(work: str, path: str, url: str) -> None:
    def show(what: str, done: int, total: int) -> None:
        sys.stdout.write(f"{what} {done} of {total}\n")
        sys.stdout.flush()

    if work == "push":
        vecstore.push_collections(path, url, progress=show)
    else:
        vecstore.pull_collections(url, path, progress=show)


if __name__ == "__main__":
    main(*sys.argv[1:])
