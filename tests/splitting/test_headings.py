"""The headings above a chunk, of Markdown and of reStructuredText."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vecstore.splitting import Chunk, embedded_text, split
from vecstore.splitting.headings import find_headings


def titles(text, markup="markdown"):
    return [(heading.level, heading.title) for heading in find_headings(text, markup)]


def lines(text):
    """A splitter: each line that is not empty is a chunk."""
    start = 0
    for line in text.splitlines(keepends=True):
        if line.strip():
            yield start, start + len(line)
        start += len(line)


def headings(id, text):
    return [chunk.heading for chunk in split(id, text, lines)]


def test_the_headings_above_a_chunk_are_joined():
    text = "intro\n# A\none\n## B\ntwo\n### C\nthree\n## D\nfour\n# E\nfive\n"
    assert headings("a.md", text) == [
        None,
        None,  # A itself
        "A",
        "A",
        "A > B",
        "A > B",
        "A > B > C",
        "A",  # D ends what is of its level, and below it
        "A > D",
        None,
        "E",
    ]


def test_a_chunk_that_begins_with_a_heading_has_it_in_its_text_alone():
    text = "# A\n\n## B\n\ntext\n"
    [chunk] = split("a.md", text, lambda text: [(5, 16)])
    assert chunk == Chunk(5, 16, "A")
    assert embedded_text("## B\n\ntext", "A") == "A\n\n## B\n\ntext"
    assert embedded_text("text", None) == "text"
    assert split("a.md", text, lambda text: [(4, 16)]) == [Chunk(4, 16, "A")]  # white space first


def test_levels_may_be_left_out():
    assert headings("a.md", "### A\none\n# B\ntwo\n#### C\nthree\n") == [
        None,
        "A",
        None,
        "B",
        "B",
        "B > C",
    ]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("# One\n", [(1, "One")]),
        ("   ###### Six ##  \n", [(6, "Six")]),
        ("#\tTab\n", [(1, "Tab")]),
        ("# C#\n", [(1, "C#")]),
        ("# `code` *and*  more\n", [(1, "`code` *and* more")]),
        ("# \n##\n", [(1, ""), (2, "")]),
        ("## ##\n", [(2, "")]),
        ("####### seven\n#no\n    # code\n\t# code\n> # quoted\n- # listed\n\\# escaped\n", []),
        ("One\n===\nTwo\n--\n", [(1, "One"), (2, "Two")]),
        ("Of two\nlines\n===\n", [(1, "Of two lines")]),
        ("text\n\n---\n\nmore\n***\nOne\n---\n", [(2, "One")]),
        ("- item\n---\n> quoted\n---\nlazy\n\n===\n    code\n---\n", []),
        ("- item\nstill\n---\nOne\n---\n", [(2, "One")]),
        ("text\n```py\n# no\n````\n# One\n", [(1, "One")]),
        ("````\n```\n# no\n~~~\n# no\n````\n# One\n", [(1, "One")]),
        ("~~~ a`b\n# no\n~~~ x\n# no\n~~~\n# One\n", [(1, "One")]),
        ("```in``` line\n# One\n", [(1, "One")]),
        ("```\n# no, to the end\n", []),
        ("<!-- a -->\n# One\n", [(1, "One")]),
        ("<!--\n# no\n\n# no -->\n# One\n", [(1, "One")]),
        ("<pre>\n# no\n</pre>\n# One\n<!-- never\n# ended\n", [(1, "One")]),
        ("<prefix>\n# One\n", [(1, "One")]),
        ("---\ntitle: x\n# no\n---\n# One\n", [(1, "One")]),
        ("+++\n# no\n+++\n# One\n", [(1, "One")]),
        ("---\n# One\nnever ended\n", [(1, "One")]),
        ("\n---\n# One\n---\n", [(1, "One")]),
        (
            "# One\r\n\r\nTwo\r\n---\r\n# Three\r# Four\u2028same\n",
            [(1, "One"), (2, "Two"), (1, "Three"), (1, "Four same")],
        ),
    ],
)
def test_headings_of_markdown(text, found):
    assert titles(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            "=====\nTitle\n=====\n\nSub\n---\n\nSub 2\n-----\n",
            [(1, "Title"), (2, "Sub"), (2, "Sub 2")],
        ),
        ("=======\n  Inset\n=======\ntext\n", [(1, "Inset")]),
        ("A\n~\n\nB\n=\n\nC\n~\n", [(1, "A"), (2, "B"), (1, "C")]),
        ("====\nOver\n====\n\nUnder\n=====\n\n===\nOver\n===\n", [(1, "Over"), (2, "Under")]),
        ("text\n\n----\n\ntext\n", []),
        ("two\nlines\n-----\n", []),
        ("::\n\n  Code\n  ----\n", []),
        ("=====  =====\na      b\n=====  =====\n", []),
        ("+---+\n| a |\n+---+\n", []),
        ("Longer than its mark\n--\n", []),
        ("Longer than its mark\n-----\n", [(1, "Longer than its mark")]),
        (".. comment\n", []),
        ("Title\r\n=====\r\n\r\ntext\r\n", [(1, "Title")]),
    ],
)
def test_headings_of_restructuredtext(text, found):
    assert titles(text, "restructuredtext") == found


def test_chunks_of_restructuredtext_have_headings():
    text = "=====\nTitle\n=====\n\nOne is here.\n\nSub\n---\n\nTwo is here.\n\nThree is here.\n"
    for id in ("a.rst", "a.rst.txt", "A.REST"):
        found = [(text[a:b], heading) for a, b, heading in split(id, text, size=25)]
        assert found == [
            ("=====\nTitle\n=====", None),
            ("One is here.", "Title"),
            ("Sub\n---\n\nTwo is here.", "Title"),
            ("Three is here.", "Title > Sub"),
        ]
    assert {heading for _, _, heading in split("a.txt", text, size=25)} == {None}


def test_a_kind_that_is_told_says_which_headings_there_are():
    text = "# A\n\n" + "one two. " * 5
    assert [chunk.heading for chunk in split("1", text, "markdown", size=25)] == [None, "A", "A"]
    assert {chunk.heading for chunk in split("a.md", text, "text", size=25)} == {None}


def test_a_long_heading_is_cut():
    [_, chunk] = split("a.md", f"# {'longer ' * 100}\ntext\n", lines)
    assert chunk.heading == f"{'longer ' * 28}lon…"


PARTS = st.lists(
    st.tuples(st.integers(0, 4), st.sampled_from(["Ada", "C3", "x `y`"])), min_size=1, max_size=30
)


@settings(deadline=None)
@given(PARTS)
def test_headings_equal_those_of_a_plain_outline(parts):
    """Level 0 stands for a line of text; the model keeps one title for each level."""
    text = "".join(
        f"{'#' * level} {title}\n" if level else f"{title}\n\n" for level, title in parts
    )
    expected = []
    outline = {}
    for level, title in parts:
        above = {key: value for key, value in outline.items() if not level or key < level}
        expected.append(" > ".join(above.values()) or None)
        if level:
            outline = {**above, level: title}
    assert headings("a.md", text) == expected


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from([*"#=-`~<>!*+. \ta1", "\n", "\r\n", "---\n", "```\n", "<!--", "-->"])
    ).map("".join)
)
def test_headings_are_in_order_and_begin_at_a_character(text):
    for markup in ("markdown", "restructuredtext"):
        found = find_headings(text, markup)
        assert all(a.start < b.start for a, b in pairwise(found))
        assert all(text[heading.start].strip() for heading in found)
