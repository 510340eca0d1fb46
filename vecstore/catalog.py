"""The rows of `collections`: which collections a database has."""

from sqlite_utils import Database

from . import connection, rights, transactions
from .errors import DoesNotExist, InvalidInputError

Row = tuple[int, str]  # id and model


def check_name(name: object) -> str:
    """Return a collection's name, which must be text that is not empty."""
    if not isinstance(name, str) or not name:
        raise InvalidInputError(
            f"A collection is named {name!r}: it must be text that is not empty"
        )
    try:
        name.encode()
    except UnicodeEncodeError:
        raise InvalidInputError(f"The name {name!r} has a lone surrogate: it is not text") from None
    return name


def find(db: Database, name: str) -> Row | None:
    """Return the id and the model of a collection; None, also in a file without these tables."""
    if not db["collections"].exists():
        return None
    row = db.execute("select id, model from collections where name = ?", [name]).fetchone()
    return None if row is None else (row[0], row[1])


def get(db: Database, name: str) -> Row:
    """Return the id and the model of a collection; DoesNotExist says which there are instead."""
    row = find(db, check_name(name))
    if row is None:
        raise DoesNotExist(f"Collection does not exist: {name!r} ({describe(db)})")
    return row


def create(db: Database, name: str, model_id: str) -> Row:
    """Insert a collection, unless another process has done so, and return its row.

    :raises DoesNotExist: there is none, and the database is read-only
    """
    try:
        return transactions.write(db, lambda: find(db, name) or _insert(db, name, model_id))
    except db.conn.OperationalError as error:
        # Without tables, schema.ensure() could not write either.
        reason = error if db["collections"].exists() else "the database is readonly"
        if rights.is_read_only(error) or reason is not error:
            raise DoesNotExist(
                f"Collection {name!r} does not exist ({describe(db)}), and cannot be created: "
                f"{reason}"
            ) from error
        raise


def _insert(db: Database, name: str, model_id: str) -> Row:
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
    return int(cursor.lastrowid or 0), model_id


def check(db: Database, name: str, row: Row) -> None:
    """Raise DoesNotExist if a collection is gone: another may have its id by now."""
    if find(db, name) != row:
        raise DoesNotExist(
            f"Collection {name!r} was deleted or renamed: open it with Collection(...)"
        )


def describe(db: Database) -> str:
    """Return what a message says of a database: its file, and the collections in it."""
    names = []
    if db["collections"].exists():
        names = [name for (name,) in db.execute("select name from collections order by name")]
    listed = ", ".join(map(repr, names[:10])) or "no collections"
    return f"{connection.name_of(db)} has {listed}{' and more' * (len(names) > 10)}"
