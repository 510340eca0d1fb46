"""The file of an index, beside that of the table: whether it is one, and who may read it.

Those who may read the table may read it, and nobody else. What is another program's is left alone.
"""

import os
import stat
from contextlib import suppress
from pathlib import Path

from ...errors import DatabaseDamagedError
from ..connection import file_status, guard, interrupts, opening, sqlite_errors
from ..index_names import APPLICATION_ID

_SQLITE_MAGIC = b"SQLite format 3\0"
_LEAST_MAGIC = 6  # bytes of it that tell what is left of an index from a note
_ID_IN_HEADER = slice(68, 72)  # https://www.sqlite.org/fileformat.html#application_id


def make_file(index: str, path: str) -> None:
    """Make the file of the index, unless it is there, for those who may read that of the table."""
    of_table = os.stat(path)  # noqa: PTH116
    with suppress(FileExistsError):
        descriptor = os.open(index, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            for owner in (-1, of_table.st_uid):  # whom root alone can choose
                with suppress(PermissionError):
                    os.fchown(descriptor, owner, of_table.st_gid)
            with suppress(PermissionError):  # of a file system without such rights
                os.fchmod(descriptor, _mode_of_index(os.fstat(descriptor), of_table))
        finally:
            os.close(descriptor)


def shut_out(index: str, path: str) -> None:
    """Take the index from those who may not read the table any more."""
    of_index, of_table = os.stat(index), os.stat(path)  # noqa: PTH116
    mode = stat.S_IMODE(of_index.st_mode)
    less = mode & _mode_of_index(of_index, of_table)
    if less != mode:
        with suppress(PermissionError):
            os.chmod(index, less)  # noqa: PTH101


def _mode_of_index(of_index: os.stat_result, of_table: os.stat_result) -> int:
    """Return what may be done with an index: what may be done with the table.

    The members of another group than that of the table are others to it.
    """
    mode = of_table.st_mode & 0o666
    others = 0o070 if of_index.st_gid == of_table.st_gid else (mode & 0o007) << 3
    return mode & (0o707 | others)


def is_ours(path: str, driver: str) -> bool:
    """Return whether a file is an index of ours, or what is left of one, or not there.

    :raises sqlite3.OperationalError: that cannot be told now, as another process is writing to it
    """
    if os.path.lexists(path) and not os.path.isfile(path):  # noqa: PTH113
        return False
    if not file_status.size_of(path):
        return True
    with guard.using_plain_file():
        if not guard.count_descriptors(path):
            with suppress(FileNotFoundError), Path(path).open("rb") as file:
                return _is_our_header(file.read(100))
            return True  # another process has deleted it just now
    # To read it as a plain file, and close that, would end the locks that SQLite has on it.
    conn = opening.open_bare_connection(path, driver, read_only=True)
    with interrupts.ending(conn.close):
        try:
            [found] = conn.execute("pragma application_id").fetchone()
        except conn.Error as error:
            if not issubclass(sqlite_errors.error_class(error), DatabaseDamagedError):
                raise
            return False
        return bool(found == APPLICATION_ID)


def _is_our_header(header: bytes) -> bool:
    found = header[: len(_SQLITE_MAGIC)]
    if not found.strip(b"\0"):  # SQLite is making it, or was when it was killed
        return True
    is_sqlite = _SQLITE_MAGIC.startswith(found) and len(found) >= _LEAST_MAGIC
    id = header[_ID_IN_HEADER]
    return is_sqlite and (len(id) < 4 or int.from_bytes(id, "big") == APPLICATION_ID)
