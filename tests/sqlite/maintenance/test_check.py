"""check() finds each kind of damage, names it, and finds none where there is none."""

import json
import subprocess
import sys
from contextlib import closing, contextmanager
from pathlib import Path

import apsw
import pytest
import sqlite_utils

import vecstore
from tests.support.command import error, output, run
from tests.support.databases import rows
from tests.support.models import Vectors, WordLengths
from vecstore import Collection, check, encode

A = encode([1.0] * 8)
B = encode([1.0, 2.0] * 4)
SHORT = encode([1.0, 2.0, 3.0])
INDEX = "The index of 8 dimensions"


@pytest.fixture
def filled(db):
    """Two rows in one collection, with the index of 8 dimensions."""
    collection = Collection("one", db, model=Vectors())
    collection.embed_multi([("a", "1 1 1 1 1 1 1 1"), ("b", "1 0 0 0 0 0 0 0")], store=True)
    return collection


@contextmanager
def without_triggers(db):
    """Write to the tables alone, as something that goes wrong would."""
    triggers = rows(db, "select name, sql from sqlite_master where type = 'trigger'")
    for name, _ in triggers:
        db.execute(f"drop trigger {name}")
    yield
    for _, sql in triggers:
        db.execute(sql)


def problems(db):
    return [(finding.message, finding.examples) for finding in check(db).problems]


def notes(db):
    return [(finding.message, finding.examples) for finding in check(db).notes]


def test_a_filled_database_is_clean(filled):
    report = check(filled.db)
    assert report.ok
    assert (report.collections, report.embeddings, report.notes) == (1, 2, [])


OUT_OF_STEP = [
    (
        f"insert into embeddings (collection_id, id, embedding) values (1, 'c', x'{A.hex()}')",
        [(f"{INDEX} is out of step: 1 vector is missing", [("one", "c")])],
    ),
    (
        "delete from embeddings where id = 'a'",
        [(f"{INDEX} is out of step: 1 vector is orphaned", [("one", "a")])],
    ),
    (
        "update embeddings set embedding = zeroblob(32) where id = 'a'",
        [(f"{INDEX} is out of step: 1 vector is orphaned", [("one", "a")])],
    ),
    (
        f"update embeddings set embedding = x'{B.hex()}'",
        [(f"{INDEX} is out of step: 2 vectors are stale", [("one", "a"), ("one", "b")])],
    ),
    (
        "delete from vec_embeddings_8_ids where id = 'a'",
        [
            (f"{INDEX} is out of step: 1 vector is missing", [("one", "a")]),
            (f"{INDEX} is out of step: 1 vector is orphaned", [(None, None)]),
        ],
    ),
    (
        "delete from vec_embeddings_8 where rowid = 1",
        [(f"{INDEX} is out of step: 1 vector is missing", [("one", "a")])],
    ),
    (
        "update vec_embeddings_8 set embedding = vec_f32('[1,2,3,4,5,6,7,8]') where rowid = 1",
        [(f"{INDEX} is out of step: 1 vector is stale", [("one", "a")])],
    ),
    (
        "insert into vec_embeddings_8 (rowid, partition_id, collection_id, embedding) "
        "values (9, 0, 1, vec_f32('[1,2,3,4,5,6,7,8]'))",
        [(f"{INDEX} is out of step: 1 vector is orphaned", [(None, None)])],
    ),
    (
        "update vec_embeddings_8_chunks set validity = zeroblob(length(validity))",
        [(f"{INDEX} is out of step: 2 vectors are missing", [("one", "a"), ("one", "b")])],
    ),
    (
        "update vec_embeddings_8_chunks set rowids = zeroblob(length(rowids))",
        [(f"{INDEX} is out of step: 2 vectors are missing", [("one", "a"), ("one", "b")])],
    ),
    (
        "update vec_embeddings_8_chunks set partition00 = 2",
        [(f"{INDEX} is out of step: 2 vectors are missing", [("one", "a"), ("one", "b")])],
    ),
    (
        "insert into vec_embeddings_8_partitions (collection_id) values (1)",
        [(f"{INDEX} is out of step: 2 vectors are missing", [("one", "a"), ("one", "b")])],
    ),
    (
        "update vec_embeddings_8 set collection_id = 2 where rowid = 1",
        [(f"{INDEX} is out of step: 1 vector is stale", [("one", "a")])],
    ),
    (
        "update vec_embeddings_8_chunks set validity = cast(x'0f' || substr(validity, 2) as blob)",
        [
            (
                f"{INDEX} is out of step: 2 vectors are orphaned",
                [(None, None), (None, None)],
            )
        ],
    ),
]


@pytest.mark.parametrize(("sql", "expected"), OUT_OF_STEP)
def test_an_index_out_of_step_is_found_and_rebuilt(filled, sql, expected):
    with without_triggers(filled.db):
        filled.db.execute(sql)
    assert problems(filled.db) == expected
    assert vecstore.build_index(filled.db) == {8: filled.count() - sql.count("zeroblob(32)")}
    assert problems(filled.db) == []


BITS = [
    ("delete from vec_embeddings_64_bits where rowid = 1", "1 vector is missing"),
    ("{again} (1, 0, 1, {sample}, vec_bit(zeroblob(16)))", "1 vector is stale"),
    ("{again} (1, 0, 1, 1 - {sample}, {bits})", "1 vector is stale"),
    ("{again} (1, 0, 2, {sample}, {bits})", "1 vector is stale"),
    ("{again} (1, 1, 1, {sample}, {bits})", "1 vector is missing"),
]
AGAIN = """
    create temporary table before as select * from vec_embeddings_64_bits where rowid = 1;
    delete from vec_embeddings_64_bits where rowid = 1;
    insert into vec_embeddings_64_bits (rowid, partition_id, collection_id, sample, embedding)
    values
"""


@pytest.mark.parametrize(("sql", "expected"), BITS)
def test_bits_that_are_not_those_of_the_vectors_are_found(db, sql, expected):
    Collection("one", db, model=Vectors()).embed("a", "1 2 " * 32)
    bits, sample = "vec_bit((select embedding from before))", "(select sample from before)"
    db.executescript(sql.format(again=AGAIN, bits=bits, sample=sample))
    [(message, examples)] = problems(db)[:1]
    assert message == f"The index of 64 dimensions is out of step: {expected}"
    assert examples == [("one", "a")]
    vecstore.build_index(db)
    assert problems(db) == []


def test_a_lost_table_of_bits_is_found_and_rebuilt(db):
    Collection("one", db, model=Vectors()).embed("a", "1 2 " * 32)
    db.execute("drop table vec_embeddings_64_bits")
    [(message, _)] = problems(db)
    assert "the table vec_embeddings_64_bits is missing" in message
    vecstore.build_index(db)
    assert problems(db) == []


NOT_WHOLE = [
    ("drop trigger vec_embeddings_8_update", "the trigger vec_embeddings_8_update is missing"),
    ("drop table vec_embeddings_8_chunks", "the table vec_embeddings_8_chunks is missing, "
     "the index vec_embeddings_8_partition is missing"),
    ("drop index vec_embeddings_8_partition", "the index vec_embeddings_8_partition is missing"),
    ("drop table vec_embeddings_8_rowids", "the table vec_embeddings_8_rowids is missing"),
    ("drop table vec_embeddings_8_info", "the table vec_embeddings_8_info is missing"),
    ("drop table vec_embeddings_8_vector_chunks00",
     "the table vec_embeddings_8_vector_chunks00 is missing"),
]  # fmt: skip


@pytest.mark.parametrize(("sql", "expected"), NOT_WHOLE)
def test_an_index_that_is_not_whole_is_found_and_rebuilt(open_db, path, sql, expected):
    with closing(vecstore.connect(path, driver="apsw")) as db:
        Collection("one", db, model=Vectors()).embed("a", "1 0 0 0 0 0 0 0")
        db.execute(sql)
    db = open_db(path)
    assert problems(db) == [(f"{INDEX} is not whole: {expected}", [])]
    assert [status.state for status in vecstore.list_indexes(db)] == ["incomplete"]
    vecstore.build_index(db)
    assert problems(db) == []
    assert [entry.id for entry in Collection("one", db).similar_by_vector([1.0] * 8)] == ["a"]


def test_an_altered_trigger_of_an_index_is_found_and_rebuilt(filled):
    [(sql,)] = rows(
        filled.db, "select sql from sqlite_master where name = 'vec_embeddings_8_delete'"
    )
    filled.db.execute("drop trigger vec_embeddings_8_delete")
    filled.db.execute(sql.replace("= 32", "= 33"))
    expected = "is not whole: the trigger vec_embeddings_8_delete is altered"
    assert problems(filled.db) == [(f"{INDEX} {expected}", [])]
    vecstore.build_index(filled.db)
    assert problems(filled.db) == []


def test_an_index_that_cannot_be_read_is_found_and_rebuilt(filled):
    filled.db.execute("delete from vec_embeddings_8_vector_chunks00")
    [(message, _)] = problems(filled.db)
    assert message.startswith(f"{INDEX} cannot be read: ")
    vecstore.build_index(filled.db)
    assert problems(filled.db) == []


def test_the_shadows_that_a_recovery_leaves_are_replaced(filled, path):
    """.recover of the sqlite3 shell makes the tables of vec0 as ordinary ones."""
    filled.db.close()
    conn = apsw.Connection(path)
    conn.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 0)
    conn.execute("pragma writable_schema = on")
    conn.execute("delete from sqlite_master where name = 'vec_embeddings_8'")
    conn.close()
    with closing(vecstore.connect(path, driver="apsw")) as db:
        assert "the table vec_embeddings_8 is missing" in problems(db)[0][0]
        vecstore.build_index(db)
        assert problems(db) == []


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
    assert [note.message for note in report.notes] == [
        "There is no index of 1 vector of 3 dimensions"
    ]
    filled.db.execute(problem.remedy.partition(": ")[2])
    assert filled.embed_multi([("short", text)]).embedded == 1
    assert (check(filled.db).problems, check(filled.db).notes) == ([], [])


def test_an_index_that_is_not_built_is_a_note(filled):
    assert vecstore.drop_index(filled.db) == [8]
    assert problems(filled.db) == []
    assert notes(filled.db) == [("There is no index of 2 vectors of 8 dimensions", [])]


def test_a_dimension_that_has_no_index_is_a_note(db):
    Collection("long", db, model=Vectors()).embed("a", "1 " * 9000)
    assert notes(db) == [
        ("There can be no index of 1 vector of 9000 dimensions: a search reads all of them", [])
    ]


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
    assert report.problems == []
    assert [note.message for note in report.notes] == [
        "The schema is older (0006_guard_embeddings, 0007_views, 0008_content_hash_index missing)",
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


def test_it_is_clean_after_ordinary_work(db):
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
    report = check(db)
    assert (report.problems, report.notes) == ([], [])


def test_a_check_changes_nothing_and_leaves_no_file(filled, path):
    filled.db.close()
    before = Path(path).read_bytes()
    assert check(path).ok
    assert Path(path).read_bytes() == before
    assert [file.name for file in Path(path).parent.glob("test.db*")] == ["test.db"]


def test_the_progress_ends_where_it_said(filled, monkeypatch):
    monkeypatch.setattr(vecstore.sqlite.maintenance.checks, "_ROWS", 1)
    steps = []
    check(filled.db, progress=lambda *step: steps.append(step))
    assert steps == [(n, 8) for n in range(1, 9)]


def test_rows_are_read_in_portions_whatever_their_rowids(db, monkeypatch):
    monkeypatch.setattr(vecstore.sqlite.maintenance.checks, "_ROWS", 3)
    collection = Collection("one", db, model=Vectors())
    collection.embed_multi((n, f"1 0 0 0 0 0 0 {n}") for n in range(20))
    for n in range(0, 20, 2):
        db.execute("update embeddings set rowid = ? where id = ?", [10**n - 5, str(n)])
    assert problems(db) == []
    with without_triggers(db):
        db.execute("delete from embeddings where cast(id as integer) % 2 = 0")
    [(message, _)] = problems(db)
    assert message == f"{INDEX} is out of step: 10 vectors are orphaned"


# The command


@pytest.fixture
def database(tmp_path):
    path = tmp_path / "pets.db"
    with closing(vecstore.connect(path, driver="apsw")) as db:
        pets = Collection("pets", db, model=Vectors())
        pets.embed_multi([("cat", "1 1 1 1 1 1 1 1"), ("dog", "1 0 0 0 0 0 0 0")], store=True)
    return path


def test_the_command_says_that_there_is_no_problem(database):
    assert output("check", database) == f"{database}: 2 embeddings in 1 collection\nNo problems\n"
    assert json.loads(output("check", "-d", database, "--json")) == {
        "ok": True,
        "file": str(database),
        "collections": 1,
        "embeddings": 2,
        "problems": [],
        "notes": [],
    }


def test_the_command_names_problems_and_what_to_do(database):
    with closing(vecstore.connect(database, driver="apsw")) as db:
        db.execute("delete from vec_embeddings_8 where rowid = 2")
        db["embeddings"].insert({"collection_id": 1, "id": "fish"})
    result = run("check", database)
    assert (result.exit_code, result.stderr) == (1, "")
    assert result.stdout == (
        f"{database}: 3 embeddings in 1 collection\n"
        "Problem: The index of 8 dimensions is out of step: 1 vector is missing ('dog' of 'pets')\n"
        "  rebuild it: vecstore index build\n"
        "Note: 1 row has no vector, or one that cannot be compared (zeros, NaN, infinity): no "
        "search finds them ('fish' of 'pets')\n"
        "1 problem\n"
    )
    result = run("check", database, "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["problems"] == [
        {
            "kind": "index",
            "message": "The index of 8 dimensions is out of step: 1 vector is missing",
            "remedy": "rebuild it: vecstore index build",
            "count": 1,
            "examples": [["pets", "dog"]],
        }
    ]


def test_the_default_database_is_checked(database, monkeypatch):
    monkeypatch.setenv("VECSTORE_DB", str(database))
    assert output("check").startswith(f"{database}: 2 embeddings")


def test_a_file_of_another_program_is_an_error(tmp_path):
    path = tmp_path / "other.db"
    with closing(vecstore.connect(path, driver="apsw")) as db:
        db.execute("create table notes (id integer primary key)")
    message = f"{path} has no tables of vecstore or llm: there is nothing to check"
    assert error("check", path) == message
    path.write_bytes(b"")
    assert error("check", path) == message
    path.write_text("No database, but a text that is longer than the header of one." * 9)
    assert error("check", path) == (
        f"{path} cannot be read as a SQLite database: file is not a database"
    )


def test_a_file_of_a_later_version_is_refused_and_untouched(database):
    with closing(vecstore.connect(database, driver="apsw")) as db:
        db.execute(
            "insert into _sqlite_migrations (migration_set, name) values ('vecstore', '9999_new')"
        )
    before = database.read_bytes()
    assert "9999_new, which this vecstore does not know" in error("check", database)
    assert database.read_bytes() == before


@pytest.mark.parametrize("size", [50, 100, 5000, 16384, 100_000])
def test_a_file_that_is_cut_off_is_an_error(database, size):
    database.write_bytes(database.read_bytes()[:size])
    assert error("check", database) == (
        f"{database} cannot be read as a SQLite database: database disk image is malformed"
    )


def test_pages_that_were_overwritten_are_a_problem(database):
    content = bytearray(database.read_bytes())
    content[16384 * 3 : 16384 * 5] = b"\xaa" * 16384 * 2
    database.write_bytes(content)
    result = run("check", database)
    assert result.exit_code == 1
    assert "Problem: SQLite finds the file damaged: " in result.stdout
    assert result.stdout.endswith("\n1 problem\n")


def test_a_file_that_cannot_be_written_is_checked(database):
    database.chmod(0o400)
    database.parent.chmod(0o500)
    try:
        assert output("check", database).endswith("No problems\n")
    finally:
        database.parent.chmod(0o700)


WRITER = """
import random
import sys
import vecstore
from tests.support.models import Vectors

db = vecstore.connect(sys.argv[1], driver="apsw", timeout=30)
collection = vecstore.Collection("pets", db, model=Vectors())
print("ready", flush=True)
while True:
    n = random.randrange(100)
    collection.embed_multi(((n, f"{n} 1 1 1 1 1 1 {i}") for i in range(5)), store=True)
    collection.delete_ids([random.randrange(100)])
    db.execute("insert or replace into embeddings select * from embeddings where id = ?", [str(n)])
    db.execute("update or replace embeddings set id = 'x' || id where id = ?", [str(n)])
    if n < 10:
        vecstore.build_index(db)
"""


def test_what_another_process_writes_meanwhile_is_no_damage(database, monkeypatch):
    monkeypatch.setattr(vecstore.sqlite.maintenance.checks, "_ROWS", 7)
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(database)], stdout=subprocess.PIPE
    )
    try:
        process.stdout.readline()
        reports = [check(database) for _ in range(60)]
        assert process.poll() is None
    finally:
        process.kill()
        process.communicate()
    assert [report.problems for report in reports] == [[]] * 60
    assert len({report.embeddings for report in reports}) > 1


def test_a_check_goes_on_while_another_process_writes(database):
    with closing(vecstore.connect(database, driver="apsw")) as db:
        db.execute("begin immediate")
        db.execute("delete from embeddings")
        assert output("check", database).startswith(f"{database}: 2 embeddings in 1 collection\n")
        db.execute("rollback")
