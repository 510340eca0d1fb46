"""Messages show the values of users, and stay short."""

import json
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import vecstore
from tests.support.foreign_values import of_twenty_years
from vecstore import Collection, InvalidInputError, values


@pytest.fixture
def years() -> Collection:
    return of_twenty_years(None)


@pytest.fixture
def everywhere(db) -> Collection:
    """The same over each kind of connection."""
    return of_twenty_years(db)


def test_more_parameters_than_sqlite_takes(everywhere):
    ids = [str(n) for n in range(300_000)]
    where = f"id in ({', '.join('?' * len(ids))})"
    with pytest.raises(InvalidInputError) as caught:
        everywhere.similar_by_vector([1, 1], where=where, where_args=ids)
    message = str(caught.value)
    assert len(message) < 600
    assert "where_args has 300,000 values, and SQLite takes" in message
    assert "json_each(?)" in message
    where, where_args = "id in (select value from json_each(?))", [json.dumps(ids)]
    assert len(everywhere.similar_by_vector([1, 1], 100, where=where, where_args=where_args)) == 20


LONG = "x" * 100_000


@pytest.mark.parametrize(
    "call",
    [
        lambda c: c.similar_by_vector([1, 1], where=f"no_such = '{LONG}'"),
        lambda c: c.similar_by_vector([1, 1], where="no_such = ?", where_args=[LONG]),
        lambda c: c.similar_by_vector([1, 1], where="no_such = ?", where_args=[LONG] * 1000),
        lambda c: c.similar_by_vector([1, 1], where_args=LONG),
        lambda c: c.similar_by_vector([1, 1], LONG),
        lambda c: c.similar_by_vector([1, 1], prefix=[LONG]),
        lambda c: c.similar_by_vector([1, 1], prefix=LONG + "\ud800"),
        lambda c: c.similar_by_vector([1, 1], min_score=LONG),
        lambda c: c.get(LONG),
        lambda c: c.similar_by_id(LONG),
        lambda c: c.embed(LONG, 5),
        lambda c: c.embed(LONG, "1 0", {LONG: object()}),
        lambda c: c.embed(LONG, "1 0", {1: LONG, "1": LONG}),
        lambda c: c.embed([LONG], "1 0"),
        lambda c: c.embed(LONG.encode(), "1 0"),
        lambda c: c.embed(LONG, "1 0 0"),
        lambda c: c.embed_multi([LONG]),
        lambda c: c.embed_multi([], on_error=LONG),
        lambda c: c.delete_ids(LONG),
        lambda c: Collection(LONG, c.db),
        lambda c: Collection(LONG, c.db, create=False),
        lambda c: Collection([LONG], c.db),
        lambda c: vecstore.export_collection(c.db, LONG, "out.jsonl"),
    ],
    ids=range(23),
)
def test_messages_are_of_a_sensible_length(years, call):
    with pytest.raises(vecstore.VecstoreError) as caught:
        call(years)
    assert len(str(caught.value)) < 600


@settings(deadline=None)
@given(st.text() | st.lists(st.integers()) | st.binary())
def test_a_short_value_is_shown_whole(value):
    shown = values.quote(value)
    assert shown == repr(value) or (len(shown) == 80 and repr(value).startswith(shown[:-1]))


@pytest.mark.skipif(not hasattr(sys, "get_int_max_str_digits"), reason="has no limit")
def test_numbers_with_more_digits_than_python_makes_text_of(years):
    large = 10**10_000
    for call in (
        lambda: years.embed(large, "1 0"),
        lambda: years.embed("a", "1 0", {"b": large}),
        lambda: years.embed("a", "1 0", {large: "b"}),
        lambda: years.similar_by_vector([1, 1], where="id = ?", where_args=[large]),
    ):
        with pytest.raises(InvalidInputError, match="<int>"):
            call()
