"""Moves collections to a file or another database, and back, without a change.

transfer     export_collection() and import_collection()
header       what a file tells of the collection before its rows
json_lines   the format of one JSON object a line
parquet      the format for data frames
push_pull    push_collections() and pull_collections()
copies       a collection that is copied from one store to another
"""

from .copies import CopyReport
from .header import ExportHeader
from .push_pull import pull_collections, push_collections
from .transfer import export_collection, import_collection

__all__ = [
    "CopyReport",
    "ExportHeader",
    "export_collection",
    "import_collection",
    "pull_collections",
    "push_collections",
]
