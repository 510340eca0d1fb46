"""SECURITY.md: the tests that it names are there, and it is short."""

import re

from tests.support import ROOT

PAGE = (ROOT / "SECURITY.md").read_text("utf-8")


def test_each_promise_names_tests_that_there_are():
    promises = re.findall(r"^\| (?!\|).*\|$", PAGE, re.MULTILINE)
    assert len(promises) == 11
    for promise in promises:
        named = re.findall(r"`(tests/[\w/]+\.py)`", promise)
        assert named, promise
        assert all((ROOT / name).is_file() for name in named), promise


def test_it_is_short():
    assert len(PAGE.splitlines()) < 80
