"""What scripts/fuzz has found, and what it begins with: tests/corpus, without the fuzzer."""

from contextlib import nullcontext

import pytest

from fuzzing.__main__ import TARGETS as NAMES
from fuzzing.targets import TARGETS, json_lines, searches
from tests.support import ROOT
from vecstore.readers import json_stream
from vecstore.sqlite import transactions

CORPUS = ROOT / "tests" / "corpus"
INPUTS = [path.relative_to(CORPUS).as_posix() for path in sorted(CORPUS.glob("*/*"))]


@pytest.fixture(scope="module", autouse=True)
def databases_closed():
    """The targets keep a database each, for speed."""
    yield
    searches._filled()[0].db.close()
    searches._filled.cache_clear()
    json_lines._database().close()
    json_lines._database.cache_clear()


def test_every_target_has_inputs():
    assert list(NAMES) == list(TARGETS)
    assert {name.partition("/")[0] for name in INPUTS} == set(TARGETS)


@pytest.mark.parametrize("name", INPUTS)
def test_an_input_fails_nothing(name):
    TARGETS[name.partition("/")[0]]((CORPUS / name).read_bytes())


def test_a_target_fails_where_a_row_is_read_wrong(monkeypatch):
    monkeypatch.setattr(json_stream, "_check_object", lambda value, constants: ({}, None))
    with pytest.raises(AssertionError):
        TARGETS["readers"]((CORPUS / "readers/json").read_bytes())


def test_a_target_fails_where_a_condition_writes(monkeypatch):
    monkeypatch.setattr(transactions, "query_only", lambda db: nullcontext())
    with pytest.raises(AssertionError, match="the condition wrote"):
        TARGETS["conditions"]((CORPUS / "conditions/pragma").read_bytes())
    searches._filled()[0].db.close()  # it is not what it was
    searches._filled.cache_clear()
