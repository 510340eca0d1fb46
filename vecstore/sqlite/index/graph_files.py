"""The files of graphs, beside that of the table: `NAME-graph-TOKEN`.

Who makes one has it locked, so that nobody takes it for one that is left by a process that was
killed. They are read by those who may read the table.
"""

import fcntl
import hashlib
import os
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import NamedTuple

from ..connection import filenames, interrupts
from ..connection.database import Database
from . import index_file

_ENDING = "-graph-"
_TOKEN_BYTES = 8
_SQLITE_MAGIC = b"SQLite format 3\0"
_PAGE = 4096
_CHUNK = 256 * _PAGE


class NewFile(NamedTuple):
    """A file that is being made."""

    token: str
    path: Path


def path_of(db: Database, token: str) -> Path:
    """Return the file of a graph."""
    return Path(f"{filenames.main_file(db.conn)}{_ENDING}{token}")


@interrupts.block
def making_file(db: Database) -> Iterator[NewFile]:
    """Give a new file for a block, which removes it again unless it was noted by then.

    It is removed where the block fails, so note it last.

    :raises OSError: it cannot be made
    """
    new = NewFile(token := secrets.token_hex(_TOKEN_BYTES), path_of(db, token))
    with interrupts.undoing(lambda: _unlink(new.path)):
        descriptor = _make_locked(new.path, filenames.main_file(db.conn))
        with interrupts.ending(lambda: _close(descriptor)):
            yield new


def _make_locked(path: Path, of_table: str) -> int:
    while True:
        index_file.make_file(str(path), of_table)
        with suppress(FileNotFoundError):  # somebody has removed it before it was locked
            descriptor = os.open(path, os.O_RDWR)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                if os.path.samestat(os.fstat(descriptor), path.stat()):
                    return descriptor
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)


def _close(descriptor: int) -> None:
    with suppress(OSError):  # ending() may call it twice
        os.close(descriptor)


def digest_of(path: Path) -> str:
    """Return what tells whether a file is as it was: of the sums of its pages.

    So it takes little longer than to read the file. Needs NumPy, as graphs do.
    """
    import numpy as np

    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            whole = chunk.ljust(-(-len(chunk) // _PAGE) * _PAGE, b"\0")
            words = np.frombuffer(whole, dtype="<u8").reshape(-1, _PAGE // 8)
            digest.update(words.sum(axis=1).tobytes())
    return digest.hexdigest()


def find_files(db: Database) -> dict[str, Path]:
    """Return the files of graphs beside a database by their tokens, whatever they are worth."""
    name = filenames.main_file(db.conn)
    if not name:
        return {}
    pattern = re.compile(re.escape(os.path.basename(name) + _ENDING) + r"([0-9a-f]{16})")  # noqa: PTH119
    found = ((pattern.fullmatch(path.name), path) for path in Path(name).parent.iterdir())
    return {match[1]: path for match, path in found if match}


def remove_all_but(db: Database, find_tokens: Callable[[], set[str]]) -> None:
    """Remove files of graphs that are of no use, unless they are just being made.

    Who makes one has it locked until the index names it, so they are locked here before that is
    read. What is another program's database is left alone, whatever its name.

    :param find_tokens: returns those of the files that are of use
    """
    with ExitStack() as stack:
        idle = {token: path for token, path in find_files(db).items() if _lock_if_idle(path, stack)}
        for token in idle.keys() - find_tokens():
            _unlink(idle[token])


def _lock_if_idle(path: Path, stack: ExitStack) -> bool:
    try:
        file = stack.enter_context(path.open("rb"))
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return file.read(len(_SQLITE_MAGIC)) != _SQLITE_MAGIC


def _unlink(path: Path) -> None:
    with suppress(OSError):
        path.unlink()
