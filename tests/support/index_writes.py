"""Statements that change `embeddings`, and what an index must hold then."""

import math
import struct

from hypothesis import strategies as st

import vecstore
from tests.support.databases import rows
from vecstore.sqlite.index import bits, tables
from vecstore.sqlite.index_names import INSIDE, index_names

DIMENSIONS = (3, 32)  # without and with a bit table


def expected_entries(db, dimensions):
    """Return what the index must hold, worked out in Python."""
    entries = {}
    for collection_id, id, blob in rows(db, "select collection_id, id, embedding from embeddings"):
        if not isinstance(blob, bytes) or len(blob) != 4 * dimensions:
            continue
        numbers = struct.unpack(f"<{dimensions}f", blob)
        norm = struct.unpack("<f", struct.pack("<f", min(sum(n * n for n in numbers), 3e38)))[0]
        if not all(map(math.isfinite, numbers)) or norm == 0:
            continue
        if id is not None and isinstance(collection_id, int):
            entries[collection_id, id] = blob
    return entries


def index_entries(db, dimensions, schema=INSIDE):
    """Return what the index holds, from each of its tables."""
    names = index_names(dimensions, schema)
    name = names.vectors
    partition = tables.partition_sql("ids.collection_id", names)
    vectors = rows(
        db,
        f"""
        select ids.collection_id, ids.id, vectors.embedding
        from {name}_ids as ids
        join {name} as vectors on vectors.rowid = ids.rowid
        where vectors.collection_id = ids.collection_id
          and vectors.partition_id = {partition}
        """,
    )
    counts = {rows(db, f"select count(*) from {name}{suffix}")[0][0] for suffix in ("", "_ids")}
    assert counts == {len(vectors)}
    if tables.has_bits(dimensions):
        in_step = rows(
            db,
            f"""
            select bits.rowid
            from {name}_bits as bits
            join {name} as vectors on vectors.rowid = bits.rowid
            where bits.collection_id = vectors.collection_id
              and bits.partition_id = vectors.partition_id
              and bits.embedding = {bits.bits_sql("vectors.embedding", dimensions)}
            """,
        )
        total = rows(db, f"select count(*) from {name}_bits")[0][0]
        assert len(in_step) == total == len(vectors)
    return {(collection_id, id): blob for collection_id, id, blob in vectors}


collection_ids = st.sampled_from([1, 2])
ids = st.sampled_from(["a", "b", "c", "é'\"", ""])
numbers = st.sampled_from([0.0, 1.0, -1.0, 0.5, math.nan, math.inf])
vectors = st.one_of(
    st.none(),
    st.just(b""),
    *(
        st.lists(numbers, min_size=d, max_size=d).map(vecstore.encode)
        for d in (*DIMENSIONS, 5, *DIMENSIONS, *DIMENSIONS)
    ),
)
rowids = st.sampled_from([-1, 1, 2, 3, 4])
conflicts = st.sampled_from(["", "or replace", "or ignore", "or fail", "or rollback"])


@st.composite
def statements(draw, column="embedding", values=vectors, of=collection_ids, ids=ids):
    """Return one statement that changes `embeddings`, with its arguments.

    :param column: what it writes, with `values`, in collections `of` and rows with these ids
    """
    c, i, v = draw(of), draw(ids), draw(values)
    conflict = draw(conflicts)
    upsert = f"on conflict (collection_id, id) do update set {column} = excluded.{column}"
    columns = f"collection_id, id, {column}"
    return draw(
        st.sampled_from(
            [
                (f"insert {conflict} into embeddings ({columns}) values (?, ?, ?)", (c, i, v)),
                (f"insert {conflict} into embeddings (rowid, {columns}) values (?, ?, ?, ?)",
                 (draw(rowids), c, i, v)),
                (f"insert into embeddings ({columns}) values (?, ?, ?) {upsert}", (c, i, v)),
                (f"insert {conflict} into embeddings ({columns}) "
                 f"select 3 - collection_id, id, {column} from embeddings", ()),
                (f"update {conflict} embeddings set {column} = ? where id = ?", (v, i)),
                (f"update {conflict} embeddings set id = ? where id = ?", (draw(ids), i)),
                (f"update {conflict} embeddings set collection_id = ?", (c,)),
                (f"update {conflict} embeddings set collection_id = ?, id = ?, {column} = ? "
                 "where id = ?", (c, draw(ids), v, i)),
                (f"update {conflict} embeddings set rowid = ? where id = ?",
                 (draw(rowids), i)),
                ("update embeddings set content = 'x', metadata = '{}' where id = ?", (i,)),
                ("update embeddings set id = null where id = ?", (i,)),
                ("delete from embeddings where collection_id = ? and id = ?", (c, i)),
                ("delete from embeddings where collection_id = ?", (c,)),
                ("delete from embeddings", ()),
                (f"insert into embeddings ({columns}) values (?, null, ?)", (c, v)),
                (f"insert into embeddings ({columns}) values (?, ?, ?)", (c, i, "text")),
                (f"insert into embeddings ({columns}) values (?, ?, ?)", (c, i, b"12345")),
            ]
        )
    )  # fmt: skip
