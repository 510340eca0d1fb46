"""What the tables and triggers of an index are called: spelled here, and nowhere else."""

import re
from dataclasses import dataclass
from functools import cache

from .connection.filenames import INDEX_SCHEMA

_PREFIX = "vec_embeddings_"
_NAME = re.compile(rf"{_PREFIX}([1-9][0-9]{{0,3}})(_.+)?")

INSIDE = "main"  # the schema of an index that is in the file of the table
BESIDE = INDEX_SCHEMA  # and of one in a file of its own, as which that is attached
APPLICATION_ID = 0x76656373  # of such a file: "vecs"

TRIGGERS_ON_EMBEDDINGS = (
    "insert",
    "insert_incomparable",
    "update",
    "update_incomparable",
    "delete",
    "note_insert",
    "note_update",
    "note_delete",
)


@dataclass(frozen=True)
class IndexNames:
    """The tables of the index of one dimension; tables.py says what is in them.

    Attributes:
        dimensions: of the vectors
        schema: INSIDE or BESIDE
        vectors: of vec0, the vectors
        bits: of vec0, the bits that stand for them
        ids: which entry each rowid of both is of
        partitions: which collections have a partition of their own
        noted: which entries a load has yet to bring into step; only of an index inside
        graphs: which collections have a graph, and of what it is
        fresh: what has changed since
    """

    dimensions: int
    schema: str
    vectors: str
    bits: str
    ids: str
    partitions: str
    noted: str
    graphs: str
    fresh: str

    @property
    def tables(self) -> tuple[str, ...]:
        """All of them."""
        return (
            self.ids,
            self.bits,
            self.vectors,
            self.partitions,
            self.noted,
            self.graphs,
            self.fresh,
        )

    def trigger(self, event: str) -> str:
        """Return the name of a trigger on `embeddings`: its event is one of those above."""
        return f"{self.vectors}_{event}"

    def ids_trigger(self, event: str) -> str:
        """Return the name of a trigger on the table of ids."""
        return f"{self.ids}_{event}"


@cache  # each search asks for it
def index_names(dimensions: int, schema: str = INSIDE) -> IndexNames:
    """Return the names of the index of a dimension; of one beside the file, with their schema."""
    vectors = f"{_PREFIX}{dimensions}" if schema == INSIDE else f"{schema}.{_PREFIX}{dimensions}"
    return IndexNames(
        dimensions,
        schema,
        vectors,
        f"{vectors}_bits",
        f"{vectors}_ids",
        f"{vectors}_partitions",
        f"{vectors}_noted",
        f"{vectors}_graphs",
        f"{vectors}_fresh",
    )


# The keyword index stands among those of dimensions as one of this, which no vector has.
KEYWORDS = 0

KEYWORD_TRIGGERS_ON_EMBEDDINGS = ("insert", "insert_other", "update", "update_other", "delete")
KEYWORD_TRIGGERS_ON_TEXTS = ("insert", "update", "delete")


@dataclass(frozen=True)
class KeywordNames:
    """The tables of the keyword index; keyword_tables.py says what is in them.

    Attributes:
        schema: INSIDE or BESIDE
        texts: the stored texts
        keywords: of FTS5, their words
    """

    schema: str
    texts: str
    keywords: str

    @property
    def tables(self) -> tuple[str, ...]:
        """Both, in the order in which they can be dropped."""
        return (self.keywords, self.texts)

    def trigger(self, event: str) -> str:
        """Return the name of a trigger on `embeddings`: its event is one of those above."""
        return f"{TEXTS}_{event}"

    def texts_trigger(self, event: str) -> str:
        """Return the name of a trigger on the table of texts."""
        return f"{KEYWORD_TABLE}_{event}"


TEXTS = "vecstore_texts"
KEYWORD_TABLE = "vecstore_keywords"
TOKENIZER_TABLE = "vecstore_tokenizer"  # which one a user has chosen; beside or inside

# FTS5 keeps what it holds in tables of its own.
KEYWORD_SHADOWS = tuple(f"{KEYWORD_TABLE}_{name}" for name in ("data", "idx", "docsize", "config"))


@cache  # each search asks for it
def keyword_names(schema: str = INSIDE) -> KeywordNames:
    """Return the names of the keyword index; of one beside the file, with their schema."""
    start = "" if schema == INSIDE else f"{schema}."
    return KeywordNames(schema, f"{start}{TEXTS}", f"{start}{KEYWORD_TABLE}")


def number_of(names: IndexNames | KeywordNames) -> int:
    """Return the dimension of an index, or KEYWORDS."""
    return KEYWORDS if isinstance(names, KeywordNames) else names.dimensions


def names_of(dimensions: int, schema: str = INSIDE) -> IndexNames | KeywordNames:
    """Return the names of an index by its number_of()."""
    return keyword_names(schema) if dimensions == KEYWORDS else index_names(dimensions, schema)


def without_schema(table: str) -> str:
    """Return the name of a table as sqlite_master of its file has it."""
    return table.rpartition(".")[2]


def dimensions_in_name(name: str) -> int | None:
    """Return the dimension of the index that a table or trigger is called as if it were part of."""
    found = _NAME.fullmatch(name)
    return int(found[1]) if found else None


def is_of_index(name: str) -> bool:
    """Return whether a table or trigger is called as if it were part of an index inside a file.

    A table of a user's own may have the name of one of the keyword index, but not its triggers.
    """
    of_keywords = {f"{TEXTS}_{event}" for event in KEYWORD_TRIGGERS_ON_EMBEDDINGS}
    return name in of_keywords or dimensions_in_name(name) is not None


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
