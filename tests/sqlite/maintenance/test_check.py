"""check() finds each kind of damage, names it, and finds none where there is none."""

from contextlib import closing
from pathlib import Path

import pytest
import sqlite_utils

import vecstore
from tests.support.damage import notes, problems, without_triggers
from tests.support.models import Vectors, WordLengths
from vecstore import Collection, check, encode

A = encode([1.0] * 8)

SHORT = encode([1.0, 2.0, 3.0])


def test_a_filled_database_is_clean(filled):
    report = check(filled.db)
    assert report.ok
    assert (report.collections, report.embeddings, report.notes) == (1, 2, [])


def test_the_report_says_where_the_index_is(filled, form):
    assert check(filled.db).form == form


def test_rows_that_cannot_be_compared_are_a_note(filled):
    for id, vector in (("none", None), ("zero", bytes(32)), ("nan", encode([float("nan")] * 8))):
        filled.db["embeddings"].insert({"collection_id": 1, "id": id, "embedding": vector})
    assert problems(filled.db) == []
    assert notes(filled.db) == [
        (
            "3 rows have no vector, or one that cannot be compared (zeros, NaN, infinity): no "
            "search finds them",
            [("one", "none"), ("one", "zero"), ("one", "nan")],
        )
    ]


def test_a_vector_that_is_no_array_of_float32_is_a_problem(filled):
    with without_triggers(filled.db):
        filled.db.execute(
            "insert into embeddings (collection_id, id, embedding) values (1,'c',x'00')"
        )
        filled.db.execute(
            "insert into embeddings (collection_id, id, embedding) values (1,'d','[1]')"
        )
    assert problems(filled.db) == [
        ("2 rows have what is no array of float32", [("one", "c"), ("one", "d")])
    ]


def test_rows_of_no_collection_are_a_problem(filled):
    filled.db.execute("pragma foreign_keys = off")
    filled.db["embeddings"].insert({"collection_id": 7, "id": "x", "embedding": A})
    assert problems(filled.db) == [("1 row is of no collection", [(None, "x")])]
    filled.db.execute(check(filled.db).problems[0].remedy)
    assert problems(filled.db) == []


def test_a_collection_of_several_dimensions_is_a_problem_with_a_remedy(filled):
    text = "8 7 6 5 4 3 2 1"
    filled.embed("short", text)
    filled.db["embeddings"].update((1, "short"), {"embedding": SHORT})
    report = check(filled.db)
    [problem] = report.problems
    assert problem.message == (
        "The vectors of 'one' have several dimensions (2 of 8, 1 of 3): a search finds those of one"
    )
    assert notes(filled.db) == [("There is no index of 1 vector of 3 dimensions", [])]
    filled.db.execute(problem.remedy.partition(": ")[2])
    assert filled.embed_multi([("short", text)]).embedded == 1
    assert (problems(filled.db), notes(filled.db)) == ([], [])


def test_content_that_was_changed_afterwards_is_a_problem(filled):
    filled.embed("bytes", "1 1 1 1 1 1 1 0")
    filled.db.execute("update embeddings set content = 'other' where id = 'a'")
    assert problems(filled.db) == [
        (
            "The content of 1 row of 'one' is not what was embedded: its hash is another",
            [("one", "a")],
        )
    ]


def test_hashes_of_another_function_are_a_note(db):
    class Lengths(Collection):
        @staticmethod
        def content_hash(input):
            return str(len(input)).encode()

    collection = Lengths("lengths", db, model=WordLengths())
    collection.embed_multi([("a", "one"), ("b", b"bytes")], store=True)
    assert problems(db) == []
    [(note, examples)] = notes(db)
    assert note.startswith("No content hash of 'lengths' is the MD5 of its content")
    assert examples == [("lengths", "a"), ("lengths", "b")]


def test_binary_content_and_rows_without_a_hash_are_clean(db):
    collection = Collection("bytes", db, model=WordLengths())
    collection.embed_multi([("a", b"\x00\xff bytes"), ("b", "text\x00 with NUL é")], store=True)
    db.execute("insert into embeddings (collection_id, id, embedding, content) "
               "select 1, 'c', embedding, 'x' from embeddings where id = 'a'")  # fmt: skip
    report = check(db)
    assert (report.problems, report.notes) == ([], [])


SCHEMA = [
    (
        "drop trigger embeddings_guard_rowid",
        "Missing: trigger embeddings_guard_rowid",
        lambda db: Collection("one", db),
    ),
    (
        "drop index idx_collections_name",
        "An index of the tables is missing",
        lambda db: db.execute(check(db).problems[0].remedy.removeprefix("run ")),
    ),
    (
        "drop table _sqlite_migrations",
        "The record of the migrations, _sqlite_migrations, is missing",
        None,
    ),
    (
        "drop table embeddings",
        "The table embeddings is missing",
        None,
    ),
    (
        "alter table collections drop column model",
        "The table collections lacks the columns model",
        None,
    ),
]


@pytest.mark.parametrize(("sql", "message", "remedy"), SCHEMA)
def test_a_schema_that_was_changed_is_found(filled, sql, message, remedy):
    if "column" in sql:
        filled.db.execute("drop view vecstore_collections")
    filled.db.execute(sql)
    assert [found for found, _ in problems(filled.db)] == [message]
    if remedy:
        remedy(filled.db)
        assert problems(filled.db) == []


def test_an_altered_guard_is_found(filled):
    filled.db.execute("drop trigger embeddings_guard_update")
    filled.db.execute(
        "create trigger embeddings_guard_update before update on embeddings begin select 1; end"
    )
    assert problems(filled.db) == [("The trigger embeddings_guard_update was altered", [])]


@pytest.mark.parametrize("lost", ["view vecstore_items", "index idx_embeddings_content_hash"])
def test_what_costs_no_row_is_a_note_and_comes_back(filled, lost):
    filled.db.execute(f"drop {lost}")
    assert (problems(filled.db), notes(filled.db)) == ([], [(f"Missing: {lost}", [])])
    Collection("one", filled.db)
    assert notes(filled.db) == []


def test_a_database_of_llm_is_clean(path):
    from llm import Collection as LlmCollection
    from llm import EmbeddingModel

    class Numbers(EmbeddingModel):
        model_id = "numbers"

        def embed_batch(self, items):
            return ([float(len(item)), 1.0, 1.0] for item in items)

    with closing(sqlite_utils.Database(path)) as db:
        LlmCollection("one", db, model=Numbers()).embed_multi([("a", "x"), ("b", "yy")], store=True)
    report = check(path)
    assert (report.problems, report.form) == ([], "beside")
    assert [note.message for note in report.notes] == [
        "The schema is older (0006_guard_embeddings, 0007_views, 0008_content_hash_index, "
        "0009_changes, 0010_documents, 0011_prefixes, 0012_related missing)",
        "There is no index of 2 vectors of 3 dimensions",
    ]


def test_a_database_of_an_old_llm_is_clean(path):
    from llm.embeddings_migrations import embeddings_migrations

    with closing(sqlite_utils.Database(path)) as db:
        embeddings_migrations.apply(db, stop_before="m002_foreign_key")
        db["collections"].insert({"id": 1, "name": "old", "model": "m"})
        db["embeddings"].insert({"collection_id": 1, "id": "a", "embedding": SHORT})
    report = check(path)
    assert (report.problems, report.embeddings) == ([], 1)
    assert "m005_add_content_blob" in report.notes[0].message


def test_it_is_clean_after_ordinary_work(form, db):
    collection = Collection("work", db, model=WordLengths())
    collection.embed_multi(((n, f"{'x' * (n % 7)} y {n}") for n in range(500)), store=True)
    collection.embed_multi((n, f"z {n}") for n in range(0, 500, 3))
    collection.delete_ids(range(0, 500, 5))
    db.execute("update embeddings set id = 'n' || id where id like '1%'")
    db["embeddings"].insert({"collection_id": 1, "id": "n10", "embedding": A}, replace=True)
    db.execute("delete from embeddings where id = 'n10'")
    db["embeddings"].transform()
    Collection("work", db).similar_by_vector([1.0] * 16)
    db.vacuum()
    Collection("gone", db, model=Vectors()).embed("a", "1 2 3")
    Collection("gone", db).delete()
    assert (problems(db), notes(db)) == ([], [])


def test_a_check_changes_nothing_and_leaves_no_file(filled, form, path):
    filled.db.close()
    before = Path(path).read_bytes()
    assert check(path).ok
    assert Path(path).read_bytes() == before
    files = {"inside": ["test.db"], "beside": ["test.db", "test.db-vec"]}
    assert sorted(file.name for file in Path(path).parent.glob("test.db*")) == files[form]


def test_the_progress_ends_where_it_said(filled, monkeypatch):
    monkeypatch.setattr(vecstore.sqlite.maintenance.checks, "_ROWS", 1)
    steps = []
    check(filled.db, progress=lambda *step: steps.append(step))
    assert steps == [(n, 8) for n in range(1, 9)]
