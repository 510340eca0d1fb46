"""Upkeep of a file.

    checks, row_checks, index_checks   check(): the file, its schema, each row, and the index
    reference, report                  what a sound schema is, and what a check found
    indexes                            build_index(), drop_index(), list_indexes()
    compaction, backups                compact() and backup()
    soundness                          whether a file can be worked on as a whole

Others use the functions below.
"""

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
