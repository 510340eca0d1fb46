"""--vector: rows that have their vectors, which are stored as they are."""

import json
import sqlite3
from contextlib import closing

import pytest

import vecstore
from tests.support.command import error, output, run, usage_error
from vecstore import Collection

JSON = """
{"id": "a", "title": "one", "v": [1, 0.5], "year": 1}
{"v": "[0, 1]", "id": "b", "title": null, "year": 2}
"""
CSV = 'v,id,title,year\n"[1, 0.5]",a,one,1\n"[0, 1]",b,,2\n'


@pytest.fixture
def add(database):
    return lambda *args, **kwargs: output(
        "embed-multi", "c", *args, "--vector", "v", "-d", database, **kwargs
    )


@pytest.fixture
def entries(database):
    """A function that returns the vector, content and metadata of each entry, by id."""

    def entries():
        with closing(vecstore.connect(database, driver="apsw")) as db:
            collection = Collection("c", db)
            return {
                entry.id: (collection.vector(entry.id), entry.content, entry.metadata)
                for entry in collection
            }

    return entries


@pytest.mark.parametrize("rows", [JSON, CSV])
def test_the_columns_but_that_of_vectors_are_as_ever(add, entries, rows):
    report = "2 added, 0 updated, 0 unchanged\n"
    assert add("-", "--store", input=rows) == report
    assert entries() == {"a": ([1.0, 0.5], "one 1", None), "b": ([0.0, 1.0], " 2", None)}
    columns = ["--content", "title", "--metadata", "year"]
    assert add("-", "--store", *columns, input=rows) == "1 added, 1 updated, 0 unchanged\n"
    assert entries() == {
        "a": ([1.0, 0.5], "one", {"year": 1}),
        "b": ([0.0, 1.0], " 2", {"year": 2}),
    }
    assert add("-", *columns, input=rows) == "0 added, 0 updated, 2 unchanged\n"


@pytest.mark.parametrize("rows", [JSON, CSV])
def test_all_other_columns_may_be_metadata(add, entries, rows):
    add("-", "--metadata-rest", input=rows)
    [(_, content, metadata), _] = entries().values()
    assert (content, metadata) == (None, {"title": "one", "year": 1})


def test_an_id_and_a_vector_are_enough(add, entries):
    add("-", input='{"id": 1, "v": [1, 2]}')
    assert entries() == {"1": ([1.0, 2.0], None, None)}


def test_without_store_the_content_is_recognised(add, entries, database, registered):
    arguments = ["-m", "words", "--content", "title"]
    vector = json.dumps([1.0] * 16)
    add("-", *arguments, input=f'id,title,v\na,one,"{vector}"\n')
    assert entries() == {"a": ([1.0] * 16, None, None)}
    report = output("embed-multi", "c", "-", "-d", database, input="id,t\nb,one\nc,two\n")
    assert report == "1 embedded, 1 reused, 0 updated, 0 unchanged\n"
    assert registered.embedded == ["two"]


def test_vectors_of_a_query(add, entries, tmp_path):
    blog = tmp_path / "blog.db"
    with closing(sqlite3.connect(blog)) as db:
        db.execute("create table posts (id, v, title)")
        posts = [(1, vecstore.encode([1.0, 0.5]), "one"), (2, "[0, 1]", None)]
        db.executemany("insert into posts values (?, ?, ?)", posts)
        db.commit()
    add("--sql", "select * from blog.posts", "--attach", "blog", blog, "--store")
    assert entries() == {"1": ([1.0, 0.5], "one", None), "2": ([0.0, 1.0], None, None)}


def test_the_first_column_but_that_of_vectors_is_the_id(add, entries):
    add("-", "--format", "json", "--prefix", "x-", input='[{"v": [1, 2], "name": "a"}]')
    assert entries() == {"x-a": ([1.0, 2.0], None, None)}


def test_a_long_vector(add, entries):
    vector = [n / 8 for n in range(20_000)]
    add("-", input=f'id,v\na,"{json.dumps(vector)}"\n')
    assert entries()["a"][0] == vector


def test_the_model_is_recorded_and_need_not_be_installed(database, registered):
    def model(name, *arguments):
        run("embed-multi", name, "-", "--vector", "v", "-d", database, *arguments, input=JSON)
        listed = json.loads(output("collections", "list", "--json", "-d", database))
        return {collection["name"]: collection["model"] for collection in listed}[name]

    assert model("one") == "none"
    assert model("two", "-m", "words") == "word-lengths"
    assert model("three", "-m", "voyage-3") == "voyage-3"
    assert registered.embedded == []


def test_a_model_that_is_not_installed_is_told(database):
    arguments = ["embed-multi", "c", "-", "--vector", "v", "-d", database, "-m", "voyage-3"]
    note = "The model 'voyage-3' is not installed: it is recorded\n"
    result = run(*arguments, input=JSON)
    assert (result.exit_code, result.stderr) == (0, note)
    assert run(*arguments, "-q", input=JSON).output == ""
    arguments[-1] = "voyage-4"
    result = run(*arguments, "-q", input=JSON)
    assert (result.exit_code, result.stderr) == (
        1,
        "Error: Collection 'c' was made with the model 'voyage-3', not 'voyage-4': vectors of two "
        "models cannot be compared, so use another collection\n",
    )


NO_VECTORS = [
    ("null", "is None: it must be a JSON array of numbers, or the bytes of float32 numbers"),
    ("3", "is 3: it must be a JSON array of numbers, or the bytes of float32 numbers"),
    ('"oops"', "is 'oops': it must be a JSON array of numbers, or the bytes of float32 numbers"),
    ('{"x": 1}', "is {'x': 1}: it must be a JSON array of numbers, or the bytes of float32 num"),
    ("[]", "has no dimensions: it could not be compared with anything"),
    ('"[NaN, 1]"', "holds NaN or an infinity: it could not be compared with anything"),
    ('["1", "2"]', "is not a list of numbers of float32: "),
    ("[[1, 2]]", "is not a list of numbers of float32: "),
    ("[1e39, 2]", "is not a list of numbers of float32: "),
]


@pytest.mark.parametrize(("cell", "message"), NO_VECTORS)
def test_what_is_no_vector_is_named_by_its_place(database, cell, message):
    arguments = ["embed-multi", "c", "-", "--vector", "v", "-d", database]
    rows = f'{{"id": "a", "v": {cell}}}\n{{"id": "b", "v": [1, 2]}}\n'
    shown = error(*arguments, input=rows)
    start = "The vector of line 1 of standard input, in the column 'v', "
    assert shown.startswith(f"{start}{message}")
    result = run(*arguments, "--on-error", "skip", input=rows)
    assert result.stdout == "1 added, 0 updated, 0 unchanged\n"
    assert result.stderr.startswith(f"Error: 1 entry was skipped: {start}{message}")


def test_a_blob_that_is_no_vector(database):
    for blob in ("x''", "x'0102030405'"):
        query = f"select 1 as id, {blob} as v"
        shown = error("embed-multi", "c", "--sql", query, "--vector", "v", "-d", database)
        assert shown.startswith("The vector of row 1 of the query, in the column 'v', is b'")


def test_another_dimension_names_the_id(database):
    rows = 'id,v\na,"[1, 2]"\nb,"[1, 2]"\nc,"[1, 2, 3]"\n'
    arguments = ["embed-multi", "c", "-", "--vector", "v", "-d", database]
    message = (
        "The vector of 'c' has 3 dimensions and the collection's vectors have 2: use the model "
        "that the collection was made with"
    )
    assert error(*arguments, input=rows) == message
    result = run(*arguments, "--on-error", "skip", input=rows)
    assert result.stdout == "2 added, 0 updated, 0 unchanged\n"
    assert message in result.stderr


def test_a_column_that_is_not_there(database):
    shown = error("embed-multi", "c", "-", "--vector", "w", "-d", database, input=JSON)
    assert shown == "line 2 of standard input has no column 'w': its columns are " + (
        "'id', 'title', 'v', 'year'"
    )
    assert not database.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--dry-run"], "No model is asked with --vector: it cannot be used with --dry-run"),
        (["--key", "k"], "No model is asked with --vector: it cannot be used with --key"),
        (["--concurrency", 2], "No model is asked with --vector: it cannot be used with --conc"),
        (["--id", "v"], "The column of --vector is no id, content or metadata"),
        (["--content", "v"], "The column of --vector is no id, content or metadata"),
        (["--metadata", "v"], "The column of --vector is no id, content or metadata"),
    ],
)
def test_conflicts(database, options, message):
    shown = usage_error("embed-multi", "c", "-", "--vector", "v", *options, "-d", database)
    assert shown.startswith(message)


def test_files_have_no_vectors(database):
    shown = usage_error("embed-multi", "c", "--files", ".", "*", "--vector", "v", "-d", database)
    assert shown == "Files have no column for --vector"
