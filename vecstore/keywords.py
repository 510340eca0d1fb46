"""What a person types to search for, as a query of FTS5's and as the text to embed.

    "exact words"   a phrase
    embed*          words that begin so; also after a phrase
    -word           what has the word, or "phrase", is left out

All else are words, whatever characters they have: each is in quotes for FTS5, whose tokenizer makes
one token of it, or several that stand side by side (`PN-4711`), or none (`++`). Any of them may be
found, and what has more of the rarer ones comes first. Of a long text, such as a page that is
searched for, the first thousand different ones are looked up: for more, FTS5 takes ever longer.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from string import ascii_lowercase
from typing import NamedTuple

from . import values
from .errors import InvalidInputError
from .values import quote

_MOST_TERMS = 1000
# Of a phrase, which FTS5 takes in the square of the time for twice the words: a longer one, as a
# page without spaces is, is looked for in parts.
_MOST_CHARACTERS = 200
_PART = re.compile(rf"(?s).{{1,{_MOST_CHARACTERS}}}(?!\w)|.{{1,{_MOST_CHARACTERS}}}")

# What is typed on a phone, or copied from a text, has other quotes.
_QUOTES = '"“”„'
_TERM = re.compile(
    rf"""
    (?P<without>(?<!\S)-(?=[^\s{_QUOTES}-]|[{_QUOTES}][^{_QUOTES}]*[{_QUOTES}]))?
    (?:
        [{_QUOTES}](?P<phrase>[^{_QUOTES}]*)[{_QUOTES}]
        | (?P<word>[^\s{_QUOTES}]+)
        | [{_QUOTES}]
    )
    (?P<prefix>(?<=[{_QUOTES}])\*(?!\S))?
    """,
    re.VERBOSE,
)


class Term(NamedTuple):
    """A word, a phrase or a beginning.

    match: the query of FTS5's that finds it
    words: it as it is typed, without the signs around it
    is_beginning: whether it is the beginning of a word, or its last word is
    """

    match: str
    words: str
    is_beginning: bool = False


@dataclass(frozen=True)
class KeywordQuery:
    """A query of keywords.

    text: what is embedded: all that is not left out, without the signs around it
    terms: what to find
    excluded: what is left out
    """

    text: str
    terms: tuple[Term, ...]
    excluded: tuple[Term, ...] = ()


def any_of(terms: Iterable[Term], excluded: Iterable[Term] = ()) -> str:
    """Return the query of FTS5's for any of some terms, without what is left out; of none, ''."""
    wanted, unwanted = (" OR ".join(term.match for term in of) for of in (terms, excluded))
    return f"({wanted}) NOT ({unwanted})" if unwanted else wanted


def parse(text: object) -> KeywordQuery:
    """Return the query that a text is.

    :raises InvalidInputError: it is no text, there is nothing in it to search for, or more than a
      thousand words are to be left out
    """
    if not isinstance(text, str):
        raise InvalidInputError(f"The text to search for is {quote(text)}: it must be text")
    if values.surrogate_position(text) is not None:
        raise InvalidInputError(
            f"The text to search for is {quote(text)}: a lone surrogate is no text"
        )
    plain = values.to_plain(text)
    wanted: list[Term] = []
    excluded: list[Term] = []
    kept: list[str] = []
    for found in _TERM.finditer(plain):
        words = found["word"] if found["phrase"] is None else found["phrase"]
        is_prefix = found["prefix"] is not None
        if found["word"] and found["word"].endswith("*") and found["word"].strip("*"):
            words, is_prefix = found["word"].rstrip("*"), True
        if not words or not words.strip():
            continue
        if found["without"]:
            _refuse_long(words)
            excluded.append(_term(words, is_prefix))
        else:
            *parts, last = _PART.findall(words)
            wanted += [*(_term(part, False) for part in parts), _term(last, is_prefix)]
            kept.append(words)
    if not wanted:
        reason = "says only what to leave out" if excluded else "has nothing to search for"
        raise InvalidInputError(f"The text {quote(text)} {reason}: add a word")
    excluded = [*dict.fromkeys(excluded)]
    if len(excluded) > _MOST_TERMS:
        raise InvalidInputError(
            f"The text {quote(text)} leaves out {len(excluded):,} words, and a search takes "
            f"{_MOST_TERMS:,} of them at most: leave out fewer, or use where="
        )
    has_signs = any(sign in plain for sign in f"{_QUOTES}*") or excluded
    return KeywordQuery(
        text=" ".join(kept) if has_signs else plain,
        terms=tuple(dict.fromkeys(wanted))[:_MOST_TERMS],
        excluded=tuple(excluded),
    )


def _refuse_long(words: str) -> None:
    """Raise InvalidInputError for what is to be left out as one, and is too long for FTS5."""
    if len(words) > _MOST_CHARACTERS:
        raise InvalidInputError(
            f"What is to be left out, {quote(words)}, has {len(words):,} characters, and a search "
            f"takes {_MOST_CHARACTERS:,} of them at most: leave out a part of it, or use where="
        )


def _term(words: str, is_prefix: bool) -> Term:
    return Term(_beginning(words) if is_prefix else _quoted(words), words, is_prefix)


def _beginning(words: str) -> str:
    """Return what finds words that begin so.

    FTS5 takes it for a word, of which the stemmer porter makes "bici" of "bicy", and no word begins
    so. With another letter it is none that ends with y.
    """
    if not words.lower().endswith("y"):
        return f"{_quoted(words)} *"
    longer = [f"{_quoted(words + letter)} *" for letter in ["", *ascii_lowercase]]
    return f"({' OR '.join(longer)})"


def _quoted(words: str) -> str:
    """Return a string of FTS5, which has `"` twice for one, and ends at a NUL."""
    return '"{}"'.format(words.replace("\0", " ").replace('"', '""'))
