"""check() finds an index that is out of step with its table, or not whole; it is rebuilt."""

from contextlib import closing

import apsw
import pytest

import vecstore
from tests.support.damage import notes, problems, without_triggers
from tests.support.databases import rows
from tests.support.models import Vectors
from vecstore import Collection, encode


@pytest.fixture
def form(monkeypatch):
    """What is damaged here is inside the file; test_check_beside.py is for the others."""
    monkeypatch.setenv("VECSTORE_INDEX", "inside")


A = encode([1.0] * 8)
B = encode([1.0, 2.0] * 4)

INDEX = "The index of 8 dimensions"

OUT_OF_STEP = [
    (
        f"insert into embeddings (collection_id, id, embedding) values (1, 'c', x'{A.hex()}')",
        [(f"{INDEX} is out of step: 1 vector is missing", [("one", "c")])],
    ),
    (
        "delete from embeddings where id = 'a'",
        [(f"{INDEX} is out of step: 1 vector is orphaned", [("one", "a")])],
    ),
    (
        "update embeddings set embedding = zeroblob(32) where id = 'a'",
        [(f"{INDEX} is out of step: 1 vector is orphaned", [("one", "a")])],
    ),
    (
        f"update embeddings set embedding = x'{B.hex()}'",
        [(f"{INDEX} is out of step: 2 vectors are stale", [("one", "a"), ("one", "b")])],
    ),
    (
        "delete from vec_embeddings_8_ids where id = 'a'",
        [
            (f"{INDEX} is out of step: 1 vector is missing", [("one", "a")]),
            (f"{INDEX} is out of step: 1 vector is orphaned", [(None, None)]),
        ],
    ),
    (
        "delete from vec_embeddings_8 where rowid = 1",
        [(f"{INDEX} is out of step: 1 vector is missing", [("one", "a")])],
    ),
    (
        "update vec_embeddings_8 set embedding = vec_f32('[1,2,3,4,5,6,7,8]') where rowid = 1",
        [(f"{INDEX} is out of step: 1 vector is stale", [("one", "a")])],
    ),
    (
        "insert into vec_embeddings_8 (rowid, partition_id, collection_id, embedding) "
        "values (9, 0, 1, vec_f32('[1,2,3,4,5,6,7,8]'))",
        [(f"{INDEX} is out of step: 1 vector is orphaned", [(None, None)])],
    ),
    (
        "update vec_embeddings_8_chunks set validity = zeroblob(length(validity))",
        [(f"{INDEX} is out of step: 2 vectors are missing", [("one", "a"), ("one", "b")])],
    ),
    (
        "update vec_embeddings_8_chunks set rowids = zeroblob(length(rowids))",
        [(f"{INDEX} is out of step: 2 vectors are missing", [("one", "a"), ("one", "b")])],
    ),
    (
        "update vec_embeddings_8_chunks set partition00 = 2",
        [(f"{INDEX} is out of step: 2 vectors are missing", [("one", "a"), ("one", "b")])],
    ),
    (
        "insert into vec_embeddings_8_partitions (collection_id) values (1)",
        [(f"{INDEX} is out of step: 2 vectors are missing", [("one", "a"), ("one", "b")])],
    ),
    (
        "update vec_embeddings_8 set collection_id = 2 where rowid = 1",
        [(f"{INDEX} is out of step: 1 vector is stale", [("one", "a")])],
    ),
    (
        "update vec_embeddings_8_chunks set validity = cast(x'0f' || substr(validity, 2) as blob)",
        [
            (
                f"{INDEX} is out of step: 2 vectors are orphaned",
                [(None, None), (None, None)],
            )
        ],
    ),
]


@pytest.mark.parametrize(("sql", "expected"), OUT_OF_STEP)
def test_an_index_out_of_step_is_found_and_rebuilt(filled, sql, expected):
    with without_triggers(filled.db):
        filled.db.execute(sql)
    assert problems(filled.db) == expected
    assert vecstore.build_index(filled.db) == {8: filled.count() - sql.count("zeroblob(32)")}
    assert problems(filled.db) == []


BITS = [
    ("delete from vec_embeddings_64_bits where rowid = 1", "1 vector is missing"),
    ("{again} (1, 0, 1, {sample}, vec_bit(zeroblob(16)))", "1 vector is stale"),
    ("{again} (1, 0, 1, 1 - {sample}, {bits})", "1 vector is stale"),
    ("{again} (1, 0, 2, {sample}, {bits})", "1 vector is stale"),
    ("{again} (1, 1, 1, {sample}, {bits})", "1 vector is missing"),
]

AGAIN = """
    create temporary table before as select * from vec_embeddings_64_bits where rowid = 1;
    delete from vec_embeddings_64_bits where rowid = 1;
    insert into vec_embeddings_64_bits (rowid, partition_id, collection_id, sample, embedding)
    values
"""


@pytest.mark.parametrize(("sql", "expected"), BITS)
def test_bits_that_are_not_those_of_the_vectors_are_found(db, sql, expected):
    Collection("one", db, model=Vectors()).embed("a", "1 2 " * 32)
    bits, sample = "vec_bit((select embedding from before))", "(select sample from before)"
    db.executescript(sql.format(again=AGAIN, bits=bits, sample=sample))
    [(message, examples)] = problems(db)[:1]
    assert message == f"The index of 64 dimensions is out of step: {expected}"
    assert examples == [("one", "a")]
    vecstore.build_index(db)
    assert problems(db) == []


def test_a_lost_table_of_bits_is_found_and_rebuilt(db):
    Collection("one", db, model=Vectors()).embed("a", "1 2 " * 32)
    db.execute("drop table vec_embeddings_64_bits")
    [(message, _)] = problems(db)
    assert "the table vec_embeddings_64_bits is missing" in message
    vecstore.build_index(db)
    assert problems(db) == []


NOT_WHOLE = [
    ("drop trigger vec_embeddings_8_update", "the trigger vec_embeddings_8_update is missing"),
    ("drop table vec_embeddings_8_chunks", "the table vec_embeddings_8_chunks is missing, "
     "the index vec_embeddings_8_partition is missing"),
    ("drop index vec_embeddings_8_partition", "the index vec_embeddings_8_partition is missing"),
    ("drop table vec_embeddings_8_rowids", "the table vec_embeddings_8_rowids is missing"),
    ("drop table vec_embeddings_8_info", "the table vec_embeddings_8_info is missing"),
    ("drop table vec_embeddings_8_vector_chunks00",
     "the table vec_embeddings_8_vector_chunks00 is missing"),
]  # fmt: skip


@pytest.mark.parametrize(("sql", "expected"), NOT_WHOLE)
def test_an_index_that_is_not_whole_is_found_and_rebuilt(open_db, path, sql, expected):
    with closing(vecstore.connect(path, driver="apsw")) as db:
        Collection("one", db, model=Vectors()).embed("a", "1 0 0 0 0 0 0 0")
        db.execute(sql)
    db = open_db(path)
    assert problems(db) == [(f"{INDEX} is not whole: {expected}", [])]
    assert [status.state for status in vecstore.list_indexes(db)] == ["incomplete"]
    vecstore.build_index(db)
    assert problems(db) == []
    assert [entry.id for entry in Collection("one", db).similar_by_vector([1.0] * 8)] == ["a"]


def test_an_altered_trigger_of_an_index_is_found_and_rebuilt(filled):
    [(sql,)] = rows(
        filled.db, "select sql from sqlite_master where name = 'vec_embeddings_8_delete'"
    )
    filled.db.execute("drop trigger vec_embeddings_8_delete")
    filled.db.execute(sql.replace("= 32", "= 33"))
    expected = "is not whole: the trigger vec_embeddings_8_delete is altered"
    assert problems(filled.db) == [(f"{INDEX} {expected}", [])]
    vecstore.build_index(filled.db)
    assert problems(filled.db) == []


def test_an_index_that_cannot_be_read_is_found_and_rebuilt(filled):
    filled.db.execute("delete from vec_embeddings_8_vector_chunks00")
    [(message, _)] = problems(filled.db)
    assert message.startswith(f"{INDEX} cannot be read: ")
    vecstore.build_index(filled.db)
    assert problems(filled.db) == []


def test_the_shadows_that_a_recovery_leaves_are_replaced(filled, path):
    """.recover of the sqlite3 shell makes the tables of vec0 as ordinary ones."""
    filled.db.close()
    conn = apsw.Connection(path)
    conn.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 0)
    conn.execute("pragma writable_schema = on")
    conn.execute("delete from sqlite_master where name = 'vec_embeddings_8'")
    conn.close()
    with closing(vecstore.connect(path, driver="apsw")) as db:
        assert "the table vec_embeddings_8 is missing" in problems(db)[0][0]
        vecstore.build_index(db)
        assert problems(db) == []


def test_an_index_that_is_not_built_is_a_note(filled):
    assert vecstore.drop_index(filled.db) == [8]
    assert problems(filled.db) == []
    assert notes(filled.db) == [("There is no index of 2 vectors of 8 dimensions", [])]


def test_a_dimension_that_has_no_index_is_a_note(db):
    Collection("long", db, model=Vectors()).embed("a", "1 " * 9000)
    assert notes(db) == [
        ("There can be no index of 1 vector of 9000 dimensions: a search reads all of them", [])
    ]


def test_rows_are_read_in_portions_whatever_their_rowids(db, monkeypatch):
    monkeypatch.setattr(vecstore.sqlite.maintenance.checks, "_ROWS", 3)
    collection = Collection("one", db, model=Vectors())
    collection.embed_multi((n, f"1 0 0 0 0 0 0 {n}") for n in range(20))
    for n in range(0, 20, 2):
        db.execute("update embeddings set rowid = ? where id = ?", [10**n - 5, str(n)])
    assert problems(db) == []
    with without_triggers(db):
        db.execute("delete from embeddings where cast(id as integer) % 2 = 0")
    [(message, _)] = problems(db)
    assert message == f"{INDEX} is out of step: 10 vectors are orphaned"
