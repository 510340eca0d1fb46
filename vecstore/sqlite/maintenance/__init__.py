"""Upkeep of a file: checks it, builds and drops its index, shrinks it and copies it."""

from .backups import Backup, backup
from .checks import check
from .compaction import Compaction, compact
from .indexes import IndexStatus, build_index, drop_index, list_indexes
from .report import CheckReport, Finding

__all__ = [
    "Backup",
    "CheckReport",
    "Compaction",
    "Finding",
    "IndexStatus",
    "backup",
    "build_index",
    "check",
    "compact",
    "drop_index",
    "list_indexes",
]
