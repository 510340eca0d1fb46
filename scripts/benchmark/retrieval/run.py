"""Asks each mode the questions of each set, and tells how good and how fast its answers are."""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import vecstore

from ..datasets import Embed, Progress
from . import debian, stdlib, wordnet
from .corpus import Corpus, NoTextsError, mix, trim
from .measures import CUTOFF, ndcg, recall
from .modes import Mode, modes
from .vectors import known_vectors

ENTRIES = 10_000  # of a set, at most
QUESTIONS = 400
QUICK_ENTRIES = 2_000
QUICK_QUESTIONS = 100
MIXED = 1.5  # times the entries of a set: half of each of three
UNTIMED = 20  # questions that are asked before

SOURCES: dict[str, Callable[[], Corpus]] = {
    "debian": debian.corpus,
    "stdlib": stdlib.corpus,
    "wordnet": wordnet.corpus,
}


class Result(NamedTuple):
    """What a mode is worth for the questions of one kind, or for all of a set (kind None)."""

    data: str
    entries: int
    model: str
    kind: str | None
    questions: int
    mode: str
    ndcg: float
    recall: float
    p50_ms: float


def corpora(entries: int, questions: int, say: Progress) -> dict[str, Corpus]:
    """Return the sets that can be made here, and the one that is mixed from them."""
    whole: dict[str, Corpus] = {}
    for name, read in SOURCES.items():
        try:
            whole[name] = read()
        except NoTextsError as error:
            say(f"{name} is left out: {error}")
    found = {name: trim(corpus, entries, questions) for name, corpus in whole.items()}
    if len(whole) > 1:
        found["mixed"] = mix(whole, int(entries * MIXED), questions)
    return found


def measure_all(
    name: str, embed: Embed, entries: int, questions: int, folder: Path, say: Progress
) -> Iterator[Result]:
    """Yield what each mode is worth with each set.

    :param name: of the model
    :param folder: where vectors are kept
    """
    for data, corpus in corpora(entries, questions, say).items():
        texts = [*corpus.entries.values(), *(question.text for question in corpus.questions)]
        model = known_vectors(name, embed, texts, folder, say)
        with tempfile.TemporaryDirectory(dir=folder, prefix="run-") as work:
            collection = vecstore.Collection("texts", Path(work, "store.db"), model=model)
            collection.embed_multi(corpus.entries.items(), store=True)
            with modes(collection, corpus.entries) as ways:
                yield from measure(data, name, corpus, ways)
            collection.db.close()


def measure(data: str, model: str, corpus: Corpus, ways: Mapping[str, Mode]) -> Iterator[Result]:
    """Yield what each mode is worth, for all questions and for those of each kind."""
    answers = ask(corpus, ways)
    kinds = list(dict.fromkeys(question.kind for question in corpus.questions))
    for kind in [None, *kinds] if len(kinds) > 1 else [None]:
        places = [
            place
            for place, question in enumerate(corpus.questions)
            if kind in (None, question.kind)
        ]
        for mode, found in answers.items():
            worth = [(corpus.questions[place].right, *found[place]) for place in places]
            yield Result(
                data,
                len(corpus.entries),
                model,
                kind,
                len(places),
                mode,
                statistics.fmean(ndcg(ids, right) for right, ids, _ in worth),
                statistics.fmean(recall(ids, right) for right, ids, _ in worth),
                statistics.median(seconds for *_, seconds in worth) * 1000,
            )


def ask(corpus: Corpus, ways: Mapping[str, Mode]) -> dict[str, list[tuple[list[str], float]]]:
    """Return what each mode finds for each question, and the seconds that took it.

    The modes take turns, so that what slows the machine slows all of them.
    """
    for question in corpus.questions[:UNTIMED]:
        for mode in ways.values():
            mode(question.text)
    answers: dict[str, list[tuple[list[str], float]]] = {name: [] for name in ways}
    for question in corpus.questions:
        for name, mode in ways.items():
            start = time.perf_counter()
            ids = mode(question.text)[:CUTOFF]
            answers[name].append((ids, time.perf_counter() - start))
    return answers
