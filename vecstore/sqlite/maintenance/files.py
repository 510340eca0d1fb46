"""Opens the databases that maintenance is for, and replaces files by complete ones."""

import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from sqlite_utils import Database

from ...errors import DatabaseError, MissingFileError
from .. import databases
from ..connection import pragmas

Progress = Callable[[int, int], object]  # is called with how much is done, and how much there is

_BESIDES = ("", "-wal", "-shm", "-journal")  # the files of one database


@contextmanager
def opened(
    db: Database | str | Path, *, read_only: bool = False, create: bool = False
) -> Iterator[Database]:
    """Give a Database that can run vec0; one that is opened here, for a path, is closed at the end.

    :raises MissingFileError: there is no such file, and it is not to be created
    """
    if isinstance(db, Database):
        databases.adopt(db)
        yield db
        return
    if not create and not Path(db).exists():
        raise MissingFileError(f"The file {db} does not exist")
    with closing(databases.connect_to_read(db) if read_only else databases.connect(db)) as new:
        pragmas.unmap_file(new.conn)
        yield new


def refuse_transaction(db: Database, what: str) -> None:
    """Raise DatabaseError if the caller has a transaction open."""
    if db.conn.in_transaction:
        raise DatabaseError(f"{what} while a transaction is open: commit it first")


def integrity_errors(db: Database) -> list[str]:
    """Return what SQLite finds wrong with the pages of a file."""
    try:
        found = [str(message) for (message,) in db.execute("pragma main.integrity_check")]
    except db.conn.OperationalError:
        raise
    except db.conn.DatabaseError as error:  # it could not go on
        return [str(error)]
    return [] if found == ["ok"] else found


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Give the name of a new file beside the target, which takes its place after the block.

    By then it is on the disk. If the block fails, the target is as it was and the new file gone.

    :raises DatabaseError: the system cannot write the file, in the block too
    """
    temporary = target.with_name(f"{target.name}.{secrets.token_hex(4)}.tmp")
    outcome = "what was there stays"
    try:
        temporary.touch(exist_ok=False)
        if target.exists():
            temporary.chmod(stat.S_IMODE(target.stat().st_mode) | stat.S_IRUSR | stat.S_IWUSR)
        yield temporary
        if target.exists():
            shutil.copymode(target, temporary)  # only now: it may be read-only
        _sync(temporary)
        temporary.replace(target)
        outcome = "the new file is there, but may not be after a power cut"
        _sync(target.parent)
    except OSError as error:
        reason = error.strerror or error
        raise DatabaseError(f"{target} cannot be written ({reason}): {outcome}") from error
    finally:
        for ending in _BESIDES:
            with suppress(OSError):  # of a disk that has failed: it would hide the first error
                temporary.with_name(temporary.name + ending).unlink(missing_ok=True)


def _sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
