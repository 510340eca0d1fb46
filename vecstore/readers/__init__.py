"""Where entries come from: files of rows, SQL queries and folders of files, all read as streams."""

from .column_types import ColumnTypes, TypeSurvey
from .columns import Columns, make_entries, pair_with_entries
from .csv_rows import QUOTING, Dialect
from .decoding import FILE_ENCODINGS, check_encodings
from .file_search import LEFT_OUT_AS_BROKEN_LINK, LEFT_OUT_BY_EXCLUDE, FoundFiles
from .folders import find_files, read_files
from .query import QueryRows, read_query
from .records import InputEntry, OnUnreadable, Record, Row, raise_unreadable, skip_unreadable
from .rows import FORMATS, TABLE_FORMATS, Layout, detect_format, guess_format, read_rows
from .shapes import check_shapes
from .streams import RewindableStream

__all__ = [
    "FILE_ENCODINGS",
    "FORMATS",
    "LEFT_OUT_AS_BROKEN_LINK",
    "LEFT_OUT_BY_EXCLUDE",
    "QUOTING",
    "TABLE_FORMATS",
    "ColumnTypes",
    "Columns",
    "Dialect",
    "FoundFiles",
    "InputEntry",
    "Layout",
    "OnUnreadable",
    "QueryRows",
    "Record",
    "RewindableStream",
    "Row",
    "TypeSurvey",
    "check_encodings",
    "check_shapes",
    "detect_format",
    "find_files",
    "guess_format",
    "make_entries",
    "pair_with_entries",
    "raise_unreadable",
    "read_files",
    "read_query",
    "read_rows",
    "skip_unreadable",
]
