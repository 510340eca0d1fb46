"""Where entries come from: files of rows, SQL queries and folders of files, all read as streams."""

from .choice import BY_EXCLUDE, BY_LINK, Choice
from .column_types import ColumnTypes, TypeSurvey
from .columns import Columns, entries, entries_of
from .csv_rows import QUOTING, Dialect
from .folders import check_encodings, find_files, read_files
from .query import QueryRows, read_query
from .records import OnError, Record, Row, stop
from .rows import FORMATS, TABLES, Layout, detect_format, format_of_name, read_rows
from .shapes import check_shapes
from .streams import Rewindable

__all__ = [
    "BY_EXCLUDE",
    "BY_LINK",
    "FORMATS",
    "QUOTING",
    "TABLES",
    "Choice",
    "ColumnTypes",
    "Columns",
    "Dialect",
    "Layout",
    "OnError",
    "QueryRows",
    "Record",
    "Rewindable",
    "Row",
    "TypeSurvey",
    "check_encodings",
    "check_shapes",
    "detect_format",
    "entries",
    "entries_of",
    "find_files",
    "format_of_name",
    "read_files",
    "read_query",
    "read_rows",
    "stop",
]
