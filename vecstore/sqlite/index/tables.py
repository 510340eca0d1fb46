"""What the vector index of one dimension consists of: tables, and triggers that fill them.

For dimension D, with D in every name:

    vec_embeddings_D        vec0: the vectors, in partitions, cosine distance
    vec_embeddings_D_bits   vec0: the bits that stand for them (see bits.py), from 32 dimensions on;
                            of each partition, one row in 16 is in that of the sample
    vec_embeddings_D_ids    the integer rowid of each (collection_id, id), shared by both, and where
                            in `embeddings` the row was when it was written: a hint, as VACUUM and
                            others may move it
    vec_embeddings_D_partitions
                            the collections that have a partition of their own, of their id
    vec_embeddings_D_graphs the collections that have a graph, and what it is of (see graphs.py)
    vec_embeddings_D_fresh  of these, the entries that have changed since
    vec_embeddings_D_noted  empty but within a write of vecstore's, see below

Triggers on `embeddings` keep vec_embeddings_D_ids equal to the rows of that dimension; triggers
on vec_embeddings_D_ids carry each change on to the vec0 tables. So they see every write, from
whatever program, and are rolled back with it.

A trigger takes several times as long for a row as vec0. So while vec_embeddings_D_noted has a row,
the triggers do nothing but note there what has changed, and filling.py brings that into step, in
the same transaction.

The index beside a file has the tables alone, and no triggers: it is filled in the same way.

vec0 allocates whole chunks for each partition, which for a few rows would be many times what they
take. So small collections share one, and are searched by a scan; see partitions.needs_partition().
"""

from functools import cache

from ..index_names import (
    PARTITION_COLUMN,
    IndexNames,
    chunk_index_of,
    chunks_of,
    index_names,
    without_schema,
)
from . import bits

MAX_DIMENSIONS = 8192  # of a vec0 column
_CHUNK_BYTES = 192 * 1024
_MAX_CHUNK_ROWS = 1024  # each takes 8 bytes more, for its rowid
_MAX_BIT_CHUNK_ROWS = 512  # vec0 looks through a chunk once for each row that it chooses in it

# The partition of all collections without one of their own. A collection may have that id: then it
# never gets one.
SHARED_PARTITION = 0
_CHUNKS_OF_A_PARTITION = 8  # from so many on, what is left empty is little
_ROWS_OF_A_PARTITION = 600  # a scan of so many takes longer than vec0, however short the vectors

_RANDOM_BITS = 20  # of the version of a change

# One row in so many of the bit table is in the sample, from which a fast search learns how far it
# must look.
ROWS_PER_SAMPLE = 16


@cache  # each search asks for it
def index_statements(dimensions: int) -> list[str]:
    """Return the statements that create an index inside a file, which depend on one integer."""
    names = index_names(dimensions)
    noted = f"""
        CREATE TABLE {names.noted} (
           collection_id INTEGER,
           id TEXT
        )
        """
    return [
        *index_tables(names),
        noted.strip(),
        *_embeddings_triggers(names),
        *_ids_triggers(names),
    ]


def index_tables(names: IndexNames) -> list[str]:
    """Return the statements that create the tables which a search reads."""
    d = names.dimensions
    tables = [
        f"""
        CREATE TABLE {names.ids} (
           rowid INTEGER PRIMARY KEY,
           collection_id INTEGER NOT NULL,
           id TEXT NOT NULL,
           embeddings_rowid INTEGER NOT NULL,
           UNIQUE (collection_id, id)
        )
        """,
        f"""
        CREATE TABLE {names.partitions} (
           collection_id INTEGER PRIMARY KEY
        )
        """,
        f"""
        CREATE TABLE {names.graphs} (
           collection_id INTEGER PRIMARY KEY,
           token TEXT,
           building TEXT,
           bytes INTEGER,
           digest TEXT,
           nodes INTEGER,
           dead_nodes INTEGER,
           reach_of_ten INTEGER,
           reach_of_hundred INTEGER
        )
        """,
        f"""
        CREATE TABLE {names.fresh} (
           collection_id INTEGER,
           entry INTEGER,
           version INTEGER NOT NULL,
           PRIMARY KEY (collection_id, entry)
        ) WITHOUT ROWID
        """,
        f"""
        CREATE UNIQUE INDEX {names.fresh}_version
        ON {without_schema(names.fresh)} (collection_id, version)
        """,
        f"""
        CREATE VIRTUAL TABLE {names.vectors} USING vec0(
           partition_id integer partition key,
           collection_id integer,
           embedding float[{d}] distance_metric=cosine,
           chunk_size={_chunk_rows(d)}
        )
        """,
        # vec0 reads the whole table to find the chunks of a partition, at each insert too.
        f"""
        CREATE INDEX {chunk_index_of(names.vectors)}
        ON {without_schema(chunks_of(names.vectors))} ({PARTITION_COLUMN})
        """,
    ]
    if has_bits(d):
        tables += [
            f"""
            CREATE VIRTUAL TABLE {names.bits} USING vec0(
               partition_id integer partition key,
               sample integer partition key,
               collection_id integer,
               embedding bit[{bits.bit_count(d)}],
               chunk_size={bit_chunk_rows(d)}
            )
            """,
            f"""
            CREATE INDEX {chunk_index_of(names.bits)}
            ON {without_schema(chunks_of(names.bits))} ({PARTITION_COLUMN}, partition01)
            """,
        ]
    return [sql.strip() for sql in tables]


def _chunk_rows(dimensions: int) -> int:
    """Return how many vectors a chunk holds.

    vec0 allocates whole chunks: with its default of 1024 rows, one row of 1536 dimensions would
    take 6 MB.
    """
    return min(max(_CHUNK_BYTES // (4 * dimensions) // 8 * 8, 8), _MAX_CHUNK_ROWS)


def bit_chunk_rows(dimensions: int) -> int:
    """Return how many rows of bits a chunk holds: more than of vectors, for a fast scan."""
    return min(16 * _chunk_rows(dimensions), _MAX_BIT_CHUNK_ROWS)


def _embeddings_triggers(names: IndexNames) -> list[str]:
    """Return the triggers that keep the ids table equal to the comparable rows of dimension d.

    OR REPLACE deletes a conflicting row without firing delete triggers, so after every insert and
    update the new key may have an entry already. It is then updated in place: vec0 would keep
    the space of a deleted one.

    Whether a row belongs into the index is asked by WHEN, once: INSERT ... SELECT ... WHERE, into
    a table with triggers, makes SQLite a temporary table for each row.
    """
    d = names.dimensions
    is_noting = f"EXISTS (SELECT 1 FROM {names.noted})"
    old_key = "collection_id = old.collection_id AND id = old.id"
    new_key = "collection_id = new.collection_id AND id = new.id"
    has_entry = f"EXISTS (SELECT 1 FROM {names.ids} WHERE {new_key})"
    is_changed = """(old.collection_id, old.id, old.embedding)
           IS NOT (new.collection_id, new.id, new.embedding)"""
    put = f"""
           INSERT INTO {names.ids} (collection_id, id, embeddings_rowid)
           VALUES (new.collection_id, new.id, new.rowid)
           ON CONFLICT (collection_id, id)
           DO UPDATE SET embeddings_rowid = excluded.embeddings_rowid;
    """
    triggers = [
        f"""
        CREATE TRIGGER {names.trigger("insert")}
        AFTER INSERT ON embeddings
        WHEN NOT {is_noting}
           AND {comparable_sql("new", d)}
        BEGIN
           {put.strip()}
        END
        """,
        f"""
        CREATE TRIGGER {names.trigger("insert_incomparable")}
        AFTER INSERT ON embeddings
        WHEN NOT {is_noting}
           AND CASE WHEN {has_entry} THEN NOT {comparable_sql("new", d)} END
        BEGIN
           DELETE FROM {names.ids}
           WHERE {new_key};
        END
        """,
        f"""
        CREATE TRIGGER {names.trigger("update")}
        AFTER UPDATE OF collection_id, id, embedding ON embeddings
        WHEN NOT {is_noting}
           AND {is_changed}
           AND {comparable_sql("new", d)}
        BEGIN
           DELETE FROM {names.ids}
           WHERE {old_key}
              AND (old.collection_id, old.id) IS NOT (new.collection_id, new.id);
           {put.strip()}
        END
        """,
        f"""
        CREATE TRIGGER {names.trigger("update_incomparable")}
        AFTER UPDATE OF collection_id, id, embedding ON embeddings
        WHEN NOT {is_noting}
           AND {is_changed}
           AND CASE
              WHEN length(old.embedding) = {4 * d} OR {has_entry}
              THEN NOT {comparable_sql("new", d)}
           END
        BEGIN
           DELETE FROM {names.ids}
           WHERE ({old_key})
              OR ({new_key});
        END
        """,
        f"""
        CREATE TRIGGER {names.trigger("delete")}
        AFTER DELETE ON embeddings
        WHEN NOT {is_noting}
           AND length(old.embedding) = {4 * d}
        BEGIN
           DELETE FROM {names.ids}
           WHERE {old_key};
        END
        """,
        f"""
        CREATE TRIGGER {names.trigger("note_insert")}
        AFTER INSERT ON embeddings
        WHEN {is_noting}
        BEGIN
           INSERT INTO {names.noted}
           VALUES (new.collection_id, new.id);
        END
        """,
        f"""
        CREATE TRIGGER {names.trigger("note_update")}
        AFTER UPDATE OF collection_id, id, embedding ON embeddings
        WHEN {is_noting}
           AND {is_changed}
        BEGIN
           INSERT INTO {names.noted}
           VALUES (old.collection_id, old.id), (new.collection_id, new.id);
        END
        """,
        f"""
        CREATE TRIGGER {names.trigger("note_delete")}
        AFTER DELETE ON embeddings
        WHEN {is_noting}
        BEGIN
           INSERT INTO {names.noted}
           VALUES (old.collection_id, old.id);
        END
        """,
    ]
    return [sql.strip() for sql in triggers]


def _ids_triggers(names: IndexNames) -> list[str]:
    """Return the triggers that carry each change of the ids table on to the vec0 tables."""
    d = names.dimensions
    is_noting = f"EXISTS (SELECT 1 FROM {names.noted})"
    vector = """(
              SELECT embedding FROM embeddings
              WHERE collection_id = new.collection_id AND id = new.id
           )"""
    partition = f"{partition_sql('new.collection_id', names)}, new.collection_id"
    # VALUES, not SELECT: an INSERT ... SELECT loses the subtype that marks a value as bits.
    add_bits = f"""
           INSERT INTO {names.bits} (rowid, partition_id, collection_id, sample, embedding)
           VALUES (new.rowid, {partition}, {is_sampled_sql("new.rowid")}, vec_bit((
              SELECT {bits.bits_sql("embedding", d)} FROM embeddings
              WHERE collection_id = new.collection_id AND id = new.id
           )));
    """
    remove_bits = f"DELETE FROM {names.bits} WHERE rowid = old.rowid;"
    if not has_bits(d):
        add_bits = remove_bits = ""
    triggers = [
        f"""
        CREATE TRIGGER {names.ids_trigger("insert")}
        AFTER INSERT ON {names.ids}
        WHEN NOT {is_noting}
        BEGIN
           INSERT INTO {names.vectors} (rowid, partition_id, collection_id, embedding)
           VALUES (new.rowid, {partition}, {vector});
           {add_bits.strip()}
           {note_fresh_sql("new.collection_id", "new.rowid", names)};
        END
        """,
        f"""
        CREATE TRIGGER {names.ids_trigger("update")}
        AFTER UPDATE ON {names.ids}
        WHEN NOT {is_noting}
        BEGIN
           UPDATE {names.vectors} SET embedding = {vector} WHERE rowid = new.rowid;
           {remove_bits}
           {add_bits.strip()}
           {note_fresh_sql("new.collection_id", "new.rowid", names)};
        END
        """,
        f"""
        CREATE TRIGGER {names.ids_trigger("delete")}
        AFTER DELETE ON {names.ids}
        WHEN NOT {is_noting}
        BEGIN
           DELETE FROM {names.vectors} WHERE rowid = old.rowid;
           {remove_bits}
           {note_fresh_sql("old.collection_id", "old.rowid", names)};
        END
        """,
    ]
    return [sql.strip() for sql in triggers]


def note_fresh_sql(collection_id: str, entry: str, names: IndexNames) -> str:
    """Return the SQL that notes that an entry has changed, where its collection has a graph.

    Versions go up. The random part tells those of a database from those of a copy of it that was
    restored in its place.
    """
    return f"""INSERT INTO {names.fresh} (collection_id, entry, version)
           SELECT collection_id, {entry}, (
              SELECT (coalesce(max(version) >> {_RANDOM_BITS}, 0) + 1) << {_RANDOM_BITS}
              FROM {names.fresh}
              WHERE collection_id = {collection_id}
           ) | (random() & {(1 << _RANDOM_BITS) - 1})
           FROM {names.graphs}
           WHERE collection_id = {collection_id}
           ON CONFLICT (collection_id, entry)
           DO UPDATE SET version = excluded.version"""


def partition_sql(collection_id: str, names: IndexNames) -> str:
    """Return the SQL for the partition that holds the vectors of a collection."""
    return f"""coalesce((
              SELECT collection_id FROM {names.partitions}
              WHERE collection_id = {collection_id}
           ), {SHARED_PARTITION})"""


def is_sampled_sql(rowid: str) -> str:
    """Return the SQL for whether a row is in the sample: 1 or 0.

    Rowids are given in turn, so they are scattered by the golden ratio (Fibonacci hashing, Knuth,
    The Art of Computer Programming, volume 3, 6.4): neither texts that come sorted nor collections
    that are written in turns make a sample that is unlike the whole.
    """
    return f"({rowid} * 40503 >> 12) % {ROWS_PER_SAMPLE} = 0"


def has_bits(dimensions: int) -> bool:
    """Return whether an index of this dimension has a bit table."""
    return bits.bit_count(dimensions) > 0


def partition_rows(dimensions: int) -> int:
    """Return how many vectors a collection has when it gets a partition of its own."""
    return min(_CHUNKS_OF_A_PARTITION * _chunk_rows(dimensions), _ROWS_OF_A_PARTITION)


def comparable_sql(row: str, dimensions: int) -> str:
    """Return the SQL condition that a row of `embeddings` belongs into the index.

    The distance of a vector to itself is NULL if it is zero, holds a NaN or an infinity, or
    overflows when it is squared. CASE, because vec_distance_cosine must not see what is no vector,
    and AND promises no order.
    """
    return f"""CASE
              WHEN {holds_vector_sql(row, dimensions)}
              THEN vec_distance_cosine({row}.embedding, {row}.embedding) IS NOT NULL
              ELSE 0
           END"""


def holds_vector_sql(row: str, dimensions: int) -> str:
    """Return the SQL condition that a row of `embeddings` has a key and a vector of that length."""
    return f"""typeof({row}.embedding) = 'blob'
                 AND length({row}.embedding) = {4 * dimensions}
                 AND typeof({row}.collection_id) = 'integer'
                 AND {row}.id IS NOT NULL"""
