"""A function of the user's own as the splitter: what it may yield, and what is said otherwise."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import vecstore
from vecstore.splitting import Chunk, split


def paragraphs(text):
    return (match.span() for match in re.finditer(r"(?:.+\n?)+", text))


def test_its_spans_are_the_chunks():
    assert split("a.md", "# A\n\none\n\ntwo", paragraphs) == [
        Chunk(0, 4, None),
        Chunk(5, 9, "A"),
        Chunk(10, 13, "A"),
    ]


def test_it_may_leave_out_what_it_likes_and_share_more_than_the_overlap():
    assert split("a", "abcdef", lambda text: [[0, 3], (1, 3), (1, 6)], size=1) == [
        Chunk(0, 3, None),
        Chunk(1, 3, None),
        Chunk(1, 6, None),
    ]
    assert split("a", "abc", lambda text: []) == []


def test_a_span_of_white_space_is_no_chunk():
    assert split("a", "  ab", lambda text: [(0, 2), (2, 4)]) == [Chunk(2, 4, None)]


def test_numbers_of_numpy_are_integers():
    [chunk] = split("a", "abc", lambda text: [(np.int64(0), np.int64(2))])
    assert chunk == Chunk(0, 2, None)
    assert {type(chunk.start), type(chunk.end)} == {int}


@pytest.mark.parametrize(
    ("span", "shown"),
    [
        ((0, 4), "(0, 4)"),
        ((-1, 2), "(-1, 2)"),
        ((2, 2), "(2, 2)"),
        ((2, 1), "(2, 1)"),
        ((0, 1.0), "(0, 1.0)"),
        ((0, 1, 2), "(0, 1, 2)"),
        ((False, 1), "(False, 1)"),
        ("ab", "'ab'"),
        (None, "None"),
    ],
)
def test_what_is_no_span_is_refused(span, shown):
    with pytest.raises(vecstore.InvalidInputError) as caught:
        split("a.md", "abc", lambda text: [(0, 1), span])
    assert str(caught.value) == (
        f"The splitter yields {shown} for the document 'a.md' of 3 characters: a span must be "
        "(start, end), with 0 <= start < end <= 3"
    )


def test_spans_out_of_order_are_refused():
    with pytest.raises(vecstore.InvalidInputError) as caught:
        split("a.md", "abc", lambda text: [(1, 2), (0, 1)])
    assert str(caught.value) == (
        "The splitter yields (0, 1) after a chunk from 1 for the document 'a.md': chunks must come "
        "in the order of their starts"
    )


def failing(text):
    yield 0, 1
    raise KeyError("x")


@pytest.mark.parametrize(
    ("splitter", "cause"), [(failing, KeyError), (lambda text: None, TypeError), (len, TypeError)]
)
def test_a_splitter_that_fails_is_an_error_that_names_the_document(splitter, cause):
    with pytest.raises(vecstore.InvalidInputError) as caught:
        split("a.md", "abc", splitter)
    assert str(caught.value).startswith("The splitter failed over the document 'a.md': ")
    assert type(caught.value.__cause__) is cause


def test_an_interrupt_is_not_taken_for_a_failure():
    def interrupted(text):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        split("a.md", "abc", interrupted)


@given(st.lists(st.tuples(st.integers(-2, 8), st.integers(-2, 8)), max_size=4))
def test_spans_are_taken_if_and_only_if_they_are_spans_in_order(spans):
    text = "abcdef"
    is_right = spans == sorted(spans, key=lambda span: span[0]) and all(
        0 <= start < end <= len(text) for start, end in spans
    )
    try:
        found = split("a", text, lambda text: spans)
    except vecstore.InvalidInputError:
        assert not is_right
    else:
        assert is_right
        assert [(chunk.start, chunk.end) for chunk in found] == spans
