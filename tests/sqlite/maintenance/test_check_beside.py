"""check() finds what is wrong with an index in a file beside, where what is pending is not."""

from contextlib import closing
from pathlib import Path

import pytest

import vecstore
from tests.support.damage import notes, problems
from tests.support.models import Vectors
from vecstore import Collection, IndexStatus, build_index, check, list_indexes

INDEX = "The index of 64 dimensions"
MISSING = ("There is no index of 2 vectors of 64 dimensions", [])


@pytest.fixture
def path(path, monkeypatch):
    """Two rows in one collection, with the index of 64 dimensions beside the file."""
    monkeypatch.setenv("VECSTORE_INDEX", "beside")
    with closing(vecstore.connect(path, driver="apsw")) as db:
        Collection("one", db, model=Vectors()).embed_multi([("a", "1 2 " * 32), ("b", "3 " * 64)])
    build_index(path)
    return path


def index_of(path):
    return Path(f"{path}-vec")


def run(path, *statements):
    with closing(vecstore.connect(path, driver="apsw")) as db:
        for sql in statements:
            db.execute(sql)


OUT_OF_STEP = [
    (
        "delete from vec_embeddings_64_ids where id = 'a'",
        [("1 vector is missing", [("one", "a")]), ("2 vectors are orphaned", [(None, None)] * 2)],
    ),
    ("delete from vec_embeddings_64 where rowid = 1", [("1 vector is missing", [("one", "a")])]),
    (
        "update vec_embeddings_64 set embedding = zeroblob(256) where rowid = 1",
        [("1 vector is stale", [("one", "a")])],
    ),
    (
        "update vec_embeddings_64_ids set id = 'c' where id = 'b'",
        [("1 vector is missing", [("one", "b")]), ("1 vector is orphaned", [("one", "c")])],
    ),
    (
        "delete from vec_embeddings_64_bits where rowid = 1",
        [("1 vector is missing", [("one", "a")])],
    ),
    (
        "insert into vec_embeddings_64_partitions (collection_id) values (1)",
        [("4 vectors are missing", [("one", "a"), ("one", "b")] * 2)],
    ),
]


@pytest.mark.parametrize(("sql", "expected"), OUT_OF_STEP)
def test_an_index_out_of_step_is_found_and_rebuilt(path, sql, expected):
    run(index_of(path), sql)
    found = problems(path)
    assert found == [(f"{INDEX} is out of step: {what}", ids) for what, ids in expected]
    assert build_index(path) == {64: 2}
    assert (problems(path), notes(path)) == ([], [])


def test_what_was_changed_since_is_no_problem(path):
    run(
        path,
        "delete from embeddings where id = 'a'",
        "update embeddings set embedding = zeroblob(256) where id = 'b'",
        "insert into embeddings (collection_id, id, embedding) values (1, 'c', zeroblob(256))",
    )
    report = check(path)
    assert report.problems == []
    assert [note.message for note in report.notes if note.kind == "index"] == [
        "The index beside the file is behind by 3 changes"
    ]


def test_what_is_wrong_is_found_among_what_was_changed(path):
    run(index_of(path), "delete from vec_embeddings_64 where rowid < 3")
    run(path, "update embeddings set embedding = zeroblob(256) where id = 'b'")
    assert problems(path) == [
        (f"{INDEX} is out of step: 1 vector is missing", [("one", "a")]),
    ]


NOT_WHOLE = [
    "table vec_embeddings_64_ids",
    "table vec_embeddings_64_partitions",
    "table vec_embeddings_64_rowids",
    "index vec_embeddings_64_partition",
]


@pytest.mark.parametrize("part", NOT_WHOLE)
def test_an_index_that_is_not_whole_is_found_and_rebuilt(path, part):
    run(index_of(path), f"drop {part}")
    assert problems(path) == [(f"{INDEX} is not whole: the {part} is missing", [])]
    assert list_indexes(path) == [IndexStatus(64, 2, "incomplete", "beside")]
    assert build_index(path, 64) == {64: 2}
    assert (problems(path), notes(path)) == ([], [])


def test_a_file_that_is_damaged_is_found_and_rebuilt(path):
    index = index_of(path)
    content = bytearray(index.read_bytes())
    content[8192:24576] = b"\xaa" * 16384
    for damaged, expected in (
        (content, f"SQLite finds {index} damaged: "),
        (content[:20000], f"{index} cannot be read: "),
        (content[:5000], f"{index} cannot be read: "),
    ):
        index.write_bytes(damaged)
        [(message, _)] = problems(path)
        assert message.startswith(expected)
        assert [status.form for status in list_indexes(path)] == ["beside"]
        assert build_index(path) == {64: 2}
        assert (problems(path), notes(path)) == ([], [])


def test_a_file_of_another_program_is_named_and_kept(path):
    index = index_of(path)
    for content in (b"Important", b""):
        index.unlink()
        if content:
            index.write_bytes(content)
        else:
            run(index, "create table theirs (id integer primary key)")
        before = index.read_bytes()
        message = f"{index} is not an index of vecstore's, and stands in the place of one"
        assert problems(path) == [(message, [])]
        for function in (build_index, vecstore.drop_index, vecstore.compact):
            with pytest.raises(vecstore.DatabaseError, match=f"{message}: rename it"):
                function(path)
        assert index.read_bytes() == before


def test_what_the_next_search_builds_is_a_note(path):
    index = index_of(path)
    before = index.read_bytes()
    index.unlink()
    assert (problems(path), notes(path)) == ([], [MISSING])
    build_index(path)
    content = index.read_bytes()
    run(path, "update vecstore_changes set token = randomblob(8)")
    assert (problems(path), notes(path)) == (
        [], [(f"{index} is of another state of the database", []), MISSING]
    )  # fmt: skip
    Collection("one", path).similar_by_vector([1.0] * 64)
    assert (problems(path), notes(path)) == ([], [])
    for other in (before, content):
        index.write_bytes(other)
        assert problems(path) == []
        assert notes(path)[-1] == MISSING
    run(index, "update vecstore_dimensions set layout = 'older'")
    assert notes(path)[-1] == MISSING


def test_an_index_that_is_still_being_built_is_a_note(path):
    run(index_of(path), "update vecstore_dimensions set is_complete = false")
    assert (problems(path), notes(path)) == ([], [(f"{INDEX} is built in part", [])])
    assert list_indexes(path) == [IndexStatus(64, 2, "incomplete", "beside")]


@pytest.mark.parametrize("lost", ["insert", "update", "delete"])
def test_a_journal_that_lost_a_trigger_is_a_note_and_comes_back(path, lost):
    run(path, f"drop trigger vecstore_changes_{lost}")
    message = (
        "The journal of changes, vecstore_changes, has lost a part: the index beside the file is "
        "not used"
    )
    assert (problems(path), notes(path)) == ([], [(message, []), MISSING])
    Collection("one", path).similar_by_vector([1.0] * 64)
    assert (problems(path), notes(path)) == ([], [])


def test_the_state_says_that_changes_are_to_be_followed(path):
    assert list_indexes(path) == [IndexStatus(64, 2, "ready", "beside")]
    run(path, "update embeddings set embedding = zeroblob(256) where id = 'b'")
    assert list_indexes(path) == [IndexStatus(64, 1, "behind", "beside")]
    Collection("one", path).similar_by_vector([1.0] * 64)
    assert list_indexes(path) == [IndexStatus(64, 1, "ready", "beside")]
