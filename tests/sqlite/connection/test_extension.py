"""sqlite-vec in two SQLite libraries of one process."""

import subprocess
import sys

import apsw
import pytest
import sqlite_utils
import sqlite_vec
from sqlite_utils.utils import sqlite3

import vecstore
from tests.support.command import process
from tests.support.databases import LOADS_EXTENSIONS
from tests.support.models import Vectors
from vecstore import Collection
from vecstore.errors import DatabaseError
from vecstore.readers import read_query
from vecstore.sqlite.connection import dbapi, extension
from vecstore.sqlite.databases import connect_to_read

# sqlite-vec itself, which would load; by its path without and with the init function.
LOADS = [
    f"select load_extension('{sqlite_vec.loadable_path()}')",
    f"select load_extension('{sqlite_vec.loadable_path()}', 'sqlite3_vec_init')",
]

TWO_LIBRARIES = """
import sys
import sqlite_vec
import vecstore
from vecstore import Collection

class Model(vecstore.EmbeddingModel):
    model_id = "m"
    def embed_batch(self, items):
        return [[float(len(item)), 1.0] + [0.0] * 6 for item in items]

def use(collection):
    collection.embed_multi((f"{n}", "x" * n) for n in range(1, 300))
    collection.delete_ids(["1"])
    assert collection.similar("xxx", 1)[0].id == "3"
    collection.delete_ids(collection.ids())

if sys.argv[1] == "user-of-sqlite-utils-first":
    import sqlite_utils
    conn = sqlite_utils.Database(memory=True).conn  # its plugin loads sqlite-vec
if sys.argv[1] == "user-first":
    import sqlite3
    conn = sqlite3.connect(":memory:")
    conn.enable_load_extension(True)
    sqlite_vec.load(conn)
collections = [
    Collection("c", vecstore.connect(f"{n}.db", driver=driver), model=Model())
    for n, driver in enumerate(sys.argv[2:])
]
if sys.argv[1] == "user-last":
    import sqlite3
    conn = sqlite3.connect(":memory:")
    conn.enable_load_extension(True)
    sqlite_vec.load(conn)
for _ in range(3):
    for collection in collections:
        use(collection)
    if sys.argv[1].startswith("user"):
        sql = "select vec_distance_cosine('[1, 1]', '[1, 0]')"
        assert 0.29 < conn.execute(sql).fetchone()[0] < 0.3
for collection in collections:
    collection.db.close()
print("ok")
"""


@pytest.mark.skipif(not LOADS_EXTENSIONS, reason="only apsw loads extensions in this Python")
@pytest.mark.skipif(sys.platform != "linux", reason="refused elsewhere")
@pytest.mark.parametrize(
    "user", ["no-user", "user-first", "user-of-sqlite-utils-first", "user-last"]
)
@pytest.mark.parametrize("drivers", [("sqlite3", "apsw"), ("apsw", "sqlite3", "apsw")])
def test_two_libraries_use_the_extension_side_by_side(tmp_path, user, drivers):
    command = [sys.executable, "-c", TWO_LIBRARIES, user, *drivers]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (result.returncode, result.stdout, result.stderr) == (0, "ok\n", "")


def test_where_it_cannot_have_a_copy_the_second_library_is_refused(monkeypatch, path):
    monkeypatch.setattr(extension, "_others_load_extensions", lambda: False)
    monkeypatch.setattr(extension, "_loaded_into", {"other"})
    before = apsw.connections()  # of other tests, until they are collected
    with pytest.raises(vecstore.ExtensionError, match="loaded into other in this process"):
        vecstore.connect(path, driver="apsw")
    assert [conn for conn in apsw.connections() if conn not in before] == []


NOTHING_FROM_MEMORY = """
import vecstore
from vecstore.sqlite.connection import extension

def refuse(*_, **__):
    raise OSError("not permitted")

extension.ctypes.CDLL = refuse
assert extension._private_copy() is None
extension._others_load_extensions = lambda: True
db = vecstore.connect(driver="apsw")
print(db.execute("select vec_version() like 'v%'").fetchone()[0], extension._loaded_into)
db.close()
"""


def test_where_no_code_runs_from_memory_one_library_still_loads_it():
    command = [sys.executable, "-c", NOTHING_FROM_MEMORY]  # not beside what this process loaded
    result = subprocess.run(command, capture_output=True, text=True)
    assert (result.returncode, result.stdout, result.stderr) == (0, "1 {'apsw'}\n", "")


def refuses_to_load(conn) -> None:
    for sql in LOADS:
        with pytest.raises(conn.OperationalError, match="not authorized"):
            conn.execute(sql).fetchall()


def test_sql_loads_nothing_on_any_kind_of_connection(open_db, path):
    collection = Collection("test", open_db(path), model=Vectors())
    refuses_to_load(collection.db.conn)
    collection.embed("a", "1 0")
    for sql in LOADS:
        with pytest.raises(vecstore.InvalidInputError, match="not authorized"):
            collection.similar("1 0", where=f"({sql}) is null")
        db = collection.db
        db.execute("drop view if exists v")
        db.execute(f"create view v as {sql} as x")
        with pytest.raises(db.conn.OperationalError, match="not authorized|unsafe use"):
            db.execute("select * from v").fetchall()
    refuses_to_load(collection.db.conn)


@pytest.mark.parametrize("opened", ["memory", "read-only", "to-read"])
def test_sql_loads_nothing_on_a_connection_that_reads(path, closing, opened):
    Collection("test", closing(vecstore.connect(path, driver="apsw")), model=Vectors())
    db = {
        "memory": lambda: vecstore.connect(driver="apsw"),
        "read-only": lambda: vecstore.connect(path, driver="apsw", read_only=True),
        "to-read": lambda: connect_to_read(path, driver="apsw"),
    }[opened]()
    refuses_to_load(closing(db).conn)


@pytest.mark.parametrize("is_loaded", [False, True])
def test_loading_that_a_user_left_on_is_off_then(closing, is_loaded):
    conn = sqlite3.connect(":memory:") if LOADS_EXTENSIONS else None
    conn = conn or dbapi.Connection(apsw.Connection(":memory:"))
    conn.enable_load_extension(True)
    if is_loaded:
        extension.load_sqlite_vec(conn)
        conn.enable_load_extension(True)
        with pytest.raises(conn.OperationalError, match="nothing.*cannot open"):
            conn.execute("select load_extension('nothing')")
    db = closing(sqlite_utils.Database(conn))
    Collection("test", db, model=Vectors())
    assert db.conn is conn
    refuses_to_load(conn)


def test_a_query_to_embed_loads_nothing(path):
    Collection("test", path, model=Vectors()).db.close()
    for sql in LOADS:
        for database, attach in ((path, ()), (None, [("a", path)])):
            with pytest.raises(DatabaseError, match="not authorized"):
                read_query(sql, database, attach)


def test_sql_in_the_shell_loads_nothing(path):
    Collection("test", path, model=Vectors()).db.close()
    for sql in (LOADS[0], f".open {path}", f".connection 0\n{LOADS[1]}"):
        done = process("shell", path, input=f"{sql};\n{LOADS[0]};\n")
        assert (done.returncode, done.stdout) == (1, "")
        assert "not authorized" in done.stderr
