"""The local model: the real weights, offline."""

import json
import logging
import math
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import vecstore.models
from vecstore.errors import InputTypeError, MissingPackageError
from vecstore.models import EmbeddingModel, get_embedding_model, local
from vecstore.vectors import cosine_similarity

pytest.importorskip("wordllama")


@pytest.fixture
def model() -> EmbeddingModel:
    return get_embedding_model("local")


def test_vector_is_a_list_of_256_floats(model):
    vector = model.embed("my happy hound")
    assert (type(vector), len(vector), {type(value) for value in vector}) == (list, 256, {float})


def test_it_says_that_it_runs_locally_and_others_do_not():
    names = ["local", "wordllama", "3-small", "openai/local", "llm/local", "unknown"]
    found = {name: vecstore.models.runs_locally(name) for name in names}
    assert {name for name in names if found[name]} == {"local", "wordllama"}
    assert found["unknown"] is False


def test_similar_texts_have_similar_vectors(model):
    hound, dog, tax = model.embed_multi(["my happy hound", "a cheerful dog", "corporate tax law"])
    assert cosine_similarity(hound, dog) > cosine_similarity(hound, tax) + 0.2


def test_empty_text_is_the_zero_vector_without_a_warning(model):
    assert model.embed("") == [0.0] * 256
    assert list(model.embed_multi(["", "text"])) == [[0.0] * 256, model.embed("text")]


@pytest.mark.parametrize("text", [" ", "\n", "\x00", "😀", "漢字", "ﷺ", "\u200b", "\U0010ffff"])
def test_unusual_text_has_a_finite_vector(model, text):
    assert all(math.isfinite(value) for value in model.embed(text))


def test_vector_does_not_depend_on_the_other_texts_of_the_batch(model):
    texts = ["", "x", "the cat " * 3000, "my happy hound", "a", *(f"word {n}" for n in range(300))]
    alone = [model.embed(text) for text in texts]
    assert list(model.embed_multi(texts)) == alone
    assert list(model.embed_multi(texts[::-1], batch_size=7)) == alone[::-1]


def test_texts_are_grouped_so_that_padding_stays_small():
    long, short = "x" * 60_000, "y"
    groups = list(local._groups([short, short, long, long, short]))
    assert groups == [[short, short], [long], [long], [short]]
    assert list(local._groups(["", ""])) == [["", ""]]


LONG_TEXTS = {
    "prose": "the quick brown fox, jumps over  the lazy dog. ",
    "code": "def f(x):\n    if x:\n        return {'a': [1, 2]}\n\n",
    "rows": "12,34,fifty-six\r\n",
    "Chinese": "中文没有空格的文本也是如此",
    "emoji": "😀👩\u200d👧",
    "one word": "antidisestablishmentarianism",
    "base64": "SGVsbG8sIHdvcmxkIQ",
    "one letter": "a",
    "newlines": "\n",
    "spaces": " ",
    "accents": "e\u0301\u0302",
    "words far apart": "a" + " " * 20_000,
}


@pytest.mark.parametrize("text", LONG_TEXTS.values(), ids=LONG_TEXTS.keys())
def test_vector_of_a_long_text_is_that_of_the_whole(model, text):
    text *= 70_000 // len(text.encode()) + 1
    assert len(text.encode()) > local.PADDED_TOKENS
    [whole] = local._load().embed([text], batch_size=1).tolist()
    assert cosine_similarity(model.embed(text), whole) > 0.99999
    assert list(model.embed_multi(["x", text, "y"])) == [*map(model.embed, ["x", text, "y"])]


@pytest.mark.parametrize("end", ["", " ", "  ", "x", " x"])
def test_pieces_have_the_tokens_of_the_whole(model, end):
    text = "words, and  runs of    spaces " * 4_000 + end
    pieces = list(local._pieces(text))
    assert max(map(len, pieces)) <= local.PIECE
    inference = local._load()
    tokens = [token for piece in pieces for token in inference.tokenize(piece)[0].tokens]
    assert tokens == inference.tokenize(text)[0].tokens


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere, ru_maxrss is in other units")
def test_memory_does_not_grow_with_a_text(model):
    script = """
import resource
from vecstore.models import get_embedding_model
def megabytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
model = get_embedding_model("local")
for vector in model.embed_multi(["text", "many words " * 200_000, "x" * 2_000_000]):
    print(megabytes())
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    before, _, after = map(int, result.stdout.split())
    assert after - before < 100  # and not a thousand


def test_threads_load_the_model_once(model, monkeypatch):
    monkeypatch.setattr(local, "_loaded", [])
    with ThreadPoolExecutor(4) as pool:
        vectors = list(pool.map(model.embed, ["my happy hound"] * 8))
    assert vectors == [vectors[0]] * 8
    assert len(local._loaded) == 1


def test_bytes_are_refused(model):
    with pytest.raises(InputTypeError):
        model.embed(b"bytes")


def test_package_that_is_not_installed_says_which_extra_to_install(model, monkeypatch):
    monkeypatch.setattr(local, "_loaded", [])
    monkeypatch.setitem(sys.modules, "wordllama", None)
    handlers = list(logging.root.handlers)
    with pytest.raises(MissingPackageError) as caught:
        model.embed("text")
    assert isinstance(caught.value, ImportError)
    assert "pip install 'sqlite-vecstore[local]'" in str(caught.value)
    assert logging.root.handlers == handlers


def test_model_loads_without_network_or_home_and_leaves_logging_alone(tmp_path):
    script = """
import json, logging, socket, sys
def refuse(*args, **kwargs):
    raise AssertionError("used the network")
socket.socket.connect = socket.getaddrinfo = refuse
from vecstore.models import get_embedding_model
before = (logging.root.level, list(logging.root.handlers))
length = len(get_embedding_model("local").embed("text"))
after = (logging.root.level, list(logging.root.handlers))
print(json.dumps([length, before == after]))
"""
    home = tmp_path / "empty"
    home.mkdir()
    root = Path(vecstore.__file__).parents[1]
    result = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(root), "HOME": str(home)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(result.stdout) == [256, True]
    assert result.stderr == ""
    assert list(home.iterdir()) == []
