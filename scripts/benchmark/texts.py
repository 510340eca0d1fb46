"""Real texts that a machine has, for data sets: what is embedded is what people write."""

import random
import shutil
import subprocess
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path

from stdlib_docs import read_docs

WORDNET = Path("/usr/share/wordnet")  # of Debian's package wordnet-base


def read_texts() -> list[str]:
    """Return the texts of all sources, each once and in one line, in an order that stays."""
    texts = list(dict.fromkeys(map(one_line, [*debian(), *wordnet(), *standard_library()])))
    random.Random(0).shuffle(texts)
    return texts


def one_line(text: str) -> str:
    return " ".join(text.split())


def debian() -> Iterator[str]:
    """Yield the names and descriptions of Debian's packages, where apt-cache knows them."""
    if shutil.which("apt-cache") is None:
        return
    command = ["apt-cache", "dumpavail"]
    dump = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    yield from package_descriptions(dump.splitlines())


def package_descriptions(lines: Iterable[str]) -> Iterator[str]:
    package = ""
    for line in lines:
        field, _, value = line.partition(": ")
        if field == "Package":
            package = value
        elif field in ("Description", "Description-en"):
            yield f"{package}: {value}"


def wordnet() -> Iterator[str]:
    """Yield the first word of each of WordNet's sets of synonyms, and what it means."""
    for path in sorted(WORDNET.glob("data.*")):
        for line in path.read_text("utf-8").splitlines():
            synonyms, separator, meaning = line.partition(" | ")
            if separator and not line.startswith("  "):  # the licence is indented
                yield f"{synonyms.split()[4].replace('_', ' ')}: {meaning}"


def standard_library() -> Iterator[str]:
    """Yield the documentation of Python's standard library, as the quickstart embeds it."""
    for doc in read_docs(Path(sysconfig.get_path("stdlib"))):
        _, text, _ = doc.entry()
        yield text
