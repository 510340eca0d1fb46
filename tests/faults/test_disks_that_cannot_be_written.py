"""A disk that is full, and files and folders that only others may write to: each command."""

import errno
import os
import shutil
from pathlib import Path

import pytest

from tests.support.command import run
from tests.support.every_kind import COMMANDS, NAMES, opened, run_in
from tests.support.full_disk import largest_file, small_disk_at
from tests.support.models import Pseudorandom
from tests.support.ordinary_user import as_an_ordinary_user
from vecstore import Collection, DatabaseError, check

pytestmark = pytest.mark.usefixtures("pseudorandom_installed")

READING = ["list", "similar", "check", "index-list"]
KIBIBYTE = 1024


def contents(folder):
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def assert_one_line(result, folder, *messages):
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    assert str(folder) in result.stderr
    assert any(message in result.stderr for message in messages)


def assert_whole(folder, before):
    """Assert that the file is sound, and that targets are what they were; nothing else is there."""
    assert check(folder / "test.db").problems == []
    after = contents(folder)
    for name in NAMES - {"test.db"}:
        assert after[name] == before[name]
    assert after.keys() - {"test.db-vec"} == NAMES


# A full disk


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a disk of 4 MB of its own, where we may make one."""
    with small_disk_at(tmp_path / "disk", "4m") as folder:
        yield folder


@pytest.mark.parametrize("kind", ["wal", "llm-1"])
@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_on_a_full_disk_ends_in_one_line(originals, small_disk, command, kind):
    folder = small_disk / "folder"
    for free in (0, 100, 300):
        originals.copy(kind, folder)
        before = contents(folder)
        fill(small_disk / "filler", free * KIBIBYTE)
        result = run_in(folder, command)
        (small_disk / "filler").unlink()
        if result.exit_code:
            assert_one_line(result, folder, "disk", "No space left on device")
            assert_whole(folder, before)
            result = run_in(folder, command)
        assert result.exit_code == 0, result.stderr
        assert check(folder / "test.db").problems == []
        assert {file.name for file in folder.iterdir()} - {"test.db-vec"} == NAMES
        shutil.rmtree(folder)


def fill(path, free):
    """Write a file that leaves so many bytes free on its disk."""
    status = os.statvfs(path.parent)
    with path.open("wb") as file:
        file.write(bytes(max(status.f_bavail * status.f_frsize - free, 0)))


@pytest.mark.parametrize("kind", ["wal", "llm-1"])
@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_whose_file_must_not_grow_ends_in_one_line(originals, tmp_path, command, kind):
    for kibibytes in (1, 40, 200):
        folder = tmp_path / str(kibibytes)
        originals.copy(kind, folder)
        before = contents(folder)
        with largest_file(kibibytes * KIBIBYTE):
            result = run_in(folder, command)
        if result.exit_code:
            assert_one_line(result, folder, "disk", "File too large")
            assert_whole(folder, before)
            result = run_in(folder, command)
        assert result.exit_code == 0, result.stderr
        assert check(folder / "test.db").problems == []


def test_a_new_file_on_a_full_disk_can_be_made_when_there_is_room(small_disk):
    path = small_disk / "new.db"
    for free in (0, 4, 40, 100):
        fill(small_disk / "filler", free * KIBIBYTE)
        arguments = ["embed", "one", "a", "-c", "text", "-m", "pseudorandom", "-d", path]
        result = run(*arguments)
        (small_disk / "filler").unlink()
        if result.exit_code:
            assert_one_line(result, small_disk, "disk", "No space left on device")
        result = run(*arguments)
        assert result.exit_code == 0, result.stderr
        assert check(path).problems == []
        path.unlink()


# What Python does with files of its own


@pytest.mark.parametrize("command", ["backup", "backup-plain", "export"])
@pytest.mark.parametrize("call", ["touch", "chmod", "first fsync", "replace"])
def test_a_target_stays_if_its_replacement_fails(originals, tmp_path, monkeypatch, command, call):
    folder = originals.copy("wal", tmp_path / "folder").parent
    before = contents(folder)
    owner, name = (os, "fsync") if "fsync" in call else (Path, call)
    monkeypatch.setattr(owner, name, failing)
    result = run_in(folder, command)
    monkeypatch.undo()
    assert_one_line(result, folder, "(Input/output error): what was there stays")
    assert contents(folder) == before


@pytest.mark.parametrize("command", ["backup", "backup-plain", "export"])
def test_a_replacement_whose_name_may_not_be_on_the_disk_is_told(
    originals, tmp_path, monkeypatch, command
):
    folder = originals.copy("wal", tmp_path / "folder").parent
    before = contents(folder)
    real, calls = os.fsync, []

    def second_fails(descriptor):
        calls.append(descriptor)
        return failing() if len(calls) == 2 else real(descriptor)

    monkeypatch.setattr(os, "fsync", second_fails)
    result = run_in(folder, command)
    monkeypatch.undo()
    assert_one_line(result, folder, "the new file is there, but may not be after a power cut")
    after = contents(folder)
    assert after.keys() - {"test.db-vec"} == NAMES
    assert after != before
    assert check(folder / "copy.db").problems == []


def test_the_error_of_a_backup_is_not_hidden_by_what_then_cannot_be_removed(
    originals, tmp_path, monkeypatch
):
    folder = originals.copy("wal", tmp_path / "folder").parent
    monkeypatch.setattr(os, "fsync", failing)
    monkeypatch.setattr(Path, "unlink", failing)
    result = run_in(folder, "backup")
    monkeypatch.undo()
    assert_one_line(result, folder, "copy.db cannot be written (Input/output error)")


def failing(*_, **__):
    raise OSError(errno.EIO, os.strerror(errno.EIO))


# Files and folders of others


@pytest.fixture(scope="module")
def modules_imported(originals, pseudorandom_installed, tmp_path_factory):
    """Run each command once: an ordinary user may not read root's Python."""
    for command in COMMANDS:
        folder = tmp_path_factory.mktemp("once") / "folder"
        run_in(originals.copy("wal", folder).parent, command)


PERMISSIONS = {"file": (0o444, 0o777), "folder": (0o666, 0o555), "both": (0o444, 0o555)}


@pytest.mark.parametrize("what", PERMISSIONS)
@pytest.mark.parametrize("kind", ["wal", "journal", "unindexed", "llm-1"])
def test_commands_on_what_cannot_be_written(originals, public_folder, modules_imported, what, kind):
    of_file, of_folder = PERMISSIONS[what]
    folder = originals.copy(kind, public_folder / "folder").parent
    before = contents(folder)
    for name in NAMES - {"test.db"}:
        (folder / name).chmod(0o444)
    (folder / "test.db").chmod(of_file)
    for command in COMMANDS:
        folder.chmod(of_folder)
        with as_an_ordinary_user():
            result = run_in(folder, command)
        folder.chmod(0o755)
        if command == "index-drop" and kind in ("unindexed", "llm-1"):
            assert result.exit_code == 0 or result.stderr.count("\n") == 1  # nothing is to be done
        elif command in READING:
            assert result.exit_code == 0, result.stderr
        elif command in ("export", "backup", "backup-plain"):
            assert result.exit_code == (what != "file"), result.stderr
        else:
            assert_one_line(result, folder, "readonly", "read-only")
            assert "cannot be read as" not in result.stderr, result.stderr
        after = contents(folder)
        assert after["test.db"] == before["test.db"]
        # A reader in WAL mode makes these, and may leave them where it may not write to the file.
        assert after.keys() - NAMES <= ({"test.db-wal", "test.db-shm"} if what == "file" else set())


def test_a_read_only_file_is_an_error_in_python(originals, public_folder):
    path = originals.copy("llm-1", public_folder / "folder")
    path.chmod(0o444)
    with as_an_ordinary_user(), opened(path) as db:
        collection = Collection("one", db, model=Pseudorandom())
        with pytest.raises(DatabaseError, match="is of an older llm, and read-only"):
            collection.embed("new", "text")
        with pytest.raises(db.conn.OperationalError, match="readonly"):
            collection.delete_ids(["id 1"])
        assert len(collection.similar("text 1")) == 10
