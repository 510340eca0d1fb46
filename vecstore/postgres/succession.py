"""A collection that is to take another's place: how they differ, and the change of names.

The successor holds the same entries, with vectors of another model. The rows of neither are
rewritten for the change: a name in `collections` goes over to the other id.
"""

from ..rows import CollectionRow, EmbeddingRow, UnfitEntries
from . import catalog, embeddings
from .connection import PostgresDatabase

_EXAMPLES = 5
_NO_COLLECTION = -1  # the id of none

_HAS_TEXT = "content is not null"
_HAS_BYTES = "(content is null and content_blob is not null)"

# Of one entry. A hash of NULL, which other programs leave, says nothing.
_OF_OTHER_HASH = """(
              old.content_hash is not null
              and old.content_hash is distinct from new.content_hash
            )"""
_OF_OTHER_CONTENT = """(
              old.content is distinct from new.content
              or (
                old.content is null
                and old.content_blob is distinct from new.content_blob
              )
            )"""


def find_unfit(
    db: PostgresDatabase, collection: CollectionRow, *, text: bool, binary: bool
) -> UnfitEntries:
    """Return which entries cannot be embedded from what is stored.

    :param text, binary: whether a model embeds that
    """
    [[number, without_content, of_all]] = db.rows(
        f"""
        select
          count(*) filter (where not {_fits(text, binary)}),
          count(*) filter (where content is null and content_blob is null),
          count(*)
        from embeddings
        where collection_id = %s
        """,
        [collection.id],
    )
    ids = db.rows(
        f"""
        select id
        from embeddings
        where collection_id = %s
          and not {_fits(text, binary)}
        order by id
        limit {_EXAMPLES}
        """,
        [collection.id],
    )
    return UnfitEntries(without_content, number - without_content, of_all, [id for (id,) in ids])


def lacking_rows(
    db: PostgresDatabase,
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
    rows = db.rows(
        f"""
        select old.id, null, old.content, old.content_blob, old.content_hash,
          old.metadata::text, null
        from (
          select *
          from embeddings
          where collection_id = %s
            and id {">=" if after is None else ">"} %s
            and {_fits(text, binary)}
        ) as old
        left join embeddings as new
          on new.collection_id = %s
          and new.id = old.id
        where new.id is null
          or {_OF_OTHER_HASH}
        order by old.id
        limit %s
        """,
        [old.id, after or "", new.id if new else _NO_COLLECTION, limit],
    )
    return [EmbeddingRow(*row) for row in rows]


def count_lacking(
    db: PostgresDatabase, old: CollectionRow, new: CollectionRow | None, *, text: bool, binary: bool
) -> int:
    """Return how many rows lacking_rows() would give in all."""
    [[number]] = db.rows(
        f"""
        select count(*)
        from (
          select id, content_hash
          from embeddings
          where collection_id = %s
            and {_fits(text, binary)}
        ) as old
        left join embeddings as new
          on new.collection_id = %s
          and new.id = old.id
        where new.id is null
          or {_OF_OTHER_HASH}
        """,
        [old.id, new.id if new else _NO_COLLECTION],
    )
    return int(number)


def bring_into_step(db: PostgresDatabase, old: CollectionRow, new: CollectionRow) -> None:
    """Do for the successor what needs no model. Belongs inside a transaction that locked both.

    What has other content under the hash of before goes. Metadata and content become those of the
    rows with the same hash. What is gone stays: its vector may be another's, whose id is new.
    """
    db.run(
        f"""
        delete from embeddings as new
        using embeddings as old
        where new.collection_id = %s
          and old.collection_id = %s
          and old.id = new.id
          and not {_OF_OTHER_HASH}
          and {_OF_OTHER_CONTENT}
        """,
        [new.id, old.id],
    )
    db.run(
        f"""
        update embeddings as new
        set content = old.content,
            content_blob = old.content_blob,
            metadata = old.metadata
        from embeddings as old
        where new.collection_id = %s
          and old.collection_id = %s
          and old.id = new.id
          and not {_OF_OTHER_HASH}
          and (
            old.content is distinct from new.content
            or old.content_blob is distinct from new.content_blob
            or old.metadata is distinct from new.metadata
          )
        """,
        [new.id, old.id],
    )


def take_place(
    db: PostgresDatabase, old: CollectionRow, new: CollectionRow, kept_as: str | None
) -> CollectionRow:
    """Give the successor the name, with what is equal alone.

    Belongs inside a transaction that locked both.

    :param kept_as: the name that the old collection gets; None deletes it
    :return: the successor's row
    :raises InvalidInputError: there is a collection of that name
    """
    # What is gone, and what was refused after it had been replaced.
    db.run(
        f"""
        delete from embeddings as new
        where collection_id = %s
          and not exists (
            select 1
            from embeddings as old
            where old.collection_id = %s
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


def delete_collection(db: PostgresDatabase, collection: CollectionRow) -> None:
    """Delete a collection and its entries. Belongs inside a transaction that locked it."""
    embeddings.delete_all(db, collection.id)
    catalog.delete(db, collection)


def lock_both(db: PostgresDatabase, old: CollectionRow, new: CollectionRow) -> None:
    """Have a transaction write to both alone: in the order of ids, so that no two wait in a circle.

    :raises DoesNotExist, ModelMismatchError: one of them is not the one that it was
    """
    for collection in sorted([old, new]):
        catalog.lock(db, collection)


def sample_ids(db: PostgresDatabase, collection: CollectionRow, number: int) -> list[str]:
    """Return so many ids, or all of fewer, from all over a collection: always the same."""
    rows = db.rows(
        """
        with numbered as (
          select id, row_number() over (order by id) - 1 as place, count(*) over () as number
          from embeddings
          where collection_id = %(collection_id)s
        )
        select id
        from numbered
        where place = 0
          or place * %(wanted)s / number > (place - 1) * %(wanted)s / number
        order by id
        limit %(wanted)s
        """,
        {"collection_id": collection.id, "wanted": number},
    )
    return [id for (id,) in rows]


def _fits(text: bool, binary: bool) -> str:
    """Return the SQL condition that a row has stored content that a model embeds."""
    return f"({_HAS_TEXT if text else 'false'} or {_HAS_BYTES if binary else 'false'})"
