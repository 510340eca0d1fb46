"""Questions about Python's standard library: names as people type them, and descriptions."""

import re
import sysconfig
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from stdlib_docs import Doc, read_docs

from .corpus import Corpus, Question, one_line, sentences

# What is written as no word of English is: ENOENT, sample_rate, ThreadPool.
IDENTIFIER = re.compile(r"\b(?:[A-Z][A-Z0-9_]{3,}|[a-z]+_[a-z_]+|[A-Z][a-z]+[A-Z]\w+)\b")
DESCRIPTION = range(5, 31)  # words of a question
LEFT = 8  # words that are left of a docstring, at least
SAME_NAME = 3  # entries that a name may mean


def corpus() -> Corpus:
    """Return what has a docstring, by its full name."""
    return make_corpus(read_docs(Path(sysconfig.get_path("stdlib"))))


def make_corpus(docs: Sequence[Doc]) -> Corpus:
    """Return an entry a docstring: the name, and the first paragraphs.

    Every other one that says enough is asked for by its first sentence, and is without it; the
    others by their names, whole or in part, or by an identifier that no other entry has.
    """
    once = Counter(first_sentence(doc) for doc in docs)
    entries, described = {}, []
    for number, doc in enumerate(docs):
        name, text, _ = doc.entry()
        sentence = first_sentence(doc)
        rest = one_line(doc.docstring).removeprefix(sentence).strip()
        if (
            number % 2 == 0
            and once[sentence] == 1
            and len(sentence.split()) in DESCRIPTION
            and "==" not in sentence  # a heading
            and len(rest.split()) >= LEFT
        ):
            described.append(Question(sentence, frozenset([name]), "description"))
            text = f"{name}\n\n{one_line(text).removeprefix(f'{name} {sentence}').strip() or rest}"
        entries[name] = text
    taken = {id for question in described for id in question.right}
    named = [id for id in entries if id not in taken]
    return Corpus(entries, [*described, *names(entries, named), *identifiers(entries, named)])


def first_sentence(doc: Doc) -> str:
    found = sentences(one_line(doc.docstring.split("\n\n")[0]))
    return found[0] if found else ""


def names(entries: dict[str, str], named: Sequence[str]) -> Iterator[Question]:
    """Yield questions by name: `os.path.realpath`, `path.realpath`, `realpath`, in turns."""
    ending = defaultdict(set)
    for id in entries:
        parts = id.split(".")
        for place in range(len(parts)):
            ending[".".join(parts[place:])].add(id)
    for number, id in enumerate(named):
        parts = id.split(".")
        name = ".".join((parts, parts[-2:], parts[-1:])[number % 3])
        if len(ending[name]) <= SAME_NAME:
            yield Question(name, frozenset(ending[name]), "name")


def identifiers(entries: dict[str, str], named: Sequence[str]) -> Iterator[Question]:
    """Yield identifiers that stand in one entry's text, and are no part of a name."""
    in_names = {part for id in entries for part in id.split(".")}
    holders = defaultdict(set)
    for id, text in entries.items():
        for word in IDENTIFIER.findall(text):
            holders[word].add(id)
    wanted = set(named)
    for word, ids in sorted(holders.items()):
        if len(ids) == 1 and ids <= wanted and word not in in_names:
            yield Question(word, frozenset(ids), "identifier")
