"""What goes wrong with the condition of a search, which is SQL of the user's."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlite_utils import Database

from .errors import InvalidInputError
from .query import Query

# Whole phrases: a message may also hold a name from the condition, such as a column "closed".
_NOT_OF_A_CONDITION = (
    "is locked",
    "disk I/O error",
    "disk is full",
    "on a closed",
    "that same thread",
    "in another thread",
    "constraint failed",
)


@contextmanager
def errors_explained(db: Database, query: Query) -> Iterator[None]:
    """Raise InvalidInputError, in place of SQLite's error, where the condition is at fault."""
    try:
        if query.where:
            # Alone, so that its parameters are counted too. In a CASE: what would go on after the
            # parenthesis of the search, with UNION or GROUP BY, is no condition here.
            db.execute(
                f"""
                explain select 1
                from embeddings
                where case when (\n{query.where}\n) then 1 end
                """,
                query.where_args,
            ).fetchall()
        yield
    except (
        db.conn.OperationalError,
        db.conn.ProgrammingError,
        db.conn.InterfaceError,
        db.conn.DataError,
        db.conn.IntegrityError,  # datatype mismatch, as of `limit 'x'`
        db.conn.Warning,
        OverflowError,
        UnicodeEncodeError,
    ) as error:
        message = str(error)
        if not query.where or any(words in message for words in _NOT_OF_A_CONDITION):
            raise
        if message == "interrupted":
            raise
        raise InvalidInputError(
            f"where={query.where!r} with where_args={query.where_args!r} cannot be applied to the "
            f"rows of `embeddings`: {error}"
        ) from error
