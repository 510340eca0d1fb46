"""A collection that is exported and imported is the same, byte for byte; or nothing is written."""

import io
import json
import math
import shlex
import struct
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import vecstore
from tests.support.ages import AGES, make_llm_database
from tests.support.command import PROCESS, error, output, process, run
from tests.support.databases import make_pets, rows
from tests.support.models import Vectors, WordLengths
from vecstore import Collection, ExportHeader, check, encode, export_collection, import_collection

COLUMNS = "id, embedding, content, content_blob, content_hash, metadata, updated"
TYPES = ", ".join(f"typeof({column})" for column in COLUMNS.split(", "))
INSERT = f"insert into embeddings (collection_id, {COLUMNS}) values (1, ?, ?, ?, ?, ?, ?, ?)"
FORMATS = ["jsonl", "parquet"]


@pytest.fixture(params=FORMATS)
def file(request, tmp_path):
    """The name of a file, of each format."""
    if request.param == "parquet":
        pytest.importorskip("pyarrow")
    return tmp_path / f"exported.{request.param}"


@pytest.fixture
def filled(db):
    collection = Collection("words", db, model=WordLengths())
    collection.embed_multi_with_metadata(
        [
            ("a", "my happy hound", {"n": 1}),
            ("b", b"\x00\xff", None),
            ("c é '\"\n", "x\x00y", None),
        ],
        store=True,
    )
    return collection


def stored(db, name="words"):
    """Return all columns of a collection, with the types in which SQLite holds them."""
    sql = f"""
        select {COLUMNS}, {TYPES}
        from embeddings
        where collection_id = (select id from collections where name = ?)
        order by id, content
    """
    return rows(db, sql, [name])


def test_an_import_is_what_was_exported(filled, file, tmp_path):
    assert export_collection(filled.db, "words", file) == ExportHeader("words", "word-lengths", 3)
    target = tmp_path / "other.db"
    assert import_collection(target, file) == ExportHeader("words", "word-lengths", 3)
    with closing(vecstore.connect(target)) as db:
        assert stored(db) == stored(filled.db)
        assert (check(db).problems, check(db).notes) == ([], [])
        assert Collection("words", db).similar_by_id("a") == filled.similar_by_id("a")


def test_an_import_under_another_name(filled, file):
    export_collection(filled.db, "words", file)
    assert import_collection(filled.db, file, name="copy").collection == "copy"
    assert stored(filled.db, "copy") == stored(filled.db)


def test_an_import_replaces_entries_of_the_same_id_and_keeps_others(filled, file):
    export_collection(filled.db, "words", file)
    before = stored(filled.db)
    filled.embed("a", "changed", {"n": 2})
    filled.delete_ids(["b"])
    filled.embed("d", "of its own")
    import_collection(filled.db, file)
    import_collection(filled.db, file)
    after = stored(filled.db)
    assert [row for row in after if row[0] != "d"] == before
    assert len(after) == 4
    assert check(filled.db).ok


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
blobs = st.binary(max_size=8)
finite = st.floats(width=32, allow_nan=False, allow_infinity=False)
any_float = st.integers(0, 2**32 - 1).map(lambda n: struct.pack("<I", n))  # each NaN, and -0.0
vectors = st.one_of(
    st.none(),
    st.just(b""),
    st.lists(finite, min_size=3, max_size=3).map(encode),
    st.lists(any_float, min_size=3, max_size=3).map(b"".join),
    st.lists(any_float, min_size=1, max_size=9).map(b"".join),
)
whole = st.integers(-(2**63), 2**63 - 1)
typed = st.tuples(
    vectors,
    st.none() | texts,
    st.none() | blobs,
    st.none() | blobs,
    st.none() | texts,
    st.none() | whole,
)
untyped = st.tuples(
    vectors,
    texts | blobs,
    texts | blobs | whole,
    texts | finite,
    texts | blobs,
    texts | blobs | finite | whole,
)


def round_trip(format, entries):
    """Store rows with SQL, and compare them with those of an import of their export."""
    with tempfile.TemporaryDirectory() as folder, closing(vecstore.connect(driver="apsw")) as db:
        Collection("words", db, model=Vectors())
        for id, row in entries.items():
            db.execute(INSERT, [id, *row])
        file = Path(folder, f"exported.{format}")
        export_collection(db, "words", file)
        target = Path(folder, "other.db")
        import_collection(target, file)
        with closing(vecstore.connect(target, driver="apsw")) as other:
            assert stored(other) == stored(db)
            assert not [p for p in check(other).problems if p.kind == "index"]


@settings(deadline=None, max_examples=60)
@given(st.dictionaries(texts, typed, max_size=5))
def test_every_row_survives_parquet(entries):
    pytest.importorskip("pyarrow")
    round_trip("parquet", entries)


@settings(deadline=None, max_examples=60)
@given(st.dictionaries(st.none() | texts | blobs, typed | untyped, max_size=5))
def test_every_row_survives_json_lines_whatever_its_types(entries):
    round_trip("jsonl", entries)


def test_the_lines_are_what_the_documentation_says(filled):
    stream = io.BytesIO()
    export_collection(filled.db, "words", stream)
    first, entry, *_ = map(json.loads, stream.getvalue().decode("utf-8").splitlines())
    assert first == {"vecstore": 1, "collection": "words", "model": "word-lengths", "entries": 3}
    [(updated,)] = rows(filled.db, "select updated from embeddings where id = 'a'")
    assert entry == {
        "id": "a",
        "embedding": [2, 5, 5, *[0] * 13],
        "content": "my happy hound",
        "content_hash": {"base64": "sH1UtoOJJ86tWlpqhSQYkA=="},
        "metadata": '{"n": 1}',
        "updated": updated,
    }


def test_large_contents_and_many_rows(tmp_path, file):
    path = tmp_path / "large.db"
    with closing(vecstore.connect(path, driver="apsw")) as db:
        collection = Collection("words", db, model=WordLengths())
        collection.embed_multi(
            [("large", "é" * 5_000_000), ("blob", b"\xff" * 5_000_000)], store=True
        )
        collection.embed_multi(((n, f"x {n}") for n in range(2500)), store=True)
        export_collection(db, "words", file)
        import_collection(db, file, name="copy")
        assert stored(db, "copy") == stored(db)


WRONG = [
    (b"", "Line 1 is no entry"),
    (b'{"id": "a"}\n', "The first line is not that of an export"),
    (b"id,text\n", "Line 1 is no entry"),
    (b'{"vecstore": 2}\n', "exported by a later vecstore"),
    (b'{"vecstore": 1, "collection": "c"}\n', "lacks a collection, its model or its entries"),
]
LINES = [
    (b"[1]\n", "Line 2 is no entry of an export of vecstore: it is no JSON object"),
    (b'{"id": "a", "colour": 1}\n', "it has the unknown key 'colour'"),
    (b'{"id": "a", "embedding": [1, "x"]}\n', "Line 2 is no entry"),
    (b'{"id": "a", "embedding": [1e99]}\n', "Line 2 is no entry"),
    (b'{"id": "a", "content": true}\n', "true and false are no values"),
    (b'{"id": "a", "content_hash": {"base64": "?"}}\n', "Line 2 is no entry"),
    (b'{"id": "a", "content_hash": {"hex": "00"}}\n', "Line 2 is no entry"),
    (b'{"id": "a", "embedding": {"base64": "AAA="}}\n', "from 'a' to 'a' cannot be stored"),
    (b'{"id": "a", "updated": 99999999999999999999}\n', "from 'a' to 'a' cannot be stored"),
    (b'{"id": "a", "content": "\\ud800"}\n', "from 'a' to 'a' cannot be stored"),
    (b'{"id": "a"', "Line 2 is no entry"),
    (b'{"id": "a"}\n', "The file ends after 1 of 2 entries: it is not complete"),
    (b'{"id": "a"}\n{"id": "b"}\n{"id": "c"}\n', "after 3 of 2 entries"),
]
HEADER = b'{"vecstore": 1, "collection": "words", "model": "word-lengths", "entries": 2}\n'


@pytest.mark.parametrize(
    ("lines", "message"), [*WRONG, *((HEADER + line, message) for line, message in LINES)]
)
def test_a_wrong_file_is_named_and_nothing_is_written(filled, lines, message):
    before = stored(filled.db)
    with pytest.raises(vecstore.InvalidInputError, match=message):
        import_collection(filled.db, io.BytesIO(lines))
    assert stored(filled.db) == before
    with pytest.raises(vecstore.InvalidInputError, match=message):
        import_collection(filled.db, io.BytesIO(lines), name="new")
    assert not Collection.exists(filled.db, "new")


@pytest.mark.parametrize("content", [b"PAR1", b"PAR1 and what is no Parquet at all PAR1"])
def test_a_wrong_parquet_file_is_named(filled, tmp_path, content):
    pytest.importorskip("pyarrow")
    (tmp_path / "wrong.parquet").write_bytes(content)
    with pytest.raises(vecstore.InvalidInputError, match="no Parquet file of vecstore"):
        import_collection(filled.db, tmp_path / "wrong.parquet")


def test_a_parquet_file_of_another_program_is_named(filled, tmp_path):
    pa = pytest.importorskip("pyarrow")
    pytest.importorskip("pyarrow.parquet").write_table(
        pa.table({"id": ["a"]}), tmp_path / "x.parquet"
    )
    with pytest.raises(vecstore.InvalidInputError, match="no Parquet file of vecstore"):
        import_collection(filled.db, tmp_path / "x.parquet")


def test_what_parquet_cannot_hold_is_named_and_no_file_is_left(filled, tmp_path):
    pytest.importorskip("pyarrow")
    filled.db.execute("update embeddings set metadata = x'00' where id = 'a'")
    with pytest.raises(vecstore.InvalidInputError, match="The metadata of 'a' is .* JSON lines"):
        export_collection(filled.db, "words", tmp_path / "x.parquet")
    assert not list(tmp_path.glob("x.parquet*"))


def test_without_pyarrow_the_error_names_the_extra(filled, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(
        vecstore.MissingPackageError, match=r"pip install 'sqlite-vecstore\[parquet\]'"
    ):
        export_collection(filled.db, "words", tmp_path / "x.parquet")


def test_a_collection_of_another_model_is_refused(filled, file):
    export_collection(filled.db, "words", file)
    Collection("other", filled.db, model=Vectors()).embed("a", "1 2 3")
    with pytest.raises(vecstore.ModelMismatchError, match="import it under another name"):
        import_collection(filled.db, file, name="other")
    assert [row[0] for row in stored(filled.db, "other")] == ["a"]


def test_vectors_of_another_dimension_are_refused(filled, file):
    export_collection(filled.db, "words", file)
    with closing(vecstore.connect(driver="apsw")) as db:
        Collection("words", db, model=WordLengths())
        db["embeddings"].insert({"collection_id": 1, "id": "x", "embedding": encode([1, 2, 3])})
        with pytest.raises(vecstore.DimensionError, match="has 16 dimensions and .* have 3"):
            import_collection(db, file)
        assert len(stored(db)) == 1


def test_an_export_replaces_a_file_only_when_it_is_complete(filled, file):
    file.write_text("older")
    with pytest.raises(vecstore.DoesNotExist):
        export_collection(filled.db, "missing", file)
    assert file.read_text() == "older"
    assert [entry.name for entry in file.parent.glob("exported*")] == [file.name]


def test_vectors_that_are_not_finite_are_base64(db):
    Collection("words", db, model=Vectors())
    db["embeddings"].insert({"collection_id": 1, "id": "nan", "embedding": encode([math.nan, 1])})
    stream = io.BytesIO()
    export_collection(db, "words", stream)
    entry = json.loads(stream.getvalue().splitlines()[1])
    assert entry == {"id": "nan", "embedding": {"base64": "AADAfwAAgD8="}}


# The commands


@pytest.fixture
def database(tmp_path):
    return make_pets(tmp_path / "pets.db", "1 1 1", "1 0 0")


def test_the_commands(database, tmp_path):
    file, other = tmp_path / "pets.jsonl", tmp_path / "other.db"
    assert output("collections", "export", "pets", file, "-d", database) == (
        "pets: 2 entries, model vectors\n"
    )
    assert output("collections", "import", file, "-d", other) == "pets: 2 entries, model vectors\n"
    assert output("collections", "import", file, "-d", other, "--name", "p").startswith("p: 2")
    listed = run("collections", "-d", other)
    assert listed.stdout.count("2 embeddings") == 2
    assert listed.stderr == "The index is inside the file\n"
    assert output("check", other).endswith("No problems\n")


def test_the_commands_in_a_pipe(database, tmp_path):
    exported = process("collections", "export", "pets", "-d", database)
    assert (exported.returncode, exported.stderr) == (0, "")
    piped = ["collections", "import", "-", "-d", tmp_path / "other.db"]
    imported = process(*piped, input=exported.stdout)
    assert (imported.stdout, imported.stderr) == ("pets: 2 entries, model vectors\n", "")
    assert process(*piped, input=exported.stdout[:-40]).stderr.startswith("Error: Line 3")
    assert output("collections", "export", "pets", "-d", tmp_path / "other.db") == exported.stdout


def test_a_pipe_that_nobody_reads_to_its_end_is_no_traceback(tmp_path):
    path = tmp_path / "many.db"
    with closing(vecstore.connect(path, driver="apsw")) as db:
        Collection("c", db, model=Vectors()).embed_multi((n, f"{n} 1") for n in range(5000))
    script = f"{shlex.join(PROCESS)} collections export c -d {path} | head -n 1"
    result = subprocess.run(["bash", "-c", script], capture_output=True, text=True)
    assert json.loads(result.stdout)["entries"] == 5000
    assert result.stderr == ""


def test_errors_are_one_line(database, tmp_path):
    (tmp_path / "wrong.jsonl").write_text("{}\n")
    assert error("collections", "import", tmp_path / "wrong.jsonl", "-d", database) == (
        "The first line is not that of an export of vecstore"
    )
    assert "Collection does not exist: 'cars'" in error(
        "collections", "export", "cars", "-d", database
    )
    assert run("collections", "import", tmp_path / "no.jsonl").exit_code == 2


@pytest.mark.parametrize("age", AGES)
def test_a_collection_of_an_old_llm_is_exported_as_it_would_be_after_its_migrations(path, age):
    make_llm_database(path, stop_before=age)
    exported, migrated = io.BytesIO(), io.BytesIO()
    export_collection(path, "old", exported)
    with closing(vecstore.connect(path)) as db:
        Collection("old", db)
        export_collection(db, "old", migrated)
    found, expected = (
        [json.loads(line) for line in file.getvalue().splitlines()] for file in (exported, migrated)
    )
    for line in (*found, *expected):
        line.pop("updated", None)  # which is when it was migrated
        if "content" not in line:
            line.pop("content_hash", None)  # which is random then
    assert found == expected
