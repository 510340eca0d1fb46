"""Conditions in SQL: what they let through, and that they write nothing."""

import contextlib
import re

import pytest

import vecstore
from tests.support.brute_force import brute_force, found
from tests.support.databases import rows
from tests.support.models import pseudorandom

pytestmark = pytest.mark.usefixtures("partition")

CONDITIONS = [
    ("id > ? and id like ?", ["a100", "%2"], lambda id: id > "a100" and id.endswith("2")),
    (
        "id in (:one, :two)",
        {"one": "a002", "two": "b003", "three": 3},
        {"a002", "b003"}.__contains__,
    ),
    ("embeddings.id = 'a002' or collection_id <> 1 -- comment", None, "a002".__eq__),
    ("id = ?2 or id = ?1", ["a002", "b003"], {"a002", "b003"}.__contains__),
    ("id < 'a010' /* :_vector ? */", [], lambda id: id < "a010"),
    ("metadata is not null", None, lambda id: False),
    ("1) or (0", None, lambda id: True),
]


@pytest.mark.parametrize(("where", "where_args", "meets"), CONDITIONS)
@pytest.mark.parametrize("number", [5, 5000])
def test_a_condition_in_sql(numbers, where, where_args, meets, number):
    collection, vectors = numbers
    query = pseudorandom("query")
    expected = brute_force({id: v for id, v in vectors.items() if meets(id)}, query, number)
    given = {"where": where, "where_args": where_args}
    assert found(collection.similar_by_vector(query, number, **given)) == expected
    assert found(collection.explain(query, number, **given).entries) == expected
    without = brute_force(
        {id: v for id, v in vectors.items() if meets(id)}, vectors["a002"], number, "a002", "a"
    )
    assert found(collection.similar_by_id("a002", number, "a", **given)) == without


@pytest.mark.parametrize(
    ("where", "where_args"),
    [
        ("nope = 1", None),
        ("id =", None),
        ("1); delete from embeddings; --", None),
        ("1; delete from embeddings", None),
        ("delete from embeddings", None),
        ("id = ?", None),
        ("id = ?", ["a", "b"]),
        ("id = :name", {"other": 1}),
        ("id = ?", [object()]),
        ("json_extract(id, '$.a') = 1", None),
        ("id match 'a'", None),
        ("count(*) > 1", None),
        ("1) union all select rowid from embeddings where (1", None),
        ("1) group by (1", None),
        ("fulltext = 1", None),
        ("closed = 1 or locked", None),
        ("length(zeroblob(5000000000)) = 1", None),
        ("id in (select id from embeddings limit 'x')", None),
        ("id = ?", [10**30]),
        ("id = ?", ["\ud800"]),
        ("id = '\ud800'", None),
        ("id = :_vector", {"_vector": "a002"}),
        (5, None),
        ("id = ?", "a"),
        (None, ["a"]),
    ],
)
@pytest.mark.parametrize("exact", [False, True])
def test_a_broken_condition_is_an_error_and_writes_nothing(numbers, where, where_args, exact):
    collection, _ = numbers
    with pytest.raises(vecstore.InvalidInputError, match="where"):
        collection.similar_by_id("a000", where=where, where_args=where_args, exact=exact)
    assert collection.count() == 300


@pytest.mark.parametrize(
    "where",
    [
        "exists (select 1 from pragma_optimize)",
        "exists (select 1 from pragma_optimize(65538))",  # writes statistics, from SQLite 3.46 on
        "exists (select optimize(docs) from docs)",  # merges what an fts3 table is made of
        "delete_all()",
        "1) and delete_all() or (1",
        "exists (select 1 from pragma_query_only where delete_all())",
    ],
)
def test_a_condition_cannot_write_by_what_it_calls(numbers, closing, where):
    collection, _ = numbers
    db = collection.db
    db.execute("create virtual table docs using fts3(text)")
    for _ in range(3):
        db["docs"].insert({"text": "some text"})
    db.execute("create index i on embeddings (content)")

    @db.register_function
    def delete_all():
        return db.conn.execute("delete from embeddings").rowcount

    collection.similar_by_id("a000")
    before = [rows(db, f"select * from {name}") for name in ("sqlite_master", "docs_segdir")]
    changes = db.conn.total_changes
    for exact in (False, True):
        with contextlib.suppress(vecstore.InvalidInputError):
            collection.similar_by_id("a000", where=where, exact=exact)
    assert [
        rows(db, f"select * from {name}") for name in ("sqlite_master", "docs_segdir")
    ] == before
    assert db.conn.total_changes == changes
    assert rows(db, "select delete_all()") == [(300,)]  # it could


@pytest.mark.parametrize("before", [0, 1])
def test_what_a_connection_may_write_is_as_before_after_a_condition(numbers, before):
    collection, _ = numbers
    collection.similar_by_id("a000")
    collection.db.execute(f"pragma query_only = {before}")
    assert len(collection.similar_by_id("a000", where="1")) == 10
    with pytest.raises(vecstore.InvalidInputError):
        collection.similar_by_id("a000", where="nope")
    assert rows(collection.db, "pragma query_only") == [(before,)]


def test_a_condition_uses_an_index(numbers):
    collection, vectors = numbers
    db = collection.db
    db.execute("create index by_number on embeddings (json_extract(metadata, '$.n'))")
    for column, where in [("id", "id = 'b003'"), ("<expr>", "json_extract(metadata, '$.n') = 3")]:
        (step,) = collection.explain(vectors["a000"], where=where).steps
        values = dict.fromkeys(re.findall(r":(_\w+)", step.sql))
        plan = [row[3] for row in db.execute(f"explain query plan {step.sql}", values)]
        assert [line for line in plan if f"{column}=?)" in line and "INDEX" in line], plan


def test_an_interrupted_search_with_a_condition_leaves_the_database_writable(collection):
    """While another statement has rows to give, SQLite runs none after an interrupt."""
    collection.embed_multi((n, "some words") for n in range(50))
    db = collection.db
    others = db.execute("select id from embeddings")
    others.fetchone()
    db.conn.create_function("interrupt_now", 0, lambda: db.conn.interrupt() or 1)
    condition = "interrupt_now() = 1 and exists (select 1 from json_each('[1]'))"
    with pytest.raises(db.conn.OperationalError, match="interrupted"):
        collection.similar("words", where=condition)
    with contextlib.suppress(db.conn.OperationalError):
        others.fetchall()
    others.close()
    collection.embed("new", "more words")
    assert collection.count() == 51
