"""A collection that is to take another's place: how they differ, and the change of names.

The successor holds the same entries, with vectors of another model. The rows of neither are
rewritten for the change: a name in `collections` goes over to the other id.
"""

from ..rows import CollectionRow, EmbeddingRow, UnfitEntries
from . import catalog
from .connection.database import Database
from .index import graphs, kept_graphs

_EXAMPLES = 5
_NO_COLLECTION = -1  # the id of none

_HAS_TEXT = "(typeof(id) = 'text' and typeof(content) = 'text')"
_HAS_BYTES = "(typeof(id) = 'text' and content is null and typeof(content_blob) = 'blob')"

# Of one entry. A hash of NULL, which other programs leave, says nothing.
_OF_OTHER_HASH = """(
              old.content_hash is not null
              and old.content_hash is not new.content_hash
            )"""
_OF_OTHER_CONTENT = """coalesce(old.content, old.content_blob)
              is not coalesce(new.content, new.content_blob)"""


def find_unfit(
    db: Database, collection: CollectionRow, *, text: bool, binary: bool
) -> UnfitEntries:
    """Return which entries cannot be embedded from what is stored.

    :param text, binary: whether a model embeds that
    """
    has_content = f"({_HAS_TEXT} or {_HAS_BYTES})"
    number, without_content, of_all = db.execute(
        f"""
        select
          coalesce(sum(not {_fits(text, binary)}), 0),
          coalesce(sum(not {has_content}), 0),
          count(*)
        from embeddings
        where collection_id = ?
        """,
        [collection.id],
    ).fetchone()
    ids = db.execute(
        f"""
        select id
        from embeddings
        where collection_id = ?
          and not {_fits(text, binary)}
        order by id
        limit {_EXAMPLES}
        """,
        [collection.id],
    ).fetchall()
    return UnfitEntries(without_content, number - without_content, of_all, [id for (id,) in ids])


def lacking_rows(
    db: Database,
    old: CollectionRow,
    new: CollectionRow | None,
    after: str | None,
    limit: int,
    *,
    text: bool,
    binary: bool,
) -> list[EmbeddingRow]:
    """Return the next rows, by id, whose content the successor has no vector of.

    Vectors are left out.

    :param new: None for one that is not there yet
    """
    rows = db.execute(
        f"""
        select old.id, null, old.content, old.content_blob, old.content_hash, old.metadata, null
        from (
          select *
          from embeddings
          where collection_id = ?
            and id {">=" if after is None else ">"} ?
            and {_fits(text, binary)}
        ) as old
        left join embeddings as new
          on new.collection_id = ?
          and new.id = old.id
        where new.id is null
          or {_OF_OTHER_HASH}
        order by old.id
        limit ?
        """,
        [old.id, after or "", new.id if new else _NO_COLLECTION, limit],
    )
    return [EmbeddingRow(*row) for row in rows]


def count_lacking(
    db: Database, old: CollectionRow, new: CollectionRow | None, *, text: bool, binary: bool
) -> int:
    """Return how many rows lacking_rows() would give in all."""
    [number] = db.execute(
        f"""
        select count(*)
        from (
          select id, content_hash
          from embeddings
          where collection_id = ?
            and {_fits(text, binary)}
        ) as old
        left join embeddings as new
          on new.collection_id = ?
          and new.id = old.id
        where new.id is null
          or {_OF_OTHER_HASH}
        """,
        [old.id, new.id if new else _NO_COLLECTION],
    ).fetchone()
    return int(number)


def bring_into_step(db: Database, old: CollectionRow, new: CollectionRow) -> None:
    """Do for the successor what needs no model. Belongs inside a transaction.

    What has other content under the hash of before goes. Metadata and content become, byte for
    byte, those of the rows with the same hash. What is gone stays: its vector may be another's,
    whose id is new.
    """
    same = """
            select 1
            from embeddings as old
            where old.collection_id = ?
              and old.id = new.id"""
    db.execute(
        f"""
        delete from embeddings as new
        where collection_id = ?
          and exists ({same}
              and not {_OF_OTHER_HASH}
              and {_OF_OTHER_CONTENT}
          )
        """,
        [new.id, old.id],
    )
    columns = "content, content_blob, metadata"
    db.execute(
        f"""
        update embeddings as new
        set ({columns}) = (
          select {columns}
          from embeddings as old
          where old.collection_id = ?
            and old.id = new.id
        )
        where collection_id = ?
          and exists ({same}
              and not {_OF_OTHER_HASH}
              and (
                old.content is not new.content
                or old.content_blob is not new.content_blob
                or old.metadata is not new.metadata
              )
          )
        """,
        [old.id, new.id, old.id],
    )


def take_place(
    db: Database, old: CollectionRow, new: CollectionRow, kept_as: str | None
) -> CollectionRow:
    """Give the successor the name, with what is equal alone. Belongs inside a transaction.

    :param kept_as: the name that the old collection gets; None deletes it
    :return: the successor's row
    :raises InvalidInputError: there is a collection of that name
    """
    # What is gone, and what was refused after it had been replaced.
    db.execute(
        f"""
        delete from embeddings as new
        where collection_id = ?
          and not exists (
            select 1
            from embeddings as old
            where old.collection_id = ?
              and old.id = new.id
              and not {_OF_OTHER_HASH}
          )
        """,
        [new.id, old.id],
    )
    if kept_as is None:
        delete_collection(db, old)
    else:
        catalog.rename(db, old, kept_as)
    return catalog.rename(db, new, old.name)


def delete_collection(db: Database, collection: CollectionRow) -> None:
    """Delete a collection and its entries. Belongs inside a transaction."""
    db.execute("delete from embeddings where collection_id = ?", [collection.id])
    graphs.unwant(db, collection.id)  # another may get its id
    catalog.delete(db, collection)


def inherit_graph(db: Database, old: CollectionRow, new: CollectionRow) -> None:
    """Have the successor get a graph, and build it, if the old collection is to have one."""
    if old.id in graphs.wanted(db):
        kept_graphs.want_and_extend(db, new.id)


def sample_ids(db: Database, collection: CollectionRow, number: int) -> list[str]:
    """Return so many ids, or all of fewer, from all over a collection: always the same."""
    rows = db.execute(
        """
        with numbered as (
          select id, row_number() over (order by id) - 1 as place, count(*) over () as number
          from embeddings
          where collection_id = ?1
            and typeof(id) = 'text'
        )
        select id
        from numbered
        where place = 0
          or place * ?2 / number > (place - 1) * ?2 / number
        order by id
        limit ?2
        """,
        [collection.id, number],
    )
    return [id for (id,) in rows]


def _fits(text: bool, binary: bool) -> str:
    """Return the SQL condition that a row has stored content that a model embeds."""
    return f"({_HAS_TEXT if text else '0'} or {_HAS_BYTES if binary else '0'})"
