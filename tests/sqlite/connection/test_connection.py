"""connect(): what it opens, what it sets, and what it refuses."""

import sqlite3
import subprocess
import sys

import pytest
from sqlite_utils.utils import sqlite3 as driver_module

import vecstore
from tests.support.databases import KINDS, LOADS_EXTENSIONS, rows
from tests.support.models import Vectors
from vecstore import Collection
from vecstore.sqlite import transactions
from vecstore.sqlite.connection import dbapi

DRIVERS = ["apsw", "sqlite3"] if LOADS_EXTENSIONS else ["apsw"]


@pytest.fixture(params=DRIVERS)
def driver(request):
    return request.param


def test_every_kind_of_connection_has_sqlite_vec_and_loads_nothing_more(db, model):
    Collection("test", db, model=model)
    assert rows(db, "select vec_version() like 'v0.1.%'") == [(1,)]
    with pytest.raises(db.conn.OperationalError, match="not authorized"):
        db.execute("select load_extension('nothing')")


def test_a_new_file_is_in_wal_mode_with_large_pages(db, model):
    Collection("test", db, model=model)
    assert db.journal_mode == "wal"
    assert rows(db, "pragma page_size") == [(8192,)]


def test_an_existing_file_keeps_its_mode_and_page_size(path, open_db, model):
    with sqlite3.connect(path) as conn:
        conn.execute("create table t (a)")
    conn.close()
    db = open_db(path)
    Collection("test", db, model=model)
    assert db.journal_mode == "delete"
    assert rows(db, "pragma page_size") == [(4096,)]


def test_the_settings_of_a_connection(path, driver, closing):
    db = closing(vecstore.connect(path, driver=driver, timeout=1.5))
    settings = ("foreign_keys", "trusted_schema", "busy_timeout", "recursive_triggers")
    assert [rows(db, f"pragma {name}")[0][0] for name in settings] == [1, 1, 1500, 1]
    assert rows(db, "pragma mmap_size")[0][0] > 2**30


def test_without_a_path_the_database_is_in_memory(driver, closing):
    for path in (None, ":memory:"):
        db = closing(vecstore.connect(path, driver=driver))
        assert db.memory
        assert rows(db, "select file from pragma_database_list") == [("",)]


def test_auto_is_the_module_of_sqlite_utils_where_it_loads_extensions(path, closing):
    db = closing(vecstore.connect(path))
    expected = driver_module.Connection if LOADS_EXTENSIONS else dbapi.Connection
    assert isinstance(db.conn, expected)


def test_auto_is_apsw_for_a_file_that_apsw_has_open(path, closing):
    closing(vecstore.connect(path, driver="apsw"))
    assert type(closing(vecstore.connect(path)).conn) is dbapi.Connection


@pytest.mark.skipif(LOADS_EXTENSIONS, reason="this Python's sqlite3 loads extensions")
def test_the_driver_sqlite3_is_refused_where_it_cannot_load_extensions(path):
    with pytest.raises(vecstore.ExtensionError, match="use driver='auto' or driver='apsw'"):
        vecstore.connect(path, driver="sqlite3")


def test_an_unknown_driver_is_refused(path):
    with pytest.raises(ValueError, match="'postgres'"):
        vecstore.connect(path, driver="postgres")


def test_a_path_can_be_hostile(tmp_path, driver, closing):
    for name in ("a b.db", "per%20cent.db", "que?ry#.db", "file:x.db", "é'\".db"):
        path = tmp_path / name
        closing(vecstore.connect(path, driver=driver))["t"].insert({"a": 1})
        read_only = closing(vecstore.connect(path, driver=driver, read_only=True))
        assert read_only["t"].count == 1
        assert path.exists()


def test_a_missing_file_is_not_opened_read_only(tmp_path, driver):
    with pytest.raises(vecstore.DatabaseError, match="does not exist"):
        vecstore.connect(tmp_path / "no.db", driver=driver, read_only=True)
    assert not (tmp_path / "no.db").exists()


def test_a_missing_folder_is_named(tmp_path, driver):
    with pytest.raises(vecstore.DatabaseError, match="no-folder does not exist"):
        vecstore.connect(tmp_path / "no-folder" / "a.db", driver=driver)


def test_a_folder_is_no_database(tmp_path, driver):
    with pytest.raises(vecstore.DatabaseError, match="is a folder"):
        vecstore.connect(tmp_path, driver=driver)


def test_a_file_that_is_not_sqlite_is_refused_and_untouched(tmp_path, driver):
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"not a database " * 100)
    with pytest.raises(vecstore.DatabaseError, match=r"photo\.jpg cannot be read as a SQLite"):
        vecstore.connect(path, driver=driver)
    assert path.read_bytes() == b"not a database " * 100


def test_a_read_only_connection_writes_nothing(path, driver, closing):
    closing(vecstore.connect(path, driver=driver))["t"].insert({"a": 1})
    db = closing(vecstore.connect(path, driver=driver, read_only=True))
    with pytest.raises(db.conn.OperationalError, match="readonly"):
        db["t"].insert({"a": 2})


def test_an_exception_in_a_transaction_undoes_it(db):
    db["t"].insert({"a": 1})

    def insert_and_stop():
        db["t"].insert({"a": 2})
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        transactions.write(db, insert_and_stop)
    assert not db.conn.in_transaction
    assert db["t"].count == 1


def test_a_transaction_waits_at_its_start(path, driver, closing):
    one = closing(vecstore.connect(path, driver=driver))
    two = closing(vecstore.connect(path, driver=driver, timeout=0.05))
    one["t"].insert({"a": 1})

    def write_two():
        with pytest.raises(two.conn.OperationalError, match="locked"):
            transactions.write(two, lambda: pytest.fail("two writers held the lock"))

    transactions.write(one, write_two)
    transactions.write(two, lambda: two["t"].insert({"a": 2}))
    assert one["t"].count == 2


def test_the_users_own_settings_are_kept_by_adoption(path, closing, model):
    for name in set(KINDS) - {"apsw", "sqlite3"}:
        db = closing(KINDS[name](path))
        db.execute("pragma foreign_keys = off")
        db.execute("pragma busy_timeout = 1234")
        db.execute("pragma recursive_triggers = off")
        Collection("test", db, model=model)
        settings = ("foreign_keys", "busy_timeout", "recursive_triggers")
        assert [rows(db, f"pragma {setting}")[0][0] for setting in settings] == [0, 1234, 0]
        db.close()


SNIPPET = """
import sqlite_utils
import vecstore as llm
db = sqlite_utils.Database("my-embeddings.db")
collection = llm.Collection("entries", db, model_id="local")
collection.embed("hound", "my happy hound", store=True)
print([entry.id for entry in llm.Collection("entries", db).similar("dog")])
"""


def test_the_documented_snippet_in_a_new_process(tmp_path):
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", SNIPPET], cwd=tmp_path, capture_output=True, text=True
    )
    assert (result.stdout, result.stderr) == ("['hound']\n", "")


def test_vectors_made_through_one_driver_are_found_through_another(path, closing):
    for name in sorted(KINDS):
        db = closing(KINDS[name](path))
        collection = Collection("test", db, model=Vectors())
        collection.embed(name, "1 0")
        assert sorted(e.id for e in collection.similar("1 0")) == collection.ids()
        db.close()
    assert Collection("test", closing(vecstore.connect(path))).count() == len(KINDS)
