"""In `vecstore shell`, SQL that names the tables of an index beside the file is never behind."""

import sqlite3
from pathlib import Path

import pytest

import vecstore
from tests.support.beside import index_of
from tests.support.command import output, process
from vecstore import Collection

NEAREST = """
    select ids.id
    from vec_embeddings_256 as nearest
    join vec_embeddings_256_ids as ids on ids.rowid = nearest.rowid
    where embedding match vecstore_embed('pets', 'my happy hound')
      and k = 5
    order by distance;
"""
ALL = "hound\ncat\nfish\n"


@pytest.fixture
def pets(path):
    """The path of a file whose index is to be beside it, and has yet to be made."""
    db = vecstore.connect(path, driver="apsw")
    pets = Collection("pets", db, model_id="local", index="beside")
    entries = [("hound", "my happy hound"), ("cat", "my happy cat"), ("fish", "a silent fish")]
    pets.embed_multi(entries, store=True)
    db.close()
    return path


def write(path, sql):
    conn = sqlite3.connect(path)
    conn.execute(sql)
    conn.commit()
    conn.close()


def test_an_index_that_is_named_is_built_and_followed(pets):
    assert output("shell", pets, NEAREST) == ALL
    write(pets, "delete from embeddings where id = 'hound'")
    assert output("shell", pets, NEAREST) == "cat\nfish\n"
    index_of(pets).unlink()
    assert output("shell", pets, input=NEAREST) == "cat\nfish\n"


def test_each_statement_sees_what_those_before_it_have_written(pets):
    rename = "update embeddings set id = 'a;b' where id = 'cat';"
    assert output("shell", pets, NEAREST + rename + NEAREST) == ALL + "hound\na;b\nfish\n"
    assert output("shell", pets, input=NEAREST + rename + NEAREST) == "hound\na;b\nfish\n" * 2


def test_within_a_transaction_the_index_is_that_of_its_beginning(pets):
    script = f"{NEAREST} begin; delete from embeddings; {NEAREST} rollback; {NEAREST}"
    assert output("shell", pets, script) == ALL * 3


def test_other_sql_does_not_wait_for_an_index(pets):
    assert output("shell", pets, "select count(*) from embeddings") == "3\n"
    assert not index_of(pets).exists()
    done = process("shell", pets, "select * from vec_embeddings_99")
    assert (done.stdout, done.returncode) == ("", 1)
    assert "no such table: vec_embeddings_99" in done.stderr
    assert not index_of(pets).exists()


def test_an_error_in_a_later_statement_comes_after_the_answers_before_it(pets):
    done = process("shell", pets, f"{NEAREST} select 'x")
    assert (done.stdout, done.returncode) == (ALL, 1)
    assert "unrecognized token" in done.stderr


def test_a_file_that_is_opened_instead_has_its_own_tables(pets, tmp_path):
    other = Path(tmp_path / "other.db")
    write(other, "create table vec_embeddings_256 (x)")
    done = output("shell", pets, f".open {other}", "select count(*) from vec_embeddings_256")
    assert done == "0\n"
    assert not index_of(pets).exists()
    assert not index_of(other).exists()
