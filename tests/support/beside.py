"""Files whose index is in a file beside them, and what each search of one must find."""

import shutil
import struct
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlite_utils import Database

import vecstore
from tests.support.brute_force import brute_force, found
from tests.support.databases import rows
from tests.support.models import Pseudorandom, pseudorandom
from vecstore import Collection
from vecstore.sqlite import transactions
from vecstore.sqlite.connection import filenames, opening
from vecstore.sqlite.index import beside, tables

DIMENSIONS = Pseudorandom.dimensions  # so many have a table of bits
COLLECTIONS = {"large": 60, "small": 5}
PARTITION_ROWS = 20
QUERY = pseudorandom("query", DIMENSIONS)


@contextmanager
def small_partitions() -> Iterator[None]:
    """Give a partition of its own to what has few rows already, in the block."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "partition_rows", lambda dimensions: PARTITION_ROWS)
        yield


def make_file(path: str | Path, salt: str = "") -> None:
    """Make a file without an index, whose vectors depend on the salt, in the form of llm's."""
    with pytest.MonkeyPatch.context() as patch, closing(vecstore.connect(path)) as db:
        patch.setenv("VECSTORE_INDEX", "beside")
        for name, number in COLLECTIONS.items():
            collection = Collection(name, db, model=Pseudorandom())
            with transactions.writing(db):
                db["embeddings"].insert_all(
                    row_of(collection.id, f"{name} {n}", salt) for n in range(number)
                )
        db.execute("pragma wal_checkpoint(truncate)").fetchall()


def make_searched_file(path: str | Path, salt: str = "") -> None:
    """Make a file whose index is there, and in step."""
    with small_partitions():
        make_file(path, salt)
        with closing(vecstore.connect(path)) as db:
            assert_searches(db)


def row_of(collection_id: int, id: str, salt: str = "") -> dict[str, object]:
    """Return a row of `embeddings` whose vector depends on its content alone."""
    text = f"{salt}{id}"
    vector = vecstore.encode(pseudorandom(text, DIMENSIONS))
    return {"collection_id": collection_id, "id": id, "embedding": vector, "content": text}


def index_of(path: str | Path) -> Path:
    """Return the file of the index."""
    return Path(filenames.index_file(str(path)))


def copy_both(source: Path, target: Path) -> None:
    """Copy a file that nobody has open, and its index if there is one."""
    shutil.copy(source, target)
    if index_of(source).exists():
        shutil.copy(index_of(source), index_of(target))


def write(db: Database, sql: str, *args: object) -> None:
    """Write by another connection of the same library, which knows nothing of vecstore."""
    path = filenames.main_file(db.conn)
    with closing(opening.open_bare_connection(path, opening.driver_of(db))) as conn, conn:
        conn.execute("pragma busy_timeout = 5000")
        conn.execute(sql, args)


def vectors_of(db: Database, collection_id: int) -> dict[str, tuple[float, ...]]:
    sql = "select id, embedding from embeddings where collection_id = ?"
    return {
        id: struct.unpack(f"<{DIMENSIONS}f", blob)
        for id, blob in rows(db, sql, [collection_id])
        if isinstance(blob, bytes) and len(blob) == 4 * DIMENSIONS
    }


def assert_searches(db: Database) -> None:
    """Compare what is found in each collection with brute force."""
    for (name,) in rows(db, "select name from collections order by name"):
        assert_search(Collection(name, db, create=False))


def assert_search(collection: Collection) -> None:
    vectors = vectors_of(collection.db, collection.id)
    if not vectors:
        return
    expected = brute_force(vectors, QUERY, 1000)
    for number in (3, 1000):
        assert found(collection.similar_by_vector(QUERY, number)) == expected[:number]


def is_in_step(db: Database) -> bool:
    """Return whether the index beside a file can be used, and has followed every change."""
    standing = beside.find_standing(db, DIMENSIONS)
    return standing is not None and standing.behind == 0
