"""A file with years of use by old releases of llm: opened, searched, checked, compacted, exported.

tests/fixtures/make_old_llm.py made the files, with those releases. Every row is compared with what
the file had before, byte for byte. At the end, the files of each version of vecstore itself.
"""

import gzip
import hashlib
import json
import math
import os
import shutil
import struct
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import apsw
import pytest

import vecstore
from tests.fixtures.make_old_llm import RELEASES
from tests.fixtures.make_vecstore import Model
from tests.support import ROOT
from tests.support.databases import rows
from vecstore import Collection, check

FIXTURES = ROOT / "tests" / "fixtures"
MIGRATIONS = {
    "m001": ["m002_foreign_key", "m003_add_updated", "m004_store_content_hash"],
    "0.9a0": ["m003_add_updated", "m004_store_content_hash"],
}
OURS = [
    "0006_guard_embeddings",
    "0007_views",
    "0008_content_hash_index",
    "0009_changes",
    "0010_documents",
    "0011_prefixes",
    "0012_related",
]
COLUMNS = (
    "collection_id",
    "id",
    "embedding",
    "content",
    "content_blob",
    "content_hash",
    "metadata",
    "updated",
)
LEFT_OUT = "no vector, or one that cannot be compared (zeros, NaN, infinity): no search finds them"
INCOMPARABLE = ["null", "empty", "zeros", "nan", "infinite"]
DIMENSIONS = {
    "ada": [1536],
    "empty": [],
    "mixed": [4, 8],
    "not stored: ü": [384],
    "notes": [8],
    "photos": [16],
    "of 8": [8],
    "of 32": [32],
}


@pytest.fixture(params=RELEASES)
def release(request):
    return request.param


@pytest.fixture
def old(release, tmp_path):
    """The path of a file that a release of llm has left."""
    return shutil.copy(FIXTURES / f"old-llm-{release}.db", tmp_path / "old.db")


def stored(path):
    """Return the collections, and every row by its key, as they are in a file."""
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    with closing(db):
        collections = {
            name: (id, model) for id, name, model in db.execute("select * from collections")
        }
        cursor = db.execute("select * from embeddings")
        names = [name for name, _ in cursor.get_description()]
        found = [dict(zip(names, row, strict=True)) for row in cursor]
    by_key = {(row["collection_id"], row["id"]): row for row in found}
    assert len(by_key) == len(found)
    return collections, by_key


def assert_migrated(before, after, started):
    """Compare the rows of an old file with those of now; columns of old files may be missing."""
    assert after[0] == before[0]
    assert list(after[1]) == list(before[1])
    for key, row in after[1].items():
        old = before[1][key]
        assert tuple(row) == COLUMNS
        new = row.keys() - old.keys()
        assert {name: row[name] for name in old} == old
        if "content_hash" in new and row["content"] is not None:
            assert row["content_hash"] == hashlib.md5(row["content"].encode()).digest()
        elif "content_hash" in new:
            assert len(row["content_hash"]) == 16
        if "updated" in new:
            assert started <= row["updated"] <= time.time()
        if "content_blob" in new:
            assert row["content_blob"] is None


def vectors_of(table, collection_id, dimensions):
    """Return the vectors of a collection that can be compared, by id."""
    found = {}
    for (key, id), row in table.items():
        blob = row["embedding"] or b""
        if key == collection_id and len(blob) == 4 * dimensions:
            vector = struct.unpack(f"<{dimensions}f", blob)
            if any(vector) and all(map(math.isfinite, vector)):
                found[id] = vector
    return found


def cosine(a, b):
    return sum(map(float.__mul__, a, b)) / math.hypot(*a) / math.hypot(*b)


def assert_searches_are_exact(path):
    """Search each collection for each of its vectors, and compare with brute force in Python."""
    collections, table = stored(path)
    with closing(vecstore.connect(path)) as db:
        for name, (key, _) in collections.items():
            collection = Collection(name, db)
            searched = [vectors_of(table, key, d) for d in DIMENSIONS[name]]
            assert all(searched)
            for vectors in searched:
                for vector in list(vectors.values())[:20]:
                    found = collection.similar_by_vector(vector, number=1000)
                    assert_nearest(found, vector, vectors)


def assert_nearest(found, vector, vectors):
    assert [e.id for e in sorted(found, key=lambda e: (-e.score, e.id))] == [e.id for e in found]
    expected = {id: cosine(vector, other) for id, other in vectors.items()}
    assert {e.id: e.score for e in found} == pytest.approx(expected, abs=2e-6)


def findings(found):
    return [(finding.kind, finding.message, finding.count, finding.examples) for finding in found]


def expected_problems(release):
    releases = list(RELEASES)[: list(RELEASES).index(release) + 1]
    n = len(releases)
    lost = [(None, f"{name}/lost") for name in releases]
    are = "row is" if n == 1 else "rows are"
    message = (
        f"The vectors of 'mixed' have several dimensions ({n} of 8, {n} of 4): "
        "a search finds those of one"
    )
    return [
        ("collection", f"{n} {are} of no collection", n, lost[:5]),
        ("dimensions", message, n, []),
    ]


def incomparable_note(release):
    n = 5 * (list(RELEASES).index(release) + 1)
    message = f"{n} rows have {LEFT_OUT}"
    return ("vector", message, n, [("notes", f"m001/{name}") for name in INCOMPARABLE])


def index_notes(path):
    collections, table = stored(path)
    dimensions = sorted({d for name in collections for d in DIMENSIONS[name]})
    keys = {key for key, _ in table}
    for d in dimensions:
        n = sum(len(vectors_of(table, key, d)) for key in keys)
        plural = "" if n == 1 else "s"
        yield ("index", f"There is no index of {n} vector{plural} of {d} dimensions", 1, [])


def test_it_is_checked_as_it_is_and_left_untouched(release, old):
    before = Path(old).read_bytes()
    report = check(old)
    pending = MIGRATIONS.get(release, [])
    if release in ("m001", "0.9a0", "0.9"):
        pending = [*pending, "m005_add_content_blob"]
    schema = f"The schema is older ({', '.join(pending + OURS)} missing)"
    assert findings(report.problems) == expected_problems(release)
    notes = [("schema", schema, 1, []), incomparable_note(release), *index_notes(old)]
    assert findings(report.notes) == notes
    assert Path(old).read_bytes() == before


def test_every_row_is_kept_and_found_through_all_that_is_done_to_the_file(release, old, tmp_path):
    before = stored(old)
    started = int(time.time())
    assert_searches_are_exact(old)
    opened = stored(old)
    assert_migrated(before, opened, started)
    report = check(old)
    assert findings(report.problems) == expected_problems(release)
    assert findings(report.notes) == [incomparable_note(release)]

    vecstore.compact(old)
    assert stored(old) == opened
    for plain in (False, True):
        vecstore.backup(old, tmp_path / "copy.db", plain=plain)
        assert stored(tmp_path / "copy.db") == opened
        assert_searches_are_exact(tmp_path / "copy.db")
        assert findings(check(tmp_path / "copy.db").problems) == expected_problems(release)
    vecstore.drop_index(old)
    vecstore.build_index(old)
    assert stored(old) == opened
    assert findings(check(old).notes) == [incomparable_note(release)]


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_each_collection_is_the_same_in_another_file(old, tmp_path, ending):
    started = int(time.time())
    before = stored(old)
    vecstore.build_index(old)
    collections, table = stored(old)
    assert_migrated(before, (collections, table), started)
    exported, new = tmp_path / f"exported.{ending}", tmp_path / "new.db"
    for name in collections:
        vecstore.export_collection(old, name, exported)
        vecstore.import_collection(new, exported)
    imported, imported_table = stored(new)
    assert {name: model for name, (_, model) in imported.items()} == {
        name: model for name, (_, model) in collections.items()
    }
    for name, (key, _) in collections.items():
        assert rows_of(imported_table, imported[name][0]) == rows_of(table, key)
    assert_searches_are_exact(new)
    assert {problem.kind for problem in check(new).problems} == {"dimensions"}


def rows_of(table, collection_id):
    return {
        id: {name: value for name, value in row.items() if name != "collection_id"}
        for (key, id), row in table.items()
        if key == collection_id
    }


def test_each_entry_is_read_as_it_was_written(old):
    collections, table = stored(old)
    with closing(vecstore.connect(old)) as db:
        for name, (key, model) in collections.items():
            collection = Collection(name, db)
            assert collection.model_id == model
            expected = {id: row for (owner, id), row in table.items() if owner == key}
            assert collection.ids() == sorted(expected)
            entries = {entry.id: entry for entry in collection}
            for id, row in expected.items():
                entry = collection.get(id)
                assert (entry.content, repr(entry.metadata)) == (
                    row["content"],
                    repr(json.loads(row["metadata"] or "null")),
                )
                assert repr(entry) == repr(entries[id])
                if row["embedding"] and id.rpartition("/")[2] not in INCOMPARABLE:
                    collection.similar_by_id(id)


def test_the_index_of_content_that_old_releases_lost_comes_back(old):
    with closing(vecstore.connect(old)) as db:
        Collection("notes", db)
        known = "select id from embeddings where content_hash = x'00'"
        [plan] = rows(db, f"explain query plan {known}")
        assert plan[-1] == (
            "SEARCH embeddings USING INDEX idx_embeddings_content_hash (content_hash=?)"
        )


def test_content_that_llm_stored_is_not_embedded_again(release, old):
    with closing(vecstore.connect(old)) as db:
        refusing = Refusing()
        notes = Collection("notes", db, model=refusing)
        text = f"{release}: note 1"
        report = notes.embed_multi([("new id", text), (f"{release}/1", text)], store=True)
        assert (report.reused, report.unchanged) == (1, 1)
        assert notes.get("new id").content == text


class Refusing(vecstore.EmbeddingModel):
    """The model of `notes`, which must not be asked."""

    model_id = "tiny-8"

    def embed_batch(self, items):
        raise AssertionError(f"{items} is embedded again")


def test_what_check_says_to_do_makes_it_clean(release, old):
    lost, mixed = check(old).problems
    with closing(vecstore.connect(old)) as db:
        collection = Collection("mixed", db, model=Changed(8))
        texts = {id: f"{id.replace('/', ' ')}" for id in collection.ids()}
        for problem in (lost, mixed):
            db.execute(problem.remedy.rpartition(": ")[2])
        report = collection.embed_multi(texts.items())
        assert (report.embedded, report.unchanged) == (mixed.count, mixed.count)
        assert findings(check(db).problems) == []
        assert findings(check(db).notes)[0] == incomparable_note(release)


class Changed(Model):
    """The model of `mixed`, by the name that it had there."""

    def __init__(self, dimensions):
        super().__init__(dimensions)
        self.model_id = "changed"


def run_llm(*args):
    result = subprocess.run(
        [sys.executable, "-m", "llm", *map(str, args)],
        capture_output=True,
        text=True,
        env={**os.environ, "LLM_LOAD_PLUGINS": ""},
        timeout=900,
    )
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


@pytest.mark.parametrize("release", ["m001", "0.27.1"], indirect=True)
def test_the_llm_of_today_reads_it_after_vecstore_has_built_the_index(old):
    vecstore.build_index(old)
    before = stored(old)
    collections, table = before
    listed = json.loads(run_llm("collections", "list", "--json", "-d", old))
    assert {each["name"]: each["model"] for each in listed} == {
        name: model for name, (_, model) in collections.items()
    }
    key, _ = collections["not stored: ü"]
    vectors = vectors_of(table, key, 384)
    id = next(iter(vectors))
    lines = run_llm("similar", "not stored: ü", id, "-n", "100", "-d", old).splitlines()
    expected = {other: cosine(vectors[id], vectors[other]) for other in vectors if other != id}
    found = {entry["id"]: entry["score"] for entry in map(json.loads, lines)}
    assert found == pytest.approx(expected, abs=2e-6)
    assert stored(old) == before


def test_the_llm_of_today_writes_to_a_plain_copy(tmp_path):
    plain = tmp_path / "plain.db"
    old = shutil.copy(FIXTURES / "old-llm-0.10.db", tmp_path / "old.db")
    vecstore.build_index(old)
    vecstore.backup(old, plain, plain=True)
    run_llm("collections", "delete", "notes", "-d", plain)
    collections, table = stored(old)
    notes, _ = collections.pop("notes")
    kept = {key: row for key, row in table.items() if key[0] != notes}
    assert stored(plain) == (collections, kept)
    assert_searches_are_exact(plain)


@pytest.mark.parametrize("name", [path.name for path in FIXTURES.glob("vecstore-*")])
def test_a_file_of_each_version_of_vecstore_is_searched_checked_and_written(name, tmp_path):
    """If it is the version to come, whose schema has changed: run fixtures/make_vecstore.py."""
    path = tmp_path / "old.db"
    path.write_bytes(gzip.decompress((FIXTURES / name).read_bytes()))
    before, content = stored(path), path.read_bytes()
    is_released = name != f"vecstore-{vecstore.__version__}.db.gz"
    left_out = (
        "1 row has no vector, or one that cannot be compared (zeros, NaN, infinity): no search"
    )
    note = ("vector", f"{left_out} finds them", 1, [("of 8", "zeros")])
    if not is_released:
        assert findings(check(path).problems) == []
        assert findings(check(path).notes) == [note]
    assert_searches_are_exact(path)
    assert stored(path) == before
    assert path.read_bytes() == content or is_released
    with closing(vecstore.connect(path)) as db:
        for dimensions in (8, 32):
            collection = Collection(f"of {dimensions}", db, model=Model(dimensions))
            collection.embed("new", f"text {dimensions}")
            collection.delete_ids(["4"])
            assert (collection.get("5").metadata, collection.get("1").content) == ({"n": 5}, None)
    assert_searches_are_exact(path)
    assert (findings(check(path).problems), findings(check(path).notes)) == ([], [note])
