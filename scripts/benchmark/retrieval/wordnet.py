"""Questions about words: what one means. The entry has words and examples, not the meaning."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from .corpus import Corpus, NoTextsError, Question

FOLDER = Path("/usr/share/wordnet")
REMEDY = "Debian's package wordnet-base brings it"
EXAMPLE = re.compile(r'"([^"]+)"')
KIND_OF = ("@", "@i")  # pointers to what is more general
ASKED = range(5, 31)  # words of a question


class Synset(NamedTuple):
    """Words with one meaning."""

    words: list[str]
    meaning: str
    examples: list[str]
    kind_of: list[str]  # the ids of what is more general


def corpus(folder: Path = FOLDER) -> Corpus:
    """Return the sets of synonyms that have an example, and what each means as a question.

    :raises NoTextsError: WordNet is not there
    """
    files = sorted(folder.glob("data.*"))
    if not files:
        raise NoTextsError(f"WordNet is not in {folder}: {REMEDY}")
    return make_corpus(read(line for file in files for line in file.read_text().splitlines()))


def read(lines: Iterable[str]) -> dict[str, Synset]:
    """Return the sets of synonyms of WordNet's files data.*: wndb(5WN) describes these."""
    found = {}
    for line in lines:
        fields, separator, gloss = line.partition(" | ")
        if not separator or line.startswith("  "):  # the licence is indented
            continue
        offset, _, type, count, *rest = fields.split()
        last = 2 * int(count, 16)
        pointers = rest[last + 1 :]
        meaning, _, _ = gloss.partition('; "')
        found[f"{type}{offset}"] = Synset(
            [word.partition("(")[0].replace("_", " ") for word in rest[:last:2]],
            meaning.strip(" ;"),
            EXAMPLE.findall(gloss),
            [
                f"{pointers[place + 2]}{pointers[place + 1]}"
                for place in range(0, 4 * int(rest[last]), 4)
                if pointers[place] in KIND_OF
            ],
        )
    return found


def make_corpus(synsets: dict[str, Synset]) -> Corpus:
    """Return an entry a set of synonyms: its words, its examples, and of what it is a kind.

    A question is the meaning, which is not in the entry, nor in that of what it is a kind of: it
    has words with the entry in common by chance.
    """
    entries, questions = {}, []
    for id, synset in synsets.items():
        if not synset.examples:
            continue  # bare words, which many an other meaning has too
        more = [", ".join(synsets[other].words) for other in synset.kind_of if other in synsets]
        parts = [", ".join(synset.words), *synset.examples]
        parts += [f"a kind of: {'; '.join(more)}"] if more else []
        entries[id] = "\n".join(parts)
        if len(synset.meaning.split()) in ASKED and '"' not in synset.meaning:
            questions.append(Question(synset.meaning, frozenset([id]), "meaning"))
    return Corpus(entries, questions)
