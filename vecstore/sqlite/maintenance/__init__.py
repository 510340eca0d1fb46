"""Upkeep of a file.

    checks, row_checks, index_checks   check(): the file, its schema, each row, and the index
    model_checks                       check() with a model: a sample is embedded again
    related_checks                     check() of related items
    reference                          what a sound schema is
    indexes                            build_index(), drop_index(), list_indexes()
    keyword_indexes, keyword_checks    build_keyword_index() and others
    collection_graphs, graph_checks    build_graph(), drop_graph()
    moving                             move_index()
    metadata_keys                      index_metadata() and others: indexes of keys of the metadata
    beside_states, beside_checks, beside_indexes
                                       what of that an index in a file beside needs
    compaction, backups                compact() and backup()
    soundness                          whether a file can be worked on as a whole

Others use the functions below.
"""

from ...checking.report import CheckReport, Finding
from ..metadata_indexes import MetadataIndex
from .backups import Backup, backup
from .checks import check
from .collection_graphs import GraphStatus, build_graph, drop_graph
from .compaction import Compaction, compact
from .indexes import IndexStatus, build_index, drop_index, list_indexes
from .keyword_indexes import (
    KeywordIndex,
    build_keyword_index,
    drop_keyword_index,
    keyword_index,
)
from .metadata_keys import drop_metadata_index, index_metadata, list_metadata_indexes
from .moving import move_index

__all__ = [
    "Backup",
    "CheckReport",
    "Compaction",
    "Finding",
    "GraphStatus",
    "IndexStatus",
    "KeywordIndex",
    "MetadataIndex",
    "backup",
    "build_graph",
    "build_index",
    "build_keyword_index",
    "check",
    "compact",
    "drop_graph",
    "drop_index",
    "drop_keyword_index",
    "drop_metadata_index",
    "index_metadata",
    "keyword_index",
    "list_indexes",
    "list_metadata_indexes",
    "move_index",
]
