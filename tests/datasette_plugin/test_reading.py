"""The pages read: they write nothing, and see what others write."""

import hashlib
from typing import get_args

import apsw
import pytest

import vecstore
from tests.support.sites import ALLOW_EMBED, PAGE, make, python_answer, read
from vecstore.datasette_plugin import queries
from vecstore.settings import IndexForm


@pytest.fixture(params=get_args(IndexForm))
def form(request):
    return request.param


def files(path):
    found = path.parent.glob(f"{path.name}*")
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in found}


@pytest.mark.parametrize("immutable", [False, True])
@pytest.mark.parametrize("has_index", [False, True])
def test_a_search_writes_nothing(site, animals, immutable, has_index):
    def prepare(db):
        if not has_index:
            vecstore.drop_index(db)
        db.execute("pragma journal_mode = delete")

    expected = python_answer(animals, "similar_by_id", "hound")
    read(animals, prepare)
    before = files(animals)
    found = site(*([] if immutable else [animals]), immutables=[str(animals)] * immutable)
    assert found.json(f"{PAGE}.json?id=hound")["rows"] == expected
    assert files(animals) == before
    assert before.keys() <= {"zoo.db", "zoo.db-vec"}


def test_what_is_written_meanwhile_is_found(site, animals):
    found = site(animals)
    assert len(found.json(f"{PAGE}.json?id=hound")["rows"]) == 3
    make(animals, "animals", [("fox", "8 1 0 0 0 0 0 0", None)])
    assert len(found.json(f"{PAGE}.json?id=hound")["rows"]) == 4


def test_no_file_is_opened_through_apsw(site, animals):
    found = site(animals, config=ALLOW_EMBED)
    for path in ("/zoo", f"{PAGE}?id=hound", f"{PAGE}?q=1+0+0+0+0+0+0+0", "/zoo/embeddings"):
        found.page(path)
    assert [c for c in apsw.connections() if c.db_filename("main") == str(animals)] == []


@pytest.mark.parametrize("format", ["", ".json"])
def test_a_query_that_takes_too_long_is_the_error_of_datasette(site, animals, monkeypatch, format):
    def endless(db, query, may_build_index):
        return db.execute(
            "with recursive n(i) as (select 1 union all select i + 1 from n) select max(i) from n"
        ).fetchall()

    monkeypatch.setattr(queries.planner, "search", endless)
    found = site(animals, settings={"sql_time_limit_ms": 100})
    response = found.get(f"{PAGE}{format}?id=hound")
    assert response.status_code == 400
    assert "SQL query took too long" in response.text
    assert "sql_time_limit_ms" in response.text
