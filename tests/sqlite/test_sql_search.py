"""vecstore_search() and vecstore_search_json(): what Python gives, their errors, who may call."""

import json
from dataclasses import astuple, fields

import pytest

import vecstore
from tests.support.databases import rows
from vecstore import Collection
from vecstore.sqlite import functions
from vecstore.sqlite.connection import dbapi

FIELDS = [field.name for field in fields(vecstore.SearchResult)]
FOUND = "from json_each(vecstore_search_json('pets', {}))"


@pytest.fixture(params=["index made", "no index"])
def pets(db, model, request):
    """A collection on every kind of connection, whose model is not installed but given."""
    pets = Collection("pets", db, model=model)
    texts = {"hound": "my happy hound", "cat": "a cat", "fish": "x", "nul": "hound of a 🐶"}
    pets.embed_multi_with_metadata(
        ((id, text, {"n": len(id)}) for id, text in texts.items()), store=True
    )
    pets.embed("blob", b"\xff", store=True)
    if request.param == "index made":
        pets.search("hound")
    model.embedded.clear()
    return pets


@pytest.fixture
def apsw_pets(pets):
    if not isinstance(pets.db.conn, dbapi.Connection):
        pytest.skip("only apsw has tables made by Python")
    return pets


def in_python(collection, text, number=10, **options):
    """Return what SQL is to give."""
    found = map(astuple, collection.search(text, number, **options))
    return [(*row[:3], row[3] and json.dumps(row[3]), *row[4:]) for row in found]


@pytest.mark.parametrize("text", ["happy hound", "hound -happy", '"a cat"', "no such word", "🐶"])
def test_each_gives_what_python_gives(pets, text):
    columns = ", ".join(f"value ->> '{name}'" for name in FIELDS)
    found = rows(pets.db, f"select {columns} {FOUND.format('?, 3')}", [text])
    tables = []
    if isinstance(pets.db.conn, dbapi.Connection):
        tables = rows(
            pets.db, f"select {', '.join(FIELDS)} from vecstore_search('pets', ?, 3)", [text]
        )
        hidden = "where collection = 'pets' and text = ? and k = 3"
        assert rows(pets.db, f"select id from vecstore_search {hidden}", [text]) == [
            (id,) for id, *_ in tables
        ]
    expected = in_python(pets, text, 3)
    assert found == [(*row[:1], pytest.approx(row[1]), *row[2:]) for row in expected]
    assert tables in ([], expected)


def test_all_columns_are_those_of_a_result(apsw_pets):
    cursor = apsw_pets.db.execute("select * from vecstore_search('pets', 'hound')")
    assert [column[0] for column in cursor.description] == FIELDS
    [first, *_] = rows(
        apsw_pets.db, FOUND.format("'hound'").replace("from", "select value from", 1)
    )
    assert list(json.loads(first[0])) == FIELDS


def test_nothing_is_written(pets):
    db = pets.db
    before = rows(db, "select name from sqlite_master order by name")
    db.execute("create table found (id)")
    db.execute(f"insert into found select value ->> 'id' {FOUND.format(repr('hound'))}")
    assert len(rows(db, "select * from found")) == 5
    db.execute("drop table found")
    assert rows(db, "select name from sqlite_master order by name") == before


ERRORS = [
    ("", "takes a collection, a text, and how many rows to return"),
    ("'pets'", "takes a collection"),
    ("'nope', 'x'", "Collection does not exist: 'nope' ("),
    ("null, 'x'", "A collection is named None: it must be text"),
    ("'pets', 5", "The text to search for is 5: it must be text"),
    ("'pets', x'00'", "it must be text"),
    ("'pets', ' '", "has nothing to search for"),
    ("'pets', '-cat'", "says only what to leave out"),
    ("'pets', 'x', -1", "k is -1: it must be an integer from 0 on"),
    ("'pets', 'x', null", "k is None"),
]


@pytest.mark.parametrize(("arguments", "message"), ERRORS)
def test_what_is_wrong_is_an_error_of_sql(pets, arguments, message, caplog):
    is_apsw = isinstance(pets.db.conn, dbapi.Connection)
    for sql in ("select vecstore_search_json({})", "select * from vecstore_search({})"):
        if is_apsw or "json" in sql:
            with pytest.raises(pets.db.conn.OperationalError) as error:
                pets.db.execute(sql.format(arguments))
            assert message in (str(error.value) if is_apsw else caplog.records[-1].getMessage())


def test_null_finds_nothing_and_none_are_wanted_by_0(pets):
    for arguments in ("'pets', null", "'pets', 'x', 0"):
        assert rows(pets.db, f"select vecstore_search_json({arguments})") == [("[]",)]


def test_a_view_of_a_file_has_no_text_embedded(pets, model):
    pets.db.execute("create view v as select vecstore_search_json('pets', 'stolen') as found")
    with pytest.raises(pets.db.conn.OperationalError, match="unsafe use|user-defined function"):
        pets.db.execute("select * from v").fetchall()
    assert model.embedded == []


def test_where_nothing_is_embedded_keywords_alone_rank(pets, model):
    functions.register_search_by_vector(pets.db, lambda error: None)
    columns = ", ".join(f"value ->> '{name}'" for name in FIELDS)
    found = rows(pets.db, f"select {columns} {FOUND.format('?, 3')}", ["happy hound"])
    expected = in_python(pets, "happy hound", 3, mode="keywords")
    assert [row[0] for row in found] == [row[0] for row in expected]
    assert [row[4:6] for row in found] == [(None, None)] * 2
    assert model.embedded == []
