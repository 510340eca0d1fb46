"""A file and its index are copied, moved, restored, linked to, and shut off from each other."""

import os
import shutil
import stat
from contextlib import closing
from pathlib import Path

import pytest

import vecstore
from tests.support.beside import (
    assert_searches,
    copy_both,
    index_of,
    is_in_step,
    make_searched_file,
    small_partitions,
    write,
)
from tests.support.databases import rows
from tests.support.ordinary_user import as_an_ordinary_user, only_root_is_two_users
from vecstore.sqlite.connection import opening

DELETE = "delete from embeddings where id like '%{}'"
ENDINGS = ("", "-vec")


@pytest.fixture(autouse=True)
def partitions():
    with small_partitions():
        yield


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    path = tmp_path_factory.mktemp("original") / "test.db"
    make_searched_file(path)
    return path


@pytest.fixture
def work(original, public_folder):
    path = public_folder / "work.db"
    copy_both(original, path)
    return path


@pytest.fixture
def search(open_db):
    """A function that opens a file, searches it, writes to it, and leaves its index in step."""

    def open_and_search(path, digit):
        db = open_db(str(path))
        assert_searches(db)
        write(db, DELETE.format(digit))
        assert_searches(db)
        assert is_in_step(db)
        db.close()

    return open_and_search


def names(folder):
    return sorted(file.name for file in folder.iterdir())


def test_a_file_restored_from_a_backup_has_the_index_of_later_and_is_searched_right(work, search):
    backup = work.with_name("backup.db")
    shutil.copy(work, backup)
    search(work, 1)
    search(work, 2)
    shutil.copy(backup, work)
    search(work, 3)


def test_a_file_restored_and_written_since_is_searched_right(open_db, work, search):
    """It has as many changes as the index has followed, or more, and others."""
    backup = work.with_name("backup.db")
    for more in (0, 1, 5):
        shutil.copy(work, backup)
        db = open_db(str(work))
        write(db, DELETE.format(1))
        assert_searches(db)
        [(last,)] = rows(db, "select max(seq) from vecstore_changes")
        db.close()
        shutil.copy(backup, work)
        with closing(opening.open_bare_connection(str(work), "apsw")) as plain:
            for n in range(100):
                if (
                    plain.execute("select max(seq) from vecstore_changes").fetchone()[0]
                    >= last + more
                ):
                    break
                plain.execute(
                    """
                    update embeddings
                    set embedding = (select embedding from embeddings where id = 'small 3')
                    where id = ?
                    """,
                    [f"large {n}"],
                )
                plain.commit()
        search(work, 2)


def test_a_copy_without_its_index_goes_its_own_way(work, search):
    copy = work.with_name("copy.db")
    shutil.copy(work, copy)
    search(copy, 1)
    search(work, 2)
    # Both have gone on with the same numbers.
    for first, second in ((work, copy), (copy, work)):
        shutil.copy(index_of(first), index_of(second))
        search(second, 3)


def test_a_file_that_is_moved_with_its_index_or_without(work, search):
    for ending, moved in (("one", ENDINGS), ("two", ENDINGS[:1])):
        before, work = work, work.with_name(f"{ending}.db")
        for each in moved:
            Path(f"{before}{each}").rename(f"{work}{each}")
        search(work, len(moved))
    # And another file takes the name that has an index still.
    shutil.copy(work, before)
    search(before, 3)


def test_links_lead_to_the_file_and_its_index(work, search):
    folder = work.parent / "folder"
    folder.mkdir()
    symbolic, hard = folder / "symbolic.db", folder / "hard.db"
    symbolic.symlink_to("../work.db")
    os.link(work, hard)
    for digit, path in enumerate((symbolic, hard, work, symbolic, hard), start=1):
        search(path, digit)
    assert names(folder) == ["hard.db", "hard.db-vec", "symbolic.db"]
    assert names(work.parent) == ["folder", "work.db", "work.db-vec"]


# Who may do what

SHUT = {
    "the file": (0o444, 0o777),
    "the folder": (0o666, 0o555),
    "both": (0o444, 0o555),
}


@only_root_is_two_users
@pytest.mark.parametrize("what", SHUT)
@pytest.mark.parametrize("index", ["in step", "behind", "none", "unreadable", "stale journal"])
def test_what_cannot_be_written_is_searched_right(open_db, work, what, index):
    with closing(vecstore.connect(work)) as db:
        if index == "behind":
            db.execute(DELETE.format(1))
        db.execute("pragma journal_mode = delete").fetchall()
    beside = index_of(work)
    beside.chmod(0o644)
    if index == "none":
        beside.unlink()
    elif index == "unreadable":
        beside.chmod(0)
    elif index == "stale journal":
        Path(f"{beside}-journal").write_bytes(b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7" + bytes(3000))
    before = names(work.parent)
    of_file, of_folder = SHUT[what]
    work.chmod(of_file)
    work.parent.chmod(of_folder)
    contents = work.read_bytes()
    with as_an_ordinary_user():
        for read_only in (False, True):
            with closing(vecstore.connect(work, read_only=read_only)) as db:
                assert_searches(db)
        db = open_db(str(work))
        assert_searches(db)
        db.close()
    work.parent.chmod(0o755)
    assert work.read_bytes() == contents
    assert names(work.parent) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a disk here")
def test_a_mount_that_is_read_only_is_searched_right(open_db, original, tmp_path):
    import subprocess

    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("no disk can be mounted here")
    try:
        for name in ("with", "without"):
            copy_both(original, folder / f"{name}.db")
            with closing(vecstore.connect(folder / f"{name}.db")) as db:
                db.execute("pragma journal_mode = delete").fetchall()
        index_of(folder / "without.db").unlink()
        subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
        for name in ("with", "without"):
            db = open_db(str(folder / f"{name}.db"))
            assert_searches(db)
            db.close()
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o660, 0o666])
def test_an_index_can_be_read_by_those_who_can_read_its_file(open_db, work, mode):
    index_of(work).unlink()
    work.chmod(mode)
    before = os.umask(0o002)
    try:
        assert_searches(open_db(str(work)))
    finally:
        os.umask(before)
    assert stat.S_IMODE(index_of(work).stat().st_mode) == mode


def test_an_index_is_shut_where_its_file_has_been(open_db, work):
    assert stat.S_IMODE(index_of(work).stat().st_mode) == 0o644
    work.chmod(0o600)
    db = open_db(str(work))
    write(db, DELETE.format(1))
    assert_searches(db)
    assert stat.S_IMODE(index_of(work).stat().st_mode) == 0o600


@only_root_is_two_users
def test_the_index_that_another_user_makes_is_not_for_the_group_of_that_user(work, public_folder):
    """Who may write as a member of the group of the file, and makes files of another."""
    index_of(work).unlink()
    work.chmod(0o660)
    os.chown(work, 1234, 2345)
    public_folder.chmod(0o777)
    groups = os.getgroups()
    os.setgroups([2345])
    try:
        with as_an_ordinary_user(), closing(vecstore.connect(work)) as db:
            assert_searches(db)
    finally:
        os.setgroups(groups)
    status = index_of(work).stat()
    assert (status.st_gid, stat.S_IMODE(status.st_mode)) == (2345, 0o660)


@only_root_is_two_users
def test_an_index_of_another_group_is_for_those_who_are_others_to_the_file(work, public_folder):
    index_of(work).unlink()
    work.chmod(0o666)
    os.chown(work, 1234, 2345)
    public_folder.chmod(0o777)
    with as_an_ordinary_user(), closing(vecstore.connect(work)) as db:
        assert_searches(db)
        assert index_of(work).stat().st_gid != 2345
        os.seteuid(0)
        work.chmod(0o662)
        os.seteuid(65534)
        write(db, DELETE.format(1))
        assert_searches(db)
    assert stat.S_IMODE(index_of(work).stat().st_mode) == 0o622


def test_a_file_of_another_user_gets_an_index_of_that_user(open_db, work):
    if os.geteuid():
        pytest.skip("only root can give files away")
    index_of(work).unlink()
    os.chown(work, 1234, 2345)
    work.chmod(0o640)
    assert_searches(open_db(str(work)))
    status = index_of(work).stat()
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (1234, 2345, 0o640)
