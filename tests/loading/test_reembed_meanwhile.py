"""A collection that is written to while it is embedded again: the new one has all of it."""

import json
from contextlib import closing as closed

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import vecstore
from tests.support.databases import rows
from tests.support.models import Pseudorandom, WordLengths, pseudorandom
from vecstore import Collection, ConstraintError, InvalidInputError, ModelMismatchError

KEPT = """
    select id, content, content_blob, content_hash, metadata
    from embeddings
    where collection_id = ?
    order by id
"""
OF_ID = "where id = ? and collection_id = 1"


class Interrupted(Pseudorandom):
    """Calls the next of some functions before each text that it embeds."""

    def __init__(self, *works):
        self.works = list(works)
        self.embedded = []

    def embed_batch(self, items):
        for item in items:
            if self.works:
                self.works.pop(0)()
            self.embedded.append(item)
            yield pseudorandom(item, self.dimensions)


@pytest.fixture
def pets(path, closing):
    pets = Collection("pets", closing(vecstore.connect(path)), model=WordLengths())
    entries = [(f"{n}", f"text {n}", {"n": n}) for n in range(6)]
    pets.embed_multi_with_metadata(entries, store=True)
    return pets


@pytest.fixture
def other(path, closing):
    """The same collection, of another connection."""
    return Collection("pets", closing(vecstore.connect(path)), model=WordLengths())


def execute(collection, sql, *args):
    with collection.db.conn:
        collection.db.conn.execute(sql, args)


def assert_equal(pets, left_out=()):
    """Assert that the new collection has what the old one has, and vectors of its content."""
    old = Collection("pets@word-lengths", pets.db)
    expected = [row for row in rows(pets.db, KEPT, [old.id]) if row[0] not in left_out]
    assert rows(pets.db, KEPT, [pets.id]) == expected
    found = rows(
        pets.db, "select content, embedding from embeddings where collection_id = ?", [pets.id]
    )
    for content, vector in found:
        assert vector == vecstore.encode(pseudorandom(content, 32))
    assert vecstore.check(pets.db).problems == [] or expected != found


def test_what_others_add_replace_and_delete_is_in_the_new_collection(pets, other):
    model = Interrupted(
        lambda: other.embed("0", "replaced", store=True),
        lambda: other.embed("5", "replaced as well", store=True),
        lambda: other.delete_ids(["1", "4"]),
        lambda: other.embed("00", "added", store=True),
        lambda: other.embed_multi_with_metadata([("3", "text 3", {"n": "changed"})], store=True),
        lambda: other.embed_multi_with_metadata([("2", "text 2", {})], store=True),
        lambda: other.embed("9", "added in the second round", store=True),
        lambda: other.delete_ids(["00"]),
    )
    pets.reembed(model, batch_size=2)
    assert model.works == []
    assert_equal(pets)
    assert pets.ids() == ["0", "2", "3", "5", "9"]


def test_what_changes_by_sql_is_too(pets, other):
    def run(sql, *args):
        return lambda: execute(other, f"{sql} and collection_id = 1", *args)

    model = Interrupted(
        run("update embeddings set metadata = '{\"n\":  1.0}' where id = '1'"),
        run("update embeddings set metadata = 'no JSON' where id = '2'"),
        run("update embeddings set id = 'renamed' where id = '3'"),
        run("update embeddings set content = 'text 4', content_hash = null where id = '4'"),
        run("update embeddings set content_hash = ? where id = '0'", b"of another function"),
        run("update embeddings set content_blob = x'00' where id = '5'"),
    )
    pets.reembed(model, batch_size=6)
    old = Collection("pets@word-lengths", pets.db)
    found = [rows(pets.db, KEPT, [id]) for id in (old.id, pets.id)]
    assert found[0][3][3] is None
    hashes = [row[3] for row in found[1]]
    assert hashes == [row[3] or vecstore.content_hash("text 4") for row in found[0]]
    assert [(*row[:3], row[4]) for row in found[1]] == [(*row[:3], row[4]) for row in found[0]]
    assert sorted(model.embedded) == sorted([*(f"text {n}" for n in range(6)), "text 0"])


def test_content_that_sql_changes_under_its_old_hash_is_embedded_again(pets, other):
    model = Interrupted(
        *[lambda: None] * 5,
        lambda: execute(other, f"update embeddings set content = 'new' {OF_ID}", "2"),
    )
    pets.reembed(model, batch_size=1)
    assert model.embedded[-1] == "new"
    assert pets.get("2").content == "new"
    assert pets.similar("new", number=1)[0].id == "2"


def test_what_changes_just_before_the_change_of_names_is_not_missed(pets, other, monkeypatch):
    from vecstore.loading import reembedding

    works = [
        lambda: other.embed("7", "at the last moment", store=True),
        lambda: other.delete_ids(["0"]),
    ]
    take_place = reembedding.Reembedding._take_place
    tries = []

    def late(self, new):
        if works:
            works.pop(0)()
        tries.append(take_place(self, new))
        return tries[-1]

    monkeypatch.setattr(reembedding.Reembedding, "_take_place", late)
    pets.reembed(Interrupted())
    assert tries == [False, True]
    assert_equal(pets)
    assert pets.ids() == ["1", "2", "3", "4", "5", "7"]


def test_an_entry_without_content_that_comes_meanwhile_stops_it_or_is_left_out(pets, other):
    model = Interrupted(lambda: other.embed("7", "not stored"))
    with pytest.raises(InvalidInputError, match=r"without stored content \('7'\)"):
        pets.reembed(model)
    assert pets.ids() == [*"012345", "7"]
    report = pets.reembed(model, on_error="skip")
    assert (report.embedded, report.left_out, len(model.embedded)) == (0, 1, 6)
    assert_equal(pets, left_out=["7"])


def test_what_is_replaced_by_what_the_model_refuses_is_only_in_the_old_collection(pets, other):
    class Refusing(Interrupted):
        def embed_batch(self, items):
            for item in items:
                if item == "bad":
                    raise vecstore.RejectedInputError("too long")
                yield from super().embed_batch([item])

    model = Refusing(*[lambda: None] * 4, lambda: other.embed("0", "bad", store=True))
    report = pets.reembed(model, on_error="skip", batch_size=1)
    assert (report.entries, report.embedded, report.failed) == (5, 6, 1)
    assert_equal(pets, left_out=["0"])


def test_a_collection_that_is_deleted_meanwhile_is_an_error(pets, other):
    with pytest.raises(vecstore.DoesNotExist, match="Collection 'pets' was deleted or renamed"):
        pets.reembed(Interrupted(other.delete), batch_size=2)


def test_of_two_that_do_the_same_one_is_first_and_the_other_says_so(pets, other):
    model = Interrupted(*[lambda: None] * 5, lambda: other.reembed(Interrupted()))
    with pytest.raises(ModelMismatchError, match="and is one of 'pseudorandom' now: open it again"):
        pets.reembed(model, batch_size=2)
    assert_equal(other)


def test_where_the_name_is_taken_meanwhile_nothing_is_changed(pets, other):
    model = Interrupted(
        lambda: Collection("pets@word-lengths", other.db, model=WordLengths()),
    )
    with pytest.raises(InvalidInputError, match="There is a collection 'pets@word-lengths' al"):
        pets.reembed(model)
    assert (pets.id, pets.count(), pets.model_id) == (1, 6, "word-lengths")
    Collection("pets@word-lengths", other.db).rename("aside")
    assert pets.reembed(model).embedded == 0


def test_a_trigger_of_the_users_own_that_refuses_the_new_rows_changes_nothing(pets):
    pets.db.execute(
        """
        create trigger refusing before insert on embeddings
        when new.collection_id > 1
        begin select raise(abort, 'one collection is enough'); end
        """
    )
    with pytest.raises(ConstraintError, match="one collection is enough"):
        pets.reembed(Interrupted())
    assert rows(pets.db, "select name from collections") == [("pets",)]


def test_the_file_is_written_by_others_while_the_model_works(pets, other):
    """No lock is held: a write of another connection waits for nothing."""
    other.db.execute("pragma busy_timeout = 0")
    model = Interrupted(*[lambda: other.embed("x", "added", store=True)] * 6)
    pets.reembed(model, batch_size=1)
    assert_equal(pets)


IDS = st.sampled_from("abcdef")
TEXTS = st.sampled_from(["one", "two", "three", "four"])
METADATA = st.sampled_from([None, {}, {"n": 1}, {"m": 2, "n": 1}, {"n": 1, "m": 2}])
WRITES = st.one_of(
    st.tuples(st.just("embed"), IDS, TEXTS, METADATA),
    st.tuples(st.just("delete"), IDS),
    st.tuples(st.just("metadata"), IDS, METADATA),
    st.tuples(st.just("content"), IDS, TEXTS),
    st.tuples(st.just("id"), IDS, IDS),
)


def write(other, kind, id, *values):
    """Write to the first collection, and not to the unfinished one."""
    if kind == "embed":
        other.embed_multi_with_metadata([(id, *values)], store=True)
    elif kind == "delete":
        other.delete_ids([id])
    elif kind == "metadata":
        text = None if values[0] is None else json.dumps(values[0])
        execute(other, f"update embeddings set metadata = ? {OF_ID}", text, id)
    elif kind == "content":
        hashed = vecstore.content_hash(values[0])
        sql = f"update embeddings set content = ?, content_hash = ? {OF_ID}"
        execute(other, sql, values[0], hashed, id)
    else:
        execute(other, f"update or ignore embeddings set id = ? {OF_ID}", *values, id)


@settings(deadline=None, max_examples=25)
@given(st.lists(WRITES, max_size=6), st.lists(WRITES, max_size=12), st.integers(1, 4))
def test_whatever_is_written_meanwhile_the_result_is_a_fresh_load(
    tmp_path_factory, before, w, size
):
    path = tmp_path_factory.mktemp("reembed") / "test.db"
    with closed(vecstore.connect(path)) as db, closed(vecstore.connect(path)) as conn:
        pets = Collection("pets", db, model=WordLengths())
        other = Collection("pets", conn, model=WordLengths())
        pets.embed_multi([("a", "one"), ("b", "two"), ("z", "five")], store=True)
        for done in before:
            write(other, *done)
        model = Interrupted(*[lambda done=done: write(other, *done) for done in w])
        pets.reembed(model, batch_size=size)
        assert_equal(pets)
