"""The file of an index is deleted, cut off, overwritten, exchanged: searches find what is there."""

import os
import random
import shutil
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import apsw
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
from tests.support.searching import SearchingProcess

FILES_OF_SQLITE = {"", "-vec", "-wal", "-shm"}
PAGE_BYTES = 8192
MOVES = "update embeddings set embedding = (select embedding from embeddings where id = 'small 1')"


@dataclass(frozen=True)
class Files:
    """Files with their indexes: one, an older copy of it, and another."""

    one: Path
    older: Path
    other: Path


@pytest.fixture(autouse=True)
def partitions():
    with small_partitions():
        yield


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    made = Files(folder / "one.db", folder / "older.db", folder / "other.db")
    make_searched_file(made.one)
    make_searched_file(made.other, "other ")
    copy_both(made.one, made.older)
    with small_partitions(), closing(vecstore.connect(made.one)) as db:
        write(db, f"{MOVES} where id like 'large 3%'")
        write(db, "delete from embeddings where id like 'large 4%'")
        assert_searches(db)
        assert is_in_step(db)
    return made


@pytest.fixture(scope="module")
def neighbour():
    with closing(SearchingProcess()) as process:
        yield process


@pytest.fixture
def work(files, tmp_path):
    path = tmp_path / "work.db"
    copy_both(files.one, path)
    return path


def left(path: Path) -> set[str]:
    return {file.name.removeprefix(path.name) for file in path.parent.glob(f"{path.name}*")}


def overwrite(index: Path, data: bytes) -> None:
    """Write into the file that is there, which others may have open."""
    with index.open("r+b") as file:
        file.truncate()
        file.write(data)


def move_over(index: Path, source: Path) -> None:
    shutil.copy(source, index.with_name("new"))
    index.with_name("new").replace(index)


def cut(size: Callable[[int], int]) -> Callable[[Path, Files], None]:
    return lambda index, files: os.truncate(index, size(index.stat().st_size))


def flip_bits(index: Path, files: Files) -> None:
    """Flip some in what SQLite reads first of each page, so that they cannot go unseen."""
    chance = random.Random(7)
    data = bytearray(index.read_bytes())
    for page in range(1, len(data) // PAGE_BYTES):
        data[page * PAGE_BYTES + chance.randrange(8)] ^= 1 << chance.randrange(8)
    overwrite(index, data)


BREAKS = {
    "deleted": lambda index, files: index.unlink(),
    "cut to nothing": cut(lambda size: 0),
    "cut to 10 bytes": cut(lambda size: 10),
    "cut to 50 bytes": cut(lambda size: 50),
    "cut to 600 bytes": cut(lambda size: 600),
    "cut to a half": cut(lambda size: size // 2),
    "a page short": cut(lambda size: size - PAGE_BYTES),
    "zeros after the header": lambda index, files: overwrite(
        index, index.read_bytes()[:100].ljust(index.stat().st_size, b"\0")
    ),
    "bits flipped": flip_bits,
    "an older copy moved over it": lambda index, files: move_over(index, index_of(files.older)),
    "an older copy written over it": lambda index, files: overwrite(
        index, index_of(files.older).read_bytes()
    ),
    "another file's moved over it": lambda index, files: move_over(index, index_of(files.other)),
    "another file's written over it": lambda index, files: overwrite(
        index, index_of(files.other).read_bytes()
    ),
    "a stale journal": lambda index, files: Path(f"{index}-journal").write_bytes(
        random.Random(1).randbytes(5000)
    ),
    "a link to an index elsewhere": lambda index, files: (
        shutil.move(index, index.with_name("elsewhere")),
        index.symlink_to("elsewhere"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("how", BREAKS)
@pytest.mark.parametrize("is_open", [False, True], ids=["opened afterwards", "open all the time"])
def test_whatever_becomes_of_an_index_searches_find_what_is_there(
    open_db, work, files, neighbour, how, is_open
):
    if is_open:
        db = open_db(str(work))
        assert_searches(db)
        neighbour.open(work, "auto")
    BREAKS[how](index_of(work), files)
    if not is_open:
        db = open_db(str(work))
    assert_searches(db)
    if is_open:
        neighbour.search()
    write(db, f"{MOVES} where id like '%5'")
    assert_searches(db)
    if is_open:
        neighbour.search()
    assert is_in_step(db)
    assert left(work) <= FILES_OF_SQLITE


def make_text(index: Path) -> None:
    index.write_text("milk, eggs\n" * 20)


def make_note(index: Path) -> None:
    index.write_text("SQL")


def make_database(index: Path) -> None:
    with closing(apsw.Connection(str(index))) as conn:
        conn.execute("create table vecstore_followed (seq, token)")


def make_empty_database(index: Path) -> None:
    with closing(apsw.Connection(str(index))) as conn:
        conn.execute("pragma application_id = 77")
        conn.execute("vacuum")


FOREIGN = {
    "text": make_text,
    "short text": make_note,
    "a database": make_database,
    "an empty database": make_empty_database,
    "rubbish": lambda index: index.write_bytes(random.Random(2).randbytes(5 * PAGE_BYTES)),
    "a folder": lambda index: (index.mkdir(), (index / "file").touch()),
    "a link to nothing": lambda index: index.symlink_to("nowhere"),
}


def contents(index: Path) -> object:
    if index.is_symlink():
        return index.readlink(), sorted(index.parent.glob("nowhere*"))
    return sorted(index.iterdir()) if index.is_dir() else index.read_bytes()


@pytest.mark.parametrize("what", FOREIGN)
@pytest.mark.parametrize("is_open", [False, True], ids=["opened afterwards", "open all the time"])
def test_what_another_program_has_by_the_name_of_the_index_is_left_alone(
    open_db, work, what, is_open
):
    if is_open:
        db = open_db(str(work))
        assert_searches(db)
    index = index_of(work)
    index.unlink()
    FOREIGN[what](index)
    before = contents(index)
    if not is_open:
        db = open_db(str(work))
    assert_searches(db)
    write(db, "delete from embeddings where id like '%7'")
    assert_searches(db)
    assert contents(index) == before
    assert left(work) <= FILES_OF_SQLITE
    db.close()
    shutil.rmtree(index) if index.is_dir() else index.unlink()
    db = open_db(str(work))
    assert_searches(db)
    assert is_in_step(db)


def test_an_index_that_cannot_be_read_through_is_built_anew(open_db, work):
    """Pages in the middle that are no part of a database."""
    original = index_of(work).read_bytes()
    for seed in range(6):
        chance = random.Random(seed)
        db = open_db(str(work))
        data = bytearray(original)
        for page in chance.sample(range(1, len(data) // PAGE_BYTES), 20):
            start = page * PAGE_BYTES
            data[start : start + 16] = chance.randbytes(16)
        overwrite(index_of(work), data)
        assert_searches(db)
        write(db, f"{MOVES} where id = 'small 2'")
        assert_searches(db)
        assert is_in_step(db)
        db.close()
