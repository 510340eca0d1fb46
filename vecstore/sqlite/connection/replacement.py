"""What a connection has when another takes its place: settings, and what would be lost."""

from collections.abc import Iterable
from typing import Any

from . import attached_index, filenames

# Pragmas that users set, and that SQLite tells without a look at the file.
CONNECTION_PRAGMAS = (
    "automatic_index",
    "busy_timeout",
    "cell_size_check",
    "foreign_keys",
    "ignore_check_constraints",
    "query_only",
    "recursive_triggers",
    "temp_store",
)
# Others of those.
FILE_PRAGMAS = (
    "journal_size_limit",
    "max_page_count",
    "secure_delete",
    "synchronous",
    "wal_autocheckpoint",
)


def read_pragmas(conn: Any, names: Iterable[str]) -> dict[str, int]:
    """Return the values of pragmas that SQLite knows."""
    found = ((name, conn.execute(f"pragma {name}").fetchone()) for name in names)
    return {name: row[0] for name, row in found if row}


def set_pragmas(conn: Any, values: dict[str, int]) -> None:
    """Give pragmas these values, unless they have them."""
    before = read_pragmas(conn, values)
    for name, value in values.items():
        if before.get(name) != value:
            conn.execute(f"pragma {name} = {value:d}").fetchall()


def attached_databases(conn: Any) -> list[str]:
    """Return the names of databases that were attached, but for the index, which comes anew."""
    own = {"main", "temp"}
    if attached_index.is_attached(conn):
        own.add(filenames.INDEX_SCHEMA)
    return [name for name, _ in filenames.database_files(conn) if name not in own]


def temporary_parts(conn: Any) -> list[str]:
    """Return the names of temporary tables, indexes, triggers and views."""
    if "temp" not in dict(filenames.database_files(conn)):
        return []  # a query would read the schema of the file
    return [name for (name,) in conn.execute("select name from sqlite_temp_master")]
