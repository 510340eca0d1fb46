"""Collections of PostgreSQL come into a file: the same, whatever has ended the command before."""

import json
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

import vecstore
from tests.support.copied import (
    HOSTILE,
    METADATA,
    chunks_of,
    fill,
    numbered_rows,
    prefixes_of,
    row_of,
    rows_of,
    run_sql,
    run_sqlite,
)
from tests.support.models import Pseudorandom, WordLengths, pseudorandom
from vecstore import Collection, CopyReport, InvalidInputError, ModelMismatchError
from vecstore.cli import cli
from vecstore.prefixes import Prefixes

ROOT = Path(__file__).parents[2]


@pytest.fixture
def pushed(path, postgres_url):
    """The URL of a database with a collection of the file."""
    fill(path)
    vecstore.push_collections(path, postgres_url)
    return postgres_url


@pytest.fixture
def back(tmp_path):
    return str(tmp_path / "back.db")


def run(*args):
    return CliRunner().invoke(cli, ["pull", *map(str, args)])


def test_a_round_trip_gives_the_same_rows(path, pushed, back):
    assert vecstore.pull_collections(pushed, back) == [CopyReport("pets", 17, 17, 0, 0, 0)]
    assert rows_of(back) == rows_of(path)
    assert vecstore.check(back).problems == vecstore.check(path).problems
    assert vecstore.push_collections(back, pushed) == [CopyReport("pets", 17, 0, 17, 0, 0)]


def test_metadata_is_the_same_value_and_what_was_the_same_is_not_rewritten(path, pushed, back):
    vecstore.pull_collections(pushed, back)
    found = dict.fromkeys(HOSTILE)
    for place in (path, back):
        with closing(vecstore.connect(place)) as db:
            rows = db.execute("select id, metadata from embeddings where metadata is not null")
            found[place] = {id: json.loads(text) for id, text in rows}
    assert found[back] == found[path]
    assert vecstore.pull_collections(pushed, path) == [CopyReport("pets", 17, 0, 17, 0, 0)]
    with closing(vecstore.connect(path)) as db:
        rows = db.execute("select metadata from embeddings where metadata is not null")
        assert {text for (text,) in rows} == {*METADATA} - {None}


@pytest.mark.parametrize("form", ["inside", "beside"])
def test_the_file_is_searched_wherever_its_index_is(pushed, back, form):
    with closing(vecstore.connect(back)) as db:
        Collection("other", db, model=Pseudorandom(), index=form)
    vecstore.pull_collections(pushed, back)
    with closing(vecstore.connect(back)) as db:
        pets = Collection("pets", db, model=Pseudorandom())
        pets.delete_ids(["of other dimensions", "nothing", "blob", "both"])
        assert pets.similar_by_vector(pseudorandom("text of ü漢😀", 32), 1)[0].id == "ü漢😀"
        assert vecstore.check(db).problems == []


def test_prefixes_and_chunks_of_documents_come_along(postgres_url, back):
    notes = Collection("notes", postgres_url, model=Pseudorandom())
    notes.set_prefixes(query="q: ", document="d: ")
    notes.embed_documents([("guide", "# One\n\ntext\n\n# Two\n\nmore")], store=True)
    documents, chunks = notes.documents(), chunks_of(notes, "guide")
    notes.store.close()
    vecstore.pull_collections(postgres_url, back)
    assert prefixes_of(back, "notes") == Prefixes("q: ", "d: ")
    with closing(vecstore.connect(back)) as db:
        pulled = Collection("notes", db, model=Pseudorandom())
        assert (pulled.documents(), chunks_of(pulled, "guide")) == (documents, chunks)


def test_what_differs_is_written_and_others_stay(pushed, back):
    vecstore.pull_collections(pushed, back)
    run_sqlite(back, "update embeddings set content = 'other' where id in ('%s', '')")
    run_sqlite(back, "delete from embeddings where id = 'é'")
    fill(back, rows=[row_of("only here")])
    assert vecstore.pull_collections(pushed, back) == [CopyReport("pets", 17, 3, 14, 0, 1)]
    assert [row for row in rows_of(back) if row.id != "only here"] == rows_of(pushed)


def test_what_another_program_stored_of_other_types_is_replaced(pushed, back):
    vecstore.pull_collections(pushed, back)
    run_sqlite(back, "update embeddings set content = x'41', updated = 'text' where id = '%s'")
    run_sqlite(back, "update embeddings set metadata = 'no JSON' where id = 'both'")
    assert vecstore.pull_collections(pushed, back) == [CopyReport("pets", 17, 2, 15, 0, 0)]
    assert rows_of(back) == rows_of(pushed)


def test_another_model_or_document_prefix_is_an_error_before_anything_is_written(pushed, back):
    with closing(vecstore.connect(back)) as db:
        Collection("pets", db, model=WordLengths())
    with pytest.raises(ModelMismatchError, match="with the model 'word-lengths', not 'pseudo"):
        vecstore.pull_collections(pushed, back)
    run_sqlite(back, "update collections set model = 'pseudorandom'")
    with closing(vecstore.connect(back)) as db:
        Collection("pets", db, model=Pseudorandom()).set_prefixes(document="d: ")
    with pytest.raises(ModelMismatchError, match="is that of its model, and where it is to go 'd:"):
        vecstore.pull_collections(pushed, back)
    assert rows_of(back) == []


def test_a_killed_pull_is_gone_on_with(path, postgres_url, back):
    fill(path, rows=numbered_rows(8000))
    vecstore.push_collections(path, postgres_url)
    command = [sys.executable, "-m", "tests.support.copied", "pull", back, postgres_url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        for line in process.stdout:
            if line.startswith("Copying pets 3000"):
                process.kill()
                break
        process.stdout.read()
    there = len(rows_of(back))
    assert 3000 <= there < 8000
    reports = vecstore.pull_collections(postgres_url, back)
    assert reports == [CopyReport("pets", 8000, 8000 - there, there, 0, 0)]
    assert rows_of(back) == rows_of(path)
    assert vecstore.check(back).problems == []


def test_it_is_of_one_moment(path, postgres_url, back):
    fill(path, rows=numbered_rows(2500))
    vecstore.push_collections(path, postgres_url)

    def change(work, done, total):
        if work == "Copying pets":
            run_sql(postgres_url, "update embeddings set content = content || '!'")
            run_sql(postgres_url, f"delete from embeddings where id = '{done - 1:06}'")

    assert vecstore.pull_collections(postgres_url, back, progress=change) == [
        CopyReport("pets", 2500, 2500, 0, 0, 0)
    ]
    assert rows_of(back) == rows_of(path)


def test_a_row_that_others_change_meanwhile_is_found(pushed, back):
    def change(work, done, total):
        if work == "Copying pets":
            run_sqlite(back, "update embeddings set updated = 5 where id = 'both'")

    with pytest.raises(vecstore.DatabaseError) as caught:
        vecstore.pull_collections(pushed, back, progress=change)
    assert (
        "of 1 entry ('both') the updated of 'both' differ: updated is 1767 where it was read, and "
        "5 there" in str(caught.value)
    )


def test_a_connection_that_is_lost_is_an_error_after_which_it_goes_on(path, postgres_url, back):
    fill(path, rows=numbered_rows(2500))
    vecstore.push_collections(path, postgres_url)

    def end_others(work, done, total):
        if done == 1000:
            run_sql(
                postgres_url,
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = "
                "current_database() and pid <> pg_backend_pid()",
            )

    with pytest.raises(vecstore.DatabaseConnectionError):
        vecstore.pull_collections(postgres_url, back, progress=end_others)
    assert vecstore.pull_collections(postgres_url, back) == [
        CopyReport("pets", 2500, 1500, 1000, 0, 0)
    ]


def test_the_command_makes_a_file_once_it_has_found_the_collections(pushed, back):
    done = run(pushed, back, "none")
    assert done.exit_code == 1
    assert done.output.startswith("Error: Collection does not exist: 'none' (postgresql:///")
    assert not Path(back).exists()
    done = run(pushed, back, "pets")
    assert done.output == (
        "pets: 17 entries, 17 written, 0 there already; compared, no difference\n"
    )
    assert rows_of(back) == rows_of(pushed)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["x.db", "postgresql://h/db"], "URL is 'x.db', which must begin with postgresql://: it"),
        (["postgresql://h/a", "postgresql://h/b"], "FILE is the URL of a database: it is vecstore"),
        (
            ["postgresql://u:secret@127.0.0.1:1/x", "x.db"],
            "postgresql://u:***@127.0.0.1:1/x cannot",
        ),
    ],
)
def test_wrong_arguments_are_a_clear_error(args, message):
    done = run(*args)
    assert message in done.output
    assert "secret" not in done.output
    assert "Traceback" not in done.output
    assert not Path("x.db").exists()


def test_the_function_says_so_too(path, postgres_url):
    with pytest.raises(InvalidInputError, match=r"it is pull_collections\(URL, FILE\)"):
        vecstore.pull_collections(path, postgres_url)


def test_an_empty_database_has_no_collections_to_copy(postgres_url, back):
    with pytest.raises(vecstore.DoesNotExist, match="There is no collection to copy: postgresql:"):
        vecstore.pull_collections(postgres_url, back)
    assert not Path(back).exists()
