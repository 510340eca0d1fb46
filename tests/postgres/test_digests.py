"""Digests of rows: those that Python makes are those of PostgreSQL."""

import json
from contextlib import closing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import vecstore
from tests.support.copied import hostile_rows
from vecstore.metadata import jsonb_text, to_jsonb
from vecstore.postgres.store import PostgresStore
from vecstore.rows import differing_columns, row_digests

ODD_NUMBERS = """
-0 -0.0 8E-00 1.10 1e2 1.10e1 1E+22 0e5 0.0e-3 -1e-7 123.4500E-2 0e200000 1e-16383 1e-16384 1e131071
12e131071 1e99999999999999999999 1e-99999999999999999999
"""
NUMBERS = st.one_of(
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([10**200, -(10**99), 1e300, 5e-324, -0.0]),
).map(json.dumps) | st.sampled_from(ODD_NUMBERS.split())
TEXTS = st.builds(
    json.dumps,
    st.text(st.characters(exclude_categories=()), max_size=5),
    ensure_ascii=st.just(True),
)
JSON = st.recursive(
    NUMBERS | TEXTS | st.sampled_from(["true", "false", "null", "NaN", "Infinity", "nul", ""]),
    lambda inner: (
        st.lists(inner, max_size=4).map(lambda members: f"[{' ,'.join(members)}]")
        | st.lists(st.tuples(TEXTS, inner), max_size=4).map(
            lambda members: f"{{{','.join(f'{key} : {value}' for key, value in members)}}}"
        )
    ),
    max_leaves=12,
)


@pytest.fixture
def store(postgres_url):
    with closing(PostgresStore(postgres_url)) as store:
        store.ensure_schema()
        yield store


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(JSON)
def test_metadata_is_refused_as_jsonb_does_and_else_read_again_as_it_was_written(store, text):
    ours = _ours(text)
    assert (ours is None) == (_jsonb(store, text) is None)
    if ours is not None:
        assert (_jsonb(store, ours), _ours(ours)) == (ours, ours)
        assert _jsonb(store, to_jsonb(text)) == ours


def _jsonb(store, text):
    try:
        return store.db.rows("select (%s::text)::jsonb::text", [text])[0][0]
    except vecstore.InvalidInputError:
        return None


def _ours(text):
    try:
        return jsonb_text(text)
    except vecstore.InvalidInputError:
        return None


def test_the_digests_of_rows_are_the_same(store):
    rows = {row.id: row for row in hostile_rows()}
    collection = store.create("pets", "pseudorandom")
    with store.writing():
        assert store.add(collection, rows.values()) == len(rows)
    expected = {id: row_digests(row) for id, row in rows.items()}
    assert store.digests(collection, [*rows, "none", "\0"]) == expected


def test_the_columns_that_differ_are_named():
    row = hostile_rows()[0]
    other = row._replace(content="other", updated=None)
    assert differing_columns(row_digests(row), row_digests(other)) == ["content", "updated"]
    assert differing_columns(row_digests(row), row_digests(row)) == []


def test_rows_that_are_there_already_are_not_added_again(store):
    [row] = hostile_rows()[:1]
    collection = store.create("pets", "pseudorandom")
    with store.writing():
        store.add(collection, [row])
    with pytest.raises(vecstore.ConstraintError, match="duplicate key"), store.writing():
        store.add(collection, [row])
    assert store.count(collection) == 1
