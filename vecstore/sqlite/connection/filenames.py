"""The names of files, which are bytes to the system and to SQLite, and need not be UTF-8.

In Python those that are not are text with lone surrogates (https://peps.python.org/pep-0383/). apsw
takes and gives only UTF-8, and sqlite3 gives only UTF-8.
"""

import os
import urllib.parse
from collections.abc import Iterator
from typing import Any

from . import sqlite_errors

INDEX_SCHEMA = "vec_index"  # as which the file of an index is attached
_INDEX_ENDING = "-vec"


def to_uri(path: str) -> str:
    """Return the URI by which any SQLite opens a file; options may be added to it."""
    return f"file:{urllib.parse.quote(os.fsencode(path))}"


def read_only_uri(path: str, *, is_frozen: bool = False) -> str:
    """Return the URI that opens a file for reading, frozen as one that does not change."""
    absolute = os.path.abspath(path)  # noqa: PTH100 - without following links
    return f"{to_uri(absolute)}?mode=ro{'&immutable=1' * is_frozen}"


def from_uri(uri: str) -> str:
    """Return the path in the URI of a file."""
    return os.fsdecode(urllib.parse.unquote_to_bytes(urllib.parse.urlsplit(uri).path))


def index_file(path: str) -> str:
    """Return the file beside a database that holds its index, where that is not inside."""
    return path + _INDEX_ENDING


def database_files(conn: Any) -> Iterator[tuple[str, str]]:
    """Yield the name of each database of a connection, and its file, empty where there is none."""
    try:
        # Unlike the query below, it does not read the file, which another may have locked.
        rows = conn.execute("pragma database_list").fetchall()
    except Exception as error:
        if not sqlite_errors.says(error, sqlite_errors.UNDECODABLE):
            raise
        rows = conn.execute("select seq, name, cast(file as blob) from pragma_database_list")
    for _, schema, file in rows:
        yield schema, os.fsdecode(file or "")


def main_file(conn: Any) -> str:
    """Return the file of a connection's main database, empty for one in memory."""
    return next(file for schema, file in database_files(conn) if schema == "main")
