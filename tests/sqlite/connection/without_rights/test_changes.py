"""Readers that may not write beside the file, while others do: old or new answers, no mixture."""

import io
import json
import time

import pytest

import vecstore
from tests.support.command import run
from tests.support.models import Pseudorandom
from tests.support.ordinary_user import as_an_ordinary_user, only_root_is_two_users
from tests.support.roots_writer import ENTRIES, assert_version, versions
from vecstore import Collection, DatabaseError, FileChangedError
from vecstore.cli.databases import open_existing_file
from vecstore.cli.shell import _make_shell
from vecstore.readers.query_rows import read_query


def test_a_reader_lives_through_all_that_a_writer_does(writer, path, reader):
    collection = Collection("docs", reader, model=Pseudorandom())
    assert_version(collection, 0)
    for n, command in enumerate(["session", "session", "replace", "replace", "session"], 1):
        writer(path, command, n)
        assert_version(collection, n)
        assert reader.conn.watch.is_frozen
    writer(path, "open")
    for n, command in enumerate(["checkpoint", "commit", "vacuum", "checkpoint"], 6):
        writer(path, "commit", n)
        assert_version(collection, n)
        assert not reader.conn.watch.is_frozen
        writer(path, command, n)
        assert_version(collection, n)
    writer(path, "close")
    assert_version(collection, 9)
    writer(path, "session", 10)
    assert_version(collection, 10)


pytestmark = only_root_is_two_users


def test_a_reader_that_came_while_a_writer_was_there_stays_when_it_has_gone(writer, path, closing):
    writer(path, "open")
    writer(path, "commit", 1)
    with as_an_ordinary_user():
        first = closing(vecstore.connect(path, read_only=True))
        collection = Collection("docs", first, model=Pseudorandom())
        assert_version(collection, 1)
        first.close()
        writer(path, "close")
        collection = Collection("docs", closing(vecstore.connect(path, read_only=True)))
        assert collection.get("id 00").metadata == {"n": 1}
        assert collection.db.conn.watch.is_frozen
        collection.db.close()


def test_a_whole_operation_is_done_again_if_the_file_is_changed_meanwhile(writer, path, reader):
    collection = Collection("docs", reader, model=Pseudorandom())
    changes = iter([1, 2])

    def change(value):
        n = next(changes, None)
        if n:
            writer(path, "session", n)
        return value

    reader.register_function(change)
    assert {entry.metadata["n"] for entry in collection.similar("x", where="change(1)")} == {2}
    changes = iter([3])
    explanation = collection.explain("x", where="change(1)", exact=True)
    assert {entry.metadata["n"] for entry in explanation.entries} == {3}
    assert len(explanation.steps) == 1


def test_no_row_of_a_changed_file_is_handed_out(writer, path, reader):
    rows = reader.execute("select metadata from embeddings")
    found = [next(rows)]
    writer(path, "session", 1)
    with pytest.raises(FileChangedError, match=r"docs\.db was changed while it was read"):
        found += list(rows)
    assert {json.loads(metadata)["n"] for (metadata,) in found} == {0}
    rows = reader.execute("select metadata from embeddings")
    writer(path, "replace", 2)
    with pytest.raises(FileChangedError):
        rows.fetchall()
    assert reader.execute("select metadata from embeddings").fetchone() == ('{"n": 2}',)
    with pytest.raises(FileChangedError):
        rows.fetchall()  # of the file before


def test_a_transaction_sees_one_state_or_is_told(writer, path, reader):
    reader.execute("begin")
    assert reader.execute("select count(*) from embeddings").fetchone() == (ENTRIES,)
    writer(path, "session", 1)
    with pytest.raises(FileChangedError):
        reader.execute("select metadata from embeddings").fetchall()
    reader.execute("rollback")
    assert reader.execute("select metadata from embeddings").fetchone() == ('{"n": 1}',)
    with pytest.raises(FileChangedError):
        for _ in reader.query("select metadata from embeddings"):
            writer(path, "session", 2)
    assert not reader.conn.in_transaction


def test_what_a_connection_has_goes_over_to_the_next(writer, path, reader):
    Collection("docs", reader, model=Pseudorandom())
    conn = reader.conn
    conn.create_function("twice", 1, lambda value: 2 * value)
    conn.create_collation("backwards", lambda a, b: (a < b) - (a > b))
    reader.execute("pragma busy_timeout = 1234")
    reader.execute("pragma query_only = on")
    conn.row_factory = lambda _cursor, row: {"it": row[0]}
    conn.text_factory = bytes
    conn.isolation_level = None
    writer(path, "session", 1)
    assert reader.execute("select metadata from embeddings").fetchone() == {"it": b'{"n": 1}'}
    conn.row_factory, conn.text_factory = None, str
    assert reader.conn is conn
    assert conn.isolation_level is None
    for sql, value in {
        "pragma busy_timeout": 1234,
        "pragma query_only": 1,
        "pragma mmap_size": 0,
        "select twice(4)": 8,
        "select max(id collate backwards) from embeddings": "id 00",
        "select vecstore_embed('docs', 'a') is not null": 1,
    }.items():
        assert reader.execute(sql).fetchone() == (value,), sql
    if hasattr(conn, "apsw"):
        rows = reader.execute("select count(*) from vecstore_similar('docs', 'a', 7)")
        assert rows.fetchone() == (7,)


def test_a_connection_with_something_to_lose_is_not_opened_anew(writer, path, reader):
    reader.execute("create temp table kept (n)")
    writer(path, "session", 1)
    with pytest.raises(DatabaseError, match="opened anew, as kept would be lost"):
        reader.execute("select count(*) from embeddings")
    with pytest.raises(DatabaseError, match="kept would be lost"):
        reader.execute("select n from kept")


def test_a_file_that_was_replaced_beside_its_wal_is_not_read(writer, path, reader):
    writer(path, "open")
    writer(path, "commit", 1)
    collection = Collection("docs", reader)
    assert collection.get("id 00").metadata == {"n": 1}
    writer(path, "close")  # cannot remove the -wal, which the reader has open
    assert collection.get("id 00").metadata == {"n": 1}
    writer(path, "replace", 2)
    with pytest.raises(DatabaseError, match=r"docs\.db-wal is still that of the file before"):
        collection.get("id 00")


def test_a_storm_of_writers(writer, path, reader):
    collection = Collection("docs", reader, model=Pseudorandom())
    last, seen, until = 0, set(), time.monotonic() + 20
    writer.begin(path, "storm", 1)
    while last < 40 and time.monotonic() < until:
        try:
            everywhere = versions(collection)
        except FileChangedError:
            continue
        for found in everywhere.values():
            [n] = found
            assert n >= last
            seen.add(last := n)
        reader.close()  # so that the -wal goes with its writer
        time.sleep(0.01)
        reader = vecstore.connect(path, driver="apsw", read_only=True)
        collection = Collection("docs", reader, model=Pseudorandom())
    writer.end()
    reader.close()
    assert last == 40
    assert len(seen) > 1


def test_a_query_over_attached_files_that_may_be_frozen(writer, path, public_folder):
    sql = "select metadata from other.embeddings union all select metadata from embeddings"
    with as_an_ordinary_user():
        for n in (0, 1):
            with read_query(sql, path, [("other", path)]) as rows:
                found = {record.row["metadata"] for record in rows}
            assert found == {f'{{"n": {n}}}'}
            writer(path, "session", n + 1)


def test_a_check_is_done_again_and_an_export_is_told(writer, path, reader, tmp_path):
    changes = iter([1, 2])

    def change(*_):
        n = next(changes, None)
        if n:
            writer(path, "session", n)

    assert vecstore.check(reader, progress=change).problems == []
    changes = iter([3])

    class Stream(io.BytesIO):
        def write(self, data):
            change()
            return super().write(data)

    with pytest.raises(FileChangedError):
        vecstore.export_collection(reader, "docs", Stream())
    assert not reader.conn.in_transaction
    assert vecstore.export_collection(reader, "docs", io.BytesIO()).entries == ENTRIES


def test_a_shell_that_stays_open_shows_what_others_wrote(writer, path):
    run("shell", path, "select 1")  # an ordinary user may not read root's Python
    with as_an_ordinary_user(), open_existing_file(path) as db:
        shell = _make_shell(db)
        shell.stdout = io.StringIO()
        for n in (1, 2):
            shell.run("select metadata from embeddings limit 1;")
            writer(path, "session", n)
        shell.run("select metadata from embeddings limit 1;")
    assert shell.stdout.getvalue() == '{"n": 0}\n{"n": 1}\n{"n": 2}\n'
