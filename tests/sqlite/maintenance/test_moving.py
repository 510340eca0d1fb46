"""move_index() has the index inside a file or beside it, and nothing else changes."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import sqlite_utils

import vecstore
from tests.support.command import error, output, run, usage_error
from tests.support.damage import notes, problems
from tests.support.databases import make_pets, rows
from tests.support.models import Pseudorandom, Vectors
from vecstore import Collection, DatabaseError, IndexStatus, check, list_indexes, move_index
from vecstore.sqlite.connection import opening

OTHER = {"inside": "beside", "beside": "inside"}


@pytest.fixture
def filled(form, db):
    """A collection of 700 rows, which has a partition of its own, and one of another dimension."""
    collection = Collection("one", db, model=Pseudorandom())
    collection.embed_multi((n, f"text {n}") for n in range(700))
    Collection("two", db, model=Vectors()).embed("c", "1 2 3")
    vecstore.build_index(db)
    return collection


def test_searches_find_the_same_there_and_back(filled, form):
    before = rows(filled.db, "select * from embeddings order by id")
    expected = filled.similar("text 7", number=20)
    held = vecstore.build_index(filled.db)
    for to in (OTHER[form], form):
        assert move_index(filled.db, to) == held
        assert move_index(filled.db, to) is None
        assert check(filled.db).form == to
        assert (problems(filled.db), notes(filled.db)) == ([], [])
        assert filled.similar("text 7", number=20) == expected
        assert [status.form for status in list_indexes(filled.db)] == [to, to]
    assert rows(filled.db, "select * from embeddings order by id") == before


def test_an_index_beside_leaves_nothing_in_the_file_that_needs_an_extension(filled, path):
    move_index(filled.db, "beside")
    filled.db.close()
    with closing(sqlite3.connect(path)) as plain, plain:
        for (sql,) in plain.execute("select sql from sqlite_master where sql is not null"):
            assert "vec0" not in sql
        plain.execute("delete from embeddings where id = '7'")
        plain.execute("update embeddings set id = 'eight' where id = '8'")
        plain.execute("alter table embeddings rename to other")
    plain.close()


def test_an_index_inside_leaves_no_file_and_no_journal(filled, path):
    move_index(filled.db, "inside")
    assert not Path(f"{path}-vec").exists()
    assert not rows(filled.db, "select name from sqlite_master where name like 'vecstore_changes%'")


def test_a_file_stays_in_the_form_to_which_it_was_moved(filled, path, form, monkeypatch):
    move_index(filled.db, OTHER[form])
    filled.db.close()
    for variable in ("inside", "beside"):
        monkeypatch.setenv("VECSTORE_INDEX", variable)
        with closing(vecstore.connect(path)) as db:
            Collection("three", db, model=Vectors()).embed(variable, "1 2 3 4")
            assert check(db).form == OTHER[form]


def test_a_file_that_llm_made_stays_inside(path):
    with closing(sqlite_utils.Database(path)) as db:
        vecstore.sqlite.schema.llm_migrations().apply(db)
        db["collections"].insert({"id": 1, "name": "one", "model": "m"})
        vector = vecstore.encode([1.0] * 8)
        db["embeddings"].insert({"collection_id": 1, "id": "a", "embedding": vector})
    assert list_indexes(path) == [IndexStatus(8, 1, "missing", "beside")]
    assert move_index(path, "inside") == {8: 1}
    for _ in range(2):
        assert len(Collection("one", path).similar_by_vector([1.0] * 8)) == 1
        assert list_indexes(path) == [IndexStatus(8, 1, "ready", "inside")]


def test_a_file_without_vectors_is_moved(form, db):
    Collection("one", db, model=Vectors())
    assert move_index(db, OTHER[form]) == {}
    assert check(db).form == OTHER[form]


def test_other_connections_go_on(filled, form, path):
    with closing(vecstore.connect(path, driver=opening.driver_of(filled.db))) as other:
        theirs = Collection("one", other, model=Pseudorandom())
        assert theirs.similar("text 7") == filled.similar("text 7")
        for to in (OTHER[form], form):
            move_index(filled.db, to)
            theirs.embed(f"new {to}", f"text {to}")
            assert theirs.similar("text 7") == filled.similar("text 7")
            assert theirs.similar(f"text {to}")[0].id == f"new {to}"
            assert problems(filled.db) == []


def test_what_is_left_of_a_move_is_noted_and_removed(filled, path):
    index = Path(f"{path}-vec")
    move_index(filled.db, "beside")
    left = index.read_bytes()
    move_index(filled.db, "inside")
    for remove in (lambda: move_index(filled.db, "inside"), lambda: vecstore.drop_index(filled.db)):
        index.write_bytes(left)
        assert problems(filled.db) == []
        message = f"{index} is of no use: the index is inside the file"
        assert notes(filled.db) == [(message, [])]
        assert len(filled.similar("text 7", number=700)) == 700
        remove()
        assert not index.exists()
    index.write_bytes(left)
    move_index(filled.db, "beside")
    assert (problems(filled.db), notes(filled.db)) == ([], [])


def test_a_file_of_another_program_is_kept(filled, path):
    move_index(filled.db, "inside")
    index = Path(f"{path}-vec")
    index.write_text("Important")
    with pytest.raises(DatabaseError, match="is not an index of vecstore's.*: rename it"):
        move_index(filled.db, "beside")
    assert (check(filled.db).form, problems(filled.db), notes(filled.db)) == ("inside", [], [])
    vecstore.drop_index(filled.db)
    assert index.read_text() == "Important"


def test_what_cannot_be_moved_is_refused(filled, path, form, closing):
    with pytest.raises(vecstore.InvalidInputError, match="form is 'besides': it must be 'inside'"):
        move_index(filled.db, "besides")
    memory = closing(vecstore.connect())
    with pytest.raises(vecstore.InvalidInputError, match="in memory has its index inside"):
        move_index(memory, "beside")
    filled.db.execute("begin")
    with pytest.raises(DatabaseError, match="cannot be moved while a transaction is open"):
        move_index(filled.db, OTHER[form])
    filled.db.rollback()
    with pytest.raises(vecstore.MissingFileError):
        move_index(f"{path}.missing", "beside")
    filled.db.close()
    reader = closing(vecstore.connect(path, read_only=True))
    with pytest.raises(vecstore.DatabaseReadOnlyError, match="was opened for reading alone"):
        move_index(reader, OTHER[form])
    assert check(path).form == form


def test_an_index_beside_that_cannot_be_written_is_an_error_that_names_it(form, db, path):
    if form == "inside":
        pytest.skip("of an index beside")
    Collection("one", db, model=Vectors()).embed("a", "1 2 3")
    vecstore.build_index(db)
    db.execute("begin")
    for function in (vecstore.build_index, vecstore.drop_index):
        with pytest.raises(DatabaseError, match="cannot be changed while a transaction is open"):
            function(db)
    db.rollback()
    db.close()
    with closing(vecstore.connect(path, driver="apsw", read_only=True)) as reader:
        for function in (vecstore.build_index, vecstore.drop_index):
            with pytest.raises(vecstore.DatabaseReadOnlyError, match=f"{path} was opened"):
                function(reader)
    with (
        closing(vecstore.connect(path, driver="apsw", timeout=0)) as db,
        closing(vecstore.connect(f"{path}-vec", driver="apsw")) as other,
    ):
        other.execute("begin immediate")
        with pytest.raises(vecstore.DatabaseBusyError, match=f"{path}-vec cannot be written now"):
            vecstore.build_index(db, 3)


@pytest.fixture
def database(tmp_path):
    return make_pets(tmp_path / "pets.db", "1 1 1 1 1 1 1 1", "1 0 0 0 0 0 0 0")


def test_the_command(database):
    moved = "8 dimensions: 2 vectors indexed {} the file\n"
    listed = "8 dimensions: 2 vectors, indexed {} the file\n"
    for form in ("beside", "inside"):
        assert output("index", "move", database, form) == moved.format(form)
        assert output("index", "list", database) == listed.format(form)
        result = run("index", "move", database, form)
        assert (result.exit_code, result.stdout) == (0, "")
        assert result.stderr == f"The index of {database} is {form} the file already\n"
    assert usage_error("index", "move", database, "near").startswith("Invalid value for 'beside|in")
    assert error("index", "move", f"{database}.no", "beside").startswith("There is no database")
    assert error("backup", database, f"{database}-vec") == (
        f"{database}-vec is where {database} has its index: name another file"
    )
