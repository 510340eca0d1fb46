"""vecstore_embed() and vecstore_similar(): their answers, their errors, and who may call them."""

import gc
import json
import logging
import weakref

import pytest
from sqlite_utils import Database

import vecstore
from tests.support.databases import LOADS_EXTENSIONS, rows
from tests.support.models import Vectors, WordLengths
from vecstore import Collection
from vecstore.sqlite.connection import dbapi


@pytest.fixture
def pets(db, model):
    """A collection on every kind of connection, whose model is not installed but given."""
    pets = Collection("pets", db, model=model)
    pets.embed_multi([("hound", "my happy hound"), ("cat", "a cat"), ("fish", "x")], store=True)
    model.embedded.clear()
    return pets


@pytest.fixture
def apsw_pets(pets):
    if not isinstance(pets.db.conn, dbapi.Connection):
        pytest.skip("only apsw has tables made by Python")
    return pets


def fails(collection, sql, message, caplog):
    """Check that SQL fails as SQL fails, with the message where it can be had."""
    caplog.clear()
    with pytest.raises(collection.db.conn.OperationalError) as error:
        collection.db.execute(sql)
    if isinstance(collection.db.conn, dbapi.Connection):
        assert message in str(error.value)
        assert caplog.records == []
    else:
        assert str(error.value) == "user-defined function raised exception"
        [record] = caplog.records
        assert (record.name, record.levelno) == ("vecstore", logging.ERROR)
        assert message in record.getMessage()


def test_a_text_becomes_the_vector_that_the_model_makes_of_it(pets, model):
    found = rows(pets.db, "select vecstore_embed('pets', 'ab c')")
    assert found == [(vecstore.encode(model.embed("ab c")),)]
    assert rows(pets.db, "select vecstore_embed('pets', x'6162')") == [
        (vecstore.encode(model.embed(b"ab")),)
    ]
    assert rows(pets.db, "select vecstore_embed('pets', null)") == [(None,)]


def test_a_text_is_embedded_once_for_a_statement_and_for_those_after_it(pets, model):
    sql = "select id from embeddings where vec_distance_cosine(embedding, vecstore_embed(?, ?)) < 2"
    for _ in range(2):
        assert len(rows(pets.db, sql, ["pets", "a text"])) == 3
    assert model.embedded == ["a text"]
    assert len(rows(pets.db, "select vecstore_embed('pets', 'a ' || id) from embeddings")) == 3
    assert model.embedded[0] == "a text"
    assert sorted(model.embedded[1:]) == ["a cat", "a fish", "a hound"]


def test_a_vector_is_of_the_model_that_the_collection_has_now(pets, model):
    db = pets.db
    assert rows(db, "select length(vecstore_embed('pets', '1 2'))") == [(64,)]
    pets.delete()
    Collection("pets", db, model=Vectors())
    assert rows(db, "select length(vecstore_embed('pets', '1 2'))") == [(8,)]


def test_the_cache_is_bounded(pets, model):
    sql = """
        with recursive n(n) as (select 1 union all select n + 1 from n where n < 300)
        select count(vecstore_embed('pets', 'text ' || n)) from n
    """
    assert rows(pets.db, sql) == [(300,)]
    rows(pets.db, "select vecstore_embed('pets', 'text 300')")
    rows(pets.db, "select vecstore_embed('pets', 'text 1')")
    assert len(model.embedded) == 301


def test_an_installed_model_is_found_by_its_name(path, open_db, registered):
    collection = Collection("pets", open_db(path), model_id="words")
    assert rows(collection.db, "select length(vecstore_embed('pets', 'b'))") == [(64,)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("'nope', 'x'", "Collection does not exist: 'nope' ("),
        ("null, 'x'", "A collection is named None: it must be text"),
        ("'pets', 1.5", "The model 'word-lengths' embeds str or bytes, not float"),
    ],
)
def test_what_is_wrong_is_an_error_of_sql(pets, arguments, message, caplog):
    fails(pets, f"select vecstore_embed({arguments})", message, caplog)


def test_a_model_that_is_not_installed_or_lacks_its_key_says_so(pets, caplog):
    pets.db["collections"].insert_all(
        [{"name": "gone", "model": "gone"}, {"name": "paid", "model": "text-embedding-3-small"}]
    )
    fails(pets, "select vecstore_embed('gone', 'x')", "Unknown embedding model: 'gone'", caplog)
    fails(pets, "select vecstore_embed('paid', 'x')", "OPENAI_API_KEY", caplog)


def test_an_error_is_not_remembered(pets, model, caplog):
    model.embed_batch = lambda items: (_ for _ in ()).throw(RuntimeError("power cut"))
    fails(pets, "select vecstore_embed('pets', 'later')", "power cut", caplog)
    del model.embed_batch
    assert rows(pets.db, "select length(vecstore_embed('pets', 'later'))") == [(64,)]


@pytest.mark.parametrize(
    "ddl",
    [
        "create view v as select vecstore_embed('pets', 'stolen') as x",
        "create view v as select \"VecStore_Embed\"('pets', 'stolen') as x",
        """create table v(x);
           create trigger t after insert on embeddings
           begin insert into v values (vecstore_embed('pets', 'stolen')); end""",
    ],
)
def test_a_file_cannot_have_a_text_embedded(pets, model, ddl):
    pets.db.executescript(ddl)
    with pytest.raises(pets.db.conn.OperationalError, match="unsafe use|user-defined function"):
        pets.embed("new", "my new pet")
        pets.db.execute("select * from v").fetchall()
    assert "stolen" not in model.embedded


def test_similar_gives_what_python_gives(apsw_pets, model):
    sql = "select id, score, content, metadata from vecstore_similar('pets', 'ab c', 2)"
    expected = [(e.id, e.score, e.content, None) for e in apsw_pets.similar("ab c", 2)]
    assert rows(apsw_pets.db, sql) == expected
    assert rows(apsw_pets.db, "select count(*) from vecstore_similar('pets', 'ab c')") == [(3,)]
    hidden = """
        select id, score, content, metadata
        from vecstore_similar
        where collection = 'pets'
          and text_or_vector = 'ab c'
          and k = 2
    """
    assert rows(apsw_pets.db, hidden) == expected


@pytest.mark.parametrize(
    ("value", "is_vector"),
    [
        (str([1.5] + [0] * 15), True),
        ("  " + str([1] * 16) + "\n", True),
        (vecstore.encode([1] * 16), True),
        ("[draft] buy milk", False),
        ("[1, 2", False),
        ('["1", 2]', False),
        ("[true]", False),
        ("[]", False),
        ("1, 2", False),
        ("[" * 100_000, False),
    ],
)
def test_a_vector_is_told_from_a_text(apsw_pets, model, value, is_vector):
    assert len(rows(apsw_pets.db, "select id from vecstore_similar('pets', ?)", [value])) == 3
    assert model.embedded == ([] if is_vector else [value])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("'nope', 'x'", "Collection does not exist: 'nope' ("),
        ("'pets', '[1, 2]'", "The vector has 2 dimensions and the collection's vectors have 16"),
        ("'pets', '[NaN]'", "The vector to search for holds NaN"),
        ("'pets', x'00'", "A vector is a blob of float32 values, not of 1 bytes"),
        ("'pets', 5", "embeds str or bytes, not int"),
        ("'pets', 'x', -1", "k is -1: it must be an integer from 0 on"),
        ("'pets', 'x', null", "k is None"),
        ("'pets', 'x', '3'", "k is '3'"),
        ("'pets'", "vecstore_similar() takes a collection, a text or vector, and how many rows"),
        ("", "vecstore_similar() takes a collection"),
    ],
)
def test_what_is_wrong_with_a_search_is_an_error_of_sql(apsw_pets, arguments, message, caplog):
    fails(apsw_pets, f"select * from vecstore_similar({arguments})", message, caplog)


def test_nothing_is_similar_to_null_and_none_are_wanted_by_0(apsw_pets):
    assert rows(apsw_pets.db, "select * from vecstore_similar('pets', null)") == []
    assert rows(apsw_pets.db, "select * from vecstore_similar('pets', 'x', 0)") == []


def test_the_arguments_may_come_from_tables_in_any_order(apsw_pets):
    expected = [(id, e.id) for id in apsw_pets.ids() for e in apsw_pets.similar_by_id(id, 1)]
    for tables in (
        "embeddings as e join vecstore_similar('pets', e.embedding, 2) as s",
        "vecstore_similar('pets', e.embedding, 2) as s join embeddings as e",
    ):
        sql = f"select e.id, s.id from {tables} where s.id <> e.id order by e.id"
        assert rows(apsw_pets.db, sql) == expected


def test_a_statement_that_writes_may_search(apsw_pets, model):
    db = apsw_pets.db
    for name in ("vec_embeddings_16_insert", "vec_embeddings_16_update"):
        db.execute(f"drop trigger {name}")  # so that the next search of Python's builds it anew
    db.execute("create table found (id)")
    db.execute("insert into found select id from vecstore_similar('pets', 'ab c')")
    assert len(rows(db, "select * from found")) == 3
    assert rows(
        db, "select count(*) from sqlite_master where name = 'vec_embeddings_16_insert'"
    ) == [(0,)]


@pytest.mark.parametrize(
    "sql",
    [
        "create view v as select * from vecstore_similar('pets', 'stolen')",
        "create view v as select * from vecstore_similar where collection = 'pets' and"
        " text_or_vector = 'stolen'",
    ],
)
def test_a_file_cannot_search(apsw_pets, model, sql):
    apsw_pets.db.execute(sql)
    with pytest.raises(apsw_pets.db.conn.OperationalError, match="unsafe use of virtual table"):
        apsw_pets.db.execute("select * from v")
    with pytest.raises(apsw_pets.db.conn.OperationalError, match="no such module"):
        apsw_pets.db.execute("create virtual table t using vecstore_similar('pets', 'stolen')")
    assert model.embedded == []


def test_a_read_only_file_is_searched(path, open_db, registered):
    collection = Collection("pets", open_db(path), model=registered)
    collection.embed("a", "b")
    collection.db.close()
    db = vecstore.connect(path, driver="apsw", read_only=True)
    assert rows(db, "select id from vecstore_similar('pets', 'b')") == [("a",)]
    db.close()


def test_the_functions_keep_no_connection_open(path, model):
    db = vecstore.connect(path, driver="apsw")
    collection = Collection("pets", db, model=model)
    collection.embed("a", "b")
    rows(db, "select vecstore_embed('pets', 'c')")
    gone = weakref.ref(db.conn.apsw)
    gc.disable()
    try:
        del db, collection
        assert gone() is None
    finally:
        gc.enable()


def test_a_connection_without_its_database_says_so(path):
    db = vecstore.connect(path, driver="apsw")
    conn = db.conn
    del db
    with pytest.raises(conn.OperationalError, match="keep what vecstore.connect.. returned"):
        conn.execute("select vecstore_embed('pets', 'x')")
    conn.close()


def test_a_second_database_of_one_connection_takes_over(path, model):
    db = vecstore.connect(path, driver="apsw")
    Collection("pets", db, model=model)
    again = Database(db.conn)
    del db
    Collection("pets", again, model=model)
    assert rows(again, "select length(vecstore_embed('pets', 'x'))") == [(64,)]
    again.close()


@pytest.mark.skipif(not LOADS_EXTENSIONS, reason="this Python's sqlite3 loads no extensions")
def test_a_second_database_comes_while_a_query_of_the_first_is_under_way(path, model):
    db = vecstore.connect(path, driver="sqlite3")
    Collection("pets", db, model=model).embed_multi([("a", "x"), ("b", "y")])
    query = db.execute("select vecstore_embed('pets', id) from embeddings")
    query.fetchone()
    again = Collection("pets", Database(db.conn), model=model)
    assert len(query.fetchall()) == 1
    assert isinstance(again.model(), WordLengths)
    db.close()


SIMILAR_JSON = """
    select value ->> 'id', value ->> 'score', value ->> 'content', value ->> 'metadata'
    from json_each(vecstore_similar_json({}))
"""


@pytest.mark.parametrize("value", ["ab c", str([1.5] + [0] * 15), vecstore.encode([1] * 16)])
def test_similar_json_gives_what_python_gives(pets, model, value):
    pets.embed("kitten", "a b", metadata={"legs": 4}, store=True)
    pets.embed("blob", b"\xff", store=True)
    vector = model.embed(value) if value == "ab c" else vecstore.decode(_blob(value))
    expected = [
        (e.id, pytest.approx(e.score), e.content, _json(e.metadata))
        for e in pets.similar_by_vector(vector, 4)
    ]
    assert rows(pets.db, SIMILAR_JSON.format("'pets', ?, 4"), [value]) == expected
    count = "select json_array_length(vecstore_similar_json('pets', ?))"
    assert rows(pets.db, count, [value]) == [(5,)]


def _blob(value):
    return value if isinstance(value, bytes) else vecstore.encode(json.loads(value))


def _json(metadata):
    return metadata and json.dumps(metadata)


def test_similar_json_takes_null_and_0(pets, model):
    for arguments in ("'pets', null", "'pets', 'x', 0"):
        assert rows(pets.db, f"select vecstore_similar_json({arguments})") == [("[]",)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("", "vecstore_similar_json() takes a collection, a text or vector, and how many rows"),
        ("'pets'", "vecstore_similar_json() takes a collection"),
        ("'pets', 'x', 1, 2", "vecstore_similar_json() takes a collection"),
        ("'nope', 'x'", "Collection does not exist: 'nope' ("),
        ("null, 'x'", "A collection is named None: it must be text"),
        ("x'00', 'x'", "A collection is named b'\\x00': it must be text"),
        ("'pets', '[1, 2]'", "The vector has 2 dimensions and the collection's vectors have 16"),
        ("'pets', '[NaN]'", "The vector to search for holds NaN"),
        ("'pets', x''", "A vector is a blob of float32 values, not of 0 bytes"),
        ("'pets', 5", "embeds str or bytes, not int"),
        ("'pets', 'x', -1", "k is -1: it must be an integer from 0 on"),
        ("'pets', 'x', 1.5", "k is 1.5: it must be an integer from 0 on"),
        ("'pets', 'x', null", "k is None"),
        ("'pets', 'x', '3'", "k is '3'"),
    ],
)
def test_what_is_wrong_with_similar_json_is_an_error_of_sql(pets, arguments, message, caplog):
    fails(pets, f"select vecstore_similar_json({arguments})", message, caplog)
    assert rows(pets.db, "select count(*) from embeddings") == [(3,)]


def test_similar_json_takes_more_than_there_are(pets):
    count = "select json_array_length(vecstore_similar_json('pets', 'x', 9223372036854775807))"
    assert rows(pets.db, count) == [(3,)]


def test_a_view_of_a_file_has_no_text_embedded_by_similar_json(pets, model):
    pets.db.execute("create view v as select vecstore_similar_json('pets', 'stolen') as found")
    with pytest.raises(pets.db.conn.OperationalError, match="unsafe use|user-defined function"):
        pets.db.execute("select * from v").fetchall()
    assert model.embedded == []
