"""The keyword index equals the stored texts, whoever writes, with whatever SQL, in both forms."""

import contextlib
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

import vecstore
from tests.support.beside import index_of, write
from tests.support.databases import rows
from tests.support.keyword_writes import (
    assert_index_equals_texts,
    assert_searches,
    contents,
    make_collections,
    statements,
)
from tests.support.models import Vectors
from vecstore import Collection
from vecstore.sqlite import journal
from vecstore.sqlite.connection import opening
from vecstore.sqlite.index import beside, following, keyword_building, usable_keywords
from vecstore.sqlite.index_names import BESIDE, KEYWORDS


class KeywordMachine(RuleBasedStateMachine):
    """Writes with raw SQL and by vecstore, by several connections, some of which know nothing."""

    form = "inside"

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "machine.db"
        self.patch = pytest.MonkeyPatch()
        self.patch.setenv("VECSTORE_INDEX", self.form)
        self.db = vecstore.connect(self.path)
        Collection("one", self.db, model=Vectors())
        make_collections(self.db)
        self.db.execute("pragma foreign_keys = off")
        self.plain = opening.open_bare_connection(str(self.path), opening.driver_of(self.db))
        usable_keywords.ensure_ready(self.db)

    def teardown(self):
        self.plain.close()
        self.db.close()
        self.folder.cleanup()
        self.patch.undo()

    @rule()
    def search(self):
        assert_searches(self.db)

    @rule(
        batch=st.lists(statements(), min_size=1, max_size=4),
        is_plain=st.booleans(),
        recursive=st.sampled_from(["on", "off"]),
    )
    def write(self, batch, is_plain, recursive):
        db = self.plain if is_plain else self.db
        db.execute(f"pragma recursive_triggers = {recursive}")
        self.run(db, batch)

    @rule(
        batch=st.lists(statements(), min_size=1, max_size=4),
        more=st.lists(statements(), max_size=2),
        end=st.sampled_from(["commit", "rollback"]),
    )
    def write_in_a_transaction_and_search_in_it(self, batch, more, end):
        db = self.db
        db.execute("begin")
        self.run(db, batch)
        assert_searches(db)
        if db.conn.in_transaction:
            db.execute("savepoint s")
            self.run(db, more)
            self.the_index_equals_the_texts()
        if db.conn.in_transaction:
            db.execute("rollback to s")
            assert_searches(db)
            db.execute(end)

    @rule(texts=st.lists(contents, min_size=1, max_size=3), has_store=st.booleans())
    def load(self, texts, has_store):
        entries = [(id, t, None) for id, t in zip("abc", texts, strict=False) if isinstance(t, str)]
        vectors = [([1.0] * 3, *entry) for entry in entries]
        collection = Collection("two", self.db, create=False)
        rows = [
            {"collection_id": 2, "id": id, "content": text if has_store else None,
             "embedding": vecstore.encode(vector)}
            for vector, id, text, _ in vectors
        ]  # fmt: skip
        self.db["embeddings"].insert_all(rows, replace=True)
        collection.delete_ids(["a"])

    @rule(batch=st.lists(statements(), min_size=1, max_size=4))
    def follow_in_small_portions(self, batch):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(following, "_MOST_ROWS", 2)
            patch.setattr(keyword_building, "_PORTION", 2)
            self.run(self.plain, batch)
            assert_searches(self.db)

    @rule(event=st.sampled_from(["insert", "update", "delete"]), statement=statements())
    def write_while_a_trigger_is_missing(self, event, statement):
        on = journal.TABLE if self.form == "beside" else "vecstore_texts"
        self.db.execute(f"drop trigger if exists {on}_{event}")
        self.run(self.db, [statement])
        if self.form == "beside":
            Collection("one", self.db)  # makes the journal again
        assert_searches(self.db)

    @rule()
    def transform(self):
        """By sqlite-utils, which drops triggers; the next that opens the file makes them again."""
        self.db["embeddings"].transform()
        Collection("one", self.db)
        assert_searches(self.db)

    @rule()
    def vacuum(self):
        self.run(self.plain, [("vacuum", ())])

    @rule()
    def build(self):
        vecstore.build_keyword_index(self.db)

    @rule()
    def lose_the_index(self):
        if self.form == "beside":
            index_of(self.path).unlink(missing_ok=True)
        else:
            write(self.db, "drop table if exists vecstore_keywords_docsize")
            usable_keywords.ensure_ready(self.db)

    def run(self, db, batch):
        for sql, args in batch:
            with contextlib.suppress(self.plain.IntegrityError):
                db.execute(sql, args)
            if db is self.plain and db.in_transaction:
                db.commit()

    @invariant()
    def the_index_equals_the_texts(self):
        if self.form == "inside":
            if keyword_building.index_exists(self.db):
                assert_index_equals_texts(self.db)
        elif not self.db.conn.in_transaction:
            assert following.follow(self.db, [KEYWORDS])
            assert beside.attach(self.db)
            assert_index_equals_texts(self.db, BESIDE)
        assert rows(self.db, "pragma integrity_check") == [("ok",)]


class BesideKeywordMachine(KeywordMachine):
    form = "beside"


FEW = settings(
    max_examples=8,
    stateful_step_count=12,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestInside = KeywordMachine.TestCase
TestInside.settings = FEW
TestBeside = BesideKeywordMachine.TestCase
TestBeside.settings = FEW
