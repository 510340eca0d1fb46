"""Documents edited, shortened, deleted, loaded again and interrupted, as Hypothesis chooses."""

import contextlib

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

import vecstore
from tests.support.chunked import lines, rows_of
from tests.support.models import WordLengths
from vecstore import Collection
from vecstore.loading.preview import preview_documents
from vecstore.splitting import split
from vecstore.stores import open_store

NAMES = st.sampled_from(["a", "b.md", "a#1", "c"])
LINES = st.lists(
    st.sampled_from(["# One", "# Two", "one", "two", "three", "four", "five", "six", ""]),
    max_size=8,
)
METADATA = st.sampled_from([None, {}, {"n": 1}, {"n": 2, "m": [None]}])
ALL = 1000
BATCH_SIZES = st.sampled_from([1, 3, 7, ALL])
DOCUMENTS = st.lists(st.tuples(NAMES, LINES.map("\n".join), METADATA), max_size=6)


class Documents(RuleBasedStateMachine):
    """The collection equals a fresh load, and the model is called for new texts alone."""

    @initialize()
    def make(self):
        self.stack = contextlib.ExitStack()
        self.db = self.stack.enter_context(contextlib.closing(vecstore.connect()))
        self.model = WordLengths()
        self.collection = Collection("test", self.db, model=self.model)
        self.expected: dict[str, tuple[str, dict]] = {}

    def teardown(self):
        if hasattr(self, "stack"):
            self.stack.close()

    def expect(self, documents):
        for name, text, metadata in documents:
            if metadata is None:
                metadata = self.expected.get(name, (None, {}))[1]
            self.expected.pop(name, None)
            if text.strip():
                self.expected[name] = (text, metadata)

    @rule(documents=DOCUMENTS, batch_size=BATCH_SIZES, concurrency=st.integers(1, 3))
    def load(self, documents, batch_size, concurrency):
        known = {row[3] for row in rows_of(self.collection).values()}
        said = preview_documents(
            open_store(self.db),
            self.collection.row,
            self.model,
            documents,
            lambda id, text: split(id, text, lines),
            batch_size,
            content_hash=self.collection.content_hash,
        )
        self.model.embedded.clear()
        done = self.collection.embed_documents(
            documents, lines, batch_size=batch_size, concurrency=concurrency
        )
        self.expect(documents)
        embedded = [self.collection.content_hash(text) for text in self.model.embedded]
        if batch_size == ALL:  # else one batch may delete what the next would need
            assert not known & set(embedded)
        if concurrency == 1:
            assert (said.new + said.changed, said.reused) == (done.embedded, done.reused)
            assert (said.updated, said.unchanged, said.deleted) == (
                done.updated,
                done.unchanged,
                done.deleted,
            )
            assert said.characters == sum(map(len, self.model.embedded))

    @rule(documents=DOCUMENTS, batch_size=BATCH_SIZES, after=st.integers(0, 5))
    def load_with_an_interrupt_and_again(self, documents, batch_size, after):
        def interrupted():
            for number, document in enumerate(documents):
                if number == after:
                    raise KeyboardInterrupt
                yield document

        with contextlib.suppress(KeyboardInterrupt):
            self.collection.embed_documents(interrupted(), lines, batch_size=batch_size)
        for name in self.collection.documents():
            chunks = self.collection.get_document(name)
            assert [c.metadata["chunks"] for c in chunks] == [len(chunks)] * len(chunks)
        self.load(documents, batch_size, 1)

    @rule(names=st.lists(NAMES, max_size=2))
    def delete(self, names):
        before = self.collection.count()
        assert self.collection.delete_documents(names) == before - self.collection.count()
        for name in names:
            self.expected.pop(name, None)

    @invariant()
    def equals_a_fresh_load(self):
        if not hasattr(self, "expected"):
            return
        fresh = Collection("fresh", self.db, model=WordLengths())
        fresh.embed_documents([(name, *rest) for name, rest in self.expected.items()], lines)
        assert rows_of(self.collection) == rows_of(fresh)
        fresh.delete()
        assert self.collection.documents() == sorted(self.expected)
        shown = self.db.execute(
            "select document, chunks from vecstore_documents where collection = 'test'"
        ).fetchall()
        assert sorted(shown) == [
            (name, len(self.collection.get_document(name))) for name in sorted(self.expected)
        ]


Documents.TestCase.settings = settings(max_examples=40, stateful_step_count=10, deadline=None)
TestDocuments = Documents.TestCase
