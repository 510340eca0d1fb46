"""A path is enough to read a file that cannot be written; what cannot be read says what helps."""

import shutil
import subprocess
import sys

import pytest

import vecstore
from tests.support import ROOT
from tests.support.command import run
from tests.support.models import Pseudorandom
from tests.support.ordinary_user import as_an_ordinary_user, only_root_is_two_users
from tests.support.roots_writer import ENTRIES, assert_version
from vecstore import Collection, DatabaseError

pytestmark = only_root_is_two_users


@pytest.fixture(params=["file", "folder", "both", "mount"])
def unwritable(request, path, public_folder):
    if request.param == "mount":
        mounted = public_folder / "mounted"
        mounted.mkdir()
        mount = ["mount", "--bind", "-o", "ro", str(path.parent), str(mounted)]
        if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
            pytest.skip("nothing can be mounted here")
        yield mounted / path.name
        subprocess.run(["umount", "--lazy", str(mounted)], check=True)
        return
    path.chmod(0o666 if request.param == "folder" else 0o644)
    path.parent.chmod(0o777 if request.param == "file" else 0o755)
    with as_an_ordinary_user():
        yield path


def test_a_collection_that_cannot_be_written_is_read(unwritable, pseudorandom_installed):
    for model in ({}, {"model": Pseudorandom()}, {"model_id": "pseudorandom"}):
        collection = Collection("docs", unwritable, **model)
        assert_version(collection, 0)
        collection.db.close()


def test_a_write_names_the_file_and_what_helps(unwritable, pseudorandom_installed):
    collection = Collection("docs", unwritable, model=Pseudorandom())
    expected = rf"{unwritable} is readonly for this user, who .* have its owner allow that, or"
    for write in (
        lambda: collection.embed("new", "text"),
        lambda: collection.delete_ids(["id 00"]),
        collection.delete,
    ):
        with pytest.raises(collection.db.conn.OperationalError, match=expected):
            write()
    assert_version(collection, 0)
    collection.db.close()


def test_a_collection_that_is_not_there_is_said_to_be_missing(unwritable):
    expected = rf"'none' does not exist \({unwritable} has 'docs'\), and cannot be created"
    with pytest.raises(vecstore.DoesNotExist, match=expected):
        Collection("none", unwritable, model=Pseudorandom())
    with pytest.raises(vecstore.DoesNotExist, match="Collection does not exist: 'none'"):
        Collection("none", unwritable, create=False)


def test_a_file_that_cannot_be_made_is_said_to_be_missing(public_folder):
    missing = public_folder / "none.db"
    expected = f"{missing} does not exist, and this user cannot make it in {public_folder}"
    with as_an_ordinary_user(), pytest.raises(DatabaseError, match=expected):
        Collection("docs", missing, model=Pseudorandom())


def make_wal_of_a_crash(path):
    code = f"""
import os, vecstore
from tests.support.models import Pseudorandom
collection = vecstore.Collection("docs", {str(path)!r}, model=Pseudorandom())
collection.embed("crashed", "x")
os._exit(0)
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def make_wal_without_shm(path):
    make_wal_of_a_crash(path)
    path.with_name("docs.db-shm").unlink()


def make_hot_journal(path):
    code = f"""
import os, sqlite3
conn = sqlite3.connect({str(path)!r}, isolation_level=None)
conn.execute("pragma journal_mode = delete").fetchall()
conn.execute("pragma cache_size = 1")
conn.execute("begin")
conn.execute("create table t (a)")
conn.execute("insert into t select randomblob(5000) from embeddings")
os._exit(0)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_wal_of_a_crash_is_read_where_its_shm_is_there(path):
    make_wal_of_a_crash(path)
    with as_an_ordinary_user():
        collection = Collection("docs", path)
        assert collection.count() == ENTRIES + 1
        collection.db.close()


@pytest.mark.parametrize(
    ("make", "ending"), [(make_wal_without_shm, "-wal"), (make_hot_journal, "-journal")]
)
def test_what_cannot_be_read_says_what_helps(path, make, ending):
    make(path)
    for open_it in (
        lambda: Collection("docs", path),
        lambda: vecstore.connect(path, read_only=True),
        lambda: vecstore.connect(path),
        lambda: Collection.exists(path, "docs"),
    ):
        expected = rf"{path}{ending} holds .* run 'vecstore check {path}', or copy both files"
        with as_an_ordinary_user(), pytest.raises(DatabaseError, match=expected):
            open_it()
    with as_an_ordinary_user():
        result = run("similar", "docs", "id 00", "-d", path)
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert f"{path}{ending} holds" in result.stderr
    assert run("check", path).exit_code == 0
    with as_an_ordinary_user():
        collection = Collection("docs", path)
        assert collection.count() == ENTRIES + (ending == "-wal")
        collection.db.close()


def test_a_file_that_may_not_be_read_is_named(path):
    path.chmod(0)
    expected = f"{path} cannot be read .* this user may not read it"
    with as_an_ordinary_user(), pytest.raises(DatabaseError, match=expected):
        Collection("docs", path)
