"""The index equals the table, whoever writes, with whatever SQL."""

import contextlib
import sqlite3
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

import vecstore
from tests.support.databases import rows
from tests.support.index_writes import DIMENSIONS, expected_entries, index_entries, statements
from tests.support.models import Vectors
from vecstore import Collection
from vecstore.sqlite import transactions
from vecstore.sqlite.index import building, tables


def assert_in_step(db):
    for dimensions in DIMENSIONS:
        if building.index_exists(db, dimensions):
            assert index_entries(db, dimensions) == expected_entries(db, dimensions)


class IndexMachine(RuleBasedStateMachine):
    """Writes with raw SQL, through connections with different settings."""

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = str(Path(self.folder.name) / "machine.db")
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(tables, "partition_rows", lambda dimensions: 3)
        self.db = vecstore.connect(self.path)
        for name in ("one", "two"):
            Collection(name, self.db, model=Vectors())
        self.other = vecstore.connect(self.path)
        self.other.execute("pragma recursive_triggers = off")
        self.other.execute("pragma foreign_keys = off")

    def teardown(self):
        self.db.close()
        self.other.close()
        self.folder.cleanup()
        self.patch.undo()

    @rule(
        dimensions=st.sampled_from(DIMENSIONS),
        other=st.booleans(),
        name=st.sampled_from(["one", "two"]),
    )
    def search(self, dimensions, other, name):
        db = self.other if other else self.db
        collection = Collection(name, db)
        expected = {id for c, id in expected_entries(db, dimensions) if c == collection.id}
        with contextlib.suppress(vecstore.DimensionError):
            found = collection.similar_by_vector([1.0] * dimensions, 100)
            assert {entry.id for entry in found} == expected

    @rule(statement=statements(), other=st.booleans())
    def write(self, statement, other):
        self.run(self.other if other else self.db, [statement])

    @rule(
        batch=st.lists(statements(), min_size=1, max_size=4),
        other=st.booleans(),
        end=st.sampled_from(["commit", "rollback"]),
        savepoint=st.booleans(),
    )
    def write_in_a_transaction(self, batch, other, end, savepoint):
        db = self.other if other else self.db
        db.execute("begin")
        if savepoint:
            db.execute("savepoint s")
            self.run(db, batch)
            if db.conn.in_transaction:
                db.execute("rollback to s")
        self.run(db, batch)
        assert_in_step(db)
        if db.conn.in_transaction:
            db.execute(end)

    @rule(statement=statements())
    def write_while_a_trigger_is_missing(self, statement):
        for dimensions in DIMENSIONS:
            for event in ("insert", "update", "delete"):
                self.db.execute(f"drop trigger if exists vec_embeddings_{dimensions}_{event}")
        self.run(self.db, [statement])
        for dimensions in DIMENSIONS:
            building.ensure_index(self.db, dimensions)

    @rule()
    def transform(self):
        self.db["embeddings"].transform()
        Collection("one", self.db)
        for dimensions in DIMENSIONS:
            building.ensure_index(self.db, dimensions)

    @precondition(lambda self: building.index_exists(self.db, 8))
    @rule()
    def touch_content_alone(self):
        before = rows(self.db, "select * from vec_embeddings_8_ids"), self.db.conn.total_changes
        self.db.execute("update embeddings set content = 'y', metadata = null, updated = 1")
        count = self.db["embeddings"].count
        after = rows(self.db, "select * from vec_embeddings_8_ids"), self.db.conn.total_changes
        assert after == (before[0], before[1] + count)

    @rule()
    def vacuum(self):
        self.db.vacuum()

    def run(self, db, batch):
        for sql, args in batch:
            with contextlib.suppress(db.conn.IntegrityError):
                db.execute(sql, args)

    @invariant()
    def the_index_equals_the_table(self):
        for db in (self.db, self.other):
            assert_in_step(db)
        assert rows(self.db, "pragma integrity_check") == [("ok",)]


TestIndexMachine = IndexMachine.TestCase
TestIndexMachine.settings = settings(
    max_examples=40,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture
def filled(db):
    collection = Collection("one", db, model=Vectors())
    collection.embed_multi([("a", "1 0 0 0 0 0 0 0"), ("b", "0 1 0 0 0 0 0 0")])
    return collection


def test_the_index_is_made_by_the_first_write(filled):
    names = {name for name in filled.db.table_names() if name.startswith("vec_embeddings_8")}
    assert names >= {"vec_embeddings_8", "vec_embeddings_8_ids"}
    assert_in_step(filled.db)


def test_few_dimensions_have_no_bits_and_all_from_32_on_have(db):
    for dimensions in (3, 31, 32, 50):
        Collection(f"of {dimensions}", db, model=Vectors()).embed(
            "a", "1 2" + " 3" * (dimensions - 2)
        )
        assert (f"vec_embeddings_{dimensions}_bits" in db.table_names()) == (dimensions >= 32)
    assert_in_step(db)


def test_replace_leaves_one_row_in_the_index(filled):
    for recursive in ("on", "off"):
        filled.db.execute(f"pragma recursive_triggers = {recursive}")
        filled.db["embeddings"].insert(
            {"collection_id": 1, "id": "a", "embedding": vecstore.encode([0, 0, 1] + [0] * 5)},
            replace=True,
        )
        assert_in_step(filled.db)
    assert rows(filled.db, "select count(*) from vec_embeddings_8") == [(2,)]


def test_embedding_again_takes_no_more_space(filled):
    def chunks():
        return rows(filled.db, "select count(*) from vec_embeddings_8_chunks")

    before = chunks()
    for n in range(5000):
        filled.db.execute(
            "update embeddings set embedding = ? where id = 'a'",
            [vecstore.encode([n + 1.0] + [0.0] * 7)],
        )
    assert chunks() == before
    assert_in_step(filled.db)


@pytest.mark.parametrize("value", [b"123", b"12345", "[1, 2]", 7, 1.5])
def test_what_is_no_array_of_float32_is_refused(filled, value):
    for sql in (
        "insert into embeddings (collection_id, id, embedding) values (1, 'c', ?)",
        "insert or replace into embeddings (collection_id, id, embedding) values (1, 'a', ?)",
        "update embeddings set embedding = ?",
    ):
        with pytest.raises(filled.db.conn.IntegrityError, match="little-endian float32.*vec_f32"):
            filled.db.execute(sql, [value])
    assert_in_step(filled.db)
    assert filled.ids() == ["a", "b"]


def test_a_rowid_of_another_row_is_refused(filled):
    with pytest.raises(filled.db.conn.IntegrityError, match="belongs to another row"):
        filled.db.execute(
            "insert or replace into embeddings (rowid, collection_id, id) values (1, 1, 'c')"
        )
    assert filled.ids() == ["a", "b"]


def test_a_dimension_without_an_index_is_indexed_by_the_next_search(db):
    collection = Collection("one", db, model=Vectors())
    db["embeddings"].insert(
        {"collection_id": 1, "id": "a", "embedding": vecstore.encode([1.0] * 8)}
    )
    assert "vec_embeddings_8" not in db.table_names()
    assert [entry.id for entry in collection.similar_by_vector([1.0] * 8)] == ["a"]
    assert building.index_exists(db, 8)


def test_an_index_dropped_for_another_program_comes_back_in_step(filled):
    transactions.write(filled.db, lambda: building.remove_index(filled.db, 8))
    filled.db["embeddings"].insert(
        {"collection_id": 1, "id": "c", "embedding": vecstore.encode([1.0] * 8)}
    )
    filled.embed("d", "1 1 1 1 0 0 0 0")
    assert_in_step(filled.db)
    assert [e.id for e in filled.similar("1 1 1 1 1 1 1 1", 2)] == ["c", "d"]


def test_many_rows_are_deleted_from_the_index_too(filled):
    filled.embed_multi((f"n{n}", f"{n} 1 0 0 0 0 0 0") for n in range(3000))
    filled.db.execute("delete from embeddings where id like 'n%'")
    assert_in_step(filled.db)
    assert [entry.id for entry in filled.similar("1 0 0 0 0 0 0 0")] == ["a", "b"]


def test_a_small_collection_is_small(db):
    """The chunks of one row: about 192 KB of vectors and a quarter of that in bits."""
    for dimensions in (32, 384, 1536, 8192):
        collection = Collection(str(dimensions), db, model=Vectors())
        collection.embed("a", "1 " * dimensions)
        name = f"vec_embeddings_{dimensions}"
        sizes = [
            rows(db, f"select sum(length(vectors)) from {table}_vector_chunks00")[0][0]
            for table in (name, f"{name}_bits")
        ]
        assert sizes[0] <= 262_144
        assert sizes[1] <= 65_536


def test_without_the_extension_a_file_can_be_read_and_what_would_break_it_is_refused(filled, path):
    filled.db.close()
    plain = sqlite3.connect(path)
    plain.execute("update embeddings set content = 'new text', metadata = '{}' where id = 'a'")
    for sql in (
        "insert into embeddings (collection_id, id, embedding) values (1, 'c', x'0000803f')",
        "update embeddings set embedding = null",
        "update embeddings set id = 'z' where id = 'a'",
        "delete from embeddings",
    ):
        with pytest.raises(sqlite3.OperationalError, match="no such module: vec0|no such function"):
            plain.execute(sql)
    plain.commit()
    found = plain.execute("select id, content, length(embedding) from embeddings order by id")
    assert found.fetchall() == [("a", "new text", 32), ("b", None, 32)]
    plain.close()
    db = vecstore.connect(path)
    assert_in_step(db)
    db.close()


def test_an_entry_says_where_its_row_was_last_written(db):
    """For a search that looks it up by its rowid: a hint, which an UPDATE of rowid makes wrong."""
    collection = Collection("one", db, model=Vectors())
    collection.embed_multi((id, "1 2 3 4 5 6 7 8") for id in "abc")
    values = "(?, ?, vec_f32('[8, 7, 6, 5, 4, 3, 2, 1]'))"
    replace = "insert or replace into embeddings (collection_id, id, embedding) values"
    upsert = "on conflict (collection_id, id) do update set embedding = excluded.embedding"
    insert = "insert into embeddings (collection_id, id, embedding) values"
    db.execute(f"{replace} {values}", [collection.id, "a"])
    db.execute(f"{insert} {values} {upsert}", [collection.id, "b"])
    db.execute("update embeddings set id = 'd' where id = 'c'")
    found = rows(db, "select id, embeddings_rowid from vec_embeddings_8_ids order by id")
    assert found == rows(db, "select id, rowid from embeddings order by id")
    assert [id for id, _ in found] == ["a", "b", "d"]
