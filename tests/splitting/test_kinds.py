"""What documents of each kind are split into, and what holds for the chunks of all."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import vecstore
from tests.test_imports import imports_of
from vecstore.splitting import DEFAULT_SIZE, KINDS, Chunk, split
from vecstore.splitting import library as library_module


def texts(id, text, *args, **kwargs):
    return [text[chunk.start : chunk.end] for chunk in split(id, text, *args, **kwargs)]


MARKDOWN = """# Animals

Dogs bark. Cats mew.

- one
- two

## Dogs

They bark.
"""
PYTHON = '''import os

def first(x):
    """Doc.

    More doc.
    """
    return x

class Second:
    y = 1
'''


def test_markdown_is_split_by_its_structure():
    assert texts("a.md", MARKDOWN, size=40) == [
        "# Animals\n\nDogs bark. Cats mew.",
        "- one\n- two",
        "## Dogs\n\nThey bark.",
    ]


def test_text_is_split_by_paragraphs_then_by_sentences():
    text = "One is here. Two is here.\n\nThree is longer than it."
    assert texts("a.txt", text, size=25) == [
        "One is here. Two is here.",
        "Three is longer than it.",
    ]
    assert texts("a.txt", text, size=20) == [
        "One is here.",
        "Two is here.",
        "Three is longer than",
        "it.",
    ]


def test_code_is_split_by_its_syntax():
    assert texts("a.py", PYTHON, size=70) == [
        "import os",
        'def first(x):\n    """Doc.\n\n    More doc.\n    """\n    return x',
        "class Second:\n    y = 1",
    ]


def test_code_without_a_grammar_is_split_at_blank_lines_as_text_is():
    assert texts("a.unknown", PYTHON, "code", size=60) == texts("a", PYTHON, "text", size=60)
    assert texts("a.unknown", PYTHON, size=60) == texts("a", PYTHON, "text", size=60)
    assert texts("py", PYTHON, size=60) == texts("a", PYTHON, "text", size=60)  # no suffix


def test_a_grammar_that_the_library_cannot_use_is_none(monkeypatch):
    monkeypatch.setitem(library_module._GRAMMARS, ".odd", ("json", "no_such_function"))
    monkeypatch.setitem(library_module._GRAMMARS, ".gone", ("no_such_package", "language"))
    monkeypatch.setitem(
        library_module._GRAMMARS, ".none", ("tests.splitting.no_grammar", "language")
    )
    expected = texts("a.txt", PYTHON, size=60)
    assert [texts(f"a.{suffix}", PYTHON, size=60) for suffix in ("odd", "gone", "none")] == (
        [expected] * 3
    )


def test_the_kind_is_that_of_the_suffix_unless_it_is_told():
    assert texts("notes/A.MD", MARKDOWN, size=40) == texts("1", MARKDOWN, "markdown", size=40)
    assert texts("a.md", PYTHON, "code", size=80) == texts("a.txt", PYTHON, size=80)
    assert texts("a.py", MARKDOWN, "text", size=40) == texts("a.txt", MARKDOWN, size=40)


def test_a_span_counts_characters_whatever_they_are():
    text = "Ein Öl 😀 e\u0301.\r\n\r\n\0Zweiter\u2028 Satz.\r\n"
    for id in ("a.txt", "a.md", "a.py"):
        assert "".join("".join(texts(id, text, size=12)).split()) == "".join(text.split())
    assert texts("a.txt", text, size=12) == ["Ein Öl 😀 e\u0301.", "\0Zweiter", "Satz."]


def test_chunks_share_at_most_the_overlap():
    text = "One. Two. Three. Four. Five."
    assert texts("a.txt", text, size=12, overlap=5) == ["One. Two.", "Two. Three.", "Four. Five."]


def test_a_section_is_split_by_itself():
    text = "# A\n\nOne is here.\n\n## B\n\nTwo is here.\n\n# C\n\nThree.\n\n## D\n\nFour.\n"
    expected = ["# A\n\nOne is here.", "## B\n\nTwo is here.", "# C\n\nThree.\n\n## D\n\nFour."]
    for size in (30, 33):  # what is below C fits with it into one, and C is not below A
        assert texts("a.md", text, size=size, overlap=10) == expected
    assert texts("a.md", text, size=39)[0] == text[:37]


@pytest.mark.parametrize("text", ["", " \n\t\r\n", "\x1c\x1f\u3000"])
@pytest.mark.parametrize("id", ["a.txt", "a.md", "a.py"])
def test_white_space_alone_has_no_chunks(id, text):
    assert split(id, text) == []


@pytest.mark.parametrize("id", ["a.txt", "a.md", "a.py", "a.rst"])
def test_a_short_document_is_one_chunk(id):
    assert split(id, "  Hello, world\n") == [Chunk(2, 14, None)]


PIECES = st.sampled_from(
    [
        *"a.#-`>*= \t\n\0é😀\u0301\u2028\x1c[(",
        "\r\n",
        "\n\n",
        "word ",
        "# A\n",
        "```\n",
        "---\n",
        "def ",
    ]
)
DOCUMENTS = st.lists(PIECES, max_size=300).map("".join)


@settings(max_examples=150, deadline=None)
@given(
    text=st.one_of(DOCUMENTS, st.text(max_size=100)),
    id=st.sampled_from(["a.txt", "a.md", "a.py", "a.rst"]),
    size=st.integers(1, 60),
    share=st.floats(0, 0.9),
    window=st.sampled_from([8, 32_768]),
)
@example("😀" * 40, "a.md", 1, 0, 8)
def test_all_but_white_space_is_in_chunks_of_at_most_the_size(text, id, size, share, window):
    patched = pytest.MonkeyPatch()
    with patched.context() as patch:
        patch.setattr(library_module, "_WINDOW", window)
        overlap = int(size * share)
        if any(0xD800 <= ord(character) < 0xE000 for character in text):
            return
        chunks = split(id, text, size=size, overlap=overlap)
    assert all(0 < chunk.end - chunk.start <= size for chunk in chunks)
    done = 0
    for chunk in chunks:
        part = text[chunk.start : chunk.end]
        assert part == part.strip() != ""
        assert not text[done : chunk.start].strip()
        assert chunk.start >= done - overlap
        assert chunk.end > done
        done = chunk.end
    assert not text[done:].strip()
    assert [chunk.start for chunk in chunks] == sorted(chunk.start for chunk in chunks)


def test_a_long_document_is_split_in_windows_as_it_would_be_at_once(monkeypatch):
    text = "".join(f"# Heading {n}\n\n{'Some words. ' * (n % 7 + 1)}\n\n" for n in range(200))
    at_once = split("a.md", text, size=90)
    monkeypatch.setattr(library_module, "_WINDOW", 16 * 90)
    assert split("a.md", text, size=90) == at_once


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"splitter": "html"}, "splitter is 'html': it must be 'markdown', 'text', 'code', or a"),
        ({"size": 0}, "size is 0: it must be 1 or more, an integer"),
        ({"size": 1.5}, "size is 1.5: it must be 1 or more, an integer"),
        ({"size": True}, "size is True: it must be 1 or more, an integer"),
        (
            {"size": 10, "overlap": 10},
            "overlap is 10: it must be an integer from 0 to 9, less than",
        ),
        (
            {"size": 10, "overlap": -1},
            "overlap is -1: it must be an integer from 0 to 9, less than",
        ),
        ({"text": "a\ud800"}, "The document 'a.md' has a lone surrogate at position 1, which is"),
        ({"text": b"a"}, "The document 'a.md' is of type bytes: only text can be split"),
    ],
)
def test_what_cannot_be_is_refused(arguments, message):
    with pytest.raises(vecstore.InvalidInputError) as caught:
        split(**{"id": "a.md", "text": "a", **arguments})
    assert str(caught.value).startswith(message)


def test_a_size_may_be_larger_than_any_document():
    assert split("a.md", MARKDOWN, size=10**30) == [Chunk(0, len(MARKDOWN) - 1, None)]


def test_without_the_extra_the_error_names_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "semantic_text_splitter", None)
    for kind in (None, *KINDS):
        with pytest.raises(vecstore.MissingPackageError, match=r"sqlite-vecstore\[chunks\]"):
            split("a.md", MARKDOWN, kind)
    assert split("a.md", MARKDOWN, lambda text: [(0, 9)]) == [Chunk(0, 9, None)]


def test_the_library_is_imported_when_something_is_split():
    script = "from vecstore.splitting import split\nsplit('a.md', 'a', lambda text: [(0, 1)])"
    assert "semantic_text_splitter" not in imports_of(script)
    assert "semantic_text_splitter" in imports_of(f"{script}\nsplit('a.md', 'a')")


def test_the_default_size_is_used():
    text = "word " * 2 * DEFAULT_SIZE
    assert max(map(len, texts("a", text))) in range(DEFAULT_SIZE - 5, DEFAULT_SIZE + 1)
