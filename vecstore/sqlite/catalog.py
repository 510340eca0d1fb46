"""The rows of `collections`: which collections a database has, and whether one is still there."""

from collections.abc import Callable, Sequence
from typing import Any

from ..entries import require_collection_name
from ..errors import DoesNotExist, InvalidInputError, ModelMismatchError, VecstoreError
from ..prefixes import Prefixes
from ..rows import CollectionRow, CollectionSummary
from ..values import quote
from . import collection_prefixes, schema, transactions
from .connection import opening, rights, sqlite_errors
from .connection.database import Database, has_table
from .connection.interrupts import Result


def find(db: Database, name: str) -> CollectionRow | None:
    """Return the row of a collection; None, also in a file without these tables.

    :raises DatabaseError: it has tables of these names that are neither llm's nor vecstore's
    """
    schema.refuse_foreign(db)
    if not has_table(db, "collections"):
        return None
    row = db.execute("select id, model from collections where name = ?", [name]).fetchone()
    return None if row is None else CollectionRow(row[0], name, row[1])


def find_or_fail(db: Database, name: str) -> CollectionRow:
    """Return the row of a collection; DoesNotExist says which there are instead."""
    row = find(db, require_collection_name(name))
    if row is None:
        raise DoesNotExist(f"Collection does not exist: {quote(name)} ({describe_database(db)})")
    return row


def summarize(db: Database) -> list[CollectionSummary]:
    """Return the collections by name; none for a file that has never had one.

    :raises DatabaseError: it has tables of these names that are neither llm's nor vecstore's
    """
    schema.refuse_foreign(db)
    if not (has_table(db, "collections") and has_table(db, "embeddings")):
        return []
    rows = db.execute(
        """
        select c.name, c.model, count(e.collection_id)
        from collections c
        left join embeddings e on e.collection_id = c.id
        group by c.id
        order by c.name
        """
    )
    found = rows.fetchall()
    prefixes = collection_prefixes.find_all(db)
    return [
        CollectionSummary(name, model, number, prefixes.get(name, Prefixes()))
        for name, model, number in found
    ]


def create(db: Database, name: str, model_id: str) -> CollectionRow:
    """Insert a collection, unless another process has done so, and return its row.

    :raises DoesNotExist: there is none, and the database is read-only
    """
    try:
        with transactions.writing(db):
            return find(db, name) or _insert(db, name, model_id)
    except db.conn.OperationalError as error:
        # Without tables, schema.ensure_schema() could not write either.
        reason = error if has_table(db, "collections") else "the database is readonly"
        if rights.is_read_only(error) or reason is not error:
            raise DoesNotExist(
                f"Collection {quote(name)} does not exist ({describe_database(db)}), and cannot be "
                f"created: {reason}"
            ) from error
        raise


def _insert(db: Database, name: str, model_id: str) -> CollectionRow:
    # Above what rows without a collection have: they are not of this one.
    cursor = db.conn.execute(
        """
        insert into collections (id, name, model)
        select
          1 + max(
            coalesce((select max(id) from collections), 0),
            coalesce((select max(collection_id) from embeddings), 0)
          ),
          ?,
          ?
        """,
        [name, model_id],
    )
    return CollectionRow(int(cursor.lastrowid or 0), name, model_id)


def create_new(db: Database, name: str, model_id: str) -> CollectionRow:
    """Insert a collection and return its row. Belongs inside a transaction.

    :raises InvalidInputError: there is one of that name
    """
    refuse_taken(db, name)
    return _insert(db, name, model_id)


def rename(db: Database, row: CollectionRow, name: str) -> CollectionRow:
    """Give a collection another name, and return its row. Belongs inside a transaction.

    :raises InvalidInputError: there is one of that name
    """
    refuse_taken(db, name)
    db.execute("update collections set name = ? where id = ?", [name, row.id])
    return row._replace(name=name)


def refuse_taken(db: Database, name: str) -> None:
    """Raise InvalidInputError if there is a collection of that name."""
    taken = find(db, name)
    if taken is not None:
        raise InvalidInputError(
            f"There is a collection {quote(name)} already, of the model {taken.model!r}: choose "
            "another name, or rename or delete that one"
        )


def delete(db: Database, row: CollectionRow) -> None:
    """Delete the row of a collection, whose entries are gone already."""
    db.execute("delete from collections where id = ?", [row.id])


def read_unchanged(
    db: Database,
    row: CollectionRow,
    work: Callable[[Any], Result],
    *,
    expression: str = "null",
    args: Sequence[object] = (),
) -> Result:
    """Call `work` while a collection is the one that it was, and return what it returns.

    What `work` reads is of the same moment, whoever writes. It gets the value of an expression in
    SQL, which costs no statement of its own.

    :raises DoesNotExist: the collection is gone, and another may have its id by now
    :raises ModelMismatchError: the one of that name has another model
    """

    def work_if_found(found: tuple[Any] | None) -> Result:
        if found is None:
            raise _changed(db, row)
        return work(found[0])

    try:
        return transactions.hold_row(
            db,
            # Two rows, as hold_row() asks for.
            f"""
            select {expression}
            from collections, (values (1), (2))
            where id = ?
              and name = ?
              and model is ?
            """,
            (*args, *row),
            work_if_found,
        )
    except db.conn.OperationalError as error:
        if sqlite_errors.says(error, f"{sqlite_errors.NO_SUCH_TABLE}: collections"):
            raise _changed(db, row) from error
        raise


def require_unchanged(db: Database, row: CollectionRow) -> None:
    """Raise what read_unchanged() raises, unless a collection is the one that it was."""
    read_unchanged(db, row, lambda _: None)


def _changed(db: Database, row: CollectionRow) -> VecstoreError:
    """Return the error that says what has become of a collection."""
    name, now = quote(row.name), find(db, row.name)
    if now is None:
        return DoesNotExist(
            f"Collection {name} was deleted or renamed, and its id {row.id} may be another's "
            f"({describe_database(db)}): open one that exists"
        )
    remedy = "open it again with Collection(...)"
    if now.model != row.model:
        return ModelMismatchError(
            f"Collection {name} was opened with the model {row.model!r}, and is one of "
            f"{now.model!r} now: {remedy}"
        )
    return DoesNotExist(
        f"Collection {name} was deleted and made anew, with the id {now.id} in place of "
        f"{row.id}: {remedy}"
    )


def describe_database(db: Database) -> str:
    """Return what a message says of a database: its file, and the collections in it."""
    found = names(db)
    listed = ", ".join(map(quote, found[:10])) or "no collections"
    return f"{opening.name_of(db)} has {listed}{' and more' * (len(found) > 10)}"


def names(db: Database) -> list[str]:
    """Return the names of all collections, in order."""
    if not has_table(db, "collections"):
        return []
    return [name for (name,) in db.execute("select name from collections order by name")]
