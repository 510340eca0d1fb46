"""A corpus: entries, and questions with the entries that answer them. No texts of its own."""

import random
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

SEED = 20_250_301  # of all that is chosen at random: the same texts give the same questions
SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z\"'(])")
# What has a meaning in a query, and none of what a text means by it: quotes, `*`, a hyphen before.
SIGNS = re.compile(r"[\"“”„*]|(?<!\S)-+")


class Question(NamedTuple):
    """What is asked, and the ids of the entries that answer it; kind says how it was made."""

    text: str
    right: frozenset[str]
    kind: str


class Corpus(NamedTuple):
    """The text of each entry by its id, and what is asked."""

    entries: dict[str, str]
    questions: list[Question]


class NoTextsError(Exception):
    """This machine does not have the texts; the message says what would bring them."""


def sentences(text: str) -> list[str]:
    """Split a text in one line into sentences. `e.g.` before a capital ends one, too."""
    return [part for part in SENTENCE_END.split(text.strip()) if part]


def one_line(text: str) -> str:
    return " ".join(text.split())


def trim(corpus: Corpus, entries: int, questions: int) -> Corpus:
    """Return a part of a corpus: some questions, their answers, and others up to a number.

    The questions are as one would type them, without signs that a query gives a meaning.
    """
    kept = [
        question._replace(text=one_line(SIGNS.sub(" ", question.text)))
        for question in spread(corpus.questions, questions)
    ]
    right: set[str] = set().union(*(question.right for question in kept))
    others = [id for id in corpus.entries if id not in right]
    random.Random(SEED).shuffle(others)
    chosen = right.union(others[: max(entries - len(right), 0)])
    texts = {id: text for id, text in corpus.entries.items() if id in chosen}
    return Corpus(texts, kept)


def spread(questions: Sequence[Question], number: int) -> list[Question]:
    """Choose questions at random, as many of each kind as can be."""
    kinds: dict[str, list[Question]] = {}
    for question in questions:
        kinds.setdefault(question.kind, []).append(question)
    chosen: list[Question] = []
    # The kinds with the fewest questions first: what they lack is taken from the others.
    for place, kind in enumerate(sorted(kinds, key=lambda kind: (len(kinds[kind]), kind))):
        share = round((number - len(chosen)) / (len(kinds) - place))
        found = sorted(kinds[kind])
        random.Random(SEED).shuffle(found)
        chosen += found[:share]
    return chosen


def mix(corpora: Mapping[str, Corpus], entries: int, questions: int) -> Corpus:
    """Return one corpus with equal shares of others, their ids and kinds after their names.

    :param entries: in all; less where the smallest of the corpora has less than its share
    :param questions: in all
    """
    smallest = min(len(corpus.entries) for corpus in corpora.values())
    share = min(entries // len(corpora), smallest)
    texts: dict[str, str] = {}
    asked = []
    for name, corpus in corpora.items():
        part = trim(corpus, share, questions // len(corpora))
        texts.update({f"{name}/{id}": text for id, text in part.entries.items()})
        for text, right, _ in part.questions:
            asked.append(Question(text, frozenset(f"{name}/{id}" for id in right), name))
    return Corpus(texts, asked)
