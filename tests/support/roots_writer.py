"""A process of root's that writes versions of a collection; what each operation says of them."""

import json
import subprocess
import sys

from tests.support import ROOT

ENTRIES = 30

# What root does in a process of its own: each line is a command with a version of all entries.
WRITER = f"""
import os, sys, time
from contextlib import closing
import vecstore
from tests.support.models import Pseudorandom

def opened(path):
    db = vecstore.connect(path, driver="apsw")
    return db, vecstore.Collection("docs", db, model=Pseudorandom())

def write(collection, n):
    texts = [f"{{n}} " + "x" * (i * n % 700) for i in range({ENTRIES})]
    entries = ((f"id {{i:02}}", text, {{"n": n}}) for i, text in enumerate(texts))
    collection.embed_multi_with_metadata(entries, store=True)

def session(path, n, vacuum=False):
    db, collection = opened(path)
    with closing(db):
        write(collection, n)
        if vacuum:
            db.execute("vacuum")

def replace(path, n):
    session(path + ".new", n)
    os.replace(path + ".new", path)

def storm(path, n):
    for n in range(n, n + 40):
        is_left = os.path.exists(path + "-wal")  # as a reader has it open: no time to replace it
        (session if is_left or n % 3 else replace)(path, n)
        time.sleep(0.02 * (n % 3))

for line in sys.stdin:
    path, command, n = line.rstrip("\\n").split("\\t")
    n = int(n)
    if command == "open":
        db, collection = opened(path)
    elif command == "commit":
        write(collection, n)
    elif command == "checkpoint":
        db.execute("pragma wal_checkpoint(truncate)").fetchall()
    elif command == "vacuum":
        db.execute("vacuum")
    elif command == "close":
        db.close()
    else:
        {{"session": session, "replace": replace, "storm": storm}}[command](path, n)
    print("done", flush=True)
"""


class Writer:
    """A process of root's."""

    def __init__(self):
        self._process = subprocess.Popen(
            [sys.executable, "-c", WRITER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )

    def begin(self, path, command, n=0):
        self._process.stdin.write(f"{path}\t{command}\t{n}\n")
        self._process.stdin.flush()

    def end(self):
        assert self._process.stdout.readline() == "done\n"

    def __call__(self, path, command, n=0):
        self.begin(path, command, n)
        self.end()

    def close(self):
        self._process.communicate()


def versions(collection):
    """Return what every operation says of the version of all entries, each of which is complete."""
    everywhere = {}
    for name, entries in {
        "iteration": list(collection),
        "similar": collection.similar("a text", 100),
        "where": collection.similar("a text", 100, where="id is not null"),
        "explain": collection.explain(id="id 07", number=100).entries,
        "get": [collection.get("id 09")],
    }.items():
        assert len(entries) == {"get": 1, "explain": ENTRIES - 1}.get(name, ENTRIES)
        everywhere[name] = {entry.metadata["n"] for entry in entries}
        assert {int(entry.content.split()[0]) for entry in entries} == everywhere[name]
    rows = collection.db.execute("select metadata from embeddings").fetchall()
    everywhere["sql"] = {json.loads(metadata)["n"] for (metadata,) in rows}
    rows = collection.db.query("select metadata from embeddings order by id")
    everywhere["query"] = {json.loads(row["metadata"])["n"] for row in rows}
    assert (collection.count(), len(collection.ids()), "id 03" in collection) == (
        ENTRIES,
        ENTRIES,
        True,
    )
    return everywhere


def assert_version(collection, n):
    everywhere = versions(collection)
    assert everywhere == {operation: {n} for operation in everywhere}
