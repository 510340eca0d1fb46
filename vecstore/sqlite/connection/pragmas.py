"""What vecstore sets on a connection: a function each, which says what it is good for."""

import sys
from collections.abc import Iterator
from typing import Any

import apsw

from . import dbapi, interrupts, locks, rights, sqlite_errors

_PAGE_BYTES = 8192
# The whole file, or what SQLite was built for. A SQLite of 32 bits would cut off the bits above.
_MMAP_BYTES = 2**40 if sys.maxsize > 2**32 else 2**31 - 65536
_CACHE_KIBIBYTES = 16 * 1024


def enforce_foreign_keys(conn: Any) -> None:
    """Refuse an embedding without its collection. https://www.sqlite.org/foreignkeys.html"""
    conn.execute("pragma foreign_keys = on")


def trust_schema(conn: Any) -> None:
    """Let triggers write to vec0 tables; off, SQLite calls that "unsafe use of virtual table".

    https://www.sqlite.org/pragma.html#pragma_trusted_schema
    """
    conn.execute("pragma trusted_schema = on")


def map_file(conn: Any) -> None:
    """Read through a memory map, which makes a scan of the vectors about 1.5 times as fast.

    https://www.sqlite.org/mmap.html
    """
    conn.execute(f"pragma mmap_size = {_MMAP_BYTES}").fetchall()


def unmap_file(conn: Any) -> None:
    """Read without a memory map, whose pages count as memory of the process: for a long load."""
    conn.execute("pragma mmap_size = 0").fetchall()


@interrupts.block
def unmapping_file(conn: Any) -> Iterator[None]:
    """Read without a memory map in a block."""
    found = conn.execute("pragma mmap_size").fetchone()
    before = int(found[0]) if found else 0  # of a database in memory
    with interrupts.ending(lambda: conn.execute(f"pragma mmap_size = {before}").fetchall()):
        unmap_file(conn)
        yield


def enlarge_cache(conn: Any) -> None:
    """Cache 16 MB instead of 2: the content hashes of a load are spread over their whole index.

    https://www.sqlite.org/pragma.html#pragma_cache_size
    """
    conn.execute(f"pragma cache_size = {-_CACHE_KIBIBYTES}")


def keep_plans(conn: Any) -> None:
    """Plan a statement without a look at its values: apsw would prepare it anew for others.

    vec0 looks the chunk of each row up with one statement, and preparing that takes a third of the
    time of an insert. https://www.sqlite.org/queryplanner-ng.html#qpstab
    """
    if isinstance(conn, dbapi.Connection):
        conn.apsw.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)


def prepare_new_file(conn: Any) -> None:
    """Give a file without pages 8 KB pages and WAL mode.

    A row changes a few pages here and there, which a commit writes whole: with 16 KB, a third more.
    With 4 KB, a scan reads a chunk of vectors, about 192 KB, in more pieces. In WAL mode, readers
    and one writer do not wait for each other. https://www.sqlite.org/wal.html
    """
    wait = locks.Wait(locks.busy_timeout(conn))
    while conn.execute("pragma page_count").fetchone()[0] == 0:
        try:
            conn.execute(f"pragma page_size = {_PAGE_BYTES}")
            conn.execute("pragma journal_mode = wal").fetchall()
            return
        except conn.OperationalError as error:
            if rights.is_read_only(error):
                return
            # Another process is creating the same file, and for this lock SQLite never waits.
            if not sqlite_errors.is_busy(error) or wait.is_over():
                raise
            wait.sleep()


def forbid_writing(conn: Any) -> None:
    """Refuse whatever would write. https://www.sqlite.org/pragma.html#pragma_query_only"""
    conn.execute("pragma query_only = on")
