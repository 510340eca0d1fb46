"""Searches, checked against brute force; and the cases at the edges."""

import contextlib
import json
import re
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import vecstore
from tests.support.databases import rows
from tests.support.models import Vectors, pseudorandom
from vecstore import Collection
from vecstore.sqlite.index import tables
from vecstore.sqlite.search import planner, plans


def fill(collection, vectors):
    """Store vectors by id, without a model."""
    collection.db["embeddings"].insert_all(
        {"collection_id": collection.id, "id": id, "embedding": vecstore.encode(vector)}
        for id, vector in vectors.items()
    )


def brute_force(vectors, query, number, skip_id=None, prefix=""):
    scores = [
        (-vecstore.cosine_similarity(vector, query), id)
        for id, vector in vectors.items()
        if any(vector) and id != skip_id and id.startswith(prefix)
    ]
    return [(id, pytest.approx(-score, abs=1e-5)) for score, id in sorted(scores)[:number]]


def found(entries):
    return [(entry.id, entry.score) for entry in entries]


@pytest.fixture(autouse=True, params=["own partition", "shared partition"])
def partition(request, monkeypatch):
    """What is found is the same in a partition of the collection's own and in that of the small."""
    if request.param == "own partition":
        monkeypatch.setattr(tables, "partition_rows", lambda dimensions: 1)


@pytest.fixture
def numbers(db):
    collection = Collection("numbers", db, model=Vectors())
    vectors = {f"{'ab'[n % 2]}{n:03}": pseudorandom(str(n)) for n in range(300)}
    fill(collection, vectors)
    return collection, vectors


@pytest.mark.parametrize("number", [1, 10, 299, 300, 1000, 4095, 4096, 5000])
def test_search_equals_brute_force(numbers, number):
    collection, vectors = numbers
    query = pseudorandom("query")
    expected = brute_force(vectors, query, number)
    assert found(collection.similar_by_vector(query, number)) == expected


def test_filters_apply_before_the_nearest_are_taken(numbers):
    collection, vectors = numbers
    query = vectors["a002"]
    arguments = {"skip_id": "a002", "prefix": "b"}
    expected = brute_force(vectors, query, 20, **arguments)
    assert found(collection.similar_by_vector(query, 20, **arguments)) == expected
    expected = brute_force(vectors, query, 20, skip_id="a002", prefix="a")
    assert found(collection.similar_by_id("a002", 20, prefix="a")) == expected


def test_the_scan_gives_what_the_index_gives(numbers):
    collection, vectors = numbers
    for prefix, skip_id in [("", None), ("a", "a002"), ("b1", None), ("zz", None)]:
        blob = vecstore.encode(vectors["a002"])
        query = planner.Query(collection.row, blob, 20, prefix, skip_id)
        assert plans.scan(collection.db, query).rows == planner.search(collection.db, query)


def test_scores_are_those_of_the_extension(numbers):
    collection, vectors = numbers
    query = vecstore.encode(vectors["a000"])
    expected = rows(
        collection.db,
        """
        select id, 1 - vec_distance_cosine(embedding, ?) as score
        from embeddings
        order by score desc, id
        limit 10
        """,
        [query],
    )
    assert found(collection.similar_by_vector(vectors["a000"])) == expected


words = st.text(st.sampled_from("ab_%*?[é\U0010ffff\ud7ff\0"), max_size=4)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(ids=st.sets(words, min_size=1, max_size=12), prefix=words)
def test_a_prefix_is_literal(ids, prefix):
    collection = Collection("prefixes", model=Vectors())
    try:
        fill(collection, {id: pseudorandom(id) for id in ids})
        entries = collection.similar_by_vector(pseudorandom("q"), 100, prefix=prefix)
        assert {entry.id for entry in entries} == {id for id in ids if id.startswith(prefix)}
        query = planner.Query(collection.row, vecstore.encode(pseudorandom("q")), 100, prefix)
        assert {row[0] for row in plans.scan(collection.db, query).rows} == {e.id for e in entries}
    finally:
        collection.db.close()


def test_case_counts_in_a_prefix(db):
    collection = Collection("test", db, model=Vectors())
    fill(collection, {"Ab": [1, 0], "ab": [1, 0], "a_": [1, 0]})
    assert [e.id for e in collection.similar_by_vector([1, 0], prefix="a")] == ["a_", "ab"]
    assert [e.id for e in collection.similar_by_vector([1, 0], prefix="a_")] == ["a_"]


def test_equal_scores_are_ordered_by_id_at_the_last_place_too(db):
    collection = Collection("test", db, model=Vectors())
    fill(collection, {f"{n:02}": [1, 0] for n in reversed(range(50))} | {"best": [0, 1]})
    assert [e.id for e in collection.similar_by_vector([1, 1], 5)] == [
        "00",
        "01",
        "02",
        "03",
        "04",
    ]
    assert [e.id for e in collection.similar_by_vector([0, 1], 3)] == ["best", "00", "01"]
    assert [e.id for e in collection.similar_by_id("00", 2)] == ["01", "02"]


def test_an_empty_collection_has_no_results(db):
    collection = Collection("test", db, model=Vectors())
    assert collection.similar("1 0") == []
    assert collection.similar_by_vector([1, 0, 0], 10_000) == []
    assert [name for name in db.table_names() if name.startswith("vec_")] == []


def test_number_zero_is_empty_and_negative_is_refused(numbers):
    collection, vectors = numbers
    assert collection.similar_by_vector(vectors["a000"], 0) == []
    with pytest.raises(ValueError, match="number is -1"):
        collection.similar_by_vector(vectors["a000"], -1)
    with pytest.raises(ValueError, match="number is '10'"):
        collection.similar_by_vector(vectors["a000"], "10")
    with pytest.raises(vecstore.InvalidInputError, match="surrogate"):
        collection.similar_by_vector(vectors["a000"], prefix="\ud800")
    with pytest.raises(ValueError, match="prefix is 5"):
        collection.similar_by_vector(vectors["a000"], prefix=5)
    assert len(collection.similar_by_vector(vectors["a000"], 10**20)) == 300


class OfNumPy:
    """What NumPy's integers are to Python, and a buffer would be to SQLite."""

    def __init__(self, number):
        self.number = number

    def __index__(self):
        return self.number

    def __eq__(self, other):
        return self.number == other

    def __add__(self, other):
        return OfNumPy((self.number + other) % 256)


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("conditions", [{}, {"where": "1"}])
def test_numbers_of_other_types_count(numbers, exact, conditions):
    collection, vectors = numbers
    query = pseudorandom("query")
    expected = brute_force(vectors, query, 255)
    arguments = {"exact": exact, **conditions}
    assert found(collection.similar_by_vector(query, OfNumPy(255), **arguments)) == expected
    score = Fraction(collection.similar_by_vector(query, 5, **arguments)[4].score)
    assert len(collection.similar_by_vector(query, min_score=score, **arguments)) == 5
    assert collection.similar_by_vector(query, min_score=10**20, **arguments) == []


@pytest.mark.parametrize("number", [10, 5000])
def test_rows_that_cannot_be_compared_are_left_out(db, number):
    collection = Collection("test", db, model=Vectors())
    nan, infinity = float("nan"), float("inf")
    fill(
        collection,
        {"good": [1, 0], "zero": [0, 0], "nan": [nan, 1], "inf": [infinity, 1], "big": [3e38, 0]},
    )
    db["embeddings"].insert({"collection_id": collection.id, "id": "null"})
    db["embeddings"].insert({"collection_id": collection.id, "id": "empty", "embedding": b""})
    assert [e.id for e in collection.similar_by_vector([1, 1], number)] == ["good"]
    assert [e.id for e in collection.similar_by_id("good", number)] == []
    for id in ("zero", "nan", "inf", "big", "null", "empty"):
        assert collection.similar_by_id(id, number) == []
    assert collection.count() == 7


def test_to_a_zero_vector_nothing_is_similar(numbers):
    collection, _ = numbers
    assert collection.similar_by_vector([0] * 8) == []


@pytest.mark.parametrize(
    ("vector", "message"),
    [
        ([float("nan")] * 8, "NaN or an infinity"),
        ([float("inf")] * 8, "NaN or an infinity"),
        ([], "no dimensions"),
        (["a"] * 8, "not a list of numbers"),
        ([1e39] * 8, "not a list of numbers of float32"),
    ],
)
def test_a_bad_query_vector_is_refused(numbers, vector, message):
    collection, _ = numbers
    with pytest.raises(vecstore.InvalidInputError, match=message):
        collection.similar_by_vector(vector)


def test_a_query_of_another_dimension_is_refused(numbers):
    collection, _ = numbers
    with pytest.raises(vecstore.DimensionError, match="3 dimensions .* have 8"):
        collection.similar_by_vector([1, 2, 3])
    assert "vec_embeddings_3" not in collection.db.table_names()


def test_old_rows_of_another_dimension_are_found_by_their_own(db):
    collection = Collection("test", db, model=Vectors())
    fill(collection, {"a": [1, 0], "b": [0, 1], "old": [1, 0, 0], "older": [0, 1, 1]})
    assert [e.id for e in collection.similar("1 0.1")] == ["a", "b"]
    assert [e.id for e in collection.similar_by_id("old")] == ["older"]
    assert [e.id for e in collection.similar_by_vector([1, 1, 1], 5000)] == ["older", "old"]


def test_collections_do_not_see_each_other(db):
    one, two = (Collection(name, db, model=Vectors()) for name in ("one", "two"))
    fill(one, {"a": [1, 0]})
    fill(two, {"b": [1, 0], "c": [0, 1]})
    assert [e.id for e in one.similar("1 0")] == ["a"]
    assert [e.id for e in two.similar("1 0")] == ["b", "c"]


def test_more_dimensions_than_the_index_holds_are_scanned(db):
    collection = Collection("test", db, model=Vectors())
    vectors = {"a": [1.0] + [0.0] * 8999, "b": [1.0] * 9000}
    fill(collection, vectors)
    assert [e.id for e in collection.similar_by_id("a")] == ["b"]
    assert "vec_embeddings_9000" not in db.table_names()


@pytest.mark.parametrize("indexed", [True, False])
def test_a_read_only_file_is_searched(open_db, path, closing, indexed):
    collection = Collection("test", open_db(path), model=Vectors())
    vectors = {str(n): pseudorandom(str(n)) for n in range(50)}
    fill(collection, vectors)
    if indexed:
        collection.similar_by_id("1")
    collection.db.close()
    Path(path).chmod(0o444)
    before = Path(path).read_bytes()
    read_only = Collection("test", closing(vecstore.connect(path, read_only=True)))
    expected = brute_force(vectors, vectors["7"], 10, skip_id="7")
    assert found(read_only.similar_by_id("7")) == expected
    assert ("vec_embeddings_8" in read_only.db.table_names()) == indexed
    assert Path(path).read_bytes() == before


def test_a_search_while_another_connection_writes_is_answered(open_db, path, closing):
    collection = Collection("test", open_db(path), model=Vectors())
    fill(collection, {"a": [1, 0], "b": [0, 1]})
    writer = closing(vecstore.connect(path))
    writer.begin()
    writer["collections"].insert({"name": "uncommitted"})
    reader = Collection("test", closing(vecstore.connect(path, timeout=0.1)), model=Vectors())
    assert [e.id for e in reader.similar("1 0.5")] == ["a", "b"]
    writer.rollback()


def test_metadata_that_is_no_json_is_named(db):
    collection = Collection("test", db, model=Vectors())
    fill(collection, {"a": [1, 0]})
    db["embeddings"].update((collection.id, "a"), {"metadata": "{broken"})
    with pytest.raises(vecstore.VecstoreError, match="metadata of 'a' is not JSON"):
        collection.similar("1 0")
    db["embeddings"].update((collection.id, "a"), {"metadata": json.dumps({"ok": True})})
    assert collection.similar("1 0")[0].metadata == {"ok": True}


def test_one_long_row_takes_less_than_a_megabyte(open_db, path):
    collection = Collection("test", open_db(path), model=Vectors())
    collection.embed("a", "1 " * 1536, store=True)
    assert [e.id for e in collection.similar("2 " * 1536)] == ["a"]
    collection.db.close()
    assert Path(path).stat().st_size < 1_000_000


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


def test_a_minimum_score(numbers):
    collection, vectors = numbers
    query = pseudorandom("query")
    for number in (10, 5000):
        scores = [e.score for e in collection.similar_by_vector(query, number, min_score=0.5)]
        expected = [score for _, score in brute_force(vectors, query, number)]
        assert scores == [score for score in expected if score.expected >= 0.5]
        assert len(scores) > 5
    assert collection.similar_by_vector(query, min_score=1.1) == []
    with pytest.raises(ValueError, match="min_score is '0.5'"):
        collection.similar_by_vector(query, min_score="0.5")


def test_how_a_search_was_answered(numbers):
    collection, vectors = numbers
    explanation = collection.explain(vectors["a000"], 3, prefix="b")
    assert explanation.plan == "scan"
    assert explanation.candidates is None
    assert explanation.entries == collection.similar_by_vector(vectors["a000"], 3, prefix="b")
    assert explanation.seconds == sum(step.seconds for step in explanation.steps) > 0
    assert str(explanation).startswith("scan: 3 rows, ")
    assert collection.explain(id="a000").entries == collection.similar_by_id("a000")
    assert collection.explain(vectors["a000"], 0).plan is None
    for wrong in ({}, {"value": [1.0], "id": "a000"}):
        with pytest.raises(ValueError, match="takes a value to search for, or else id="):
            collection.explain(**wrong)
    with pytest.raises(vecstore.DoesNotExist, match="ID not found"):
        collection.explain(id="nope")


def test_several_collections_give_one_ranking(numbers, closing):
    collection, vectors = numbers
    elsewhere = closing(vecstore.connect())
    others = [
        Collection("others", collection.db, model=Vectors()),
        Collection("elsewhere", elsewhere, model=Vectors()),
        Collection("empty", collection.db, model=Vectors()),
    ]
    fill(others[0], {"x": vectors["a000"], "y": pseudorandom("y")})
    fill(others[1], {"a000": vectors["a000"], "b": [0.0] * 8})
    text = " ".join(map(str, vectors["a000"]))
    for value in (text, vectors["a000"]):
        ranking = vecstore.similar_across([collection, *others], value, 4)
        assert [(c.name, e.id) for c, e in ranking[:3]] == [
            ("numbers", "a000"),
            ("others", "x"),
            ("elsewhere", "a000"),
        ]
        assert ranking[3] == (collection, collection.similar_by_id("a000")[0])
    few = vecstore.similar_across([collection, *others], text, where="id in ('y', 'b')")
    assert [entry.id for _, entry in few] == ["y"]
    assert vecstore.similar_across([], text) == []


def test_collections_of_two_models_have_no_common_ranking(numbers, model):
    collection, vectors = numbers
    other = Collection("words", collection.db, model=model)
    with pytest.raises(vecstore.ModelMismatchError, match="'words' has the model 'word-lengths'"):
        vecstore.similar_across([collection, other], vectors["a000"])


def test_a_model_may_be_recorded_by_two_names(db):
    """llm records an alias of its own where vecstore records the name."""
    ours = Collection("ours", db, model_id="text-embedding-3-small")
    theirs = Collection("theirs", db, model_id="text-embedding-3-small")
    db["collections"].update(theirs.id, {"model": "3-small"})
    collections = [ours, Collection("theirs", db)]
    for collection in collections:
        fill(collection, {"a": [1, 0]})
    for ordered in (collections, collections[::-1]):
        assert len(vecstore.similar_across(ordered, [1, 0])) == 2


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
