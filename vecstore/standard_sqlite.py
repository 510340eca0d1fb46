"""The module sqlite3 that sqlite-utils uses: pysqlite3 in its place, where that is installed.

It is chosen here as sqlite-utils does it, whose import takes longer than most searches.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3
else:
    try:
        import pysqlite3 as sqlite3
    except ImportError:
        import sqlite3

__all__ = ["sqlite3"]
