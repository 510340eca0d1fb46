"""The recipes of docs/sql.md, a database that they fit, and what the Python API answers instead."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
import sqlite_vec
from sqlite_utils import Database

import vecstore
from tests.support import ROOT
from vecstore import Collection
from vecstore.settings import IndexForm
from vecstore.sqlite.connection import filenames

PAGE = ROOT / "docs" / "sql.md"
SQLITE3 = shutil.which("sqlite3")
ZOO = ["ant", "bear", "crow", "deer", "eel", "fox", "goat", "heron", "ibis", "jay", "koala"]
ZOO += ["lynx", "mole", "newt", "owl"]
COLLECTION, ID, PREFIX, VECTOR = "pets", "hound", "dog/", "[0.1, 0.2, 0.3]"


@dataclass(frozen=True)
class Names:
    """What stands for the names in the recipes; in SQL, with its quotes."""

    collection: str = COLLECTION
    id: str = ID
    prefix: str = PREFIX


@dataclass(frozen=True)
class Recipe:
    """One block of SQL of the page."""

    title: str
    number: int
    sql: str

    def __str__(self) -> str:
        return f"{self.title} {self.number}"

    def with_values(self, names: Names, vector: list[float]) -> str:
        """Return the SQL with these names, and this vector, in place of those of the page."""
        values = {
            COLLECTION: names.collection,
            ID: names.id,
            PREFIX: names.prefix,
            VECTOR: json.dumps(vector),
        }
        literal = "|".join(re.escape(quoted(value)) for value in values)
        return re.sub(literal, lambda found: quoted(values[found[0][1:-1]]), self.sql)


def quoted(text: str) -> str:
    return "'{}'".format(text.replace("'", "''"))


def recipes(section: str) -> list[Recipe]:
    """Return the recipes of a section of the page, in order: "Two forms" has the searches."""
    found = []
    [body] = re.findall(rf"^## {section}\n(.*?)(?=^## |\Z)", PAGE.read_text("utf-8"), re.S | re.M)
    for part in re.split(r"^### ", body, flags=re.MULTILINE):
        title = part.partition("\n")[0] if body.find(f"### {part}") >= 0 else section
        blocks = re.findall(r"^```sql\n(.*?)^```", part, re.DOTALL | re.MULTILINE)
        found += [Recipe(title, number, sql) for number, sql in enumerate(blocks, start=1)]
    return found


@cache
def model() -> vecstore.EmbeddingModel:
    return vecstore.get_embedding_model("local")


def make_database(db: Database, names: Names, form: IndexForm = "inside") -> Collection:
    """Fill a database with what the recipes search, and have the index in step."""
    colours = ["red", "blue", "grey"]
    texts = {
        names.id: "my happy hound",
        "puppy": "my happy hound",
        "puppies": "my happy hounds",
        "cat": "my dissatisfied cat <b>&amp;",
        names.prefix: "a dog of that name",
        names.prefix + "poodle": "a dog with curls",
        names.prefix + 'o\'brien "\N{DOG FACE}"\n': "an Irish dog; drop table embeddings; --",
        names.prefix.upper() + "x": "a dog in upper case",
        **{str(number): f"the {animal} of a zoo" for number, animal in enumerate(ZOO)},
    }
    entries = [
        (id, text, {"colour": colours[number % 3], "n": number} if number % 4 else None)
        for number, (id, text) in enumerate(texts.items())
    ]
    collection = Collection(names.collection, db, model=model(), index=form)
    collection.embed_multi_with_metadata(entries, store=True)
    Collection("wild", db, model=model()).embed_multi(
        [("wolf", "my happy wolf"), (names.id, "an unhappy hound")], store=True
    )
    other = Collection("other", db, model=OtherModel())
    other.embed_multi([("wolf", "my happy wolf"), (names.id, "my happy hound")])
    db["animals"].insert_all(({"id": id, "keeper": f"of {id}"} for id in texts), pk="id")
    collection.similar_by_vector(search_vector())
    return collection


class OtherModel(vecstore.EmbeddingModel):
    """Another model, whose vectors have the same length."""

    model_id = "other"

    def embed_batch(self, items):
        return (model().embed(item)[::-1] for item in items)


def expected(title: str, collection: Collection, names: Names) -> list[tuple]:
    """Return what the recipes of a title are to give, by the Python API."""
    found = _ANSWERS[title](collection, names)
    return [tuple(pytest.approx(x) if isinstance(x, float) else x for x in row) for row in found]


def search_vector() -> list[float]:
    return model().embed("a quiet animal")


def _like(collection: Collection, names: Names) -> list[vecstore.Entry]:
    return collection.similar_by_id(names.id, len(collection))


def _with_metadata(collection: Collection, names: Names) -> list[tuple]:
    stored = dict(collection.db.execute("select id, metadata from embeddings where id <> 'wolf'"))
    found = [e for e in _like(collection, names) if (e.metadata or {}).get("colour") == "red"]
    return [(e.id, e.score, stored[e.id]) for e in found[:10]]


def _across(collection: Collection, names: Names) -> list[tuple]:
    found = [(collection.name, e.id, e.score) for e in _like(collection, names)]
    wild = Collection("wild", collection.db)
    found += [("wild", e.id, e.score) for e in wild.similar("my happy hound")]
    return sorted(found, key=lambda row: (-row[2], row[0], row[1]))[:10]


def _pairs(collection: Collection, names: Names) -> list[tuple]:
    found = {
        (min(id, e.id), max(id, e.id), e.score)
        for id in collection.ids()
        for e in collection.similar_by_id(id, 9)
        if e.score >= 0.75
    }
    return sorted(found, key=lambda row: (-row[2], row[0], row[1]))


def _rows(entries: list[vecstore.Entry]) -> list[tuple]:
    return [(e.id, e.score, e.content) for e in entries]


_ANSWERS: dict[str, Callable[[Collection, Names], list[tuple]]] = {
    "Nearest to a stored item": lambda c, n: _rows(c.similar_by_id(n.id)),
    "Nearest to a vector": lambda c, n: _rows(c.similar_by_vector(search_vector())),
    "Only ids with a prefix": lambda c, n: _rows(c.similar_by_id(n.id, prefix=n.prefix)),
    "Only where the metadata says so": _with_metadata,
    "Above a score": lambda c, n: _rows([e for e in _like(c, n) if e.score >= 0.25]),
    "Across all collections of one model": _across,
    "Joined to the table that the texts come from": lambda c, n: [
        (e.id, f"of {e.id}", e.score) for e in c.similar_by_id(n.id)
    ],
    "Near-duplicates of a whole collection": _pairs,
}


def attaching(path: str) -> str:
    """Return the SQL that attaches the index of a file, if that has it beside."""
    index = filenames.index_file(path)
    if not Path(index).exists():
        return ""
    attach = recipes("An index beside the file")[0]
    return attach.sql.replace("'my.db-vec'", quoted(index))


def sqlite3_shell(path: str, sql: str, extension: bool = True) -> list[tuple]:
    """Return what the sqlite3 binary prints, which is to say nothing on stderr."""
    if SQLITE3 is None:
        pytest.skip("there is no sqlite3 shell")
    load = f'.load "{sqlite_vec.loadable_path()}"\n{attaching(path)}' if extension else ""
    done = subprocess.run(
        [SQLITE3, "-bail", path],
        input=f"{load}.mode json\n{sql}",
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
    )
    if extension and ".load" in done.stderr:
        pytest.skip("this sqlite3 shell loads no extensions")
    assert (done.stderr, done.returncode) == ("", 0)
    return [tuple(row.values()) for row in json.loads(done.stdout or "[]")]
