"""What scripts/fuzz has found, and what it begins with: tests/corpus, without the fuzzer."""

from pathlib import Path

import pytest

import vecstore
from fuzzing.__main__ import TARGETS as NAMES
from fuzzing.targets import TARGETS
from vecstore.readers import json_stream

CORPUS = Path(__file__).parent / "corpus"
INPUTS = [path.relative_to(CORPUS).as_posix() for path in sorted(CORPUS.glob("*/*"))]


def test_every_target_has_inputs():
    assert list(NAMES) == list(TARGETS)
    assert {name.partition("/")[0] for name in INPUTS} == set(TARGETS)


@pytest.mark.parametrize("name", INPUTS)
def test_an_input_fails_nothing(name):
    TARGETS[name.partition("/")[0]]((CORPUS / name).read_bytes())


def test_a_target_fails_where_a_row_is_read_wrong(monkeypatch):
    monkeypatch.setattr(json_stream, "_LONGEST_TOKEN", -1000)  # takes a part of a number for all
    with pytest.raises(AssertionError):
        TARGETS["readers"](b"j\x01[12345]")


def test_a_target_fails_where_a_condition_writes(monkeypatch):
    monkeypatch.setattr(
        vecstore.connection, "query_only", lambda db: vecstore.connection.foreign_keys_off(db)
    )
    with pytest.raises(AssertionError, match="the condition wrote"):
        TARGETS["conditions"]((CORPUS / "conditions/pragma").read_bytes())
    TARGETS["conditions"].__globals__["_filled"].cache_clear()
