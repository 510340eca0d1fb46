"""Which size of chunks finds what lies deep in long pages: Python's documentation, and a model.

    apt-get download python3.11-doc && dpkg -x python3.11-doc_*.deb DOCS
    .venv/bin/python scripts/chunk_sizes.py DOCS [--pages 40] [--sentence-model FOLDER]

A question is the first sentence of a docstring of the standard library; its answer is where a page
of library/ describes the same function, in other words, a few thousand characters into the page.
Counted is how often that page is the first, or among the first three, by the best of its chunks;
and how often the chunk that holds the answer is among the first three chunks. The model is
vecstore's local one, or a SentenceTransformer, by its folder.
"""

import argparse
import random
import re
import sysconfig
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from stdlib_docs import read_docs
from vecstore import get_embedding_model
from vecstore.splitting import Chunk, embedded_text, split

DEEP = 4_000  # characters of the page before the answer
WORDS = 6  # of a question, at least
WHOLE = 10**9
MODULE = re.compile(r"\.\. (?:module|currentmodule):: ([\w.]+)")
DESCRIBED = re.compile(r" *\.\. (?:function|class|method|classmethod|staticmethod|attribute):: ")

Embed = Callable[[list[str]], Any]


class Question(NamedTuple):
    """What is asked, and where the answer is."""

    text: str
    page: str
    position: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pages", type=int, help="how many, at random, of those with answers")
    parser.add_argument("--sizes", default="200,400,800,1200,1600,2400")
    parser.add_argument("--overlaps", default="0,0.1", help="shares of the size")
    parser.add_argument("--sentence-model", help="the folder of a SentenceTransformer")
    arguments = parser.parse_args()
    pages = read_pages(arguments.folder)
    asked = find_questions(pages)
    if arguments.pages:
        answering = sorted({question.page for question in asked})
        kept = random.Random(0).sample(answering, arguments.pages)
        pages = {id: pages[id] for id in kept}
        asked = [question for question in asked if question.page in pages]
    print(f"{len(pages)} pages of {sum(map(len, pages.values())):,} characters, ", end="")
    print(f"{len(asked)} questions")
    embed = sentences(arguments.sentence_model) if arguments.sentence_model else words()
    queries = embed([question.text for question in asked])
    print("| size | overlap | headings | chunks | page first | in 3 | chunk in 3 |")
    print("|--:|--:|:--|--:|--:|--:|--:|")
    for size in [*map(int, arguments.sizes.split(",")), WHOLE]:
        for share in map(float, arguments.overlaps.split(",")):
            for headings in (False, True):
                if size != WHOLE or not (share or headings):
                    show(measure(embed, pages, asked, queries, size, share, headings))


def read_pages(folder: Path) -> dict[str, str]:
    """Return the sources of the pages of a package of documentation, by their path in it."""
    return {
        path.as_posix().rpartition("_sources/")[2]: path.read_text("utf-8")
        for path in sorted(folder.rglob("_sources/**/*.rst.txt"))
    }


def find_questions(pages: dict[str, str]) -> list[Question]:
    """Return a question for each thing that a docstring and a page describe, deep in the page."""
    described = {}
    for page, text in pages.items():
        if page.startswith("library/"):
            described.update({name: (page, position) for name, position in positions(text)})
    found = {}
    for doc in read_docs(Path(sysconfig.get_path("stdlib"))):
        page, position = described.get(doc.name, ("", 0))
        text = " ".join(doc.docstring.split("\n\n")[0].split())
        if position >= DEEP and len(text.split()) >= WORDS:
            found[text] = Question(text, page, position)
    return list(found.values())


def positions(text: str) -> Iterator[tuple[str, int]]:
    """Yield the full names of what a page describes, and where."""
    module, start = "", 0
    for line in text.splitlines(keepends=True):
        if match := MODULE.match(line):
            module = match[1]
        elif match := DESCRIBED.match(line):
            name = line[match.end() :].partition("(")[0].strip()
            yield name if name.startswith(f"{module}.") else f"{module}.{name}", start
        start += len(line)


def measure(
    embed: Embed,
    pages: dict[str, str],
    asked: Sequence[Question],
    queries: Any,
    size: int,
    share: float,
    headings: bool,
) -> list[object]:
    """Return a row of the table."""
    chunks: list[tuple[str, Chunk]] = []
    for id, text in pages.items():
        parts = split(id, text, size=size, overlap=int(size * share))
        chunks += [(id, part) for part in parts]
    texts = [
        embedded_text(pages[id][part.start : part.end], part.heading if headings else None)
        for id, part in chunks
    ]
    scores = queries @ embed(texts).T
    first = in_three = chunk_in_three = 0
    for question, row in zip(asked, scores, strict=True):
        ranked = np.argsort(-row, kind="stable")
        found = first_three(chunks[place][0] for place in ranked)
        first += found[0] == question.page
        in_three += question.page in found
        chunk_in_three += any(
            id == question.page and part.start <= question.position < part.end
            for id, part in (chunks[place] for place in ranked[:3])
        )
    counts = [f"{count / len(asked):.1%}" for count in (first, in_three, chunk_in_three)]
    shown = "the page" if size == WHOLE else size
    if size == WHOLE:
        counts[2] = ""  # it says nothing of where in the page
    return [shown, f"{share:.0%}", "yes" if headings else "no", f"{len(chunks):,}", *counts]


def first_three(names: Iterable[str]) -> list[str]:
    found: list[str] = []
    for name in names:
        if name not in found:
            found.append(name)
        if len(found) == 3:
            break
    return found


def show(cells: list[object]) -> None:
    print("|", " | ".join(map(str, cells)), "|", flush=True)


def words() -> Embed:
    model = get_embedding_model("local")
    return lambda texts: normalized(np.array([*model.embed_multi(texts)], dtype="float32"))


def sentences(folder: str) -> Embed:
    from sentence_transformers import SentenceTransformer

    transformer = SentenceTransformer(folder, device="cpu")
    return lambda texts: transformer.encode(texts, batch_size=32, normalize_embeddings=True)


def normalized(vectors: Any) -> Any:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)


if __name__ == "__main__":
    main()
