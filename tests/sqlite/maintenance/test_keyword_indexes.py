"""The keyword index is built, dropped, listed, moved, compacted and backed up, in both forms."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

import vecstore
from tests.support.command import error, output, usage_error
from tests.support.damage import notes, problems
from tests.support.databases import rows
from tests.support.models import Vectors
from vecstore import Collection, DatabaseError, InvalidInputError, KeywordIndex, keyword_index
from vecstore.sqlite.index import following, keyword_building
from vecstore.sqlite.index.keyword_tables import DEFAULT_TOKENIZER

TEXTS = {"a": "1 1 cats", "b": "1 2 dog", "c": "2 1 a cat, a dog"}
OTHER = {"inside": "beside", "beside": "inside"}
TRIGRAM = "trigram"


@pytest.fixture
def filled(form, db):
    """Three texts in one collection, and a row without one."""
    collection = Collection("one", db, model=Plain())
    collection.embed_multi(TEXTS.items(), store=True)
    collection.embed("none", "1 1 cat")
    return collection


class Plain(Vectors):
    """The first two words of a text are its vector."""

    def embed_batch(self, texts):
        return super().embed_batch([" ".join(text.split()[:2]) for text in texts])


def found(collection, text="cat"):
    return [(entry.id, entry.snippet) for entry in collection.search(text, mode="keywords")]


def status(state, form, tokenizer=DEFAULT_TOKENIZER):
    return KeywordIndex(3, state, form, tokenizer)


STEMMED = [("a", "1 1 **cats**"), ("c", "2 1 a **cat**, a dog")]
UNSTEMMED = [("c", "2 1 a **cat**, a dog")]


def test_it_is_built_dropped_and_comes_back_with_a_search(filled, form):
    db = filled.db
    assert keyword_index(db) == status("missing", form)
    assert vecstore.build_keyword_index(db) == 3
    assert keyword_index(db) == status("ready", form)
    assert found(filled) == STEMMED
    assert vecstore.drop_keyword_index(db) is True
    assert vecstore.drop_keyword_index(db) is False
    assert keyword_index(db) == status("missing", form)
    assert found(filled) == STEMMED
    assert keyword_index(db) == status("ready", form)
    assert problems(db) == []


def test_a_chosen_tokenizer_outlives_the_index(filled, form, path):
    db = filled.db
    assert found(filled) == STEMMED
    assert vecstore.build_keyword_index(db, "unicode61") == 3
    assert found(filled) == UNSTEMMED
    assert keyword_index(db) == status("ready", form, "unicode61")
    vecstore.drop_keyword_index(db)
    assert keyword_index(db) == status("missing", form, "unicode61")
    assert found(filled) == UNSTEMMED
    if form == "beside":
        Path(f"{path}-vec").unlink()
    assert vecstore.build_keyword_index(db) == 3
    assert found(filled) == UNSTEMMED
    for to in (OTHER[form], form):
        vecstore.move_index(db, to)
        assert keyword_index(db) == status("ready", to, "unicode61")
        assert found(filled) == UNSTEMMED
    assert vecstore.build_keyword_index(db, TRIGRAM) == 3
    assert found(filled, "ats") == [("a", "1 1 c**ats**")]
    assert problems(db) == []


@pytest.mark.parametrize("tokenizer", ["nonsense", "", "unicode61 nonsense 1", "a\0b", "\ud800", 7])
def test_a_wrong_tokenizer_is_refused_before_anything_changes(filled, form, tokenizer):
    assert found(filled) == STEMMED
    with pytest.raises(InvalidInputError, match="The tokenizer .* is none of FTS5's .*trigram"):
        vecstore.build_keyword_index(filled.db, tokenizer)
    assert keyword_index(filled.db) == status("ready", form)
    assert "vecstore_tokenizer" not in filled.db.table_names()


def test_it_is_built_anew_dropped_and_moved_with_the_others(filled, form):
    db = filled.db
    assert found(filled) == STEMMED
    assert vecstore.build_index(db) == {2: 4}
    assert keyword_index(db) == status("ready", form)
    assert vecstore.build_index(db, 2) == {2: 4}
    assert keyword_index(db) == status("ready", form)
    assert [index.dimensions for index in vecstore.list_indexes(db)] == [2]
    for to in (OTHER[form], form):
        assert vecstore.move_index(db, to) == {2: 4}
        assert keyword_index(db) == status("ready", to)
        assert (problems(db), notes(db)) == ([], [])
        assert found(filled) == STEMMED
    vecstore.compact(db)
    assert keyword_index(db) == status("ready", form)
    assert vecstore.drop_index(db) == [2]
    assert keyword_index(db) == status("missing", form)


def test_an_index_of_vectors_is_dropped_beside_that_of_keywords(filled, form):
    found(filled)
    vecstore.build_index(filled.db)
    assert vecstore.drop_index(filled.db, 2) == [2]
    assert keyword_index(filled.db) == status("ready", form)
    vecstore.build_index(filled.db)
    assert vecstore.drop_keyword_index(filled.db) is True
    assert [index.state for index in vecstore.list_indexes(filled.db)] == ["ready"]


def test_a_backup_has_it_where_the_file_has_and_a_plain_one_has_not(filled, form, tmp_path):
    found(filled)
    target = tmp_path / "copy.db"
    for plain in (False, True):
        vecstore.backup(filled.db, target, plain=plain)
        with closing(sqlite3.connect(target)) as copy:
            names = [name for (name,) in copy.execute("select name from sqlite_master")]
        has_keywords = any(name.startswith(("vecstore_texts", "vecstore_key")) for name in names)
        assert has_keywords == (form == "inside" and not plain)
        with closing(vecstore.connect(target, driver="apsw")) as db:
            assert found(Collection("one", db, model=Plain())) == STEMMED
        target.unlink()


def test_an_index_that_a_move_was_killed_before_building_comes_with_the_next_search(
    filled, monkeypatch
):
    vecstore.move_index(filled.db, "inside")
    vecstore.build_keyword_index(filled.db, "unicode61")

    def fail(*_, **__):
        raise OSError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(following, "follow_or_fail", fail)
        with pytest.raises(DatabaseError):
            vecstore.move_index(filled.db, "beside")
    assert keyword_index(filled.db) == status("missing", "beside", "unicode61")
    assert found(filled) == UNSTEMMED


@pytest.mark.parametrize(
    "sql", ["create table {} (mine)", "create view {} as select 1 as collection_id"]
)
@pytest.mark.parametrize("name", ["vecstore_texts", "Vecstore_Keywords", "vecstore_keywords_idx"])
def test_a_table_of_a_users_own_is_named_and_stays(filled, form, sql, name):
    db = filled.db
    db.execute(sql.format(name))
    before = rows(db, "select * from sqlite_master where name = ?", [name])
    if form == "beside":  # where it is in nobody's way
        assert found(filled) == STEMMED
        assert vecstore.build_keyword_index(db) == 3
    else:
        message = f"has a table {name} that is not vecstore's.*: rename it"
        for work in (found, lambda one: vecstore.build_keyword_index(one.db)):
            with pytest.raises(DatabaseError, match=message):
                work(filled)
        assert keyword_index(db) == status("missing", form)
        assert vecstore.drop_keyword_index(db) is False
        assert notes(db) == [
            (f"The table {name} is not vecstore's: there can be no keyword index", [])
        ]
        assert vecstore.build_index(db) == {2: 4}
    assert rows(db, "select * from sqlite_master where name = ?", [name]) == before


@pytest.mark.parametrize("create_triggers", [True, False])
@pytest.mark.parametrize("tokenize", [None, "unicode61"])
def test_a_full_text_table_of_sqlite_utils_lends_its_tokenizer_and_goes_on(
    filled, form, create_triggers, tokenize
):
    db = filled.db
    db["embeddings"].enable_fts(["content"], create_triggers=create_triggers, tokenize=tokenize)
    assert found(filled) == UNSTEMMED
    assert keyword_index(db) == status("ready", form, "unicode61")
    filled.embed("d", "3 3 cat", store=True)
    filled.delete_ids(["b"])
    assert [id for id, _ in found(filled)] == ["d", "c"]
    mine = [row["id"] for row in db["embeddings"].search("cat", order_by="id")]
    assert mine == (["c", "d"] if create_triggers else ["c"])
    vecstore.drop_keyword_index(db)
    assert db["embeddings_fts"].exists()
    assert problems(db) == []


def test_sqlite_utils_searches_the_texts(filled, path):
    found(filled)
    vecstore.move_index(filled.db, "inside")
    assert [row["id"] for row in filled.db["vecstore_texts"].search("cat", order_by="id")] == [
        "a",
        "c",
    ]


def test_a_file_with_a_keyword_index_inside_stays_of_that_form(filled, path):
    vecstore.move_index(filled.db, "inside")
    vecstore.drop_index(filled.db)
    found(filled)
    filled.db.execute("delete from _sqlite_migrations where name = '0009_changes'")
    Collection("one", filled.db)
    assert keyword_index(filled.db) == status("ready", "inside")
    assert keyword_building.index_exists(filled.db)


# Commands


def test_the_commands_build_list_and_drop_it(filled, form, path):
    filled.db.close()
    assert output("index", "build", path) == "2 dimensions: 4 vectors indexed\n"
    before = output("index", "list", path)
    assert output("index", "build", path, "--keywords") == "keywords: 3 texts indexed\n"
    line = f"keywords: 3 texts, indexed {form} the file, with the tokenizer '{DEFAULT_TOKENIZER}'\n"
    assert output("index", "list", path) == before + line
    listed = json.loads(output("index", "list", path, "--json"))
    assert listed[1:] == [
        {"keywords": 3, "state": "ready", "form": form, "tokenizer": DEFAULT_TOKENIZER}
    ]
    both = "2 dimensions: 4 vectors indexed\nkeywords: 3 texts indexed\n"
    assert output("index", "build", path) == both
    assert output("index", "build", path, "--keywords", "--tokenizer", "trigram") == (
        "keywords: 3 texts indexed\n"
    )
    assert keyword_index(path) == status("ready", form, "trigram")
    assert output("index", "move", path, OTHER[form]) == (
        f"2 dimensions: 4 vectors indexed {OTHER[form]} the file\n"
        f"keywords: 3 texts indexed {OTHER[form]} the file\n"
    )
    assert output("index", "drop", path, "--keywords") == "keywords: dropped\n"
    assert output("index", "list", path) == before.replace(form, OTHER[form])
    output("index", "build", path, "--keywords")
    assert output("index", "drop", path) == "2 dimensions: dropped\nkeywords: dropped\n"


def test_the_commands_refuse_what_is_not_meant(filled, path):
    filled.db.close()
    assert usage_error("index", "build", path, "--tokenizer", "trigram") == (
        "--tokenizer is of the keyword index: use it with --keywords"
    )
    assert usage_error("index", "drop", path, "--keywords", "--dimensions", "2") == (
        "--dimensions and --keywords cannot be used together"
    )
    assert error("index", "build", path, "--keywords", "--tokenizer", "no").startswith(
        "The tokenizer 'no' is none of FTS5's (no such tokenizer: no)"
    )
