"""Questions about Debian's packages: a sentence or the summary, which the entry is without."""

import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from .corpus import Corpus, NoTextsError, Question, one_line, sentences

HELPER = Path("/usr/lib/apt/apt-helper")  # reads the lists however they are packed
IN_ENGLISH = ("-o", "Acquire::Languages=en")
REMEDY = "apt-get update -o Acquire::Languages=en brings them"
SENTENCE = range(6, 31)  # words of a question
SUMMARY = range(3, 12)
LEFT = 15  # words that are left of a description, at least
# Such a sentence tells what is in the package, and not what the program is for.
ABOUT_THE_PACKAGE = re.compile(r"(?i)this (\w+ )?(package|metapackage|library package)\b")


def corpus() -> Corpus:
    """Return all packages with a description, and a question about each that has one to ask.

    :raises NoTextsError: apt does not have the long descriptions
    """
    if not HELPER.exists() or shutil.which("apt-get") is None:
        raise NoTextsError("this machine has no apt")
    command = ["apt-get", "indextargets", *IN_ENGLISH, "--format", "$(FILENAME)"]
    files = lines_of([*command, "Created-By: Translations"])
    found = [file for file in files if Path(file).exists()]
    if not found:
        raise NoTextsError(f"apt does not have the long descriptions of packages: {REMEDY}")
    return make_corpus(descriptions(lines_of([str(HELPER), "cat-file", *found])))


def lines_of(command: list[str]) -> list[str]:
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def descriptions(lines: Iterable[str]) -> dict[str, list[str]]:
    """Return the paragraphs of each package's description, the short one first.

    Lines with two spaces in front, lists mostly, are paragraphs of their own.
    """
    found: dict[str, list[str]] = {}
    package = ""
    for line in lines:
        if line.startswith("Package: "):
            package = line.removeprefix("Package: ")
        elif line.startswith("Description-en: "):
            found[package] = [line.removeprefix("Description-en: ")]
            new = True
        elif line.startswith("  ") and package in found:
            found[package].append(line.strip())
            new = True
        elif line == " ." and package in found:
            new = True
        elif line.startswith(" ") and package in found:
            if new:
                found[package].append(line.strip())
            else:
                found[package][-1] += line
            new = False
    return found


def make_corpus(packages: Mapping[str, list[str]]) -> Corpus:
    """Return an entry a package: its name and description, without what is asked.

    One package is asked for by its summary, the next by the longest sentence that no other has.
    """
    once = Counter(text for paragraphs in packages.values() for text in set(split(paragraphs)))
    entries, questions = {}, []
    for number, (package, (summary, *long)) in enumerate(packages.items()):
        text = one_line(" ".join(long))
        asked = summary if number % 2 else longest(split(long), once)
        rest = one_line(text.replace(asked, " ")) if asked else ""
        if asked and once[asked] == 1 and len(rest.split()) >= LEFT:
            if number % 2 == 0:
                questions.append(Question(asked, frozenset([package]), "sentence"))
                entries[package] = f"{package}: {summary}. {rest}"
                continue
            if len(asked.split()) in SUMMARY:
                questions.append(Question(asked, frozenset([package]), "summary"))
                entries[package] = f"{package}: {text}"
                continue
        entries[package] = f"{package}: {summary}. {text}"
    return Corpus(entries, questions)


def longest(found: Iterable[str], once: Mapping[str, int]) -> str:
    """Return the longest sentence that can be asked, or nothing."""
    can_be_asked = (
        sentence
        for sentence in found
        if once[sentence] == 1
        and len(sentence.split()) in SENTENCE
        and sentence[0].isalpha()
        and "://" not in sentence
        and not ABOUT_THE_PACKAGE.match(sentence)
    )
    return max(sorted(can_be_asked), key=len, default="")


def split(paragraphs: Iterable[str]) -> Iterator[str]:
    for paragraph in paragraphs:
        yield from sentences(paragraph)
