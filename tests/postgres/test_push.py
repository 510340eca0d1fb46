"""Collections of a file go to PostgreSQL: what is sent, what is refused, and what is compared."""

import gc
import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

import vecstore
from tests.support.copied import (
    chunks_of,
    fill,
    hostile_rows,
    numbered_rows,
    prefixes_of,
    row_of,
    rows_of,
    run_sql,
    run_sqlite,
)
from tests.support.models import Pseudorandom, WordLengths
from vecstore import Collection, CopyReport, InvalidInputError, ModelMismatchError
from vecstore.cli import cli
from vecstore.exchange import push_pull
from vecstore.postgres.hnsw import list_indexes
from vecstore.postgres.store import PostgresStore
from vecstore.prefixes import Prefixes

ROOT = Path(__file__).parents[2]
FIXTURES = ROOT / "tests" / "fixtures"


def run(*args):
    return CliRunner().invoke(cli, ["push", *map(str, args)])


def test_all_columns_of_all_rows_are_the_same_afterwards(path, postgres_url):
    fill(path)
    assert vecstore.push_collections(path, postgres_url) == [CopyReport("pets", 17, 17, 0, 0, 0)]
    assert rows_of(postgres_url) == rows_of(path)


def test_what_is_there_is_not_sent_again(path, postgres_url):
    fill(path)
    vecstore.push_collections(path, postgres_url)
    before = run_sql(postgres_url, "select ctid::text, id from embeddings order by id")
    assert vecstore.push_collections(path, postgres_url) == [CopyReport("pets", 17, 0, 17, 0, 0)]
    assert run_sql(postgres_url, "select ctid::text, id from embeddings order by id") == before


@pytest.mark.parametrize(
    "change",
    [
        "embedding = '[1,2]'",
        "embedding = null",
        "content = 'other'",
        "content = null",
        "content_blob = 'x'",
        "content_hash = 'x'",
        "metadata = '{\"n\": 1}'",
        "metadata = null",
        "updated = 1",
    ],
)
def test_a_difference_in_any_column_is_sent(path, postgres_url, change):
    fill(path)
    vecstore.push_collections(path, postgres_url)
    run_sql(postgres_url, f"update embeddings set {change} where id = '%s'")
    assert vecstore.push_collections(path, postgres_url) == [CopyReport("pets", 17, 1, 16, 0, 0)]
    assert rows_of(postgres_url) == rows_of(path)


def test_prefixes_and_chunks_of_documents_go_along(path, postgres_url):
    with closing(vecstore.connect(path)) as db:
        notes = Collection("notes", db, model=Pseudorandom())
        notes.set_prefixes(query="q: ", document="d: ")
        notes.embed_documents([("guide", "# One\n\ntext\n\n# Two\n\nmore")], store=True)
        documents, chunks = notes.documents(), chunks_of(notes, "guide")
    vecstore.push_collections(path, postgres_url)
    assert prefixes_of(postgres_url, "notes") == Prefixes("q: ", "d: ")
    pushed = Collection("notes", postgres_url, model=Pseudorandom())
    assert (pushed.documents(), chunks_of(pushed, "guide")) == (documents, chunks)
    pushed.store.close()


def test_only_the_collections_that_are_named_are_sent(path, postgres_url):
    for name in ("a", "b", "c'\"%s"):
        fill(path, name, [row_of(name)])
    reports = vecstore.push_collections(path, postgres_url, ["c'\"%s", "a", "a"])
    assert [report.collection for report in reports] == ["c'\"%s", "a"]
    with pytest.raises(vecstore.DoesNotExist, match="does not exist: 'none'"):
        vecstore.push_collections(path, postgres_url, ["b", "none"])
    with closing(PostgresStore(postgres_url)) as store:
        assert store.names() == ["a", "c'\"%s"]


def test_others_there_stay_and_are_counted(path, postgres_url):
    fill(path, rows=numbered_rows(10))
    vecstore.push_collections(path, postgres_url)
    run_sqlite(path, "delete from embeddings where id > '000006'")
    assert vecstore.push_collections(path, postgres_url) == [CopyReport("pets", 7, 0, 7, 0, 3)]
    assert len(rows_of(postgres_url)) == 10


def test_another_model_or_document_prefix_is_an_error_before_anything_is_sent(path, postgres_url):
    fill(path, "first", [row_of("a")])
    fill(path)
    with closing(Collection("pets", postgres_url, model=WordLengths()).store):
        pass
    with pytest.raises(ModelMismatchError, match="with the model 'word-lengths', not 'pseudo"):
        vecstore.push_collections(path, postgres_url)
    run_sql(postgres_url, "update collections set model = 'pseudorandom'")
    run_sql(postgres_url, "insert into vecstore_prefixes values (1, null, 'd: ')")
    with pytest.raises(ModelMismatchError, match="is that of its model, and where it is to go 'd:"):
        vecstore.push_collections(path, postgres_url)
    assert run_sql(postgres_url, "select name from collections") == [("pets",)]


def test_vectors_of_another_dimension_are_an_error(path, postgres_url):
    fill(path, rows=numbered_rows(3))
    vecstore.push_collections(path, postgres_url)
    run_sqlite(path, "update embeddings set embedding = zeroblob(8)")
    with pytest.raises(
        vecstore.DimensionError, match="'000000' has 2 dimensions and the coll.* 32"
    ):
        vecstore.push_collections(path, postgres_url)


UNSTORABLE = {
    "id = 'b' || hex(randomblob(1500))": "the id has 3,001 bytes, and an index of Postg",
    "content_hash = randomblob(3000)": "the content_hash has 3,000 bytes, and an index of",
    "content = 'a' || char(0) || 'b'": "the content has a NUL character, which PostgreSQL's text",
    "id = 'b' || char(0)": "the id has a NUL character, which PostgreSQL's text cannot hold",
    "embedding = x'0000c07f'": "the vector has NaN or an infinity, which pgvector cannot hold",
    "embedding = x'0000807f000080ff'": "the vector has NaN or an infinity, which pgvector cannot",
    "embedding = zeroblob(64004)": "the vector has 16,001 dimensions, and pgvector's type takes",
    "embedding = zeroblob(0)": "the vector is of 0 bytes, and not of 4 for each dimension",
    'metadata = \'{"a": "\\u0000"}\'': "the metadata has a NUL character, which PostgreSQL's",
    "metadata = '\"\\ud800\"'": "the metadata has a lone surrogate, which PostgreSQL's jsonb",
    "metadata = '{no JSON'": "the metadata is no JSON (",
    "metadata = '1e200000'": "the metadata has a number of more digits than PostgreSQL's jsonb",
    "metadata = '[NaN]'": "the metadata has NaN, which is no JSON",
    "content = cast(x'ff41' as text)": "the content is b'\\xffA', which is not text",
    "content = x'41'": "the content is b'A', which is not text",
    "content_blob = 'text'": "the content_blob is 'text', which is not a blob",
    "content_hash = 'text'": "the content_hash is 'text', which is not a blob",
    "updated = 'text'": "the updated is 'text', which is not an integer",
    "updated = 1.5": "the updated is 1.5, which is not an integer",
}


@pytest.mark.parametrize("change", UNSTORABLE)
def test_what_cannot_be_stored_is_found_before_anything_is_sent(path, postgres_url, change):
    fill(path, rows=numbered_rows(3))
    run_sqlite(path, f"update embeddings set {change} where id = '000001'")
    found = []
    with pytest.raises(InvalidInputError) as caught:
        vecstore.push_collections(
            path, postgres_url, on_unstorable=lambda id, error: found.append((id, str(error)))
        )
    assert "1 entry cannot be stored there, and nothing was sent (" in str(caught.value)
    assert UNSTORABLE[change] in str(caught.value)
    [(id, error)] = found
    assert id[0] == ("b" if change.startswith("id") else "0")
    assert UNSTORABLE[change] in error
    with closing(PostgresStore(postgres_url)) as store:
        assert store.names() == []


@pytest.mark.parametrize("change", UNSTORABLE)
def test_what_cannot_be_stored_can_be_left_out(path, postgres_url, change):
    fill(path, rows=numbered_rows(3))
    run_sqlite(path, f"update embeddings set {change} where id = '000001'")
    for written, unchanged in ((2, 0), (0, 2)):
        reports = vecstore.push_collections(path, postgres_url, on_error="skip")
        assert reports == [CopyReport("pets", 2, written, unchanged, 1, 0)]
    assert [row.id for row in rows_of(postgres_url)] == ["000000", "000002"]


@pytest.mark.parametrize("id", ["null", "x'41'", "cast(x'ff' as text)"])
def test_an_id_that_is_no_text_is_found_too(path, postgres_url, id):
    fill(path, rows=numbered_rows(3))
    run_sqlite(path, f"update embeddings set id = {id} where id = '000001'")
    with pytest.raises(InvalidInputError, match=r"nothing was sent \(.*: the id is .*not text"):
        vecstore.push_collections(path, postgres_url)
    reports = vecstore.push_collections(path, postgres_url, on_error="skip")
    assert reports == [CopyReport("pets", 2, 2, 0, 1, 0)]


def test_a_push_that_is_ended_while_it_looks_leaves_nothing_open(path, postgres_url):
    file = vecstore.Collection("notes", path, model_id="none")
    file.add_multi((f"{n}\0", [float(n), 1.0]) for n in range(50))
    file.db.close()

    def end(id: str, error: Exception) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as kept:
        vecstore.push_collections(path, postgres_url, on_unstorable=end)
    del kept
    gc.collect()  # what cannot be closed any more would be a warning, which is an error
    assert not vecstore.Collection.exists(postgres_url, "notes")


@pytest.mark.parametrize("file", sorted(FIXTURES.glob("old-llm-*.db")), ids=lambda file: file.stem)
def test_files_of_old_releases_of_llm_come_back_but_for_what_is_skipped(
    file, path, postgres_url, tmp_path
):
    shutil.copy(file, path)
    Path(path).chmod(0o444)
    skipped = []
    reports = vecstore.push_collections(
        path, postgres_url, on_error="skip", on_unstorable=lambda id, _: skipped.append(id)
    )
    assert sum(report.skipped for report in reports) == len(skipped) > 0
    again = vecstore.push_collections(path, postgres_url, on_error="skip")
    assert [(r.entries, r.written) for r in again] == [(r.entries, 0) for r in reports]
    back = str(tmp_path / "back.db")
    pulled = vecstore.pull_collections(postgres_url, back)
    assert [(r.entries, r.written) for r in pulled] == [(r.entries, r.entries) for r in reports]


def test_two_at_once_send_the_same(path, postgres_url):
    fill(path, rows=numbered_rows(5000))
    with closing(PostgresStore(postgres_url)) as store:
        store.ensure_schema()
        store.create("pets", "pseudorandom")
    with ThreadPoolExecutor(2) as threads:
        pushes = [threads.submit(vecstore.push_collections, path, postgres_url) for _ in range(2)]
        reports = [push.result() for push in pushes]
    assert [(r.entries, r.only_there) for [r] in reports] == [(5000, 0)] * 2
    assert rows_of(postgres_url) == rows_of(path)


def test_a_name_that_cannot_be_stored_is_an_error_before_anything_is_sent(path, postgres_url):
    fill(path, "fine", [row_of("a")])
    fill(path, "na\0me", [row_of("a")])
    with pytest.raises(InvalidInputError, match=r"'na\\x00me' has a NUL character"):
        vecstore.push_collections(path, postgres_url)
    with closing(PostgresStore(postgres_url)) as store:
        assert store.names() == []


def test_a_killed_push_is_gone_on_with(path, postgres_url):
    fill(path, rows=numbered_rows(8000))
    command = [sys.executable, "-m", "tests.support.copied", "push", path, postgres_url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        for line in process.stdout:
            if line.startswith("Copying pets 3000"):
                process.kill()
                break
        process.stdout.read()
    [(there,)] = run_sql(postgres_url, "select count(*) from embeddings")
    assert 3000 <= there < 8000
    assert there % 1000 == 0
    reports = vecstore.push_collections(path, postgres_url)
    assert reports == [CopyReport("pets", 8000, 8000 - there, there, 0, 0)]
    assert rows_of(postgres_url) == rows_of(path)


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        (
            "update embeddings set content = 'changed' where id = '000002'",
            "of 1 entry ('000002') the content of '000002' differ: content is 'text of 000002' "
            "where it was read, and 'changed' there",
        ),
        ("delete from embeddings where id <= '000001'", "2 entries ('000000', '000001') are miss"),
    ],
)
def test_a_row_that_others_change_meanwhile_is_found(path, postgres_url, sql, message):
    fill(path, rows=numbered_rows(5))

    def change(work, done, total):
        if work == "Copying pets":
            run_sql(postgres_url, sql)

    with pytest.raises(vecstore.DatabaseError) as caught:
        vecstore.push_collections(path, postgres_url, progress=change)
    assert "'pets' is not the same in both places after the copy: " in str(caught.value)
    assert message in str(caught.value)
    vecstore.push_collections(path, postgres_url)
    assert rows_of(postgres_url) == rows_of(path)


def test_what_is_written_to_the_file_meanwhile_is_not_sent(path, postgres_url):
    fill(path, rows=numbered_rows(5))
    before = rows_of(path)

    def change(work, done, total):
        fill(path, rows=[row_of(f"{work} {done}")])

    vecstore.push_collections(path, postgres_url, progress=change)
    assert rows_of(postgres_url) == before


@pytest.mark.parametrize(
    ("build_graph", "built"), [(None, ["pets"]), (True, ["few", "pets"]), (False, [])]
)
def test_an_index_is_built_of_large_collections(
    path, postgres_url, monkeypatch, build_graph, built
):
    monkeypatch.setattr(push_pull, "GRAPH_FROM", 99)
    fill(path, rows=numbered_rows(100))
    fill(path, "few", numbered_rows(99))
    fill(path, "without vectors", [row_of("a")._replace(embedding=None)])
    vecstore.push_collections(path, postgres_url, build_graph=build_graph)
    with closing(PostgresStore(postgres_url)) as store:
        assert [index.collection for index in list_indexes(store.db)] == built


def test_the_command_says_what_it_has_done(path, postgres_url, tmp_path):
    fill(path)
    done = run(path, postgres_url)
    assert done.output == (
        "pets: 17 entries, 17 written, 0 there already; compared, no difference\n"
    )
    run_sqlite(path, "update embeddings set content = char(0) where id = ''")
    errors = tmp_path / "errors"
    stopped = run(path, postgres_url, "--errors", errors)
    assert stopped.exit_code == 1
    assert stopped.stdout == ""
    assert (
        "Error: 1 entry cannot be stored there, and nothing was sent ('' of 'pets" in stopped.output
    )
    listed = [json.loads(line) for line in errors.read_text().splitlines()]
    assert [line["id"] for line in listed] == [""]
    skipped = run(path, postgres_url, "pets", "--on-error", "skip")
    assert skipped.exit_code == 1
    assert skipped.stdout == (
        "pets: 16 entries, 0 written, 16 there already, 1 skipped, 1 others there; compared, no "
        "difference\n"
    )


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["postgresql://h/db", "x.db"], "FILE is the URL of a database: it is vecstore push FILE"),
        (["x.db", "y.db"], "URL is 'y.db', which must begin with postgresql://: it is vecstore pu"),
        (["none.db", "postgresql://h/db"], "There is no database none.db"),
    ],
)
def test_arguments_in_the_wrong_order_are_a_clear_error(args, message):
    done = run(*args)
    assert message in done.output
    assert "Traceback" not in done.output


def test_functions_say_so_too(path, postgres_url):
    for db, url in ((postgres_url, path), (path, path)):
        with pytest.raises(InvalidInputError, match=r"it is push_collections\(FILE, URL\)"):
            vecstore.push_collections(db, url)
    with pytest.raises(InvalidInputError, match="on_error is 'ignore': it must be 'stop' or"):
        vecstore.push_collections(path, postgres_url, on_error="ignore")
    with pytest.raises(InvalidInputError, match=r"names is 'pets': pass a list of names"):
        fill(path, rows=hostile_rows()[:1])
        vecstore.push_collections(path, postgres_url, "pets")


@pytest.mark.parametrize("moment", ["Checking pets", "Copying first"])
def test_a_collection_that_others_make_meanwhile_gets_no_vectors_of_another_model(
    path, postgres_url, moment
):
    fill(path, "first", [row_of("a")])
    fill(path)

    def change(work, done, total):
        if work == moment:
            with closing(PostgresStore(postgres_url)) as store:
                made = store.find("pets")
                if made:
                    store.drop(made)
                store.create_new("pets", WordLengths.model_id)

    with pytest.raises(ModelMismatchError, match="word-lengths"):
        vecstore.push_collections(path, postgres_url, progress=change)
    assert rows_of(postgres_url) == []


def test_an_empty_collection_that_gets_a_document_prefix_meanwhile_stays_empty(path, postgres_url):
    fill(path, "first", [row_of("a")])
    fill(path)

    def change(work, done, total):
        if work == "Copying first":
            with closing(PostgresStore(postgres_url)) as store:
                store.set_prefixes(store.find("pets"), Prefixes(None, "d: "))

    with pytest.raises(ModelMismatchError, match="where it is to go 'd: '"):
        vecstore.push_collections(path, postgres_url, progress=change)
    assert rows_of(postgres_url) == []


def test_a_store_is_pushed_to_another_schema_of_its_database(path, postgres_url):
    fill(path, rows=numbered_rows(20))
    vecstore.push_collections(path, postgres_url)
    there = f"{postgres_url}&options=-csearch_path%3Dcopies"
    with closing(PostgresStore(postgres_url)) as store:
        reports = vecstore.push_collections(store, there, build_graph=True)
    assert reports == [CopyReport("pets", 20, 20, 0, 0, 0)]
    assert rows_of(there) == rows_of(path)
