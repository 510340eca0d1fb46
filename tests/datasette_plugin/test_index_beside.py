"""Files whose index is beside them, while other programs write and the index comes and goes."""

import shutil

import pytest
from datasette.version import __version_info__

import vecstore
from tests.support.beside import index_of
from tests.support.sites import PAGE, VECTORS, python_answer, read, write

IS_OLDER = __version_info__[0] == "0"
QUERY = "/zoo.json" if IS_OLDER else "/zoo/-/query.json"
COUNT = "select count(*) from vec_embeddings_8_ids"
SIMILAR = """
    select value ->> 'id', value ->> 'score', value ->> 'content', value ->> 'metadata'
    from json_each(vecstore_similar_json('animals', ?, ?))
"""


@pytest.fixture
def form():
    return "beside"


@pytest.fixture(params=[1, 3], ids=["thread", "threads"])
def zoo(request, site, animals):
    return site(animals, settings={"num_sql_threads": request.param})


def ask(site, sql, **arguments):
    params = {"sql": sql, "_shape": "arrays", **arguments}
    response = site.get(QUERY, params=params)
    return response.status_code, response.json()


def ask_each_thread(site, sql):
    return [ask(site, sql)[1]["rows"] for _ in range(6)]


def similar(value="'[1, 1, 1, 1, 1, 1, 1, 1]'", k="3"):
    return SIMILAR.replace("?", value, 1).replace("?", k, 1)


def test_the_tables_of_the_index_are_at_hand_in_sql(zoo):
    assert ask_each_thread(zoo, COUNT) == [[[4]]] * 6
    assert ask(zoo, f"{COUNT.replace('vec_', 'vec_index.vec_', 1)}")[1]["rows"] == [[4]]


def test_the_journal_is_hidden_and_the_index_is_no_database_for_joins(zoo):
    tables = {t["name"]: t["hidden"] for t in zoo.json("/zoo.json")["tables"]}
    assert [name for name, hidden in tables.items() if not hidden] == ["collections", "embeddings"]
    assert tables["vecstore_changes"] is True
    page = zoo.get("/zoo").text
    assert "vec_index" not in page
    assert "attached to this connection" not in page


def test_the_table_of_graphs_is_hidden(site, animals):
    write(animals, "create table vecstore_graphs (collection_id integer primary key)")
    tables = {t["name"]: t["hidden"] for t in site(animals).json("/zoo.json")["tables"]}
    assert tables["vecstore_graphs"] is True


def test_what_is_pending_is_found_and_nothing_written(zoo, animals):
    write(animals, "delete from embeddings where id = 'wolf'")
    write(animals, "update embeddings set id = 'kitten' where id = 'cat'")
    before = index_of(animals).read_bytes()
    found = zoo.json(f"{PAGE}.json?id=hound")["rows"]
    [status, answer] = ask(zoo, similar())
    assert status == 200
    assert index_of(animals).read_bytes() == before
    assert found == python_answer(animals, "similar_by_id", "hound")
    assert [row["id"] for row in found] == ["kitten", "fish"]
    entries = python_answer(animals, "similar_by_vector", [1.0] * 8, 3)
    assert [row[:2] for row in answer["rows"]] == [[e["id"], e["score"]] for e in entries]


@pytest.mark.parametrize("is_there_first", [False, True])
def test_an_index_that_comes_or_is_replaced_is_the_one_of_queries(site, animals, is_there_first):
    if not is_there_first:
        index_of(animals).unlink()
    found = site(animals)
    assert [ask(found, COUNT)[0] for _ in range(6)] == [200 if is_there_first else 400] * 6
    index_of(animals).unlink(missing_ok=True)
    assert len(found.json(f"{PAGE}.json?id=hound")["rows"]) == 3
    write(animals, "delete from embeddings where id = 'wolf'")
    read(animals, lambda db: vecstore.Collection("animals", db).similar_by_id("hound"))
    assert ask_each_thread(found, COUNT) == [[[3]]] * 6
    assert len(found.json(f"{PAGE}.json?id=hound")["rows"]) == 2


def test_a_file_that_is_moved_to_the_other_form_is_searched_on(site, animals):
    found = site(animals)
    expected = found.json(f"{PAGE}.json?id=hound")["rows"]
    for form in ("inside", "beside"):
        vecstore.move_index(animals, form)
        assert found.json(f"{PAGE}.json?id=hound")["rows"] == expected
        assert ask_each_thread(found, COUNT) == [[[4]]] * 6


def test_an_immutable_file_has_its_index(site, animals):
    read(animals, lambda db: db.execute("pragma journal_mode = delete").fetchall())
    found = site(immutables=[str(animals)])
    assert ask_each_thread(found, COUNT) == [[[4]]] * 6
    assert len(found.json(f"{PAGE}.json?id=hound")["rows"]) == 3


def test_the_index_of_another_file_changes_no_answer(site, animals, tmp_path):
    expected = python_answer(animals, "similar_by_id", "hound")
    shutil.copy(animals, tmp_path / "other.db")
    vecstore.move_index(tmp_path / "other.db", "inside")
    vecstore.move_index(tmp_path / "other.db", "beside")
    shutil.copy(index_of(tmp_path / "other.db"), index_of(animals))
    assert site(animals).json(f"{PAGE}.json?id=hound")["rows"] == expected


def test_a_file_of_another_program_by_the_name_of_the_index_is_not_shown(site, animals):
    index_of(animals).unlink()
    write(index_of(animals), "create table secrets (x)")
    found = site(animals, settings={"num_sql_threads": 1})
    for _ in range(2):
        for sql in ("select * from secrets", "select * from vec_index.secrets"):
            status, answer = ask(found, sql)
            assert (status, answer["error"].split(":")[0]) == (400, "no such table")
        assert len(found.json(f"{PAGE}.json?id=hound")["rows"]) == 3
        assert ask(found, similar())[0] == 200


@pytest.mark.parametrize("content", [b"", b"no database " * 1000])
def test_an_index_that_is_overwritten_is_gone_and_nothing_else(zoo, animals, content):
    rows = zoo.json(f"{PAGE}.json?id=hound")["rows"]
    assert ask_each_thread(zoo, COUNT) == [[[4]]] * 6
    index_of(animals).write_bytes(content)
    for n in range(6):
        status, answer = ask(zoo, f"{COUNT} -- {n}")  # what pysqlite3 has cached may fail otherwise
        assert (status, answer["error"]) == (400, "no such table: vec_embeddings_8_ids")
        assert zoo.get("/zoo").status_code == zoo.get("/zoo/embeddings").status_code == 200
        assert zoo.json(f"{PAGE}.json?id=hound")["rows"] == rows
        assert ask(zoo, similar())[0] == 200


def test_who_may_not_view_the_table_sees_nothing_of_its_index(site, animals):
    config = {"databases": {"zoo": {"tables": {"embeddings": {"allow": {"id": "root"}}}}}}
    found = site(animals, config=config)
    for path in ("vecstore_changes", "vecstore_changes.json", "vecstore_changes/1"):
        assert found.get(f"/zoo/{path}").status_code == 403
        assert found.get(f"/zoo/{path}", actor={"id": "root"}).status_code == 200
    tables = ["vec_embeddings_8", "vec_embeddings_8_ids", "vec_embeddings_8_chunks"]
    tables += ["vecstore_followed", "vecstore_dimensions"]
    for table in [*tables, *(f"vec_index.{name}" for name in tables)]:
        for path in ("", ".json", "/1", "/1.json", "/8", "/8.json"):
            assert found.get(f"/zoo/{table}{path}").status_code in (400, 403, 404)


def test_who_may_not_execute_sql_does_not_call_the_function(site, animals):
    found = site(animals, config={"databases": {"zoo": {"allow_sql": {"id": "root"}}}})
    assert found.get(QUERY, params={"sql": similar()}).status_code == 403
    where = "id in (select 1 from json_each(vecstore_similar_json('animals', embedding)))"
    response = found.get("/zoo/embeddings.json", params={"_where": where})
    assert response.status_code == 403


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("'a text'",), "'a text' is no vector, a blob or a JSON array: nothing is embedded here"),
        (("'[1, 2]'",), "The vector has 2 dimensions and the collection's vectors have 8"),
        (("x'00'",), "A vector is a blob of float32 values, not of 1 bytes"),
        (("embedding",), "no such column: embedding"),
        (("null", "'3'"), "k is '3': it must be an integer from 0 on"),
        (("null", "null"), "k is None: it must be an integer from 0 on"),
        (("null", "1, 2"), "vecstore_similar_json() takes a collection, a text or vector, and"),
    ],
)
def test_what_is_wrong_is_shown(zoo, arguments, message, caplog):
    status, answer = ask(zoo, similar(*arguments))
    assert status == 400
    assert message in answer["error"]
    assert ask(zoo, "select 1")[1]["rows"] == [[1]]


def test_the_function_keeps_the_limit_of_time(site, animals):
    forever = "with recursive n(i) as (select 1 union all select i + 1 from n)"
    call = "vecstore_similar_json('animals', '[1, 1, 1, 1, 1, 1, 1, 1]')"
    found = site(animals, settings={"sql_time_limit_ms": 200})
    status, answer = ask(found, f"{forever} select max(length({call})) from n")
    assert status == 400
    assert "SQL query took too long" in answer["error"]


def test_null_has_no_similar_entries_and_k_is_10_without_one(zoo):
    assert ask(zoo, similar("null"))[1]["rows"] == []
    count = "select json_array_length(vecstore_similar_json('animals', '[1,0,0,0,0,0,0,0]'))"
    assert ask(zoo, count)[1]["rows"] == [[len(VECTORS)]]
