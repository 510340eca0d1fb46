"""Lets ^C end a statement of apsw, however long SQLite is at it without a row."""

from typing import Any

import apsw

from . import frozen
from .database import Database

_INSTRUCTIONS_BETWEEN_LOOKS = 100_000  # of SQLite, whether ^C was pressed: about 1 ms


def make_interruptible(connection: apsw.Connection) -> None:
    """Let ^C end the statements of a connection from now on."""
    connection.set_progress_handler(lambda: False, _INSTRUCTIONS_BETWEEN_LOOKS)


def keep_interruptible(db: Database) -> None:
    """Let ^C end the statements of a database, also when its connection is opened anew."""
    conn: Any = db.conn
    frozen.set_up_each_time(conn, __name__, lambda conn: make_interruptible(conn.apsw))
