"""The rows of `collections`: which collections a database has."""

from sqlite_utils import Database

from . import connection, schema, transactions
from .errors import DatabaseError, DoesNotExist, InvalidInputError
from .values import shown

Row = tuple[int, str]  # id and model


def check_name(name: object) -> str:
    """Return a collection's name, which must be text that is not empty."""
    if not isinstance(name, str) or not name:
        raise InvalidInputError(
            f"A collection is named {shown(name)}: it must be text that is not empty"
        )
    try:
        name.encode()
    except UnicodeEncodeError:
        raise InvalidInputError(
            f"The name {shown(name)} has a lone surrogate: it is not text"
        ) from None
    return name


def find(db: Database, name: str) -> Row | None:
    """Return the id and the model of a collection; None, also in a file without these tables.

    :raises DatabaseError: it has tables of these names that are neither llm's nor vecstore's
    """
    schema.refuse_foreign(db)
    if not db["collections"].exists():
        return None
    row = db.execute("select id, model from collections where name = ?", [name]).fetchone()
    return None if row is None else (row[0], row[1])


def get(db: Database, name: str) -> Row:
    """Return the id and the model of a collection; DoesNotExist says which there are instead."""
    row = find(db, check_name(name))
    if row is None:
        raise DoesNotExist(f"Collection does not exist: {shown(name)} ({describe(db)})")
    return row


def create(db: Database, name: str, model_id: str) -> Row:
    """Insert a collection, unless another process has done so, and return its row."""
    if not db["collections"].exists():
        raise DatabaseError(
            f"Collection {shown(name)} cannot be created: the database is read-only"
        )
    return transactions.write(db, lambda: find(db, name) or _insert(db, name, model_id))


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
            f"Collection {shown(name)} was deleted or renamed: open it with Collection(...)"
        )


def describe(db: Database) -> str:
    """Return what a message says of a database: its file, and the collections in it."""
    names = []
    if db["collections"].exists():
        names = [name for (name,) in db.execute("select name from collections order by name")]
    listed = ", ".join(map(shown, names[:10])) or "no collections"
    return f"{connection.name_of(db)} has {listed}{' and more' * (len(names) > 10)}"
