"""The rows of `collections`: which collections a database has, and whether one is still there."""

from collections.abc import Callable
from typing import TypeVar

from ..entries import require_collection_name
from ..errors import (
    ConstraintError,
    DatabaseReadOnlyError,
    DoesNotExist,
    InvalidInputError,
    ModelMismatchError,
    VecstoreError,
)
from ..prefixes import Prefixes
from ..rows import CollectionRow, CollectionSummary
from ..values import quote
from . import prefixes, schema
from .connection import PostgresDatabase
from .storable import MAX_ID_BYTES

_Result = TypeVar("_Result")


def find(db: PostgresDatabase, name: str) -> CollectionRow | None:
    """Return the row of a collection; None, also in a database without tables of ours."""
    if "\0" in name or not schema.has_tables(db):
        return None
    return _find(db, name)


def _find(db: PostgresDatabase, name: str) -> CollectionRow | None:
    rows = db.rows("select id, model from collections where name = %s", [name])
    return CollectionRow(rows[0][0], name, rows[0][1]) if rows else None


def find_or_fail(db: PostgresDatabase, name: str) -> CollectionRow:
    """Return the row of a collection; DoesNotExist says which there are instead."""
    row = find(db, require_collection_name(name))
    if row is None:
        raise DoesNotExist(f"Collection does not exist: {quote(name)} ({describe_database(db)})")
    return row


def create(db: PostgresDatabase, name: str, model_id: str) -> CollectionRow:
    """Insert a collection, unless another process has done so, and return its row.

    :raises DoesNotExist: there is none, and the database is read-only
    :raises InvalidInputError: PostgreSQL cannot hold the name
    """
    _refuse_unstorable(name, model_id)
    try:
        return db.write(lambda: _find(db, name) or _insert_or_find(db, name, model_id))
    except DatabaseReadOnlyError as error:
        raise DoesNotExist(
            f"Collection {quote(name)} does not exist ({describe_database(db)}), and cannot be "
            f"created: {error}"
        ) from error


def _insert_or_find(db: PostgresDatabase, name: str, model_id: str) -> CollectionRow:
    rows = db.rows(
        """
        insert into collections (name, model)
        values (%s, %s)
        on conflict (name) do nothing
        returning id
        """,
        [name, model_id],
    )
    if rows:
        return CollectionRow(rows[0][0], name, model_id)
    found = _find(db, name)
    if found is None:
        raise DoesNotExist(f"Collection {quote(name)} was made and deleted meanwhile: try again")
    return found


def create_new(db: PostgresDatabase, name: str, model_id: str) -> CollectionRow:
    """Insert a collection that there must not be, and return its row.

    :raises InvalidInputError: there is one of that name, or PostgreSQL cannot hold it
    """
    _refuse_unstorable(name, model_id)
    refuse_taken(db, name)
    rows = _unless_taken(
        db,
        name,
        lambda: db.rows(
            "insert into collections (name, model) values (%s, %s) returning id", [name, model_id]
        ),
    )
    return CollectionRow(rows[0][0], name, model_id)


def rename(db: PostgresDatabase, row: CollectionRow, name: str) -> CollectionRow:
    """Give a collection another name, and return its row. Belongs inside a transaction.

    :raises InvalidInputError: there is one of that name, or PostgreSQL cannot hold it
    """
    _refuse_unstorable(name)
    refuse_taken(db, name)
    _unless_taken(
        db,
        name,
        lambda: db.run("update collections set name = %s where id = %s", [name, row.id]),
    )
    return row._replace(name=name)


def _unless_taken(db: PostgresDatabase, name: str, work: Callable[[], _Result]) -> _Result:
    """Return what `work` returns; another process may have taken the name meanwhile."""
    try:
        with db.writing():
            return work()
    except ConstraintError:
        refuse_taken(db, name)
        raise


def refuse_taken(db: PostgresDatabase, name: str) -> None:
    """Raise InvalidInputError if there is a collection of that name."""
    taken = _find(db, name)
    if taken is not None:
        raise InvalidInputError(
            f"There is a collection {quote(name)} already, of the model {taken.model!r}: choose "
            "another name, or rename or delete that one"
        )


def _refuse_unstorable(*names: str) -> None:
    for name in names:
        if "\0" in name:
            raise InvalidInputError(
                f"{quote(name)} has a NUL character, which PostgreSQL's text cannot hold: choose "
                "another name"
            )
        if len(name.encode()) > MAX_ID_BYTES:
            raise InvalidInputError(
                f"{quote(name)} has {len(name.encode()):,} bytes, and an index of PostgreSQL takes "
                f"{MAX_ID_BYTES:,} at most: choose another name"
            )


def delete(db: PostgresDatabase, row: CollectionRow) -> None:
    """Delete the row of a collection, whose entries are gone already."""
    db.run("delete from collections where id = %s", [row.id])


def lock(db: PostgresDatabase, row: CollectionRow) -> None:
    """Have this transaction write to a collection alone until it ends; others wait, or read.

    :raises DoesNotExist, ModelMismatchError: as require_unchanged() does
    """
    if row.id in db.locked():
        return
    found = db.rows(
        """
        select id
        from collections
        where id = %s
          and name = %s
          and model = %s
        for no key update
        """,
        list(row),
    )
    if not found:
        raise _changed(db, row)
    db.locked().add(row.id)


def read_unchanged(
    db: PostgresDatabase, row: CollectionRow, read: Callable[[], _Result]
) -> _Result:
    """Return what `read` returns of a collection that is the one that it was.

    In a block of writing(), nobody else writes to the collection from then on. Else that is looked
    at afterwards: another collection never gets its id.

    :raises DoesNotExist: the collection is gone
    :raises ModelMismatchError: the one of that name has another model
    """
    if db.is_writing():
        lock(db, row)
        return read()
    try:
        found = read()
    except InvalidInputError:  # which is about the rows of another, perhaps
        require_unchanged(db, row)
        raise
    require_unchanged(db, row)
    return found


def require_unchanged(db: PostgresDatabase, row: CollectionRow) -> None:
    """Raise DoesNotExist or ModelMismatchError unless a collection is the one that it was."""
    if db.is_writing():
        lock(db, row)
        return
    same = "select 1 from collections where id = %s and name = %s and model = %s"
    if not db.rows(same, list(row)):
        raise _changed(db, row)


def _changed(db: PostgresDatabase, row: CollectionRow) -> VecstoreError:
    """Return the error that says what has become of a collection."""
    name, now = quote(row.name), find(db, row.name)
    remedy = "open it again with Collection(...)"
    if now is None:
        return DoesNotExist(
            f"Collection {name} was deleted or renamed ({describe_database(db)}): open one that "
            "exists"
        )
    if now.model != row.model:
        return ModelMismatchError(
            f"Collection {name} was opened with the model {row.model!r}, and is one of "
            f"{now.model!r} now: {remedy}"
        )
    return DoesNotExist(
        f"Collection {name} was deleted and made anew, with the id {now.id} in place of "
        f"{row.id}: {remedy}"
    )


def summarize(db: PostgresDatabase) -> list[CollectionSummary]:
    """Return the collections by name, as of one moment; none without tables of ours."""
    with db.reading():
        if not schema.has_tables(db):
            return []
        found = db.rows(
            """
            select name, model, coalesce(number, 0)
            from collections
            left join (
              select collection_id, count(*) as number
              from embeddings
              group by collection_id
            ) as counted on collection_id = collections.id
            order by name
            """
        )
        own = prefixes.find_all(db)
    return [
        CollectionSummary(name, model, number, own.get(name, Prefixes()))
        for name, model, number in found
    ]


def find_all(db: PostgresDatabase) -> list[CollectionRow]:
    """Return the rows of all collections, by name; none without tables of ours."""
    if not schema.has_tables(db):
        return []
    rows = db.rows("select id, name, model from collections order by name")
    return [CollectionRow(*row) for row in rows]


def names(db: PostgresDatabase) -> list[str]:
    """Return the names of all collections, in order."""
    if not schema.has_tables(db):
        return []
    return [name for (name,) in db.rows("select name from collections order by name")]


def describe_database(db: PostgresDatabase) -> str:
    """Return what a message says of a database: its URL, and the collections in it."""
    found = names(db)
    listed = ", ".join(map(quote, found[:10])) or "no collections"
    return f"{db.shown} has {listed}{' and more' * (len(found) > 10)}"
