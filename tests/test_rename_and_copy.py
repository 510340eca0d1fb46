"""Collection.rename() and copy()."""

from contextlib import closing as closed

import pytest

import vecstore
from tests.support.databases import rows
from tests.support.models import Pseudorandom, WordLengths
from vecstore import Collection, DoesNotExist, InvalidInputError
from vecstore.vectors import encode

COLUMNS = "id, embedding, content, content_blob, content_hash, metadata, updated"


def fill(db, number=3):
    pets = Collection("pets", db, model=Pseudorandom())
    pets.embed_multi_with_metadata(
        [(f"{n:04}", f"text {n}", {"n": n} if n % 2 else None) for n in range(number)], store=True
    )
    return pets


def of(db, collection_id):
    sql = f"select {COLUMNS} from embeddings where collection_id = ? order by id"
    return rows(db, sql, [collection_id])


def test_a_renamed_collection_is_the_same_one(db):
    pets = fill(db)
    before = of(db, 1)
    pets.rename("animals")
    assert (pets.id, pets.name, pets.ids()) == (1, "animals", ["0000", "0001", "0002"])
    assert of(db, 1) == before
    assert not Collection.exists(db, "pets")
    assert Collection("animals", db).id == 1


def test_others_that_have_it_open_get_an_error(path):
    with closed(vecstore.connect(path)) as db, closed(vecstore.connect(path)) as other:
        pets = fill(db)
        stale = Collection("pets", other, model=Pseudorandom())
        pets.rename("animals")
        with pytest.raises(DoesNotExist, match=r"'pets' was deleted or renamed.* has 'animals'"):
            stale.count()


@pytest.mark.parametrize("name", ["pets", "taken"])
@pytest.mark.parametrize("what", ["rename", "copy"])
def test_a_name_that_is_taken_is_refused(db, what, name):
    pets = fill(db)
    Collection("taken", db, model=WordLengths())
    with pytest.raises(InvalidInputError, match=f"There is a collection '{name}' already, of the"):
        getattr(pets, what)(name)
    assert rows(db, "select id, name from collections") == [(1, "pets"), (2, "taken")]
    assert pets.name == "pets"


@pytest.mark.parametrize("name", ["", None, 7, "\ud800"])
@pytest.mark.parametrize("what", ["rename", "copy"])
def test_a_name_that_is_none_is_refused(db, what, name):
    with pytest.raises(InvalidInputError):
        getattr(fill(db), what)(name)
    assert rows(db, "select name from collections") == [("pets",)]


def test_a_copy_has_all_columns_of_all_rows(db):
    pets = fill(db)
    pets.embed("bytes", "not stored")
    with db.conn:
        db.execute("update embeddings set updated = 7, content_blob = x'00' where id = '0001'")
        db.execute("insert into embeddings (collection_id, id) values (1, 'no vector')")
        db.execute(
            "insert into embeddings (collection_id, id, embedding) values (1, 'short', ?)",
            [encode([1.0, 2.0])],
        )
    copied = pets.copy("copy")
    assert (copied.id, copied.name, copied.model_id) == (2, "copy", "pseudorandom")
    assert (pets.id, pets.name) == (1, "pets")
    assert of(db, 2) == of(db, 1)
    assert [problem.kind for problem in vecstore.check(db).problems] == ["dimensions"] * 2
    assert copied.similar("text 1", number=1)[0].id == "0001"


@pytest.mark.parametrize("form", ["inside", "beside"])
def test_a_copy_of_many_is_in_the_index(path, form):
    with closed(vecstore.connect(path)) as db:
        pets = Collection("pets", db, model=Pseudorandom(), index=form)
        pets.embed_multi((f"{n:05}", f"text {n}") for n in range(4500))
        copied = pets.copy("copy")
        pets.delete_ids(["00007"])
        assert copied.similar("text 7", number=1)[0].id == "00007"
        report = vecstore.check(db)
        assert (report.problems, report.notes) == ([], [])
        assert of(db, 2)[:7] == of(db, 1)[:7]


def test_the_copy_and_the_original_are_written_to_apart(db):
    pets = fill(db)
    copied = pets.copy("copy")
    copied.embed("new", "new", store=True)
    copied.delete_ids(["0000"])
    assert pets.ids() == ["0000", "0001", "0002"]
    assert copied.ids() == ["0001", "0002", "new"]
    pets.delete()
    assert copied.count() == 3


def test_a_copy_that_fails_leaves_nothing(db):
    pets = fill(db)
    db.execute(
        """
        create trigger refusing before insert on embeddings
        when new.collection_id > 1 and new.id = '0002'
        begin select raise(abort, 'no more'); end
        """
    )
    with pytest.raises(vecstore.ConstraintError, match="no more"):
        pets.copy("copy")
    assert rows(db, "select name from collections") == [("pets",)]
    assert rows(db, "select distinct collection_id from embeddings") == [(1,)]
    assert vecstore.check(db).ok


def test_a_copy_is_part_of_a_transaction_that_is_open(db):
    pets = fill(db)
    db.conn.execute("begin")
    pets.copy("copy")
    db.conn.execute("rollback")
    assert rows(db, "select name from collections") == [("pets",)]


def test_a_copy_has_no_graph(path):
    pytest.importorskip("usearch")
    with closed(vecstore.connect(path)) as db:
        pets = fill(db)
        pets.build_graph()
        pets.copy("copy")
        assert rows(db, "select collection_id from vecstore_graphs") == [(1,)]


@pytest.mark.parametrize("what", ["rename", "copy"])
def test_a_file_that_cannot_be_written_is_an_error(path, what):
    with closed(vecstore.connect(path)) as db:
        fill(db)
    with closed(vecstore.connect(path, read_only=True)) as db:
        pets = Collection("pets", db, model=Pseudorandom())
        with pytest.raises(vecstore.DatabaseReadOnlyError):
            getattr(pets, what)("other")
        assert pets.count() == 3
