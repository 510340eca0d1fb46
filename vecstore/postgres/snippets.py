"""The part of a text that best shows what was found in it, with marks around that.

It is chosen as FTS5's snippet() chooses it, so that one text has one snippet on every store: of
all places where a part could begin, at what was found or at its sentence, that with most different
terms. https://sqlite.org/fts5.html#the_snippet_function
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

_WORDS = 24  # of a snippet
_ELLIPSIS = "…"
_NEW_TERM, _FIRST_SENTENCE, _SENTENCE = 1000, 120, 100  # what FTS5 counts them as

# As vecstore_plain() of the migrations has words.
_WORD = re.compile(r"(?:[^\W_][\u0300-\u036f]*)+")
_MOST_CHARACTERS = 150_000
_LAST_POSITION = 16_383  # of all words from there on


class Instance(NamedTuple):
    """Where a text has a term: the number of its first word, from 0 on."""

    term: int
    position: int
    length: int

    @property
    def end(self) -> int:
        """The number of the word after it."""
        return self.position + self.length


def make_snippet(
    content: str, words: int, instances: Sequence[Instance], marks: tuple[str, str]
) -> str:
    """Return a part of a text, with marks around what was found.

    :param words: how many the database has counted; where that is not what is found here, its
      positions say nothing, and nothing is marked
    :param instances: where the terms are, the first first
    """
    spans = [found.span() for found in _WORD.finditer(content, 0, _MOST_CHARACTERS)]
    found = [each for each in instances if each.end < _LAST_POSITION]
    if len(spans) != words:
        found = []
    start = _best_start(content, spans, found)
    return _marked(content, spans, start, _merged(found), marks)


def _best_start(
    content: str, spans: Sequence[tuple[int, int]], instances: Sequence[Instance]
) -> int:
    """Return the number of the word that the best part begins with."""
    best, most = 0, 0
    sentences = _sentence_starts(content, spans)
    for instance in instances:
        score, start = _score(instances, instance.position, len(spans))
        if score > most:
            best, most = start, score
        sentence = max(start for start in sentences if start <= instance.position)
        if len(spans) > _WORDS and sentence < instance.position:
            score = _score(instances, sentence, len(spans))[0]
            score += _SENTENCE if sentence else _FIRST_SENTENCE
            if score > most:
                best, most = sentence, score
    return best


def _sentence_starts(content: str, spans: Sequence[tuple[int, int]]) -> list[int]:
    """Return the numbers of the words that sentences begin with."""
    starts = [0]
    for number, (begin, _) in enumerate(spans):
        before = content[spans[number - 1][1] : begin] if number else ""
        shortened = before.rstrip(" \t\r\n")
        if shortened != before and shortened.endswith((".", ":")):
            starts.append(number)
    return starts


def _score(instances: Sequence[Instance], start: int, words: int) -> tuple[int, int]:
    """Return what a part that begins there is worth, and where it begins with these in its middle.

    :param words: of the whole text
    """
    within = [each for each in instances if start <= each.position < start + _WORDS]
    if not within:
        return 0, start
    terms = len({each.term for each in within})
    first, last = within[0].position, within[-1].end
    # As in C, where division cuts off.
    centred = first - int((_WORDS - (last - first)) / 2)
    return _NEW_TERM * terms + len(within) - terms, max(min(centred, words - _WORDS), 0)


def _merged(instances: Sequence[Instance]) -> list[tuple[int, int]]:
    """Return the first and the last word of what is marked: of what overlaps, all together."""
    merged: list[tuple[int, int]] = []
    for instance in instances:
        first, last = instance.position, instance.end - 1
        if merged and first <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(last, merged[-1][1])
        else:
            merged.append((first, last))
    return merged


def _marked(
    content: str,
    spans: Sequence[tuple[int, int]],
    start: int,
    found: Sequence[tuple[int, int]],
    marks: tuple[str, str],
) -> str:
    """Return the part that begins with a word, with marks around what was found."""
    last = start + _WORDS - 1
    at = spans[start][0] if start else 0
    parts = [_ELLIPSIS] if start else []
    for first_found, last_found in found:
        if start <= first_found <= last:
            begin, end = spans[first_found][0], spans[min(last_found, last)][1]
            parts += [content[at:begin], marks[0], content[begin:end], marks[1]]
            at = end
    if last >= len(spans) - 1:
        parts.append(content[at:])
    else:
        parts += [content[at : spans[last][1]], _ELLIPSIS]
    return "".join(parts)
