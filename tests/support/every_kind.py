"""Files of every kind, and every command that works on one: what faults are tried on."""

import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlite_utils
from click.testing import Result

import vecstore
from tests.support.command import run
from tests.support.models import Pseudorandom, pseudorandom
from vecstore import Collection

ENTRIES = 60


def entries(start: int, number: int) -> list[tuple[str, str, dict[str, int]]]:
    return [(f"id {n}", f"text {n} " * 40, {"n": n}) for n in range(start, start + number)]


def opened(path: Path) -> Any:
    """Return a Database for a `with` that closes it."""
    return closing(vecstore.connect(path, driver="apsw"))


def make_wal(path: Path) -> None:
    with opened(path) as db:
        one = Collection("one", db, model=Pseudorandom())
        one.embed_multi_with_metadata(entries(0, ENTRIES), store=True)
        Collection("two", db, model=Pseudorandom()).embed_multi_with_metadata(entries(0, 5))
        one.delete_ids(f"id {n}" for n in range(0, 40, 2))


def make_journal(path: Path) -> None:
    make_wal(path)
    with opened(path) as db:
        db.execute("pragma journal_mode = delete").fetchall()


def make_unindexed(path: Path) -> None:
    make_wal(path)
    vecstore.drop_index(path)


def llm_before(migration: str | None) -> Callable[[Path], None]:
    """Return a function that makes a file as llm did before it had some migration."""

    def make(path: Path) -> None:
        migrations = pytest.importorskip("llm.embeddings_migrations").embeddings_migrations
        with closing(sqlite_utils.Database(path)) as db:
            migrations.apply(db, stop_before=migration)
            db["collections"].insert({"id": 7, "name": "one", "model": "pseudorandom"})
            for id, text, _ in entries(0, ENTRIES):
                blob = vecstore.encode(pseudorandom(text, Pseudorandom.dimensions))
                row = {"collection_id": 7, "id": id, "embedding": blob, "content": text}
                db["embeddings"].insert(row)

    return make


KINDS = {
    "wal": make_wal,
    "journal": make_journal,
    "unindexed": make_unindexed,
    "llm-1": llm_before("m002_foreign_key"),
    "llm-2": llm_before("m003_add_updated"),
    "llm-3": llm_before("m004_store_content_hash"),
    "llm-4": llm_before("m005_add_content_blob"),
    "llm-5": llm_before(None),
}
NAMES = {"test.db", "copy.db", "exported.jsonl", "import.jsonl", "rows.csv"}

COMMANDS = {
    "embed": "embed one new -c text --store -d {0}/test.db",
    "embed-multi": "embed-multi one {0}/rows.csv --store --batch-size 20 -d {0}/test.db",
    "embed-multi-new": "embed-multi new {0}/rows.csv -m pseudorandom -d {0}/test.db",
    "similar": "similar one -c text -d {0}/test.db",
    "list": "collections list -d {0}/test.db",
    "delete": "collections delete one -d {0}/test.db",
    "check": "check {0}/test.db",
    "index-list": "index list {0}/test.db",
    "index-build": "index build {0}/test.db",
    "index-drop": "index drop {0}/test.db",
    "compact": "compact {0}/test.db",
    "backup": "backup {0}/test.db {0}/copy.db",
    "backup-plain": "backup --plain {0}/test.db {0}/copy.db",
    "export": "collections export one {0}/exported.jsonl -d {0}/test.db",
    "import": "collections import {0}/import.jsonl --name imported -d {0}/test.db",
}


def run_in(folder: Path, command: str) -> Result:
    return run(*COMMANDS[command].format(folder).split())


class Originals:
    """What the folders are copied from that tests work in.

    A folder has test.db of some kind, copy.db and exported.jsonl to be replaced, and import.jsonl
    and rows.csv to be read.
    """

    def __init__(self, made: Path) -> None:
        self._made = made
        with opened(made / "older.db") as db:
            collection = Collection("one", db, model=Pseudorandom())
            collection.embed_multi_with_metadata(entries(0, 3))
            vecstore.export_collection(db, "one", made / "import.jsonl")
        shutil.copy(made / "import.jsonl", made / "exported.jsonl")
        vecstore.backup(made / "older.db", made / "copy.db")
        lines = (f"row {n},text of row {n}" for n in range(ENTRIES))
        (made / "rows.csv").write_text("\n".join(["id,content", *lines]))

    def copy(self, kind: str, folder: Path) -> Path:
        """Make a folder, and return the path of its test.db."""
        original = self._made / f"{kind}.db"
        if not original.exists():
            KINDS[kind](original)
        folder.mkdir()
        for name in NAMES - {"test.db"}:
            shutil.copy(self._made / name, folder)
        return Path(shutil.copy(original, folder / "test.db"))
