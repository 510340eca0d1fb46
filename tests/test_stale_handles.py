"""A Collection that is deleted, renamed or made anew, while somebody goes on using it."""

import subprocess
import sys

import pytest

import vecstore
from tests.support.databases import rows
from tests.support.models import Vectors, WordLengths
from vecstore import Collection, DoesNotExist, ModelMismatchError
from vecstore.loading.preview import preview
from vecstore.sqlite import catalog, transactions
from vecstore.sqlite.index import building, usable
from vecstore.stores import open_store

VECTOR = [1.0] + [0.0] * 15
ENTRIES = [("a", "one"), ("b", "three four")]


class OtherModel(WordLengths):
    model_id = "other-model"


def open_red(db):
    red = Collection("red", db, model=WordLengths())
    red.embed_multi(ENTRIES, store=True)
    return red


def add_blue(db, name="blue", model=None):
    """Write a collection, whose id is that of the last one that was deleted."""
    blue = Collection(name, db, model=model or WordLengths())
    blue.embed_multi([("a", "secret"), ("b", "secret too")], store=True)
    return blue


def delete(db):
    Collection("red", db).delete()


def delete_and_add_blue(db):
    delete(db)
    assert add_blue(db).id == 1


def rename(db):
    db["collections"].update(1, {"name": "crimson"})


def make_anew_with_another_id(db):
    rename(db)
    assert add_blue(db, "red").id == 2


def make_anew_with_another_model(db):
    delete(db)
    assert add_blue(db, "red", OtherModel()).id == 1


def make_anew_with_another_id_and_model(db):
    rename(db)
    assert add_blue(db, "red", OtherModel()).id == 2


def change_the_model(db):
    db["collections"].update(1, {"model": "other-model"})


def drop_the_table(db):
    db.execute("pragma foreign_keys = off")
    db["collections"].drop()


GONE = r"Collection 'red' was deleted or renamed, and its id 1 may be another's \(.* has "
ANEW = r"Collection 'red' was deleted and made anew, with the id 2 in place of 1: open it again"
OTHER = "'red' was opened with the model 'word-lengths', and is one of 'other-model' now: open it"
CHANGES = {
    delete: (DoesNotExist, GONE + "no collections"),
    delete_and_add_blue: (DoesNotExist, GONE + "'blue'"),
    rename: (DoesNotExist, GONE + "'crimson'"),
    make_anew_with_another_id: (DoesNotExist, ANEW),
    make_anew_with_another_model: (ModelMismatchError, OTHER),
    make_anew_with_another_id_and_model: (ModelMismatchError, OTHER),
    change_the_model: (ModelMismatchError, OTHER),
    drop_the_table: (DoesNotExist, GONE + "no collections"),
}


def preview_of(collection):
    return preview(
        open_store(collection.db),
        collection.row,
        WordLengths(),
        [(*entry, None) for entry in ENTRIES],
        1,
        content_hash=collection.content_hash,
        stores_content=True,
    )


READS = {
    "count": lambda c: c.count(),
    "len": len,
    "in": lambda c: "a" in c,
    "ids": lambda c: c.ids(),
    "iterate": list,
    "get": lambda c: c.get("a"),
    "get what is not there": lambda c: c.get("nowhere"),
    "vector": lambda c: c.vector("a"),
    "vectors": lambda c: list(c.vectors()),
    "vectors of ids": lambda c: list(c.vectors(["a"])),
    "similar": lambda c: c.similar("one"),
    "similar, none": lambda c: c.similar("one", number=0),
    "similar, where": lambda c: c.similar("one", where="content like ?", where_args=["%"]),
    "similar, filtered": lambda c: c.similar("one", prefix="a", min_score=0.5, exact=True),
    "similar_multi": lambda c: c.similar_multi(["one", "two"]),
    "similar_by_vector": lambda c: c.similar_by_vector(VECTOR),
    "similar_by_vector, of another dimension": lambda c: c.similar_by_vector([1.0, 2.0]),
    "similar_by_id": lambda c: c.similar_by_id("a"),
    "explain": lambda c: c.explain("one"),
    "explain, by vector": lambda c: c.explain(VECTOR),
    "explain, by id": lambda c: c.explain(id="a"),
    "similar_across": lambda c: vecstore.similar_across([c, c], "one"),
    "preview": preview_of,
}
WRITES = {
    "embed": lambda c: c.embed("a", "new"),
    "embed what is there": lambda c: c.embed_multi(ENTRIES),
    "embed what is there, skipping": lambda c: c.embed_multi(ENTRIES, on_error="skip"),
    "embed_multi": lambda c: c.embed_multi([("new", "new"), ("a", "one")], concurrency=2),
    "embed_multi_with_metadata": lambda c: c.embed_multi_with_metadata([("a", "one", {"n": 1})]),
    "add": lambda c: c.add("a", VECTOR),
    "add_multi, skipping": lambda c: c.add_multi([("new", VECTOR)], on_error="skip"),
    "set_metadata": lambda c: c.set_metadata("a", {"n": 1}),
    "delete_ids": lambda c: c.delete_ids(["a"]),
    "delete": lambda c: c.delete(),
    "reembed": lambda c: c.reembed(Vectors()),
    "reembed by the same model": lambda c: c.reembed(WordLengths()),
    "reembed again": lambda c: c.reembed(WordLengths(), again=True, drop_old=True),
    "rename": lambda c: c.rename("scarlet"),
    "copy": lambda c: c.copy("scarlet"),
}


def state(db):
    return rows(db, "select * from embeddings order by collection_id, id")


@pytest.mark.parametrize("change", CHANGES)
def test_no_operation_reaches_the_rows_of_another(db, change):
    red = open_red(db)
    red.similar("one")
    change(db)
    db.conn.commit()
    red.model().embedded.clear()
    before = state(db)
    kind, message = CHANGES[change]
    for name, call in {**READS, **WRITES}.items():
        with pytest.raises(kind, match=message):
            pytest.fail(f"{name} gave {call(red)!r}")
    assert red.model().embedded == []  # which may have cost money
    assert state(db) == before
    assert not db.conn.in_transaction


def test_a_collection_that_is_gone_can_still_be_shown(db):
    red = open_red(db)
    assert repr(red) == "<Collection 'red': 2 entries, model 'word-lengths'>"
    delete_and_add_blue(db)
    assert repr(red) == "<Collection 'red': cannot be read (DoesNotExist), model 'word-lengths'>"
    assert bool(red)
    db.close()
    shown = "<Collection 'red': cannot be read (ProgrammingError), model 'word-lengths'>"
    assert repr(red) == shown


def test_it_can_be_used_again_once_it_is_what_it_was(db):
    red = open_red(db)
    rename(db)
    with pytest.raises(DoesNotExist):
        red.ids()
    db["collections"].update(1, {"name": "red"})
    assert red.ids() == ["a", "b"]
    assert red.similar("one")[0].id == "a"


def test_one_that_is_made_anew_as_it_was_is_the_same(db):
    red = open_red(db)
    red.delete()
    with pytest.raises(DoesNotExist):
        red.count()
    assert add_blue(db, "red").id == red.id
    assert [entry.content for entry in red] == ["secret", "secret too"]


def test_others_may_be_deleted_and_may_write(db):
    blue = add_blue(db)
    red = open_red(db)
    blue.delete()
    Collection("red", db, model=WordLengths()).embed("c", "five", store=True)
    assert red.ids() == ["a", "b", "c"]
    assert red.get("c").content == "five"
    assert {entry.id for entry in red.similar("one")} == {"a", "b", "c"}
    assert len(red) == red.count() == 3


def test_a_model_that_is_no_text_is_one_too(db):
    red = open_red(db)
    db["collections"].update(1, {"model": b"\0"})
    with pytest.raises(ModelMismatchError, match=r"and is one of b'.x00' now"):
        red.ids()
    assert Collection("red", db).ids() == ["a", "b"]


def test_a_deletion_counts_in_the_transaction_that_makes_it_and_not_after_its_end(db):
    red = open_red(db)
    db.execute("begin")
    red.delete()
    with pytest.raises(DoesNotExist):
        red.get("a")
    db.conn.rollback()
    assert red.get("a").content == "one"
    assert red.similar_by_id("a")[0].id == "b"


def test_another_process_deletes_it(db, path):
    red = open_red(db)
    code = f"""if True:
        from tests import test_stale_handles as test
        db = test.vecstore.connect({path!r})
        test.delete_and_add_blue(db)
        db.close()
    """
    subprocess.run([sys.executable, "-c", code], check=True)
    for call in READS.values():
        with pytest.raises(DoesNotExist, match=GONE + "'blue'"):
            call(red)


def test_each_page_of_an_iteration_is_of_the_collection(db):
    red = Collection("red", db, model=Vectors())
    red.embed_multi((f"{n:04}", f"1 {n}") for n in range(1100))
    entries = iter(red)
    assert next(entries).id == "0000"
    delete(db)
    Collection("blue", db, model=Vectors()).embed("9999", "1 0")
    found = 0
    with pytest.raises(DoesNotExist, match=GONE):
        for _ in entries:
            found += 1
    assert found == 999


def test_a_query_that_has_rows_left_is_not_disturbed(db):
    red = open_red(db)
    cursor = db.execute("select id from embeddings order by id")
    assert cursor.fetchone()[0] == "a"
    assert red.get("b").content == "three four"
    assert red.similar("one")[0].id == "a"
    assert cursor.fetchone()[0] == "b"


def test_a_row_factory_of_the_user_is_not_asked_whether_it_is_there(db):
    red = open_red(db)
    db.conn.row_factory = lambda cursor, row: list(row)
    assert red.ids() == ["a", "b"]
    assert red.similar("one")[0].id == "a"
    delete(db)
    with pytest.raises(DoesNotExist):
        red.ids()


@pytest.fixture
def two(path, closing):
    """A collection, and another connection to its file."""
    return (
        open_red(closing(vecstore.connect(path, driver="apsw"))),
        closing(vecstore.connect(path, driver="apsw")),
    )


def test_what_a_search_reads_is_of_one_moment(two, monkeypatch):
    red, other = two
    expected = red.similar("one")
    find = usable.find_index

    def find_and_change(db, dimensions):
        if db is red.db:
            delete_and_add_blue(other)
        return find(db, dimensions)

    monkeypatch.setattr(usable, "find_index", find_and_change)
    assert red.similar("one") == expected
    with pytest.raises(DoesNotExist):
        red.similar("one")


def test_it_is_looked_for_again_when_the_index_was_built(two, monkeypatch):
    red, other = two
    vecstore.drop_index(red.db)
    ensure = building.ensure_index

    def change_and_ensure(db, dimensions):
        if db is red.db:
            monkeypatch.setattr(building, "ensure_index", ensure)
            delete_and_add_blue(other)
        return ensure(db, dimensions)

    monkeypatch.setattr(building, "ensure_index", change_and_ensure)
    for call in (lambda: red.similar("one"), lambda: red.similar("one", where="1")):
        with pytest.raises(DoesNotExist):
            call()


def test_what_is_held_is_as_it_was_until_the_end(two):
    red, other = two

    def read_and_change(_):
        before = state(red.db)
        if red.row == catalog.find(other, "red"):
            delete_and_add_blue(other)
        return before == state(red.db)

    assert catalog.read_unchanged(red.db, red.row, read_and_change)
    with pytest.raises(DoesNotExist):
        catalog.require_unchanged(red.db, red.row)
    transactions.write(red.db, lambda: None)  # nothing is held any more


def test_a_search_in_sql_that_writes_does_not_undo_what_is_written(two):
    red, _ = two
    red.db.conn.isolation_level = None
    red.db.execute("create table found (id, score)")
    red.db.execute("insert into found values ('first', null)")
    red.db.execute("insert into found select id, score from vecstore_similar('red', 'one')")
    assert rows(red.db, "select id from found") == [("first",), ("a",), ("b",)]


def test_sql_finds_the_collection_of_the_name_each_time(two):
    red, other = two
    sql = "select content from vecstore_similar('red', vecstore_embed('red', 'one'))"
    assert rows(red.db, sql) == [("one",), ("three four",)]
    delete_and_add_blue(other)
    with pytest.raises(red.db.conn.OperationalError, match="Collection does not exist: 'red'"):
        rows(red.db, sql)
