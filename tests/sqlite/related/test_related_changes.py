"""After whatever writes, another call leaves what one from scratch would."""

import json
import tempfile
from contextlib import closing, suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

import vecstore
from tests.support.databases import rows
from tests.support.models import Vectors
from tests.support.related import assert_current, blob, expected, put, related, without_numpy
from vecstore import Collection
from vecstore.sqlite.related import computing

IDS = [*"abcdefgh", "d#1", "d#2", "d#3", "e#1", "e#2"]
PLANE = st.sampled_from([(x, y) for x in (-1, 0, 1, 2) for y in (-1, 0, 1, 3)])
VECTORS = PLANE | st.tuples(*[st.floats(-2, 2, width=32)] * 2)
STORED = VECTORS.map(blob) | st.sampled_from(
    [None, b"", blob([1, 2, 3]), blob([1, 0, 0]), blob([1e30, 1]), blob([1e-21, 3e-22])]
)


class RelatedMachine(RuleBasedStateMachine):
    """Writes as vecstore and as others do, and computes now and then."""

    @initialize(form=st.sampled_from(["inside", "beside"]), with_numpy=st.booleans())
    def open(self, form, with_numpy):
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "machine.db"
        self.with_numpy = with_numpy
        self.db = vecstore.connect(self.path, driver="apsw")
        self.collection = Collection("one", self.db, model=Vectors(), index=form)
        self.number = 0
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(computing, "_MANY_CHANGES", 0)  # then never all is computed anew

    def teardown(self):
        if hasattr(self, "db"):
            self.patch.undo()
            self.db.close()
            self.folder.cleanup()

    @rule(number=st.sampled_from([1, 2, 2, 2, 3]))
    def compute(self, number):
        self.number = number
        if self.with_numpy:
            self.collection.related_table(number)
        else:
            with without_numpy():
                self.collection.related_table(number)
        assert_current(self.collection, number)
        before = self.db.conn.total_changes
        report = self.collection.related_table(number)
        assert (report.computed, report.rows) == (0, 0)
        assert self.db.conn.total_changes == before

    @rule(written=st.lists(st.tuples(st.sampled_from(IDS), VECTORS), max_size=6))
    def embed(self, written):
        entries = [(id, " ".join(map(str, vector))) for id, vector in written if "#" not in id]
        with suppress(vecstore.InvalidInputError, vecstore.ModelError):
            self.collection.embed_multi(entries, store=True)

    @rule(ids=st.sets(st.sampled_from(IDS), max_size=3))
    def delete(self, ids):
        self.collection.delete_ids(ids)

    @rule(id=st.sampled_from(IDS), vector=STORED, is_chunk=st.booleans())
    def replace(self, id, vector, is_chunk):
        document, _, number = id.partition("#")
        metadata = json.dumps({"document": document, "chunk": int(number or 0)})
        put(self.collection, {id: vector}, {id: metadata} if is_chunk else {})

    @rule(id=st.sampled_from(IDS), vector=STORED)
    def update(self, id, vector):
        self.execute("update embeddings set embedding = ? where id = ?", vector, id)

    @rule(ids=st.permutations(IDS))
    def rename_an_entry(self, ids):
        self.execute("update or replace embeddings set id = ? where id = ?", *ids[:2])

    @rule(ids=st.permutations(IDS))
    def copy_a_vector(self, ids):
        self.execute(
            """
            insert or replace into embeddings (collection_id, id, embedding)
            select collection_id, ?, embedding
            from embeddings
            where id = ?
            """,
            *ids[:2],
        )

    @rule()
    def vacuum(self):
        self.db.execute("vacuum")

    @precondition(lambda self: self.number)
    @rule(
        sql=st.sampled_from(
            [
                "delete from vecstore_related",
                "delete from vecstore_related where rank > 1",
                "delete from vecstore_related where id < 'c'",
                "insert or ignore into vecstore_related select collection_id, 'b', 9, 'c', 0.5 "
                "from vecstore_related",
                "delete from vecstore_related_state where id > 'c'",
                "delete from vecstore_related_runs",
                "drop table vecstore_related_state",
                "drop table vecstore_related",
                "drop trigger if exists vecstore_related_delete",
            ]
        )
    )
    def meddle(self, sql):
        with suppress(vecstore.DatabaseError, self.db.conn.OperationalError):
            self.execute(sql)

    @rule()
    def make_anew(self):
        if self.number:
            Collection("one", self.db)  # what was dropped comes back
        self.collection.delete()
        self.collection = Collection("one", self.db, model=Vectors())
        if self.number:
            assert related(self.db, self.collection.id) == {}

    @rule()
    def copy_and_rename(self):
        if self.number:
            Collection("one", self.db)
        copied = self.collection.copy("two")
        self.collection.delete()
        copied.rename("one")
        self.collection = copied

    def execute(self, sql, *args):
        self.db.execute(sql, list(args))


def test_machine():
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(
        RelatedMachine,
        settings=settings(
            max_examples=60,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.fixture(params=["inside", "beside"])
def pets(request, open_db, path):
    """A collection with its related items, in both forms of a file."""
    if request.param == "beside":
        pets = Collection("pets", path, model=Vectors(), index="beside")
        pets.db.close()
    pets = Collection("pets", open_db(path), model=Vectors())
    pets.embed_multi(
        [("cat", "1 0"), ("dog", "1 1"), ("hound", "1 1.1"), ("fish", "-1 0"), ("zero", "0 0")]
    )
    pets.related_table(2)
    return pets


def ids_of(pets):
    return {id: [other for other, _ in listed] for id, listed in related(pets.db, pets.id).items()}


def test_a_new_entry_comes_into_the_lists_that_it_is_near_enough_to(pets):
    assert ids_of(pets) == {
        "cat": ["dog", "hound"],
        "dog": ["hound", "cat"],
        "hound": ["dog", "cat"],
        "fish": ["hound", "dog"],
    }
    pets.embed("puppy", "1 1.05")
    report = pets.related_table(2)
    assert (report.items, report.computed, report.unchanged, report.rows) == (6, 5, 1, 10)
    assert ids_of(pets) == {
        "cat": ["dog", "puppy"],
        "dog": ["puppy", "hound"],
        "hound": ["puppy", "dog"],
        "puppy": ["hound", "dog"],
        "fish": ["hound", "puppy"],
    }


def test_lists_that_nothing_concerns_stay(pets):
    pets.embed_multi([("shark", "-1 0.1"), ("whale", "-1 0.2")])
    pets.related_table(2)
    pets.embed("puppy", "1 1.05")
    assert pets.related_table(2).computed == 4
    pets.delete_ids(["whale"])
    assert pets.related_table(2).computed == 2
    assert_current(pets, 2)


def test_one_that_ties_with_the_last_takes_its_place_by_its_id(pets):
    pets.embed("a cat", "2 0")
    pets.related_table(2)
    assert ids_of(pets)["dog"] == ["hound", "a cat"]


def test_one_that_has_moved_away_leaves_the_lists_that_it_was_in(pets):
    pets.embed("dog", "-1 -1")
    pets.related_table(2)
    assert ids_of(pets)["hound"] == ["cat", "fish"]
    assert_current(pets, 2)


def test_sql_alone_finds_one_that_ties_with_the_last(pets):
    pets.embed("a cat", "2 0")
    with without_numpy():
        pets.related_table(2)
    assert_current(pets, 2)


def test_an_entry_that_is_gone_has_no_rows_and_is_in_nobodys(pets):
    pets.delete_ids(["dog"])
    assert pets.related_table(2).computed == 3
    assert ids_of(pets) == {
        "cat": ["hound", "fish"],
        "hound": ["cat", "fish"],
        "fish": ["hound", "cat"],
    }


def test_metadata_and_content_change_nothing(pets):
    pets.set_metadata("dog", {"legs": 4})
    pets.db.execute("update embeddings set content = 'x', updated = 1")
    report = pets.related_table(2)
    assert (report.computed, report.rows) == (0, 0)


def test_another_number_is_computed_from_scratch(pets):
    assert pets.related_table(3).computed == 4
    assert related(pets.db, pets.id) == expected(pets.db, pets.id, 3)
    assert pets.related_table().computed == 4
    assert pets.related_table(5).computed == 0


def test_collections_keep_apart(pets):
    others = Collection("others", pets.db, model=Vectors())
    others.embed_multi([("cat", "1 0"), ("mouse", "1 0.1")])
    others.related_table(1)
    before = related(pets.db, pets.id)
    assert ids_of(others) == {"cat": ["mouse"], "mouse": ["cat"]}
    others.delete()
    assert rows(pets.db, "select distinct collection_id from vecstore_related") == [(pets.id,)]
    assert related(pets.db, pets.id) == before


def test_entries_of_no_text_that_python_reads_are_compared_too(path):
    with closing(vecstore.connect(path, driver="apsw")) as db:
        collection = Collection("test", db, model=Vectors())
        for id in ("cast(x'ff23' as text)", "x'0123'", "'a' || char(0) || 'b'", "'#'"):
            db.execute(
                "insert into embeddings (collection_id, id, embedding, metadata) "
                f"values (?, {id}, ?, cast(x'ff' as text))",
                [collection.id, blob([1, 2])],
            )
        assert collection.related_table(1).rows == 4
        assert rows(db, "select hex(id), hex(related_id) from vecstore_related") == [
            ("23", "610062"),
            ("610062", "23"),
            ("FF23", "23"),
            ("0123", "23"),
        ]


def test_a_file_in_utf_16_is_ranked_as_it_orders_ids(path):
    with closing(vecstore.connect(path, driver="apsw")) as db:
        db.execute("pragma encoding = 'UTF-16le'")
        collection = Collection("test", db, model=Vectors())
        for id in ("\uffee", "\U0001f600", "a", "d#1", "d#2"):
            metadata = {id: json.dumps({"document": "d", "chunk": int(id[2:] or 0)})}
            put(collection, {id: (1, 2)}, metadata if "#" in id else None)
        collection.related_table(4)
        ids = [id for (id,) in rows(db, "select id from embeddings order by id")]
        for id, listed in related(db, collection.id).items():
            own = ("d#1", "d#2") if "#" in id else (id,)
            assert [other for other, _ in listed] == [i for i in ids if i not in own][:4]
