"""Files that are there as a whole or not at all."""

import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import DatabaseError

_BESIDES = ("", "-wal", "-shm", "-journal")  # the files of one database


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
        sync(temporary)
        temporary.replace(target)
        outcome = "the new file is there, but may not be after a power cut"
        sync(target.parent)
    except OSError as error:
        reason = error.strerror or error
        raise DatabaseError(f"{target} cannot be written ({reason}): {outcome}") from error
    finally:
        for ending in _BESIDES:
            with suppress(OSError):  # of a disk that has failed: it would hide the first error
                temporary.with_name(temporary.name + ending).unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
