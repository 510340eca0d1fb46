"""Collection.search(): what it finds is what brute force does, whatever the file and its state."""

import contextlib
import sqlite3
import tempfile
from typing import get_args

import pytest
import sqlite_utils
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import vecstore
import vecstore.query
from tests.support.beside import index_of, write
from tests.support.chunked import lines
from tests.support.databases import KINDS, rows
from tests.support.models import Pseudorandom, pseudorandom
from tests.support.ranked import ranked
from vecstore import Collection
from vecstore.settings import IndexForm
from vecstore.sqlite.search import keyword_ranking

FORMS: tuple[IndexForm, ...] = get_args(IndexForm)
WORDS = ["hound", "hounds", "cat", "PN-4711", "**", "naïve", "犬", "happy", "the", "it's"]
TEXT = st.lists(st.sampled_from(WORDS), max_size=4).map(" ".join)
IDS = [f"{'ab'[n % 2]}{n}" for n in range(12)] + ["nul\0a", "nul\0b", '"', "'", "🐶", "\\u0041", ""]
QUERIES = [
    "hound",
    "happy hound",
    '"happy hound"',
    "hou*",
    "hound -cat",
    'happy -"the cat" -犬',
    "PN-4711",
    "naive the",
    "** hound",
    "nothing of it",
]
OPTIONS = [
    {},
    {"prefix": "a"},
    {"prefix": "nul\0"},
    {"min_score": 0.1},
    {"where": "id > ?", "where_args": ["a3"]},
    {"where": "length(content) > :n", "where_args": {"n": 10}, "min_score": 0.0, "prefix": "b"},
    {"where": "metadata is null"},
    {"where": "false"},
]


@pytest.fixture(params=FORMS)
def form(request) -> IndexForm:
    return request.param


@pytest.fixture
def pets(db, form):
    """Two collections of some texts, with equals, and some without a text."""
    pets = Collection("pets", db, model=Pseudorandom(), index=form)
    pets.embed_multi(((id, text(n)) for n, id in enumerate(IDS)), store=True)
    pets.embed_multi((f"not {n}", text(n)) for n in range(5))
    pets.embed_documents({"doc": "the hound\nthe cat\nhappy the hound"}.items(), lines)
    other = Collection("other", db, model=Pseudorandom())
    other.embed_multi(((id, "hound of another") for id in IDS[3:8]), store=True)
    return pets


def text(n: int) -> str:
    return " ".join(WORDS[(n + k * k) % len(WORDS)] for k in range(n % 5))


def assert_finds(collection: Collection, query: str = "happy hound -cat", **options) -> None:
    for mode in ("hybrid", "keywords", "similar"):
        if mode == "keywords" and "min_score" in options:
            continue
        found = collection.search(query, mode=mode, **options)
        assert found == ranked(collection, query, mode=mode, **options)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    texts=st.dictionaries(st.sampled_from(IDS), TEXT, max_size=16),
    others=st.dictionaries(st.sampled_from(IDS[:6]), TEXT, max_size=6),
    documents=st.dictionaries(st.sampled_from("de"), TEXT.map(lambda t: t.replace(" ", "\n"))),
    unstored=st.dictionaries(st.sampled_from(["x", "y"]), TEXT),
    query=st.sampled_from(QUERIES),
    options=st.sampled_from(OPTIONS),
    per_document=st.booleans(),
    number=st.sampled_from([0, 1, 2, 5, 100]),
    weights=st.sampled_from([(1.0, 1.0), (2.5, 1), (0.001, 30.0)]),
    least_depth=st.sampled_from([1, 3, 20]),
    frequent=st.sampled_from([1, 2, 1000]),
    form=st.sampled_from(FORMS),
)
def test_a_search_finds_what_brute_force_does(
    kind,
    texts,
    others,
    documents,
    unstored,
    query,
    options,
    per_document,
    number,
    weights,
    least_depth,
    frequent,
    form,
):
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.closing(KINDS[kind](f"{folder}/test.db")) as db,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(vecstore.query, "_LEAST_DEPTH", least_depth)
        patch.setattr(keyword_ranking, "_FREQUENT", frequent)
        collection = Collection("test", db, model=Pseudorandom(), index=form)
        Collection("other", db, model=Pseudorandom()).embed_multi(others.items(), store=True)
        collection.embed_multi(texts.items(), store=True)
        collection.embed_multi(unstored.items())
        collection.embed_documents(documents.items(), lines)
        options = {**options, "per_document": per_document, "weights": weights, "number": number}
        assert_finds(collection, query, **options)
        assert_finds(collection, query, **options, exact=True)


def test_equals_at_the_edge_of_what_is_fused_are_in_the_order_of_ids(db, form):
    collection = Collection("test", db, model=Pseudorandom(), index=form)
    ids = [f"{n * 37 % 100:02}" for n in range(100)]
    collection.embed_multi(((id, "the hound" if id > "10" else "hound") for id in ids), store=True)
    for number in (5, 20, 21, 99, 100, 101):
        assert_finds(collection, "hound", number=number)
        assert_finds(collection, "hound", number=number, where="id <> '20'", prefix="")


def test_each_word_marks_its_own_text_as_it_is(pets):
    assert_finds(pets, "** hound", marks=("<b>", "</b>"))
    assert_finds(pets, "naive", marks=("**", ""))
    assert_finds(pets, "naive", marks=("it's \"", "\0?:_before"))
    [first, *_] = pets.search("naïve", mode="keywords", marks=("[", "]"))
    assert "[naïve]" in first.snippet


@pytest.mark.parametrize("query", QUERIES)
def test_every_query_finds_what_it_says(pets, query):
    assert_finds(pets, query)
    assert_finds(pets, query, number=3, per_document=True)


def test_writes_of_others_are_found(pets, form):
    assert_finds(pets)
    if form == "beside":
        sql = "insert into embeddings (collection_id, id, embedding, content) values (?, ?, ?, ?)"
        vector = vecstore.encode(pseudorandom("x", Pseudorandom.dimensions))
        write(pets.db, sql, pets.id, "new", vector, "happy happy hound")
        write(pets.db, "delete from embeddings where id = ?", "a4")
    write(pets.db, "update embeddings set content = 'hound of another day' where id = 'a2'")
    write(pets.db, "update embeddings set content = null where id = 'b1'")
    write(pets.db, "update embeddings set content = 'hound ' || content where id in ('b3', 'b5')")
    assert_finds(pets)
    assert_finds(pets, "another")
    with contextlib.closing(vecstore.connect(path_of(pets), driver=driver_of(pets))) as db:
        again = Collection("pets", db, model=Pseudorandom())
        again.embed("b7", "hound that another process wrote", store=True)
        again.delete_ids(["a0", "nul\0a"])
        again.rename("pets2")
        again.rename("pets")
        assert_finds(again)
    assert_finds(pets)


def path_of(collection: Collection) -> str:
    [(path,)] = rows(collection.db, "select file from pragma_database_list where name = 'main'")
    return path


def driver_of(collection: Collection) -> str:
    return "sqlite3" if isinstance(collection.db.conn, sqlite3.Connection) else "apsw"


@pytest.mark.parametrize("is_made", [False, True])
def test_in_a_transaction_of_the_users_what_it_wrote_is_found(pets, is_made):
    if is_made:
        assert_finds(pets)
    before = pets.search("hound day")
    pets.db.execute("begin")
    pets.db.execute("update embeddings set content = 'hound of a day' where id = 'a2'")
    pets.db.execute("delete from embeddings where id = 'b3'")
    assert_finds(pets, "hound day")
    assert pets.db.conn.in_transaction
    pets.db.rollback()
    assert pets.search("hound day") == before


@pytest.mark.parametrize("is_made", [False, True])
@pytest.mark.parametrize("how", ["mode=ro", "immutable=1", "connect"])
def test_a_file_that_cannot_be_written_is_searched(pets, closing, is_made, how, form):
    if is_made:
        assert_finds(pets)
        if form == "beside":
            write(pets.db, "update embeddings set content = 'late hound' where id = 'a2'")
    path, driver = path_of(pets), driver_of(pets)
    pets.db.execute("pragma wal_checkpoint(truncate)").fetchall()
    pets.db.close()
    if how == "connect":
        db = closing(vecstore.connect(path, driver=driver, read_only=True))
    else:
        conn = closing(sqlite3.connect(f"file:{path}?{how}", uri=True))
        db = closing(sqlite_utils.Database(conn))
    read = Collection("pets", db, model=Pseudorandom())
    assert_finds(read)
    assert_finds(read, "late -the", where="id <> 'a4'", per_document=True)
    # The file itself is what cannot be written where it is immutable.
    assert index_of(path).exists() == (form == "beside" and (is_made or how == "immutable=1"))


def test_ids_of_every_kind_are_found(db, form):
    pets = Collection("pets", db, model=Pseudorandom(), index=form)
    ids = ["nul\0", "nul\0\0", "nul", '"', "\\u0000", "🐶", "\U0010ffff", "\x01", "", " ", "it's"]
    pets.embed_multi(((id, "happy hound") for id in ids), store=True)
    for query in ("hound", "hound -cat"):
        for mode in ("hybrid", "keywords", "similar"):
            assert [e.id for e in pets.search(query, 20, mode=mode)] == sorted(ids)
    assert [e.id for e in pets.search("x -hound", 20)] == []
    sql = "insert into embeddings (collection_id, id, embedding, content) values (?, ?, ?, ?)"
    vector = vecstore.encode(pseudorandom("happy hound", Pseudorandom.dimensions))
    for id in (b"\0", b"\xff"):  # as another program may have them
        db.execute(sql, [pets.id, id, vector, "happy hound"])
    db.conn.commit()
    for is_new in (False, True):
        if is_new:
            db.execute("begin")
            db.execute(sql, [pets.id, "one more", vector, "happy hound"])
        for mode in ("hybrid", "keywords", "similar"):
            found = [e.id for e in pets.search("hound -cat", 20, mode=mode)]
            assert found == [*sorted([*ids, *["one more"] * is_new]), b"\0", b"\xff"]
    db.rollback()


def test_a_text_with_a_nul_is_found_by_what_follows_it(pets):
    pets.embed("zero", "a hound\0 with a zebra 🦓", store=True)
    assert_finds(pets, "zebra")
    assert [e.id for e in pets.search("zebra", mode="keywords")] == ["zero"]
    pets.db.execute("begin")
    pets.db.execute("update embeddings set metadata = null where id = 'zero'")
    assert_finds(pets, "zebra")
    pets.db.rollback()


@pytest.mark.parametrize("number", [10**30, 2**63 - 1, 2**63])
def test_a_number_may_be_larger_than_all(pets, number):
    expected = pets.search("hound", 1000)
    assert pets.search("hound", number) == expected
    assert pets.search("hound", number, mode="keywords", per_document=True)


def test_wrong_arguments_are_named_and_cost_nothing(pets):
    model = pets.model()
    model.embed_batch = None  # would be a TypeError
    for options, message in [
        ({"mode": "both"}, "mode is 'both': it must be hybrid, keywords or similar"),
        ({"weights": (0, 1)}, "weights is (0, 1): it must be two numbers above 0"),
        ({"weights": 2}, "weights is 2: it must be two numbers above 0"),
        ({"weights": (1, float("inf"))}, "weights is (1, inf)"),
        ({"marks": "**"}, "marks is '**': it must be two texts"),
        ({"number": -1}, "number is -1"),
        ({"number": 1.5}, "number is 1.5"),
        ({"prefix": 5}, "prefix is 5"),
        ({"mode": "keywords", "min_score": 0.5}, "min_score is 0.5, of the similarity"),
        ({"where_args": [1]}, "where_args are given, and no where="),
    ]:
        with pytest.raises(vecstore.InvalidInputError) as error:
            pets.search("hound", **options)
        assert str(error.value).startswith(message)
    with pytest.raises(TypeError, match="unexpected keyword argument 'wher'"):
        pets.search("hound", wher="true")
    for text, message in [
        ("", "The text '' has nothing to search for: add a word"),
        (' "" ', "has nothing to search for"),
        ("-cat", "The text '-cat' says only what to leave out: add a word"),
        (b"cat", "The text to search for is b'cat': it must be text"),
        (None, "The text to search for is None: it must be text"),
        ("a\ud800", "a lone surrogate is no text"),
    ]:
        with pytest.raises(vecstore.InvalidInputError) as error:
            pets.search(text)
        assert message in str(error.value)


def test_conditions_are_conditions_alone(pets):
    before = [rows(pets.db, f"select * from {table}") for table in ("embeddings", "collections")]
    for where in [
        "1) union select 1 from (select 1",
        "true; delete from embeddings",
        "exists (select 1 from _matching)",
        "no_such_column",
        "(delete from embeddings)",
        "true limit 1",
        ":_number",
        "rank < 0",
    ]:
        for mode in ("hybrid", "keywords", "similar"):
            with pytest.raises(vecstore.InvalidInputError, match="where"):
                pets.search(
                    "hound",
                    mode=mode,
                    where=where,
                    where_args={"_number": 1} if ":" in where else None,
                )
    assert_finds(pets, "hound", where="true -- a comment")
    assert_finds(
        pets, "hound", where="id in (select id from embeddings where content like '%cat%')"
    )
    after = [rows(pets.db, f"select * from {table}") for table in ("embeddings", "collections")]
    assert after == before


def test_explain_shows_each_statement(pets):
    found = pets.explain("hound", 3, mode="hybrid", weights=(2, 1))
    assert found.entries == pets.search("hound", 3, weights=(2, 1))
    assert [step.plan for step in found.steps][-1] == "hybrid"
    assert len(found.steps) == 2
    assert "vecstore_keywords match" in str(found)
    assert [s.plan for s in pets.explain("hound", mode="keywords").steps] == ["keywords"]
    assert len(pets.explain("hound", mode="similar").steps) == 2


def test_a_collection_that_is_gone_or_other_is_an_error_as_of_similar(pets):
    again = Collection("pets", pets.db, model=Pseudorandom())
    again.delete()
    for mode in ("hybrid", "keywords", "similar"):
        with pytest.raises(vecstore.DoesNotExist):
            pets.search("hound", mode=mode)
    pets.db.execute("insert into collections (name, model) values ('pets', 'other')")
    pets.db.conn.commit()
    with pytest.raises(vecstore.ModelMismatchError):
        pets.search("hound", mode="keywords")


def test_a_vector_of_another_dimension_is_an_error_but_for_keywords(pets):
    pets.model().embed_batch = lambda items: ([1.0, 2.0] for _ in items)
    for mode in ("hybrid", "similar"):
        with pytest.raises(vecstore.DimensionError):
            pets.search("hound", mode=mode)
    assert_keywords = pets.search("hound", mode="keywords")
    assert assert_keywords


def test_an_empty_collection_has_no_results(db, form):
    empty = Collection("empty", db, model=Pseudorandom(), index=form)
    for mode in ("hybrid", "keywords", "similar"):
        assert empty.search("hound", mode=mode) == []
    assert empty.count_without_text() == 0


def test_a_file_that_is_locked_is_searched_without_an_index(pets, form):
    """Whoever holds the lock keeps the index from being made; the answer is the same."""
    with contextlib.closing(vecstore.connect(path_of(pets), driver=driver_of(pets))) as other:
        other.execute("begin immediate")
        pets.db.execute("pragma busy_timeout = 10")
        assert_finds(pets)
        other.rollback()
    assert_finds(pets)
