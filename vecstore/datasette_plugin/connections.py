"""sqlite-vec in every connection of Datasette. Nothing here opens a file."""

from typing import Any

import click

from ..errors import ExtensionError
from ..sqlite.connection import extension

REMEDY = (
    "pip install pysqlite3-binary, or run Datasette with a Python whose sqlite3 can load extensions"
)


def load_extension(conn: Any, database: str) -> None:
    """Load sqlite-vec into a connection, where that is possible.

    :raises click.ClickException: it is not, and the database has tables that need it. At its start,
      Datasette prints the message and ends
    """
    try:
        if hasattr(conn, "enable_load_extension"):
            extension.load_sqlite_vec(conn)
            return
        problem = "the sqlite3 of this Python cannot load extensions"
    except ExtensionError as error:
        problem = str(error)
    if _has_index(conn):
        raise click.ClickException(
            f"The database {database!r} needs sqlite-vec, and {problem}: {REMEDY}"
        )


def _has_index(conn: Any) -> bool:
    row = conn.execute(
        """
        select 1
        from sqlite_master
        where type = 'table'
          and sql like 'create virtual table% using vec0%'
        """
    ).fetchone()
    return row is not None
