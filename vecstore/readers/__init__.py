"""Where entries come from: files of rows, SQL queries and folders of files, all read as streams."""

from .choice import BY_EXCLUDE, BY_LINK, Choice
from .columns import Columns, entries
from .folders import check_encodings, find_files, read_files
from .query import QueryRows, read_query
from .records import OnError, Record, Row, stop
from .rows import FORMATS, read_rows

__all__ = [
    "BY_EXCLUDE",
    "BY_LINK",
    "FORMATS",
    "Choice",
    "Columns",
    "OnError",
    "QueryRows",
    "Record",
    "Row",
    "check_encodings",
    "entries",
    "find_files",
    "read_files",
    "read_query",
    "read_rows",
    "stop",
]
