"""Reads what is to be embedded: files of rows, SQL queries and folders of files, all as streams.

A reader yields a Record for each row, of which columns make an InputEntry.

    records       a row and its place, an entry, and what is done about what cannot be read
    columns       makes entries of rows; column_types: what the cells of CSV stand for
    vector_columns   makes those of rows that have their vectors
    row_file      the entries of a file or pipe of rows, and how many there are
    rows          the rows of a file, in whatever format
    csv_rows      those of CSV and TSV
    json_stream   those of JSON and newline-delimited JSON
    shapes        notices rows that are none; wrappers: an object around the rows
    query_rows    the rows of a SQL query
    folders       the files of folders, and what is in each
    file_search   which files a pattern finds; patterns: those of a .gitignore
    streams       makes text of bytes as they come in; decoding: of those of a whole file
"""

from .column_types import ColumnTypes, TypeSurvey
from .columns import Columns, make_entries, pair_with_entries
from .csv_rows import QUOTING, Dialect
from .decoding import FILE_ENCODINGS, check_encodings
from .file_search import LEFT_OUT_AS_BROKEN_LINK, LEFT_OUT_BY_EXCLUDE, FoundFiles
from .folders import find_files, read_files
from .query_rows import QueryRows, read_query
from .records import (
    InputEntry,
    OnMessage,
    OnUnreadable,
    OpenedInput,
    Record,
    Row,
    raise_unreadable,
    skip_unreadable,
)
from .row_file import RowFile
from .rows import FORMATS, TABLE_FORMATS, Layout, detect_format, guess_format, read_rows
from .shapes import check_shapes
from .streams import RewindableStream
from .vector_columns import VectorColumns

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
    "OnMessage",
    "OnUnreadable",
    "OpenedInput",
    "QueryRows",
    "Record",
    "RewindableStream",
    "Row",
    "RowFile",
    "TypeSurvey",
    "VectorColumns",
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
