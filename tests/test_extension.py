"""sqlite-vec in two SQLite libraries of one process."""

import subprocess
import sys

import apsw
import pytest

import vecstore
from tests.conftest import LOADS_EXTENSIONS
from vecstore import extension

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
@pytest.mark.parametrize("user", ["no-user", "user-first", "user-last"])
@pytest.mark.parametrize("drivers", [("sqlite3", "apsw"), ("apsw", "sqlite3", "apsw")])
def test_two_libraries_use_the_extension_side_by_side(tmp_path, user, drivers):
    command = [sys.executable, "-c", TWO_LIBRARIES, user, *drivers]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (result.returncode, result.stdout, result.stderr) == (0, "ok\n", "")


def test_where_it_cannot_have_a_copy_the_second_library_is_refused(monkeypatch, path):
    monkeypatch.setattr(extension, "_others_load_extensions", lambda: False)
    monkeypatch.setattr(extension, "_loaded_into", {"other"})
    with pytest.raises(vecstore.ExtensionError, match="loaded into other in this process"):
        vecstore.connect(path, driver="apsw")
    assert apsw.connections() == []


NOTHING_FROM_MEMORY = """
import vecstore
from vecstore import extension

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
