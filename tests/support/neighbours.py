"""llm, sqlite-utils and vecstore on one file, and a model of what it must hold.

Every step is one command, in a process of its own. Where it can write, it changes the model too;
where it cannot, because the file has an index and the program does not load sqlite-vec, the error
must be a documented one and the model stays. `assert_equal()` compares the file with the model.
"""

import base64
import hashlib
import json
import math
import os
import re
import struct
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from subprocess import CompletedProcess

import apsw
import pytest

import vecstore
from tests.support import ROOT
from tests.support.command import output
from tests.support.forked_program import ForkedProgram
from tests.support.neighbour_vectors import DIMENSIONS, vector

# The pages that say what fails without the extension, and how.
PAGES = [(ROOT / "docs" / name).read_text("utf-8") for name in ("schema.md", "compatibility.md")]


@dataclass(frozen=True)
class Row:
    """What the file must hold for one id of a collection; `updated` aside."""

    embedding: bytes | None
    content: str | None = None
    content_hash: bytes | None = None
    metadata: str | None = None

    @property
    def vector(self) -> tuple[float, ...]:
        """The vector, if it can be compared with another; else nothing."""
        found = struct.unpack(f"<{len(self.embedding or b'') // 4}f", self.embedding or b"")
        return found if any(found) else ()


def encoded(text: str, model: str) -> bytes:
    numbers = vector(text, DIMENSIONS[model])
    return struct.pack(f"<{len(numbers)}f", *numbers)


def embedded(text: str, model: str, store: bool, metadata: str | None = None) -> Row:
    hashed = hashlib.md5(text.encode()).digest()
    return Row(encoded(text, model), text if store else None, hashed, metadata)


@contextmanager
def programs(folder: Path, *, plugin: bool) -> Iterator[dict[str, ForkedProgram]]:
    """Start the three programs, with neighbour_plugin as a plugin of llm and of vecstore.

    With `plugin`, sqlite-utils has vecstore's, as where all are installed together.
    """
    install_plugin(folder / "plugins")
    environment = {
        "PYTHONPATH": os.pathsep.join([str(folder / "plugins"), str(ROOT)]),
        "LLM_LOAD_PLUGINS": "neighbour",  # what else is installed is not ours to test
        "LLM_USER_PATH": str(folder / "llm"),
        "SQLITE_UTILS_PLUGINS": "installed" if plugin else "",
    }
    with ExitStack() as started:
        yield {
            program: started.enter_context(closing(ForkedProgram(program, folder, **environment)))
            for program in ("llm", "sqlite_utils", "vecstore")
        }


def install_plugin(folder: Path) -> None:
    """Write the plugin where a folder of PYTHONPATH is looked through for some."""
    about = folder / "neighbour-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: neighbour\nVersion: 1.0\n")
    module = "neighbour = tests.support.neighbour_plugin"
    (about / "entry_points.txt").write_text(f"[llm]\n{module}_llm\n[vecstore]\n{module}\n")


class Neighbours:
    """One file, the programs, and the model."""

    def __init__(
        self, folder: Path, programs: dict[str, ForkedProgram], *, plugin: bool = False
    ) -> None:
        self.folder = folder
        self.path = str(folder / "shared.db")
        self.models: dict[str, str] = {}  # of each collection
        self.rows: dict[tuple[str, str], Row] = {}
        self.log: list[str] = []
        self._count = 0
        self._programs = programs
        self._plugin = plugin  # all of them load sqlite-vec

    # What the programs do.

    def run(self, program: str, *args: str, input: str = "") -> CompletedProcess[str]:
        """Run a program of this environment on the file."""
        self.log.append(f"{program} {' '.join(args)}".replace(str(self.folder), "FOLDER"))
        return self._programs[program].run(*args, input=input)

    def write(self, program: str, *args: str, needs_vec: bool = True, **kwargs) -> bool:
        """Run what writes; return whether it could, which the state of the index decides."""
        loads_vec = program == "vecstore" or "--load-extension" in args or self._plugin
        is_refused = needs_vec and not loads_vec and self.is_indexed()
        result = self.run(program, *args, **kwargs)
        if not is_refused:
            assert result.returncode == 0, (self.log, result.stderr)
            return True
        assert result.returncode == 1, (self.log, result.stdout)
        assert_documented(result.stderr)
        return False

    def read(self, program: str, *args: str) -> str:
        """Run what reads, which needs no extension."""
        result = self.run(program, *args)
        assert (result.returncode, result.stderr) == (0, ""), (self.log, result.stderr)
        return result.stdout

    # What the file holds.

    def query(self, sql: str) -> list[tuple]:
        if not Path(self.path).exists():
            return []
        db = apsw.Connection(self.path)
        with closing(db):
            return db.execute(sql).fetchall()

    def has_tables(self) -> bool:
        return bool(self.query("select 1 from sqlite_master where name = 'embeddings'"))

    def is_indexed(self) -> bool:
        """Return whether there is a trigger on `embeddings` that needs the extension."""
        triggers = "tbl_name = 'embeddings' and name glob 'vec_embeddings_*'"
        return bool(
            self.query(f"select 1 from sqlite_master where type = 'trigger' and {triggers}")
        )

    def assert_equal(self) -> None:
        """Compare the file with the model."""
        if not self.has_tables():
            assert (self.models, self.rows) == ({}, {})
            return
        assert dict(self.query("select name, model from collections")) == self.models, self.log
        found = self.query(
            """
            select name, embeddings.id, embedding, content, content_hash, metadata
            from embeddings
            left join collections on collections.id = collection_id
            """
        )
        assert {(name, id): Row(*values) for name, id, *values in found} == self.rows, self.log

    def nearest(self, collection: str, query: tuple[float, ...]) -> dict[str, float]:
        """Return the cosine similarity of each row of a collection, by brute force."""
        rows = self.of(collection).items()
        return {id: cosine(query, row.vector) for id, row in rows if row.vector}

    def of(self, collection: str) -> dict[str, Row]:
        return {id: row for (name, id), row in self.rows.items() if name == collection}

    def new_text(self) -> str:
        self._count += 1
        return f"text {self._count}"

    # Steps of llm.

    def llm_embed(self, name: str, id: str, *, store: bool = False) -> None:
        text, model = self.new_text(), self.models.get(name) or model_of(name)
        args = ["embed", name, id, "-c", text, "-d", self.path, *["--store"] * store]
        is_new = name not in self.models
        if self.write(
            "llm", *args, *(["-m", model] if is_new else []), "--metadata", '{"by": "llm"}'
        ):
            self.rows[name, id] = embedded(text, model, store, '{"by": "llm"}')
        self.models[name] = model  # llm has committed a new collection before it fails

    def llm_embed_multi(self, name: str, ids: list[str]) -> None:
        model = self.models.get(name) or model_of(name)
        texts = {id: self.new_text() for id in ids}
        args = [
            "embed-multi",
            name,
            "-",
            "--format",
            "json",
            "-d",
            self.path,
            "--store",
            "-m",
            model,
        ]
        if self.write("llm", *args, input=as_json(texts)):
            self.rows |= {(name, id): embedded(text, model, True) for id, text in texts.items()}
        self.models[name] = model

    def llm_similar(self, name: str, id: str) -> None:
        rows = self.of(name)
        if id not in rows or not all(row.vector for row in rows.values()):
            return  # llm divides by the length of each vector
        lines = self.read("llm", "similar", name, id, "-n", "1000", "-d", self.path).splitlines()
        found = {entry["id"]: entry["score"] for entry in map(json.loads, lines)}
        expected = self.nearest(name, rows[id].vector)
        del expected[id]
        assert_same_scores(found, expected)

    def llm_list(self) -> None:
        if self.models:
            self._assert_listed(self.read("llm", "collections", "list", "--json", "-d", self.path))

    def llm_delete(self, name: str) -> None:
        if name in self.models and self.write(
            "llm", "collections", "delete", name, "-d", self.path
        ):
            self._forget(name)

    def _assert_listed(self, output: str) -> None:
        found = {c["name"]: (c["model"], c["num_embeddings"]) for c in json.loads(output)}
        expected = {name: (model, len(self.of(name))) for name, model in self.models.items()}
        assert found == expected, self.log

    def _forget(self, name: str) -> None:
        del self.models[name]
        self.rows = {key: row for key, row in self.rows.items() if key[0] != name}

    # Steps of sqlite-utils; `with_vec` loads the extension.

    def utils_insert(self, name: str, id: str, *, with_vec: bool, how: str) -> None:
        """Write a row. `how`: insert, replace (all columns), or upsert (those that are given)."""
        if name not in self.models or (how == "insert" and (name, id) in self.rows):
            return
        # check would rightly complain of content that is not what its hash was made of.
        content = None if how == "upsert" else "by sqlite-utils"
        row = Row(encoded(self.new_text(), self.models[name]), content)
        [(key,)] = self.query(f"select id from collections where name = '{name}'")
        blob = {"$base64": True, "encoded": base64.b64encode(row.embedding or b"").decode()}
        line = {"collection_id": key, "id": id, "embedding": blob}
        line |= {"content": content} if content else {}
        pks = ["--pk", "collection_id", "--pk", "id"]
        options = {"insert": [], "replace": [*pks, "--replace"], "upsert": pks}[how]
        command = "upsert" if how == "upsert" else "insert"
        args = [command, self.path, "embeddings", "-", *options, *vec(with_vec)]
        if self.write("sqlite_utils", *args, input=json.dumps(line)):
            old = self.rows.get((name, id), row) if how == "upsert" else row
            self.rows[name, id] = replace(old, embedding=row.embedding)

    def utils_delete(self, name: str, id: str, *, with_vec: bool) -> None:
        if self._utils_query(f"delete from embeddings where {where(name, id)}", with_vec):
            self.rows.pop((name, id), None)

    def utils_rename(self, name: str, id: str, new: str, *, with_vec: bool) -> None:
        if (name, new) in self.rows:
            return
        sql = f"update embeddings set id = '{new}' where {where(name, id)}"
        if self._utils_query(sql, with_vec) and (name, id) in self.rows:
            self.rows[name, new] = self.rows.pop((name, id))

    def utils_zeros(self, name: str, id: str, *, with_vec: bool) -> None:
        """Make a vector one that cannot be compared."""
        sql = f"update embeddings set embedding = zeroblob(32) where {where(name, id)}"
        if self._utils_query(sql, with_vec) and (name, id) in self.rows:
            self.rows[name, id] = replace(self.rows[name, id], embedding=bytes(32))

    def utils_metadata(self, name: str, id: str) -> None:
        """Write what is not in the index, for which no extension is needed."""
        sql = f"update embeddings set metadata = '{{}}' where {where(name, id)}"
        if self.has_tables():
            self.write("sqlite_utils", "query", self.path, sql, needs_vec=False)
        if (name, id) in self.rows:
            self.rows[name, id] = replace(self.rows[name, id], metadata="{}")

    def utils_transform(self, table: str, *, with_vec: bool) -> None:
        """Have a table written anew, which drops its triggers."""
        if self.has_tables():
            self.write(
                "sqlite_utils", "transform", self.path, table, *vec(with_vec), needs_vec=False
            )

    def utils_read(self) -> None:
        if not self.has_tables():
            return
        output = self.read("sqlite_utils", "rows", self.path, "embeddings", "-c", "id")
        assert sorted(row["id"] for row in json.loads(output)) == sorted(id for _, id in self.rows)

    def _utils_query(self, sql: str, with_vec: bool) -> bool:
        if not self.has_tables():
            return False
        return self.write("sqlite_utils", "query", self.path, sql, *vec(with_vec))

    # Steps of vecstore.

    def vecstore_embed(self, name: str, id: str, *, store: bool = False) -> None:
        text, model = self.new_text(), self.models.get(name) or model_of(name)
        args = ["embed", name, id, "-c", text, "-d", self.path, "-m", model, *["--store"] * store]
        self.write("vecstore", *args, "--metadata", '{"by": "vecstore"}')
        self.models[name] = model
        self.rows[name, id] = embedded(text, model, store, '{"by": "vecstore"}')

    def vecstore_embed_multi(self, name: str, ids: list[str]) -> None:
        model = self.models.get(name) or model_of(name)
        texts = {id: self.new_text() for id in ids}
        args = ["embed-multi", name, "-", "-d", self.path, "--store", "-m", model]
        self.write("vecstore", *args, input=as_json(texts))
        self.models[name] = model
        for id, text in texts.items():
            old = self.rows.get((name, id))
            self.rows[name, id] = embedded(text, model, True, old and old.metadata)

    def vecstore_similar(self, name: str, id: str) -> None:
        row = self.rows.get((name, id))
        if not row or not row.vector:
            return
        output = self.read("vecstore", "similar", name, id, "-n", "1000", "-d", self.path)
        found = {entry["id"]: entry["score"] for entry in map(json.loads, output.splitlines())}
        expected = self.nearest(name, row.vector)
        del expected[id]
        assert_same_scores(found, expected)

    def vecstore_open(self) -> None:
        """Have vecstore make again what transform() has dropped; there is no such collection."""
        with (
            closing(vecstore.connect(self.path, driver="apsw")) as db,
            pytest.raises(vecstore.DoesNotExist),
        ):
            vecstore.Collection("none", db, create=False)

    def vecstore_index(self, action: str, form: str = "") -> None:
        if self.has_tables():
            self.write("vecstore", "index", action, self.path, *([form] if form else []))
            assert self.is_indexed() <= (action == "build" or form == "inside")

    def vecstore_compact(self) -> None:
        if self.has_tables():
            self.write("vecstore", "compact", self.path)

    def vecstore_delete(self, name: str) -> None:
        if name in self.models:
            self.write("vecstore", "collections", "delete", name, "--yes", "-d", self.path)
            self._forget(name)

    def vecstore_list(self) -> None:
        if self.has_tables():
            output = self.read("vecstore", "collections", "list", "--json", "-d", self.path)
            self._assert_listed(output)

    def assert_sound(self) -> None:
        """Have vecstore search each collection and check the file; llm and sqlite-utils read it."""
        self.assert_equal()
        for name in self.models:
            for id in list(self.of(name))[:1]:
                self.vecstore_similar(name, id)
                self.llm_similar(name, id)
        self.llm_list()
        self.utils_read()
        if self.has_tables():
            self.vecstore_open()
            report = json.loads(self.read("vecstore", "check", "--json", self.path))
            assert report["problems"] == [], self.log
            assert report["embeddings"] == len(self.rows)


def assert_documented(stderr: str) -> None:
    """Compare what a program without the extension prints with what the docs say."""
    errors = re.findall(r"no such (?:module|function): \w+", stderr)
    assert errors, stderr
    for error in errors:
        assert all(f"`{error}`" in page for page in PAGES), error


def assert_same_scores(found: dict[str, float], expected: dict[str, float]) -> None:
    assert found.keys() == expected.keys()
    assert all(abs(found[id] - expected[id]) < 2e-6 for id in expected), (found, expected)


def cosine(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    return sum(map(float.__mul__, a, b)) / math.hypot(*a) / math.hypot(*b)


def model_of(collection: str) -> str:
    """Return the model that a new collection gets: by its name, one of the two."""
    return "neighbour-wide" if collection == "wide" else "neighbour"


def as_json(texts: dict[str, str]) -> str:
    return json.dumps([{"id": id, "content": text} for id, text in texts.items()])


def where(name: str, id: str) -> str:
    return f"id = '{id}' and collection_id = (select id from collections where name = '{name}')"


def vec(with_vec: bool) -> list[str]:
    return ["--load-extension", output("extension-path").strip()] if with_vec else []
