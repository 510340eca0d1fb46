"""What is found by a graph is what brute force finds, whoever writes, with whatever SQL."""

import contextlib
import itertools
import signal
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

import vecstore
from tests.support.beside import COLLECTIONS, QUERY, assert_searches, make_file, row_of
from tests.support.graphs import eager_graphs
from tests.support.models import Pseudorandom
from vecstore import Collection
from vecstore.sqlite.index import graph_building, hnsw, usable

LARGE = 1  # the id of a collection
UPSERT = """
    insert into embeddings (collection_id, id, embedding) values (?, ?, ?)
    on conflict (collection_id, id) do update set embedding = excluded.embedding
"""

ids = st.integers(0, 79).map("large {}".format)
salts = st.sampled_from(["", "x", "y"])
collection_ids = st.sampled_from([LARGE, LARGE, 2])


@st.composite
def statements(draw):
    """Return one statement that changes the rows of a graph, with its arguments."""
    collection_id, id, other = draw(collection_ids), draw(ids), draw(ids)
    vector = row_of(collection_id, id, draw(salts))["embedding"]
    return draw(
        st.sampled_from(
            [
                (UPSERT, (collection_id, id, vector)),
                (UPSERT, (collection_id, other, bytes(len(vector)))),
                (
                    "insert or replace into embeddings (collection_id, id, embedding) "
                    "values (?, ?, ?)",
                    (collection_id, id, vector),
                ),
                ("update or replace embeddings set id = ? where id = ?", (other, id)),
                (
                    "update or ignore embeddings set collection_id = 3 - collection_id "
                    "where id between ? and ?",
                    (min(id, other), max(id, other)),
                ),
                ("update embeddings set embedding = ? where id = ?", (vector, other)),
                ("delete from embeddings where id = ?", (id,)),
                (
                    "delete from embeddings where collection_id = ? and id between ? and ?",
                    (collection_id, min(id, other), max(id, other)),
                ),
            ]
        )
    )


class GraphMachine(RuleBasedStateMachine):
    """Writes with raw SQL, inside transactions and outside, between builds of a graph."""

    form = "inside"

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "machine.db"
        self.stack = contextlib.ExitStack()
        self.stack.enter_context(eager_graphs())
        make_file(self.path)
        if self.form == "inside":
            vecstore.move_index(self.path, "inside")
        self.db = vecstore.connect(self.path)
        self.other = vecstore.connect(self.path)
        vecstore.build_graph(self.db, "large")

    def teardown(self):
        self.db.close()
        self.other.close()
        self.folder.cleanup()
        self.stack.close()

    @rule(batch=st.lists(statements(), min_size=1, max_size=6), is_other=st.booleans())
    def write(self, batch, is_other):
        self.run(self.other if is_other else self.db, batch)

    @rule(
        batch=st.lists(statements(), min_size=1, max_size=4),
        more=st.lists(statements(), max_size=3),
        end=st.sampled_from(["commit", "rollback"]),
    )
    def write_in_a_transaction_and_search_in_it(self, batch, more, end):
        self.db.execute("begin")
        self.run(self.db, batch)
        assert_searches(self.db)
        self.db.execute("savepoint s")
        self.run(self.db, more)
        assert_searches(self.db)
        self.db.execute("rollback to s")
        self.db.execute(end)

    @rule(batch=st.lists(statements(), min_size=1, max_size=4))
    def search_in_an_older_snapshot(self, batch):
        self.other.execute("begin")
        self.other.execute("select count(*) from embeddings").fetchone()
        self.run(self.db, batch)
        assert_searches(self.db)
        assert_searches(self.other)
        self.other.execute("commit")

    @rule(batch=st.lists(statements(), min_size=1, max_size=4), anew=st.booleans())
    def build_while_others_write(self, batch, anew):
        db = self.db

        def write(*_):
            self.run(self.other, batch)
            batch.clear()

        if anew:
            vecstore.build_graph(db, "large", progress=write)
            return
        usable.make_ready(db, Pseudorandom.dimensions, LARGE)
        index = usable.find_index(db, Pseudorandom.dimensions)
        if index is not None:
            graph_building.build(db, index.names, LARGE, progress=write)

    @rule()
    def build_the_index(self):
        vecstore.build_index(self.db)

    @rule()
    def vacuum(self):
        self.db.vacuum()

    def run(self, db, batch):
        for sql, args in batch:
            with contextlib.suppress(db.conn.IntegrityError):
                db.execute(sql, args)

    @invariant()
    def searches_find_what_there_is(self):
        for db in (self.db, self.other):
            assert_searches(db)


class GraphBesideMachine(GraphMachine):
    form = "beside"


TestGraphMachine = GraphMachine.TestCase
TestGraphBesideMachine = GraphBesideMachine.TestCase
TestGraphMachine.settings = TestGraphBesideMachine.settings = settings(
    max_examples=12,
    stateful_step_count=8,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize("form", ["inside", "beside"])
def test_large_collection_is_searched_by_its_graph(path, form):
    with eager_graphs():
        make_file(path)
        vecstore.move_index(path, form)
        assert vecstore.build_graph(path, "large") == {"large": COLLECTIONS["large"]}
        assert_searches(vecstore.connect(path))
        collection = Collection("large", path)
        [step] = collection.explain(QUERY).steps
        assert step.plan == "graph"


def test_what_is_interrupted_in_usearch_is_a_keyboard_interrupt():
    generator = np.random.default_rng(0)
    graph = hnsw.Graph(64)
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(KeyboardInterrupt):
            for start in itertools.count(1, 2_000):
                vectors = generator.normal(size=(2_000, 64)).astype("<f4")
                graph.add(range(start, start + 2_000), [vector.tobytes() for vector in vectors])
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
