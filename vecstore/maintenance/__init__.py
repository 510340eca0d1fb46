"""Checks, repairs, shrinks, copies and moves what a file holds."""

from .backups import Backup, backup
from .checks import check
from .compaction import Compaction, compact
from .indexes import IndexStatus, build_index, drop_index, list_indexes
from .report import CheckReport, Finding
from .rows import ExportHeader
from .transfer import export_collection, import_collection

__all__ = [
    "Backup",
    "CheckReport",
    "Compaction",
    "ExportHeader",
    "Finding",
    "IndexStatus",
    "backup",
    "build_index",
    "check",
    "compact",
    "drop_index",
    "export_collection",
    "import_collection",
    "list_indexes",
]
