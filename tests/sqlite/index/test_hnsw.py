"""What the graph of usearch does for us, and what it must not do to those who call it."""

import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tests.support import ROOT
from vecstore.sqlite.index import hnsw
from vecstore.sqlite.index.hnsw import Graph, GraphError, quantize

ROWS, DIMENSIONS = 2_000, 32
GENERATOR = np.random.default_rng(0)
VECTORS = GENERATOR.normal(size=(ROWS, DIMENSIONS)).astype("<f4")
ASKED = quantize([vector.tobytes() for vector in VECTORS[:50]])


def add_alone(graph, vectors):
    """Add vectors a few at a time, by one thread, so that none is added twice."""
    for start in range(0, len(vectors), 500):
        portion = vectors[start : start + 500]
        graph.add(range(start + 1, start + len(portion) + 1), portion)


@pytest.fixture(scope="module")
def graph():
    made = Graph(DIMENSIONS)
    add_alone(made, [vector.tobytes() for vector in VECTORS])
    return made


@pytest.fixture
def file(graph, tmp_path):
    path = tmp_path / "graph"
    path.touch()
    graph.save(path)
    return path


@pytest.mark.parametrize("exponent", [-19, -10, 0, 10, 18, 37])
@pytest.mark.parametrize("special", [None, 1e-45, 3.4e38, -3.4e38, 0.0])
def test_vectors_of_any_size_keep_their_directions(exponent, special):
    vector = (VECTORS[0] * 10.0**exponent / 4).astype("<f4")
    if special is not None:
        vector[3] = special
    [found] = quantize([vector.tobytes()]).astype(float)
    wanted = vector.astype(float) / np.abs(vector).max()
    cosine = found @ wanted / np.linalg.norm(found) / np.linalg.norm(wanted)
    assert cosine > 0.99


def test_threads_find_in_a_mapped_file_what_one_finds_in_memory(graph, file):
    mapped = Graph.map_file(file, DIMENSIONS, 0)
    expected = [graph.search(asked, 50) for asked in ASKED]
    with ThreadPoolExecutor(8) as pool:
        for found in pool.map(lambda _: [mapped.search(asked, 50) for asked in ASKED], range(16)):
            assert found == expected


def test_what_is_removed_is_found_no_more_and_leads_to_others(file):
    loaded = Graph.load_file(file, DIMENSIONS, 0)
    loaded.remove([*range(1, 101), ROWS + 7])
    assert (loaded.dead, len(loaded)) == (100, ROWS)
    assert loaded.keys() == set(range(101, ROWS + 1))
    for asked in ASKED:
        near = loaded.search(asked, 50)
        assert len(near.keys) >= 25
        assert min(near.keys) > 100
    loaded.add(range(1, 101), [vector.tobytes() for vector in VECTORS[100:200]])
    assert loaded.keys() == set(range(1, ROWS + 1))


@pytest.mark.parametrize("content", [b"", b"rubbish" * 100, None])
def test_a_file_of_another_kind_is_refused(tmp_path, file, content):
    other = tmp_path / "other"
    if content is None:
        content = file.read_bytes()[:-100]
    other.write_bytes(content)
    for open_file in (Graph.map_file, Graph.load_file):
        with pytest.raises(GraphError, match=str(other)):
            open_file(other, DIMENSIONS, 0)
        with pytest.raises(GraphError, match="another kind"):
            open_file(file, DIMENSIONS + 8, 0)


def test_a_graph_of_an_older_version_is_searched_and_extended(tmp_path, monkeypatch):
    path = tmp_path / "graph"
    path.touch()
    vectors = [vector.tobytes() for vector in VECTORS]
    with monkeypatch.context() as older:
        older.setattr(hnsw, "_CONNECTIVITY", 16)
        made = Graph(DIMENSIONS)
    add_alone(made, vectors[1:])
    made.save(path)
    mapped, loaded = (read(path, DIMENSIONS, 0) for read in (Graph.map_file, Graph.load_file))
    found = made.search(ASKED[1], 50)
    assert [graph.search(ASKED[1], 50) for graph in (mapped, loaded)] == [found, found]
    loaded.add([ROWS], vectors[:1])
    assert loaded.search(ASKED[0], 50).keys[0] == ROWS
    loaded.save(path)
    assert Graph.map_file(path, DIMENSIONS, 0).search(ASKED[0], 50).keys[0] == ROWS


def test_a_reach_is_measured_once_each_and_as_far_as_it_takes(graph, monkeypatch):
    new = [vector.tobytes() for vector in GENERATOR.normal(size=(100, DIMENSIONS)).astype("<f4")]
    asked = quantize(new)
    tried = []
    search = type(graph._index).search

    def note(index, vectors, count, **options):
        tried.append(count)
        return search(index, vectors, count, **options)

    monkeypatch.setattr(type(graph._index), "search", note)
    assert graph.measure_reach(asked, 100, 0.5) == 100
    assert graph.measure_reach(asked, 100, 1.1) == ROWS
    assert tried[:2] == [100, 100]  # exactly, and by the graph
    assert tried[3:] == sorted({*tried[3:]})


def test_each_node_that_many_threads_have_added_is_found(monkeypatch):
    """More threads than processors wait for each other in the midst of adding a node."""
    monkeypatch.setattr(hnsw, "_threads", lambda: 8)
    generator = np.random.default_rng(3)
    centres = generator.normal(size=(40, 64))
    vectors = centres[generator.integers(0, 40, 5_000)] + 0.5 * generator.normal(size=(5_000, 64))
    vectors = [vector.astype("<f4").tobytes() for vector in vectors]
    graph = Graph(64)
    graph.add(range(1, 5_001), vectors)
    found = [graph.search(quantize([vector])[0], 128).keys for vector in vectors]
    lost = [key for key, near in enumerate(found, start=1) if key not in near]
    assert len(lost) <= 3
    assert graph.keys() == set(range(1, 5_001))
    assert len(graph) == 5_000 + graph.dead


def test_of_many_equal_vectors_none_is_added_again():
    graph = Graph(16)
    graph.add(range(1, 2_001), [np.ones(16, "<f4").tobytes()] * 2_000)
    assert (len(graph), graph.dead) == (2_000, 0)


def test_an_interrupt_at_any_moment_is_one(graph):
    """usearch drops what a handler of signals raises, and raises an error of its own."""
    vectors = [vector.tobytes() for vector in VECTORS]
    calls = [
        lambda: graph.search(ASKED[0], 500),
        lambda: graph.measure_reach(ASKED, 100, 1.1),
        lambda: Graph(DIMENSIONS).add(range(1, ROWS + 1), vectors),
    ]
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        for call in calls * 5:
            with pytest.raises(KeyboardInterrupt):
                signal.setitimer(signal.ITIMER_REAL, 0.02)
                while True:
                    call()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


FORKING = """
import os
import numpy as np
from vecstore.sqlite.index.hnsw import Graph, quantize
vectors = [v.tobytes() for v in np.random.default_rng(0).normal(size=(500, 16)).astype("<f4")]
graph = Graph(16)
graph.add(range(1, 501), vectors)
expected = graph.search(quantize(vectors[:1])[0], 10)
child = os.fork()
assert graph.search(quantize(vectors[:1])[0], 10) == expected
other = Graph(16)
other.add(range(1, 501), vectors)
if child == 0:
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
"""


def test_a_forked_child_searches_and_adds():
    done = subprocess.run(
        [sys.executable, "-c", FORKING], capture_output=True, text=True, cwd=ROOT, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
