"""`vecstore embed-multi` on files and pipes of rows: types, dialects, shapes, gzip and skipping."""

import gzip
import json
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

import vecstore
from tests.support.command import error, output, run, usage_error

YEARS = "id,text,year\n1,a,1972\n2,b,2021\n3,c,\n"
PAGE = '{"count": 2, "results": [{"id": 1, "t": "a"}, {"id": 2, "t": "b"}]}'


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "test.db"


@pytest.fixture
def load(registered, database):
    """A function that runs the command on the collection "c"."""
    command = ["embed-multi", "c", "-m", "words", "-d", database, "--store"]
    return lambda *args, **kwargs: output(*command, *args, **kwargs)


@pytest.fixture
def stored(database):
    """A function that returns id, content and metadata of what is stored."""

    def stored() -> list[tuple]:
        with closing(vecstore.connect(database, driver="apsw", read_only=True)) as db:
            sql = "select id, content, metadata from embeddings order by id"
            return db.execute(sql).fetchall()

    return stored


@pytest.fixture
def file(tmp_path):
    """A function that makes a file."""

    def file(name: str, content: str | bytes) -> Path:
        path: Path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return file


@pytest.fixture
def metadata(stored):
    return lambda: [metadata and json.loads(metadata) for _, _, metadata in stored()]


# Types


def test_numbers_of_csv_can_be_compared(load, database, file, metadata):
    for source, text in (("-", YEARS), (file("a.csv", YEARS), None)):
        load(source, "--metadata", "year", input=text)
        assert metadata() == [{"year": 1972}, {"year": 2021}, {"year": None}]
    with closing(vecstore.connect(database, driver="apsw", read_only=True)) as db:
        sql = "select id from embeddings where json_extract(metadata, '$.year') > 2020"
        assert db.execute(sql).fetchall() == [("2",)]


def test_types_of_tsv_without_a_header_and_zipped(load, file, metadata):
    path = file("a.tsv.gz", gzip.compress(b"1\ta\t1.5\n2\tb\t2\n"))
    load(path, "--no-headers", "--metadata", "untitled_3")
    assert metadata() == [{"untitled_3": 1.5}, {"untitled_3": 2}]


def test_types_can_be_left_alone(load, metadata):
    load("-", "--metadata", "year", "--no-detect-types", input=YEARS)
    assert metadata() == [{"year": "1972"}, {"year": "2021"}, {"year": ""}]


def test_json_in_cells_can_be_left_alone(load, metadata):
    table = 'id,t,m\n1,a,"{""k"": [1]}"\n2,b,\n'
    load("-", "--metadata", "m", "--no-detect-types", input=table)
    assert metadata() == [{"m": '{"k": [1]}'}, {"m": ""}]


def test_an_integer_that_sqlite_does_not_have(registered, database, file, metadata):
    lines = [{"id": 1, "t": "a", "n": 5}, {"id": 2, "t": "b", "n": 2**64}]
    path = file("a.jsonl", "\n".join(map(json.dumps, lines)))
    arguments = ["embed-multi", "c", path, "-m", "words", "-d", database, "--metadata", "n"]
    assert error(*arguments) == (
        f"The metadata of line 2 of {path} cannot be JSON: the key 'n' is 18446744073709551616, an "
        "integer of more than 64 bits: pass it as text, str(value) (in the input, write it as "
        "text, or leave the column out)"
    )
    assert run(*arguments, "--on-error", "skip").exit_code == 1
    assert metadata() == [{"n": 5}]
    cells = file("a.csv", 'id,t,n\n1,a,"{""n"": 18446744073709551616}"\n2,b,{}\n')
    output(*arguments[:2], cells, *arguments[3:])
    assert metadata() == [{"n": '{"n": 18446744073709551616}'}, {"n": "{}"}]


def test_the_whole_column_tells_its_type_whatever_the_limit(load, file, metadata):
    for tail, value in (("4,d,x\n", "1972"), ("4,d,5\n", 1972), ('4,"d"x,y\n', 1972)):
        path = file("a.csv", YEARS + tail)
        load(path, "--metadata", "year", "--limit", "1")
        assert metadata() == [{"year": value}]
        load("-", "--metadata", "year", "--limit", "1", input=YEARS + tail)
        assert metadata() == [{"year": value}]


def test_rows_that_are_left_out_tell_no_type(registered, database, file, metadata):
    path = file("a.csv", YEARS + ",no id,x\n4,d,x,too many\n")
    arguments = ["embed-multi", "c", path, "-m", "words", "-d", database, "--metadata", "year"]
    assert run(*arguments, "--on-error", "skip").exit_code == 1
    assert metadata() == [{"year": 1972}, {"year": 2021}, {"year": None}]


def test_a_pipe_that_is_held_is_read_to_its_end_before_anything_is_stored(
    registered,
    database,
):
    arguments = ["embed-multi", "c", "-", "-m", "words", "-d", database, "--batch-size", "1"]
    message = error(*arguments, "--metadata", "year", input=YEARS + "4,d,5,6\n")
    assert message.startswith("line 5 of standard input has 4 fields")
    assert not database.exists()


def test_a_named_pipe(load, tmp_path, metadata):
    path = tmp_path / "pipe.csv"
    os.mkfifo(path)
    code = "import sys; open(sys.argv[1], 'w').write(sys.argv[2])"
    with subprocess.Popen([sys.executable, "-c", code, str(path), YEARS]):
        load(path, "--metadata", "year")
    assert metadata() == [{"year": 1972}, {"year": 2021}, {"year": None}]


def test_objects_of_json_and_of_csv_are_the_metadata(load, stored, file):
    lines = [{"id": 1, "t": "a", "m": {"k": [1]}}, {"id": 2, "t": "b", "m": None}]
    text = "\n".join(map(json.dumps, lines))
    table = 'id,t,m\n1,a,"{""k"": [1]}"\n2,b,\n'
    load("-", "--metadata", "m", input=text)
    assert stored() == [("1", "a", '{"k": [1]}'), ("2", "b", '{"m": null}')]
    for source, input in (("-", table), (file("a.csv", table), None)):
        load(source, "--metadata", "m", input=input)
        assert stored() == [("1", "a", '{"k": [1]}'), ("2", "b", None)]


def test_objects_of_a_query_are_the_metadata(load, stored):
    sql = "select 1 as id, 'a' as t, json_object('k', json('[1]')) as m union select 2, 'b', null"
    load("--sql", sql, "--metadata", "m")
    assert stored() == [("1", "a", '{"k": [1]}'), ("2", "b", '{"m": null}')]
    load("--sql", "select 1 as id, 'a' as t, '[1984]' as m", "--metadata", "m")
    assert stored()[0] == ("1", "a", '{"m": "[1984]"}')


# Shapes


def test_the_rows_of_an_object_and_the_advice_that_leads_to_them(
    load,
    registered,
    database,
    file,
    stored,
):
    path = file("page.json", PAGE)
    arguments = ["embed-multi", "c", path, "-m", "words", "-d", database]
    for command in (arguments, [*arguments, "--on-error", "skip"]):
        message = error(*command)
        assert message.startswith(f"line 1 of {path} is all there is, an object with lists of obj")
        assert "--rows results embeds the objects" in message
        assert message.endswith("--id count")
    assert not database.exists()
    load(path, "--id", "count")
    assert [id for id, *_ in stored()] == ["2"]
    load(path, "--rows", "results")
    load("-", "--rows", "results", input=PAGE)
    assert stored()[:2] == [("1", "a", None), ("2", "b", None)]


def test_a_header_that_looks_like_a_row_is_told_once(registered, database, file):
    path = file("a.csv", "1,hello\n2,world\n")
    arguments = ["embed-multi", "c", path, "-m", "words", "-d", database]
    result = run(*arguments)
    assert result.exit_code == 0
    assert result.stderr == (
        "Warning: The header names the column of ids '1', a number like those in it, the first of "
        f"which is in line 2 of {path}: if the header is a row, use --no-headers\n"
    )
    assert output(*arguments, "--no-headers").startswith("1 embedded, 0 reused, 0 updated, 1 unch")


def test_only_a_header_is_told(registered, database, file):
    path = file("a.csv", "1,hello\n")
    arguments = ["embed-multi", "c", path, "-m", "words", "-d", database]
    assert run(*arguments).stderr == (
        f"There is nothing to embed\n{path} has a header and no rows: --no-headers takes its first "
        "line as a row\n"
    )
    assert output(*arguments, "--no-headers").startswith("1 embedded")
    assert run(*arguments[:2], file("b.csv", ""), *arguments[3:]).stderr == (
        "There is nothing to embed\n"
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["embed-multi", "c", "-", "-m", "local"],
        ["embed", "c", "1", "-m", "local"],
        ["similar", "c", "-i", "-"],
        ["collections", "import", "-"],
    ],
)
def test_standard_input_that_is_closed(database, arguments):
    output("embed", "c", "0", "-m", "local", "-c", "x", "-d", database)
    command = [sys.executable, "-m", "vecstore", *arguments, "-d", str(database)]
    closed = ["sh", "-c", 'exec "$@" <&-', "sh", *command]
    result = subprocess.run(closed, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert result.stderr.endswith("Error: Standard input is closed: there is nothing to read\n")


def test_dialects(load, stored, file):
    load("-", "--delimiter", "^", "--quotechar", "'", input="id^t\n1^'a^b'\n")
    load("-", "--delimiter", r"\t", input="id\tt\n2\ta,b\n")
    load("-", "--delimiter", "tab", input="id\tt\n3\ta,b\n")
    load(file("a.tsv", 'id\tt\n4\t"a" - b\n'), "--quoting", "none")
    load("-", input='id, t\n5, "a, b"\n')
    assert [content for _, content, _ in stored()] == ["a^b", "a,b", "a,b", '"a" - b', "a, b"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.json", "--delimiter", ";"], "--delimiter is for CSV and TSV, and the format is json"),
        (["a.jsonl.gz", "--no-headers"], "--no-headers is for CSV and TSV, and the format is nl"),
        (["-", "--format", "nl", "--quoting", "none"], "--quoting is for CSV and TSV, and the for"),
        (["a.csv", "--rows", "x"], "--rows is for JSON, and the format is csv"),
        (["-", "--format", "tsv", "--rows", "x"], "--rows is for JSON, and the format is tsv"),
        (["-", "--quotechar", "'", "--rows", "x"], "--rows is for JSON, and --quotechar for CSV"),
        (["-", "--quotechar", "'", "--quoting", "none"], "it cannot be used with --quotechar"),
        (["-", "--delimiter", "ab"], "The delimiter is 'ab': it must be one character"),
        (["--sql", "select 1", "--no-headers"], "--no-headers must be used with an input path"),
        (["--sql", "select 1", "--rows", "x"], "--rows must be used with an input path"),
        (["--files", ".", "*", "--no-detect-types"], "--no-detect-types must be used with an inp"),
    ],
)
def test_options_that_contradict_each_other(registered, database, arguments, message):
    assert message in usage_error("embed-multi", "c", "-d", database, *arguments)
    assert not database.exists()


# Bytes


@pytest.mark.parametrize("name", ["a.csv.gz", "a.csv", "-"])
def test_what_is_zipped_is_unzipped(load, stored, file, name):
    data = gzip.compress(YEARS.encode()) + gzip.compress(b"4,d,5\n")
    source, text = ("-", data) if name == "-" else (file(name, data), None)
    load(source, "--content", "text", input=text)
    assert [content for _, content, _ in stored()] == ["a", "b", "c", "d"]


def test_json_that_is_zipped_and_a_name_that_says_so_in_vain(load, stored, file):
    load(file("a.json.gz", gzip.compress(PAGE.encode())), "--rows", "results")
    load(file("b.csv.gz", "id,t\n3,c\n"))
    assert [content for _, content, _ in stored()] == ["a", "b", "c"]


def test_a_zipped_file_that_is_broken_is_an_error(registered, database, file):
    data = gzip.compress("".join(f"{i},text {i * 7919}\n" for i in range(5000)).encode())
    damaged = data[:2000] + bytes([data[2000] ^ 255]) + data[2001:]
    for broken, problem in (
        (data[:-100], "ends too early: part of it is missing"),
        (data[:3], "ends too early: part of it is missing"),
        (damaged, "is damaged: "),
        (data + b"more", "is damaged: "),
    ):
        path = file("a.csv.gz", broken)
        message = error("embed-multi", "c", path, "-m", "words", "-d", database)
        assert message.startswith(f"{path} is a gzip file that {problem}")
    assert not database.exists()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.csv", b'id,t\n1,a\n2,caf\xe9\n3,b\n4,\0\n5,c,d\n6,"c" d\n7,d\n'),
        (
            "a.jsonl",
            b'{"id": 1, "t": "a"}\n{"id": "\xe9"}\n{"id": 3, "t": "b"}\n[]\n{"id": 7, "t": "d"}',
        ),
        (
            "a.json",
            b'[{"id": 1, "t": "a"}, {"id": "\xe9"}, {"id": 3, "t": "b"}, 5, {"id": 7, "t": "d"}]',
        ),
    ],
)
def test_what_cannot_be_read_can_be_left_out(
    registered,
    database,
    file,
    stored,
    name,
    data,
):
    path = file(name, data)
    arguments = ["embed-multi", "c", path, "-m", "words", "-d", database, "--store"]
    assert "is not utf-8: name its encoding with --encoding" in error(*arguments)
    assert run(*arguments, "--on-error", "skip").exit_code == 1
    assert stored() == [("1", "a", None), ("3", "b", None), ("7", "d", None)]
