"""Conditions in PostgreSQL's SQL: what they let through, and that they write nothing."""

from collections.abc import Iterator

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import vecstore
from tests.support.brute_force import brute_force, found
from tests.support.models import Pseudorandom, pseudorandom
from vecstore import Collection
from vecstore.postgres.where import translate
from vecstore.query import Query
from vecstore.rows import CollectionRow

NUMBERS = {f"{'ab'[n % 2]}{n:03}": pseudorandom(str(n)) for n in range(60)}


@pytest.fixture(scope="module")
def url(postgres_server: str) -> Iterator[str]:
    """The URL of a database for the tests of this module, none of which writes to it."""
    from tests.support.postgres_server import database_of

    with database_of(postgres_server) as url:
        # Another's are no numbers, and no dates: conditions on ours must not stumble over them.
        other = Collection("other", url, model=Pseudorandom())
        other.add_multi((id, [1.0] * 8, "text", {"n": "no number"}) for id in NUMBERS)
        other.store.close()
        yield url


@pytest.fixture
def collection(url: str) -> Iterator[Collection]:
    made = Collection("numbers", url, model=Pseudorandom())
    if made.count() == 0:
        made.add_multi(
            (id, vector, f"{int(id[1:])}", {"n": int(id[1:]), "100%": "ä", "tags": [id[0]]})
            for id, vector in NUMBERS.items()
        )
    yield made
    assert made.ids() == sorted(NUMBERS)
    assert made.store.db.rows("show search_path") == [('"$user", public',)]
    made.store.close()


@pytest.mark.parametrize(
    ("where", "where_args", "meets"),
    [
        ("id > ? and id like ?", ["a030", "%2"], lambda id: id > "a030" and id.endswith("2")),
        (
            "id in (:one, :two)",
            {"one": "a002", "two": "b003", "three": 3},
            {"a002", "b003"}.__contains__,
        ),
        ("embeddings.id = 'a002' or collection_id <> 1 -- comment", None, None),
        ("id = ?2 or id = ?1", ["a002", "b003"], {"a002", "b003"}.__contains__),
        ("id < 'a010' /* :n ? /* ' */ ? */", [], lambda id: id < "a010"),
        ("id < ? /* :n ? /* ' */ ? */ and true", ["a010"], lambda id: id < "a010"),
        ("metadata is null", None, lambda id: False),
        ("false) or (true", None, lambda id: True),
        ("(metadata->>'n')::int > ?", [50], lambda id: int(id[1:]) > 50),
        ("(metadata->>'n')::float8 < :n", {"n": 4.5}, lambda id: int(id[1:]) < 4.5),
        ("content::int = ?::int", ["7"], "b007".__eq__),
        ("(metadata->'n')::numeric = ?", [2**62], lambda id: False),
        ("metadata->>'100%' = ? and id = ?", ["ä", "a002"], "a002".__eq__),
        ("metadata ? '100%' and id like 'a00_'", None, lambda id: id.startswith("a00")),
        ("metadata->'tags' ?| array['a'] and id = :id", {"id": "a002"}, "a002".__eq__),
        ("id = E'a\\'?' or id = $x$ ? :y $x$ or id = $$?$$ or id = ?", ["a002"], "a002".__eq__),
        ("id = '?''?' or id = ':a' or \"id\" = :a", {"a": "a002"}, "a002".__eq__),
        ("(array[id, 'x'])[1:1] = array[?]", ["a002"], "a002".__eq__),
        ("length(content_blob) > ? or ?", [1, True], lambda id: True),
        ("content_hash = ?", [b"\xff"], lambda id: False),
        ("id = ?", [None], lambda id: False),
        (
            "id in (select jsonb_array_elements_text(?::jsonb))",
            ['["a002"]'],
            "a002".__eq__,
        ),
        ("exists (select from embeddings as e where e.id = embeddings.id)", None, lambda id: True),
    ],
)
def test_a_condition_in_sql(collection, where, where_args, meets):
    if meets is None:
        where, meets = where.replace("<> 1", f"<> {collection.id}"), "a002".__eq__
    query = pseudorandom("query")
    matching = {id: vector for id, vector in NUMBERS.items() if meets(id)}
    given = {"where": where, "where_args": where_args}
    assert found(collection.similar_by_vector(query, 5, **given)) == brute_force(matching, query, 5)
    assert collection.ids(**given) == sorted(matching)
    of_prefix = brute_force(matching, NUMBERS["a002"], 100, "a002", "a")
    assert found(collection.similar_by_id("a002", 100, "a", **given)) == of_prefix


@pytest.mark.parametrize(
    ("where", "where_args"),
    [
        ("nope = 1", None),
        ("id =", None),
        ("true); delete from embeddings; --", None),
        ("true; delete from embeddings", None),
        ("delete from embeddings", None),
        ("id = ?", None),
        ("id = ?", ["a", "b"]),
        ("id = ? and id = ?", ["a"]),
        ("id = ?0", ["a"]),
        ("id = ?" + "9" * 30, ["a"]),
        ("id = :name", {"other": 1}),
        ("id = $1", None),
        ("id = $1", ["a"]),
        ("id = ?", [object()]),
        ("id = %s", ["a"]),
        ("id = %(_vector)b", None),
        ("count(*) > 1", None),
        ("true) union all select from embeddings where (true", None),
        ("true) group by (id", None),
        ("true limit 1", None),
        ("id", None),
        ("content = 'open", None),
        ("true /* open", None),
        ("true\0", None),
        ("_matching.id = 'a'", None),
        ("1 / (collection_id - collection_id) = 1", None),
        ("metadata->>'n' = ?", [5]),
        ("id::int = 5", None),
        ("id = ?", ["nul\0"]),
        ("id = ?", ["\ud800"]),
        ("id = '\ud800'", None),
        (5, None),
        ("id = ?", "a"),
        (None, ["a"]),
        ("id = ?", ["a"] * 70_000),
    ],
)
def test_a_broken_condition_is_an_error(collection, where, where_args):
    for number in (0, 10):
        if number or where not in ("1 / (collection_id - collection_id) = 1", "id::int = 5"):
            with pytest.raises(vecstore.InvalidInputError, match="where"):
                collection.similar_by_vector([1.0] * 8, number, where=where, where_args=where_args)
    with pytest.raises(vecstore.InvalidInputError, match="where"):
        collection.ids(where=where, where_args=where_args)


@pytest.mark.parametrize(
    "where",
    [
        "nextval('collections_id_seq') > 0",
        "delete_all()",
        "false) or delete_all() or (false",
        "set_config('transaction_read_only', 'off', true) is null or delete_all()",
        "set_config('transaction_read_only', 'off', false) is null or delete_all()",
        "lo_create(0) > 0",
    ],
)
@pytest.mark.parametrize("in_transaction", [False, True])
def test_a_condition_cannot_write_by_what_it_calls(collection, where, in_transaction):
    connection = collection.store.connection()
    connection.execute(
        """
        create or replace function delete_all() returns bool language plpgsql as
        'begin delete from embeddings; return true; end'
        """
    )

    def search() -> None:
        with pytest.raises(vecstore.InvalidInputError, match="where.*read-only|read-write"):
            collection.similar_by_vector([1.0] * 8, where=where)
        with pytest.raises(vecstore.InvalidInputError, match="where.*read-only|read-write"):
            collection.ids(where=where)

    if not in_transaction:
        search()
        return
    with pytest.raises(KeyError), collection.store.writing():
        search()
        connection.execute("select delete_all()")  # it could
        assert collection.count() == 0
        raise KeyError


def test_settings_that_a_condition_makes_end_with_the_search(collection):
    where = "set_config('search_path', 'pg_catalog', false) is not null"
    assert len(collection.similar_by_vector([1.0] * 8, where=where)) == 10
    with collection.store.writing():
        assert len(collection.similar_by_vector([1.0] * 8, where=where)) == 10
        assert collection.count() == 60


@pytest.mark.parametrize(
    ("where", "error"),
    [
        ("pg_terminate_backend(pg_backend_pid())", vecstore.DatabaseConnectionError),
        ("pg_cancel_backend(pg_backend_pid())", vecstore.DatabaseInterruptedError),
    ],
)
def test_what_the_server_does_is_no_fault_of_the_condition(collection, where, error):
    with pytest.raises(error) as caught:
        collection.similar_by_vector([1.0] * 8, where=where)
    assert not isinstance(caught.value, vecstore.InvalidInputError)
    assert isinstance(caught.value.__cause__, psycopg.Error)
    assert len(collection.similar_by_vector([1.0] * 8, where="true")) == 10


@pytest.mark.parametrize(
    ("where", "where_args", "sql"),
    [
        ("a = '?' and b = ?", ["x"], "a = '?' and b = %(_value_1)s"),
        ("a::text = :a and b->'c' ? 'd'", {"a": 1}, "a::text = %(_name_a)s and b->'c' ? 'd'"),
        ("b ? 'd' and c like '%x'", [], "b ? 'd' and c like '%%x'"),
        ('"?" = ? -- ?\n or ?', [1, 2], '"?" = %(_value_1)s -- ?\n or %(_value_2)s'),
        ("$a$ ? $b$ ? $a$ = ?", [1], "$a$ ? $b$ ? $a$ = %(_value_1)s"),
        ("a$b$ = ? and c$b$ = 1", [1], "a$b$ = %(_value_1)s and c$b$ = 1"),
        ("type'\\' = ?", [1], "type'\\' = %(_value_1)s"),
        (":ä = :ä", {"ä": 1}, "%(_name_ä)s = %(_name_ä)s"),
    ],
)
def test_parameters_are_told_from_other_signs(where, where_args, sql):
    query = Query(CollectionRow(1, "c", "m"), 1, where=where, where_args=where_args)
    assert translate(query).sql == sql


PARTS = [
    *("id", "=", "'a002'", "?", "?1", ":a", "::text", "and", "or", "not", "(", ")", "'", '"', "--"),
    *("/*", "*/", "$$", "$x$", "\\", "E'", "%", "%s", "%(_vector)s", "%%", ";", "\n", "null", "$1"),
    *("true", "false", "delete from embeddings", "union", "select", ",", "1", "metadata", "->>"),
]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    parts=st.lists(st.sampled_from(PARTS), min_size=1, max_size=8),
    space=st.sampled_from(["", " "]),
    where_args=st.sampled_from([None, ["a002"], ["a002", 1], {"a": "b003"}]),
)
def test_any_text_is_a_condition_or_an_error(url, parts, space, where_args):
    where = space.join(parts)
    collection = Collection("numbers", url, model=Pseudorandom())
    collection.add_multi(NUMBERS.items())
    try:
        ids = collection.ids(where=where, where_args=where_args)
    except vecstore.InvalidInputError:
        with pytest.raises(vecstore.InvalidInputError, match="where"):
            collection.similar_by_vector([1.0] * 8, 100, where=where, where_args=where_args)
    else:
        entries = collection.similar_by_vector([1.0] * 8, 100, where=where, where_args=where_args)
        assert sorted(entry.id for entry in entries) == ids
        if not where_args:
            matching = f"select * from embeddings where (\n{where}\n)"
            rows = collection.store.connection().execute(
                f"select id from ({matching}) as m where collection_id = {collection.id}"
            )
            assert sorted(id for (id,) in rows) == ids
    assert collection.ids() == sorted(NUMBERS)
    collection.store.close()


@pytest.mark.parametrize("where", ["id = ?", "id = :name", "(metadata->>'n')::int < ? + 1"])
def test_parameters_without_values_are_explained(collection, where):
    with pytest.raises(vecstore.InvalidInputError) as caught:
        collection.ids(where=where)
    assert str(caught.value).endswith(
        "; ? and :name are parameters only with values for them: where_args, or --param"
    )
    with pytest.raises(vecstore.InvalidInputError) as caught:
        collection.ids(where="metadata ? 'n' and nope = 1", where_args=None)
    assert "nope" in str(caught.value)


def test_explain_shows_the_condition_as_it_was_given(collection):
    [step] = collection.explain(
        id="a002", where="content like '%1' or id = ?", where_args=["a"]
    ).steps
    assert "content like '%1' or id = :_value_1" in step.sql
    assert "embedding <=> :_vector as distance" in step.sql
    assert "%(" not in step.sql


def test_text_is_the_same_whatever_encoding_the_environment_asks_for(collection, url, monkeypatch):
    where = "metadata ->> '100%' = 'ä'"
    assert collection.ids(where=where) == sorted(NUMBERS)
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    for there in (url, f"{url}&client_encoding=LATIN1"):
        again = Collection("numbers", there, model=Pseudorandom())
        assert again.ids(where=where) == sorted(NUMBERS)
        assert again.ids(where="content <> '日'") == sorted(NUMBERS)
        again.store.close()
