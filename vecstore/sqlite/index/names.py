"""What the tables and triggers of an index are called: spelled here, and nowhere else."""

import re
from dataclasses import dataclass
from functools import cache

_PREFIX = "vec_embeddings_"
_NAME = re.compile(rf"{_PREFIX}([1-9][0-9]{{0,3}})(_.+)?")

TRIGGERS_ON_EMBEDDINGS = (
    "insert",
    "insert_incomparable",
    "update",
    "update_incomparable",
    "delete",
)


@dataclass(frozen=True)
class IndexNames:
    """The tables of the index of one dimension; tables.py says what is in them.

    Attributes:
        vectors: of vec0, the vectors
        bits: of vec0, the bits that stand for them
        ids: which entry each rowid of both is of
        partitions: which collections have a partition of their own
    """

    vectors: str
    bits: str
    ids: str
    partitions: str

    def trigger(self, event: str) -> str:
        """Return the name of a trigger on `embeddings`: its event is one of those above."""
        return f"{self.vectors}_{event}"

    def ids_trigger(self, event: str) -> str:
        """Return the name of a trigger on the table of ids."""
        return f"{self.ids}_{event}"


@cache  # each search asks for it
def index_names(dimensions: int) -> IndexNames:
    """Return the names of the index of a dimension."""
    vectors = f"{_PREFIX}{dimensions}"
    return IndexNames(vectors, f"{vectors}_bits", f"{vectors}_ids", f"{vectors}_partitions")


def dimensions_in_name(name: str) -> int | None:
    """Return the dimension of the index that a table or trigger is called as if it were part of."""
    found = _NAME.fullmatch(name)
    return int(found[1]) if found else None


# vec0 keeps what it holds in tables of its own.

PARTITION_COLUMN = "partition00"  # of the table of chunks; a second one is partition01


def chunks_of(table: str) -> str:
    """Return the shadow table of a vec0 table that has a row for each chunk."""
    return f"{table}_chunks"


def chunk_index_of(table: str) -> str:
    """Return our index of the table of chunks, by partition."""
    return f"{table}_partition"


def rowids_of(table: str) -> str:
    """Return the shadow table of a vec0 table that says in which chunk each rowid is."""
    return f"{table}_rowids"
