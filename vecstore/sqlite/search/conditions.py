"""What goes wrong with the condition of a search, which is SQL of the user's."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlite_utils import Database

from ...errors import InvalidInputError
from ...query import Query
from ...values import shown
from ..connection import opening

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
        number = len(query.where_args)
        # Where a few are left, it is the search's own that have no place any more.
        if "too many SQL variables" in message or ("variable number" in message and number > 999):
            message = _too_many(db, number)
        raise InvalidInputError(
            f"where={shown(query.where)} with where_args={shown(query.where_args)} cannot be "
            f"applied to the rows of `embeddings`: {message}"
        ) from error


def _too_many(db: Database, number: int) -> str:
    limit = opening.max_parameters(db)
    most = (
        "has a limit" if limit is None else f"takes {limit:,} at most, a few of them the search's"
    )
    return (
        f"where_args has {number:,} values, and SQLite {most}: pass many as one, such as "
        'where="id in (select value from json_each(?))", where_args=[json.dumps(ids)]'
    )
