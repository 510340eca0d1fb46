"""Moves a collection to a file and back, without a change of a byte.

transfer     export_collection() and import_collection()
header       what a file tells of the collection before its rows
json_lines   the format of one JSON object a line
parquet      the format for data frames
"""

from .header import ExportHeader
from .transfer import export_collection, import_collection

__all__ = ["ExportHeader", "export_collection", "import_collection"]
