"""Moves a collection to a file and back: JSON lines, or Parquet."""

from .header import ExportHeader
from .transfer import export_collection, import_collection

__all__ = ["ExportHeader", "export_collection", "import_collection"]
