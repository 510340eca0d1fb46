"""The index beside a file equals the table once it has followed it, whoever writes what."""

import contextlib
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

import vecstore
from tests.support.beside import index_of
from tests.support.brute_force import brute_force, found
from tests.support.databases import rows
from tests.support.index_writes import DIMENSIONS, expected_entries, index_entries, statements
from tests.support.models import Vectors
from vecstore import Collection
from vecstore.sqlite.connection import opening
from vecstore.sqlite.index import beside, following, tables
from vecstore.sqlite.index_names import BESIDE

NAMES = ("one", "two")


def comparable(db, dimensions, name):
    """Return the vectors of a collection that can be compared, by id."""
    [(collection_id,)] = rows(db, "select id from collections where name = ?", [name])
    entries = expected_entries(db, dimensions).items()
    return {id: vecstore.decode(blob) for (of, id), blob in entries if of == collection_id}


def assert_searches(db):
    for name in NAMES:
        for dimensions in DIMENSIONS:
            query = [1.0, 0.5, *[0.25] * (dimensions - 2)]
            expected = brute_force(comparable(db, dimensions, name), query, 100)
            with contextlib.suppress(vecstore.DimensionError):
                collection = Collection(name, db, create=False)
                assert found(collection.similar_by_vector(query, 100)) == expected
                nearest = found(collection.similar_by_vector(query, 1))
                assert [score for _, score in nearest] == [score for _, score in expected[:1]]


class BesideMachine(RuleBasedStateMachine):
    """Writes with raw SQL, by connections of vecstore and by one that knows nothing of it."""

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "machine.db"
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(tables, "partition_rows", lambda dimensions: 3)
        self.patch.setenv("VECSTORE_INDEX", "beside")
        self.db = vecstore.connect(self.path)
        for name in NAMES:
            Collection(name, self.db, model=Vectors())
        driver = opening.driver_of(self.db)
        self.plain = opening.open_bare_connection(str(self.path), driver)

    def teardown(self):
        self.plain.close()
        self.db.close()
        self.folder.cleanup()
        self.patch.undo()

    @rule()
    def search(self):
        assert_searches(self.db)

    @rule(batch=st.lists(statements(), min_size=1, max_size=4), is_plain=st.booleans())
    def write(self, batch, is_plain):
        self.run(self.plain if is_plain else self.db, batch)

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
            assert_searches(db)
        if db.conn.in_transaction:
            db.execute("rollback to s")
            assert_searches(db)
            db.execute(end)

    @rule()
    def follow(self):
        assert following.follow(self.db, DIMENSIONS)
        assert_in_step(self.db)

    @rule(batch=st.lists(statements(), min_size=1, max_size=4))
    def follow_in_small_portions(self, batch):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(following, "_MOST_ROWS", 2)
            self.run(self.plain, batch)
            self.follow()

    @rule(batch=st.lists(statements(), min_size=1, max_size=4), is_moved=st.booleans())
    def go_back_to_an_older_index(self, batch, is_moved):
        index = index_of(self.path)
        if not index.exists():
            return
        older = index.with_name("older")
        shutil.copy(index, older)
        self.run(self.plain, batch)
        assert_searches(self.db)
        if is_moved:
            older.replace(index)
        else:
            beside.detach(self.db)
            index.unlink()
            shutil.copy(older, index)

    @rule()
    def lose_the_index(self):
        index_of(self.path).unlink(missing_ok=True)

    @rule(table=st.sampled_from(["embeddings", "collections"]))
    def transform(self, table):
        """By sqlite-utils, which drops triggers; the next that opens the file makes them again."""
        self.db[table].transform()
        assert_searches(self.db)

    @rule()
    def rename_the_table_and_write_to_it(self):
        self.run(self.plain, [("alter table embeddings rename to renamed", ())])
        self.run(self.plain, [("update renamed set id = id || '+' where id = 'a'", ())])
        self.run(self.plain, [("alter table renamed rename to embeddings", ())])

    @rule()
    def vacuum(self):
        self.run(self.plain, [("vacuum", ())])

    @rule()
    def forget_the_changes(self):
        self.run(self.plain, [("delete from vecstore_changes", ())])

    def run(self, db, batch):
        for sql, args in batch:
            with contextlib.suppress(self.plain.IntegrityError):
                db.execute(sql, args)
            if db is self.plain and db.in_transaction:
                db.commit()

    @invariant()
    def the_journal_leads_to_the_table(self):
        assert rows(self.db, "pragma integrity_check") == [("ok",)]


def assert_in_step(db):
    assert beside.attach(db)
    assert rows(db, f"pragma {BESIDE}.integrity_check") == [("ok",)]
    for dimensions in DIMENSIONS:
        assert index_entries(db, dimensions, BESIDE) == expected_entries(db, dimensions)


TestBesideMachine = BesideMachine.TestCase
TestBesideMachine.settings = settings(
    max_examples=15,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
